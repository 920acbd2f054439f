//! What the sessions of each account hold together: nobody's may take what all others need.

use crate::mail::limits;
use crate::sys::ledger::Ledger;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The shares of accounts that somebody is logged in to, by their addresses.
#[derive(Debug, Default)]
pub(super) struct Shares(Mutex<HashMap<String, Weak<Ledger>>>);

impl Shares {
    /// The share of an account, for as long as somebody has it.
    pub(super) fn of(&self, address: &str) -> Arc<Ledger> {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shares.get(address).and_then(Weak::upgrade).unwrap_or_else(|| {
            // Those that nobody has any more make room.
            shares.retain(|_, share| share.strong_count() > 0);
            let share = Arc::new(Ledger::new(limits::PEOPLE_SHARE));
            shares.insert(address.to_owned(), Arc::downgrade(&share));
            share
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_one_share_however_many_sessions_it_has() {
        let shares = Shares::default();
        let (one, again, other) = (shares.of("a@example.org"), shares.of("a@example.org"), shares.of("b@example.org"));
        assert!(Arc::ptr_eq(&one, &again) && !Arc::ptr_eq(&one, &other));
        drop((one, again));
        assert_eq!(shares.of("c@example.org").held(), 0);
        assert_eq!(shares.0.lock().unwrap().len(), 2);
    }
}
