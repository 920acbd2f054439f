//! LOGIN and AUTHENTICATE (RFC 9051 §6.2).

use super::refusal::No;
use super::session::{Need, Privacy, Session, User};
use super::work::{After, Work};
use crate::mail::AccountId;
use crate::wire::Out;
use crate::wire::imap::reply::{self, Code, Condition};
use crate::wire::sasl::{
    Answer, ClientFirst, Credentials, Failure, Login, LoginName, Mechanism, ScramKeys, ServerFirst, plain,
};

/// Wrong passwords on one connection before it is closed.
const FAILURES: u32 = 10;

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

/// A SASL exchange.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) tag: Box<str>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Plain,
    LoginName,
    LoginPassword(LoginName),
    ScramFirst,
    /// The keys are being looked up.
    ScramKeys(ClientFirst),
    ScramProof {
        user: String,
        account: Option<(AccountId, String)>,
        server: Box<ServerFirst>,
    },
    /// The server has proved itself; the client says nothing more.
    ScramEnd {
        user: String,
        account: (AccountId, String),
    },
}

impl Session {
    pub(super) fn login(&mut self, tag: &str, user: Vec<u8>, password: Vec<u8>, out: &mut Out) -> Need {
        if self.is_exposed(tag, out) {
            return Need::Flush;
        }
        self.work = Work::Waiting(Box::new(After::Entered { tag: tag.into() }));
        Need::Password { user, password }
    }

    pub(super) fn authenticate(
        &mut self,
        tag: &str,
        mechanism: &str,
        initial: Option<Vec<u8>>,
        out: &mut Out,
    ) -> Result<Need, No> {
        if self.is_exposed(tag, out) {
            return Ok(Need::Flush);
        }
        let Some(mechanism) = Mechanism::from_name(mechanism) else {
            return Err(No::Cannot("This mechanism is not offered"));
        };
        let (step, challenge) = match mechanism {
            Mechanism::Plain => (Step::Plain, &b""[..]),
            Mechanism::Login => (Step::LoginName, Login::CHALLENGE),
            Mechanism::ScramSha256 => (Step::ScramFirst, &b""[..]),
        };
        let exchange = Exchange { tag: tag.into(), step };
        Ok(if let Some(response) = initial {
            self.respond(exchange, &response, out)
        } else {
            reply::challenge(out, challenge);
            self.work = Work::Sasl(Box::new(exchange));
            Need::Flush
        })
    }

    /// A line of the client's in an exchange.
    pub(super) fn answered(&mut self, exchange: Exchange, line: &[u8], out: &mut Out) -> Need {
        match Answer::decode(line) {
            Ok(Answer::Response(response)) => self.respond(exchange, &response, out),
            Ok(Answer::Cancelled) => {
                reply::tagged(out, &exchange.tag, Condition::Bad, None, "Given up");
                Need::Flush
            }
            Err(failure) => Self::failed(&exchange.tag, failure, out),
        }
    }

    fn respond(&mut self, exchange: Exchange, response: &[u8], out: &mut Out) -> Need {
        let Exchange { tag, step } = exchange;
        let next = match step {
            Step::Plain => match plain(response) {
                Ok(credentials) => return self.check(tag, credentials),
                Err(failure) => Err(failure),
            },
            Step::LoginName => Login.name(response).map(|name| {
                reply::challenge(out, LoginName::CHALLENGE);
                Step::LoginPassword(name)
            }),
            Step::LoginPassword(name) => match name.password(response) {
                Ok(credentials) => return self.check(tag, credentials),
                Err(failure) => Err(failure),
            },
            Step::ScramFirst => match ClientFirst::parse(response) {
                Ok(client) => {
                    let user = client.identity().to_owned();
                    let exchange = Exchange { tag, step: Step::ScramKeys(client) };
                    self.work = Work::Waiting(Box::new(After::Scram(Box::new(exchange))));
                    return Need::ScramKeys(user);
                }
                Err(failure) => Err(failure),
            },
            Step::ScramProof { user, account, server } => match (server.finish(response), account) {
                (Ok(last), Some(account)) => {
                    reply::challenge(out, last.as_bytes());
                    Ok(Step::ScramEnd { user, account })
                }
                (Err(failure @ (Failure::Malformed(_) | Failure::Unsupported(_))), _) => Err(failure),
                (Ok(_) | Err(Failure::Denied), _) => {
                    self.work = Work::Waiting(Box::new(After::Entered { tag }));
                    return Need::ScramDone { user, account: None };
                }
            },
            Step::ScramEnd { user, account } => {
                self.work = Work::Waiting(Box::new(After::Entered { tag }));
                return Need::ScramDone { user, account: Some(account) };
            }
            Step::ScramKeys(_) => Err(Failure::Malformed("Nothing is expected now")),
        };
        match next {
            Ok(step) => {
                self.work = Work::Sasl(Box::new(Exchange { tag, step }));
                Need::Flush
            }
            Err(failure) => Self::failed(&tag, failure, out),
        }
    }

    /// The keys of who wants in by SCRAM; fake ones, and no account, for who does not exist.
    pub fn scram_keys(
        &mut self,
        keys: Result<(Option<(AccountId, String)>, ScramKeys), Denied>,
        random: &[u8; 18],
        out: &mut Out,
    ) -> Need {
        let Work::Waiting(after) = std::mem::take(&mut self.work) else { return Need::Flush };
        let After::Scram(exchange) = *after else { return Need::Flush };
        let Exchange { tag, step: Step::ScramKeys(client) } = *exchange else { return Need::Flush };
        match keys {
            Ok((account, keys)) => {
                let user = client.identity().to_owned();
                let (server, challenge) = client.challenge(keys, random);
                reply::challenge(out, challenge.as_bytes());
                let step = Step::ScramProof { user, account, server: Box::new(server) };
                self.work = Work::Sasl(Box::new(Exchange { tag, step }));
            }
            Err(denied) => Self::deny(&tag, denied, out),
        }
        Need::Flush
    }

    /// Whether the client may come in.
    pub fn entered(&mut self, who: Result<(AccountId, String), Denied>, out: &mut Out) -> Need {
        let Work::Waiting(after) = std::mem::take(&mut self.work) else { return Need::Flush };
        let After::Entered { tag } = *after else { return Need::Flush };
        match who {
            Ok((account, address)) => {
                self.enter(User { account, address });
                let capabilities = self.capabilities();
                reply::tagged(out, &tag, Condition::Ok, Some(Code::Capability(&capabilities)), "Logged in");
                Need::Flush
            }
            Err(denied) => {
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
    fn is_exposed(&self, tag: &str, out: &mut Out) -> bool {
        let exposed = self.privacy() == Privacy::None;
        if exposed {
            reply::tagged(out, tag, Condition::No, Some(Code::PrivacyRequired), "Use TLS first");
        }
        exposed
    }

    fn check(&mut self, tag: Box<str>, credentials: Credentials) -> Need {
        self.work = Work::Waiting(Box::new(After::Entered { tag }));
        let Credentials { identity, password } = credentials;
        Need::Password { user: identity.into_bytes(), password: password.into_bytes() }
    }

    fn failed(tag: &str, failure: Failure, out: &mut Out) -> Need {
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
