//! The gate: who may come in, how long a guess takes, and how many of them are weighed at once.

use super::memory::Memory;
use super::password::{self, Strength, random};
use super::sessions::Sessions;
use super::settings::Settings;
use super::throttle::{Throttle, Who};
use crate::mail::{AccountId, limits};
use crate::store::{Account, Credentials, Fault, Grant, Refusal, Store, StoreError, Write};
use crate::wire::sasl::ScramKeys;
use smol::Timer;
use smol::lock::Semaphore;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Octets of a password that are looked at: one more than there can be, so that a longer one is never right.
const PASSWORD: usize = limits::PASSWORD + 1;
/// Log-ins that wait for argon2. On a small board each takes its turn after some 100 ms: the last one waits 7 s.
const QUEUE: usize = 64;

/// Verifies passwords.
pub struct Gate {
    store: Arc<Store>,
    strength: Strength,
    memory: Memory,
    throttle: Throttle,
    /// Argon2 runs at once: each fills its megabytes and a core.
    turns: Semaphore,
    waiting: AtomicUsize,
    sessions: Arc<Sessions>,
    /// From it come the keys of users who do not exist.
    secret: [u8; 32],
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
#[derive(Debug)]
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
        // Each run takes 19 MiB: two are what a small board has.
        let turns = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(2));
        Ok(Gate {
            store,
            strength: settings.password.strength(),
            memory: Memory::new(settings.password.remembered())?,
            throttle: Throttle::default(),
            turns: Semaphore::new(turns),
            waiting: AtomicUsize::new(0),
            sessions: Arc::default(),
            secret: random()?,
        })
    }

    /// Lets in who knows the password of a user: `local@domain`, or what stands before the `@` where that is one
    /// account only. Takes its time after failures, and then nobody else's.
    pub async fn verify(&self, user: &[u8], password: &[u8], from: Option<IpAddr>) -> Result<Entered, Denied> {
        let attempt = Attempt::begin(self, user, from);
        // A remembered password does not wait for those who guess at the same user, but for its own source.
        attempt.wait(attempt.source.as_ref()).await;
        let password = password.get(..PASSWORD).unwrap_or(password);
        let mut found = self.find(&attempt.name)?;
        if !self.remembers(found.as_ref(), password) {
            self.expect(found.as_ref());
            attempt.wait(attempt.user.as_ref()).await;
            found = self.weigh(&attempt.name, password.to_vec()).await?;
        }
        let Some(found) = found else {
            rest(attempt.fail()).await;
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
        let known = found.and_then(|found| Some((password::scram_keys(&found.record.credentials)?, found.entered())));
        Ok(match known {
            Some((keys, entered)) => (Some(entered), keys),
            None => (None, ScramKeys::fake(&name, &self.secret, password::ITERATIONS)),
        })
    }

    /// Before a SCRAM proof is looked at: waits as long as earlier failures ask for.
    pub async fn hold_back(&self, user: &[u8], from: Option<IpAddr>) {
        let attempt = Attempt::begin(self, user, from);
        attempt.wait(attempt.source.as_ref()).await;
        attempt.wait(attempt.user.as_ref()).await;
    }

    /// A SCRAM proof was wrong: its answer is to wait this long.
    #[must_use]
    pub fn note_failure(&self, user: &[u8], from: Option<IpAddr>) -> Duration {
        Attempt::begin(self, user, from).fail()
    }

    /// A SCRAM proof was right.
    pub fn note_success(&self, user: &[u8], from: Option<IpAddr>) {
        Attempt::begin(self, user, from).succeed();
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

    fn remembers(&self, found: Option<&Found>, password: &[u8]) -> bool {
        found.is_some_and(|found| {
            let phc = &found.record.credentials.argon2;
            let trace = self.memory.trace(found.account, phc, &password::prepare(password));
            self.memory.knows(trace, Instant::now())
        })
    }

    /// Waits for its turn, then runs argon2: also for a user who does not exist, so that time does not tell.
    async fn weigh(&self, name: &str, password: Vec<u8>) -> Result<Option<Found>, Denied> {
        let _turn = {
            let _place = Place::take(&self.waiting)?;
            self.turns.acquire().await
        };
        // While it waited, another connection may have brought the same password, or the owner a new one.
        let found = self.find(name)?;
        if self.remembers(found.as_ref(), &password) {
            return Ok(found);
        }
        let strength = self.strength;
        let can_store = !self.store.is_read_only();
        let Some(found) = found.filter(|found| !found.record.credentials.argon2.is_empty()) else {
            smol::unblock(move || password::hash(&password, strength)).await?;
            return Ok(None);
        };
        let credentials = found.record.credentials.clone();
        let (password, renewed) = smol::unblock(move || {
            if !password::verify(&password, &credentials.argon2) {
                return Ok((None, None));
            }
            // A store that cannot keep it need not have it computed.
            let renewed = if can_store { password::renewed(&password, &credentials, strength)? } else { None };
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
        let trace = self.memory.trace(found.account, &phc, &password::prepare(&password));
        self.memory.keep(trace, found.grant.clone(), Instant::now());
        Ok(Some(found))
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

/// An attempt under way. Dropped with its connection, it counts as none.
struct Attempt<'g> {
    gate: &'g Gate,
    name: String,
    at_home: bool,
    source: Option<(Who, Duration)>,
    user: Option<(Who, Duration)>,
}

impl<'g> Attempt<'g> {
    fn begin(gate: &'g Gate, user: &[u8], from: Option<IpAddr>) -> Attempt<'g> {
        let name = name(user);
        let at_home = from.is_none_or(|from| from.to_canonical().is_loopback());
        let now = Instant::now();
        let known = |who: Who| {
            let delay = gate.throttle.begin(&who, at_home, now);
            Some((who, delay))
        };
        let source = from.and_then(|from| known(Who::source(from)));
        let user = known(Who::User(name.clone()));
        Attempt { gate, name, at_home, source, user }
    }

    async fn wait(&self, whom: Option<&(Who, Duration)>) {
        if let Some((_, delay)) = whom {
            rest(*delay).await;
        }
    }

    fn fail(&self) -> Duration {
        let now = Instant::now();
        self.known().map(|who| self.gate.throttle.failed(who, self.at_home, now)).max().unwrap_or_default()
    }

    fn succeed(&self) {
        self.known().for_each(|who| self.gate.throttle.succeeded(who));
    }

    fn known(&self) -> impl Iterator<Item = &Who> {
        [&self.source, &self.user].into_iter().flatten().map(|(who, _)| who)
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some((source, _)) = &self.source {
            self.gate.throttle.end(source);
        }
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

async fn rest(delay: Duration) {
    if !delay.is_zero() {
        Timer::after(delay).await;
    }
}
