//! Log-ins, told in the log: each that failed, and the first that succeeded from an address.

use super::peer::Peer;
use crate::admin::{self, Gate};
use crate::events::Event;
use crate::mail::AccountId;
use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Pairs of an account and an address that are known; of the others it is told once more that they came in.
const KNOWN: usize = 4_096;

/// From where each account was logged in to since the server began.
#[derive(Debug, Default)]
pub(super) struct Logins(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    pairs: HashSet<(AccountId, Option<IpAddr>)>,
    /// The same, the oldest first.
    order: VecDeque<(AccountId, Option<IpAddr>)>,
}

/// The connection on which somebody logs in.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) protocol: &'static str,
    pub(super) tls: bool,
    pub(super) peer: Peer,
}

impl At {
    fn event(self, result: &'static str) -> Event {
        let event = Event::new("login").with("result", result).with("protocol", self.protocol);
        event.with("tls", yes(self.tls)).with("address", self.address())
    }

    /// Where it comes from; `local`: from a socket that has no addresses.
    pub(super) fn address(self) -> String {
        self.peer.ip().map_or_else(|| "local".to_owned(), |ip| ip.to_canonical().to_string())
    }
}

/// A truth, in a line.
pub(super) fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

impl Logins {
    /// Somebody came in.
    pub(super) fn succeeded(&self, at: At, account: AccountId, address: &str) {
        if self.is_first((account, at.peer.ip().map(|ip| ip.to_canonical()))) {
            at.event("ok").with("user", address).log();
        }
    }

    fn is_first(&self, pair: (AccountId, Option<IpAddr>)) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.pairs.insert(pair) {
            return false;
        }
        known.order.push_back(pair);
        if known.order.len() > KNOWN
            && let Some(oldest) = known.order.pop_front()
        {
            known.pairs.remove(&oldest);
        }
        true
    }
}

/// Somebody did not come in. What the client is not told, the owner is: whether there is such a user.
pub(super) fn failed(at: At, user: &[u8], denied: &admin::Denied, gate: &Gate) {
    let reason = match denied {
        admin::Denied::Wrong if gate.knows(user) => "wrong-password",
        admin::Denied::Wrong => "unknown-user",
        admin::Denied::Busy => "busy",
        admin::Denied::Fault(_) => "fault",
    };
    at.event("failed").with("user", String::from_utf8_lossy(user)).with("reason", reason).log();
}

/// Somebody was turned away before any password was looked at.
pub(super) fn turned_away(at: At, reason: &'static str) {
    at.event("failed").with("reason", reason).log();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_new_once_and_what_is_known_is_bounded() {
        let logins = Logins::default();
        let pair = |account, last: u8| (AccountId(account), Some(IpAddr::from([192, 0, 2, last])));
        assert!(logins.is_first(pair(1, 1)) && logins.is_first(pair(1, 2)) && logins.is_first(pair(2, 1)));
        assert!(!logins.is_first(pair(1, 1)));
        for account in 10..10 + u32::try_from(KNOWN).unwrap() {
            logins.is_first(pair(account, 1));
        }
        let known = logins.0.lock().unwrap();
        assert_eq!((known.pairs.len(), known.order.len()), (KNOWN, KNOWN));
        drop(known);
        assert!(logins.is_first(pair(1, 1)), "the oldest went");
    }
}
