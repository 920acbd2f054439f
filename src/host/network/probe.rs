//! Finding out whether an address is free, before it is taken (RFC 5227 §2.1.1): a machine without its I/O.

use super::arp::Arp;
use fastrand::Rng;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// How often is asked, and how long is waited for an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// Milliseconds before the first question.
    first: RangeInclusive<u64>,
    questions: u32,
    /// Milliseconds between two.
    between: RangeInclusive<u64>,
    /// Milliseconds after the last.
    last: u64,
}

/// For an address that nobody lent: the constants of RFC 3927 §9.
pub(super) const CAREFUL: Pace = Pace { first: 0..=1000, questions: 3, between: 1000..=2000, last: 2000 };

/// For an address that a server lent. The server has a list of what is in use, and mostly asks by itself: a second is
/// enough to hear of a machine with a fixed address that its list does not have, and keeps nobody waiting.
pub(super) const QUICK: Pace = Pace { first: 0..=50, questions: 3, between: 200..=300, last: 400 };

/// An address that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) address: Ipv4Addr,
    pace: &'static Pace,
    asked: u32,
    next: Instant,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Wait,
    Ask,
    /// Nobody answered.
    Free,
}

impl Probe {
    pub(super) fn new(address: Ipv4Addr, pace: &'static Pace, random: &mut Rng, now: Instant) -> Probe {
        Probe { address, pace, asked: 0, next: now + milliseconds(&pace.first, random) }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.next
    }

    pub(super) fn go_on(&mut self, random: &mut Rng, now: Instant) -> Turn {
        if now < self.next {
            return Turn::Wait;
        }
        if self.asked == self.pace.questions {
            return Turn::Free;
        }
        self.asked += 1;
        let is_last = self.asked == self.pace.questions;
        self.next = now
            + if is_last { Duration::from_millis(self.pace.last) } else { milliseconds(&self.pace.between, random) };
        Turn::Ask
    }

    /// Whether somebody has the address, or is about to take it as well.
    pub(super) fn is_refuted(&self, heard: &Arp, mac: [u8; 6]) -> bool {
        let wants_it_too = heard.is_request && heard.sender.is_unspecified() && heard.target == self.address;
        heard.mac != mac && (heard.sender == self.address || wants_it_too)
    }
}

fn milliseconds(range: &RangeInclusive<u64>, random: &mut Rng) -> Duration {
    Duration::from_millis(random.u64(range.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 2];
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);

    #[test]
    fn an_address_is_free_when_nobody_answered_three_times() {
        for (pace, least, most) in [(&CAREFUL, 4000, 7000), (&QUICK, 800, 1050)] {
            let (mut random, start) = (Rng::with_seed(3), Instant::now());
            let mut probe = Probe::new(ADDRESS, pace, &mut random, start);
            for _ in 0..3 {
                assert_eq!(probe.go_on(&mut random, probe.deadline()), Turn::Ask);
                assert_eq!(probe.go_on(&mut random, start), Turn::Wait);
            }
            assert_eq!(probe.go_on(&mut random, probe.deadline()), Turn::Free);
            let took = (probe.deadline() - start).as_millis();
            assert!((least..=most).contains(&took), "{took}");
        }
    }

    #[test]
    fn who_has_the_address_or_asks_for_it_too_refutes_it() {
        let probe = Probe::new(ADDRESS, &QUICK, &mut Rng::with_seed(3), Instant::now());
        assert!(probe.is_refuted(&Arp::announcement(OTHER, ADDRESS), MAC));
        assert!(probe.is_refuted(&Arp::probe(OTHER, ADDRESS), MAC));
        assert!(!probe.is_refuted(&Arp::probe(MAC, ADDRESS), MAC));
        assert!(!probe.is_refuted(&Arp::announcement(OTHER, Ipv4Addr::new(10, 0, 0, 8)), MAC));
        // One who has an address and looks for ours does not claim it.
        let looks = Arp { sender: Ipv4Addr::new(10, 0, 0, 8), ..Arp::probe(OTHER, ADDRESS) };
        assert!(!probe.is_refuted(&looks, MAC));
    }
}
