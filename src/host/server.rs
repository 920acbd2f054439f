//! The mail server, a child of PID 1: started, its log taken in, started again if it ends, ended in order.

use super::children::{self, Process};
use super::{data, ring};
use crate::sys::threads;
use rustix::process::Signal;
use std::fs::{self, DirBuilder};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, chown, lchown};
use std::path::Path;
use std::process::{ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

/// Where it may put a socket when nothing can be written to its data folder.
pub const RUNTIME: &str = "/run/mail";
/// How long it may take to tell its sessions and to close the store.
const FAREWELL: Duration = Duration::from_secs(20);
/// The first and the longest pause before it is started again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(1));
/// Who ran for so long did not end at once.
const STEADY: Duration = Duration::from_mins(2);
/// Octets of a line of its log.
const LINE: u64 = 4 << 10;

/// How it is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Reading and writing mail.
    Whole,
    /// The data can only be read.
    ReadOnly,
}

/// The server, whether it runs or not.
#[derive(Debug)]
pub(super) struct Server {
    /// The set-up page asks for it.
    claim: String,
    /// How it is to run; `None`: not at all.
    wanted: Option<Mode>,
    state: State,
    pause: Duration,
    /// How it ended last.
    last: Option<String>,
}

#[derive(Debug)]
enum State {
    Off,
    Running {
        process: Process,
        mode: Mode,
        since: Instant,
    },
    /// It was asked to end.
    Ending {
        process: Process,
        since: Instant,
    },
    /// It ended by itself, and is started again then.
    Resting {
        until: Instant,
    },
}

impl Server {
    pub(super) fn new(claim: String) -> Server {
        Server { claim, wanted: None, state: State::Off, pause: PAUSES.0, last: None }
    }

    /// From now on it is to run so, or not at all.
    pub(super) fn want(&mut self, mode: Option<Mode>) {
        self.wanted = mode;
        self.turn(Instant::now());
    }

    /// Since when it runs.
    pub(super) fn runs_since(&self) -> Option<Instant> {
        match self.state {
            State::Running { since, .. } => Some(since),
            _ => None,
        }
    }

    /// What is wrong with it.
    pub(super) fn trouble(&self) -> Option<String> {
        match (&self.state, &self.last) {
            (State::Resting { .. }, Some(last)) => Some(format!("the mail server does not run: {last}")),
            _ => None,
        }
    }

    /// It runs, and is no use: ends it, so that it is started again.
    pub(super) fn begin_again(&mut self) {
        if let State::Running { process, .. } = std::mem::replace(&mut self.state, State::Off) {
            process.signal(Signal::TERM);
            self.state = State::Ending { process, since: Instant::now() };
        }
    }

    /// Does what is due.
    pub(super) fn turn(&mut self, now: Instant) {
        self.state = match std::mem::replace(&mut self.state, State::Off) {
            State::Running { process, mode, since } => match process.ending() {
                Some(ending) => self.rest(ending, since, now),
                None if self.wanted == Some(mode) => State::Running { process, mode, since },
                None => {
                    process.signal(Signal::TERM);
                    State::Ending { process, since: now }
                }
            },
            State::Ending { process, .. } if process.ending().is_some() => self.start(now),
            State::Ending { process, since } => {
                if now.duration_since(since) > FAREWELL {
                    log::warn!("the mail server does not end, and is ended");
                    process.signal(Signal::KILL);
                }
                State::Ending { process, since }
            }
            State::Resting { until } if self.wanted.is_some() && now < until => State::Resting { until },
            State::Off | State::Resting { .. } => self.start(now),
        };
    }

    /// Ends it, and waits for that; what does not end within the time is ended.
    pub(super) fn end(&mut self) {
        self.wanted = None;
        let (State::Running { process, .. } | State::Ending { process, .. }) =
            std::mem::replace(&mut self.state, State::Off)
        else {
            return;
        };
        process.signal(Signal::TERM);
        if process.wait(FAREWELL).is_none() {
            log::warn!("the mail server does not end, and is ended");
            process.signal(Signal::KILL);
            process.wait(FAREWELL);
        }
    }

    fn start(&mut self, now: Instant) -> State {
        let Some(mode) = self.wanted else { return State::Off };
        match start(mode, &self.claim) {
            Ok(process) => {
                log::info!("the mail server is process {}", process.id());
                State::Running { process, mode, since: now }
            }
            Err(error) => self.rest(format!("it could not be started: {error}"), now, now),
        }
    }

    fn rest(&mut self, ending: String, since: Instant, now: Instant) -> State {
        if now.duration_since(since) >= STEADY {
            self.pause = PAUSES.0;
        }
        log::warn!("the mail server: {ending}; it is started again in {:.1} s", self.pause.as_secs_f32());
        self.last = Some(ending);
        let until = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSES.1);
        State::Resting { until }
    }
}

fn start(mode: Mode, claim: &str) -> io::Result<Process> {
    if mode == Mode::Whole {
        // What the owner did at the console while no server ran, root did.
        give_to_server(Path::new(data::MAIL))?;
    }
    // Where IPv6 is switched off, its address cannot be bound.
    let bind = if Path::new("/proc/net/if_inet6").exists() { "::" } else { "0.0.0.0" };
    DirBuilder::new().recursive(true).mode(0o700).create(RUNTIME)?;
    chown(RUNTIME, Some(data::SERVER), Some(data::SERVER))?;
    let mut command = Command::new("/proc/self/exe");
    command.args(["confine", "serve", "--data", data::MAIL, "--bind", bind, "--port-offset", "0"]);
    if mode == Mode::ReadOnly {
        command.args(["--read-only", "--runtime", RUNTIME]);
    }
    // This machine answers to its name by mDNS.
    command.env_clear().env("PILLARBOX_CLAIM", claim).env("PILLARBOX_MDNS", "1");
    // On stdout it tells passwords, which no log may see.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let (process, mut child) = children::start(&mut command)?;
    if let Some(log) = child.stderr.take() {
        threads::once("server's log", move || take_in(log));
    }
    Ok(process)
}

/// Its lines, until it ends.
fn take_in(log: ChildStderr) {
    let mut log = BufReader::new(log);
    let mut line = Vec::new();
    while let Ok(1..) = (&mut log).take(LINE).read_until(b'\n', &mut line) {
        let text = String::from_utf8_lossy(&line);
        if !is_own_visit(&text) {
            ring::keep(text.trim_end());
        }
        line.clear();
    }
}

/// A session that was the health check's: nothing came of it, four times a minute.
fn is_own_visit(line: &str) -> bool {
    line.contains("] session ") && line.contains("127.0.0.1") && !line.contains(" user=")
}

/// All files of a folder to the server. What is a link stays one, and is not followed.
fn give_to_server(folder: &Path) -> io::Result<()> {
    lchown(folder, Some(data::SERVER), Some(data::SERVER))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            give_to_server(&entry.path())?;
        } else {
            lchown(entry.path(), Some(data::SERVER), Some(data::SERVER))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_ends_at_once_is_started_less_and_less_often() {
        let mut server = Server::new(String::new());
        let now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let State::Resting { until } = server.rest("it ended".to_owned(), now, now) else { panic!("it rests") };
            pauses.push(until.duration_since(now).as_millis());
        }
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        server.state = State::Resting { until: now };
        assert!(server.trouble().unwrap().contains("it ended"));
        let State::Resting { until } = server.rest("later".to_owned(), now, now + STEADY) else { panic!("it rests") };
        assert_eq!(until, now + STEADY + PAUSES.0);
    }

    #[test]
    fn the_health_checks_own_sessions_are_not_kept() {
        let session =
            |rest: &str| is_own_visit(&format!("INFO  [pillarbox::events::event] session protocol=imap {rest}"));
        assert!(session("tls=no address=127.0.0.1 port=40000 seconds=0.0 in=10 out=90"));
        assert!(session(
            "tls=yes address=127.0.0.1 port=40000 seconds=0.0 in=0 out=0 error=\"unexpected end of file\""
        ));
        assert!(!session("tls=no address=127.0.0.1 port=40000 user=anna@pillarbox.local seconds=0.0 in=10 out=90"));
        assert!(!session("tls=yes address=192.168.1.7 port=40000 seconds=0.0 in=0 out=0"));
        assert!(!is_own_visit("INFO  [pillarbox::events::event] login result=failed protocol=imap address=127.0.0.1"));
    }

    #[test]
    fn a_server_that_is_not_wanted_stays_off() {
        let mut server = Server::new(String::new());
        server.turn(Instant::now());
        assert!(matches!(server.state, State::Off) && server.runs_since().is_none() && server.trouble().is_none());
        server.state = State::Resting { until: Instant::now() + STEADY };
        server.want(None);
        assert!(matches!(server.state, State::Off));
    }
}
