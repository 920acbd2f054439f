//! A SASL exchange (RFC 4422) as all protocols have it: whose turn it is, and what for. How a challenge or a refusal is
//! worded is the protocol's.

use crate::mail::AccountId;
use crate::wire::sasl::{
    ClientFirst, Credentials, Failure, Login, LoginName, Mechanism, ScramKeys, ServerFirst, plain,
};

/// An exchange that waits for somebody.
#[derive(Debug)]
pub(super) struct Exchange(Step);

/// What comes next.
#[derive(Debug)]
pub(super) enum Turn {
    /// The client answers this challenge: [`Exchange::answer`].
    Challenge(Vec<u8>, Exchange),
    /// These are checked.
    Password(Credentials),
    /// This user's keys are looked up: [`Exchange::keys`].
    Keys(String, Exchange),
    /// This user is, or is not, who they say. Neither is told before it may be: a right guess is told from a wrong one by
    /// the first octet of an answer. Where they are let in, [`Proved::entered`].
    Over { user: String, account: Option<(AccountId, String)>, proved: Option<Proved> },
    /// The exchange is over, and they are in.
    In((AccountId, String)),
    /// The exchange is over.
    Failed(Failure),
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
    ScramEnd((AccountId, String)),
}

/// A right proof, and what the server proves itself with once it may.
#[derive(Debug)]
pub(super) struct Proved(String);

impl Proved {
    /// They were let in: what the server says last of its own.
    pub(super) fn entered(self, who: (AccountId, String)) -> Turn {
        Turn::Challenge(self.0.into_bytes(), Exchange(Step::ScramEnd(who)))
    }
}

impl Exchange {
    /// Begins, with what the client sent along.
    pub(super) fn begin(mechanism: Mechanism, initial: Option<&[u8]>) -> Turn {
        let (step, challenge) = match mechanism {
            Mechanism::Plain => (Step::Plain, &b""[..]),
            Mechanism::Login => (Step::LoginName, Login::CHALLENGE),
            Mechanism::ScramSha256 => (Step::ScramFirst, &b""[..]),
        };
        match initial {
            Some(initial) => Exchange(step).answer(initial),
            None => Turn::Challenge(challenge.to_vec(), Exchange(step)),
        }
    }

    /// What the client answered, decoded.
    pub(super) fn answer(self, response: &[u8]) -> Turn {
        match self.0 {
            Step::Plain => plain(response).map_or_else(Turn::Failed, Turn::Password),
            Step::LoginName => match Login.name(response) {
                Ok(name) => Turn::Challenge(LoginName::CHALLENGE.to_vec(), Exchange(Step::LoginPassword(name))),
                Err(failure) => Turn::Failed(failure),
            },
            Step::LoginPassword(name) => name.password(response).map_or_else(Turn::Failed, Turn::Password),
            Step::ScramFirst => match ClientFirst::parse(response) {
                Ok(client) => Turn::Keys(client.identity().to_owned(), Exchange(Step::ScramKeys(client))),
                Err(failure) => Turn::Failed(failure),
            },
            Step::ScramProof { user, account, server } => match (server.finish(response), account) {
                (Ok(last), account @ Some(_)) => Turn::Over { user, account, proved: Some(Proved(last)) },
                (Err(failure @ (Failure::Malformed(_) | Failure::Unsupported(_))), _) => Turn::Failed(failure),
                (Ok(_) | Err(Failure::Denied), _) => Turn::Over { user, account: None, proved: None },
            },
            Step::ScramEnd(who) => Turn::In(who),
            Step::ScramKeys(_) => Turn::Failed(Failure::Malformed("Nothing is expected now")),
        }
    }

    /// The keys of who wants in by SCRAM; fake ones, and no account, for who does not exist.
    pub(super) fn keys(self, account: Option<(AccountId, String)>, keys: ScramKeys, random: &[u8; 18]) -> Turn {
        let Step::ScramKeys(client) = self.0 else {
            return Turn::Failed(Failure::Malformed("No keys are expected now"));
        };
        let user = client.identity().to_owned();
        let (server, challenge) = client.challenge(keys, random);
        let step = Step::ScramProof { user, account, server: Box::new(server) };
        Turn::Challenge(challenge.into_bytes(), Exchange(step))
    }
}

/// Why a log-in was turned away, in a word for the log: the password would have travelled in plain text,
pub(super) const NO_TLS: &str = "no-tls";
/// or the mechanism is none of ours.
pub(super) const NOT_OFFERED: &str = "not-offered";

/// The same for an exchange that did not keep to its mechanism.
pub(super) fn why(failure: &Failure) -> &'static str {
    match failure {
        Failure::Malformed(_) => "malformed",
        Failure::Unsupported(_) => NOT_OFFERED,
        Failure::Denied => "wrong-password",
    }
}
