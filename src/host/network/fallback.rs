//! An address without a server: 169.254/16 (RFC 3927), as a machine without its I/O.

use super::arp::Arp;
use super::probe::{CAREFUL, Probe, Turn};
use super::setup::Setup;
use fastrand::Rng;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// RFC 3927 §9, `MAX_CONFLICTS`: after so many, addresses are tried once a minute.
const CONFLICTS: u32 = 10;
/// RFC 3927 §9, `RATE_LIMIT_INTERVAL`.
const RATE: Duration = Duration::from_mins(1);
/// RFC 3927 §9, `DEFEND_INTERVAL`: an address is defended no more often than this, then it is given up.
const DEFENCE: Duration = Duration::from_secs(10);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Asks by ARP who has this address.
    Ask(Ipv4Addr),
    /// The address is ours.
    Take(Ipv4Addr),
    /// Tells all that it is ours.
    Defend(Ipv4Addr),
    /// The address is not ours any more.
    Leave,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Off,
    Asking(Probe),
    Resting { until: Instant },
    On { address: Ipv4Addr, defended: Option<Instant> },
}

/// The address without a server, of one link.
#[derive(Clone, Debug)]
pub(super) struct Fallback {
    mac: [u8; 6],
    /// Begins with the MAC, so that a machine comes back to the address that it had (RFC 3927 §2.1).
    random: Rng,
    state: State,
    conflicts: u32,
}

impl Fallback {
    pub(super) fn new(mac: [u8; 6]) -> Fallback {
        let seed = mac.iter().fold(0, |seed: u64, octet| seed << 8 | u64::from(*octet));
        Fallback { mac, random: Rng::with_seed(seed), state: State::Off, conflicts: 0 }
    }

    pub(super) fn is_off(&self) -> bool {
        self.state == State::Off
    }

    /// What it asks of the kernel.
    pub(super) fn setup(&self) -> Option<Setup> {
        match self.state {
            State::On { address, .. } => Some(Setup { address, prefix: 16, routes: Vec::new() }),
            _ => None,
        }
    }

    pub(super) fn begin(&mut self, now: Instant) {
        if self.is_off() {
            *self = Fallback::new(self.mac);
            self.choose(now);
        }
    }

    pub(super) fn end(&mut self) {
        self.state = State::Off;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Asking(probe) => Some(probe.deadline()),
            State::Resting { until } => Some(*until),
            State::Off | State::On { .. } => None,
        }
    }

    pub(super) fn go_on(&mut self, now: Instant) -> Option<Deed> {
        match &mut self.state {
            State::Asking(probe) => {
                let address = probe.address;
                match probe.go_on(&mut self.random, now) {
                    Turn::Wait => None,
                    Turn::Ask => Some(Deed::Ask(address)),
                    Turn::Free => {
                        self.state = State::On { address, defended: None };
                        Some(Deed::Take(address))
                    }
                }
            }
            State::Resting { until } if *until <= now => {
                self.choose(now);
                None
            }
            State::Off | State::Resting { .. } | State::On { .. } => None,
        }
    }

    pub(super) fn hear(&mut self, heard: &Arp, now: Instant) -> Option<Deed> {
        match &mut self.state {
            State::Asking(probe) if probe.is_refuted(heard, self.mac) => {
                self.give_up(now);
                None
            }
            State::On { address, defended } if heard.sender == *address && heard.mac != self.mac => {
                // RFC 3927 §2.5 (b).
                if defended.is_none_or(|defended| now.saturating_duration_since(defended) >= DEFENCE) {
                    *defended = Some(now);
                    return Some(Deed::Defend(*address));
                }
                self.give_up(now);
                Some(Deed::Leave)
            }
            _ => None,
        }
    }

    fn give_up(&mut self, now: Instant) {
        self.conflicts += 1;
        if self.conflicts < CONFLICTS {
            self.choose(now);
        } else {
            self.state = State::Resting { until: now + RATE };
        }
    }

    /// The first and the last 256 addresses are reserved (RFC 3927 §2.1).
    fn choose(&mut self, now: Instant) {
        let address = Ipv4Addr::new(169, 254, self.random.u8(1..=254), self.random.u8(..));
        self.state = State::Asking(Probe::new(address, &CAREFUL, &mut self.random, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 2];

    /// Until it has an address.
    fn settle(fallback: &mut Fallback) -> (Ipv4Addr, Instant) {
        for _ in 0..100 {
            let Some(now) = fallback.deadline() else { break };
            if let Some(Deed::Take(address)) = fallback.go_on(now) {
                return (address, now);
            }
        }
        panic!("no address was taken");
    }

    #[test]
    fn the_same_machine_takes_the_same_address_each_time() {
        let take = |mac| {
            let mut fallback = Fallback::new(mac);
            fallback.begin(Instant::now());
            settle(&mut fallback).0
        };
        let address = take(MAC);
        assert_eq!(address, take(MAC));
        assert_ne!(address, take(OTHER));
        assert!(address.is_link_local() && (1..=254).contains(&address.octets()[2]));
    }

    #[test]
    fn an_address_that_somebody_has_is_not_taken() {
        let (mut fallback, now) = (Fallback::new(MAC), Instant::now());
        fallback.begin(now);
        let Some(Deed::Ask(first)) = fallback.go_on(fallback.deadline().unwrap()) else { panic!("no question") };
        assert_eq!(fallback.hear(&Arp::announcement(OTHER, first), now), None);
        assert_ne!(settle(&mut fallback).0, first);
    }

    #[test]
    fn an_address_is_defended_once_and_then_given_up() {
        let mut fallback = Fallback::new(MAC);
        fallback.begin(Instant::now());
        let (address, now) = settle(&mut fallback);
        let claim = Arp::announcement(OTHER, address);
        assert_eq!(fallback.hear(&claim, now), Some(Deed::Defend(address)));
        assert_eq!(fallback.hear(&claim, now + DEFENCE), Some(Deed::Defend(address)));
        assert_eq!(fallback.hear(&claim, now + DEFENCE), Some(Deed::Leave));
        assert_eq!(fallback.setup(), None);
        assert_ne!(settle(&mut fallback).0, address);
    }

    #[test]
    fn after_many_conflicts_an_address_is_tried_once_a_minute() {
        let (mut fallback, now) = (Fallback::new(MAC), Instant::now());
        fallback.begin(now);
        for _ in 0..CONFLICTS {
            let Some(Deed::Ask(address)) = fallback.go_on(fallback.deadline().unwrap()) else { panic!("no question") };
            fallback.hear(&Arp::probe(OTHER, address), now);
        }
        assert_eq!(fallback.deadline(), Some(now + RATE));
        settle(&mut fallback);
    }
}
