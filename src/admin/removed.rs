//! Accounts that were removed: for some days they can be had back.

use super::accounts::{find, now};
use super::action::{Failure, RemovedLine, Reply};
use super::address::Address;
use super::salts::local_part;
use crate::mail::AccountId;
use crate::store::{Closed, Credentials, Fault, Outcome, Refusal, Snapshot, Store, StoreError, Write};

/// The account is nobody's from now on.
pub(super) fn remove(store: &Store, address: &str) -> Result<Reply, Failure> {
    let (account, _) = find(&store.snapshot()?, address)?;
    store.write_blocking(Write::CloseAccount { account, now: now() })?;
    Ok(Reply::Done)
}

/// It goes for good, and at once.
pub(super) fn erase(store: &Store, address: &str) -> Result<Reply, Failure> {
    let snapshot = store.snapshot()?;
    if let Some(account) = snapshot.account_of(&address.to_lowercase())? {
        store.write_blocking(Write::RemoveAccount(account))?;
    } else {
        let (account, _) = named(&snapshot, address)?;
        store.write_blocking(Write::EraseClosed(account))?;
    }
    Ok(Reply::Done)
}

/// It is had back, by the address that it had or by another one.
pub(super) fn restore(store: &Store, which: &str, address: Option<&str>) -> Result<Reply, Failure> {
    let (account, closed) = named(&store.snapshot()?, which)?;
    let address = match address {
        Some(address) => Address::parse(address)?.into(),
        None => closed.account.address.clone(),
    };
    match store.write_blocking(Write::ReopenAccount { account, address: address.clone() }) {
        Ok(_) if local_part(&address) == local_part(&closed.account.address) => Ok(Reply::Done),
        Ok(_) => {
            forget_scram(store, account, &closed.account.credentials)?;
            Ok(Reply::Done)
        }
        Err(StoreError::Refused(Refusal::AddressTaken)) => {
            Err(Failure::Refused(format!("{address} is in use by now: have it back as another one, with --as ADDRESS")))
        }
        Err(error) => Err(error.into()),
    }
}

/// By another name it would show the salt of the old one, which whoever asks can tell from that of a name without anybody.
/// The next log-in with the password brings keys with the right one.
fn forget_scram(store: &Store, account: AccountId, from: &Credentials) -> Result<(), Failure> {
    let to = Credentials { argon2: from.argon2.clone(), ..Credentials::default() };
    let renew = Write::RenewCredentials { account, from: Box::new(from.clone()), to: Box::new(to) };
    match store.write_blocking(renew) {
        // A password that was set meanwhile brought keys of its own.
        Ok(_) | Err(StoreError::Refused(Refusal::Changed)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// All that can be had back.
pub(super) fn list(store: &Store) -> Result<Reply, Failure> {
    let snapshot = store.snapshot()?;
    let mut lines = Vec::new();
    for (id, closed) in snapshot.closed_accounts()? {
        let usage = snapshot.usage(id)?;
        lines.push(RemovedLine {
            id: id.0,
            address: closed.account.address,
            removed: closed.at,
            days_left: Closed::DAYS.saturating_sub(closed.days),
            bytes: usage.bytes,
            messages: usage.messages,
        });
    }
    Ok(Reply::Removed(lines))
}

/// Counts the days of removed accounts; returns how many went for good. To be asked at least once a day.
pub fn age_removed(store: &Store, now: i64) -> Result<u64, Fault> {
    let mut gone = 0;
    while !store.is_read_only() && !store.snapshot()?.closed_accounts()?.is_empty() {
        match store.write_blocking(Write::AgeClosed { now }) {
            Ok(Outcome::Expunged(1..)) => gone += 1,
            Ok(_) | Err(StoreError::Refused(_)) => break,
            Err(StoreError::Fault(fault)) => return Err(fault),
        }
    }
    Ok(gone)
}

/// The removed account that is meant: of several of one address the one that was removed last.
fn named(snapshot: &Snapshot, which: &str) -> Result<(AccountId, Closed), Failure> {
    let address = which.to_lowercase();
    let number: Option<u32> = which.parse().ok();
    let mut fitting = snapshot.closed_accounts()?;
    fitting.retain(|(id, closed)| closed.account.address == address || number == Some(id.0));
    let last = fitting.into_iter().max_by_key(|(id, closed)| (closed.at, id.0));
    last.ok_or_else(|| {
        Failure::Refused(format!("there is no removed account {which}: `pillarbox account list --removed`"))
    })
}
