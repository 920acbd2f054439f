//! The session: hears what the client says, and is resumed until it needs something from outside.

use super::append::Upload;
use super::refusal;
use super::select::Selected;
use super::work::Work;
use crate::mail::AccountId;
use crate::session::{Need, Privacy};
use crate::store::{Alarm, Outcome, Store, StoreError, Uids, Watch, Write};
use crate::wire::Out;
use crate::wire::imap::reply::{self, Code, Condition};
use crate::wire::imap::{Append, Body, Command, Dialect, Event, Reason, Syntax};
use std::sync::Arc;

/// Lines in a row that are no commands before log-in: then it is another protocol, perhaps a browser that was lured
/// into sending commands of ours in the middle of its own.
const STRANGE: u32 = 5;

/// An IMAP session, without its socket.
#[derive(Debug)]
pub struct Session {
    name: Arc<str>,
    privacy: Privacy,
    pub(super) state: State,
    pub(super) dialect: Dialect,
    pub(super) work: Work,
    /// Seconds since 1970, as of the last call from outside.
    pub(super) now: i64,
    /// Wrong passwords so far.
    pub(super) failures: u32,
    /// Lines in a row that are no commands of ours.
    pub(super) strange: u32,
    /// Why a log-in was turned away before a password was looked at, for the log.
    pub(super) turned_away: Option<&'static str>,
    /// What the account is told of its quota.
    pub(super) alarm: Option<Alarm>,
}

/// Where in its life the session is (RFC 9051 §3).
#[derive(Debug)]
pub(super) enum State {
    Before,
    After(User),
    Selected(User, Box<Selected>),
    /// Who it was, is still to be told to the log.
    Over(Option<User>),
}

/// Who logged in.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) account: AccountId,
    pub(super) address: String,
}

impl Session {
    /// A new connection to the host of this name; `greet` it.
    #[must_use]
    pub fn new(name: Arc<str>, privacy: Privacy) -> Session {
        Session {
            failures: 0,
            strange: 0,
            turned_away: None,
            alarm: None,
            name,
            privacy,
            state: State::Before,
            dialect: Dialect::default(),
            work: Work::None,
            now: 0,
        }
    }

    /// The greeting (RFC 9051 §7.1.1).
    pub fn greet(&self, out: &mut Out) {
        let text = format!("{} Pillarbox is ready", self.name);
        reply::untagged(out, Condition::Ok, Some(Code::Capability(&self.capabilities())), &text);
    }

    /// The client is taking too long, or the server ends: the last words.
    pub fn bye(&mut self, out: &mut Out, text: &str) {
        reply::untagged(out, Condition::Bye, None, text);
        self.end();
    }

    /// Who logged in, for the log.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        match &self.state {
            State::Over(user) => user.as_ref(),
            _ => self.user(),
        }
        .map(|user| user.address.as_str())
    }

    /// Whether the client waits in IDLE: nothing comes from it but DONE, and the bell is to be heard.
    #[must_use]
    pub fn is_idling(&self) -> bool {
        matches!(self.work, Work::Idle { .. })
    }

    /// Whose bell is to be heard while the client idles.
    #[must_use]
    pub fn watch(&self) -> Option<&Watch> {
        self.selected().map(|selected| &selected.watch)
    }

    /// Whether the selected mailbox changed since the client was told, or there is something else to tell.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.alarm.as_ref().is_some_and(Alarm::rings)
            || self.selected().is_some_and(|selected| selected.view.is_behind(&selected.watch.now()))
    }

    /// Something to say in a long silence, so that nothing on the way takes the connection for dead.
    pub fn still_here(out: &mut Out) {
        reply::untagged(out, Condition::Ok, None, "Still here");
    }

    /// TLS has begun (RFC 9051 §6.2.1).
    pub fn private(&mut self) {
        self.privacy = Privacy::Tls;
        self.state = State::Before;
    }

    /// Hears what the framer says. `Event::More` is nobody's business here.
    pub fn hear(&mut self, event: Event<'_>, store: &Store, now: i64, out: &mut Out) -> Need {
        self.now = now;
        match event {
            Event::More => Need::Input,
            Event::Continue => {
                reply::continuation(out, "Go on");
                Need::Flush
            }
            Event::Command { bytes } => match Command::parse(bytes, self.dialect) {
                Ok(command) => self.begin(command, store, out),
                Err(error) => self.misunderstood(&error, out),
            },
            Event::Append { bytes, size, sync, binary } => match Append::parse(bytes, size, binary, self.dialect) {
                Ok(Command { tag, body: Body::Append(append) }) => self.offered(tag, append, sync, store, out),
                Ok(Command { tag, .. }) => {
                    reply::tagged(out, &tag, Condition::Bad, None, "A message literal is not expected here");
                    Need::Input
                }
                Err(error) => self.misunderstood(&error, out),
            },
            Event::AppendEnd => self.uploaded(out),
            Event::AppendBroken => {
                if let Work::Upload(upload) = std::mem::take(&mut self.work) {
                    let text = "One message at a time, and nothing after it";
                    reply::tagged(out, &upload.tag, Condition::Bad, None, text);
                }
                Need::Flush
            }
            Event::Line { bytes } => self.hear_line(bytes, store, out),
            Event::TooLong { tag } => {
                self.too_much(tag, None, "The command is too long", out);
                Need::Flush
            }
            Event::TooBig { tag } => {
                self.too_much(tag, Some(Code::TooBig), "The literal is too large", out);
                Need::Flush
            }
            Event::Fatal => {
                self.bye(out, "More was announced than this server takes");
                Need::Close
            }
        }
    }

    /// Goes on with what was begun: after the output was sent, and when the bell rang.
    pub fn resume(&mut self, store: &Store, now: i64, out: &mut Out) -> Need {
        self.now = now;
        match std::mem::take(&mut self.work) {
            Work::None => {
                if matches!(self.state, State::Over(_)) {
                    return Need::Close;
                }
                Need::Input
            }
            Work::Fetch(fetch) => self.go_on_fetching(fetch, store, out),
            Work::Search(search) => self.go_on_searching(search, store, out),
            Work::List(list) => self.go_on_listing(list, store, out),
            Work::Echo(echo) => self.go_on_echoing(echo, out),
            Work::Finish(finish) => self.go_on_finishing(finish, out),
            Work::Idle { tag } => {
                self.work = Work::Idle { tag };
                if self.catch_up(true, out) { Need::Input } else { Need::Flush }
            }
            work @ (Work::Sasl(_) | Work::Upload(_) | Work::Waiting(_)) => {
                self.work = work;
                Need::Input
            }
        }
    }

    /// The write that was needed has been done, or not.
    pub fn done(&mut self, outcome: Result<Outcome, StoreError>, store: &Store, now: i64, out: &mut Out) -> Need {
        self.now = now;
        match std::mem::take(&mut self.work) {
            Work::Waiting(after) => self.after_write(*after, outcome, store, out),
            Work::Upload(mut upload) => {
                if let Err(error) = outcome {
                    upload.fail(error.into());
                }
                self.work = Work::Upload(upload);
                Need::Input
            }
            other => {
                self.work = other;
                Need::Flush
            }
        }
    }

    /// The user and the account, in or before a mailbox.
    pub(super) fn user(&self) -> Option<&User> {
        match &self.state {
            State::After(user) | State::Selected(user, _) => Some(user),
            State::Before | State::Over(_) => None,
        }
    }

    pub(super) fn selected(&self) -> Option<&Selected> {
        if let State::Selected(_, selected) = &self.state { Some(selected) } else { None }
    }

    pub(super) fn selected_mut(&mut self) -> Option<&mut Selected> {
        if let State::Selected(_, selected) = &mut self.state { Some(selected) } else { None }
    }

    pub(super) fn privacy(&self) -> Privacy {
        self.privacy
    }

    pub(super) fn enter(&mut self, user: User) {
        self.state = State::After(user);
    }

    pub(super) fn select(&mut self, selected: Box<Selected>) {
        self.state = match std::mem::replace(&mut self.state, State::Over(None)) {
            State::After(user) | State::Selected(user, _) => State::Selected(user, selected),
            other => other,
        };
    }

    pub(super) fn leave_mailbox(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Over(None)) {
            State::Selected(user, _) => State::After(user),
            other => other,
        };
    }

    pub(super) fn end(&mut self) {
        self.state = State::Over(self.user().cloned());
        self.work = Work::None;
    }

    /// Whether a response was begun that is not whole yet.
    pub(super) fn is_within_a_response(&self) -> bool {
        match &self.work {
            Work::Fetch(fetching) => fetching.is_within_a_response(),
            Work::Search(searching) => searching.is_begun(),
            _ => false,
        }
    }

    /// What is going on, in a word.
    pub(super) fn doing(&self) -> &'static str {
        match (&self.work, &self.state) {
            (Work::None | Work::Finish(_), State::Before) => "not logged in",
            (Work::None | Work::Finish(_), _) => "waiting",
            (Work::Idle { .. }, _) => "IDLE",
            (Work::Upload(_), _) => "APPEND",
            (Work::Fetch(_), _) => "FETCH",
            (Work::Search(_), _) => "SEARCH",
            (Work::List(_), _) => "LIST",
            (Work::Echo(_), _) => "STORE",
            (Work::Sasl(_), _) => "logging in",
            (Work::Waiting(after), _) => after.doing(),
        }
    }

    /// Passes octets of the message that is being appended.
    pub fn upload(&mut self, octets: &[u8]) {
        if let Work::Upload(upload) = &mut self.work {
            upload.push(octets);
        }
    }

    /// Octets of a message that it holds.
    pub fn held(&self) -> usize {
        if let Work::Upload(upload) = &self.work { upload.held() } else { 0 }
    }

    /// A write that takes the packed part of the message out of memory, when there is enough of it; then `done`.
    pub fn stage(&mut self, store: &Store) -> Option<Write> {
        if let Work::Upload(upload) = &mut self.work { upload.stage(store) } else { None }
    }

    /// Whether the message that the framer offered is to be taken (`Framer::accept`) or not (`Framer::refuse`).
    #[must_use]
    pub fn is_uploading(&self) -> bool {
        matches!(self.work, Work::Upload(_))
    }

    /// Whether the next line is an answer and no command (`Framer::expect_line`).
    #[must_use]
    pub fn expects_line(&self) -> bool {
        matches!(self.work, Work::Sasl(_) | Work::Idle { .. })
    }

    fn offered(&mut self, tag: Box<str>, append: Append, sync: bool, store: &Store, out: &mut Out) -> Need {
        if self.user().is_none() {
            reply::tagged(out, &tag, Condition::Bad, None, "Log in first");
            return Need::Flush;
        }
        match self.accept_append(&append, store) {
            Ok(mailbox) => {
                if sync {
                    reply::continuation(out, "Go on");
                }
                self.work = Work::Upload(Box::new(Upload::new(tag, mailbox, append, store.packer())));
                Need::Input
            }
            Err(no) => {
                no.reply(out, &tag);
                Need::Flush
            }
        }
    }

    fn hear_line(&mut self, bytes: &[u8], store: &Store, out: &mut Out) -> Need {
        match std::mem::take(&mut self.work) {
            Work::Idle { tag } => {
                if bytes.eq_ignore_ascii_case(b"DONE") {
                    return self.finish(&tag, true, "IDLE done", out);
                }
                // RFC 9051 §6.3.13: only DONE may come. What else it was meant to be nobody can know.
                reply::tagged(out, &tag, Condition::Bad, None, "IDLE ends with DONE");
                Need::Flush
            }
            Work::Sasl(exchange) => self.answered(*exchange, bytes, out),
            other => {
                self.work = other;
                self.resume(store, self.now, out)
            }
        }
    }

    fn misunderstood(&mut self, error: &Syntax, out: &mut Out) -> Need {
        if let (Reason::BadCharset { saves: true }, Some(selected)) = (error.reason, self.selected_mut()) {
            // RFC 5182 §2.1: a SEARCH with SAVE that is answered NO leaves nothing saved.
            selected.saved = Uids::default();
        }
        refusal::syntax(out, error);
        if matches!(error.reason, Reason::NoTag | Reason::NoCommand | Reason::UnknownCommand) {
            self.strange += 1;
        }
        if self.user().is_none() && self.strange >= STRANGE {
            self.bye(out, "This is an IMAP server");
            return Need::Close;
        }
        Need::Flush
    }

    /// What was too long was not read: it was a command, an answer, or a DONE.
    fn too_much(&mut self, tag: Option<&str>, code: Option<Code<'_>>, text: &str, out: &mut Out) {
        let waiting = match std::mem::take(&mut self.work) {
            Work::Idle { tag } => Some(tag),
            Work::Sasl(exchange) => Some(exchange.tag),
            other => {
                self.work = other;
                None
            }
        };
        match waiting.as_deref().or(tag) {
            Some(tag) => reply::tagged(out, tag, Condition::Bad, code, text),
            None => reply::untagged(out, Condition::Bad, code, text),
        }
    }
}
