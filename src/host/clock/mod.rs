//! The time of a machine that may have no clock of its own: never before what is known for sure, then a server's.
//!
//! Many boards forget the time without power. So it begins with the latest of what the kernel has, when the image was
//! built, and what was saved last; and SNTP makes it right (RFC 5905 §14). Who needs the right time, as a TLS client
//! does, asks [`Clock::is_right`].

mod plan;
mod sntp;

use super::ioctl::{self, RtcTime};
use super::network::Network;
use crate::sys::threads;
use plan::{Adjustment, Bans, Reading};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// Servers that are asked where neither the owner nor the network names one.
const POOL: [&str; 4] = ["0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org", "3.pool.ntp.org"];
const PORT: u16 = 123;
/// How often the time is saved: what is lost at most when the plug is pulled.
const SAVE: Duration = Duration::from_hours(1);
/// Servers that are asked once the time is right: more than one, so that a wrong one is outvoted.
const VOTES: usize = 3;
/// Addresses of one server that are tried.
const ADDRESSES: usize = 2;
const RTC: &str = "/dev/rtc0";

/// Sets the clock to the latest of what is known: the time never runs back behind it.
pub fn begin(built: i64, saved: Option<i64>) {
    let now = clock_gettime(ClockId::Realtime).tv_sec;
    let known = plan::first(now, built, saved);
    if known > now
        && let Err(error) = clock_settime(ClockId::Realtime, Timespec { tv_sec: known, tv_nsec: 0 })
    {
        log::warn!("the clock cannot be set: {error}");
    }
}

/// What was saved last.
#[must_use]
pub fn saved(path: &Path) -> Option<i64> {
    let mut text = String::new();
    File::open(path).ok()?.take(64).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// The clock, kept right by a thread of its own.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    network: Network,
    /// The owner's.
    servers: Vec<String>,
    built: i64,
    save_to: PathBuf,
    right: AtomicBool,
    /// Two at once would write one file.
    saving: Mutex<()>,
}

impl Clock {
    /// Begins to ask for the time. What comes before the image was built is not believed.
    pub fn start(network: Network, servers: Vec<String>, built: i64, save_to: PathBuf) -> io::Result<Clock> {
        let right = AtomicBool::new(false);
        let clock = Clock(Arc::new(Inside { network, servers, built, save_to, right, saving: Mutex::default() }));
        let runs = clock.clone();
        threads::steady("clock", move || runs.run())?;
        Ok(clock)
    }

    /// Whether a server told the time since the start.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.0.right.load(Ordering::SeqCst)
    }

    /// Saves the time, for the next start.
    pub fn save(&self) {
        if let Err(error) = self.try_to_save() {
            log::debug!("the time is not saved: {error}");
        }
    }

    /// Written beside and renamed, so that a cut leaves the old one.
    fn try_to_save(&self) -> io::Result<()> {
        let _one = self.0.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let new = self.0.save_to.with_extension("new");
        let mut file = File::create(&new)?;
        writeln!(file, "{}", clock_gettime(ClockId::Realtime).tv_sec)?;
        file.sync_all()?;
        fs::rename(new, &self.0.save_to)
    }

    fn run(&self) -> ! {
        let mut random = fastrand::Rng::new();
        let (mut bans, mut failures, mut saved) = (Bans::default(), 0, Instant::now());
        let mut seen = self.ways();
        let mut next = Instant::now();
        loop {
            if next <= Instant::now() {
                let pause = if self.ask(&mut bans) {
                    failures = 0;
                    self.save();
                    saved = Instant::now();
                    plan::regular(&mut random)
                } else {
                    failures += 1;
                    plan::again(failures, &mut random)
                };
                next = Instant::now() + pause;
            }
            if saved.elapsed() >= SAVE {
                self.save();
                saved = Instant::now();
            }
            let sleep = next.saturating_duration_since(Instant::now()).min(SAVE.saturating_sub(saved.elapsed()));
            self.0.network.wait(sleep.max(Duration::from_millis(50)));
            // A network that was not there before is worth a try at once.
            let ways = self.ways();
            if !self.is_right() && ways != seen {
                next = Instant::now();
                failures = 0;
            }
            seen = ways;
        }
    }

    /// What the way to a server depends on.
    fn ways(&self) -> (bool, Vec<IpAddr>, Vec<IpAddr>) {
        let status = self.0.network.status();
        (status.is_up(), status.dns, status.time_servers)
    }

    /// Asks servers for the time, and sets the clock by what they say; whether any did.
    fn ask(&self, bans: &mut Bans) -> bool {
        let status = self.0.network.status();
        if !status.is_up() {
            return false;
        }
        let wanted = if self.is_right() { VOTES } else { 1 };
        let mut readings = Vec::new();
        // The owner's servers, or else the network's, then anybody's.
        let mut names = self.0.servers.clone();
        if names.is_empty() {
            names.extend(status.time_servers.iter().map(ToString::to_string));
            names.extend(POOL.map(str::to_owned));
        }
        for name in names {
            if readings.len() >= wanted {
                break;
            }
            readings.extend(self.ask_one(&name, bans));
        }
        let Some(reading) = plan::median(readings) else { return false };
        match self.adjust(&reading) {
            Ok(()) => {
                self.0.right.store(true, Ordering::SeqCst);
                set_rtc();
                true
            }
            Err(error) => {
                log::warn!("the clock cannot be set: {error}");
                false
            }
        }
    }

    fn ask_one(&self, name: &str, bans: &mut Bans) -> Option<Reading> {
        let (host, port) = plan::host_and_port(name, PORT);
        let addresses = match self.0.network.resolve(host) {
            Ok(addresses) => addresses,
            Err(error) => {
                log::debug!("time from {name}: {error}");
                return None;
            }
        };
        for address in addresses.into_iter().take(ADDRESSES) {
            if bans.bar(address, Instant::now()) {
                continue;
            }
            let server = SocketAddr::new(address, port);
            match sntp::ask(server) {
                Ok(offset) => {
                    let reading = Reading { server, offset };
                    let now = clock_gettime(ClockId::Realtime).tv_sec;
                    if reading.is_sane(now, self.0.built) {
                        return Some(reading);
                    }
                    log::warn!("{server} tells a time that cannot be");
                }
                Err(sntp::Failure::Kiss(kiss)) => {
                    log::info!("{server} does not want to be asked");
                    bans.add(address, kiss, Instant::now());
                }
                Err(sntp::Failure::Other(why)) => log::debug!("{server} does not tell the time: {why}"),
            }
        }
        None
    }

    fn adjust(&self, reading: &Reading) -> io::Result<()> {
        let seconds = Duration::from_micros(reading.offset.unsigned_abs()).as_secs_f64();
        match plan::adjustment(reading.offset) {
            Adjustment::Step => {
                step(reading.offset)?;
                let way = if reading.offset > 0 { "forward" } else { "back" };
                log::info!("the clock was set {way} by {seconds:.3} s, by {}", reading.server.ip());
            }
            Adjustment::Slew(microseconds) => {
                ioctl::slew(microseconds).or_else(|_| step(reading.offset))?;
                if !self.is_right() {
                    log::info!("the clock is right to {seconds:.3} s, by {}", reading.server.ip());
                }
            }
        }
        Ok(())
    }
}

fn step(microseconds: i64) -> io::Result<()> {
    let now = clock_gettime(ClockId::Realtime);
    let nanoseconds =
        i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec) + i128::from(microseconds) * 1000;
    let out_of_range = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let then = Timespec {
        tv_sec: i64::try_from(nanoseconds.div_euclid(1_000_000_000)).map_err(out_of_range)?,
        tv_nsec: i64::try_from(nanoseconds.rem_euclid(1_000_000_000)).map_err(out_of_range)?,
    };
    clock_settime(ClockId::Realtime, then)?;
    Ok(())
}

/// A board with a clock of its own keeps the time over the next start.
fn set_rtc() {
    let Ok(rtc) = File::open(RTC) else { return };
    let now = OffsetDateTime::now_utc();
    let (hour, minute, second) = now.to_hms();
    let time = RtcTime {
        second: second.into(),
        minute: minute.into(),
        hour: hour.into(),
        day: now.day().into(),
        month: i32::from(u8::from(now.month())) - 1,
        year: now.year() - 1900,
        unused: [0; 3],
    };
    if let Err(error) = ioctl::set_rtc(rtc, time) {
        log::debug!("{RTC}: {error}");
    }
}
