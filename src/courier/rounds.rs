//! What is due is begun, as far as there is room for it; then the next change, or the next moment, is waited for.

use super::route::Way;
use super::runner::Courier;
use crate::admin::smarthost;
use crate::store::{QueueId, StoreError};
use crate::sys;
use async_executor::Executor;
use smol::future::FutureExt;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// Messages that are looked at in one round, besides those under way: first some, and more where
/// there is room when these were seen.
const LOOKED_AT: [usize; 2] = [500, 10_000];
/// Messages under way for each delivery at a time: those whose turn has not come yet.
const IN_LINE: usize = 4;
/// The clock may jump while we sleep.
const NAP: Duration = Duration::from_mins(1);
/// After a failure of the store, or a defect, nothing is tried for so long.
const REST: Duration = Duration::from_secs(10);

/// What is being carried: each mail, with the ways that it goes.
#[derive(Default)]
struct Underway {
    mails: HashMap<QueueId, Vec<Way>>,
    ways: HashMap<Way, usize>,
    /// Where those go that were looked at when there was no room for them: thousands that wait for one host are not read
    /// again each time.
    passed: HashMap<QueueId, Vec<Way>>,
    /// There was a smarthost when these were looked at.
    had_smarthost: bool,
}

/// How a round ended.
struct Round {
    begun: Vec<QueueId>,
    /// Seconds until the next mail is due that is not under way.
    rest: Option<i64>,
}

impl Courier {
    /// Carries mail for ever.
    pub async fn run(self: Arc<Self>) {
        let executor = Executor::new();
        executor.run(self.go_round(&executor, false)).await;
    }

    /// Carries all that is due now, and what becomes due meanwhile; then ends.
    pub async fn tend(self: Arc<Self>) {
        let executor = Executor::new();
        executor.run(self.go_round(&executor, true)).await;
    }

    async fn go_round(self: &Arc<Self>, executor: &Executor<'static>, ends: bool) {
        let (done, ended) = smol::channel::unbounded();
        let mut underway = Underway::default();
        loop {
            // Before looking: what rings now is seen then.
            let bell = self.store.queue_changes();
            let nap = match self.look(&mut underway) {
                Ok(Round { begun, rest }) => {
                    for id in begun {
                        let (courier, done) = (Arc::clone(self), done.clone());
                        let attempt = async move {
                            if AssertUnwindSafe(courier.attempt(id)).catch_unwind().await.is_err() {
                                sys::count_defect("an attempt to deliver");
                                log::error!("an attempt to deliver queued mail {} broke off: this is a defect", id.0);
                                smol::Timer::after(REST).await;
                            }
                            // Nobody listens any more where all ends.
                            let _ = done.try_send(id);
                        };
                        executor.spawn(attempt).detach();
                    }
                    rest.map_or(NAP, |rest| Duration::from_secs(rest.max(0).cast_unsigned()).min(NAP))
                }
                Err(error) => {
                    log::error!("the queue cannot be read: {error}");
                    REST
                }
            };
            if ends && underway.mails.is_empty() {
                return;
            }
            let end = async { ended.recv().await.ok() };
            let changed = async {
                bell.await;
                None
            };
            let slept = async {
                smol::Timer::after(nap).await;
                None
            };
            let mut one = end.or(changed).or(slept).await;
            while let Some(id) = one {
                underway.remove(id);
                one = ended.try_recv().ok();
            }
        }
    }

    /// Finds what is to be begun now.
    fn look(&self, underway: &mut Underway) -> Result<Round, StoreError> {
        let mut round = Round { begun: Vec::new(), rest: None };
        if self.store.is_read_only() {
            // What was delivered could not be noted.
            return Ok(round);
        }
        let (now, terms) = ((self.clock)(), self.terms());
        let most = terms.deliveries.saturating_mul(IN_LINE);
        let snapshot = self.store.snapshot()?;
        let has_smarthost = smarthost(&snapshot)?.is_some();
        if underway.had_smarthost != has_smarthost || underway.passed.len() > LOOKED_AT.into_iter().sum() {
            underway.passed.clear();
            underway.had_smarthost = has_smarthost;
        }
        for looked_at in LOOKED_AT {
            let most_due = looked_at + underway.mails.len();
            let due = snapshot.due(most_due)?;
            let is_all = due.len() < most_due;
            for (next, id) in due {
                if underway.mails.contains_key(&id) {
                    continue;
                }
                if !terms.schedule.is_due(next, now) {
                    round.rest.get_or_insert(next - now);
                    continue;
                }
                if underway.mails.len() >= most {
                    // The next one that ends wakes us.
                    return Ok(round);
                }
                if underway.passed.get(&id).is_some_and(|ways| !underway.has_room(ways, terms.per_destination)) {
                    continue;
                }
                let Some(queued) = snapshot.queued(id)? else { continue };
                let ways: Vec<Way> = self.ways(&queued, &snapshot, has_smarthost)?.into_keys().collect();
                if ways.is_empty() || underway.has_room(&ways, terms.per_destination) {
                    underway.passed.remove(&id);
                    underway.add(id, ways);
                    round.begun.push(id);
                } else if ways == [Way::Smarthost] {
                    // What comes after it mostly goes there, too: not all of a long queue is read for each mail that went.
                    return Ok(round);
                } else {
                    underway.passed.insert(id, ways);
                }
            }
            if is_all || round.rest.is_some() {
                break;
            }
        }
        Ok(round)
    }
}

impl Underway {
    fn on(&self, way: &Way) -> usize {
        self.ways.get(way).copied().unwrap_or_default()
    }

    /// Whether one of these ways is free.
    fn has_room(&self, ways: &[Way], most: usize) -> bool {
        ways.iter().any(|way| self.on(way) < most)
    }

    fn add(&mut self, id: QueueId, ways: Vec<Way>) {
        for way in &ways {
            *self.ways.entry(way.clone()).or_default() += 1;
        }
        self.mails.insert(id, ways);
    }

    fn remove(&mut self, id: QueueId) {
        for way in self.mails.remove(&id).unwrap_or_default() {
            if let Some(count) = self.ways.get_mut(&way) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.ways.remove(&way);
                }
            }
        }
    }
}
