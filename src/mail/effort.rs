//! Work, counted where it is done, so that a turn which has done enough gives way to others.
//!
//! A turn is what one thread does for one client without waiting for anything. Whoever drives a session begins it with
//! [`turn`]; whatever looks at octets, rows or names says so with [`spend`]; and whoever goes through many of them asks
//! [`is_spent`] between two, keeps where it is and goes on in the next turn. The count belongs to the thread: a turn never
//! changes its thread, and what decodes three rooms below need not be handed a counter to be counted.

use std::cell::Cell;

/// The work of a turn so far, and what it may come to.
#[derive(Clone, Copy)]
struct Turn {
    done: u64,
    allowed: u64,
}

/// Outside of all turns, as on threads of their own, nobody is made to stop.
const NONE: Turn = Turn { done: 0, allowed: u64::MAX };

/// What a row of a mailbox, a name of a list or the like costs to look at, in octets.
pub const ROW: u64 = 64;
/// What a record costs that is looked up in the store.
pub const RECORD: u64 = 1_000;

thread_local! {
    static TURN: Cell<Turn> = const { Cell::new(NONE) };
}

/// Runs one turn that may do so much work, in octets looked at; also gives what it did, which may be more by what cannot be
/// divided.
pub fn turn<T>(allowed: u64, work: impl FnOnce() -> T) -> (T, u64) {
    /// Ends the turn also where the work panics.
    struct Over;
    impl Drop for Over {
        fn drop(&mut self) {
            TURN.set(NONE);
        }
    }
    let _over = Over;
    TURN.set(Turn { done: 0, allowed });
    let result = work();
    (result, TURN.get().done)
}

/// So many octets were looked at, decoded, compared or thrown away.
pub fn spend(octets: u64) {
    let turn = TURN.get();
    TURN.set(Turn { done: turn.done.saturating_add(octets), ..turn });
}

/// As [`spend`], for a length in memory.
pub fn spend_on(octets: usize) {
    spend(octets as u64);
}

/// Whether this turn has done enough: what is left is for the next one.
#[must_use]
pub fn is_spent() -> bool {
    let turn = TURN.get();
    turn.done >= turn.allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_spent_when_it_did_what_it_may_and_the_next_one_is_not() {
        let (spent, done) = turn(10, || {
            spend(9);
            let before = is_spent();
            spend(3);
            (before, is_spent())
        });
        assert_eq!((spent, done), ((false, true), 12));
        assert_eq!(turn(1, is_spent), (false, 0));
    }

    #[test]
    fn outside_of_turns_nobody_is_made_to_stop_also_after_a_panic() {
        let broken = std::panic::catch_unwind(|| turn(0, || panic!("as asked")));
        assert!(broken.is_err());
        spend(u64::MAX);
        spend(u64::MAX - 1);
        assert!(!turn(u64::MAX, is_spent).0);
        assert!(turn(0, is_spent).0);
    }
}
