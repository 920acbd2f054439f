//! Who waits for a guess of their network's: whoever guesses there all the time would keep out who knows the code, if the
//! next guess were for whoever asks in the right moment. Here it is for whoever waits longest.

use super::claim::AGAIN;
use crate::mail::counted_as;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Of one network so many wait: each of them comes to its turn within their patience.
const WAITING: usize = 4;
/// Of all networks so many do.
const WAITING_OF_ALL: usize = 128;
/// How long one waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(AGAIN.as_secs() * (WAITING as u64 + 1));

/// All lines.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    waiting: HashMap<IpAddr, VecDeque<u64>>,
}

/// A place in one of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<'l> {
    lines: &'l Lines,
    network: IpAddr,
    number: u64,
}

impl Lines {
    /// The last place of a network's line, if there is one.
    pub(super) fn enter(&self, from: IpAddr) -> Option<Place<'_>> {
        let network = counted_as(from);
        let mut inner = self.lock();
        let own = inner.waiting.get(&network).map_or(0, VecDeque::len);
        let all: usize = inner.waiting.values().map(VecDeque::len).sum();
        // Who is alone in their network always has a place, or many networks' lines would be another way to keep them out.
        if own >= WAITING || (own > 0 && all >= WAITING_OF_ALL) {
            return None;
        }
        inner.last += 1;
        let number = inner.last;
        inner.waiting.entry(network).or_default().push_back(number);
        Some(Place { lines: self, network, number })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Whether nobody of the network waits for longer.
    pub(super) fn is_first(&self) -> bool {
        self.lines.lock().waiting.get(&self.network).and_then(VecDeque::front) == Some(&self.number)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut inner = self.lines.lock();
        if let Some(line) = inner.waiting.get_mut(&self.network) {
            line.retain(|number| *number != self.number);
            if line.is_empty() {
                inner.waiting.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn whoever_waits_longest_is_first_and_lines_are_bounded() {
        let lines = Lines::default();
        let mut places: Vec<_> = (0..WAITING).filter_map(|_| lines.enter(from(1))).collect();
        assert!(places.len() == WAITING && lines.enter(from(1)).is_none());
        assert_eq!(places.iter().filter(|place| place.is_first()).count(), 1);
        assert!(lines.enter(from(2)).is_some_and(|other| other.is_first()));
        drop(places.remove(1));
        assert!(places.iter().map(Place::is_first).eq([true, false, false]));
        drop(places.remove(0));
        assert!(places.iter().map(Place::is_first).eq([true, false]));
        drop(places);
        assert!(lines.lock().waiting.is_empty(), "nothing is left of them");
    }

    #[test]
    fn many_networks_keep_nobody_out_who_is_alone_in_theirs() {
        let lines = Lines::default();
        let of = |number: usize| IpAddr::from([198, 51, 100, u8::try_from(number / WAITING).unwrap()]);
        let places: Vec<_> = (0..WAITING_OF_ALL).filter_map(|number| lines.enter(of(number))).collect();
        assert_eq!(places.len(), WAITING_OF_ALL);
        let alone = lines.enter(from(1));
        assert!(alone.is_some() && lines.enter(from(1)).is_none());
    }
}
