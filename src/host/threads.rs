//! Threads that go on: a panic in one is told, and it begins again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

/// How long a thread waits after a panic, so that one that panics at once does not burn time.
const PAUSE: Duration = Duration::from_secs(1);

/// Does the work over and over, in a thread of its own.
pub(super) fn forever(name: &str, mut work: impl FnMut() + Send + 'static) {
    let body = move || {
        loop {
            guarded(&mut work);
        }
    };
    if let Err(error) = thread::Builder::new().name(name.to_owned()).spawn(body) {
        log::error!("{name} could not be begun: {error}");
    }
}

/// Does the work once, in a thread of its own.
pub(super) fn once(name: &str, work: impl FnOnce() + Send + 'static) {
    let body = move || {
        // The hook told of it.
        let _ = catch_unwind(AssertUnwindSafe(work));
    };
    if let Err(error) = thread::Builder::new().name(name.to_owned()).spawn(body) {
        log::error!("{name} could not be begun: {error}");
    }
}

/// Does the work; `None` if it panicked.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(work));
    if done.is_err() {
        thread::sleep(PAUSE);
    }
    done.ok()
}

/// From now on a panic is a line in the log, and on the console.
pub(super) fn tell_of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        log::error!("{} broke off, which is a defect: {panic}", thread.name().unwrap_or("a thread"));
    }));
}
