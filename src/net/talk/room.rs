//! What a conversation holds, counted where all that peers hold is counted.

use super::{Speaks, Talk};
use crate::mail::limits;
use crate::sys::ledger::{Lease, PEOPLE, STRANGERS};
use smol::future::FutureExt;
use std::io;
use std::time::Duration;

/// So long people wait for room.
const NO_ROOM: Duration = Duration::from_secs(30);
/// Bufferfuls for people: the first for which there is room.
const OUTS: [usize; 3] = [limits::OUT, limits::OUT / 4, limits::OUT / 16];

impl Talk<'_> {
    /// Makes room for the next step in what all may hold together. Where there is little, people get smaller bufferfuls,
    /// and where there is none, they wait; a stranger has to come again.
    pub(super) async fn claim(&mut self) -> io::Result<()> {
        let is_guest = self.protocol.is_guest();
        if self.is_guest != is_guest {
            self.change_ledger(is_guest);
        }
        let in_use = self.in_input();
        if is_guest {
            self.set_out(limits::STRANGER_OUT);
            if self.lease.hold(in_use + 2 * limits::STRANGER_OUT) {
                return Ok(());
            }
            STRANGERS.press();
            return Err(io::Error::other("too much is going on: there is no room for another stranger"));
        }
        let [.., least] = OUTS;
        for out in OUTS {
            let octets = in_use + 2 * out;
            let is_much = out > least && PEOPLE.held() + octets > limits::PEOPLE_LARGE + self.lease.octets();
            if !is_much && self.hold(octets) {
                self.set_out(out);
                return Ok(());
            }
        }
        self.set_out(least);
        self.spare.shrink();
        let octets = in_use + 2 * least;
        if PEOPLE.held() + octets <= limits::PEOPLE_LARGE + self.lease.octets() {
            // Its account has taken its share. A session that goes on in small steps does so nevertheless, while others
            // have room enough: somebody's many uploads do not hold up the same somebody's phone.
            self.own_up_to(octets);
            return Ok(());
        }
        if in_use > limits::UPLOAD / 2 {
            // It goes on to put what it holds into the store: nobody would have room otherwise.
            self.own_up_to(octets);
            return Ok(());
        }
        let room = async {
            // First of its own account: who waits for that holds up nobody else.
            if let Some(own) = &mut self.own {
                own.wait(octets).await;
            }
            self.lease.wait(octets).await;
            Ok(())
        };
        let late = async {
            smol::Timer::after(NO_ROOM).await;
            Err(io::Error::new(io::ErrorKind::TimedOut, "too much is going on: there was no room for an answer"))
        };
        room.or(late).await
    }

    /// Counts so many octets, for all and for its account; or leaves everything as it was.
    fn hold(&mut self, octets: usize) -> bool {
        let before = self.own.as_ref().map_or(0, Lease::octets);
        if self.own.as_mut().is_some_and(|own| !own.hold(octets)) {
            return false;
        }
        let fits = self.lease.hold(octets);
        if let (false, Some(own)) = (fits, &mut self.own) {
            own.own_up_to(before);
        }
        fits
    }

    fn change_ledger(&mut self, is_guest: bool) {
        self.is_guest = is_guest;
        let in_use = self.in_use();
        self.lease = Lease::of(if is_guest { &STRANGERS } else { &PEOPLE });
        self.own = self.protocol.address().map(|address| Lease::of(self.house.shares.of(address)));
        self.own_up_to(in_use);
        if !is_guest {
            if matches!(self.door.speaks, Speaks::Imap | Speaks::Pop3) {
                self.wide = self.house.wide.try_acquire();
            }
            self.stream.widen(self.wide.is_some());
        }
    }

    /// Counts what is there, and no more: what follows may take long.
    pub(super) fn settle(&mut self) {
        let in_use = self.in_use();
        self.own_up_to(in_use);
    }

    fn own_up_to(&mut self, octets: usize) {
        self.lease.own_up_to(octets);
        if let Some(own) = &mut self.own {
            own.own_up_to(octets);
        }
    }

    fn in_input(&self) -> usize {
        let tls = match (self.stream.is_tls() || self.door.tls, self.is_guest) {
            (true, true) => limits::RESTING_TLS,
            (true, false) => limits::SETTLED_TLS,
            (false, _) => 0,
        };
        limits::RESTING + tls + self.protocol.held()
    }

    fn in_use(&self) -> usize {
        self.in_input() + self.out.held() + self.spare.held()
    }

    fn set_out(&mut self, limit: usize) {
        self.out.set_limit(limit);
        self.spare.set_limit(limit);
    }
}
