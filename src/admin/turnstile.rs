//! One guess at a time at each user: who comes while another one is looked at waits for what comes of it.
//!
//! Delays alone slow down who asks one thing after the other: a hundred guesses that are begun at once would all be
//! looked at before the first of them is known to be wrong. Here each waits until those before it are answered, and
//! until the delay that the last failure brought is over: however many there are, and from wherever, they come through
//! one by one. Whoever comes from a network that has not failed of late goes before one that has.

use smol::Timer;
use smol::future::FutureExt;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Guesses at one user that wait: a household's devices that all begin at once, ten times over. Of more, those whose
/// networks failed most often are told to come later.
const WAITING: usize = 64;
/// How long one waits to come through: programs give up after a minute or two.
const PATIENCE: Duration = Duration::from_mins(1);

/// The ways in, one for each user that somebody wants to be.
#[derive(Debug, Default)]
pub(super) struct Turnstile {
    users: Mutex<HashMap<String, Line>>,
    moved: event_listener::Event,
}

#[derive(Debug, Default)]
struct Line {
    /// A guess is being looked at.
    taken: bool,
    /// Who waits: how often their network failed, and their number.
    waiting: Vec<(u32, u64)>,
    last: u64,
}

/// A guess that waits, until it is dropped.
struct Waiter<'t> {
    turnstile: &'t Turnstile,
    user: &'t str,
    place: (u32, u64),
}

/// A guess that may be looked at; dropped, the next one may.
#[derive(Debug)]
pub(super) struct Turn<'t> {
    turnstile: &'t Turnstile,
    user: String,
}

/// What one who waits finds.
enum Found {
    /// It is their turn.
    Turn,
    /// Not before then.
    Until(Instant),
    /// Others are first.
    Others,
    /// Their place went to others who are less under suspicion.
    Gone,
}

impl Turnstile {
    /// Waits for one's turn at a user. `failures`: of the network that it comes from; `due`: when the last failure
    /// allows the next guess, asked at this moment. `None`: too many wait, or it took too long.
    pub(super) async fn pass<'t>(
        &'t self,
        user: &'t str,
        failures: u32,
        due: impl Fn(Instant) -> Instant,
    ) -> Option<Turn<'t>> {
        let waiter = self.enter(user, failures)?;
        let late = Instant::now() + PATIENCE;
        loop {
            // Listening comes before looking: what moves in between is heard.
            let moved = self.moved.listen();
            let now = Instant::now();
            let until = match waiter.look(&due, now) {
                Found::Turn => return Some(Turn { turnstile: self, user: user.to_owned() }),
                Found::Until(due) => due.min(late),
                Found::Others => late,
                Found::Gone => return None,
            };
            if now >= late {
                return None;
            }
            let time = async {
                Timer::at(until).await;
            };
            moved.or(time).await;
        }
    }

    /// Takes a place, if there is one.
    fn enter<'t>(&'t self, user: &'t str, failures: u32) -> Option<Waiter<'t>> {
        let mut users = self.users();
        let line = users.entry(user.to_owned()).or_default();
        line.last += 1;
        let place = (failures, line.last);
        if line.waiting.len() >= WAITING {
            let worst = *line.waiting.iter().max()?;
            if worst < place {
                return None;
            }
            line.waiting.retain(|other| *other != worst);
            self.moved.notify(usize::MAX);
        }
        line.waiting.push(place);
        Some(Waiter { turnstile: self, user, place })
    }

    fn users(&self) -> MutexGuard<'_, HashMap<String, Line>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a user's line, and tells those who wait.
    fn change(&self, user: &str, change: impl FnOnce(&mut Line)) {
        let mut users = self.users();
        if let Some(line) = users.get_mut(user) {
            change(line);
            if !line.taken && line.waiting.is_empty() {
                users.remove(user);
            }
        }
        drop(users);
        self.moved.notify(usize::MAX);
    }
}

impl Waiter<'_> {
    fn look(&self, due: &impl Fn(Instant) -> Instant, now: Instant) -> Found {
        let mut users = self.turnstile.users();
        let Some(line) = users.get_mut(self.user).filter(|line| line.waiting.contains(&self.place)) else {
            return Found::Gone;
        };
        if line.taken || line.waiting.iter().min() != Some(&self.place) {
            return Found::Others;
        }
        let due = due(now);
        if now < due {
            return Found::Until(due);
        }
        line.taken = true;
        Found::Turn
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.turnstile.change(self.user, |line| line.waiting.retain(|place| *place != self.place));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turnstile.change(&self.user, |line| line.taken = false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::future::{block_on, poll_once};
    use std::pin::pin;

    fn past(now: Instant) -> Instant {
        now
    }

    fn future(now: Instant) -> Instant {
        now + Duration::from_mins(10)
    }

    #[test]
    fn one_goes_through_at_a_time_and_other_users_do_not_wait() {
        let turnstile = Turnstile::default();
        let first = block_on(turnstile.pass("ann", 0, past)).unwrap();
        let mut second = pin!(turnstile.pass("ann", 0, past));
        assert!(block_on(poll_once(&mut second)).is_none());
        assert!(block_on(turnstile.pass("bob", 0, past)).is_some());
        drop(first);
        assert!(block_on(second).is_some());
        assert!(turnstile.users().is_empty(), "nothing is left of them");
    }

    #[test]
    fn who_has_not_failed_goes_before_who_has_and_nobody_before_their_time() {
        let turnstile = Turnstile::default();
        let first = block_on(turnstile.pass("ann", 0, past)).unwrap();
        let mut stranger = pin!(turnstile.pass("ann", 3, past));
        let mut owner = pin!(turnstile.pass("ann", 0, past));
        assert!(block_on(poll_once(&mut stranger)).is_none() && block_on(poll_once(&mut owner)).is_none());
        drop(first);
        assert!(block_on(poll_once(&mut stranger)).is_none(), "the other is first, though later");
        drop(block_on(poll_once(&mut owner)).unwrap());
        assert!(block_on(poll_once(&mut stranger)).is_some());
        let mut early = pin!(turnstile.pass("ann", 0, future));
        assert!(block_on(poll_once(&mut early)).is_none());
    }

    #[test]
    fn the_line_is_bounded_and_whoever_failed_most_leaves_it_first() {
        let turnstile = Turnstile::default();
        let taken = block_on(turnstile.pass("ann", 0, past)).unwrap();
        let mut strangers: Vec<_> = (0..WAITING).map(|_| Box::pin(turnstile.pass("ann", 2, past))).collect();
        for one in &mut strangers {
            assert!(block_on(poll_once(one)).is_none());
        }
        assert!(matches!(block_on(poll_once(turnstile.pass("ann", 2, past))), Some(None)), "no place for one more");
        let mut owner = pin!(turnstile.pass("ann", 0, past));
        assert!(block_on(poll_once(&mut owner)).is_none());
        let gone = strangers.iter_mut().filter_map(|one| block_on(poll_once(one))).filter(Option::is_none).count();
        assert_eq!(gone, 1);
        drop(taken);
        assert!(block_on(owner).is_some());
    }

    #[test]
    fn who_leaves_the_line_holds_nobody_up() {
        let turnstile = Turnstile::default();
        let taken = block_on(turnstile.pass("ann", 0, past)).unwrap();
        let mut leaves = Box::pin(turnstile.pass("ann", 0, past));
        let mut stays = pin!(turnstile.pass("ann", 0, past));
        assert!(block_on(poll_once(&mut leaves)).is_none() && block_on(poll_once(&mut stays)).is_none());
        drop((leaves, taken));
        assert!(block_on(poll_once(&mut stays)).unwrap().is_some());
    }
}
