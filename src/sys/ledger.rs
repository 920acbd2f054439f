//! The memory that peers make us hold, counted where it is held: each kind has one bound for all of it together.

use crate::mail::limits;
use event_listener::{Event, EventListener};
use smol::future::FutureExt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How often who waits for room says so to those who hold it and wait themselves.
const PRESS: Duration = Duration::from_millis(250);

/// What those hold who did not log in.
pub static STRANGERS: Ledger = Ledger::new(limits::STRANGERS);
/// What those hold who logged in or gave us a whole message, and the work that is done for them.
pub static PEOPLE: Ledger = Ledger::new(limits::PEOPLE);

/// Octets that may be held, and are.
#[derive(Debug)]
pub struct Ledger {
    room: usize,
    held: AtomicUsize,
    /// Rings when there is room again,
    freed: Event,
    /// and when there is none.
    pressed: Event,
}

/// Octets that somebody holds, for as long as this lives.
#[derive(Debug)]
pub struct Lease<L: Deref<Target = Ledger>> {
    ledger: L,
    octets: usize,
}

impl Ledger {
    /// One in which nothing is held.
    #[must_use]
    pub const fn new(room: usize) -> Ledger {
        Ledger { room, held: AtomicUsize::new(0), freed: Event::new(), pressed: Event::new() }
    }

    /// Octets that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Hears that there is no room: who holds some and can let go of it does so.
    #[must_use]
    pub fn pressed(&self) -> EventListener {
        self.pressed.listen()
    }

    /// There is no room: those who wait the longest with something of theirs are told.
    pub fn press(&self) {
        self.pressed.notify_additional(8);
    }

    fn grow(&self, octets: usize) -> bool {
        let before = self.held.fetch_add(octets, Ordering::Relaxed);
        let fits = before.saturating_add(octets) <= self.room;
        if !fits {
            self.held.fetch_sub(octets, Ordering::Relaxed);
        }
        fits
    }

    fn give_back(&self, octets: usize) {
        if octets > 0 {
            self.held.fetch_sub(octets, Ordering::Relaxed);
            self.freed.notify(usize::MAX);
        }
    }
}

impl<L: Deref<Target = Ledger>> Lease<L> {
    /// A lease of nothing yet.
    #[must_use]
    pub const fn of(ledger: L) -> Lease<L> {
        Lease { ledger, octets: 0 }
    }

    /// Where it is counted.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Octets that it counts.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Counts so many from now on; `false` where that is more than there is room for, and then nothing changed.
    pub fn hold(&mut self, octets: usize) -> bool {
        if octets > self.octets && !self.ledger.grow(octets - self.octets) {
            return false;
        }
        self.ledger.give_back(self.octets.saturating_sub(octets));
        self.octets = octets;
        true
    }

    /// Counts what is there already, whether there was room for it or not.
    pub fn own_up_to(&mut self, octets: usize) {
        if !self.hold(octets) {
            self.ledger.held.fetch_add(octets - self.octets, Ordering::Relaxed);
            self.octets = octets;
        }
    }

    /// The same as `hold`, and waits for room. More than all the room is never waited for.
    pub async fn wait(&mut self, octets: usize) {
        let octets = octets.min(self.ledger.room / 4 * 3);
        loop {
            let freed = self.ledger.freed.listen();
            if self.hold(octets) {
                return;
            }
            self.ledger.press();
            let again = async {
                smol::Timer::after(PRESS).await;
            };
            freed.or(again).await;
        }
    }
}

impl Lease<Arc<Ledger>> {
    /// Where it is counted, for who goes on by themselves.
    #[must_use]
    pub fn share(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }
}

impl<L: Deref<Target = Ledger>> Drop for Lease<L> {
    fn drop(&mut self) {
        self.ledger.give_back(self.octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_hold_no_more_than_there_is_room_for() {
        let ledger = Ledger::new(100);
        let (mut one, mut two) = (Lease::of(&ledger), Lease::of(&ledger));
        assert!(one.hold(60) && two.hold(40) && !two.hold(41));
        assert_eq!((one.octets(), two.octets(), ledger.held()), (60, 40, 100));
        assert!(one.hold(59) && two.hold(41));
        drop(one);
        assert_eq!(ledger.held(), 41);
        two.own_up_to(170);
        assert_eq!(ledger.held(), 170);
        drop(two);
        assert_eq!(ledger.held(), 0);
    }

    #[test]
    fn who_waits_goes_on_when_another_lets_go_and_says_meanwhile_that_there_is_no_room() {
        let ledger = Ledger::new(100);
        let mut one = Lease::of(&ledger);
        assert!(one.hold(60));
        let waits = async {
            let mut two = Lease::of(&ledger);
            two.wait(1_000).await;
            two.octets()
        };
        let lets_go = async {
            ledger.pressed().await;
            drop(one);
            std::future::pending().await
        };
        assert_eq!(smol::block_on(waits.or(lets_go)), 75);
    }
}
