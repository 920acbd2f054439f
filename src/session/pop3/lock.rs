//! One session at a time in each maildrop (RFC 1939 §4), and not too often (RFC 2449 §6.5).

use crate::mail::AccountId;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// What an owner chose for all maildrops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// A second session in a maildrop is turned away.
    pub exclusive: bool,
    /// Seconds between a log-in and the next; 0: it may come at once.
    pub login_delay: u32,
}

/// Who is in which maildrop.
#[derive(Debug)]
pub struct Maildrops {
    terms: Terms,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: HashSet<AccountId>,
    /// When each account was let in last, in seconds since 1970; kept only where there is a delay.
    entered: HashMap<AccountId, i64>,
}

/// A maildrop that is one's own while this lives.
#[derive(Debug)]
pub(super) struct Lock {
    account: AccountId,
    maildrops: Arc<Maildrops>,
}

/// Why a maildrop was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    InUse,
    TooSoon,
}

impl Maildrops {
    /// All free.
    #[must_use]
    pub fn new(terms: Terms) -> Maildrops {
        Maildrops { terms, state: Mutex::default() }
    }

    pub(super) fn terms(&self) -> Terms {
        self.terms
    }

    /// Takes an account's maildrop.
    pub(super) fn take(self: &Arc<Self>, account: AccountId, now: i64) -> Result<Lock, Taken> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.terms.login_delay > 0 {
            let delay = i64::from(self.terms.login_delay);
            // A clock that was set back is no reason to wait.
            state.entered.retain(|_, at| (0..delay).contains(&now.saturating_sub(*at)));
            if state.entered.contains_key(&account) {
                return Err(Taken::TooSoon);
            }
        }
        if self.terms.exclusive && !state.taken.insert(account) {
            return Err(Taken::InUse);
        }
        if self.terms.login_delay > 0 {
            state.entered.insert(account, now);
        }
        Ok(Lock { account, maildrops: Arc::clone(self) })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = self.maildrops.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Without exclusion nothing was put in, and others may be there.
        if self.maildrops.terms.exclusive {
            state.taken.remove(&self.account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maildrops(exclusive: bool, login_delay: u32) -> Arc<Maildrops> {
        Arc::new(Maildrops::new(Terms { exclusive, login_delay }))
    }

    #[test]
    fn a_maildrop_is_free_again_when_its_lock_goes() {
        let maildrops = maildrops(true, 0);
        let lock = maildrops.take(AccountId(1), 0).unwrap();
        assert_eq!(maildrops.take(AccountId(1), 0).err(), Some(Taken::InUse));
        assert!(maildrops.take(AccountId(2), 0).is_ok());
        drop(lock);
        assert!(maildrops.take(AccountId(1), 0).is_ok());
    }

    #[test]
    fn a_log_in_too_soon_is_refused_for_that_account_only() {
        let maildrops = maildrops(true, 60);
        drop(maildrops.take(AccountId(1), 1_000).unwrap());
        assert_eq!(maildrops.take(AccountId(1), 1_059).err(), Some(Taken::TooSoon));
        assert!(maildrops.take(AccountId(2), 1_059).is_ok());
        assert!(maildrops.take(AccountId(1), 1_060).is_ok());
        assert!(maildrops.take(AccountId(1), 100).is_ok(), "the clock was set back");
    }

    #[test]
    fn without_exclusion_many_may_be_there() {
        let maildrops = maildrops(false, 0);
        let _first = maildrops.take(AccountId(1), 0).unwrap();
        assert!(maildrops.take(AccountId(1), 0).is_ok());
    }
}
