//! What all server protocols have in common, seen from `net`: it drives any of them with one loop.

use super::smtp::Spool;
use crate::mail::{AccountId, limits};
use crate::store::{Outcome, Store, StoreError, Watch, Write};
use crate::verdict::Verdict;
use crate::wire::Out;
use crate::wire::sasl::ScramKeys;
use event_listener::EventListener;
use std::net::IpAddr;
use std::time::Duration;

/// How private the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// In plain text from elsewhere: no passwords.
    None,
    /// In plain text from this machine.
    Local,
    /// TLS.
    Tls,
}

/// Why somebody may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Wrong name or wrong password: which, nobody is told.
    Wrong,
    /// Too much is being checked already.
    Busy,
    /// The store failed.
    Fault,
}

/// Why a session ends that neither the client nor the server as a whole ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dismissal {
    /// The account that was logged in to is gone, or its password is another one.
    Revoked,
    /// The owner of the server ended it.
    Ended,
}

/// What a session needs to go on.
#[derive(Debug)]
pub enum Need {
    /// The client's next words: `hear`.
    Input,
    /// The output sent, then `resume`.
    Flush,
    /// This write done, then `done`.
    Write(Write),
    /// A password checked, then `entered`.
    Password {
        /// As the client wrote it.
        user: Vec<u8>,
        /// As the client wrote it.
        password: Vec<u8>,
    },
    /// The SCRAM keys of this user, then `scram_keys`.
    ScramKeys(String),
    /// `entered`, with who was let in a moment ago and has heard it.
    LetIn(AccountId, String),
    /// To be told that SCRAM succeeded or failed for this user; then `entered` with the same answer after a delay.
    ScramDone {
        /// Who.
        user: String,
        /// The account, where it succeeded.
        account: Option<(AccountId, String)>,
    },
    /// What is to be thought of a mail from outside, then `judged`.
    Verdict(Box<Suspect>),
    /// The output sent and some time passed, then `resume`.
    Pause(Duration),
    /// The output sent and TLS begun, then `private`.
    StartTls,
    /// The output sent and the connection closed.
    Close,
}

/// A mail from outside.
#[derive(Debug)]
pub struct Suspect {
    /// Where it came from.
    pub client: IpAddr,
    /// What they call themselves.
    pub helo: String,
    /// The reverse path; empty for what must never be answered.
    pub from: String,
    /// The message.
    pub content: Spool,
}

/// A server protocol on one connection, without its socket. Whoever drives it does what it [`Need`]s, one thing after
/// the other.
pub trait Protocol: Send {
    /// Its name, for the log.
    fn name(&self) -> &'static str;

    /// The greeting.
    fn greet(&mut self, out: &mut Out);

    /// Whether it is not known who this is, nor has anything come from them that is worth more than what a stranger gets.
    fn is_guest(&self) -> bool {
        self.address().is_none()
    }

    /// Octets that are read for it at once, at most.
    fn reads(&self) -> usize {
        if self.is_guest() { limits::STRANGER_READ } else { usize::MAX }
    }

    /// Octets of memory that it holds of what came from the client.
    fn held(&self) -> usize;

    /// Octets came from the client. At most as many as are read at once, each time that `hear` wants more.
    fn feed(&mut self, octets: &[u8]);

    /// Hears what comes next in what was fed; `None` when more has to come first.
    fn hear(&mut self, store: &Store, now: i64, out: &mut Out) -> Option<Need>;

    /// Goes on with what was begun: after the output was sent, and when the bell rang.
    fn resume(&mut self, store: &Store, now: i64, out: &mut Out) -> Need;

    /// The write that was needed has been done, or not.
    fn done(&mut self, outcome: Result<Outcome, StoreError>, store: &Store, now: i64, out: &mut Out) -> Need;

    /// Whether the client may come in.
    fn entered(&mut self, who: Result<(AccountId, String), Denied>, store: &Store, now: i64, out: &mut Out) -> Need;

    /// The keys of who wants in by SCRAM; fake ones, and no account, for who does not exist. `random`: for the nonce,
    /// never used before.
    fn scram_keys(&mut self, keys: Result<Keys, Denied>, random: &[u8; 18], out: &mut Out) -> Need;

    /// Why a log-in was turned away before a password was looked at, since this was asked last: a word for the log.
    fn turned_away(&mut self) -> Option<&'static str> {
        None
    }

    /// What is thought of a mail from outside.
    fn judged(&mut self, _: Verdict, _: Suspect, _: &Store, _: i64, _: &mut Out) -> Need {
        Need::Flush
    }

    /// TLS has begun. What came in plain text and was not heard yet is forgotten: it must not pass for protected.
    fn private(&mut self);

    /// Who logged in, for the log.
    fn address(&self) -> Option<&str>;

    /// For how long the client may say nothing; `None` before log-in, which `net` bounds by itself.
    fn patience(&self) -> Option<Duration>;

    /// The client said nothing for that long.
    fn silence(&mut self, out: &mut Out) -> Need;

    /// The server ends: the last words.
    fn stop(&mut self, out: &mut Out);

    /// It ends here and now, whatever is going on: the last words, where the client would not take them for something
    /// else.
    fn dismiss(&mut self, why: Dismissal, out: &mut Out);

    /// What is going on, in a word for the owner: a command, or what is waited for.
    fn doing(&self) -> &'static str;

    /// Whose bell is heard while the client is waited for.
    fn bell(&self) -> Option<&Watch>;

    /// What else rings while the client is waited for, listened to from now on: then it is as with the bell.
    fn alarm(&self) -> Option<EventListener> {
        None
    }

    /// Whether there is something to tell without being asked: then `resume`.
    fn is_behind(&self) -> bool;

    /// Gives back the memory that is not in use: nothing is going on.
    fn shrink(&mut self);

    /// The connection is gone: what is still to be written.
    fn farewell(&mut self) -> Option<Write>;
}

/// The account that a user's SCRAM keys lead to, and the keys.
pub type Keys = (Option<(AccountId, String)>, ScramKeys);
