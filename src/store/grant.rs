//! What a log-in is good for, as long as the account is what it was at that moment.
//!
//! A session asks for it before it reads what the password is compared with, and holds it to its end. It is over as soon
//! as the account is gone, or its credentials are others: the writer sees to that in the order of its commits, refuses
//! what still comes with it ([`super::Refusal::Revoked`]), and rings. A hash that is only made anew for the same password
//! ([`super::Write::RenewCredentials`]) ends nothing.

use crate::mail::AccountId;
use event_listener::{Event, EventListener};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The right to act for an account, until that is changed or removed.
#[derive(Clone, Debug)]
pub struct Grant(Arc<State>);

#[derive(Debug)]
struct State {
    account: AccountId,
    over: AtomicBool,
    bell: Event,
}

/// The grants that somebody holds.
#[derive(Debug, Default)]
pub(super) struct Grants(Mutex<HashMap<AccountId, Weak<State>>>);

impl Grant {
    /// Whose.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.0.account
    }

    /// Whether it is good for nothing any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.over.load(Ordering::SeqCst)
    }

    /// Hears when it is over: look with `is_over` after listening, or that may be missed.
    #[must_use]
    pub fn listen(&self) -> EventListener {
        self.0.bell.listen()
    }
}

impl Grants {
    /// What holds for an account from now on.
    pub(super) fn of(&self, account: AccountId) -> Grant {
        let mut grants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = grants.get(&account).and_then(Weak::upgrade).unwrap_or_else(|| {
            // Those that nobody holds any more make room.
            grants.retain(|_, state| state.strong_count() > 0);
            let state = Arc::new(State { account, over: AtomicBool::new(false), bell: Event::new() });
            grants.insert(account, Arc::downgrade(&state));
            state
        });
        Grant(state)
    }

    /// Whatever was granted for these is over.
    pub(super) fn revoke(&self, accounts: &BTreeSet<AccountId>) {
        if accounts.is_empty() {
            return;
        }
        let mut grants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for account in accounts {
            if let Some(state) = grants.remove(account).as_ref().and_then(Weak::upgrade) {
                state.over.store(true, Ordering::SeqCst);
                state.bell.notify(usize::MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::Options;
    use super::super::write::{NewAccount, Outcome};
    use super::super::{Credentials, Limits, Pop3, Refusal, Store, StoreError, Write};
    use super::*;

    /// A store that goes when the test ends.
    struct World {
        folder: std::path::PathBuf,
        store: Store,
    }

    impl World {
        fn new(name: &str) -> World {
            let folder = std::env::temp_dir().join(format!("pillarbox-grant-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&folder);
            let store = Store::open(&folder, Options::default()).unwrap();
            World { folder, store }
        }
    }

    impl Drop for World {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    fn credentials(hash: &str) -> Credentials {
        Credentials { argon2: hash.to_owned(), ..Credentials::default() }
    }

    fn add(store: &Store) -> AccountId {
        let address = "ann@example.org".to_owned();
        let new = NewAccount { address, credentials: credentials("old"), limits: Limits::default(), now: 1 };
        let Ok(Outcome::Account(account)) = store.write_blocking(Write::AddAccount(new)) else { panic!("no account") };
        account
    }

    fn change(account: AccountId) -> Write {
        Write::SetPop3 { account, pop3: Pop3::default() }
    }

    fn change_as(store: &Store, grant: &Grant) -> Result<Outcome, StoreError> {
        smol::block_on(store.write_as(grant, change(grant.account())))
    }

    fn is_refused(outcome: &Result<Outcome, StoreError>) -> bool {
        matches!(outcome, Err(StoreError::Refused(Refusal::Revoked)))
    }

    #[test]
    fn another_password_ends_what_was_granted_before_and_a_hash_made_anew_does_not() {
        let world = World::new("password");
        let store = &world.store;
        let account = add(store);
        let grant = store.grant(account);
        let (from, to) = (Box::new(credentials("old")), Box::new(credentials("anew")));
        store.write_blocking(Write::RenewCredentials { account, from: from.clone(), to: to.clone() }).unwrap();
        assert!(!grant.is_over() && change_as(store, &grant).is_ok());
        // What was changed meanwhile is not undone.
        let late = store.write_blocking(Write::RenewCredentials { account, from, to });
        assert!(matches!(late, Err(StoreError::Refused(Refusal::Changed))));
        let rung = grant.listen();
        store.write_blocking(Write::SetCredentials { account, credentials: credentials("other") }).unwrap();
        smol::block_on(rung);
        assert!(grant.is_over() && is_refused(&change_as(store, &grant)));
        assert!(change_as(store, &store.grant(account)).is_ok(), "who comes in with the new one may go on");
    }

    #[test]
    fn a_removed_account_s_session_does_nothing_to_one_that_is_made_in_its_place() {
        let world = World::new("removed");
        let store = &world.store;
        let (old, other) = (add(store), store.grant(AccountId(77)));
        let grant = store.grant(old);
        store.write_blocking(Write::RemoveAccount(old)).unwrap();
        let new = add(store);
        assert_ne!(old, new, "an id is never given twice");
        assert!(grant.is_over() && !other.is_over());
        // Whatever it names, also a mailbox of the new one.
        let inbox = store.snapshot().unwrap().mailbox_named(new, "INBOX").unwrap().unwrap();
        let write = Write::Expunge { mailbox: inbox, uids: None };
        assert!(is_refused(&smol::block_on(store.write_as(&grant, write))));
    }

    #[test]
    fn what_waits_in_the_same_commit_as_the_removal_is_refused_behind_it() {
        let world = World::new("commit");
        let store = &world.store;
        let account = add(store);
        let grant = store.grant(account);
        // Together they mostly are one batch; behind one another they are in any case.
        for _ in 0..50 {
            let password = Write::SetCredentials { account, credentials: credentials("other") };
            let grant = store.grant(account);
            let both = smol::future::zip(store.write(password), store.write_as(&grant, change(account)));
            let (changed, late) = smol::block_on(both);
            assert!(changed.is_ok() && is_refused(&late));
        }
        assert!(is_refused(&change_as(store, &grant)));
    }
}
