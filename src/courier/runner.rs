//! The one who carries mail out of the queue. What was accepted is tried until it is delivered or given up; whatever
//! happens in between, the queue knows how far it is.

use super::connect::{Connector, Target};
use super::events;
use super::names::Names;
use super::route::{Way, hosts};
use super::schedule::Schedule;
use super::settle::{Expired, Settled, is_waiting};
use super::sign::Keys;
use super::smtp::{Content, Envelope, Fate, Patience, Said, Security, Server, Session, To, Trouble};
use super::tell;
use crate::admin::{Smarthost, SmarthostPrivacy, Trust, smarthost};
use crate::delivery::Routing;
use crate::dns::Lookup;
use crate::store::{Delivery, Fault, QueueId, Queued, Refusal, Snapshot, Store, StoreError, Write};
use async_executor::Executor;
use smol::lock::Semaphore;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What shows the time, in seconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What tells how many seconds passed since a moment, in seconds since 1970.
pub type Aging = Arc<dyn Fn(i64) -> i64 + Send + Sync>;

/// How mail is carried.
#[derive(Clone, Debug)]
pub struct Terms {
    /// When it is tried again.
    pub schedule: Schedule,
    /// Deliveries at a time.
    pub deliveries: usize,
    /// Of these, to the same domain, or to the smarthost.
    pub per_destination: usize,
    /// The port at which other servers take mail.
    pub port: u16,
    /// How long they may take.
    pub patience: Patience,
}

/// Carries mail out of the queue.
pub struct Courier {
    pub(super) store: Arc<Store>,
    pub(super) routing: Routing,
    pub(super) clock: Clock,
    aging: Option<Aging>,
    terms: Terms,
    connector: Connector,
    lookup: Arc<dyn Lookup>,
    keys: Keys,
    turns: Arc<Semaphore>,
    lanes: Mutex<HashMap<Way, Arc<Semaphore>>>,
}

/// A mail that is being carried, for all ways that it goes.
pub(super) struct Load<'l> {
    pub(super) id: QueueId,
    pub(super) queued: &'l Queued,
    pub(super) content: Content,
    pub(super) names: events::Names,
    /// Signatures.
    prefix: String,
    /// Its header has other letters than ASCII's. Some programs ask for SMTPUTF8 whatever they send.
    header_is_beyond: bool,
    smarthost: Option<Smarthost>,
}

/// The ways that a message goes, each with the places of its recipients.
pub(super) type Ways = BTreeMap<Way, Vec<usize>>;

/// How long it takes until a write is tried again that the store could not do.
const AGAIN: Duration = Duration::from_secs(10);
/// Lanes that are remembered though nobody is in them.
const LANES: usize = 1_000;

impl Courier {
    /// One who carries the queue of this store.
    #[must_use]
    pub fn new(store: Arc<Store>, routing: Routing, lookup: Arc<dyn Lookup>, terms: Terms, clock: Clock) -> Courier {
        Courier {
            store,
            routing,
            clock,
            aging: None,
            connector: Connector::new(Arc::new(Names(Arc::clone(&lookup)))),
            lookup,
            keys: Keys::default(),
            turns: Arc::new(Semaphore::new(terms.deliveries)),
            lanes: Mutex::default(),
            terms,
        }
    }

    /// Tells how long mail has waited by this, and not by the clock: what was accepted at a moment.
    #[must_use]
    pub fn aging(self, aging: Aging) -> Courier {
        Courier { aging: Some(aging), ..self }
    }

    /// How many seconds a mail has waited that was tried now once more.
    fn age(&self, queued: &Queued, now: i64) -> i64 {
        match &self.aging {
            Some(aging) => aging(queued.made),
            None => self.terms.schedule.age(queued.made, now, queued.attempts.saturating_add(1)),
        }
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Tries one message, for all recipients that wait.
    pub(super) async fn attempt(&self, id: QueueId) {
        let begun = match self.begin(id) {
            Ok(Some(begun)) => begun,
            Ok(None) => return,
            Err(error) => {
                log::error!("queued mail {} cannot be tried: {error}", id.0);
                smol::Timer::after(AGAIN).await;
                return;
            }
        };
        let (queued, ways, smarthost) = begun;
        let content = Content::new(&self.store, queued.blob, queued.size, queued.line_ends);
        let prefix = if ways.keys().all(|way| *way == Way::Home) {
            String::new()
        } else {
            self.keys.sign(&self.store, &self.routing, &queued, &content, (self.clock)()).await
        };
        // What cannot be read now is told when it is sent.
        let beginning = content.beginning().unwrap_or_default();
        let header = tell::header(&beginning);
        let (names, header_is_beyond) =
            (events::Names::read(header, &self.routing.name), queued.utf8 && !header.is_ascii());
        let load = Load { id, queued: &queued, content, names: names.clone(), prefix, header_is_beyond, smarthost };
        let side_by_side = Executor::new();
        let carried: Vec<_> =
            ways.iter().map(|(way, which)| side_by_side.spawn(self.carry(&load, way, which))).collect();
        let fates = side_by_side.run(async {
            let mut fates = Vec::new();
            for one in carried {
                fates.extend(one.await);
            }
            fates
        });
        let fates = fates.await;
        let schedule = &self.terms.schedule;
        let expired = self
            .record(id, |settled, now| {
                let age = self.age(&settled.queued, now);
                settled.conclude(&fates, schedule, now, age);
            })
            .await;
        for one in &expired {
            if let Some(recipient) = queued.recipients.get(one.which) {
                events::expired(&names, id, &queued, &recipient.address, &one.said);
            }
        }
    }

    /// What is to be carried, and where. `None`: it is gone.
    fn begin(&self, id: QueueId) -> Result<Option<(Queued, Ways, Option<Smarthost>)>, StoreError> {
        let snapshot = self.store.snapshot()?;
        let Some(queued) = snapshot.queued(id)? else { return Ok(None) };
        let smarthost = smarthost(&snapshot)?;
        let ways = self.ways(&queued, &snapshot, smarthost.is_some())?;
        Ok(Some((queued, ways, smarthost)))
    }

    /// Carries a mail one way, once it is its turn; tells what became of those who did not get it. For the others that
    /// is in the queue already.
    async fn carry(&self, load: &Load<'_>, way: &Way, which: &[usize]) -> Vec<(usize, Fate)> {
        let lane = self.lane(way);
        let _lane = lane.acquire().await;
        let _turn = self.turns.acquire().await;
        let trouble = match way {
            Way::Home => return self.bring_home(load, which).await,
            Way::Smarthost => match &load.smarthost {
                Some(smarthost) => match self.give(load, &given_to(smarthost), which).await {
                    Ok(fates) => return fates,
                    Err(trouble) => trouble,
                },
                None => Trouble::Later(Said::ours("450 4.3.5 there is no smarthost any more")),
            },
            Way::Domain(domain) => match self.give_to_domain(load, domain, which).await {
                Ok(fates) => return fates,
                Err(trouble) => trouble,
            },
        };
        let fate = trouble.fate();
        for recipient in which.iter().filter_map(|which| load.queued.recipients.get(*which)) {
            events::tried(load, &recipient.address, None, &fate);
        }
        which.iter().map(|which| (*which, fate.clone())).collect()
    }

    /// To the first of a domain's hosts that listens.
    async fn give_to_domain(
        &self,
        load: &Load<'_>,
        domain: &str,
        which: &[usize],
    ) -> Result<Vec<(usize, Fate)>, Trouble> {
        let mut worst: Option<Trouble> = None;
        for host in hosts(&*self.lookup, domain, &self.routing.name).await? {
            let target = Target { host, port: self.terms.port, tls: false, trust: Trust::Anyone };
            let server = Server { target, security: Security::Opportunistic, login: None, is_other: true };
            match self.give(load, &server, which).await {
                Ok(fates) => return Ok(fates),
                // One that may listen later counts for more than one that never will.
                Err(trouble) if !matches!(worst, Some(Trouble::Later(_))) => worst = Some(trouble),
                Err(_) => {}
            }
        }
        Err(worst.unwrap_or_else(|| Trouble::Later(Said::of(domain, "450 4.4.4", "it has no hosts"))))
    }

    /// To one server. The error says that it does not listen.
    async fn give(&self, load: &Load<'_>, server: &Server, which: &[usize]) -> Result<Vec<(usize, Fate)>, Trouble> {
        let mut session = Session::open(&self.connector, server, &self.routing.name, self.terms.patience).await?;
        let relay = format!("{}:{}", server.target.host, server.target.port);
        let Load { id, queued, content, prefix, header_is_beyond, .. } = load;
        let size = u64::from(queued.size) + u64::from(queued.line_ends) + prefix.len() as u64;
        let envelope = Envelope {
            from: &queued.from,
            envid: queued.envid.as_deref(),
            ret_full: queued.ret_full,
            body_8bit: queued.body_8bit,
            utf8: queued.utf8 && *header_is_beyond,
            size,
            prefix,
        };
        let recipients = which.iter().filter_map(|which| queued.recipients.get(*which));
        let to = recipients.map(|recipient| To {
            address: recipient.address.clone(),
            orcpt: recipient.orcpt.clone(),
            notify: recipient.notify,
        });
        let to: Vec<To> = to.collect();
        let fates = session.transact(&envelope, &to, content).await;
        for (to, fate) in to.iter().zip(&fates) {
            events::tried(load, &to.address, Some(&relay), fate);
        }
        let fates: Vec<(usize, Fate)> = which.iter().copied().zip(fates).collect();
        if fates.iter().any(|(_, fate)| matches!(fate, Fate::Taken { .. })) {
            // At once: what happens before this is on disk means that they get it twice.
            self.record(*id, |settled, _| settled.take(&fates)).await;
        }
        session.quit().await;
        Ok(fates)
    }

    /// Writes what became of a message, until it is written: what was said to us is not heard a second time. Returns for
    /// whom it is not tried any more, if that was written.
    pub(super) async fn record(&self, id: QueueId, settle: impl Fn(&mut Settled, i64)) -> Vec<Expired> {
        loop {
            let (expired, write) = match self.settled(id, &settle) {
                Ok(Some(settled)) => settled,
                // Its owner took it out meanwhile.
                Ok(None) => return Vec::new(),
                Err(error) => {
                    log::error!("what became of queued mail {} cannot be written: {error}", id.0);
                    smol::Timer::after(AGAIN).await;
                    continue;
                }
            };
            match self.store.write(write).await {
                Ok(_) => return expired,
                // Where the store has ended, so does all this.
                Err(StoreError::Fault(Fault::Stopped)) => return Vec::new(),
                // Somebody was faster: on top of theirs, then.
                Err(StoreError::Refused(Refusal::Changed)) => {}
                Err(error) => {
                    log::error!("what became of queued mail {} is not written yet: {error}", id.0);
                    smol::Timer::after(AGAIN).await;
                }
            }
        }
    }

    fn settled(
        &self,
        id: QueueId,
        settle: &impl Fn(&mut Settled, i64),
    ) -> Result<Option<(Vec<Expired>, Write)>, StoreError> {
        let Some(queued) = self.store.snapshot()?.queued(id)? else { return Ok(None) };
        let (revision, now) = (queued.revision, (self.clock)());
        let mut settled = Settled::new(queued);
        settle(&mut settled, now);
        let told = tell::told(&self.store, &self.routing, &settled, now)?;
        let expired = std::mem::take(&mut settled.expired);
        Ok(Some((expired, written(id, revision, settled, told))))
    }

    /// Which ways a message goes.
    pub(super) fn ways(&self, queued: &Queued, snapshot: &Snapshot, has_smarthost: bool) -> Result<Ways, StoreError> {
        let mut ways = Ways::new();
        for (which, recipient) in queued.recipients.iter().enumerate().filter(|(_, recipient)| is_waiting(recipient)) {
            let way = Way::to(&recipient.address, snapshot, &self.routing, has_smarthost)?;
            ways.entry(way).or_default().push(which);
        }
        Ok(ways)
    }

    /// Who goes one way does not hold up those who go another.
    fn lane(&self, way: &Way) -> Arc<Semaphore> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() > LANES {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        let new = || Arc::new(Semaphore::new(self.terms.per_destination));
        Arc::clone(lanes.entry(way.clone()).or_insert_with(new))
    }
}

/// The server that a smarthost is.
pub(super) fn given_to(smarthost: &Smarthost) -> Server {
    let Smarthost { host, port, privacy, trust, login } = smarthost.clone();
    let security = match privacy {
        SmarthostPrivacy::Tls => Security::Tls,
        SmarthostPrivacy::StartTls => Security::StartTls,
        SmarthostPrivacy::None => Security::None,
    };
    Server { target: Target { host, port, tls: security == Security::Tls, trust }, security, login, is_other: false }
}

/// What is written of a message; it goes when nothing is left to be done.
pub(super) fn written(id: QueueId, revision: u64, settled: Settled, told: Option<Delivery>) -> Write {
    let now_is = (!settled.is_done()).then(|| Box::new(settled.queued));
    Write::Queue { id, revision, now_is, told: told.map(Box::new) }
}
