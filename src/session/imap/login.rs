//! LOGIN and AUTHENTICATE (RFC 9051 §6.2).

use super::refusal::No;
use super::session::{Session, User};
use super::work::{After, Work};
use crate::mail::AccountId;
use crate::session::sasl::{self, Turn};
use crate::session::{Denied, Keys, Need, Privacy};
use crate::store::Store;
use crate::wire::Out;
use crate::wire::imap::reply::{self, Code, Condition};
use crate::wire::sasl::{Answer, Credentials, Failure, Mechanism};

/// Wrong passwords on one connection before it is closed.
const FAILURES: u32 = 10;

/// A SASL exchange, and the command that began it.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) tag: Box<str>,
    sasl: sasl::Exchange,
}

impl Session {
    pub(super) fn login(&mut self, tag: &str, user: Vec<u8>, password: Vec<u8>, out: &mut Out) -> Need {
        if self.is_exposed(tag, out) {
            return Need::Flush;
        }
        self.work = Work::Waiting(Box::new(After::Entered { tag: tag.into(), proved: None }));
        Need::Password { user, password }
    }

    pub(super) fn authenticate(
        &mut self,
        tag: &str,
        mechanism: &str,
        initial: Option<&[u8]>,
        out: &mut Out,
    ) -> Result<Need, No> {
        if self.is_exposed(tag, out) {
            return Ok(Need::Flush);
        }
        let Some(mechanism) = Mechanism::from_name(mechanism) else {
            self.turned_away = Some(sasl::NOT_OFFERED);
            return Err(No::Cannot("This mechanism is not offered"));
        };
        Ok(self.take_turn(tag.into(), sasl::Exchange::begin(mechanism, initial), out))
    }

    /// A line of the client's in an exchange.
    pub(super) fn answered(&mut self, exchange: Exchange, line: &[u8], out: &mut Out) -> Need {
        match Answer::decode(line) {
            Ok(Answer::Response(response)) => self.take_turn(exchange.tag, exchange.sasl.answer(&response), out),
            Ok(Answer::Cancelled) => {
                reply::tagged(out, &exchange.tag, Condition::Bad, None, "Given up");
                Need::Flush
            }
            Err(failure) => self.failed(&exchange.tag, failure, out),
        }
    }

    fn take_turn(&mut self, tag: Box<str>, turn: Turn, out: &mut Out) -> Need {
        match turn {
            Turn::Challenge(challenge, sasl) => {
                reply::challenge(out, &challenge);
                self.work = Work::Sasl(Box::new(Exchange { tag, sasl }));
                Need::Flush
            }
            Turn::Password(credentials) => self.check(tag, credentials),
            Turn::Keys(user, sasl) => {
                self.work = Work::Waiting(Box::new(After::Scram(Box::new(Exchange { tag, sasl }))));
                Need::ScramKeys(user)
            }
            Turn::Over { user, account, proved } => {
                self.work = Work::Waiting(Box::new(After::Entered { tag, proved }));
                Need::ScramDone { user, account }
            }
            Turn::In((account, address)) => {
                self.work = Work::Waiting(Box::new(After::Entered { tag, proved: None }));
                Need::LetIn(account, address)
            }
            Turn::Failed(failure) => self.failed(&tag, failure, out),
        }
    }

    pub(super) fn heard_keys(&mut self, keys: Result<Keys, Denied>, random: &[u8; 18], out: &mut Out) -> Need {
        let Work::Waiting(after) = std::mem::take(&mut self.work) else { return Need::Flush };
        let After::Scram(exchange) = *after else { return Need::Flush };
        let Exchange { tag, sasl } = *exchange;
        match keys {
            Ok((account, keys)) => self.take_turn(tag, sasl.keys(account, keys, random), out),
            Err(denied) => {
                Self::deny(&tag, denied, out);
                Need::Flush
            }
        }
    }

    pub(super) fn let_in(&mut self, who: Result<(AccountId, String), Denied>, store: &Store, out: &mut Out) -> Need {
        let Work::Waiting(after) = std::mem::take(&mut self.work) else { return Need::Flush };
        let After::Entered { tag, proved } = *after else { return Need::Flush };
        match (who, proved) {
            (Ok(who), Some(proved)) => self.take_turn(tag, proved.entered(who), out),
            (Ok((account, address)), None) => {
                self.enter(User { account, address });
                self.alarm = Some(store.alarm(account));
                let capabilities = self.capabilities();
                reply::tagged(out, &tag, Condition::Ok, Some(Code::Capability(&capabilities)), "Logged in");
                Need::Flush
            }
            (Err(denied), _) => {
                Self::deny(&tag, denied, out);
                self.failures += u32::from(denied == Denied::Wrong);
                if self.failures < FAILURES {
                    return Need::Flush;
                }
                self.bye(out, "Too many wrong passwords");
                Need::Close
            }
        }
    }

    /// Passwords do not travel in plain text (RFC 9051 §11.1).
    fn is_exposed(&mut self, tag: &str, out: &mut Out) -> bool {
        let exposed = self.privacy() == Privacy::None;
        if exposed {
            self.turned_away = Some(sasl::NO_TLS);
            reply::tagged(out, tag, Condition::No, Some(Code::PrivacyRequired), "Use TLS first");
        }
        exposed
    }

    fn check(&mut self, tag: Box<str>, credentials: Credentials) -> Need {
        self.work = Work::Waiting(Box::new(After::Entered { tag, proved: None }));
        let Credentials { identity, password } = credentials;
        Need::Password { user: identity.into_bytes(), password: password.into_bytes() }
    }

    fn failed(&mut self, tag: &str, failure: Failure, out: &mut Out) -> Need {
        self.turned_away = Some(sasl::why(&failure));
        match failure {
            Failure::Malformed(text) => reply::tagged(out, tag, Condition::Bad, None, text),
            Failure::Unsupported(text) => {
                reply::tagged(out, tag, Condition::No, Some(Code::AuthorizationFailed), text);
            }
            Failure::Denied => Self::deny(tag, Denied::Wrong, out),
        }
        Need::Flush
    }

    fn deny(tag: &str, denied: Denied, out: &mut Out) {
        let (code, text) = match denied {
            Denied::Wrong => (Code::AuthenticationFailed, "Wrong user name or password"),
            Denied::Busy => (Code::Unavailable, "Too many log-ins at once, try again"),
            Denied::Fault => (Code::Unavailable, "The mail store is not available"),
        };
        reply::tagged(out, tag, Condition::No, Some(code), text);
    }
}
