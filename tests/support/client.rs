//! A connection without a socket: what `net` does for a session, in the same order, with the bytes kept here.

use pillarbox::mail::{AccountId, limits};
use pillarbox::session::imap::{Denied, Need, Privacy, Session};
use pillarbox::store::Store;
use pillarbox::wire::Out;
use pillarbox::wire::imap::{Event, Framer};
use pillarbox::wire::sasl::ScramKeys;
use std::sync::Arc;

/// Turns without a word from the server, after which it is taken for caught in a loop.
const SILENT_TURNS: usize = 1_000;
/// Turns for one write of a client's.
const TURNS: usize = 300_000;
/// Octets of answers to one write of a client's.
const OUTPUT: usize = 64 << 20;
/// As `net` has them.
const BEFORE_LOGIN: i64 = 120;
const SILENCE: i64 = 31 * 60;
const STILL_HERE: i64 = 4 * 60;

/// Whoever asks for a password or keys is answered from here.
pub struct Gate {
    pub account: AccountId,
    pub address: String,
    pub password: String,
    pub keys: ScramKeys,
    /// What is said instead of checking anything.
    pub denied: Option<Denied>,
}

/// A client's connection.
pub struct Client {
    session: Session,
    framer: Framer,
    out: Out,
    need: Need,
    /// What the server said and nobody has read yet.
    pub heard: Vec<u8>,
    pub closed: bool,
    /// It is to stop after so many turns that sent something, in the midst of its work.
    pub hold: Option<usize>,
    /// TLS has begun: what else was written in plain text is lost.
    pub encrypted: bool,
    /// Since when nothing was said on either side.
    since: i64,
}

impl Client {
    pub fn connect(privacy: Privacy, out: usize, now: i64) -> Client {
        let mut client = Client {
            session: Session::new(Arc::from("mail.example.org"), privacy),
            framer: Framer::new(),
            out: Out::new(out),
            need: Need::Flush,
            heard: Vec::new(),
            closed: false,
            hold: None,
            encrypted: false,
            since: now,
        };
        client.session.greet(&mut client.out);
        client
    }

    /// Octets arrive from the client.
    pub fn feed(&mut self, octets: &[u8], now: i64) {
        self.since = now;
        self.framer.feed(octets);
    }

    /// Goes on until there is nothing to do but to wait.
    pub fn run(&mut self, store: &Store, gate: &Gate, now: i64) -> Result<(), String> {
        let (mut turns, mut silent) = (0, 0);
        while !self.closed {
            let before = self.heard.len();
            let need = std::mem::replace(&mut self.need, Need::Input);
            let turned = matches!(need, Need::Flush);
            let waits = self.meet(need, store, gate, now);
            turns += 1;
            silent = if self.heard.len() > before || !turned { 0 } else { silent + 1 };
            if turns > TURNS || silent > SILENT_TURNS || self.heard.len() > OUTPUT {
                let said = self.heard.len();
                return Err(format!("it goes round in circles: {turns} turns, {silent} of them silent, {said} octets"));
            }
            if waits {
                break;
            }
            if let (Some(hold), true) = (&mut self.hold, self.heard.len() > before && turned) {
                *hold = hold.saturating_sub(1);
                if *hold == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The bell, where it is listened to.
    pub fn ring(&mut self, store: &Store, gate: &Gate, now: i64) -> Result<(), String> {
        if self.session.is_idling() && self.session.is_behind() && !self.closed {
            self.need = self.session.resume(store, now, &mut self.out);
            return self.run(store, gate, now);
        }
        Ok(())
    }

    /// Time has passed.
    pub fn silence(&mut self, now: i64) {
        let patience = match (self.session.is_idling(), self.session.address()) {
            (true, _) => STILL_HERE,
            (false, Some(_)) => SILENCE,
            (false, None) => BEFORE_LOGIN,
        };
        if self.closed || now - self.since < patience {
            return;
        }
        self.since = now;
        if self.session.is_idling() {
            self.session.still_here(&mut self.out);
        } else {
            let text = if self.session.is_uploading() {
                "The message did not come to its end"
            } else {
                "Nothing was said for too long"
            };
            self.session.bye(&mut self.out, text);
            self.closed = true;
        }
        self.flush();
    }

    /// The server ends.
    pub fn stop(&mut self) {
        self.session.bye(&mut self.out, "The server is shutting down");
        self.flush();
        self.closed = true;
    }

    /// Does what the session needs; true when that is to wait for the client.
    fn meet(&mut self, need: Need, store: &Store, gate: &Gate, now: i64) -> bool {
        self.need = match need {
            Need::Input => return self.hear(store, now),
            Need::Flush => {
                if self.out.is_full() {
                    self.flush();
                }
                let need = self.session.resume(store, now, &mut self.out);
                if matches!(need, Need::Flush) {
                    self.flush();
                }
                need
            }
            Need::Write(write) => {
                let outcome = store.write_blocking(write);
                self.session.done(outcome, store, now, &mut self.out)
            }
            Need::Message => return self.take_message(store, now),
            Need::Password { user, password } => {
                let right = user == gate.address.as_bytes() && password == gate.password.as_bytes();
                let who = right.then(|| (gate.account, gate.address.clone())).ok_or(Denied::Wrong);
                let who = gate.denied.map_or(who, Err);
                self.session.entered(who, &mut self.out)
            }
            Need::ScramKeys(user) => {
                let account = (user == gate.address).then(|| (gate.account, gate.address.clone()));
                let keys = match &account {
                    Some(_) => gate.keys.clone(),
                    None => ScramKeys::fake(&user, &[7; 32], gate.keys.iterations),
                };
                let keys = gate.denied.map_or(Ok((account, keys)), Err);
                self.session.scram_keys(keys, &[5; 18], &mut self.out)
            }
            Need::ScramDone { account, .. } => self.session.entered(account.ok_or(Denied::Wrong), &mut self.out),
            Need::StartTls => {
                self.flush();
                self.framer.discard();
                self.session.private();
                self.encrypted = true;
                Need::Input
            }
            Need::Close => {
                self.flush();
                self.closed = true;
                Need::Close
            }
        };
        false
    }

    fn hear(&mut self, store: &Store, now: i64) -> bool {
        if self.session.expects_line() {
            self.framer.expect_line();
        }
        match self.framer.next_event() {
            Event::More => {
                self.flush();
                self.out.shrink();
                self.framer.shrink();
                self.need = Need::Input;
                true
            }
            event => {
                let offered = matches!(event, Event::Append { .. });
                self.need = self.session.hear(event, store, now, &mut self.out);
                if offered {
                    if self.session.is_uploading() { self.framer.accept() } else { self.framer.refuse() }
                }
                false
            }
        }
    }

    fn take_message(&mut self, store: &Store, now: i64) -> bool {
        loop {
            let piece = self.framer.take(limits::OUT);
            if !piece.is_empty() {
                self.session.upload(piece);
                if let Some(write) = self.session.stage(store) {
                    let outcome = store.write_blocking(write);
                    self.need = self.session.done(outcome, store, now, &mut self.out);
                    return false;
                }
                continue;
            }
            if self.framer.left() == 0 {
                self.need = Need::Input;
                return false;
            }
            self.flush();
            self.need = Need::Message;
            return true;
        }
    }

    fn flush(&mut self) {
        self.heard.extend_from_slice(self.out.bytes());
        self.out.clear();
    }
}
