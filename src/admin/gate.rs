//! The gate: who may come in, how long a guess takes, and how many of them are weighed at once.

use super::attempt::{Attempt, Doorman};
use super::crypt;
use super::memory::{Memory, Origin, Trace};
use super::password::{self, Strength};
use super::salts::Salts;
use super::sessions::Sessions;
use super::settings::Settings;
use crate::mail::{AccountId, limits};
use crate::store::{Account, Credentials, Fault, Grant, Refusal, Store, StoreError, Write};
use crate::wire::sasl::ScramKeys;
use smol::lock::{Semaphore, SemaphoreGuardArc};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Octets of a password that are looked at: one more than there can be, so that a longer one is never right.
const PASSWORD: usize = limits::PASSWORD + 1;
/// Log-ins that wait for argon2. On a small board each takes its turn after some 100 ms: the last one waits 7 s.
const QUEUE: usize = 64;

/// Verifies passwords.
pub struct Gate {
    store: Arc<Store>,
    strength: Strength,
    doorman: Doorman,
    /// Argon2 runs at once: each fills its megabytes and a core, to its end, also where nobody waits for it any more.
    turns: Arc<Semaphore>,
    /// The same of hashes that other systems made.
    foreign: Arc<Semaphore>,
    waiting: AtomicUsize,
    sessions: Arc<Sessions>,
    salts: Salts,
}

/// Somebody came in.
#[derive(Clone, Debug)]
pub struct Entered {
    /// Whose account it is.
    pub account: AccountId,
    /// Its address.
    pub address: String,
    /// What this is good for, and for how long.
    pub grant: Grant,
}

/// An account that was found, and what a log-in to it is good for.
#[derive(Clone, Debug)]
struct Found {
    account: AccountId,
    record: Account,
    grant: Grant,
}

/// Nobody came in.
#[derive(Clone, Debug)]
pub enum Denied {
    /// The user or the password is wrong; which of them is not told.
    Wrong,
    /// Too many wait already: try again later.
    Busy,
    /// Our fault.
    Fault(Fault),
}

impl Gate {
    /// A gate to the accounts of this store.
    pub fn new(store: Arc<Store>, settings: &Settings) -> Result<Gate, Fault> {
        // Each run takes 12 MiB: two are what a small board has.
        let salts = Salts::of(&store)?;
        let turns = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(2));
        Ok(Gate {
            store,
            strength: settings.password.strength(),
            doorman: Doorman::new(Memory::new(settings.password.remembered())?),
            turns: Arc::new(Semaphore::new(turns)),
            foreign: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
            sessions: Arc::default(),
            salts,
        })
    }

    /// Lets in who knows the password of a user: `local@domain`, or what stands before the `@` where that is one
    /// account only. Guesses at one user are looked at one by one, each later than the one before, wherever they come
    /// from; whoever came from there with this password before waits for none of them.
    pub async fn verify(&self, user: &[u8], password: &[u8], from: Option<IpAddr>) -> Result<Entered, Denied> {
        let name = name(user);
        let password = password.get(..PASSWORD).unwrap_or(password);
        let found = self.find(&name)?;
        let mut attempt = Attempt::begin(&self.doorman, &name, found.as_ref().map(|found| found.account), from);
        let traced = found.as_ref().map(|found| self.trace(found, password));
        if let (Some(found), true) = (&found, attempt.is_known(traced)) {
            attempt.succeed();
            if let Some(trace) = traced {
                self.doorman.memory.keep(trace, found.grant.clone(), attempt.place.clone(), Instant::now());
            }
            return Ok(found.clone().entered());
        }
        attempt.wait_for_source().await;
        self.expect(found.as_ref());
        if !attempt.pass().await {
            return Err(Denied::Busy);
        }
        let found = match self.weigh(&name, password.to_vec(), &attempt.place).await {
            Ok(found) => found,
            Err(denied) => {
                attempt.give_up();
                return Err(denied);
            }
        };
        let Some(found) = found else {
            attempt.fail().await;
            return Err(Denied::Wrong);
        };
        attempt.succeed();
        Ok(found.entered())
    }

    /// What a SCRAM exchange with this user needs. A user that does not exist has keys too, always the same ones. So has
    /// one whose password was hashed elsewhere, until it was seen at a log-in by another way: nothing else leads to keys.
    pub fn scram_keys(&self, user: &[u8]) -> Result<(Option<Entered>, ScramKeys), Fault> {
        let name = name(user);
        let found = self.find(&name)?;
        self.expect(found.as_ref());
        let fake = self.salts.fake(&name);
        let known = found.and_then(|found| Some((password::scram_keys(&found.record.credentials)?, found.entered())));
        Ok(match known {
            Some((keys, entered)) => (Some(entered), keys),
            None => (None, fake),
        })
    }

    /// Lets in whose SCRAM proof was right, which is told only when it may be: `found` is for whom the keys were, `None`
    /// where there is nobody, or the proof was wrong.
    pub async fn prove(&self, user: &[u8], found: Option<Entered>, from: Option<IpAddr>) -> Result<Entered, Denied> {
        let name = name(user);
        let record = self.find(&name)?;
        let mut attempt = Attempt::begin(&self.doorman, &name, record.as_ref().map(|found| found.account), from);
        // The keys stand for the password here: whoever proved to know it is known by them.
        let traced = record.as_ref().map(|found| {
            let keys = &found.record.credentials.scram_stored;
            self.doorman.memory.trace(found.account, "scram", keys)
        });
        let known = if found.is_some() { traced } else { None };
        if let (Some(found), true) = (&found, attempt.is_known(known)) {
            attempt.succeed();
            if let Some(trace) = traced {
                self.doorman.memory.keep(trace, found.grant.clone(), attempt.place.clone(), Instant::now());
            }
            return Ok(found.clone());
        }
        attempt.wait_for_source().await;
        if !attempt.pass().await {
            return Err(Denied::Busy);
        }
        let Some(found) = found else {
            attempt.fail().await;
            return Err(Denied::Wrong);
        };
        if let Some(trace) = traced {
            self.doorman.memory.keep(trace, found.grant.clone(), attempt.place.clone(), Instant::now());
        }
        attempt.succeed();
        Ok(found)
    }

    /// Whether there is such a user: for the log, never for who asks to come in.
    #[must_use]
    pub fn knows(&self, user: &[u8]) -> bool {
        self.find(&name(user)).is_ok_and(|found| found.is_some())
    }

    /// Who came in, and is here.
    #[must_use]
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// So many failures about a user, as if they were guessed at.
    #[cfg(test)]
    pub(super) fn throttle_of(&self, user: &str, failures: u32) {
        let who = super::throttle::Who::User(super::salts::local_part(user).to_owned());
        for _ in 0..failures {
            self.doorman.throttle.failed(&who, false, Instant::now());
        }
    }

    /// Failures about a user.
    #[cfg(test)]
    pub(super) fn failures_of(&self, user: &str) -> u32 {
        self.doorman
            .throttle
            .failures(&super::throttle::Who::User(super::salts::local_part(user).to_owned()), Instant::now())
    }

    /// Runs that could begin now: of argon2, and of hashes that other systems made.
    #[cfg(test)]
    pub(super) fn free_turns(&self) -> (usize, usize) {
        let free = |turns: &Semaphore| std::iter::from_fn(|| turns.try_acquire()).collect::<Vec<_>>().len();
        (free(&self.turns), free(&self.foreign))
    }

    /// What hashes of new passwords cost.
    #[must_use]
    pub fn strength(&self) -> Strength {
        self.strength
    }

    /// Whoever names a user will most likely be let in. One whose password is remembered was here not long ago.
    fn expect(&self, found: Option<&Found>) {
        if let Some(found) = found {
            self.store.expect(found.account);
        }
    }

    /// The account of a log-in name.
    fn find(&self, name: &str) -> Result<Option<Found>, Fault> {
        let Some(account) = self.named(name)? else { return Ok(None) };
        // Before what a password is compared with is read: where that changes afterwards, the grant is over.
        let grant = self.store.grant(account);
        let record = self.store.snapshot()?.account(account)?;
        Ok(record.map(|record| Found { account, record, grant }))
    }

    fn named(&self, name: &str) -> Result<Option<AccountId>, Fault> {
        let snapshot = self.store.snapshot()?;
        if name.contains('@') {
            return snapshot.account_of(name);
        }
        let mut named = snapshot
            .accounts()?
            .into_iter()
            .filter(|(_, account)| account.address.rsplit_once('@').is_some_and(|(local, _)| local == name));
        Ok(match (named.next(), named.next()) {
            (Some((only, _)), None) => Some(only),
            _ => None,
        })
    }

    fn trace(&self, found: &Found, password: &[u8]) -> Trace {
        self.doorman.memory.trace(found.account, &found.record.credentials.argon2, &password::prepare(password))
    }

    /// Waits for its turn, then runs argon2: also for a user who does not exist, or whose hash is another system's, so
    /// that time does not tell.
    async fn weigh(&self, name: &str, password: Vec<u8>, place: &Origin) -> Result<Option<Found>, Denied> {
        let mut turn = self.line_up(&self.turns).await?;
        // While it waited, another connection may have brought the same password, or the owner a new one.
        let found = self.find(name)?;
        let now = Instant::now();
        if let Some(found) = &found
            && let trace = self.trace(found, &password)
            && self.doorman.memory.knows(trace, now)
        {
            self.doorman.memory.keep(trace, found.grant.clone(), place.clone(), now);
            return Ok(Some(found.clone()));
        }
        let strength = self.strength;
        let can_store = !self.store.is_read_only();
        let Some(found) = found.filter(|found| !found.record.credentials.argon2.is_empty()) else {
            smol::unblock(move || {
                let _turn = turn;
                password::hash(&password, strength)
            })
            .await?;
            return Ok(None);
        };
        let credentials = found.record.credentials.clone();
        let salt = self.salts.salt(&found.record.address);
        let hash = credentials.argon2.clone();
        let (foreign, password) = if crypt::is_crypt(&hash) {
            // Others do not wait for it: it takes as long as the other system found right.
            drop(turn);
            let own = self.line_up(&self.foreign).await?;
            let (right, password) = smol::unblock(move || {
                let _own = own;
                (crypt::verify(&password, &hash), password)
            })
            .await;
            turn = self.line_up(&self.turns).await?;
            (Some(right), password)
        } else {
            (None, password)
        };
        let (password, renewed) = smol::unblock(move || {
            let _turn = turn;
            if !foreign.unwrap_or_else(|| password::verify(&password, &credentials.argon2)) {
                if foreign.is_some() {
                    // As much work as for everybody else, and that of the other hash on top, which the answer waits for.
                    password::hash(&password, strength)?;
                }
                return Ok((None, None));
            }
            // A store that cannot keep it need not have it computed.
            let renewed = if can_store { password::renewed(&password, &credentials, strength, salt)? } else { None };
            Ok::<_, Fault>((Some(password), renewed))
        })
        .await?;
        let Some(password) = password else { return Ok(None) };
        let mut phc = found.record.credentials.argon2.clone();
        if let Some(renewed) = renewed {
            let argon2 = renewed.argon2.clone();
            if self.replace(found.account, &found.record.credentials, renewed).await {
                phc = argon2;
            }
        }
        let trace = self.doorman.memory.trace(found.account, &phc, &password::prepare(&password));
        self.doorman.memory.keep(trace, found.grant.clone(), place.clone(), Instant::now());
        Ok(Some(found))
    }

    /// Waits until a run may begin, if not too many wait already.
    async fn line_up(&self, turns: &Arc<Semaphore>) -> Result<SemaphoreGuardArc, Denied> {
        let _place = Place::take(&self.waiting)?;
        Ok(turns.acquire_arc().await)
    }

    /// Stores what is kept of a password from now on; true when it is stored. What goes wrong here is no reason to deny
    /// anybody.
    async fn replace(&self, account: AccountId, old: &Credentials, credentials: Credentials) -> bool {
        let renew = Write::RenewCredentials { account, from: Box::new(old.clone()), to: Box::new(credentials) };
        match self.store.write(renew).await {
            Ok(_) => true,
            // A password that was set meanwhile is not undone.
            Err(StoreError::Refused(Refusal::Changed)) => false,
            Err(error) => {
                log::warn!("a password's new hash could not be stored: {error}");
                false
            }
        }
    }
}

impl Found {
    fn entered(self) -> Entered {
        Entered { account: self.account, address: self.record.address, grant: self.grant }
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("strength", &self.strength).finish_non_exhaustive()
    }
}

impl From<Fault> for Denied {
    fn from(fault: Fault) -> Self {
        Denied::Fault(fault)
    }
}

/// A place in the queue.
struct Place<'q>(&'q AtomicUsize);

impl<'q> Place<'q> {
    fn take(queue: &'q AtomicUsize) -> Result<Place<'q>, Denied> {
        let place = Place(queue);
        if queue.fetch_add(1, Ordering::Relaxed) < QUEUE { Ok(place) } else { Err(Denied::Busy) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A log-in name as accounts are named. What is no UTF-8, or too long, is nobody's.
fn name(user: &[u8]) -> String {
    str::from_utf8(user.get(..320).unwrap_or(user)).map(|user| user.trim().to_lowercase()).unwrap_or_default()
}
