//! How many may be here at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections in all: each costs some kilobytes and a file descriptor.
const GUESTS: usize = 4_000;
/// Connections from one address. A household's phones and PCs share one, and some clients open five each.
const FROM_ONE: usize = 100;

/// Who is here.
#[derive(Debug, Default)]
pub(super) struct Guests(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    from: HashMap<IpAddr, usize>,
}

/// One who is here, for as long as this lives.
#[derive(Debug)]
pub(super) struct Guest {
    address: IpAddr,
    guests: Arc<Guests>,
}

impl Guests {
    /// Lets one in, if there is room. Who comes from this machine is counted only with all.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Guest> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = counts.from.get(&address).copied().unwrap_or(0);
        if counts.all >= GUESTS || (from >= FROM_ONE && !address.is_loopback()) {
            return None;
        }
        counts.all += 1;
        counts.from.insert(address, from + 1);
        Some(Guest { address, guests: Arc::clone(self) })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        if let Some(from) = counts.from.get_mut(&self.address) {
            *from = from.saturating_sub(1);
            if *from == 0 {
                counts.from.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_places_and_leaving_makes_room() {
        let guests = Arc::new(Guests::default());
        let address = IpAddr::from([192, 0, 2, 1]);
        let mut here: Vec<Guest> = (0..FROM_ONE).filter_map(|_| guests.admit(address)).collect();
        assert_eq!(here.len(), FROM_ONE);
        assert!(guests.admit(address).is_none());
        assert!(guests.admit(IpAddr::from([192, 0, 2, 2])).is_some());
        here.pop();
        assert!(guests.admit(address).is_some());
    }
}
