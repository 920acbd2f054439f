//! How much of the time between two dates the server lived through.
//!
//! Clocks leap: a battery is empty, the network's time comes late, an answer about it was forged. Nobody's mail goes for
//! that: what is kept for thirty days is kept for thirty days that passed while the server ran, by a clock that only goes
//! on. Dates are what the machine's clock said, so it is noted which stretches of it passed here: a date is found in the
//! latest stretch that it falls into. What the server slept through, or a clock leapt over, is not counted; a short restart
//! is. So nothing goes early, and some things late.

use super::error::Fault;
use super::record::{decode, encode};
use super::store::{Shared, Store};
use serde::{Deserialize, Serialize};
use std::sync::{MutexGuard, PoisonError};

/// Stretches that are remembered: each is a restart after a longer rest, or a leap. Dates from before them are counted from
/// the first one on.
const STRETCHES: usize = 128;
/// What the two clocks may differ in between two looks, in seconds: one is set a little forward or back every day,
const SLIPS: i64 = 60;
/// and goes faster or slower, by this share.
const SLIPS_SHARE: i64 = 10;
/// A rest of so many seconds, between the last note and the next start, is a restart: the note is an hour old at most.
const RESTART: i64 = 2 * 60 * 60;
const DAY: i64 = 24 * 60 * 60;

/// What has passed here.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Lived {
    /// Oldest first.
    stretches: Vec<Stretch>,
    /// The second of the server's life in which the clock last leapt by more than a day, if it ever did.
    leapt: Option<i64>,
    /// When it was looked at last: what the clock said, and for how long the machine was up.
    #[serde(skip)]
    seen: Option<(i64, i64)>,
}

/// A stretch of the clock that passed here, in seconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Stretch {
    /// Which second of the server's life it began with,
    lived: i64,
    /// and what the clock said then, since 1970.
    wall: i64,
    /// How long it lasted,
    lasted: i64,
    /// and how long by the clock.
    lasted_by_clock: i64,
}

impl Stretch {
    fn holds(&self, moment: i64) -> bool {
        (self.wall..=self.wall.saturating_add(self.lasted_by_clock)).contains(&moment)
    }

    fn end(&self) -> i64 {
        self.lived.saturating_add(self.lasted)
    }

    /// The second of the server's life in which the clock said this.
    fn at(&self, moment: i64) -> i64 {
        self.lived.saturating_add(moment.saturating_sub(self.wall).clamp(0, self.lasted))
    }
}

impl Lived {
    /// What is kept of it; where that cannot be read, it begins anew.
    pub(super) fn read(kept: Option<&[u8]>) -> Lived {
        let read = kept.map_or(Ok(Lived::default()), |kept| decode(kept, "what the server lived through"));
        read.unwrap_or_else(|fault| {
            log::error!("{fault}: days are counted from now on");
            Lived::default()
        })
    }

    pub(super) fn written(&self) -> Result<Vec<u8>, Fault> {
        encode(self)
    }

    /// Looks at both clocks: what the machine's says, in seconds since 1970, and one that only goes on.
    pub(super) fn observe(&mut self, wall: i64, up: i64) {
        let before = self.seen.replace((wall, up));
        let Some(last) = self.stretches.last_mut() else {
            self.stretches.push(Stretch { lived: 0, wall, lasted: 0, lasted_by_clock: 0 });
            return;
        };
        let (passed, moved, slips) = if let Some((wall_before, up_before)) = before {
            let passed = up.saturating_sub(up_before).max(0);
            (passed, wall.saturating_sub(wall_before), SLIPS.max(passed / SLIPS_SHARE))
        } else {
            let rested = wall.saturating_sub(last.wall.saturating_add(last.lasted_by_clock));
            if (0..=RESTART).contains(&rested) { (rested, rested, 0) } else { (0, rested, 0) }
        };
        let is_steady = moved.saturating_sub(passed).saturating_abs() <= slips;
        if is_steady {
            last.lasted = last.lasted.saturating_add(passed);
            last.lasted_by_clock = wall.saturating_sub(last.wall).max(0);
            return;
        }
        let lived = last.end().saturating_add(passed);
        if moved.saturating_sub(passed).saturating_abs() > DAY {
            self.leapt = Some(lived);
            log::warn!("the clock leapt by {} days: nothing is taken for old because of that", moved / DAY);
        }
        self.stretches.push(Stretch { lived, wall, lasted: 0, lasted_by_clock: 0 });
        let too_many = self.stretches.len().saturating_sub(STRETCHES);
        self.stretches.drain(..too_many);
    }

    /// Seconds that passed here since the clock said this.
    pub(super) fn age(&self, moment: i64) -> i64 {
        let Some((first, last)) = self.stretches.first().zip(self.stretches.last()) else { return 0 };
        let then = self.stretches.iter().rev().find(|stretch| stretch.holds(moment)).map(|stretch| stretch.at(moment));
        // In no stretch: noted after the last look before a cut, or of a clock that nobody saw. Or of long ago.
        let then = then.unwrap_or_else(|| {
            let before = self.stretches.iter().filter(|stretch| stretch.wall <= moment);
            before
                .max_by_key(|stretch| stretch.wall.saturating_add(stretch.lasted_by_clock))
                .map_or(first.lived, Stretch::end)
        });
        last.end().saturating_sub(then).max(0)
    }

    /// Whether the clock has not leapt for a day of the server's life: else nothing is to expire.
    pub(super) fn is_calm(&self) -> bool {
        let Some(last) = self.stretches.last() else { return false };
        self.leapt.is_none_or(|leapt| last.end().saturating_sub(leapt) >= DAY)
    }
}

impl Shared {
    /// Looks at the clocks.
    pub(super) fn observe(&self) -> MutexGuard<'_, Lived> {
        let mut lived = self.lived.lock().unwrap_or_else(PoisonError::into_inner);
        lived.observe(self.medium.now(), self.medium.up());
        lived
    }
}

impl Store {
    /// Seconds that passed while the server ran since the clock said this (in seconds since 1970), whatever the clock did
    /// meanwhile: by this, and not by the difference of two dates, is told what was kept long enough.
    #[must_use]
    pub fn age(&self, since: i64) -> i64 {
        self.shared.observe().age(since)
    }

    /// Whether something of this age, in seconds that passed here, may go, that was to be kept from `since` (in seconds
    /// since 1970) on: never on the first day after the clock leapt.
    #[must_use]
    pub fn is_over(&self, since: i64, kept: i64) -> bool {
        let lived = self.shared.observe();
        lived.is_calm() && lived.age(since) >= kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;

    /// Lets so many seconds pass, looked at every minute; what the clock says then.
    fn pass(lived: &mut Lived, wall: i64, up: i64, seconds: i64) -> (i64, i64) {
        for second in (0..=seconds).step_by(60) {
            lived.observe(wall + second, up + second);
        }
        (wall + seconds, up + seconds)
    }

    #[test]
    fn where_no_clock_leapt_a_day_need_not_pass_before_anything_expires() {
        let mut lived = Lived::default();
        lived.observe(NOW, 0);
        lived.observe(NOW + 30, 30);
        assert_eq!((lived.age(NOW), lived.is_calm()), (30, true));
    }

    #[test]
    fn days_are_counted_as_they_pass() {
        let mut lived = Lived::default();
        let (now, _) = pass(&mut lived, NOW, 0, 30 * DAY);
        assert_eq!((lived.age(NOW), lived.age(NOW + DAY), lived.age(now)), (30 * DAY, 29 * DAY, 0));
        assert!(lived.is_calm() && lived.stretches.len() == 1);
    }

    #[test]
    fn a_clock_that_leaps_makes_nothing_older_and_is_not_believed_for_a_day() {
        for leap in [3_650 * DAY, -3_650 * DAY, 40 * DAY, 2 * DAY, -2 * DAY] {
            let mut lived = Lived::default();
            let (now, up) = pass(&mut lived, NOW, 100, 3 * DAY);
            assert!(lived.is_calm());
            let (now, up) = pass(&mut lived, now + leap, up, 3_600);
            assert_eq!((lived.age(NOW), lived.age(NOW + 2 * DAY)), (3 * DAY + 3_600, DAY + 3_600), "{leap}");
            assert!(!lived.is_calm());
            // What came while it was wrong is as old as it is, also when it is right again.
            let came = now;
            let (now, up) = pass(&mut lived, now, up, DAY);
            assert!(lived.is_calm());
            let (_, _) = pass(&mut lived, now - leap, up, 2 * DAY);
            // Where the clock came to this date a second time, the later one counts: nothing goes early.
            let expected = if leap == 2 * DAY { DAY } else { 3 * DAY };
            assert_eq!(lived.age(came), expected, "{leap}");
        }
    }

    #[test]
    fn a_start_after_a_rest_counts_the_rest_only_if_it_is_short() {
        let mut lived = Lived::default();
        let (now, _) = pass(&mut lived, NOW, 100, 3 * DAY);
        let again = |rest: i64| {
            let mut lived = Lived::read(Some(&lived.written().unwrap()));
            lived.observe(now + rest, 5);
            (lived.age(NOW), lived.is_calm())
        };
        assert_eq!(again(60), (3 * DAY + 60, true));
        assert_eq!(again(12 * 60 * 60), (3 * DAY, true));
        assert_eq!(again(3_650 * DAY), (3 * DAY, false));
        assert_eq!(again(-3_650 * DAY), (3 * DAY, false));
    }

    #[test]
    fn what_was_there_before_days_were_counted_is_counted_from_then_on() {
        let mut lived = Lived::default();
        lived.observe(NOW, 0);
        assert_eq!((lived.age(NOW - 3_000 * DAY), lived.is_calm()), (0, true));
        pass(&mut lived, NOW, 0, 2 * DAY);
        assert_eq!((lived.age(NOW - 3_000 * DAY), lived.is_calm()), (2 * DAY, true));
    }

    #[test]
    fn stretches_are_bounded_and_what_falls_out_of_them_is_not_made_older() {
        let mut lived = Lived::default();
        let (mut wall, mut up) = (NOW, 0);
        for _ in 0..1_000 {
            (wall, up) = pass(&mut lived, wall + 10 * DAY, up, 600);
        }
        assert_eq!(lived.stretches.len(), STRETCHES);
        assert!(lived.age(NOW) <= 1_000 * 600 && lived.age(wall) == 0);
    }
}
