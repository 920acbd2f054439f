//! Doing what an owner asks for. Everything here may wait for a disk or for argon2: call it where that is no harm.

use super::action::{Checked, Failure, Limit, Listed, MailboxLine, Quota, Reply, Request, Secret, Shown, Status};
use super::address::{Address, BadAddress};
use super::choice::{self, WeakPassword};
use super::crypt::{self, BadHash};
use super::delivery;
use super::keys;
use super::mirror;
use super::password::{self, Strength};
use super::salts::Salts;
use super::sessions::Sessions;
use super::{queue, removed, served, smarthost};
use crate::events::about;
use crate::mail::{AccountId, Stamp};
use crate::store::{
    Account, Credentials, Fault, Health, Limits, NewAccount, OnDelete, Pop3, Snapshot, Store, StoreError, Write,
};
use crate::sys;
use std::time::{SystemTime, UNIX_EPOCH};

/// Does what is asked for. `strength`: of the hashes of new passwords.
#[must_use]
pub fn perform(store: &Store, strength: Strength, request: Request) -> Reply {
    let done = match request {
        Request::AddAccount { address, password, quota } => add(store, strength, &address, password, quota),
        Request::AddHashedAccount { address, hash, quota, unless_there } => {
            add_hashed(store, &address, hash, quota, unless_there)
        }
        Request::ListAccounts => list(store).map(Reply::Accounts),
        Request::ShowAccount { address } => show(store, &address).map(Reply::Account),
        Request::SetPassword { address, password } => set_password(store, strength, &address, password),
        Request::SetQuota { address, quota } => set_quota(store, &address, quota),
        Request::SetPop3 { address, deleted, mark_seen } => set_pop3(store, &address, deleted, mark_seen),
        Request::RemoveAccount { address } => removed::remove(store, &address),
        Request::EraseAccount { address } => removed::erase(store, &address),
        Request::RestoreAccount { which, address } => removed::restore(store, &which, address.as_deref()),
        Request::ListRemoved => removed::list(store),
        Request::Check { mend } => check(store, mend).map(Reply::Checked),
        Request::Status => Ok(Reply::Status(status(store))),
        Request::WayBack => store.way_back().map(Reply::WayBack).map_err(Failure::from),
        Request::KeepFormat => keep_format(store),
        Request::Mirror(request) => mirror::perform(store, request),
        Request::Delivery(request) => delivery::perform(store, request),
        Request::Queue(request) => queue::perform(store, &request),
        Request::Smarthost(request) => smarthost::perform(store, request),
        Request::Keys { domain } => keys::list(store, &domain),
        Request::Trace { what, most } => Ok(Reply::Trace(about(&what, most))),
        // Nobody is where no server runs.
        Request::Session(request) => Sessions::default().perform(&request),
        Request::Import { .. } | Request::Export { .. } => {
            Err(Failure::Refused("an import or an export is more than one exchange".to_owned()))
        }
    };
    done.unwrap_or_else(Reply::Failed)
}

fn add(
    store: &Store,
    strength: Strength,
    address: &str,
    password: Option<Secret>,
    quota: Quota,
) -> Result<Reply, Failure> {
    let address = Address::parse(address)?;
    // Asked first, since hashing takes its time; the store asks again.
    if store.snapshot()?.account_of(address.as_str())?.is_some() {
        return Err(Failure::Refused(format!("there is an account {address} already")));
    }
    let (credentials, made) = new_password(store, strength, password, address.as_str())?;
    let limits = quota.of(Limits::default());
    let new = NewAccount { address: address.clone().into(), credentials, limits, now: now() };
    store.write_blocking(Write::AddAccount(new))?;
    Ok(Reply::Password { address: address.into(), made })
}

fn add_hashed(
    store: &Store,
    address: &str,
    Secret(hash): Secret,
    quota: Quota,
    unless_there: bool,
) -> Result<Reply, Failure> {
    let address = Address::parse(address)?;
    crypt::check(&hash)?;
    if unless_there && store.snapshot()?.account_of(address.as_str())?.is_some() {
        return Ok(Reply::Done);
    }
    let credentials = Credentials { argon2: hash, ..Credentials::default() };
    let limits = quota.of(Limits::default());
    let new = NewAccount { address: address.clone().into(), credentials, limits, now: now() };
    store.write_blocking(Write::AddAccount(new))?;
    Ok(Reply::Password { address: address.into(), made: None })
}

fn list(store: &Store) -> Result<Vec<Listed>, Failure> {
    let snapshot = store.snapshot()?;
    let mut accounts = Vec::new();
    for (id, account) in snapshot.accounts()? {
        accounts.push(listed(&snapshot, id, account)?);
    }
    accounts.sort_by(|a, b| a.address.cmp(&b.address));
    Ok(accounts)
}

fn show(store: &Store, address: &str) -> Result<Shown, Failure> {
    let snapshot = store.snapshot()?;
    let (id, account) = find(&snapshot, address)?;
    let mailboxes = snapshot.mailboxes(id)?.into_iter().map(|(_, mailbox)| MailboxLine {
        name: mailbox.name,
        messages: mailbox.messages,
        unseen: mailbox.unseen,
        bytes: mailbox.bytes,
    });
    let mailboxes = mailboxes.collect();
    let (created, pop3) = (Stamp::utc(account.created), account.pop3);
    Ok(Shown { created, pop3, account: listed(&snapshot, id, account)?, mailboxes })
}

fn set_password(store: &Store, strength: Strength, address: &str, password: Option<Secret>) -> Result<Reply, Failure> {
    let (account, Account { address, .. }) = find(&store.snapshot()?, address)?;
    let (credentials, made) = new_password(store, strength, password, &address)?;
    store.write_blocking(Write::SetCredentials { account, credentials })?;
    Ok(Reply::Password { address, made })
}

fn set_quota(store: &Store, address: &str, quota: Quota) -> Result<Reply, Failure> {
    let (account, record) = find(&store.snapshot()?, address)?;
    store.write_blocking(Write::SetLimits { account, limits: quota.of(record.limits) })?;
    Ok(Reply::Done)
}

fn set_pop3(
    store: &Store,
    address: &str,
    deleted: Option<OnDelete>,
    mark_seen: Option<bool>,
) -> Result<Reply, Failure> {
    let (account, record) = find(&store.snapshot()?, address)?;
    let Pop3 { on_delete, marks_seen } = record.pop3;
    let pop3 = Pop3 { on_delete: deleted.unwrap_or(on_delete), marks_seen: mark_seen.unwrap_or(marks_seen) };
    store.write_blocking(Write::SetPop3 { account, pop3 })?;
    Ok(Reply::Done)
}

fn check(store: &Store, mend: bool) -> Result<Checked, Failure> {
    let report = store.check()?;
    let mended = if mend { store.mend(&report)? } else { 0 };
    Ok(Checked {
        messages: report.messages,
        bytes: report.bytes,
        mendable: report.findings.iter().filter(|finding| finding.mend.is_some()).count(),
        findings: report.findings.into_iter().map(|finding| finding.what).collect(),
        mended,
    })
}

fn keep_format(store: &Store) -> Result<Reply, Failure> {
    store.write_blocking(Write::KeepFormat)?;
    Ok(Reply::Done)
}

/// Always answers: that the store cannot be read is what somebody may want to know.
fn status(store: &Store) -> Status {
    let counted = count(store);
    let state = match &counted {
        Ok(_) => store.health(),
        Err(Fault::Corrupt(_)) => Health::Damaged,
        Err(_) => Health::Failing,
    };
    let (accounts, messages, bytes) = counted.unwrap_or_else(|fault| {
        log::error!("what is stored cannot be counted: {fault}");
        (0, 0, 0)
    });
    let file = store.path().and_then(|path| path.metadata().ok()).map_or(0, |file| file.len());
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let served = store.snapshot().and_then(|snapshot| served::find(&snapshot)).unwrap_or_default();
    let queued = store.snapshot().and_then(|snapshot| queue::size(&snapshot)).unwrap_or_default();
    let (broke_off, log_lost) = (sys::defects(), sys::log::lost());
    Status { version, accounts, messages, bytes, file, state, free: store.free(), served, queued, broke_off, log_lost }
}

/// Accounts, messages and their octets.
fn count(store: &Store) -> Result<(u64, u64, u64), Fault> {
    let snapshot = store.snapshot()?;
    let accounts = snapshot.accounts()?;
    let (mut messages, mut bytes) = (0, 0);
    for (id, _) in &accounts {
        let usage = snapshot.usage(*id)?;
        messages += usage.messages;
        bytes += usage.bytes;
    }
    Ok((accounts.len() as u64, messages, bytes))
}

/// The account of an address.
pub(super) fn find(snapshot: &Snapshot, address: &str) -> Result<(AccountId, Account), Failure> {
    let address = address.to_lowercase();
    let id = snapshot.account_of(&address)?;
    let account = id.map(|id| snapshot.account(id)).transpose()?.flatten();
    id.zip(account).ok_or_else(|| Failure::Refused(format!("there is no account {address}")))
}

fn listed(snapshot: &Snapshot, id: AccountId, account: Account) -> Result<Listed, Fault> {
    let usage = snapshot.usage(id)?;
    Ok(Listed {
        address: account.address,
        bytes: usage.bytes,
        messages: usage.messages,
        bytes_limit: account.limits.bytes,
        messages_limit: account.limits.messages,
    })
}

fn new_password(
    store: &Store,
    strength: Strength,
    given: Option<Secret>,
    address: &str,
) -> Result<(Credentials, Option<Secret>), Failure> {
    let (password, made) = match given {
        Some(Secret(password)) => {
            choice::check(&password, address)?;
            (password, false)
        }
        None => (password::readable()?, true),
    };
    let credentials = password::credentials(&password, strength, Salts::of(store)?.salt(address))?;
    Ok((credentials, made.then_some(Secret(password))))
}

pub(super) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

impl Quota {
    fn of(self, limits: Limits) -> Limits {
        let of = |change: Option<Limit>, now: Option<u64>| match change {
            None => now,
            Some(Limit::Lifted) => None,
            Some(Limit::Of(limit)) => Some(limit),
        };
        Limits { bytes: of(self.bytes, limits.bytes), messages: of(self.messages, limits.messages) }
    }
}

impl From<BadAddress> for Failure {
    fn from(bad: BadAddress) -> Self {
        Failure::Refused(bad.to_string())
    }
}

impl From<WeakPassword> for Failure {
    fn from(weak: WeakPassword) -> Self {
        Failure::Refused(weak.to_string())
    }
}

impl From<BadHash> for Failure {
    fn from(bad: BadHash) -> Self {
        Failure::Refused(bad.to_string())
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Failure::Fault(fault.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => Failure::Refused(refusal.to_string()),
            StoreError::Fault(fault) => fault.into(),
        }
    }
}
