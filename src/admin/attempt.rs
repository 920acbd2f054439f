//! An attempt to come in: what speaks for and against whoever makes it, and how long it waits for that.

use super::memory::{Memory, Origin, Trace};
use super::salts::local_part;
use super::throttle::{Throttle, Who};
use super::turnstile::{Rank, Turn, Turned, Turnstile};
use crate::mail::{AccountId, counted_as, site_of};
use smol::Timer;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A refusal is given after one, two, … of these: verifying a hash takes some 10 ms to some 100 ms, as it was made where,
/// and argon2 on a small board as long. Whoever could measure that would know who is here.
const STEP: Duration = Duration::from_millis(500);

/// Who knows who came before, who failed, and whose turn it is.
pub(super) struct Doorman {
    pub(super) memory: Memory,
    pub(super) throttle: Throttle,
    turnstile: Turnstile,
}

/// An attempt under way. Dropped with its connection it counts as none, unless it was looked at: then as one that failed,
/// or nobody would wait for a refusal.
pub(super) struct Attempt<'d> {
    doorman: &'d Doorman,
    at_home: bool,
    from: Option<IpAddr>,
    /// How long the attempt waits for what its source did before.
    delay: Duration,
    account: Option<AccountId>,
    /// The user, by what stands before the domain: a name has two spellings at least, and both are one, whether there is
    /// somebody or not.
    user: String,
    pub(super) place: Origin,
    /// Since when it is looked at.
    since: Instant,
    /// While it is looked at. It is given up after what came of it is counted: the next guess waits for that.
    turn: Option<Turn<'d>>,
}

impl Doorman {
    pub(super) fn new(memory: Memory) -> Doorman {
        Doorman { memory, throttle: Throttle::default(), turnstile: Turnstile::default() }
    }
}

impl<'d> Attempt<'d> {
    /// Somebody wants to be this user, who has this account if there is one.
    pub(super) fn begin(
        doorman: &'d Doorman,
        name: &str,
        account: Option<AccountId>,
        from: Option<IpAddr>,
    ) -> Attempt<'d> {
        let at_home = from.is_none_or(|from| from.to_canonical().is_loopback());
        let since = Instant::now();
        let place = from.map(Who::source);
        let delay = place.as_ref().map_or(Duration::ZERO, |source| doorman.throttle.begin(source, at_home, since));
        let user = local_part(name).to_owned();
        Attempt { doorman, at_home, from, delay, account, user, place, since, turn: None }
    }

    /// Whether this password, or proof, came from there before; `None`: one that is wrong. Only so many guesses at an
    /// account are compared in time, and none from where nobody came in: nothing can be remembered to come from there.
    pub(super) fn is_known(&self, trace: Option<Trace>) -> bool {
        let Doorman { memory, throttle, .. } = self.doorman;
        let now = Instant::now();
        let Some(account) = self.account.filter(|account| memory.is_familiar(*account, &self.place, now)) else {
            return false;
        };
        let looker = self.from.map(|from| Who::Looker(counted_as(from), account));
        if looker.as_ref().is_some_and(|looker| !throttle.may_look(looker, now)) {
            return false;
        }
        let known = trace.is_some_and(|trace| memory.knows_from(trace, &self.place, now));
        if let (Some(looker), false) = (&looker, known) {
            throttle.looked(looker, now);
        }
        known
    }

    pub(super) async fn wait_for_source(&self) {
        if !self.delay.is_zero() {
            Timer::after(self.delay).await;
        }
    }

    /// Waits for one's turn at the user; false: it did not come.
    pub(super) async fn pass(&mut self) -> bool {
        let Doorman { throttle, turnstile, .. } = self.doorman;
        let rank = self.rank(Instant::now());
        let user = Who::User(self.user.clone());
        let due = |now| throttle.due(&user, self.at_home, now);
        match turnstile.pass(&self.user, rank, due).await {
            Ok(turn) => {
                (self.since, self.turn) = (Instant::now(), Some(turn));
                true
            }
            Err(Turned::Full) => false,
            Err(Turned::Late) => {
                self.waited_in_vain();
                false
            }
        }
    }

    /// It held a place that others did not have. The user is not to blame: nothing was looked at.
    fn waited_in_vain(&self) {
        let now = Instant::now();
        for source in self.sources() {
            self.doorman.throttle.failed(&source, self.at_home, now);
        }
    }

    /// What speaks against it in the line.
    fn rank(&self, now: Instant) -> Rank {
        let Doorman { memory, throttle, .. } = self.doorman;
        // Whoever came in from there within the last weeks goes first, however many others guess.
        let is_stranger = !self.account.is_some_and(|account| memory.is_familiar(account, &self.place, now));
        let failures = self.sources().map(|who| throttle.failures(&who, now)).max().unwrap_or_default();
        let site = self.from.map(|from| site_of(from).unwrap_or_else(|| counted_as(from)));
        Rank { is_stranger, failures, site }
    }

    /// It failed: the wait for the answer. That comes at a whole step of time since the attempt was looked at, so that
    /// nobody sees how long that took.
    pub(super) fn fail(&mut self) -> impl Future<Output = ()> + use<> {
        let now = Instant::now();
        let (throttle, at_home) = (&self.doorman.throttle, self.at_home);
        // The site's failures count, but delay nobody.
        self.sources().filter(|who| matches!(who, Who::Site(_))).for_each(|site| {
            throttle.failed(&site, at_home, now);
        });
        let delayed = self.place.clone().into_iter().chain([Who::User(self.user.clone())]);
        let delay = delayed.map(|who| throttle.failed(&who, at_home, now)).max().unwrap_or_default();
        self.turn = None;
        let due = self.since + steps(now.saturating_duration_since(self.since) + delay);
        async move {
            Timer::at(due).await;
        }
    }

    /// Nobody looked at it after all.
    pub(super) fn give_up(&mut self) {
        self.turn = None;
    }

    /// The source is trusted again. The failures about the user stay: who guesses would begin anew each time that the
    /// user's phone looks for mail, and see by that who has one.
    pub(super) fn succeed(&mut self) {
        if let Some(source) = &self.place {
            self.doorman.throttle.succeeded(source);
        }
        if let Some(account) = self.account {
            self.doorman.memory.meet(account, self.place.clone(), Instant::now());
        }
        self.turn = None;
    }

    /// Where it comes from, as narrow and as wide as one customer has it.
    fn sources(&self) -> impl Iterator<Item = Who> + use<> {
        self.place.clone().into_iter().chain(self.from.and_then(Who::site))
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.turn.is_some() {
            drop(self.fail());
        }
        if let Some(source) = &self.place {
            self.doorman.throttle.end(source);
        }
    }
}

/// The least number of whole steps that holds this time.
fn steps(time: Duration) -> Duration {
    let steps = time.as_millis().div_ceil(STEP.as_millis()).max(1);
    STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_in_vain_and_who_shares_a_site_with_who_failed_ranks_behind() {
        let doorman = Doorman::new(Memory::new(Duration::from_mins(1)).unwrap());
        let begin = |from: &str| Attempt::begin(&doorman, "ann", Some(AccountId(1)), from.parse().ok());
        let now = Instant::now();
        begin("2001:db8:0:1::1").waited_in_vain();
        let ranks = ["2001:db8:0:1::2", "2001:db8:0:2::1", "2001:db8:1::1"].map(|from| begin(from).rank(now));
        assert_eq!(ranks.map(|rank| rank.failures), [1, 1, 0]);
        assert_eq!(ranks.map(|rank| rank.site == ranks[0].site), [true, true, false]);
        assert!(begin("2001:db8:0:2::1").delay.is_zero(), "no neighbour waits for it");
        assert_eq!(doorman.throttle.failures(&Who::User("ann".to_owned()), now), 0, "nothing was looked at");
        begin("2001:db8:0:2::1").succeed();
        let ranks = ["2001:db8:0:2::9", "2001:db8:0:1::1"].map(|from| begin(from).rank(now).is_stranger);
        assert_eq!(ranks, [false, true]);
    }
}
