//! Accounts that were removed, and can still be had back. Their mailboxes stay where they are; what makes them somebody's,
//! the account's record and its address, lies in `kept` below [`Space::Closed`] instead.

use super::error::Fault;
use super::filing::Filing;
use super::queue::Space;
use super::record::{Account, decode};
use super::snapshot::Snapshot;
use crate::mail::AccountId;
use serde::{Deserialize, Serialize};

/// An account that was removed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Closed {
    /// As it was.
    pub account: Account,
    /// When it was removed, in seconds since 1970.
    pub at: i64,
    /// Days that the server has lived through since.
    pub days: u16,
    /// When the last of them was counted.
    pub counted: i64,
    /// Its rules, and the like.
    pub filing: Filing,
    /// Which aliases led to it, and by which of their addresses.
    pub aliases: Vec<(String, Vec<String>)>,
}

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

impl Closed {
    /// Days that the server lives through until the account is gone for good.
    pub const DAYS: u16 = 30;

    /// Counts a day, where one has passed since the last one was counted; whether anything changed. A clock that leaps
    /// makes one day of it, whichever way it leaps.
    pub(super) fn count(&mut self, now: i64) -> bool {
        if now >= self.counted && now.saturating_sub(self.counted) < DAY {
            return false;
        }
        if now > self.counted {
            self.days = self.days.saturating_add(1);
        }
        self.counted = now;
        true
    }
}

impl Snapshot {
    /// Accounts that were removed, the oldest first.
    pub fn closed_accounts(&self) -> Result<Vec<(AccountId, Closed)>, Fault> {
        let rows = self.all_kept(Space::Closed, b"", usize::MAX)?;
        rows.iter()
            .map(|(key, value)| {
                let id = key.first_chunk().map(|id| AccountId(u32::from_be_bytes(*id)));
                Ok((id.ok_or(Fault::Corrupt("a removed account's number"))?, decode(value, "a removed account")?))
            })
            .collect()
    }

    /// An account as it is, or was before it was removed.
    pub(super) fn account_or_closed(&self, account: AccountId) -> Result<Option<Account>, Fault> {
        if let Some(found) = self.account(account)? {
            return Ok(Some(found));
        }
        let kept = self.kept(Space::Closed, &account.0.to_be_bytes())?;
        kept.map(|kept| Ok(decode::<Closed>(&kept, "a removed account")?.account)).transpose()
    }
}
