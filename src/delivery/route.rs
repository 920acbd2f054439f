//! What becomes of an address at RCPT, before the mail is there.

use super::resolve::{Reached, resolve};
use crate::mail::AccountId;
use crate::store::{Account, Fault, Grace, Snapshot, StoreError};

/// What the settings say of deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    /// Our host's name; mail for its postmaster is ours.
    pub name: String,
    /// How many per cent a delivery may go over an account's quota, so that mail is rather accepted than bounced.
    pub grace_percent: u8,
}

/// What an address leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Somebody here, or somebody elsewhere by an alias here.
    Here,
    /// Nobody, in a domain of ours: 550 5.1.1.
    Unknown,
    /// Somebody here who has no room, and the grace is used up, too: 452 4.2.2.
    OverQuota,
    /// Not one of our domains.
    Outside,
    /// Aliases that lead to nobody but each other: 554 5.4.6.
    Loop,
}

/// Of an alias that leads to several, one who is full must neither keep the others from their mail nor lose it: it may
/// go so much over, in per cent.
const SHARED_GRACE: u8 = 100;

/// What an address leads to. `size`: octets of the mail, where they are known already.
pub fn route(snapshot: &Snapshot, routing: &Routing, address: &str, size: Option<u64>) -> Result<Route, StoreError> {
    let reached = resolve(snapshot, routing, address)?;
    Ok(judge(snapshot, routing, &reached, size)?)
}

/// Whether an account may send with this address: its own, with any detail, and those of aliases that lead to it.
pub fn may_send_as(snapshot: &Snapshot, account: AccountId, address: &str) -> Result<bool, StoreError> {
    // That the postmaster of our own name is somebody's does not make it theirs to send with.
    let routing = Routing { name: String::new(), grace_percent: 0 };
    let reached = resolve(snapshot, &routing, address)?;
    Ok(address.contains('@') && reached.accounts.iter().any(|(reached, _)| *reached == account))
}

/// Whether mail for this domain is ours: it is our host's name, was added, or an account or an alias is in it.
pub fn is_local_domain(snapshot: &Snapshot, routing: &Routing, domain: &str) -> Result<bool, StoreError> {
    let domain = domain.strip_suffix('.').unwrap_or(domain).to_lowercase();
    Ok(domain == routing.name.to_lowercase() || snapshot.has_domain(&domain)?)
}

/// The aliases that lead to an account, through others or not.
pub fn leads_to(snapshot: &Snapshot, routing: &Routing, account: AccountId) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    for (alias, _) in snapshot.aliases()? {
        // Of the rest of a domain any address will do that nobody has.
        let asked = if alias.starts_with('@') { format!("*{alias}") } else { alias.clone() };
        if resolve(snapshot, routing, &asked)?.accounts.iter().any(|(reached, _)| *reached == account) {
            found.push(alias);
        }
    }
    Ok(found)
}

/// What is answered for all that an address leads to.
pub(super) fn judge(
    snapshot: &Snapshot,
    routing: &Routing,
    reached: &Reached,
    size: Option<u64>,
) -> Result<Route, Fault> {
    if reached.is_outside {
        return Ok(Route::Outside);
    }
    if reached.is_nobody() {
        return Ok(if reached.looped { Route::Loop } else { Route::Unknown });
    }
    let grace = grace(routing, reached);
    for (account, _) in &reached.accounts {
        let Some(record) = snapshot.account(*account)? else { continue };
        if !has_room(snapshot, *account, &record, size, grace)? {
            return Ok(Route::OverQuota);
        }
    }
    Ok(Route::Here)
}

/// How far each of those who are reached may go over their quota.
pub(super) fn grace(routing: &Routing, reached: &Reached) -> Grace {
    let alone = reached.accounts.len() + reached.outside.len() == 1;
    Grace::Percent(if alone { routing.grace_percent } else { routing.grace_percent.max(SHARED_GRACE) })
}

/// As for one of several that a mail goes to.
pub(super) fn shared_grace(routing: &Routing) -> Grace {
    Grace::Percent(routing.grace_percent.max(SHARED_GRACE))
}

/// Whether a mail of so many octets goes into an account; where they are not known, whether any does.
pub(super) fn has_room(
    snapshot: &Snapshot,
    account: AccountId,
    record: &Account,
    size: Option<u64>,
    grace: Grace,
) -> Result<bool, Fault> {
    let limits = record.limits;
    if limits.bytes.is_none() && limits.messages.is_none() {
        return Ok(true);
    }
    let usage = snapshot.usage(account)?;
    let fits = |limit: Option<u64>, used: u64, more: u64| {
        limit.is_none_or(|limit| used.saturating_add(more) <= grace.over(limit))
    };
    Ok(fits(limits.bytes, usage.bytes, size.unwrap_or(1)) && fits(limits.messages, usage.messages, 1))
}
