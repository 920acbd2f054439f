//! The session: hears what the client says, and is resumed until it needs something from outside.

use super::list::Listing;
use super::lock::Maildrops;
use super::login::{Entering, Exchange};
use super::maildrop::Maildrop;
use super::retrieve::{Retrieving, Source};
use crate::mail::AccountId;
use crate::session::sasl::Proved;
use crate::session::{Denied, Dismissal, Keys, Need, Privacy, Protocol};
use crate::store::{Ahead, Outcome, Store, StoreError, Watch, Write};
use crate::wire::Out;
use crate::wire::lines::{self, Heard, Lines};
use crate::wire::pop3::reply::{self, Code};
use crate::wire::pop3::{Command, Syntax};
use std::sync::Arc;
use std::time::Duration;

/// RFC 1939 §3: at least 10 minutes.
const SILENCE: Duration = Duration::from_mins(10);
/// Lines in a row that are no commands before log-in: then it is another protocol.
const STRANGE: u32 = 5;

/// A POP3 connection, without its socket.
#[derive(Debug)]
pub struct Pop3 {
    pub(super) name: Arc<str>,
    pub(super) privacy: Privacy,
    pub(super) maildrops: Arc<Maildrops>,
    lines: Lines,
    pub(super) state: State,
    pub(super) work: Work,
    /// Who USER named.
    pub(super) user: Option<Vec<u8>>,
    /// Who logged in, for the log.
    pub(super) address: Option<String>,
    /// Wrong passwords so far.
    pub(super) failures: u32,
    strange: u32,
    /// Why a log-in was turned away before a password was looked at, for the log.
    pub(super) turned_away: Option<&'static str>,
    /// Seconds since 1970, as of the last call from outside.
    pub(super) now: i64,
    pub(super) ahead: Ahead,
}

/// Where in its life the session is (RFC 1939 §3).
#[derive(Debug)]
pub(super) enum State {
    Authorization,
    Transaction(Box<Maildrop>),
    /// Nothing more is heard.
    Over,
}

/// What it is in the middle of.
#[derive(Debug, Default)]
pub(super) enum Work {
    /// Nothing: the next command may come.
    #[default]
    None,
    /// The next line answers a challenge.
    Sasl(Box<Exchange>),
    /// Keys are being looked up.
    Keys(Box<Exchange>),
    /// A password is being checked.
    Checking,
    /// So is a right proof, and this is said once it may be.
    Proved(Proved),
    /// The maildrop is being opened.
    Entering(Box<Entering>),
    Listing(Listing),
    Retrieving(Box<Retrieving>),
    /// After QUIT: seen messages are being marked,
    Marking,
    /// and then deleted ones taken away.
    Removing,
}

impl Pop3 {
    /// A new connection to the host of this name.
    #[must_use]
    pub fn new(name: Arc<str>, privacy: Privacy, maildrops: Arc<Maildrops>) -> Pop3 {
        Pop3 {
            name,
            privacy,
            maildrops,
            lines: Lines::default(),
            state: State::Authorization,
            work: Work::None,
            user: None,
            address: None,
            failures: 0,
            turned_away: None,
            strange: 0,
            now: 0,
            ahead: Ahead::default(),
        }
    }

    /// Hears line after line, until something has to be waited for.
    fn listen(&mut self, source: &mut Source<'_>, out: &mut Out) -> Option<Need> {
        loop {
            if matches!(self.state, State::Over) {
                return Some(Need::Close);
            }
            let mut heard = std::mem::take(&mut self.lines);
            let need = match heard.next_line() {
                Heard::More => None,
                Heard::Line(line) => Some(self.line(lines::lenient(line), source, out)),
                Heard::TooLong => {
                    self.work = Work::None;
                    reply::err(out, None, "The line is too long");
                    Some(self.misunderstood(out))
                }
            };
            self.lines = heard;
            match need? {
                Need::Flush if !out.is_full() && matches!(self.work, Work::None | Work::Sasl(_)) => {}
                need => return Some(need),
            }
        }
    }

    fn line(&mut self, line: &[u8], source: &mut Source<'_>, out: &mut Out) -> Need {
        if let Work::Sasl(exchange) = std::mem::take(&mut self.work) {
            return self.answered(*exchange, line, out);
        }
        match Command::parse(line) {
            Ok(command) => self.begin(command, source, out),
            Err(Syntax::Unknown) => {
                reply::err(out, None, "That is no command of POP3");
                self.misunderstood(out)
            }
            Err(Syntax::Arguments(text)) => {
                reply::err(out, None, text);
                Need::Flush
            }
        }
    }

    fn misunderstood(&mut self, out: &mut Out) -> Need {
        self.strange += 1;
        if matches!(self.state, State::Authorization) && self.strange >= STRANGE {
            reply::err(out, None, "This is a POP3 server");
            self.state = State::Over;
            return Need::Close;
        }
        Need::Flush
    }

    fn begin(&mut self, command: Command<'_>, source: &mut Source<'_>, out: &mut Out) -> Need {
        self.strange = 0;
        match command {
            Command::Capa => self.tell_capabilities(out),
            Command::Lang(range) => Self::language(range, out),
            Command::Quit => return self.quit(out),
            Command::User(_) | Command::Pass(_) | Command::Auth { .. } | Command::Stls | Command::Utf8 => {
                if !matches!(self.state, State::Authorization) {
                    reply::err(out, None, "Already logged in");
                    return Need::Flush;
                }
                return self.before(command, out);
            }
            _ => {
                let State::Transaction(maildrop) = &mut self.state else {
                    reply::err(out, None, "Log in first");
                    return Need::Flush;
                };
                match command {
                    Command::Stat => {
                        let (messages, octets) = maildrop.count();
                        reply::drop_listing(out, messages, octets);
                    }
                    Command::List(None) => return self.list(Listing::octets(), out),
                    Command::Uidl(None) => return self.list(Listing::unique_ids(), out),
                    Command::List(Some(number)) => match maildrop.get(number) {
                        Some(entry) => {
                            out.put(b"+OK ");
                            reply::scan_listing(out, number, u64::from(entry.octets));
                        }
                        None => no_message(out),
                    },
                    Command::Uidl(Some(number)) => match maildrop.get(number) {
                        Some(entry) => {
                            out.put(b"+OK ");
                            reply::unique_id_listing(out, number, entry.unique);
                        }
                        None => no_message(out),
                    },
                    Command::Retr(number) => return self.retrieve(number, None, source, out),
                    Command::Top(number, lines) => return self.retrieve(number, Some(lines), source, out),
                    Command::Dele(_) if source.store.is_read_only() => {
                        let text = "Mail can only be read at the moment: nothing can be deleted";
                        reply::err(out, Some(Code::SysTemp), text);
                    }
                    Command::Dele(number) if maildrop.get(number).is_some() => {
                        maildrop.delete(number);
                        reply::ok(out, "Deleted once you QUIT");
                    }
                    Command::Dele(_) => no_message(out),
                    Command::Rset => {
                        maildrop.reset();
                        reply::ok(out, "Nothing is deleted");
                    }
                    _ => reply::ok(out, "Here"),
                }
            }
        }
        Need::Flush
    }

    /// RFC 6856 §3: there is one language.
    fn language(range: Option<&str>, out: &mut Out) {
        match range {
            None => {
                reply::ok(out, "One language:");
                reply::line(out, "en English");
                reply::end(out);
            }
            // A range matches the tags that it begins (RFC 4647 §3.3.1).
            Some(range) if range == "*" || range.eq_ignore_ascii_case("en") => {
                reply::ok(out, "en This is the language");
            }
            Some(_) => reply::err(out, None, "There is English only"),
        }
    }
}

pub(super) fn no_message(out: &mut Out) {
    reply::err(out, None, "There is no such message");
}

/// The store failed: why is in the log.
pub(super) fn unavailable(out: &mut Out, error: &impl std::fmt::Display) {
    log::error!("POP3: {error}");
    reply::err(out, Some(Code::SysTemp), "The mail store is not available");
}

impl Protocol for Pop3 {
    fn name(&self) -> &'static str {
        "pop3"
    }

    fn greet(&mut self, out: &mut Out) {
        reply::ok(out, &format!("{} Pillarbox is ready", self.name));
    }

    fn held(&self) -> usize {
        self.lines.held()
    }

    fn feed(&mut self, octets: &[u8]) {
        self.lines.feed(octets);
    }

    fn hear(&mut self, store: &Store, now: i64, out: &mut Out) -> Option<Need> {
        self.now = now;
        self.listen(&mut Source::new(store), out)
    }

    fn resume(&mut self, store: &Store, now: i64, out: &mut Out) -> Need {
        self.now = now;
        let mut source = Source::new(store);
        let need = match std::mem::take(&mut self.work) {
            Work::Listing(listing) => self.list(listing, out),
            Work::Retrieving(retrieving) => self.go_on_retrieving(retrieving, &mut source, out),
            Work::Entering(entering) => self.enter(*entering, store, out),
            Work::None => Need::Flush,
            work => {
                self.work = work;
                return Need::Input;
            }
        };
        match need {
            // What was sent along with the last command is in the same bufferful.
            Need::Flush if !out.is_full() && matches!(self.work, Work::None) => {
                self.listen(&mut source, out).unwrap_or(Need::Input)
            }
            need => need,
        }
    }

    fn done(&mut self, outcome: Result<Outcome, StoreError>, store: &Store, now: i64, out: &mut Out) -> Need {
        self.now = now;
        match std::mem::take(&mut self.work) {
            Work::Entering(entering) => self.renamed(*entering, outcome, store, out),
            Work::Marking => self.marked(outcome, out),
            Work::Removing => self.removed(outcome, out),
            other => {
                self.work = other;
                Need::Flush
            }
        }
    }

    fn entered(&mut self, who: Result<(AccountId, String), Denied>, store: &Store, now: i64, out: &mut Out) -> Need {
        self.now = now;
        self.let_in(who, store, out)
    }

    fn scram_keys(&mut self, keys: Result<Keys, Denied>, random: &[u8; 18], out: &mut Out) -> Need {
        self.heard_keys(keys, random, out)
    }

    fn turned_away(&mut self) -> Option<&'static str> {
        self.turned_away.take()
    }

    fn private(&mut self) {
        self.lines.discard();
        self.privacy = Privacy::Tls;
        self.user = None;
    }

    fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    fn patience(&self) -> Option<Duration> {
        matches!(self.state, State::Transaction(_)).then_some(SILENCE)
    }

    /// RFC 1939 §3: the connection is closed without a word, and nothing is deleted.
    fn silence(&mut self, _: &mut Out) -> Need {
        Need::Close
    }

    /// What is no answer to a command would be taken for one.
    fn stop(&mut self, _: &mut Out) {}

    /// The next command is answered by this, wherever no answer is under way.
    fn dismiss(&mut self, why: Dismissal, out: &mut Out) {
        if !matches!(self.work, Work::Listing(_) | Work::Retrieving(_)) {
            match why {
                Dismissal::Revoked => reply::err(out, Some(Code::Auth), "The account was changed: log in again"),
                Dismissal::Ended => reply::err(out, Some(Code::SysTemp), "The owner of the server ended this session"),
            }
        }
        // What was read is not marked, and what was deleted stays: the connection has no right to either any more.
        self.state = State::Over;
    }

    fn doing(&self) -> &'static str {
        match (&self.work, &self.state) {
            (Work::None, State::Authorization) => "not logged in",
            (Work::None, _) => "waiting",
            (Work::Sasl(_) | Work::Keys(_) | Work::Checking | Work::Proved(_) | Work::Entering(_), _) => "logging in",
            (Work::Listing(_), _) => "LIST",
            (Work::Retrieving(_), _) => "RETR",
            (Work::Marking | Work::Removing, _) => "QUIT",
        }
    }

    fn bell(&self) -> Option<&Watch> {
        None
    }

    fn is_behind(&self) -> bool {
        false
    }

    fn shrink(&mut self) {
        self.lines.shrink();
    }

    fn farewell(&mut self) -> Option<Write> {
        self.mark_seen()
    }
}
