//! Plays a script against framer, session and store, in one of several ways that must all come to the same.
//!
//! The world (`@`), for the client that is named before it:
//!
//! ```text
//! greet tls|local|remote         connects to IMAP (the greeting is heard in the script)
//! pop3 tls|local|remote          connects to POP3
//! pop3 deleted trash|hide|delete what becomes of what POP3 deletes
//! pop3 unseen                    RETR does not set \Seen
//! smtp tls|local|remote          connects to SMTP, as other servers do
//! submission tls|local|remote    connects to SMTP, as mail programs do
//! lmtp                           connects to LMTP
//! verdict pass|quarantine|reject|later   what is thought of mail from outside
//! account ADDRESS [OCTETS]       somebody else here, with a quota
//! delay 60s                      the time that has to pass between two log-ins by POP3, from now on
//! cut                            the connection breaks
//! sweep                          what no message shows any more is removed
//! login                          connects by TLS and logs in, unheard
//! deliver NAME [MAILBOX] [xN]    a message of tests/transcripts/mail comes in, N times
//! quota OCTETS|none [MESSAGES]   the account's limits
//! warn                           the account is told how full it is, where that is due
//! remove                         the account is removed
//! password                       the account gets another password
//! end                            the owner ends this client's session
//! clock +29m                     time goes on
//! silence 4m                     time goes on, and nobody says anything
//! deny busy|fault|no             what passwords are answered with instead of being checked
//! hold [N]                       the server stops in the next command, after the Nth output that is not its last
//! go on                          … and goes on
//! stop                           the server ends
//! closed                         the connection must have been closed by now
//! disk gone|unwritable|well      what becomes of the disk: nothing can be read from it, or nothing written to it
//! read only                      the server begins anew, on a disk that nothing can be written to; all connections break
//! ```

use super::client::{Client, Gate};
use super::memory::Memory;
use super::script::{Deed, Names, Step, filled, matches, shown};
use pillarbox::delivery::{Routing, look};
use pillarbox::mail::{AccountId, Network, Stamp};
use pillarbox::session::pop3::{Maildrops, Terms};
use pillarbox::session::smtp::{self, Kind, Rules};
use pillarbox::session::{Denied, Privacy};
use pillarbox::store::{
    Credentials, History, Limits, NewAccount, NewMessage, OnDelete, Options, Outcome, Pop3, Store, Write,
};
use pillarbox::verdict::Disposition;
use pillarbox::wire::sasl::ScramKeys;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

/// Thursday, 1 February 2024, 12:00:00 UTC.
const BEGIN: i64 = 1_706_788_800;
const ADDRESS: &str = "ann@example.org";
const PASSWORD: &str = "tanstaaf";
/// What is longer is not cut into single octets: that shows nothing more and takes long.
const LONG: usize = 100_000;

/// How what a client says is cut into reads.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    Whole,
    Octets,
    Random(u64),
}

/// One way to play.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub cut: Cut,
    /// The bound of the output.
    pub out: usize,
    /// What work a turn may do.
    pub turn: u64,
}

/// A script being played.
pub struct Player {
    way: Way,
    random: u64,
    pub store: Store,
    memory: Memory,
    pub gate: Gate,
    maildrops: Arc<Maildrops>,
    terms: Arc<smtp::Terms>,
    now: i64,
    pub clients: BTreeMap<usize, Client>,
    names: Names,
}

impl Player {
    pub fn new(way: Way) -> Player {
        let memory = Memory::default();
        let store = Store::open_on(memory.clone(), Options::default());
        let store = store.expect("memory is there");
        let keys = ScramKeys::derive(PASSWORD, *b"sixteen octets !", NonZeroU32::new(4096).expect("it is not 0"));
        let write = Write::AddAccount(NewAccount {
            address: ADDRESS.to_owned(),
            credentials: Credentials::default(),
            limits: Limits::default(),
            now: BEGIN,
        });
        let Ok(Outcome::Account(account)) = store.write_blocking(write) else { panic!("the account cannot be made") };
        let (address, password) = (ADDRESS.to_owned(), PASSWORD.to_owned());
        let gate = Gate { account, address, password, keys, denied: None, disposition: Disposition::None };
        let random = if let Cut::Random(seed) = way.cut { seed } else { 1 };
        let maildrops = Arc::new(Maildrops::new(Terms { exclusive: true, login_delay: 0 }));
        Player {
            way,
            random,
            store,
            memory,
            gate,
            maildrops,
            terms: Arc::new(smtp::Terms::new(rules(), None)),
            now: BEGIN,
            clients: BTreeMap::new(),
            names: Names::new(),
        }
    }

    /// Plays it to the end, or says where and how it differs.
    pub fn play(&mut self, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            self.step(step).map_err(|difference| format!("line {}: {difference}", step.line))?;
        }
        self.nothing_left(None)
    }

    pub fn step(&mut self, step: &Step) -> Result<(), String> {
        match &step.deed {
            Deed::Say(said) => {
                self.nothing_left(Some(step.client))?;
                let said = filled(said, &self.names);
                self.say(step.client, &said)?;
                self.ring(Some(step.client))
            }
            Deed::Hear(expected) => {
                let client = self.client(step.client)?;
                let end = memchr::memmem::find(&client.heard, b"\r\n");
                let Some(end) = end else {
                    return Err(format!("expected  {}\n      got nothing", shown(expected)));
                };
                let got: Vec<u8> = client.heard.drain(..end + 2).take(end).collect();
                if matches(expected, &got, &mut self.names) {
                    return Ok(());
                }
                Err(format!("expected  {}\n      got       {}", shown(expected), shown(&got)))
            }
            Deed::World(words) => self.world(step.client, &words.iter().map(String::as_str).collect::<Vec<_>>()),
        }
    }

    pub fn say(&mut self, number: usize, said: &[u8]) -> Result<(), String> {
        let mut rest = said;
        while !rest.is_empty() {
            let length = self.cut(rest.len(), said.len());
            let (now, later) = rest.split_at(length.clamp(1, rest.len()));
            rest = later;
            let client = self.clients.get_mut(&number).ok_or("this client is not connected")?;
            if client.closed {
                // What a client sends into a closed connection is lost.
                return Ok(());
            }
            client.feed(now, self.now);
            client.run(&self.store, &self.gate, self.now)?;
            if std::mem::take(&mut client.encrypted) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn cut(&mut self, left: usize, whole: usize) -> usize {
        match self.way.cut {
            Cut::Whole => left,
            Cut::Octets if whole > LONG => 1_021,
            Cut::Octets => 1,
            Cut::Random(_) => {
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                let most = if whole > LONG { 40_000 } else { 40 };
                1 + usize::try_from(self.random % most).expect("it is small")
            }
        }
    }

    /// All but this client hear the bell, if they listen.
    pub fn ring(&mut self, but: Option<usize>) -> Result<(), String> {
        for (number, client) in &mut self.clients {
            if Some(*number) != but {
                client.ring(&self.store, &self.gate, self.now)?;
            }
        }
        Ok(())
    }

    pub fn world(&mut self, number: usize, words: &[&str]) -> Result<(), String> {
        match words {
            ["greet", how] => {
                let mut client = Client::imap(privacy(how)?, self.way.out, self.now);
                client.turn = self.way.turn;
                self.connect(number, client)
            }
            ["pop3", how @ ("tls" | "local" | "remote")] => {
                let mut client = Client::pop3(privacy(how)?, &self.maildrops, self.way.out, self.now);
                client.turn = self.way.turn;
                self.connect(number, client)
            }
            ["cut"] => {
                let client = self.clients.remove(&number).ok_or("this client is not connected")?;
                client.cut(&self.store);
                self.ring(None)
            }
            ["login"] => {
                if !self.clients.contains_key(&number) {
                    let mut client = Client::imap(Privacy::Tls, self.way.out, self.now);
                    client.turn = self.way.turn;
                    self.connect(number, client)?;
                }
                self.client(number)?.heard.clear();
                self.say(number, format!("login LOGIN {ADDRESS} {PASSWORD}\r\n").as_bytes())?;
                let heard = std::mem::take(&mut self.client(number)?.heard);
                if heard.starts_with(b"login OK ") { Ok(()) } else { Err(format!("no log-in: {}", shown(&heard))) }
            }
            ["deliver", name, rest @ ..] => {
                let count = rest.iter().find_map(|word| word.strip_prefix('x')?.parse().ok()).unwrap_or(1);
                let mailbox = rest.first().filter(|word| !word.starts_with('x')).unwrap_or(&"INBOX");
                for _ in 0..count {
                    self.deliver(name, mailbox)?;
                }
                self.ring(None)
            }
            ["quota", octets, rest @ ..] => {
                let limits = Limits {
                    bytes: octets.parse().ok(),
                    messages: rest.first().and_then(|messages| messages.parse().ok()),
                };
                let write = Write::SetLimits { account: self.gate.account, limits };
                self.store.write_blocking(write).map(|_| ()).map_err(|error| error.to_string())
            }
            ["warn"] => {
                let routing = Routing { name: "mail.example.org".to_owned(), grace_percent: 10 };
                let write = self.store.snapshot().map_err(Into::into);
                let write = write.and_then(|now| look(&self.store, &now, &routing, self.gate.account, self.now));
                if let Some(write) = write.map_err(|error| error.to_string())? {
                    self.store.write_blocking(write).map_err(|error| error.to_string())?;
                }
                self.ring(None)
            }
            ["clock", span] => {
                self.now += seconds(span);
                Ok(())
            }
            ["silence", span] => {
                self.now += seconds(span);
                let now = self.now;
                self.clients.values_mut().for_each(|client| client.silence(now));
                Ok(())
            }
            ["deny", how] => {
                self.gate.denied = match *how {
                    "busy" => Some(Denied::Busy),
                    "fault" => Some(Denied::Fault),
                    _ => None,
                };
                Ok(())
            }
            ["hold", rest @ ..] => {
                self.client(number)?.hold = Some(rest.first().map_or(1, |turns| turns.parse().expect("a number")));
                Ok(())
            }
            ["go", "on"] => {
                let (store, gate, now) = (&self.store, &self.gate, self.now);
                let client = self.clients.get_mut(&number).ok_or("this client is not connected")?;
                client.hold = None;
                client.run(store, gate, now)
            }
            ["stop"] => {
                self.clients.values_mut().for_each(Client::stop);
                Ok(())
            }
            ["closed"] => {
                let client = self.clients.remove(&number).ok_or("this client is not connected")?;
                match (client.closed, client.heard.as_slice()) {
                    (true, []) => Ok(()),
                    (true, left) => Err(format!("the last words were more: {}", shown(left))),
                    (false, _) => Err("the connection is still open".to_owned()),
                }
            }
            other => self.account_world(number, other),
        }
    }

    /// What ends sessions.
    fn account_world(&mut self, number: usize, words: &[&str]) -> Result<(), String> {
        match words {
            ["remove"] => {
                let written = self.store.write_blocking(Write::RemoveAccount(self.gate.account));
                written.map_err(|error| error.to_string())?;
                self.dismiss();
                self.ring(None)
            }
            ["password"] => {
                let credentials =
                    Credentials { argon2: format!("another, as of {}", self.now), ..Credentials::default() };
                let write = Write::SetCredentials { account: self.gate.account, credentials };
                self.store.write_blocking(write).map_err(|error| error.to_string())?;
                self.dismiss();
                Ok(())
            }
            ["end"] => {
                self.client(number)?.dismiss(true);
                Ok(())
            }
            other => self.smtp_world(number, other),
        }
    }

    /// What concerns mail that comes in.
    fn smtp_world(&mut self, number: usize, words: &[&str]) -> Result<(), String> {
        match words {
            [protocol @ ("smtp" | "submission" | "lmtp"), rest @ ..] => {
                let kind = match *protocol {
                    "smtp" => Kind::Mx,
                    "submission" => Kind::Submission,
                    _ => Kind::Lmtp,
                };
                let how = rest.first().unwrap_or(&"local");
                let mut client = Client::smtp(kind, privacy(how)?, &self.terms, self.way.out, self.now);
                client.turn = self.way.turn;
                self.connect(number, client)
            }
            ["verdict", what] => {
                self.gate.disposition = match *what {
                    "quarantine" => Disposition::Quarantine,
                    "reject" => Disposition::Reject { text: "DMARC says no".to_owned() },
                    "later" => Disposition::TryLater,
                    _ => Disposition::None,
                };
                Ok(())
            }
            ["account", address, rest @ ..] => {
                let limits = Limits { bytes: rest.first().and_then(|octets| octets.parse().ok()), messages: None };
                let (address, credentials) = ((*address).to_owned(), Credentials::default());
                let write = Write::AddAccount(NewAccount { address, credentials, limits, now: self.now });
                self.store.write_blocking(write).map(|_| ()).map_err(|error| error.to_string())
            }
            other => self.pop3_world(other),
        }
    }

    /// What concerns POP3 and the store behind it.
    fn pop3_world(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["pop3", "deleted", how] => {
                let on_delete = match *how {
                    "trash" => OnDelete::Trash,
                    "hide" => OnDelete::Hide,
                    "delete" => OnDelete::Delete,
                    other => return Err(format!("{other} is nothing to do with deleted mail")),
                };
                self.set_pop3(|pop3| pop3.on_delete = on_delete)
            }
            ["pop3", "unseen"] => self.set_pop3(|pop3| pop3.marks_seen = false),
            ["delay", span] => {
                let login_delay = u32::try_from(seconds(span)).map_err(|error| error.to_string())?;
                self.maildrops = Arc::new(Maildrops::new(Terms { exclusive: true, login_delay }));
                Ok(())
            }
            ["disk", how] => {
                let (reads, writes) = match *how {
                    "gone" => (false, false),
                    "unwritable" => (true, false),
                    "well" => (true, true),
                    other => return Err(format!("{other} is nothing that becomes of a disk")),
                };
                self.memory.become_such(reads, writes);
                Ok(())
            }
            ["read", "only"] => {
                self.clients.clear();
                let empty = Store::open_on(Memory::default(), Options::default());
                // One at a time: the one that wrote is closed first.
                drop(std::mem::replace(&mut self.store, empty.map_err(|fault| fault.to_string())?));
                let store = Store::open_read_only_on(self.memory.clone(), Options::default());
                self.store = store.map_err(|fault| fault.to_string())?;
                Ok(())
            }
            ["sweep"] => {
                // A blob that was shown a moment ago goes with one of the next sweeps.
                for _ in 0..100 {
                    let swept = self.store.write_blocking(Write::Sweep).map_err(|error| error.to_string())?;
                    if !matches!(swept, Outcome::Swept { more: true, .. }) {
                        break;
                    }
                }
                Ok(())
            }
            other => Err(format!("the world knows no {other:?}")),
        }
    }

    fn set_pop3(&self, change: impl FnOnce(&mut Pop3)) -> Result<(), String> {
        let account = self.gate.account;
        let found = self.store.snapshot().and_then(|snapshot| snapshot.account(account));
        let mut pop3 = found.map_err(|error| error.to_string())?.ok_or("there is no account")?.pop3;
        change(&mut pop3);
        self.store.write_blocking(Write::SetPop3 { account, pop3 }).map(|_| ()).map_err(|error| error.to_string())
    }

    fn connect(&mut self, number: usize, mut client: Client) -> Result<(), String> {
        client.run(&self.store, &self.gate, self.now)?;
        self.clients.insert(number, client);
        Ok(())
    }

    fn deliver(&mut self, name: &str, mailbox: &str) -> Result<(), String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/mail").join(name);
        let octets = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let account: AccountId = self.gate.account;
        let mut packer = self.store.packer();
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            // The files have the line ends of this repository; mail has CRLF.
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            packer.push(text).map_err(|error| error.to_string())?;
            if text.len() < line.len() {
                packer.push(b"\r\n").map_err(|error| error.to_string())?;
            }
        }
        let parcel = packer.finish().map_err(|error| error.to_string())?;
        let found = self.store.snapshot().and_then(|snapshot| snapshot.mailbox_named(account, mailbox));
        let mailbox = found.map_err(|error| error.to_string())?.ok_or("there is no such mailbox")?;
        let message = NewMessage {
            parcel,
            flags: Vec::new(),
            received: Stamp::utc(self.now),
            now: self.now,
            history: History::default(),
        };
        let written = self.store.write_blocking(Write::Append { mailbox, message });
        written.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Whoever was let in before is out.
    fn dismiss(&mut self) {
        self.clients.values_mut().for_each(|client| client.dismiss(false));
    }

    fn client(&mut self, number: usize) -> Result<&mut Client, String> {
        self.clients.get_mut(&number).ok_or_else(|| "this client is not connected".to_owned())
    }

    /// Nothing that the script does not hold was said, by this client's connection or by any.
    fn nothing_left(&self, only: Option<usize>) -> Result<(), String> {
        for (number, client) in &self.clients {
            if only.is_some_and(|only| only != *number) {
                continue;
            }
            if !client.heard.is_empty() {
                return Err(format!("client {number} was told what is not in the script: {}", shown(&client.heard)));
            }
            if client.closed {
                return Err(format!("client {number} was cut off, which is not in the script"));
            }
        }
        Ok(())
    }
}

fn rules() -> Rules {
    Rules {
        name: "mail.example.org".into(),
        routing: Routing { name: "mail.example.org".to_owned(), grace_percent: 0 },
        recipients: 100,
        message: 100_000,
        trusted: Network::parse("127.0.0.0/8").into_iter().collect(),
    }
}

fn privacy(how: &str) -> Result<Privacy, String> {
    match how {
        "tls" => Ok(Privacy::Tls),
        "local" => Ok(Privacy::Local),
        "remote" => Ok(Privacy::None),
        other => Err(format!("{other} is no way to connect")),
    }
}

fn seconds(span: &str) -> i64 {
    let span = span.trim_start_matches('+');
    let (number, unit) = span.split_at(span.len() - 1);
    number.parse::<i64>().expect("a number")
        * match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => 86_400,
        }
}
