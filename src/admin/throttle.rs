//! Guessing takes time: each failure makes the next answer to the same source, and about the same user, later.

use crate::mail::{AccountId, counted_as, site_of};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The first delay; it doubles with each failure,
const FIRST: Duration = Duration::from_millis(500);
/// up to this: longer ones make people believe that the server is broken.
const LONGEST: Duration = Duration::from_secs(8);
/// One failure is forgotten in this time.
const FORGIVEN: Duration = Duration::from_mins(1);
/// Failures that are counted: what comes after would not be later, only forgiven later.
const COUNTED: u32 = 16;
/// Attempts from one source that may be under way before they count as failures: a client opens several connections.
const AT_ONCE: u32 = 16;
/// Failures from this machine that cost nothing: who is here already need not guess, but scripts err.
const FREE_AT_HOME: u32 = 5;
/// Guesses of one source at one account that are compared with what is remembered, at once,
const LOOKS: u32 = 100;
/// and the time in which one more comes back. So many a minute are what a source that waits can make as well, and more
/// than the devices of one person get wrong. Neighbours who guess at others' accounts take none of them.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// Sources and users that are known at a time, some 100 octets each.
const ROOM: usize = 4_096;

/// Whom a delay meets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// An IPv4 address, or the /64 of an IPv6 address: who has one has all of it.
    Source(IpAddr),
    /// A log-in name, existing or not.
    User(String),
    /// The /48 of an IPv6 address. It makes nobody wait, but whose site failed goes last in a line.
    Site(IpAddr),
    /// A source that guesses at an account, by what is remembered of that.
    Looker(IpAddr, AccountId),
}

#[derive(Debug, Default)]
pub(super) struct Throttle {
    known: Mutex<HashMap<Who, Record>>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    failures: u32,
    under_way: u32,
    /// When the count was last brought up to date.
    since: Instant,
    /// The last failure.
    failed: Instant,
    /// Guesses that were compared with what is remembered, and were not it; and until when one of them is forgotten.
    looks: u32,
    looked: Instant,
}

impl Who {
    pub(super) fn source(address: IpAddr) -> Who {
        Who::Source(counted_as(address))
    }

    /// All networks of a source's owner, where there can be several.
    pub(super) fn site(address: IpAddr) -> Option<Who> {
        site_of(address).map(Who::Site)
    }

    fn is_home(&self) -> bool {
        match self {
            // The /64 of ::1 has no other address in use.
            Who::Source(address) => {
                address.is_loopback()
                    || *address == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                    || *address == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            }
            Who::User(_) | Who::Site(_) | Who::Looker(..) => false,
        }
    }
}

impl Throttle {
    /// An attempt begins; how long its check waits. `at_home`: it comes from this machine.
    pub(super) fn begin(&self, who: &Who, at_home: bool, now: Instant) -> Duration {
        let mut known = self.lock();
        let delay = match known.get_mut(who) {
            Some(record) => {
                record.forgive(now);
                delay(record.failures + record.under_way.saturating_sub(AT_ONCE), at_home)
            }
            None => Duration::ZERO,
        };
        // A user's attempts are not counted while under way: others could hold the user up without failing.
        if matches!(who, Who::Source(_)) && !who.is_home() {
            entry(&mut known, who, now).under_way += 1;
        }
        delay
    }

    /// When the next guess about this user, or of this source, may be looked at: the last failure is that long ago then.
    pub(super) fn due(&self, who: &Who, at_home: bool, now: Instant) -> Instant {
        match self.lock().get_mut(who) {
            Some(record) => {
                record.forgive(now);
                record.failed + delay(record.failures, at_home)
            }
            None => now,
        }
    }

    /// Failures that count at this moment.
    pub(super) fn failures(&self, who: &Who, now: Instant) -> u32 {
        self.lock().get_mut(who).map_or(0, |record| {
            record.forgive(now);
            record.failures
        })
    }

    /// Whether a guess of this looker may be compared with what is remembered before anything is waited for.
    pub(super) fn may_look(&self, looker: &Who, now: Instant) -> bool {
        self.lock().get_mut(looker).is_none_or(|record| {
            record.forgive(now);
            record.looks < LOOKS
        })
    }

    /// That was done, and it was not it.
    pub(super) fn looked(&self, looker: &Who, now: Instant) {
        let mut known = self.lock();
        let record = entry(&mut known, looker, now);
        record.looks = (record.looks + 1).min(LOOKS);
    }

    /// The attempt was given up, or it ended: it is under way no more.
    pub(super) fn end(&self, who: &Who) {
        let mut known = self.lock();
        if let Some(record) = known.get_mut(who) {
            record.under_way = record.under_way.saturating_sub(1);
            if record.is_clean() {
                known.remove(who);
            }
        }
    }

    /// An attempt failed; how long its answer waits.
    pub(super) fn failed(&self, who: &Who, at_home: bool, now: Instant) -> Duration {
        let mut known = self.lock();
        let record = entry(&mut known, who, now);
        record.forgive(now);
        record.failures = (record.failures + 1).min(COUNTED);
        record.failed = now;
        delay(record.failures, at_home)
    }

    /// An attempt of this source succeeded. It may be several people, or one that has an account and guesses for others:
    /// one failure is forgiven.
    pub(super) fn succeeded(&self, source: &Who) {
        let mut known = self.lock();
        if let Some(record) = known.get_mut(source) {
            record.failures = record.failures.saturating_sub(1);
            if record.is_clean() {
                known.remove(source);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Who, Record>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn forgive(&mut self, now: Instant) {
        let minutes = now.saturating_duration_since(self.since).as_secs() / FORGIVEN.as_secs();
        let minutes = u32::try_from(minutes).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_sub(minutes);
        self.since += FORGIVEN.saturating_mul(minutes);
        let looks = now.saturating_duration_since(self.looked).as_secs() / LOOK_AGAIN.as_secs();
        let looks = u32::try_from(looks).unwrap_or(u32::MAX);
        self.looks = self.looks.saturating_sub(looks);
        self.looked += LOOK_AGAIN.saturating_mul(looks);
    }

    /// Whether nothing speaks against it.
    fn is_clean(&self) -> bool {
        self.under_way == 0 && self.failures == 0 && self.looks == 0
    }
}

/// The record, made where there is none; another one goes where there is no room.
fn entry<'k>(known: &'k mut HashMap<Who, Record>, who: &Who, now: Instant) -> &'k mut Record {
    if known.len() >= ROOM && !known.contains_key(who) {
        known.retain(|_, record| {
            record.forgive(now);
            !record.is_clean()
        });
        if known.len() >= ROOM
            && let Some(least) =
                known.iter().min_by_key(|(_, record)| (record.failures, record.since)).map(|(who, _)| who.clone())
        {
            known.remove(&least);
        }
    }
    known.entry(who.clone()).or_insert(Record {
        failures: 0,
        under_way: 0,
        since: now,
        failed: now,
        looks: 0,
        looked: now,
    })
}

fn delay(failures: u32, at_home: bool) -> Duration {
    match failures.saturating_sub(if at_home { FREE_AT_HOME } else { 0 }) {
        0 => Duration::ZERO,
        counted => FIRST.saturating_mul(1 << (counted - 1).min(8)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Who {
        Who::source(IpAddr::from([192, 0, 2, 1]))
    }

    fn millis(delay: Duration) -> u128 {
        delay.as_millis()
    }

    #[test]
    fn delays_double_up_to_the_longest_and_are_forgiven_by_the_minute() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let delays: Vec<u128> = (0..7).map(|_| millis(throttle.failed(&source(), false, now))).collect();
        assert_eq!(delays, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(millis(throttle.begin(&source(), false, now)), 8000);
        assert_eq!(millis(throttle.begin(&source(), false, now + Duration::from_mins(5))), 1000);
        assert_eq!(millis(throttle.begin(&source(), false, now + Duration::from_mins(10))), 0);
    }

    #[test]
    fn at_home_the_first_failures_cost_nothing() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let home = Who::source(IpAddr::from([127, 0, 0, 1]));
        let delays: Vec<u128> = (0..7).map(|_| millis(throttle.failed(&home, true, now))).collect();
        assert_eq!(delays, [0, 0, 0, 0, 0, 500, 1000]);
    }

    #[test]
    fn guessing_on_many_connections_at_once_is_no_faster() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let delays: Vec<u128> = (0..19).map(|_| millis(throttle.begin(&source(), false, now))).collect();
        assert_eq!(delays.iter().filter(|delay| **delay == 0).count(), 17);
        assert_eq!(delays.last(), Some(&1000));
        for _ in 0..19 {
            throttle.end(&source());
        }
        assert!(throttle.lock().is_empty());
    }

    #[test]
    fn the_next_guess_waits_from_the_last_failure_on() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let user = Who::User("a@b".to_owned());
        assert_eq!(throttle.due(&user, false, now), now);
        throttle.failed(&user, false, now);
        let later = now + Duration::from_millis(400);
        assert_eq!(throttle.due(&user, false, later), now + FIRST);
        throttle.failed(&user, false, later);
        assert_eq!((throttle.due(&user, false, later), throttle.failures(&user, later)), (later + FIRST * 2, 2));
    }

    #[test]
    fn what_is_remembered_is_compared_with_so_many_guesses_of_a_looker_and_no_more() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let looker = |last, account| Who::Looker(IpAddr::from([192, 0, 2, last]), AccountId(account));
        for _ in 0..LOOKS {
            assert!(throttle.may_look(&looker(1, 1), now));
            throttle.looked(&looker(1, 1), now);
        }
        assert!(!throttle.may_look(&looker(1, 1), now));
        assert!(throttle.may_look(&looker(2, 1), now) && throttle.may_look(&looker(1, 2), now), "others may");
        assert!(throttle.may_look(&looker(1, 1), now + LOOK_AGAIN));
    }

    #[test]
    fn a_success_forgives_a_source_one_failure() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        throttle.failed(&source(), false, now);
        throttle.failed(&source(), false, now);
        throttle.succeeded(&source());
        assert_eq!(millis(throttle.begin(&source(), false, now)), 500);
    }

    #[test]
    fn a_whole_ipv6_network_is_one_source() {
        let [a, b, c] =
            ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"].map(|text| text.parse().map(Who::source));
        assert_eq!(a, b);
        assert_ne!(a, c);
        assert_eq!("::ffff:192.0.2.1".parse().map(Who::source), Ok(source()));
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_worst() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        throttle.failed(&source(), false, now);
        throttle.failed(&source(), false, now);
        for number in 0..u32::try_from(ROOM).unwrap_or_default() + 100 {
            throttle.failed(&Who::User(number.to_string()), false, now);
        }
        assert_eq!(throttle.lock().len(), ROOM);
        assert_eq!(millis(throttle.begin(&source(), false, now)), 1000);
    }
}
