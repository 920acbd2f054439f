//! AUTH (RFC 4954), for who submits.

use super::answers;
use super::session::{Smtp, Work};
use super::terms::Kind;
use crate::mail::AccountId;
use crate::session::sasl::{self, Exchange, Turn};
use crate::session::{Denied, Keys, Need, Privacy};
use crate::wire::Out;
use crate::wire::sasl::{Answer as Said, Failure, Mechanism};
use crate::wire::smtp::answer;

/// Wrong passwords on one connection before it is closed.
const FAILURES: u32 = 10;

impl Smtp {
    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<&[u8]>, out: &mut Out) -> Need {
        let wrong = if self.kind != Kind::Submission {
            Some(answers::NOT_OFFERED)
        } else if self.privacy == Privacy::None {
            Some(answers::TLS_FIRST)
        } else if self.client.is_none() {
            Some(answers::HELLO_FIRST)
        } else if self.login.is_some() || self.transaction.is_some() {
            Some(answers::AGAIN)
        } else {
            None
        };
        if let Some(wrong) = wrong {
            if wrong == answers::TLS_FIRST {
                self.turned_away = Some(sasl::NO_TLS);
            }
            return self.refuse(&wrong, out);
        }
        let Some(mechanism) = Mechanism::from_name(mechanism) else {
            self.turned_away = Some(sasl::NOT_OFFERED);
            return self.refuse(&answers::NO_MECHANISM, out);
        };
        let initial = match initial {
            None => None,
            // RFC 4954 §4: present, and empty.
            Some(b"=") => Some(Vec::new()),
            Some(line) => match Said::decode(line) {
                Ok(Said::Response(response)) => Some(response),
                Ok(Said::Cancelled) => return self.refuse(&answers::CANCELLED, out),
                Err(failure) => return self.failed(failure, out),
            },
        };
        self.take_turn(Exchange::begin(mechanism, initial.as_deref()), out)
    }

    /// A line of the client's in an exchange.
    pub(super) fn answered(&mut self, exchange: Exchange, line: &[u8], out: &mut Out) -> Need {
        match Said::decode(line) {
            Ok(Said::Response(response)) => self.take_turn(exchange.answer(&response), out),
            Ok(Said::Cancelled) => self.refuse(&answers::CANCELLED, out),
            Err(failure) => self.failed(failure, out),
        }
    }

    pub(super) fn heard_keys(&mut self, keys: Result<Keys, Denied>, random: &[u8; 18], out: &mut Out) -> Need {
        let Work::Keys(exchange) = std::mem::take(&mut self.work) else { return Need::Flush };
        match keys {
            Ok((account, keys)) => self.take_turn(exchange.keys(account, keys, random), out),
            Err(denied) => self.refuse(&answers::denied(denied), out),
        }
    }

    fn take_turn(&mut self, turn: Turn, out: &mut Out) -> Need {
        match turn {
            Turn::Challenge(challenge, exchange) => {
                answer::challenge(out, &challenge);
                self.work = Work::Sasl(Box::new(exchange));
                Need::Flush
            }
            Turn::Password(credentials) => {
                self.work = Work::Checking;
                Need::Password { user: credentials.identity.into_bytes(), password: credentials.password.into_bytes() }
            }
            Turn::Keys(user, exchange) => {
                self.work = Work::Keys(Box::new(exchange));
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
        self.refuse(&answers::failed(failure), out)
    }

    /// The client proved who it is, or did not.
    pub(super) fn let_in(&mut self, who: Result<(AccountId, String), Denied>, out: &mut Out) -> Need {
        match (who, std::mem::take(&mut self.work)) {
            (Ok(who), Work::Proved(proved)) => self.take_turn(proved.entered(who), out),
            (Ok(who), _) => {
                self.login = Some(who);
                self.since = self.now;
                self.grant(&answers::LOGGED_IN, out)
            }
            (Err(denied), _) => {
                self.failures += u32::from(denied == Denied::Wrong);
                self.answer(&answers::denied(denied), out);
                if self.failures < FAILURES { Need::Flush } else { self.end(&answers::TOO_MANY_ERRORS, out) }
            }
        }
    }
}
