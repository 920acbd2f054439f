//! A connection without a socket: what `net` does for a session, in the same order, with the bytes kept here.

use pillarbox::mail::{AccountId, effort, limits};
use pillarbox::session::imap::Imap;
use pillarbox::session::pop3::{Maildrops, Pop3};
use pillarbox::session::smtp::{Kind, Smtp, Terms};
use pillarbox::session::{Denied, Dismissal, Need, Privacy, Protocol};
use pillarbox::store::{Grant, Outcome, Store, StoreError, Write};
use pillarbox::verdict::{Disposition, Spf, SpfResult, Verdict};
use pillarbox::wire::Out;
use pillarbox::wire::sasl::ScramKeys;
use std::net::IpAddr;
use std::sync::Arc;

/// Turns without a word from the server, after which it is taken for caught in a loop.
const SILENT_TURNS: usize = 20_000;
/// Turns for one write of a client's.
const TURNS: usize = 300_000;
/// Octets of answers to one write of a client's.
const OUTPUT: usize = 64 << 20;
/// As `net` has it.
const BEFORE_LOGIN: i64 = 120;

/// Whoever asks for a password or keys is answered from here.
pub struct Gate {
    pub account: AccountId,
    pub address: String,
    pub password: String,
    pub keys: ScramKeys,
    /// What is said instead of checking anything.
    pub denied: Option<Denied>,
    /// What is thought of mail from outside.
    pub disposition: Disposition,
}

/// A client's connection.
pub struct Client {
    protocol: Box<dyn Protocol>,
    out: Out,
    need: Need,
    /// What the server said and nobody has read yet.
    pub heard: Vec<u8>,
    pub closed: bool,
    /// It is to stop after so many turns that sent something, in the midst of its work.
    pub hold: Option<usize>,
    /// TLS has begun: what else was written in plain text is lost.
    pub encrypted: bool,
    /// What work a turn may do, the most that one did, and all that all did.
    pub turn: u64,
    pub most: u64,
    pub work: u64,
    /// Since when nothing was said on either side.
    since: i64,
    /// By what right it acts, and whom keys were looked up for.
    grant: Option<Grant>,
}

impl Client {
    pub fn imap(privacy: Privacy, out: usize, now: i64) -> Client {
        Client::connect(Box::new(Imap::new(Arc::from("mail.example.org"), privacy)), out, now)
    }

    pub fn pop3(privacy: Privacy, maildrops: &Arc<Maildrops>, out: usize, now: i64) -> Client {
        Client::connect(Box::new(Pop3::new(Arc::from("mail.example.org"), privacy, Arc::clone(maildrops))), out, now)
    }

    /// From this machine, or from elsewhere.
    pub fn smtp(kind: Kind, privacy: Privacy, terms: &Arc<Terms>, out: usize, now: i64) -> Client {
        let peer = if privacy == Privacy::Local { IpAddr::from([127, 0, 0, 1]) } else { IpAddr::from([192, 0, 2, 7]) };
        Client::connect(Box::new(Smtp::new(Arc::clone(terms), kind, privacy, Some(peer))), out, now)
    }

    fn connect(protocol: Box<dyn Protocol>, out: usize, now: i64) -> Client {
        let mut client = Client {
            protocol,
            out: Out::new(out),
            need: Need::Flush,
            heard: Vec::new(),
            closed: false,
            hold: None,
            encrypted: false,
            turn: limits::TURN,
            most: 0,
            work: 0,
            since: now,
            grant: None,
        };
        client.protocol.greet(&mut client.out);
        client
    }

    /// Octets arrive from the client.
    pub fn feed(&mut self, octets: &[u8], now: i64) {
        self.since = now;
        self.protocol.feed(octets);
    }

    /// The connection breaks.
    pub fn cut(mut self, store: &Store) {
        if let Some(write) = self.protocol.farewell() {
            self.write(store, write).expect("what is left can be written");
        }
    }

    /// Goes on until there is nothing to do but to wait.
    pub fn run(&mut self, store: &Store, gate: &Gate, now: i64) -> Result<(), String> {
        let (mut turns, mut silent) = (0, 0);
        while !self.closed {
            let before = self.heard.len();
            let need = std::mem::replace(&mut self.need, Need::Input);
            let turned = matches!(need, Need::Flush);
            let (waits, work) = effort::turn(self.turn, || self.meet(need, store, gate, now));
            self.most = self.most.max(work);
            self.work += work;
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

    /// The bell or the alarm, where they are listened to.
    pub fn ring(&mut self, store: &Store, gate: &Gate, now: i64) -> Result<(), String> {
        let hears = self.protocol.bell().is_some() || self.protocol.alarm().is_some();
        if hears && self.protocol.is_behind() && !self.closed {
            self.need = self.protocol.resume(store, now, &mut self.out);
            return self.run(store, gate, now);
        }
        Ok(())
    }

    /// Time has passed.
    pub fn silence(&mut self, now: i64) {
        let patience = self.protocol.patience().map_or(BEFORE_LOGIN, |patience| patience.as_secs().cast_signed());
        if self.closed || now - self.since < patience {
            return;
        }
        self.since = now;
        self.closed = matches!(self.protocol.silence(&mut self.out), Need::Close);
        self.flush();
    }

    /// The server ends.
    pub fn stop(&mut self) {
        self.protocol.stop(&mut self.out);
        self.flush();
        self.closed = true;
    }

    /// What was granted is over, or somebody ends it.
    pub fn dismiss(&mut self, ended: bool) {
        let why = if ended { Dismissal::Ended } else { Dismissal::Revoked };
        if !self.closed && (ended || self.grant.as_ref().is_some_and(Grant::is_over)) {
            self.protocol.dismiss(why, &mut self.out);
            self.flush();
            self.closed = true;
        }
    }

    fn write(&self, store: &Store, write: Write) -> Result<Outcome, StoreError> {
        match &self.grant {
            Some(grant) => smol::block_on(store.write_as(grant, write)),
            None => store.write_blocking(write),
        }
    }

    /// Does what the session needs; true when that is to wait for the client.
    fn meet(&mut self, need: Need, store: &Store, gate: &Gate, now: i64) -> bool {
        self.need = match need {
            Need::Input => return self.hear(store, now),
            Need::Flush => {
                if self.out.is_full() {
                    self.flush();
                }
                let need = self.protocol.resume(store, now, &mut self.out);
                if matches!(need, Need::Flush) {
                    self.flush();
                }
                need
            }
            Need::Write(write) => {
                let outcome = self.write(store, write);
                self.protocol.done(outcome, store, now, &mut self.out)
            }
            Need::Password { user, password } => {
                let right = user == gate.address.as_bytes() && password == gate.password.as_bytes();
                let who = right.then(|| (gate.account, gate.address.clone())).ok_or(Denied::Wrong);
                let who = gate.denied.map_or(who, Err);
                self.grant = who.is_ok().then(|| store.grant(gate.account));
                self.protocol.entered(who, store, now, &mut self.out)
            }
            Need::ScramKeys(user) => {
                let account = (user == gate.address).then(|| (gate.account, gate.address.clone()));
                let keys = match &account {
                    Some(_) => gate.keys.clone(),
                    None => ScramKeys::fake(&user, &[7; 32], gate.keys.iterations),
                };
                let keys = gate.denied.map_or(Ok((account, keys)), Err);
                self.protocol.scram_keys(keys, &[5; 18], &mut self.out)
            }
            Need::ScramDone { account, .. } => {
                let who = gate.denied.map_or(account.ok_or(Denied::Wrong), Err);
                self.grant = who.as_ref().ok().map(|(account, _)| store.grant(*account));
                self.protocol.entered(who, store, now, &mut self.out)
            }
            Need::LetIn(account, address) => self.protocol.entered(Ok((account, address)), store, now, &mut self.out),
            Need::Verdict(suspect) => {
                let header =
                    format!("Authentication-Results: mail.example.org; spf=none smtp.helo={}\r\n", suspect.helo);
                let spf =
                    Spf { result: SpfResult::None, domain: suspect.helo.clone(), is_helo: true, explanation: None };
                let (disposition, dkim, dmarc) = (gate.disposition.clone(), Vec::new(), Vec::new());
                let verdict = Verdict { header, disposition, spf, dkim, dmarc };
                self.protocol.judged(verdict, *suspect, store, now, &mut self.out)
            }
            // Nobody else does anything meanwhile.
            Need::Pause(_) => self.protocol.resume(store, now, &mut self.out),
            Need::StartTls => {
                self.flush();
                self.protocol.private();
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
        if let Some(need) = self.protocol.hear(store, now, &mut self.out) {
            self.need = need;
            return false;
        }
        self.flush();
        self.out.shrink();
        self.protocol.shrink();
        self.need = Need::Input;
        true
    }

    fn flush(&mut self) {
        self.heard.extend_from_slice(self.out.bytes());
        self.out.clear();
    }
}
