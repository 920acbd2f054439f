//! Tasks that go on: where one breaks off by a defect, it is begun again.

use super::defects;
use super::pauses::Pauses;
use smol::future::FutureExt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// The first pause after a task broke off, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Does what goes on for as long as the server runs. Where it panics, that is counted and told, and after a pause it is
/// begun again; where it ends, this ends.
pub async fn steady<F: Future<Output = ()>>(name: &str, begin: impl FnMut() -> F) {
    go_on(name, Pauses::new(PAUSES.0, PAUSES.1), begin).await;
}

async fn go_on<F: Future<Output = ()>>(name: &str, mut pauses: Pauses, mut begin: impl FnMut() -> F) {
    loop {
        let began = Instant::now();
        if AssertUnwindSafe(async { begin().await }).catch_unwind().await.is_ok() {
            return;
        }
        let pause = pauses.after(began.elapsed());
        defects::count(name);
        log::error!("{name} broke off: this is a defect; it is begun again in {:.1} s", pause.as_secs_f32());
        smol::Timer::after(pause).await;
    }
}

/// Does what is done once, as a conversation: where it panics, that is counted and told, and nothing else ends of it.
pub fn once<'w>(name: &'w str, work: impl Future<Output = ()> + Send + 'w) -> impl Future<Output = ()> + Send + 'w {
    // Moved once, and then no more: a future that awaits another has room for it twice.
    let work: Pin<Box<dyn Future<Output = ()> + Send + 'w>> = Box::pin(work);
    let work = AssertUnwindSafe(work).catch_unwind();
    async move {
        if work.await.is_err() {
            defects::count(name);
            log::error!("{name} broke off: this is a defect");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn what_breaks_off_is_begun_again_and_counted_until_it_ends() {
        let begun = Cell::new(0);
        let begin = || {
            begun.set(begun.get() + 1);
            let this = begun.get();
            // The second breaks off before there is anything to wait for.
            assert_ne!(this, 2, "a defect");
            async move { assert_ne!(this, 1, "another") }
        };
        smol::block_on(go_on("a task of the tests", Pauses::new(Duration::ZERO, Duration::ZERO), begin));
        assert_eq!((begun.get(), defects::counted().get("a task of the tests")), (3, Some(&2)));
    }

    #[test]
    fn what_is_done_once_takes_nothing_with_it() {
        smol::block_on(once("a conversation of the tests", async { panic!("a defect") }));
        assert_eq!(defects::counted().get("a conversation of the tests"), Some(&1));
    }
}
