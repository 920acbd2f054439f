//! The session: hears what the client says, and is resumed until it needs something from outside.

use super::answers;
use super::arrive::{Arriving, Judging};
use super::content::Content;
use super::envelope::Transaction;
use super::repeats::Key;
use super::terms::{Kind, Terms};
use crate::mail::{AccountId, limits};
use crate::session::sasl::{Exchange, Proved};
use crate::session::{Denied, Dismissal, Keys, Need, Privacy, Protocol, Suspect};
use crate::store::{Outcome, Store, StoreError, Watch, Write};
use crate::verdict::Verdict;
use crate::wire::Out;
use crate::wire::lines::{self, Heard, Lines};
use crate::wire::sasl::Mechanism;
use crate::wire::smtp::{Answer, Command, Syntax, answer};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// RFC 5321 §4.5.3.2.7: at least 5 minutes.
const SILENCE: i64 = 5 * 60;
/// So long a client may take to bring its first message or the next one up to DATA,
const BETWEEN: i64 = 10 * 60;
/// and to send it: the largest one in 10 minutes less than that needs 40 kB a second.
const SENDING: i64 = 60 * 60;
/// Refusals on one connection before it is closed: who has more is guessing.
const ERRORS: u32 = 100;
/// Lines in a row that are no commands: then it is another protocol.
const STRANGE: u32 = 10;

/// An SMTP or LMTP connection, without its socket.
#[derive(Debug)]
pub struct Smtp {
    pub(super) terms: Arc<Terms>,
    pub(super) kind: Kind,
    pub(super) privacy: Privacy,
    /// `None`: by a socket of this machine that has no addresses.
    pub(super) peer: Option<IpAddr>,
    pub(super) input: Lines,
    /// Who said hello, and how.
    pub(super) client: Option<Hello>,
    pub(super) login: Option<(AccountId, String)>,
    pub(super) transaction: Option<Box<Transaction>>,
    pub(super) work: Work,
    /// Answers of which it is not known yet whether they were heard.
    pub(super) unheard: Vec<Key>,
    /// Wrong passwords so far.
    pub(super) failures: u32,
    pub(super) errors: u32,
    /// Why a log-in was turned away before a password was looked at, for the log.
    pub(super) turned_away: Option<&'static str>,
    strange: u32,
    over: bool,
    /// Seconds since 1970: as of the last call from outside,
    pub(super) now: i64,
    /// and when it began, or a message was taken.
    pub(super) since: i64,
}

/// HELO, EHLO or LHLO.
#[derive(Debug)]
pub(super) struct Hello {
    pub(super) name: String,
    pub(super) extended: bool,
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
    /// A message is coming in.
    Content(Box<Content>),
    /// It is being judged,
    Judging(Box<Judging>),
    /// put into the store,
    Arriving(Box<Arriving>),
}

impl Smtp {
    /// A new connection. `peer`: where it comes from, if that has an address.
    #[must_use]
    pub fn new(terms: Arc<Terms>, kind: Kind, privacy: Privacy, peer: Option<IpAddr>) -> Smtp {
        Smtp {
            terms,
            kind,
            privacy,
            peer,
            input: Lines::default(),
            client: None,
            login: None,
            transaction: None,
            work: Work::None,
            unheard: Vec::new(),
            failures: 0,
            turned_away: None,
            errors: 0,
            strange: 0,
            over: false,
            now: 0,
            since: 0,
        }
    }

    /// Hears one thing after the other, until something has to be waited for.
    fn listen(&mut self, store: &Store, out: &mut Out) -> Option<Need> {
        loop {
            if self.over {
                return Some(Need::Close);
            }
            if self.errors >= ERRORS {
                return Some(self.end(&answers::TOO_MANY_ERRORS, out));
            }
            let need = match std::mem::take(&mut self.work) {
                Work::Content(content) => self.read_content(content, store, out)?,
                work => {
                    self.work = work;
                    self.hear_line(store, out)?
                }
            };
            match need {
                Need::Flush if !out.is_full() => {}
                need => return Some(need),
            }
        }
    }

    fn hear_line(&mut self, store: &Store, out: &mut Out) -> Option<Need> {
        let mut input = std::mem::take(&mut self.input);
        let wrong = match input.next_line() {
            Heard::More => {
                self.input = input;
                return None;
            }
            Heard::Line(line) => match lines::strict(line) {
                Some(line) => {
                    let line = line.to_vec();
                    self.input = input;
                    return Some(self.line(&line, store, out));
                }
                None => answers::BARE,
            },
            Heard::TooLong => answers::TOO_LONG,
        };
        self.input = input;
        self.work = Work::None;
        Some(self.misunderstood(&wrong, out))
    }

    fn line(&mut self, line: &[u8], store: &Store, out: &mut Out) -> Need {
        // Whoever says more has heard what was said before.
        let heard = std::mem::take(&mut self.unheard);
        self.terms.repeats.note(&heard);
        if let Work::Sasl(exchange) = std::mem::take(&mut self.work) {
            return self.answered(*exchange, line, out);
        }
        let terms = Arc::clone(&self.terms);
        let utf8 = self.transaction.as_ref().is_some_and(|transaction| transaction.sender.utf8);
        match Command::parse(line, &terms.rules.name, utf8) {
            Ok(command) => {
                self.strange = 0;
                self.command(command, store, out)
            }
            Err(Syntax::Unknown) => self.misunderstood(&answers::UNKNOWN, out),
            Err(wrong) => self.refuse(&answers::syntax(wrong), out),
        }
    }

    fn command(&mut self, command: Command<'_>, store: &Store, out: &mut Out) -> Need {
        let is_lmtp = self.kind == Kind::Lmtp;
        match command {
            Command::Lhlo(name) if is_lmtp => self.hello(name, true, out),
            Command::Helo(name) if !is_lmtp => self.hello(name, false, out),
            Command::Ehlo(name) if !is_lmtp => self.hello(name, true, out),
            // RFC 2033 §4.1: neither may be understood for the other.
            Command::Lhlo(_) | Command::Helo(_) | Command::Ehlo(_) => self.misunderstood(&answers::UNKNOWN, out),
            Command::Quit => self.end(&answers::BYE, out),
            Command::Noop => self.grant(&answers::DONE, out),
            Command::Help => self.grant(&answers::HELP, out),
            Command::Vrfy => self.grant(&answers::VRFY, out),
            Command::Expn => self.refuse(&answers::NOT_OFFERED, out),
            Command::Rset => {
                self.transaction = None;
                self.grant(&answers::DONE, out)
            }
            Command::StartTls => self.start_tls(out),
            Command::Auth { mechanism, initial } => self.auth(mechanism, initial, out),
            Command::Mail(sender) => self.mail(*sender, store, out),
            Command::Rcpt(recipient) => self.rcpt(*recipient, store, out),
            Command::Data => self.data(out),
            Command::Bdat { size, last } => self.bdat(size, last, store, out),
        }
    }

    fn hello(&mut self, name: &str, extended: bool, out: &mut Out) -> Need {
        if name.is_empty() || name.len() > limits::ADDRESS {
            return self.refuse(&answers::NO_HOST, out);
        }
        self.client = Some(Hello { name: name.to_owned(), extended });
        // RFC 5321 §4.1.4: as RSET does.
        self.transaction = None;
        let host = &self.terms.rules.name;
        if !extended {
            Answer::plain(250, "").saying(host.to_string()).put(out);
            return Need::Flush;
        }
        let mut lines = vec![host.to_string(), "PIPELINING".to_owned(), format!("SIZE {}", self.terms.rules.message)];
        lines.extend(["8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES"].map(str::to_owned));
        if self.may_begin_tls() {
            lines.push("STARTTLS".to_owned());
        }
        if self.kind == Kind::Submission && self.privacy != Privacy::None && self.login.is_none() {
            let names = [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256].map(Mechanism::name);
            lines.push(format!("AUTH {}", names.join(" ")));
        }
        answer::lines(out, 250, &lines);
        Need::Flush
    }

    fn may_begin_tls(&self) -> bool {
        self.privacy != Privacy::Tls && self.peer.is_some()
    }

    fn start_tls(&mut self, out: &mut Out) -> Need {
        if !self.may_begin_tls() {
            let answer = if self.privacy == Privacy::Tls { answers::AGAIN } else { answers::NOT_OFFERED };
            return self.refuse(&answer, out);
        }
        if self.login.is_some() {
            return self.refuse(&answers::AGAIN, out);
        }
        answers::BEGIN_TLS.put(out);
        Need::StartTls
    }

    fn misunderstood(&mut self, answer: &Answer, out: &mut Out) -> Need {
        self.strange += 1;
        if self.strange >= STRANGE {
            return self.end(&answers::TOO_MANY_ERRORS, out);
        }
        self.refuse(answer, out)
    }

    #[expect(clippy::unused_self, reason = "it reads as the opposite of a refusal")]
    pub(super) fn grant(&self, answer: &Answer, out: &mut Out) -> Need {
        answer.put(out);
        Need::Flush
    }

    pub(super) fn refuse(&mut self, answer: &Answer, out: &mut Out) -> Need {
        self.answer(answer, out);
        Need::Flush
    }

    /// Says this last.
    pub(super) fn end(&mut self, answer: &Answer, out: &mut Out) -> Need {
        answer.put(out);
        self.over = true;
        self.transaction = None;
        Need::Close
    }

    /// What it is called in the log.
    pub(super) fn protocol_name(&self) -> &'static str {
        match self.kind {
            Kind::Mx => "smtp",
            Kind::Submission => "submission",
            Kind::Lmtp => "lmtp",
        }
    }

    /// The moment at which it has taken too long.
    fn deadline(&self) -> i64 {
        let began = self.transaction.as_ref().map_or(self.now, |transaction| transaction.began);
        let content = match (&self.work, &self.transaction) {
            (Work::Content(content), _) => Some(content),
            (_, Some(transaction)) => transaction.content.as_ref(),
            _ => None,
        };
        match content {
            Some(content) if self.terms.spools.are_short() => content.least_deadline(),
            Some(_) => began.saturating_add(SENDING),
            None => self.since.saturating_add(BETWEEN),
        }
    }

    fn is_late(&self) -> bool {
        self.now >= self.deadline()
    }
}

impl Protocol for Smtp {
    fn name(&self) -> &'static str {
        self.protocol_name()
    }

    fn greet(&mut self, out: &mut Out) {
        let protocol = if self.kind == Kind::Lmtp { "LMTP" } else { "ESMTP" };
        Answer::plain(220, "").saying(format!("{} {protocol} Pillarbox is ready", self.terms.rules.name)).put(out);
    }

    /// Whoever brought a message that is taken is no stranger while it is stored. While names are waited for they are one.
    fn is_guest(&self) -> bool {
        self.login.is_none() && !matches!(self.work, Work::Arriving(_))
    }

    fn reads(&self) -> usize {
        let in_message = matches!(self.work, Work::Content(_));
        if self.is_guest() && !in_message { limits::STRANGER_READ } else { usize::MAX }
    }

    fn held(&self) -> usize {
        let work = match &self.work {
            Work::Judging(_) => limits::CHECKING,
            Work::Arriving(_) => limits::ARRIVING,
            _ => 0,
        };
        let envelope = self.transaction.as_ref().map_or(0, |transaction| transaction.held());
        self.input.held() + envelope + work
    }

    fn feed(&mut self, octets: &[u8]) {
        self.input.feed(octets);
    }

    fn hear(&mut self, store: &Store, now: i64, out: &mut Out) -> Option<Need> {
        self.now = now;
        if self.since == 0 {
            self.since = now;
        }
        if self.is_late() && !self.over {
            return Some(self.end(&answers::SILENT, out));
        }
        self.listen(store, out)
    }

    fn resume(&mut self, store: &Store, now: i64, out: &mut Out) -> Need {
        self.now = now;
        match std::mem::take(&mut self.work) {
            work @ (Work::None | Work::Sasl(_) | Work::Content(_)) => {
                self.work = work;
                // What was sent along with the last command is in the same bufferful.
                if out.is_full() { Need::Flush } else { self.listen(store, out).unwrap_or(Need::Input) }
            }
            work => {
                self.work = work;
                Need::Input
            }
        }
    }

    fn done(&mut self, outcome: Result<Outcome, StoreError>, store: &Store, now: i64, out: &mut Out) -> Need {
        self.now = now;
        match std::mem::take(&mut self.work) {
            Work::Arriving(arriving) => self.arrived(*arriving, outcome, store, out),
            other => {
                self.work = other;
                Need::Flush
            }
        }
    }

    fn entered(&mut self, who: Result<(AccountId, String), Denied>, _: &Store, now: i64, out: &mut Out) -> Need {
        self.now = now;
        self.let_in(who, out)
    }

    fn scram_keys(&mut self, keys: Result<Keys, Denied>, random: &[u8; 18], out: &mut Out) -> Need {
        self.heard_keys(keys, random, out)
    }

    fn judged(&mut self, verdict: Verdict, suspect: Suspect, store: &Store, now: i64, out: &mut Out) -> Need {
        self.now = now;
        match std::mem::take(&mut self.work) {
            Work::Judging(judging) => self.weigh(*judging, verdict, suspect, store, out),
            other => {
                self.work = other;
                Need::Flush
            }
        }
    }

    /// RFC 3207 §4.2: all that was known before is forgotten.
    fn turned_away(&mut self) -> Option<&'static str> {
        self.turned_away.take()
    }

    fn private(&mut self) {
        self.input.discard();
        self.privacy = Privacy::Tls;
        self.client = None;
        self.transaction = None;
    }

    fn address(&self) -> Option<&str> {
        self.login.as_ref().map(|(_, address)| address.as_str())
    }

    fn patience(&self) -> Option<Duration> {
        if self.kind == Kind::Submission && self.login.is_none() {
            return None;
        }
        let left = self.deadline().saturating_sub(self.now).clamp(1, SILENCE);
        // Before the first word nothing is known of the time.
        let left = if self.since == 0 { SILENCE } else { left };
        Some(Duration::from_secs(left.cast_unsigned()))
    }

    fn silence(&mut self, out: &mut Out) -> Need {
        self.end(&answers::SILENT, out)
    }

    /// RFC 5321 §3.8: 421 may come at any time. In the midst of a message it would be taken for nothing.
    fn stop(&mut self, out: &mut Out) {
        answers::STOPPING.put(out);
    }

    fn dismiss(&mut self, why: Dismissal, out: &mut Out) {
        let answer = match why {
            Dismissal::Revoked => &answers::REVOKED,
            Dismissal::Ended => &answers::ENDED,
        };
        self.end(answer, out);
    }

    fn doing(&self) -> &'static str {
        match (&self.work, &self.transaction) {
            (Work::None, None) if self.kind == Kind::Submission && self.login.is_none() => "not logged in",
            (Work::None, None) => "waiting",
            (Work::None, Some(transaction)) if transaction.content.is_some() => "BDAT",
            (Work::None, Some(transaction)) if transaction.recipients.is_empty() => "MAIL",
            (Work::None, Some(_)) => "RCPT",
            (Work::Sasl(_) | Work::Keys(_) | Work::Checking | Work::Proved(_), _) => "logging in",
            (Work::Content(_), _) => "DATA",
            (Work::Judging(_), _) => "checking the sender",
            (Work::Arriving(_), _) => "storing",
        }
    }

    fn bell(&self) -> Option<&Watch> {
        None
    }

    fn is_behind(&self) -> bool {
        false
    }

    fn shrink(&mut self) {
        self.input.shrink();
    }

    fn farewell(&mut self) -> Option<Write> {
        None
    }
}
