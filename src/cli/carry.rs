//! The one who carries mail out, as the settings say.

use pillarbox::admin::Settings;
use pillarbox::courier::smtp::Patience;
use pillarbox::courier::{Courier, Schedule, Terms};
use pillarbox::dns::Lookup;
use pillarbox::net::Errand;
use pillarbox::store::Store;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Carries mail out of the queue for as long as the server runs.
pub fn carry(store: &Arc<Store>, settings: &Settings, lookup: &Arc<dyn Lookup>) -> Errand {
    let queue = &settings.queue;
    let schedule = Schedule {
        first: queue.first_retry.into(),
        longest: queue.longest_retry.into(),
        warn_after: queue.warn_after.into(),
        give_up_after: queue.give_up_after.into(),
    };
    let terms = Terms {
        schedule,
        deliveries: queue.deliveries as usize,
        per_destination: queue.per_destination as usize,
        port: queue.port,
        patience: Patience::default(),
    };
    let clock = Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed()));
    let give_up_after = schedule.give_up_after;
    let courier = Courier::new(Arc::clone(store), settings.routing(), Arc::clone(lookup), terms, clock);
    let aging = {
        let store = Arc::clone(store);
        // While nothing is to expire, it is on the point of being given up, and tried on.
        move |made| {
            if store.is_over(made, give_up_after) { give_up_after } else { store.age(made).min(give_up_after - 1) }
        }
    };
    let courier = Arc::new(courier.aging(Arc::new(aging)));
    Errand::new("the queue", move || Arc::clone(&courier).run())
}
