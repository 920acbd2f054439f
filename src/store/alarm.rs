//! What open sessions are told of their account at once: how full it is.

use crate::mail::AccountId;
use event_listener::{Event, EventListener};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The warnings of one account, as a session hears them.
#[derive(Clone, Debug)]
pub struct Alarm {
    bell: Arc<Bell>,
    /// What was heard.
    heard: u64,
}

#[derive(Debug, Default)]
struct Bell {
    /// How often it rang, and in the lowest octet the level at which it did last.
    state: AtomicU64,
    ringing: Event,
}

/// The alarms that somebody hears.
#[derive(Debug, Default)]
pub(super) struct Alarms(Mutex<HashMap<AccountId, Weak<Bell>>>);

impl Alarm {
    /// Hears it ring from now on: look with `rings` after listening, or a ring may be missed.
    #[must_use]
    pub fn listen(&self) -> EventListener {
        self.bell.ringing.listen()
    }

    /// Whether it rang since it was heard last.
    #[must_use]
    pub fn rings(&self) -> bool {
        self.bell.state.load(Ordering::SeqCst) != self.heard
    }

    /// The per cent of the quota that it rang for, if it rang since this was asked last.
    pub fn hear(&mut self) -> Option<u8> {
        let now = self.bell.state.load(Ordering::SeqCst);
        let [.., level] = now.to_be_bytes();
        (std::mem::replace(&mut self.heard, now) != now).then_some(level)
    }
}

impl Alarms {
    /// Hears of what an account is told from now on.
    pub(super) fn of(&self, account: AccountId) -> Alarm {
        let mut alarms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bell = alarms.get(&account).and_then(Weak::upgrade).unwrap_or_else(|| {
            // Those that nobody hears any more make room.
            alarms.retain(|_, bell| bell.strong_count() > 0);
            let bell = Arc::new(Bell::default());
            alarms.insert(account, Arc::downgrade(&bell));
            bell
        });
        let heard = bell.state.load(Ordering::SeqCst);
        Alarm { bell, heard }
    }

    /// An account was told that so many per cent of its quota are used.
    pub(super) fn ring(&self, account: AccountId, level: u8) {
        let alarms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = alarms.get(&account).and_then(Weak::upgrade) {
            let count = (bell.state.load(Ordering::SeqCst) >> 8) + 1;
            bell.state.store(count << 8 | u64::from(level), Ordering::SeqCst);
            bell.ringing.notify(usize::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_hears_each_ring_once_and_nothing_from_before() {
        let alarms = Alarms::default();
        alarms.ring(AccountId(1), 80);
        let mut one = alarms.of(AccountId(1));
        let mut two = alarms.of(AccountId(1));
        let mut other = alarms.of(AccountId(2));
        assert_eq!((one.rings(), one.hear()), (false, None));
        alarms.ring(AccountId(1), 95);
        assert!(one.rings());
        assert_eq!((one.hear(), one.hear(), two.hear(), other.hear()), (Some(95), None, Some(95), None));
        alarms.ring(AccountId(1), 95);
        assert_eq!(one.hear(), Some(95), "the same level again is another ring");
        drop((one, two));
        assert_eq!(alarms.of(AccountId(1)).hear(), None);
        other.hear();
    }
}
