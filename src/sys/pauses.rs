//! Pauses that grow: what breaks off at once, time after time, must not burn time.

use std::time::Duration;

/// What went on for so long did not break off at once.
const STEADY: Duration = Duration::from_mins(10);

/// The pauses of one piece of work, from each breaking off to the next beginning.
#[derive(Debug)]
pub(super) struct Pauses {
    first: Duration,
    last: Duration,
    next: Duration,
}

impl Pauses {
    /// The first pause; each is twice as long as the one before, up to the last.
    pub(super) const fn new(first: Duration, last: Duration) -> Pauses {
        Pauses { first, last, next: first }
    }

    /// How long to wait after it broke off when it had gone on for so long.
    pub(super) fn after(&mut self, went_on: Duration) -> Duration {
        if went_on >= STEADY {
            self.next = self.first;
        }
        let pause = self.next;
        self.next = (self.next * 2).min(self.last);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_something_went_on_for_long() {
        let mut pauses = Pauses::new(Duration::from_secs(1), Duration::from_secs(5));
        let mut after = |went_on| pauses.after(went_on).as_secs();
        assert_eq!([after(Duration::ZERO), after(Duration::ZERO), after(Duration::ZERO)], [1, 2, 4]);
        assert_eq!([after(Duration::ZERO), after(Duration::ZERO), after(STEADY), after(Duration::ZERO)], [5, 5, 1, 2]);
    }
}
