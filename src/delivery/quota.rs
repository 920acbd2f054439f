//! Warnings in time: how full an account is, and what it is told of that.
//!
//! What was told is kept in the store, changed in the same commit as the mail that tells it, and compared with what is
//! used whenever that may have changed, and at every start: so no warning is lost and none comes twice, whatever moved
//! the usage, and wherever the power went.

use super::compose::{Letter, compose};
use super::route::Routing;
use crate::mail::{AccountId, Stamp, octets};
use crate::store::{
    Account, Delivery, Grace, LocalCopy, Place, Posting, Snapshot, Space, Store, StoreError, Usage, Write,
};
use std::fmt::Write as _;

/// The per cent of the quota at which an account is warned.
pub const LEVELS: [u8; 3] = [80, 95, 100];

/// What is to be written because an account uses more of its quota than it was told, or less.
pub fn look(
    store: &Store,
    snapshot: &Snapshot,
    routing: &Routing,
    id: AccountId,
    now: i64,
) -> Result<Option<Write>, StoreError> {
    let Some(account) = snapshot.account(id)? else { return Ok(None) };
    let kept = snapshot.kept(Space::Warned, &id.0.to_be_bytes())?;
    let told = kept.and_then(|kept| kept.first().copied()).unwrap_or(0);
    let limits = account.limits;
    if limits.bytes.is_none() && limits.messages.is_none() && told == 0 {
        return Ok(None);
    }
    let usage = snapshot.usage(id)?;
    let level = level(&account, usage);
    if level == told {
        return Ok(None);
    }
    if level < told {
        return Ok(Some(Write::Warn { account: id, level, told: None }));
    }
    let mut packer = store.packer();
    packer.push(&letter(store, routing, &account, usage, level, now))?;
    let copy = LocalCopy { account: id, place: Place::Inbox, flags: Vec::new(), grace: Grace::Unlimited };
    let posting = Posting {
        parcel: packer.finish()?,
        received: Stamp::utc(now),
        copies: vec![copy],
        onward: Vec::new(),
        once: None,
    };
    let told = Some(Box::new(Delivery { messages: vec![posting], now, ..Delivery::default() }));
    Ok(Some(Write::Warn { account: id, level, told }))
}

/// The highest level that is reached; 0: none.
fn level(account: &Account, usage: Usage) -> u8 {
    let used = |limit: Option<u64>, used: u64| {
        let reached =
            |level: &u8| limit.is_some_and(|limit| u128::from(used) * 100 >= u128::from(limit) * u128::from(*level));
        LEVELS.into_iter().rev().find(reached).unwrap_or(0)
    };
    used(account.limits.bytes, usage.bytes).max(used(account.limits.messages, usage.messages))
}

fn letter(store: &Store, routing: &Routing, account: &Account, usage: Usage, level: u8, now: i64) -> Vec<u8> {
    let subject = match level {
        100 => "Your mailbox is full".to_owned(),
        level => format!("Your mailbox is {level} % full"),
    };
    let mut used = String::new();
    if let Some(limit) = account.limits.bytes {
        let _ = writeln!(used, "  {} of {} are used", octets::shown(usage.bytes), octets::shown(limit));
    }
    if let Some(limit) = account.limits.messages {
        let _ = writeln!(used, "  {} of {limit} messages are used", usage.messages);
    }
    let next = match level {
        100 => {
            "Nothing more can be stored by your mail program. New mail is still taken\n\
             for a little while; then who writes to you is told that there is no room,\n\
             and tries again for some days."
        }
        _ => "When it is full, nothing more can be stored, and new mail waits outside.",
    };
    let text = format!(
        "The mailbox of {} is filling up:\n\n{used}\n{next}\n\n\
         Deleting mail makes room; what is in the Trash counts until it is gone\n\
         from there, too. Whoever runs this box can give you more.\n",
        account.address
    );
    let from = format!("Pillarbox <postmaster@{}>", routing.name);
    let letter = Letter {
        from: &from,
        to: &account.address,
        subject: &subject,
        submitted: "auto-generated",
        answers: None,
        text: &text,
    };
    compose(store.unique_id(), &routing.name, now, &letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Credentials, Limits, Pop3};

    fn account(bytes: Option<u64>, messages: Option<u64>) -> Account {
        Account {
            address: "ann@example.org".to_owned(),
            credentials: Credentials::default(),
            limits: Limits { bytes, messages },
            created: 0,
            next_mailbox: 1,
            pop3: Pop3::default(),
        }
    }

    #[test]
    fn a_level_is_reached_to_the_octet_and_the_fuller_limit_counts() {
        let at = |bytes, messages| level(&account(Some(1_000), Some(10)), Usage { bytes, messages });
        assert_eq!(
            [0, 799, 800, 949, 950, 999, 1_000, 2_000].map(|bytes| at(bytes, 0)),
            [0, 0, 80, 80, 95, 95, 100, 100]
        );
        assert_eq!((at(100, 8), at(960, 8), at(100, 10)), (80, 95, 100));
        assert_eq!(level(&account(None, None), Usage { bytes: u64::MAX, messages: 9 }), 0);
        assert_eq!(level(&account(Some(0), None), Usage::default()), 100);
        assert_eq!(level(&account(Some(u64::MAX), None), Usage { bytes: u64::MAX, messages: 0 }), 100);
    }
}
