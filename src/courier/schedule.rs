//! When a mail is tried again, and when no more.
//!
//! A small board has no clock of its own: it starts in 1970, or where it was switched off, and jumps when the network is
//! there. So how long a mail has waited is what the clock says, but not more than twice what its attempts account for.

/// The owner's wishes, all in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// From the first attempt to the second; each further wait is twice as long.
    pub first: i64,
    /// No wait is longer.
    pub longest: i64,
    /// After so long, the sender is told that it takes long.
    pub warn_after: i64,
    /// After so long, it is not tried any more.
    pub give_up_after: i64,
}

impl Schedule {
    /// How long to wait after so many attempts.
    #[must_use]
    pub fn wait(&self, attempts: u32) -> i64 {
        let doubled = 1_i64.checked_shl(attempts.saturating_sub(1)).filter(|times| *times > 0).unwrap_or(i64::MAX);
        self.first.saturating_mul(doubled).min(self.longest)
    }

    /// How long a mail has waited that was accepted at `made` and was tried so often.
    #[must_use]
    pub fn age(&self, made: i64, now: i64, attempts: u32) -> i64 {
        let tried = self.tried(attempts);
        if now < made { tried } else { (now - made).min(tried.saturating_mul(2)) }
    }

    /// Whether a mail is to be tried now that was to be tried at `next`.
    #[must_use]
    pub fn is_due(&self, next: i64, now: i64) -> bool {
        // Farther away than the longest wait: the clock went back.
        next <= now || next - now > self.longest.max(self.first)
    }

    /// The waits between so many attempts, together.
    fn tried(&self, attempts: u32) -> i64 {
        let mut sum = 0_i64;
        for attempt in 1..attempts {
            let wait = self.wait(attempt);
            if wait == self.longest {
                let rest = i64::from(attempts - attempt);
                return sum.saturating_add(rest.saturating_mul(wait));
            }
            sum = sum.saturating_add(wait);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;
    const USUAL: Schedule =
        Schedule { first: 60, longest: 4 * HOUR, warn_after: 4 * HOUR, give_up_after: 5 * 24 * HOUR };

    #[test]
    fn waits_grow_from_a_minute_to_hours() {
        let waits: Vec<i64> = (1..=10).map(|attempts| USUAL.wait(attempts)).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3840, 7680, 14_400, 14_400]);
        assert_eq!(USUAL.wait(u32::MAX), 14_400);
    }

    /// Attempts until a mail is given up, and its age then.
    fn given_up(now: impl Fn(u32, i64) -> i64) -> (u32, i64) {
        let mut clock = 0;
        for attempts in 1..10_000 {
            let shown = now(attempts, clock);
            if USUAL.age(0, shown, attempts) >= USUAL.give_up_after {
                return (attempts, clock);
            }
            clock += USUAL.wait(attempts);
        }
        panic!("never given up");
    }

    #[test]
    fn a_mail_is_given_up_after_five_days_whatever_the_clock_does() {
        let (attempts, age) = given_up(|_, clock| clock);
        assert!((5 * 24 * HOUR..5 * 24 * HOUR + 4 * HOUR).contains(&age), "{attempts} {age}");
        // It jumped by half a century after the first attempt: half of the time at least is really waited.
        let (_, age) = given_up(|attempts, clock| if attempts > 1 { clock + 1_700_000_000 } else { clock });
        assert!((60 * HOUR..65 * HOUR).contains(&age), "{age}");
        // It went back: what counts are the attempts.
        let (_, age) = given_up(|_, _| -1);
        assert!((5 * 24 * HOUR..5 * 24 * HOUR + 4 * HOUR).contains(&age), "{age}");
    }

    #[test]
    fn what_is_due_in_years_is_due_now() {
        assert!(USUAL.is_due(100, 100) && USUAL.is_due(-5, 100) && !USUAL.is_due(101, 100));
        assert!(!USUAL.is_due(4 * HOUR + 100, 100) && USUAL.is_due(4 * HOUR + 101, 100));
    }
}
