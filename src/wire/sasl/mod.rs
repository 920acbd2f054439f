//! The server's side of SASL (RFC 4422): what a client says, what it is answered. Who is who, and whether a password
//! is right, is for others; randomness is an argument.

mod login;
mod plain;
mod prepare;
mod scram;

pub use login::{Login, LoginName};
pub use plain::plain;
pub use prepare::prepare;
pub use scram::{ClientFirst, ScramKeys, ServerFirst};

use crate::mail::limits;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// A mechanism that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// PLAIN (RFC 4616)
    Plain,
    /// LOGIN: never standardised, but the only one that some clients know
    Login,
    /// SCRAM-SHA-256 (RFC 5802, RFC 7677)
    ScramSha256,
}

/// Who a client says it is, and its proof.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The account's address, or what the client takes for it.
    pub identity: String,
    /// The password, as typed.
    pub password: String,
}

/// An exchange that cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The client broke the mechanism's grammar: BAD.
    Malformed(&'static str),
    /// The client asks to act as somebody else, or for channel binding, which we do not offer: NO.
    Unsupported(&'static str),
    /// The proof is wrong: NO, in the same words as for an unknown user.
    Denied,
}

/// A client's line in an exchange, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `*`: the client gives up (RFC 9051 §6.2.2).
    Cancelled,
    /// What it says.
    Response(Vec<u8>),
}

impl Mechanism {
    /// The mechanism of this name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Mechanism> {
        [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256]
            .into_iter()
            .find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// As it is announced.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
        }
    }
}

impl Answer {
    /// Reads a line without its line end: base64, bounded by `limits::SASL`.
    pub fn decode(line: &[u8]) -> Result<Answer, Failure> {
        if line == b"*" {
            return Ok(Answer::Cancelled);
        }
        if line.len() > limits::SASL.div_ceil(3) * 4 {
            return Err(Failure::Malformed("The answer is too long"));
        }
        let decoded = STANDARD.decode(line).map_err(|_| Failure::Malformed("The answer is not valid base64"))?;
        Ok(Answer::Response(decoded))
    }
}

/// Without the password: this ends up in logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Text of the client, which must be UTF-8 without NUL.
fn text(bytes: &[u8]) -> Result<String, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_| Failure::Malformed("The answer is not UTF-8"))?;
    if text.contains('\0') {
        return Err(Failure::Malformed("The answer holds NUL"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_base64_or_a_star() {
        assert_eq!(Answer::decode(b"*"), Ok(Answer::Cancelled));
        assert_eq!(Answer::decode(b"AGE="), Ok(Answer::Response(b"\0a".to_vec())));
        assert_eq!(Answer::decode(b""), Ok(Answer::Response(Vec::new())));
        for bad in [&b"="[..], b"AGE", b"A E=", b"**", b"\xff"] {
            assert!(matches!(Answer::decode(bad), Err(Failure::Malformed(_))));
        }
    }

    #[test]
    fn an_answer_past_the_bound_is_refused_before_it_is_decoded() {
        assert!(Answer::decode(&vec![b'A'; limits::SASL / 3 * 4]).is_ok());
        assert!(matches!(Answer::decode(&vec![b'A'; limits::SASL / 3 * 4 + 4]), Err(Failure::Malformed(_))));
    }

    #[test]
    fn a_mechanism_is_known_in_any_case() {
        assert_eq!(Mechanism::from_name("scram-sha-256"), Some(Mechanism::ScramSha256));
        assert_eq!(Mechanism::from_name("CRAM-MD5"), None);
    }

    #[test]
    fn a_password_is_never_shown() {
        let shown = format!("{:?}", Credentials { identity: "ann".into(), password: "s3cret".into() });
        assert!(shown.contains("ann") && !shown.contains("s3cret"));
    }
}
