//! Remembering which passwords were verified, so that a phone that logs in all day pays for argon2 once.
//!
//! What is kept is an HMAC under a key that lives as long as the process: worth nothing outside of it. The stored hash
//! goes into it, and it is good only as long as the grant that came with it: a new password, and an account that goes,
//! forget what was known at once.

use super::password::random;
use super::throttle::Who;
use crate::mail::AccountId;
use crate::store::{Fault, Grant};
use ring::hmac;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Networks that a password is known to come from: those of one person's phone, home and work.
const PLACES: usize = 8;
/// So long a network is familiar that somebody came in from.
const FAMILIAR: Duration = Duration::from_hours(30 * 24);
/// So many of them are kept of one account: whoever has many networks makes others' familiar ones no fewer.
const FAMILIAR_PLACES: usize = 32;
/// Passwords, and familiar networks, remembered: several clients with app passwords for a few hundred people. Some 200
/// octets each.
const ROOM: usize = 4_096;

pub(super) struct Memory {
    key: hmac::Key,
    lasts: Duration,
    known: Mutex<HashMap<Trace, Known>>,
    /// When an account was last entered from a network.
    familiar: Mutex<HashMap<(AccountId, Origin), Instant>>,
}

/// For how long a password is remembered.
#[derive(Debug)]
struct Known {
    until: Instant,
    grant: Grant,
    /// From where it came, the latest first.
    places: Vec<Origin>,
}

/// Where a password comes from: a network, or a socket of this machine that has no address.
pub(super) type Origin = Option<Who>;

/// What is remembered of a verified password.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Trace([u8; 32]);

impl Memory {
    pub(super) fn new(lasts: Duration) -> Result<Memory, Fault> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()?);
        Ok(Memory { key, lasts, known: Mutex::default(), familiar: Mutex::default() })
    }

    pub(super) fn trace(&self, account: AccountId, phc: &str, password: &[u8]) -> Trace {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&account.0.to_be_bytes());
        context.update(&(phc.len() as u64).to_be_bytes());
        context.update(phc.as_bytes());
        context.update(password);
        let mut trace = [0; 32];
        trace.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        Trace(trace)
    }

    pub(super) fn knows(&self, trace: Trace, now: Instant) -> bool {
        self.lock().get(&trace).is_some_and(|known| known.is_good(now))
    }

    /// Whether it came from there before.
    pub(super) fn knows_from(&self, trace: Trace, place: &Origin, now: Instant) -> bool {
        self.lock().get(&trace).is_some_and(|known| known.is_good(now) && known.places.contains(place))
    }

    pub(super) fn keep(&self, trace: Trace, grant: Grant, place: Origin, now: Instant) {
        if self.lasts.is_zero() {
            return;
        }
        let mut traces = self.lock();
        if traces.len() >= ROOM {
            traces.retain(|_, known| known.is_good(now));
        }
        if traces.len() >= ROOM
            && let Some(oldest) = traces.iter().min_by_key(|(_, known)| known.until).map(|(trace, _)| *trace)
        {
            traces.remove(&oldest);
        }
        let was = traces.remove(&trace).filter(|known| known.is_good(now));
        let mut places: Vec<Origin> = was.into_iter().flat_map(|known| known.places).collect();
        places.retain(|other| *other != place);
        places.insert(0, place);
        places.truncate(PLACES);
        traces.insert(trace, Known { until: now + self.lasts, grant, places });
    }

    /// Somebody came in from there.
    pub(super) fn meet(&self, account: AccountId, place: Origin, now: Instant) {
        let mut familiar = self.familiar.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (account, place);
        if !familiar.contains_key(&key) {
            let own = familiar.keys().filter(|(other, _)| *other == account).count();
            let is_one_s = own >= FAMILIAR_PLACES;
            let goes = familiar.iter().filter(|((other, _), _)| !is_one_s || *other == account);
            let goes = goes.min_by_key(|(_, when)| **when).map(|(key, _)| key.clone());
            if let (true, Some(goes)) = (is_one_s || familiar.len() >= ROOM, goes) {
                familiar.remove(&goes);
            }
        }
        familiar.insert(key, now);
    }

    /// Whether somebody came in from there within the last weeks.
    pub(super) fn is_familiar(&self, account: AccountId, place: &Origin, now: Instant) -> bool {
        let familiar = self.familiar.lock().unwrap_or_else(PoisonError::into_inner);
        familiar.get(&(account, place.clone())).is_some_and(|when| now.duration_since(*when) < FAMILIAR)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Trace, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_good(&self, now: Instant) -> bool {
        now < self.until && !self.grant.is_over()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use crate::store::Write;

    #[test]
    fn a_trace_is_of_one_account_one_hash_and_one_password() {
        let memory = Memory::new(Duration::from_mins(1)).unwrap();
        let now = Instant::now();
        let world = World::with_accounts("memory-trace");
        memory.keep(memory.trace(AccountId(1), "hash", b"password"), world.store.grant(AccountId(1)), None, now);
        assert!(memory.knows(memory.trace(AccountId(1), "hash", b"password"), now));
        for (account, phc, password) in
            [(2, "hash", "password"), (1, "hasi", "password"), (1, "hash", "passwore"), (1, "hashp", "assword")]
        {
            assert!(!memory.knows(memory.trace(AccountId(account), phc, password.as_bytes()), now));
        }
    }

    #[test]
    fn it_is_forgotten_when_its_time_is_over_and_never_kept_when_there_is_none() {
        let memory = Memory::new(Duration::from_mins(1)).unwrap();
        let now = Instant::now();
        let trace = memory.trace(AccountId(1), "hash", b"password");
        let world = World::with_accounts("memory-time");
        let grant = world.store.grant(AccountId(1));
        memory.keep(trace, grant.clone(), None, now);
        assert!(!memory.knows(trace, now + Duration::from_mins(1)));
        let forgetful = Memory::new(Duration::ZERO).unwrap();
        forgetful.keep(trace, grant, None, now);
        assert!(!forgetful.knows(trace, now));
    }

    #[test]
    fn a_network_stays_familiar_to_the_account_that_came_in_from_there_and_to_no_other() {
        let memory = Memory::new(Duration::ZERO).unwrap();
        let now = Instant::now();
        let place = |last| Some(Who::source([192, 0, 2, last].into()));
        memory.meet(AccountId(1), place(1), now);
        assert!(memory.is_familiar(AccountId(1), &place(1), now + FAMILIAR / 2));
        assert!(!memory.is_familiar(AccountId(1), &place(2), now) && !memory.is_familiar(AccountId(2), &place(1), now));
        assert!(!memory.is_familiar(AccountId(1), &place(1), now + FAMILIAR));
        for account in 2..=ROOM as u64 + 1 {
            memory.meet(AccountId(u32::try_from(account).unwrap()), None, now + Duration::from_secs(account));
        }
        assert!(!memory.is_familiar(AccountId(1), &place(1), now), "the oldest made room");
        let soon = now + Duration::from_hours(2);
        memory.meet(AccountId(1), place(1), soon);
        for last in 0..=u8::try_from(FAMILIAR_PLACES).unwrap() {
            memory.meet(AccountId(2), place(last), soon + Duration::from_secs(last.into()));
        }
        assert!(!memory.is_familiar(AccountId(2), &place(0), soon), "one account's many make room for one another");
        assert!(memory.is_familiar(AccountId(1), &place(1), soon));
    }

    #[test]
    fn the_oldest_makes_room() {
        let memory = Memory::new(Duration::from_mins(1)).unwrap();
        let now = Instant::now();
        let world = World::with_accounts("memory-oldest");
        let grant = world.store.grant(AccountId(1));
        for number in 0..=u32::try_from(ROOM).unwrap() {
            let then = now + Duration::from_millis(u64::from(number));
            memory.keep(memory.trace(AccountId(number), "", b""), grant.clone(), None, then);
        }
        assert_eq!(memory.lock().len(), ROOM);
        assert!(!memory.knows(memory.trace(AccountId(0), "", b""), now));
    }

    #[test]
    fn a_removed_account_s_password_is_forgotten_at_once_whatever_its_hash_was() {
        let world = World::with_accounts("memory-removed");
        let account = world.store.snapshot().unwrap().account_of("a@b.example").unwrap().unwrap();
        let memory = Memory::new(Duration::from_mins(1)).unwrap();
        let (now, trace) = (Instant::now(), memory.trace(account, "hash", b"password"));
        memory.keep(trace, world.store.grant(account), None, now);
        assert!(memory.knows(trace, now));
        world.store.write_blocking(Write::RemoveAccount(account)).unwrap();
        assert!(!memory.knows(trace, now));
    }

    #[test]
    fn from_where_a_password_came_is_known_and_bounded() {
        let world = World::with_accounts("memory-places");
        let memory = Memory::new(Duration::from_mins(1)).unwrap();
        let (now, trace) = (Instant::now(), memory.trace(AccountId(1), "hash", b"password"));
        let place = |last| Some(Who::source(std::net::IpAddr::from([192, 0, 2, last])));
        for last in 0..=u8::try_from(PLACES).unwrap() {
            memory.keep(trace, world.store.grant(AccountId(1)), place(last), now);
        }
        assert!(memory.knows_from(trace, &place(1), now) && !memory.knows_from(trace, &place(0), now));
        assert!(memory.knows(trace, now) && !memory.knows_from(trace, &None, now));
    }
}
