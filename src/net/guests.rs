//! How many may be here at once, in all and from one place.

use crate::mail::{counted_as, limits, site_of};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// From one line of the log about those who were turned away to the next.
const LINE: Duration = Duration::from_secs(10);

/// Who is here.
#[derive(Debug)]
pub(super) struct Guests {
    /// Connections for which there is room.
    room: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    from: HashMap<IpAddr, usize>,
    turned_away: u64,
    /// When it was told last how many were.
    told: Option<Instant>,
}

/// One who is here, for as long as this lives.
#[derive(Debug)]
pub(super) struct Guest {
    address: IpAddr,
    guests: Arc<Guests>,
}

impl Guests {
    pub(super) fn new(room: usize) -> Guests {
        Guests { room, counts: Mutex::default() }
    }

    /// Lets one in, if there is room. Who comes from this machine is counted only with all.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Guest> {
        let address = address.to_canonical();
        let mut counts = self.counts();
        let fits = |(place, most): (IpAddr, usize)| counts.from.get(&place).copied().unwrap_or(0) < most;
        if counts.all >= self.room || !(address.is_loopback() || places(address).all(fits)) {
            return None;
        }
        counts.all += 1;
        for (place, _) in places(address) {
            *counts.from.entry(place).or_default() += 1;
        }
        Some(Guest { address, guests: Arc::clone(self) })
    }

    /// Somebody was turned away: how many were, where that is to be told now. A line for each would be theirs to write.
    pub(super) fn note_turned_away(&self, now: Instant) -> Option<u64> {
        let mut counts = self.counts();
        counts.turned_away += 1;
        if counts.told.is_some_and(|told| now.duration_since(told) < LINE) {
            return None;
        }
        counts.told = Some(now);
        Some(std::mem::take(&mut counts.turned_away))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The places that one takes who comes from this address, and how many may be taken of each. A /64 and the /48 around it
/// are two of them also where their numbers are the same.
fn places(address: IpAddr) -> impl Iterator<Item = (IpAddr, usize)> {
    let one = (counted_as(address), limits::CONNECTIONS_FROM_ONE);
    // The last bit of a /48's own address tells it from the /64 that begins as it does.
    let site = site_of(address).map(|site| match site {
        IpAddr::V6(site) => IpAddr::V6((site.to_bits() | 1).into()),
        IpAddr::V4(_) => site,
    });
    std::iter::once(one).chain(site.map(|site| (site, limits::CONNECTIONS_FROM_SITE)))
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.guests.counts();
        counts.all = counts.all.saturating_sub(1);
        for (place, _) in places(self.address) {
            if let Some(from) = counts.from.get_mut(&place) {
                *from = from.saturating_sub(1);
                if *from == 0 {
                    counts.from.remove(&place);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    fn admitted(guests: &Arc<Guests>, from: impl Fn(usize) -> IpAddr, tries: usize) -> Vec<Guest> {
        (0..tries).filter_map(|number| guests.admit(from(number))).collect()
    }

    fn is_empty(guests: &Guests) -> bool {
        let counts = guests.counts();
        counts.all == 0 && counts.from.is_empty()
    }

    fn v6(number: u128) -> IpAddr {
        Ipv6Addr::from_bits(0x2001_0db8 << 96 | number).into()
    }

    #[test]
    fn one_address_cannot_take_all_places_and_leaving_makes_room() {
        let guests = Arc::new(Guests::new(limits::CONNECTIONS));
        let address = IpAddr::from([192, 0, 2, 1]);
        let mut here = admitted(&guests, |_| address, limits::CONNECTIONS_FROM_ONE);
        assert_eq!(here.len(), limits::CONNECTIONS_FROM_ONE);
        // However it is written.
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert!(guests.admit(address).is_none() && guests.admit(mapped).is_none());
        assert!(guests.admit(IpAddr::from([192, 0, 2, 2])).is_some());
        here.pop();
        assert!(guests.admit(mapped).is_some());
        drop(here);
        assert!(is_empty(&guests));
    }

    #[test]
    fn a_network_is_one_place_and_a_site_is_some_however_many_addresses_they_have() {
        let guests = Arc::new(Guests::new(limits::CONNECTIONS));
        let one = admitted(&guests, |number| v6(number as u128), 1_000);
        assert_eq!(one.len(), limits::CONNECTIONS_FROM_ONE);
        // Another /64 of the same /48, then all of them.
        assert!(guests.admit(v6(1 << 64)).is_some());
        let site = admitted(&guests, |number| v6((number as u128 + 1) << 64), 10_000);
        assert_eq!(one.len() + site.len(), limits::CONNECTIONS_FROM_SITE);
        assert!(guests.admit(v6(1 << 80)).is_some(), "the next customer");
        drop((one, site));
        assert!(is_empty(&guests));
    }

    #[test]
    fn there_is_room_for_so_many_also_from_this_machine() {
        let guests = Arc::new(Guests::new(300));
        let here = admitted(&guests, |_| IpAddr::from([127, 0, 0, 1]), 1_000);
        assert_eq!(here.len(), 300);
        assert!(guests.admit(IpAddr::from([192, 0, 2, 1])).is_none());
    }

    #[test]
    fn a_line_tells_of_all_who_were_turned_away_since_the_last() {
        let (guests, now) = (Guests::new(0), Instant::now());
        let told: Vec<_> = (0..25).map(|second| guests.note_turned_away(now + Duration::from_secs(second))).collect();
        let told: Vec<_> = told.into_iter().flatten().collect();
        assert_eq!(told, [1, 10, 10]);
    }
}
