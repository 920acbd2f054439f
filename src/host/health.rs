//! Whether mail is served: the ports are open, IMAP greets, the store answers.

use super::pid1::Store;
use crate::sys::threads;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// IMAP in plain text, which greets without TLS.
const IMAP: u16 = 143;
/// The others have to be open.
const OPEN: [u16; 2] = [993, 995];
/// How long each answer may take. A small machine may be busy with a hundred log-ins.
const PATIENCE: Duration = Duration::from_secs(20);
/// A check that did not come back by now will not.
const LOST: Duration = Duration::from_mins(3);
/// Between two checks: while it is well, while it is not, and before it was the first time.
const PAUSES: (Duration, Duration, Duration) =
    (Duration::from_secs(15), Duration::from_secs(2), Duration::from_millis(100));

/// How the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    Good { since: Instant, store: Store },
    Bad { since: Instant, why: String },
}

/// The check, which goes on by itself.
#[derive(Clone, Debug)]
pub(super) struct Health(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    pulse: Pulse,
    /// When the last check came back.
    at: Instant,
    was_good: bool,
}

impl Health {
    /// Looks again and again; `store` asks the store, `told` runs when the answer is another one.
    pub(super) fn start(
        store: impl Fn() -> Result<Store, String> + Send + 'static,
        told: impl Fn() + Send + 'static,
    ) -> Health {
        let now = Instant::now();
        let pulse = Pulse::Bad { since: now, why: "the mail server has not answered yet".to_owned() };
        let health = Health(Arc::new(Mutex::new(Seen { pulse, at: now, was_good: false })));
        let seen = health.clone();
        threads::forever("health", move || {
            let result = look(&store);
            let (changed, pause) = seen.note(result, Instant::now());
            if changed {
                told();
            }
            thread::sleep(pause);
        });
        health
    }

    /// As of the last check.
    pub(super) fn now(&self) -> Pulse {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_of(Instant::now())
    }

    fn note(&self, result: Result<Store, String>, now: Instant) -> (bool, Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).note(result, now)
    }
}

impl Seen {
    fn as_of(&self, now: Instant) -> Pulse {
        if now.duration_since(self.at) > LOST {
            let why = "the check of the mail server does not come back".to_owned();
            return Pulse::Bad { since: self.at, why };
        }
        self.pulse.clone()
    }

    /// Whether it is another than before, and when to look again.
    fn note(&mut self, result: Result<Store, String>, now: Instant) -> (bool, Duration) {
        self.at = now;
        let (pulse, changed) = match (result, &self.pulse) {
            (Ok(store), Pulse::Good { since, store: before }) => {
                (Pulse::Good { since: *since, store }, store != *before)
            }
            (Ok(store), Pulse::Bad { .. }) => (Pulse::Good { since: now, store }, true),
            (Err(why), Pulse::Bad { since, .. }) => (Pulse::Bad { since: *since, why }, false),
            (Err(why), Pulse::Good { .. }) => (Pulse::Bad { since: now, why }, true),
        };
        self.pulse = pulse;
        let (good, bad, first) = PAUSES;
        let is_good = matches!(self.pulse, Pulse::Good { .. });
        self.was_good |= is_good;
        (
            changed,
            if is_good {
                good
            } else if self.was_good {
                bad
            } else {
                first
            },
        )
    }
}

fn look(store: &impl Fn() -> Result<Store, String>) -> Result<Store, String> {
    greeting(IMAP)?;
    for port in OPEN {
        connect(port)?;
    }
    store().map_err(|why| format!("the store does not answer: {why}"))
}

fn connect(port: u16) -> Result<TcpStream, String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| format!("port {port}: {error}"))?;
    for set in [stream.set_read_timeout(Some(PATIENCE)), stream.set_write_timeout(Some(PATIENCE))] {
        set.map_err(|error| format!("port {port}: {error}"))?;
    }
    Ok(stream)
}

/// IMAP's greeting (RFC 9051 §7.1): what comes of a thread that reads and one that answers.
fn greeting(port: u16) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("port {port}: {error}");
    let mut stream = connect(port)?;
    let mut line = Vec::new();
    BufReader::new((&mut stream).take(1000)).read_until(b'\n', &mut line).map_err(failed)?;
    if !line.starts_with(b"* OK") {
        return Err(format!("port {port}: this is no greeting: {}", line.escape_ascii()));
    }
    // Farewell, so that the server does not wonder.
    stream.write_all(b"1 LOGOUT\r\n").map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(now: Instant) -> Seen {
        Seen { pulse: Pulse::Bad { since: now, why: "new".to_owned() }, at: now, was_good: false }
    }

    #[test]
    fn health_without_a_break_counts_from_its_first_check() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut seen = seen(start);
        assert_eq!(seen.note(Err("not yet".to_owned()), at(1)), (false, PAUSES.2));
        assert_eq!(seen.note(Ok(Store::Good), at(2)), (true, PAUSES.0));
        assert_eq!(seen.note(Ok(Store::Good), at(17)), (false, PAUSES.0));
        assert_eq!(seen.as_of(at(18)), Pulse::Good { since: at(2), store: Store::Good });
        assert_eq!(seen.note(Err("gone".to_owned()), at(32)), (true, PAUSES.1));
        assert_eq!(seen.note(Ok(Store::Good), at(34)), (true, PAUSES.0));
        assert_eq!(seen.note(Ok(Store::Full), at(36)), (true, PAUSES.0), "what it can do is another thing");
        assert_eq!(seen.as_of(at(40)), Pulse::Good { since: at(34), store: Store::Full });
    }

    #[test]
    fn a_check_that_does_not_come_back_is_no_health() {
        let start = Instant::now();
        let mut seen = seen(start);
        seen.note(Ok(Store::Good), start);
        assert!(matches!(seen.as_of(start + LOST), Pulse::Good { .. }));
        assert!(matches!(seen.as_of(start + LOST + Duration::from_secs(1)), Pulse::Bad { .. }));
    }

    #[test]
    fn a_greeting_is_asked_for_in_full() {
        for (said, good) in [("* OK hello\r\n", true), ("* BYE full\r\n", false), ("", false)] {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(said.as_bytes()).unwrap();
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                let _ = stream.read_to_end(&mut Vec::new());
            });
            assert_eq!(greeting(port).is_ok(), good, "{said}");
            server.join().unwrap();
        }
    }
}
