//! Watching quotas beside the sessions: whatever moved the usage, the account is told in time.

use pillarbox::delivery::{Routing, look, prune};
use pillarbox::mail::AccountId;
use pillarbox::store::{Store, StoreError};
use smol::Timer;
use smol::future::FutureExt;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two looks: a thousand deliveries in a second are looked at a few times.
const PAUSE: Duration = Duration::from_millis(200);
/// After what could not be told, as on a full disk, it is tried again.
const RETRY: Duration = Duration::from_secs(30);
/// How often what need not be remembered any more is forgotten.
const PRUNE: Duration = Duration::from_hours(1);

/// Tells accounts how full they are, for as long as the server runs; `warns`: or only forgets what need not be remembered.
pub async fn watch(store: Arc<Store>, routing: Routing, warns: bool) {
    // Whatever happened while nobody looked: an import, a power cut between a delivery and its warning.
    let mut changed = everybody(&store);
    let mut failed = BTreeSet::new();
    let mut pruned: Option<Instant> = None;
    loop {
        let bell = store.usage_changes();
        changed.append(&mut store.take_weighed());
        if changed.is_empty() {
            let again = if failed.is_empty() { Timer::never() } else { Timer::after(RETRY) };
            let again = async {
                again.await;
            };
            bell.or(again).await;
            Timer::after(PAUSE).await;
            changed.append(&mut failed);
            continue;
        }
        for account in std::mem::take(&mut changed).into_iter().filter(|_| warns) {
            if let Err(error) = tell(&store, &routing, account).await {
                log::warn!("an account could not be told how full it is: {error}");
                failed.insert(account);
            }
        }
        if pruned.is_none_or(|pruned| pruned.elapsed() > PRUNE) {
            pruned = Some(Instant::now());
            if let Err(error) = forget(&store).await {
                log::warn!("old answers could not be forgotten: {error}");
            }
        }
    }
}

async fn tell(store: &Arc<Store>, routing: &Routing, account: AccountId) -> Result<(), StoreError> {
    let write = {
        let (store, routing) = (Arc::clone(store), routing.clone());
        smol::unblock(move || look(&store, &store.snapshot()?, &routing, account, now())).await?
    };
    if let Some(write) = write {
        store.write(write).await?;
    }
    Ok(())
}

async fn forget(store: &Arc<Store>) -> Result<(), StoreError> {
    let writes = {
        let store = Arc::clone(store);
        smol::unblock(move || prune(&store.snapshot()?, now())).await?
    };
    for write in writes {
        store.write(write).await?;
    }
    Ok(())
}

fn everybody(store: &Store) -> BTreeSet<AccountId> {
    match store.snapshot().and_then(|snapshot| snapshot.accounts()) {
        Ok(accounts) => accounts.into_iter().map(|(id, _)| id).collect(),
        Err(fault) => {
            log::warn!("quotas cannot be looked at yet: {fault}");
            BTreeSet::new()
        }
    }
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
