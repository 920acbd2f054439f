//! IMAP on one connection: the framer before the session.

use super::session::Session;
use crate::mail::{AccountId, limits};
use crate::session::{Denied, Dismissal, Keys, Need, Privacy, Protocol};
use crate::store::{Alarm, Outcome, Store, StoreError, Watch, Write};
use crate::wire::Out;
use crate::wire::imap::{Event, Framer};
use event_listener::EventListener;
use std::sync::Arc;
use std::time::Duration;

/// RFC 9051 §5.4: at least 30 minutes.
const SILENCE: Duration = Duration::from_mins(31);
/// RFC 9051 §5.4 lets 30 minutes pass in IDLE; home NATs forget a connection after 5, so we speak at 4.
const STILL_HERE: Duration = Duration::from_mins(4);

/// An IMAP connection, without its socket.
#[derive(Debug)]
pub struct Imap {
    session: Session,
    framer: Framer,
}

impl Imap {
    /// A new connection to the host of this name.
    #[must_use]
    pub fn new(name: Arc<str>, privacy: Privacy) -> Imap {
        Imap { session: Session::new(name, privacy), framer: Framer::new() }
    }

    /// The octets of a message that is being appended, as far as they came; `None` when there are no more here.
    fn upload(&mut self, store: &Store) -> Option<Need> {
        while self.framer.left() > 0 {
            let piece = self.framer.take(limits::OUT);
            if piece.is_empty() {
                return None;
            }
            self.session.upload(piece);
            if let Some(write) = self.session.stage(store) {
                return Some(Need::Write(write));
            }
        }
        Some(Need::Input)
    }
}

impl Protocol for Imap {
    fn name(&self) -> &'static str {
        "imap"
    }

    fn greet(&mut self, out: &mut Out) {
        self.session.greet(out);
    }

    fn held(&self) -> usize {
        self.framer.held() + self.session.held()
    }

    fn feed(&mut self, octets: &[u8]) {
        self.framer.feed(octets);
    }

    fn hear(&mut self, store: &Store, now: i64, out: &mut Out) -> Option<Need> {
        if self.framer.left() > 0 {
            return self.upload(store);
        }
        if self.session.expects_line() {
            self.framer.expect_line();
        }
        self.framer.be_wary(self.session.address().is_none());
        let event = self.framer.next_event();
        if event == Event::More {
            return None;
        }
        let offered = matches!(event, Event::Append { .. });
        let need = self.session.hear(event, store, now, out);
        if offered {
            if self.session.is_uploading() { self.framer.accept() } else { self.framer.refuse() }
        }
        Some(need)
    }

    fn resume(&mut self, store: &Store, now: i64, out: &mut Out) -> Need {
        self.session.resume(store, now, out)
    }

    fn done(&mut self, outcome: Result<Outcome, StoreError>, store: &Store, now: i64, out: &mut Out) -> Need {
        self.session.done(outcome, store, now, out)
    }

    fn entered(&mut self, who: Result<(AccountId, String), Denied>, store: &Store, _: i64, out: &mut Out) -> Need {
        self.session.let_in(who, store, out)
    }

    fn scram_keys(&mut self, keys: Result<Keys, Denied>, random: &[u8; 18], out: &mut Out) -> Need {
        self.session.heard_keys(keys, random, out)
    }

    fn turned_away(&mut self) -> Option<&'static str> {
        self.session.turned_away.take()
    }

    fn private(&mut self) {
        self.framer.discard();
        self.session.private();
    }

    fn address(&self) -> Option<&str> {
        self.session.address()
    }

    fn patience(&self) -> Option<Duration> {
        self.session.address()?;
        Some(if self.session.is_idling() { STILL_HERE } else { SILENCE })
    }

    fn silence(&mut self, out: &mut Out) -> Need {
        if self.session.is_idling() {
            Session::still_here(out);
            return Need::Input;
        }
        let text = if self.session.is_uploading() {
            "The message did not come to its end"
        } else {
            "Nothing was said for too long"
        };
        self.session.bye(out, text);
        Need::Close
    }

    fn stop(&mut self, out: &mut Out) {
        self.session.bye(out, "The server is shutting down");
    }

    fn dismiss(&mut self, why: Dismissal, out: &mut Out) {
        // Octets that were announced are still owed: the client would take these for them.
        if !self.session.is_within_a_response() {
            let text = match why {
                Dismissal::Revoked => "The account was changed: log in again",
                Dismissal::Ended => "The owner of the server ended this session",
            };
            self.session.bye(out, text);
        }
    }

    fn doing(&self) -> &'static str {
        self.session.doing()
    }

    fn bell(&self) -> Option<&Watch> {
        self.session.watch().filter(|_| self.session.is_idling())
    }

    fn alarm(&self) -> Option<EventListener> {
        self.session.alarm.as_ref().filter(|_| self.session.is_idling()).map(Alarm::listen)
    }

    fn is_behind(&self) -> bool {
        self.session.is_idling() && self.session.is_behind()
    }

    fn shrink(&mut self) {
        self.framer.shrink();
    }

    fn farewell(&mut self) -> Option<Write> {
        None
    }
}
