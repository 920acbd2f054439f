//! Threads that go on: a panic in one is told and counted, and it begins again.

use super::defects;
use super::pauses::Pauses;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The first pause after a thread's work broke off, and the longest: the watchdog is fed by one of them.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Does the work over and over, in a thread of its own.
pub fn forever(name: &str, mut work: impl FnMut() + Send + 'static) {
    let body = move || {
        loop {
            work();
        }
    };
    if let Err(error) = steady(name, body) {
        log::error!("{name} could not be begun: {error}");
    }
}

/// Does the work in a thread of its own, and again where it panics; the thread ends when the work does.
pub fn steady(name: &str, mut work: impl FnMut() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let known_as = name.to_owned();
    thread::Builder::new().name(name.to_owned()).spawn(move || go_on(&known_as, &mut work))
}

/// Does the work in this thread, and again where it panics, until it ends.
pub fn go_on(name: &str, work: &mut dyn FnMut()) {
    again_and_again(name, Pauses::new(PAUSES.0, PAUSES.1), work);
}

fn again_and_again(name: &str, mut pauses: Pauses, work: &mut dyn FnMut()) {
    loop {
        let began = Instant::now();
        if guarded(name, &mut *work).is_some() {
            return;
        }
        thread::sleep(pauses.after(began.elapsed()));
    }
}

/// Does the work once, in a thread of its own.
pub fn once(name: &str, work: impl FnOnce() + Send + 'static) {
    let known_as = name.to_owned();
    let body = move || {
        guarded(&known_as, work);
    };
    if let Err(error) = thread::Builder::new().name(name.to_owned()).spawn(body) {
        log::error!("{name} could not be begun: {error}");
    }
}

/// Does the work; `None` if it panicked, which is counted.
pub fn guarded<T>(name: &str, work: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(work));
    if done.is_err() {
        defects::count(name);
    }
    done.ok()
}

/// From now on a panic is a line in the log, and nothing that is written anywhere else.
pub fn tell_of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        log::error!("{} broke off, which is a defect: {panic}", thread.name().unwrap_or("a thread"));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_off_is_begun_again_until_it_ends() {
        let mut begun = 0;
        again_and_again("a steady thread of the tests", Pauses::new(Duration::ZERO, Duration::ZERO), &mut || {
            begun += 1;
            assert!(begun > 2, "a defect");
        });
        assert_eq!((begun, defects::counted().get("a steady thread of the tests")), (3, Some(&2)));
    }

    #[test]
    fn a_panic_is_counted_and_ends_nothing() {
        assert_eq!(guarded("a thread of the tests", || 7), Some(7));
        assert_eq!(guarded("a thread of the tests", || -> u8 { panic!("a defect") }), None);
        assert_eq!(defects::counted().get("a thread of the tests"), Some(&1));
    }
}
