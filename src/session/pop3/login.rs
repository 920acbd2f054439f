//! USER and PASS (RFC 1939 §7), AUTH (RFC 5034), and the opening of the maildrop.

use super::lock::{Lock, Taken};
use super::maildrop::Maildrop;
use super::session::{Pop3, State, Work, unavailable};
use crate::mail::{AccountId, MailboxId};
use crate::session::sasl::{self, Turn};
use crate::session::{Denied, Keys, Need, Privacy};
use crate::store::{Fault, Outcome, Refusal, Store, StoreError, Write};
use crate::wire::Out;
use crate::wire::pop3::Command;
use crate::wire::pop3::reply::{self, Code};
use crate::wire::sasl::{Answer, Failure, Mechanism};
use std::time::Duration;

/// Wrong passwords on one connection before it is closed.
const FAILURES: u32 = 10;
/// How often, and after what time, a maildrop that is in use is asked for again: a client that comes back at once must
/// not meet its own session that is just ending.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// How often names are given anew at one log-in, while somebody keeps adding to the mailbox.
const RENAMINGS: u32 = 3;

/// A SASL exchange that AUTH began.
#[derive(Debug)]
pub(super) struct Exchange(sasl::Exchange);

/// Who is to be let in.
#[derive(Debug)]
pub(super) struct Entering {
    account: AccountId,
    address: String,
    tries: u32,
    renamings: u32,
    lock: Option<Lock>,
}

impl Pop3 {
    /// A command before log-in.
    pub(super) fn before(&mut self, command: Command<'_>, out: &mut Out) -> Need {
        match command {
            Command::Utf8 => reply::ok(out, "UTF-8 it is"),
            Command::Stls if self.privacy == Privacy::Tls => reply::err(out, None, "TLS is in use already"),
            Command::Stls => {
                reply::ok(out, "Begin TLS");
                return Need::StartTls;
            }
            Command::Auth { mechanism: None, .. } => {
                reply::ok(out, "The mechanisms:");
                if self.privacy != Privacy::None {
                    reply::line(out, "PLAIN");
                    reply::line(out, "SCRAM-SHA-256");
                }
                reply::end(out);
            }
            command if self.privacy == Privacy::None => {
                if matches!(command, Command::User(_) | Command::Pass(_) | Command::Auth { .. }) {
                    self.turned_away = Some(sasl::NO_TLS);
                }
                reply::err(out, None, "Use STLS first");
            }
            Command::User(user) => {
                self.user = Some(user.to_vec());
                reply::ok(out, "And the password?");
            }
            Command::Pass(password) => match self.user.take() {
                Some(user) => {
                    self.work = Work::Checking;
                    return Need::Password { user, password: password.to_vec() };
                }
                None => reply::err(out, None, "USER comes first"),
            },
            Command::Auth { mechanism: Some(mechanism), initial } => return self.auth(mechanism, initial, out),
            _ => {}
        }
        Need::Flush
    }

    fn auth(&mut self, mechanism: &str, initial: Option<&[u8]>, out: &mut Out) -> Need {
        let Some(mechanism) = Mechanism::from_name(mechanism) else {
            self.turned_away = Some(sasl::NOT_OFFERED);
            reply::err(out, None, "This mechanism is not offered");
            return Need::Flush;
        };
        let initial = match initial {
            None => None,
            // RFC 5034 §4: present, and empty.
            Some(b"=") => Some(Vec::new()),
            Some(line) => match Answer::decode(line) {
                Ok(Answer::Response(response)) => Some(response),
                Ok(Answer::Cancelled) => return given_up(out),
                Err(failure) => return self.failed(failure, out),
            },
        };
        self.take_turn(sasl::Exchange::begin(mechanism, initial.as_deref()), out)
    }

    /// A line of the client's in an exchange.
    pub(super) fn answered(&mut self, exchange: Exchange, line: &[u8], out: &mut Out) -> Need {
        match Answer::decode(line) {
            Ok(Answer::Response(response)) => self.take_turn(exchange.0.answer(&response), out),
            Ok(Answer::Cancelled) => given_up(out),
            Err(failure) => self.failed(failure, out),
        }
    }

    pub(super) fn heard_keys(&mut self, keys: Result<Keys, Denied>, random: &[u8; 18], out: &mut Out) -> Need {
        let Work::Keys(exchange) = std::mem::take(&mut self.work) else { return Need::Flush };
        match keys {
            Ok((account, keys)) => self.take_turn(exchange.0.keys(account, keys, random), out),
            Err(denied) => deny(denied, out),
        }
    }

    fn take_turn(&mut self, turn: Turn, out: &mut Out) -> Need {
        match turn {
            Turn::Challenge(challenge, exchange) => {
                reply::challenge(out, &challenge);
                self.work = Work::Sasl(Box::new(Exchange(exchange)));
                Need::Flush
            }
            Turn::Password(credentials) => {
                self.work = Work::Checking;
                Need::Password { user: credentials.identity.into_bytes(), password: credentials.password.into_bytes() }
            }
            Turn::Keys(user, exchange) => {
                self.work = Work::Keys(Box::new(Exchange(exchange)));
                Need::ScramKeys(user)
            }
            Turn::Over { user, account, proved } => {
                self.work = proved.map_or(Work::Checking, Work::Proved);
                Need::ScramDone { user, account }
            }
            Turn::In((account, address)) => {
                self.work = Work::Checking;
                Need::LetIn(account, address)
            }
            Turn::Failed(failure) => self.failed(failure, out),
        }
    }

    fn failed(&mut self, failure: Failure, out: &mut Out) -> Need {
        self.turned_away = Some(sasl::why(&failure));
        match failure {
            Failure::Malformed(text) | Failure::Unsupported(text) => reply::err(out, None, text),
            Failure::Denied => return deny(Denied::Wrong, out),
        }
        Need::Flush
    }

    /// The client proved who it is, or did not.
    pub(super) fn let_in(&mut self, who: Result<(AccountId, String), Denied>, store: &Store, out: &mut Out) -> Need {
        match (who, std::mem::take(&mut self.work)) {
            (Ok(who), Work::Proved(proved)) => self.take_turn(proved.entered(who), out),
            (Ok((account, address)), _) => {
                self.enter(Entering { account, address, tries: 0, renamings: 0, lock: None }, store, out)
            }
            (Err(denied), _) => {
                self.failures += u32::from(denied == Denied::Wrong);
                deny(denied, out);
                if self.failures < FAILURES {
                    return Need::Flush;
                }
                self.state = State::Over;
                Need::Close
            }
        }
    }

    /// Opens the maildrop, once nobody else has it.
    pub(super) fn enter(&mut self, mut entering: Entering, store: &Store, out: &mut Out) -> Need {
        let lock = match entering.lock.take() {
            Some(lock) => lock,
            None => match self.maildrops.take(entering.account, self.now) {
                Ok(lock) => lock,
                Err(Taken::InUse) if entering.tries < TRIES => {
                    entering.tries += 1;
                    self.work = Work::Entering(Box::new(entering));
                    return Need::Pause(PAUSE);
                }
                Err(Taken::InUse) => {
                    self.turned_away = Some("in-use");
                    reply::err(out, Some(Code::InUse), "Another session has this maildrop");
                    return Need::Flush;
                }
                Err(Taken::TooSoon) => {
                    self.turned_away = Some("too-soon");
                    reply::err(out, Some(Code::LoginDelay), "The last log-in was too short ago");
                    return Need::Flush;
                }
            },
        };
        match open(store, entering.account, lock) {
            Ok(Some(maildrop)) => self.settle(entering, maildrop, store, out),
            Ok(None) => {
                // The account was removed a moment ago.
                reply::err(out, Some(Code::SysPerm), "There is no maildrop");
                Need::Flush
            }
            Err(fault) => {
                unavailable(out, &fault);
                Need::Flush
            }
        }
    }

    /// Begins the session, if each message has a name of its own; else they get some first, for ever.
    fn settle(&mut self, mut entering: Entering, mut maildrop: Maildrop, store: &Store, out: &mut Out) -> Need {
        let namesakes = maildrop.namesakes(entering.renamings);
        if namesakes.is_empty() || store.is_read_only() {
            maildrop.rename(&namesakes);
            let (messages, octets) = maildrop.count();
            reply::ok(out, &format!("{messages} messages ({octets} octets)"));
            self.address = Some(entering.address);
            self.state = State::Transaction(Box::new(maildrop));
            return Need::Flush;
        }
        if entering.renamings >= RENAMINGS {
            unavailable(out, &"messages without a name of their own");
            return Need::Flush;
        }
        entering.renamings += 1;
        entering.lock = Some(maildrop.lock);
        self.work = Work::Entering(Box::new(entering));
        Need::Write(Write::SetUniqueIds { mailbox: maildrop.inbox, ids: namesakes })
    }

    /// Messages got new names, or did not.
    pub(super) fn renamed(
        &mut self,
        entering: Entering,
        outcome: Result<Outcome, StoreError>,
        store: &Store,
        out: &mut Out,
    ) -> Need {
        match outcome {
            // With a store that can only be read since a moment ago, they get them without its help.
            Ok(_) | Err(StoreError::Refused(Refusal::ReadOnly)) => self.enter(entering, store, out),
            Err(error) => {
                unavailable(out, &error);
                Need::Flush
            }
        }
    }
}

fn open(store: &Store, account: AccountId, lock: Lock) -> Result<Option<Maildrop>, Fault> {
    let snapshot = store.snapshot()?;
    let Some(record) = snapshot.account(account)? else { return Ok(None) };
    let inbox: Option<MailboxId> = snapshot.mailbox_named(account, "INBOX")?;
    inbox.map(|inbox| Maildrop::open(&snapshot, inbox, record.pop3, lock)).transpose()
}

fn given_up(out: &mut Out) -> Need {
    reply::err(out, None, "Given up");
    Need::Flush
}

fn deny(denied: Denied, out: &mut Out) -> Need {
    match denied {
        Denied::Wrong => reply::err(out, Some(Code::Auth), "Wrong user name or password"),
        Denied::Busy => reply::err(out, Some(Code::SysTemp), "Too many log-ins at once, try again"),
        Denied::Fault => reply::err(out, Some(Code::SysTemp), "The mail store is not available"),
    }
    Need::Flush
}
