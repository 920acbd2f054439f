//! All mailboxes at providers, each looked after by a task of its own: when it is looked at, and how it went.

use super::collect::Collect;
use super::enter;
use super::error::Error;
use super::imap::Imap;
use super::pass::{Pass, Tally};
use crate::courier::{Connection, Connector};
use crate::mail::MailboxId;
use crate::store::{Protocol, Provider, ProviderChange, ProviderId, ProviderState, Store, Way, Write};
use crate::sys::task;
use async_executor::{Executor, Task};
use smol::future::FutureExt;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// From one look at the list of mailboxes at providers to the next, at least.
const GLANCE: Duration = Duration::from_millis(500);
/// Changes here that come right after one another are settled together.
const GATHER: Duration = Duration::from_millis(300);
/// The first delay after something failed; it doubles with every failure,
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// up to this.
const LAST_DELAY: Duration = Duration::from_mins(30);
/// The first delay after a log-in failed: a provider may lock out who tries often.
const LOGIN_DELAY: Duration = Duration::from_mins(2);
/// IDLE is begun anew before servers and routers give the connection up (RFC 2177 asks for 29 minutes at most).
const IDLE: Duration = Duration::from_mins(4);
/// IDLE that ends sooner with an error was none.
const SHORT: Duration = Duration::from_secs(30);
/// Looks right after one another, where each finds more to do.
const ROUNDS: u32 = 50;

/// The state of the mailboxes here: what a change is told from.
type Here = Vec<(MailboxId, u64, String)>;

/// Looks after all mailboxes at providers, for as long as the server runs.
pub async fn run(store: Arc<Store>, connector: Arc<Connector>) {
    let executor = Arc::new(Executor::new());
    let watch = watch(Arc::clone(&store), connector, Arc::clone(&executor));
    executor.run(watch).await;
}

/// Begins and ends tasks as mailboxes at providers come and go.
async fn watch(store: Arc<Store>, connector: Arc<Connector>, executor: Arc<Executor<'static>>) {
    let mut tasks: HashMap<ProviderId, (Provider, Task<()>)> = HashMap::new();
    loop {
        let change = store.changes();
        match store.snapshot().and_then(|snapshot| snapshot.providers()) {
            Ok(providers) => {
                let wanted: HashMap<ProviderId, Provider> = providers
                    .into_iter()
                    .filter(|(_, provider)| !provider.paused)
                    // These alone do not make it another one.
                    .map(|(id, provider)| (id, Provider { asked: 0, confirmed: 0, ..provider }))
                    .collect();
                // A task that is dropped ends where it waits.
                tasks.retain(|id, (provider, _)| wanted.get(id) == Some(provider));
                for (id, provider) in wanted {
                    tasks.entry(id).or_insert_with(|| {
                        let (store, connector) = (Arc::clone(&store), Arc::clone(&connector));
                        let begin = move || Keeper::new(&store, &connector, id).keep();
                        (provider, executor.spawn(async move { task::steady("a mirror", begin).await }))
                    });
                }
            }
            Err(fault) => log::error!("the mailboxes at providers cannot be read: {fault}"),
        }
        change.await;
        smol::Timer::after(GLANCE).await;
    }
}

/// Looks after one mailbox at a provider.
struct Keeper {
    store: Arc<Store>,
    connector: Arc<Connector>,
    id: ProviderId,
    /// Kept from look to look, to hear of changes.
    connection: Option<Imap<Connection>>,
    /// So often in a row, waiting there came to nothing at once.
    cut_short: u32,
}

impl Keeper {
    fn new(store: &Arc<Store>, connector: &Arc<Connector>, id: ProviderId) -> Keeper {
        Keeper { store: Arc::clone(store), connector: Arc::clone(connector), id, connection: None, cut_short: 0 }
    }

    async fn keep(mut self) {
        let mut rounds = 0;
        loop {
            let (provider, here) = match self.wanted() {
                Ok(Some(wanted)) => wanted,
                Ok(None) => return,
                Err(error) => {
                    log::error!("a mailbox at a provider cannot be looked after: {error}");
                    smol::Timer::after(LAST_DELAY).await;
                    continue;
                }
            };
            let mut tally = Tally::default();
            let fetched = self.fetched();
            let done = self.look(&provider, &mut tally).await;
            if done.is_err() {
                self.connection = None;
            }
            let again = tally.again;
            // Where mail comes through, a connection that breaks now and then is no reason to wait ever longer.
            let moved = tally.sent > 0 || self.fetched() > fetched;
            let failures = match self.note(&provider, &done, tally, moved).await {
                Ok(failures) => failures,
                Err(error) => {
                    log::error!("how the mirror of {} went cannot be noted: {error}", provider.user);
                    1
                }
            };
            match done {
                Ok(()) if again && rounds < ROUNDS => rounds += 1,
                Ok(()) => {
                    rounds = 0;
                    self.rest(&provider, &here).await;
                }
                Err(error) => {
                    let delay = delay(&error, failures);
                    let asked = self.asked(provider.asked);
                    asked.or(after(delay)).await;
                }
            }
        }
    }

    fn wanted(&self) -> Result<Option<(Provider, Here)>, Error> {
        let snapshot = self.store.snapshot()?;
        let Some(provider) = snapshot.provider(self.id)? else { return Ok(None) };
        let here = here(&snapshot, &provider)?;
        Ok(Some((provider, here)))
    }

    /// How many messages came, in all.
    fn fetched(&self) -> u64 {
        let state = self.store.snapshot().and_then(|snapshot| snapshot.provider_state(self.id));
        state.map_or(0, |state| state.fetched)
    }

    /// One look.
    async fn look(&mut self, provider: &Provider, tally: &mut Tally) -> Result<(), Error> {
        let now = now();
        let state = self.store.snapshot()?.provider_state(self.id)?;
        let confirmed = provider.confirmed > state.done;
        match (provider.protocol, &provider.way) {
            (Protocol::Imap, Way::Both) => {
                let store = Arc::clone(&self.store);
                let (id, account) = (self.id, provider.account);
                let Some(imap) = self.imap(provider).await? else { return Err(Error::Gone) };
                let mut pass = Pass::new(&store, id, account, imap, now, confirmed);
                let done = pass.run().await;
                *tally = std::mem::take(&mut pass.tally);
                done
            }
            (Protocol::Imap, Way::Collect { .. }) => {
                let mut collect = self.collect(provider, now);
                let Some(imap) = self.imap(provider).await? else { return Err(Error::Gone) };
                let done = collect.by_imap(imap).await;
                *tally = collect.tally;
                done
            }
            (Protocol::Pop3, _) => {
                let mut collect = self.collect(provider, now);
                let pop3 = enter::pop3(&self.connector, provider).await?;
                let done = collect.by_pop3(pop3).await;
                *tally = collect.tally;
                done
            }
        }
    }

    fn collect(&self, provider: &Provider, now: i64) -> Collect {
        let (into, delete_after) = match &provider.way {
            Way::Collect { into, delete_after } => (into.clone(), *delete_after),
            Way::Both => ("INBOX".to_owned(), None),
        };
        let (store, id, account) = (Arc::clone(&self.store), self.id, provider.account);
        Collect { store, id, account, into, delete_after, now, tally: Tally::default() }
    }

    /// A connection that is logged in: the one of the look before, or a new one.
    async fn imap(&mut self, provider: &Provider) -> Result<Option<&mut Imap<Connection>>, Error> {
        if let Some(imap) = &mut self.connection
            && imap.noop().await.is_err()
        {
            self.connection = None;
        }
        if self.connection.is_none() {
            let imap = enter::imap(&self.connector, provider).await?;
            self.connection = Some(imap);
        }
        Ok(self.connection.as_mut())
    }

    /// Notes how it went; how often in a row it did not go well.
    async fn note(
        &self,
        provider: &Provider,
        done: &Result<(), Error>,
        tally: Tally,
        moved: bool,
    ) -> Result<u32, Error> {
        let before = self.store.snapshot()?.provider_state(self.id)?;
        let now = now();
        let mut state = ProviderState {
            tried: Some(now),
            sent: before.sent.saturating_add(tally.sent),
            done: provider.asked,
            held: tally.held,
            ..before
        };
        match done {
            Ok(()) => {
                if before.failures > 0 {
                    log::info!("the mailbox of {} at {} is reached again", provider.user, provider.host);
                }
                (state.succeeded, state.failure, state.failures) = (Some(now), None, 0);
            }
            Err(error) => {
                let why = error.to_string();
                if state.failure.as_ref() != Some(&why) {
                    log::warn!("the mailbox of {} at {}: {why}", provider.user, provider.host);
                }
                // What is held back is known only after a whole look.
                state.held = before.held;
                state.failures = if moved { 1 } else { before.failures.saturating_add(1) };
                state.failure = Some(why);
                if provider.confirmed == provider.asked {
                    // What the owner confirmed is still to be done.
                    state.done = before.done;
                }
            }
        }
        let failures = state.failures;
        match self.store.write(Write::Provider(Box::new(ProviderChange::State { id: self.id, state }))).await {
            Err(crate::store::StoreError::Refused(crate::store::Refusal::Changed)) => Ok(failures),
            written => written.map(|_| failures).map_err(Error::from),
        }
    }

    /// Until there may be something to do.
    async fn rest(&mut self, provider: &Provider, before: &Here) {
        let every = Duration::from_secs(u64::from(provider.every.max(10)));
        let (store, id) = (Arc::clone(&self.store), self.id);
        let changed = || changed(&store, id, provider, before);
        let Some(imap) = self.connection.as_mut().filter(|imap| imap.abilities().idle) else {
            changed().or(after(every)).await;
            return;
        };
        let began = Instant::now();
        let idled = async {
            imap.need(b"INBOX").await?;
            imap.idle(every.min(IDLE), changed()).await
        };
        let Err(error) = idled.await else {
            self.cut_short = 0;
            return;
        };
        log::debug!("waiting at the provider: {error}");
        self.connection = None;
        self.cut_short = if began.elapsed() < SHORT { self.cut_short.saturating_add(1) } else { 0 };
        // One that says that it can IDLE and cannot is not asked all the time.
        changed().or(after(respite(self.cut_short).min(every))).await;
    }

    /// Until the owner asks for a look.
    async fn asked(&self, before: u64) {
        loop {
            let change = self.store.changes();
            match self.store.snapshot().and_then(|snapshot| snapshot.provider(self.id)) {
                Ok(Some(provider)) if provider.asked == before => {}
                _ => return,
            }
            change.await;
            smol::Timer::after(GATHER).await;
        }
    }
}

async fn after(delay: Duration) {
    smol::Timer::after(delay).await;
}

/// Until something here is not as it was, or the owner asks for a look.
async fn changed(store: &Store, id: ProviderId, provider: &Provider, before: &Here) {
    loop {
        let change = store.changes();
        let same = || -> Result<bool, Error> {
            let snapshot = store.snapshot()?;
            let Some(now) = snapshot.provider(id)? else { return Ok(false) };
            Ok(now.asked == provider.asked && here(&snapshot, provider)? == *before)
        };
        if !same().unwrap_or(true) {
            return;
        }
        change.await;
        smol::Timer::after(GATHER).await;
    }
}

/// What of the store a mirror looks at. Mail that is only collected does not care.
fn here(snapshot: &crate::store::Snapshot, provider: &Provider) -> Result<Here, Error> {
    if provider.way != Way::Both {
        return Ok(Vec::new());
    }
    let mailboxes = snapshot.mailboxes(provider.account)?;
    Ok(mailboxes.into_iter().map(|(id, record)| (id, record.modseq.0.get(), record.name)).collect())
}

/// How long to wait after so many failures in a row; not all at once where many failed together.
fn delay(error: &Error, failures: u32) -> Duration {
    let first = if matches!(error, Error::Login(_)) { LOGIN_DELAY } else { FIRST_DELAY };
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LAST_DELAY);
    doubled.mul_f64(0.75 + fastrand::f64() / 2.0)
}

/// How long to wait here when waiting there was cut short so often in a row: once is a connection that broke.
fn respite(cut_short: u32) -> Duration {
    match cut_short {
        0 | 1 => Duration::ZERO,
        more => FIRST_DELAY.saturating_mul(1 << (more - 2).min(16)),
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_which_nothing_can_be_waited_for_is_asked_ever_more_seldom() {
        let waits: Vec<u64> = [0, 1, 2, 3, 4, 12].map(|times| respite(times).as_secs()).to_vec();
        assert_eq!(waits, [0, 0, 1, 2, 4, 1_024]);
        assert!(respite(u32::MAX) > Duration::from_hours(1));
    }
}
