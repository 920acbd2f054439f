//! The watchdog: hardware that starts the machine again when nobody feeds it.
//!
//! It is fed as long as the main loop says that this is right; it guards against what PID 1 cannot see: its own hanging,
//! and the kernel's. What PID 1 can see, it treats by itself.

use super::ioctl;
use crate::sys::threads;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const DEVICE: &str = "/dev/watchdog0";
/// Seconds: the most that a Raspberry Pi's can count.
const TIMEOUT: i32 = 15;
/// How often it is fed.
const FED: Duration = Duration::from_secs(3);

/// The watchdog, or what stands for one where there is none.
#[derive(Clone, Debug)]
pub(super) struct Watchdog {
    /// `None`: it is not to be fed by anybody any more.
    until: Arc<Mutex<Option<Instant>>>,
}

impl Watchdog {
    /// Feeds it for so long, from now on or from when its device appears.
    pub(super) fn start(wanted: bool, hold: Duration) -> Watchdog {
        let watchdog = Watchdog { until: Arc::new(Mutex::new(Some(Instant::now() + hold))) };
        if wanted {
            let until = Arc::clone(&watchdog.until);
            let mut device = None;
            threads::forever("watchdog", move || {
                feed(&mut device, *until.lock().unwrap_or_else(PoisonError::into_inner));
                thread::sleep(FED);
            });
        }
        watchdog
    }

    /// All is well, or what is not is known: feed it for so long.
    pub(super) fn hold(&self, time: Duration) {
        if let Some(until) = self.until.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            *until = (*until).max(Instant::now() + time);
        }
    }

    /// Stops it, where it can be stopped: the machine is to be off.
    pub(super) fn let_go(&self) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = None;
        thread::sleep(FED);
    }
}

fn feed(device: &mut Option<File>, until: Option<Instant>) {
    let Some(until) = until else {
        if let Some(mut open) = device.take() {
            // Closing it without this letter would not stop it.
            let _ = open.write_all(b"V");
        }
        return;
    };
    if Instant::now() > until {
        return;
    }
    if device.is_none() {
        let Ok(opened) = OpenOptions::new().write(true).open(DEVICE) else { return };
        match ioctl::set_watchdog_timeout(&opened, TIMEOUT) {
            Ok(seconds) => log::info!("a watchdog starts the machine again if it hangs for {seconds} s"),
            Err(error) => log::info!("a watchdog watches, for as long as it likes: {error}"),
        }
        *device = Some(opened);
    }
    if let Some(open) = device
        && let Err(error) = ioctl::feed_watchdog(&*open)
    {
        log::warn!("the watchdog could not be fed: {error}");
    }
}
