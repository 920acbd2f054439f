//! One guess at a time at each user: who comes while another one is looked at waits for what comes of it.
//!
//! Delays alone slow down who asks one thing after the other: a hundred guesses that are begun at once would all be
//! looked at before the first of them is known to be wrong. Here each waits until those before it are answered, and
//! until the delay that the last failure brought is over: however many there are, and from wherever, they come through
//! one by one. Whoever comes from a network that the account is used from goes before strangers, and who has not failed of
//! late before one that has.

use smol::Timer;
use smol::future::FutureExt;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Guesses at one user that wait: a household's devices that all begin at once, ten times over. Of more, those that rank
/// last are told to come later.
const WAITING: usize = 64;
/// How long one waits to come through: programs give up after a minute or two.
const PATIENCE: Duration = Duration::from_mins(1);

/// The ways in, one for each user that somebody wants to be.
#[derive(Debug, Default)]
pub(super) struct Turnstile {
    users: Mutex<HashMap<String, Line>>,
    /// Who came last, to whichever line.
    last: AtomicU64,
}

/// What speaks against one who comes to a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rank {
    /// Nobody came in as this user from that network of late.
    pub(super) is_stranger: bool,
    /// How often that network failed, or all that its owner has.
    pub(super) failures: u32,
    /// All that its owner has.
    pub(super) site: Option<IpAddr>,
}

/// Why one does not come through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    /// Too many wait who rank before.
    Full,
    /// It took too long.
    Late,
}

#[derive(Debug, Default)]
struct Line {
    /// A guess is being looked at.
    taken: bool,
    waiting: Vec<Waiting>,
    /// Its own: a movement here wakes nobody who waits elsewhere.
    moved: Arc<event_listener::Event>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    place: Place,
    site: Option<IpAddr>,
}

/// Where one stands in a line: the least is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    is_stranger: bool,
    failures: u32,
    /// Places that its site had already: one customer's many networks do not fill the line before anybody else's first.
    ahead: usize,
    number: u64,
}

/// A guess that waits, until it is dropped.
struct Waiter<'t, 'u> {
    turnstile: &'t Turnstile,
    user: &'u str,
    place: Place,
    moved: Arc<event_listener::Event>,
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
    /// Waits for one's turn at a user. `due`: when the last failure allows the next guess, asked at this moment.
    pub(super) async fn pass<'t>(
        &'t self,
        user: &str,
        rank: Rank,
        due: impl Fn(Instant) -> Instant,
    ) -> Result<Turn<'t>, Turned> {
        let waiter = self.enter(user, rank).ok_or(Turned::Full)?;
        let late = Instant::now() + PATIENCE;
        loop {
            // Listening comes before looking: what moves in between is heard.
            let moved = waiter.moved.listen();
            let now = Instant::now();
            let until = match waiter.look(&due, now) {
                Found::Turn => return Ok(Turn { turnstile: self, user: user.to_owned() }),
                Found::Until(due) => due.min(late),
                Found::Others => late,
                Found::Gone => return Err(Turned::Full),
            };
            if now >= late {
                return Err(Turned::Late);
            }
            let time = async {
                Timer::at(until).await;
            };
            moved.or(time).await;
        }
    }

    /// Takes a place, if there is one.
    fn enter<'t, 'u>(&'t self, user: &'u str, rank: Rank) -> Option<Waiter<'t, 'u>> {
        let Rank { is_stranger, failures, site } = rank;
        let mut users = self.users();
        let line = users.entry(user.to_owned()).or_default();
        let ahead = line.waiting.iter().filter(|other| other.site == site).count();
        let place = Place { is_stranger, failures, ahead, number: self.last.fetch_add(1, Ordering::Relaxed) };
        if line.waiting.len() >= WAITING {
            let worst = line.waiting.iter().map(|other| other.place).max()?;
            if worst < place {
                return None;
            }
            line.waiting.retain(|other| other.place != worst);
            line.moved.notify(usize::MAX);
        }
        line.waiting.push(Waiting { place, site });
        Some(Waiter { turnstile: self, user, place, moved: Arc::clone(&line.moved) })
    }

    fn users(&self) -> MutexGuard<'_, HashMap<String, Line>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a user's line, and tells those who wait in it.
    fn change(&self, user: &str, change: impl FnOnce(&mut Line)) {
        let mut users = self.users();
        if let Some(line) = users.get_mut(user) {
            change(line);
            line.moved.notify(usize::MAX);
            if !line.taken && line.waiting.is_empty() {
                users.remove(user);
            }
        }
    }
}

impl Waiter<'_, '_> {
    fn look(&self, due: &impl Fn(Instant) -> Instant, now: Instant) -> Found {
        let mut users = self.turnstile.users();
        let Some(line) = users.get_mut(self.user) else { return Found::Gone };
        let mut places = line.waiting.iter().map(|other| other.place);
        if !places.clone().any(|place| place == self.place) {
            return Found::Gone;
        }
        if line.taken || places.any(|place| place < self.place) {
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

impl Drop for Waiter<'_, '_> {
    fn drop(&mut self) {
        self.turnstile.change(self.user, |line| line.waiting.retain(|other| other.place != self.place));
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
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Wake, Waker};

    const WELL: Rank = Rank { is_stranger: false, failures: 0, site: None };

    fn failed(failures: u32) -> Rank {
        Rank { failures, ..WELL }
    }

    fn past(now: Instant) -> Instant {
        now
    }

    fn future(now: Instant) -> Instant {
        now + Duration::from_mins(10)
    }

    #[test]
    fn one_goes_through_at_a_time_and_other_users_do_not_wait() {
        let turnstile = Turnstile::default();
        let first = block_on(turnstile.pass("ann", WELL, past)).unwrap();
        let mut second = pin!(turnstile.pass("ann", WELL, past));
        assert!(block_on(poll_once(&mut second)).is_none());
        assert!(block_on(turnstile.pass("bob", WELL, past)).is_ok());
        drop(first);
        assert!(block_on(second).is_ok());
        assert!(turnstile.users().is_empty(), "nothing is left of them");
    }

    #[test]
    fn who_has_not_failed_goes_before_who_has_and_nobody_before_their_time() {
        let turnstile = Turnstile::default();
        let first = block_on(turnstile.pass("ann", WELL, past)).unwrap();
        let mut stranger = pin!(turnstile.pass("ann", failed(3), past));
        let mut owner = pin!(turnstile.pass("ann", WELL, past));
        assert!(block_on(poll_once(&mut stranger)).is_none() && block_on(poll_once(&mut owner)).is_none());
        drop(first);
        assert!(block_on(poll_once(&mut stranger)).is_none(), "the other is first, though later");
        drop(block_on(poll_once(&mut owner)).unwrap().unwrap());
        assert!(matches!(block_on(poll_once(&mut stranger)), Some(Ok(_))));
        let mut early = pin!(turnstile.pass("ann", WELL, future));
        assert!(block_on(poll_once(&mut early)).is_none());
    }

    #[test]
    fn the_line_is_bounded_and_whoever_failed_most_leaves_it_first() {
        let turnstile = Turnstile::default();
        let taken = block_on(turnstile.pass("ann", WELL, past)).unwrap();
        let mut strangers: Vec<_> = (0..WAITING).map(|_| Box::pin(turnstile.pass("ann", failed(2), past))).collect();
        for one in &mut strangers {
            assert!(block_on(poll_once(one)).is_none());
        }
        assert!(
            matches!(block_on(poll_once(turnstile.pass("ann", failed(2), past))), Some(Err(Turned::Full))),
            "no place for one more"
        );
        let mut owner = pin!(turnstile.pass("ann", WELL, past));
        assert!(block_on(poll_once(&mut owner)).is_none());
        let gone = strangers.iter_mut().filter_map(|one| block_on(poll_once(one))).filter(Result::is_err).count();
        assert_eq!(gone, 1);
        drop(taken);
        assert!(block_on(owner).is_ok());
    }

    #[test]
    fn who_leaves_the_line_holds_nobody_up() {
        let turnstile = Turnstile::default();
        let taken = block_on(turnstile.pass("ann", WELL, past)).unwrap();
        let mut leaves = Box::pin(turnstile.pass("ann", WELL, past));
        let mut stays = pin!(turnstile.pass("ann", WELL, past));
        assert!(block_on(poll_once(&mut leaves)).is_none() && block_on(poll_once(&mut stays)).is_none());
        drop((leaves, taken));
        assert!(block_on(poll_once(&mut stays)).unwrap().is_ok());
    }

    #[test]
    fn one_customer_s_many_networks_fill_no_line_against_others_nor_strangers_one_against_who_is_known() {
        let turnstile = Turnstile::default();
        let taken = block_on(turnstile.pass("ann", WELL, past)).unwrap();
        let site = |last| Some(IpAddr::from([192, 0, 2, last]));
        let stranger = |last| Rank { is_stranger: true, failures: 0, site: site(last) };
        let mut one_s: Vec<_> = (0..WAITING).map(|_| Box::pin(turnstile.pass("ann", stranger(1), past))).collect();
        for one in &mut one_s {
            assert!(block_on(poll_once(one)).is_none());
        }
        assert!(matches!(block_on(poll_once(turnstile.pass("ann", stranger(1), past))), Some(Err(Turned::Full))));
        let mut others: Vec<_> = (2..20).map(|last| Box::pin(turnstile.pass("ann", stranger(last), past))).collect();
        for other in &mut others {
            assert!(block_on(poll_once(other)).is_none(), "the last of the one's make room");
        }
        // The owner comes last, from a network that failed: a known one, so before all of them.
        let mut owner = pin!(turnstile.pass("ann", Rank { is_stranger: false, failures: 9, site: site(1) }, past));
        assert!(block_on(poll_once(&mut owner)).is_none());
        drop(taken);
        for one in one_s.iter_mut().chain(&mut others) {
            assert!(!matches!(block_on(poll_once(one)), Some(Ok(_))));
        }
        assert!(matches!(block_on(poll_once(&mut owner)), Some(Ok(_))));
    }

    #[test]
    fn a_movement_in_one_line_wakes_nobody_in_another() {
        struct Woken(AtomicUsize);
        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let turnstile = Turnstile::default();
        let [ann, bob] = ["ann", "bob"].map(|user| block_on(turnstile.pass(user, WELL, past)).unwrap());
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let mut waits = pin!(turnstile.pass("bob", WELL, past));
        let waker = Waker::from(Arc::clone(&woken));
        assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(ann);
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        drop(bob);
        assert_ne!(woken.0.load(Ordering::SeqCst), 0);
    }
}
