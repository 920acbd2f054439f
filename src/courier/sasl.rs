//! Logging in at another server: the client's side of SASL (RFC 4422). Randomness is an argument.

use crate::wire::sasl::{Mechanism, prepare};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

/// Octets of a SHA-256.
const HASH: usize = digest::SHA256_OUTPUT_LEN;
/// Rounds of PBKDF2 that a server may ask of us: providers ask for 4,096 to 100,000. One that asks for more wants our
/// time, not our password.
const ROUNDS: u32 = 1_000_000;

/// One log-in.
pub struct Exchange {
    user: String,
    password: String,
    state: State,
}

enum State {
    Plain,
    LoginName,
    LoginPassword,
    ScramFirst {
        bare: String,
        nonce: String,
    },
    ScramFinal {
        expected: String,
    },
    /// There is nothing more to say.
    Said,
}

impl Exchange {
    /// Begins to log in. `nonce`: random, never used before.
    #[must_use]
    pub fn new(mechanism: Mechanism, user: &str, password: &str, nonce: [u8; 18]) -> Exchange {
        let state = match mechanism {
            Mechanism::Plain => State::Plain,
            Mechanism::Login => State::LoginName,
            Mechanism::ScramSha256 => {
                let name = prepare(user).replace('=', "=3D").replace(',', "=2C");
                let nonce = STANDARD.encode(nonce);
                State::ScramFirst { bare: format!("n={name},r={nonce}"), nonce }
            }
        };
        Exchange { user: user.to_owned(), password: password.to_owned(), state }
    }

    /// What is said before anything was asked, where the mechanism has such a thing.
    #[must_use]
    pub fn initial(&mut self) -> Option<Vec<u8>> {
        match &self.state {
            State::Plain => {
                self.state = State::Said;
                Some(format!("\0{}\0{}", self.user, self.password).into_bytes())
            }
            State::ScramFirst { bare, .. } => Some(format!("n,,{bare}").into_bytes()),
            _ => None,
        }
    }

    /// What is said to what was asked; the error tells why nothing can be.
    pub fn answer(&mut self, asked: &[u8]) -> Result<Vec<u8>, &'static str> {
        match &self.state {
            State::Plain => self.initial().ok_or("the server asks for more than it may"),
            State::LoginName => {
                self.state = State::LoginPassword;
                Ok(self.user.clone().into_bytes())
            }
            State::LoginPassword => {
                self.state = State::Said;
                Ok(self.password.clone().into_bytes())
            }
            // Where it was not said with the command.
            State::ScramFirst { bare, .. } if asked.is_empty() => Ok(format!("n,,{bare}").into_bytes()),
            State::ScramFirst { bare, nonce } => {
                let (answer, expected) =
                    prove(bare, nonce, &self.password, asked).ok_or("the server's SCRAM cannot be understood")?;
                self.state = State::ScramFinal { expected };
                Ok(answer.into_bytes())
            }
            State::ScramFinal { expected } => {
                // Who does not know the password is not who we meant (RFC 5802 §3).
                if asked != expected.as_bytes() {
                    return Err("the server does not know the password itself");
                }
                self.state = State::Said;
                Ok(Vec::new())
            }
            State::Said => Err("the server asks for more than it may"),
        }
    }

    /// Whether a server that now says that we are in can be believed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Said)
    }
}

/// The proof of a password, and what a server says that knows it (RFC 5802 §3).
fn prove(bare: &str, nonce: &str, password: &str, asked: &[u8]) -> Option<(String, String)> {
    let asked = std::str::from_utf8(asked).ok()?;
    let mut fields = asked.split(',');
    let both = fields.next()?.strip_prefix("r=")?;
    let salt = STANDARD.decode(fields.next()?.strip_prefix("s=")?).ok()?;
    let rounds: u32 = fields.next()?.strip_prefix("i=")?.parse().ok()?;
    let rounds = NonZeroU32::new(rounds).filter(|rounds| rounds.get() <= ROUNDS)?;
    if !both.starts_with(nonce) || both.len() == nonce.len() {
        return None;
    }
    let mut salted = [0; HASH];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, prepare(password).as_bytes(), &mut salted);
    let mut proof = mac(&salted, b"Client Key");
    let without_proof = format!("c=biws,r={both}");
    let exchange = format!("{bare},{asked},{without_proof}");
    let stored = digest::digest(&digest::SHA256, &proof);
    let signature = mac(stored.as_ref(), exchange.as_bytes());
    proof.iter_mut().zip(signature).for_each(|(key, signature)| *key ^= signature);
    let server = mac(&mac(&salted, b"Server Key"), exchange.as_bytes());
    Some((format!("{without_proof},p={}", STANDARD.encode(proof)), format!("v={}", STANDARD.encode(server))))
}

fn mac(key: &[u8], message: &[u8]) -> [u8; HASH] {
    let mut array = [0; HASH];
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    array.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    array
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sasl::{ClientFirst, ScramKeys};

    #[test]
    fn the_example_of_rfc_7677_is_proven_as_it_says() {
        let bare = "n=user,r=rOprNGfwEbeRWgbNEkqO";
        let first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (proof, expected) = prove(bare, "rOprNGfwEbeRWgbNEkqO", "pencil", first).unwrap();
        assert_eq!(
            proof,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(expected, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn our_own_server_lets_us_in_and_is_believed_only_with_its_proof() {
        let rounds = NonZeroU32::new(4_096).unwrap();
        for (theirs, is_right) in [("péncil", true), ("pencil", false)] {
            let mut exchange = Exchange::new(Mechanism::ScramSha256, "an,n=x", "péncil", [7; 18]);
            let first = exchange.initial().unwrap();
            let first = ClientFirst::parse(&first).unwrap();
            assert_eq!(first.identity(), "an,n=x");
            let (server, challenge) = first.challenge(ScramKeys::derive(theirs, [3; 16], rounds), &[9; 18]);
            let proof = exchange.answer(challenge.as_bytes()).unwrap();
            assert!(!exchange.is_over());
            let said = server.finish(&proof);
            assert_eq!(said.is_ok(), is_right);
            let said = said.unwrap_or_else(|_| "v=AAAA".to_owned());
            assert_eq!(exchange.answer(said.as_bytes()).is_ok(), is_right);
            assert_eq!(exchange.is_over(), is_right);
        }
    }

    #[test]
    fn plain_and_login_say_name_and_password() {
        let mut plain = Exchange::new(Mechanism::Plain, "ann", "pass", [0; 18]);
        assert_eq!(plain.initial().as_deref(), Some(&b"\0ann\0pass"[..]));
        assert!(plain.is_over() && plain.answer(b"").is_err());
        let mut login = Exchange::new(Mechanism::Login, "ann", "pass", [0; 18]);
        assert_eq!(login.initial(), None);
        assert_eq!(login.answer(b"Username:").as_deref(), Ok(&b"ann"[..]));
        assert_eq!(login.answer(b"Password:").as_deref(), Ok(&b"pass"[..]));
        assert!(login.is_over() && login.answer(b"").is_err());
    }

    #[test]
    fn a_server_s_broken_challenge_is_no_reason_to_say_anything() {
        let ours = STANDARD.encode([7; 18]);
        for broken in [
            "r=x".to_owned(),
            format!("r={ours},s=AA==,i=4096"),
            format!("r={ours}x,s=AA==,i=0"),
            format!("r={ours}x,s=AA==,i=99999999"),
            format!("r={ours}x,s=?,i=4096"),
            "e=other-error".to_owned(),
            "r=other,s=AA==,i=4096".to_owned(),
        ] {
            let mut exchange = Exchange::new(Mechanism::ScramSha256, "ann", "pass", [7; 18]);
            assert!(exchange.initial().is_some());
            assert!(exchange.answer(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
