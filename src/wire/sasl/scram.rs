//! SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding.
//!
//! A type per step, each consumed by the next: [`ClientFirst`] → [`ServerFirst`] → done.

use super::{Failure, prepare, text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

/// Octets of a SHA-256.
const HASH: usize = digest::SHA256_OUTPUT_LEN;

/// Octets of a nonce that we read: clients use under 50.
const NONCE: usize = 256;

/// What the server keeps of a password for SCRAM (RFC 5802 §3): it proves a client, but does not serve to be one.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// Random, one per password.
    pub salt: [u8; 16],
    /// Rounds of PBKDF2.
    pub iterations: NonZeroU32,
    /// H(ClientKey).
    pub stored_key: [u8; HASH],
    /// Proves the server to the client.
    pub server_key: [u8; HASH],
}

/// The client's first message: who it is.
#[derive(Clone, Debug)]
pub struct ClientFirst {
    identity: String,
    /// `n,,` or `y,,` with an authzid: comes back in `c=`.
    gs2_header: String,
    bare: String,
    nonce: String,
}

/// After the server's first message: the client is to prove itself.
#[derive(Clone)]
pub struct ServerFirst {
    keys: ScramKeys,
    gs2_header: String,
    /// client-first-message-bare "," server-first-message
    exchange: String,
    nonce: String,
}

impl ScramKeys {
    /// The keys of a password, which is prepared here. Slow, and meant to be: `iterations` rounds.
    #[must_use]
    pub fn derive(password: &str, salt: [u8; 16], iterations: NonZeroU32) -> ScramKeys {
        let mut salted = [0; HASH];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, prepare(password).as_bytes(), &mut salted);
        let client_key = mac(&salted, b"Client Key");
        ScramKeys { salt, iterations, stored_key: hash(&client_key), server_key: mac(&salted, b"Server Key") }
    }

    /// Keys for a name that nobody has: they deny every proof, and as they are always the same for the same name (while
    /// `secret` is), the exchange does not tell who exists.
    #[must_use]
    pub fn fake(identity: &str, secret: &[u8; 32], iterations: NonZeroU32) -> ScramKeys {
        let of = |what: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let mut context = hmac::Context::with_key(&key);
            context.update(what);
            context.update(identity.as_bytes());
            array(context.sign().as_ref())
        };
        let mut salt = [0; 16];
        salt.iter_mut().zip(of(b"salt:")).for_each(|(to, from)| *to = from);
        ScramKeys { salt, iterations, stored_key: of(b"stored key:"), server_key: of(b"server key:") }
    }
}

impl ClientFirst {
    /// ``client-first-message = gs2-header client-first-message-bare`` (RFC 5802 §7)
    pub fn parse(message: &[u8]) -> Result<ClientFirst, Failure> {
        let message = text(message)?;
        let broken = Failure::Malformed("The first message of SCRAM is broken");
        let mut fields = message.splitn(3, ',');
        let (Some(binding), Some(authzid), Some(bare)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(broken);
        };
        match binding {
            // The client can bind, but thinks that we cannot, and is right (RFC 5802 §6).
            "n" | "y" => {}
            _ if binding.starts_with("p=") => return Err(Failure::Unsupported("Channel binding is not supported")),
            _ => return Err(broken),
        }
        if bare.starts_with("m=") {
            return Err(Failure::Unsupported("An extension of SCRAM is not supported"));
        }
        // Extensions after the nonce are ignored (RFC 5802 §5.1).
        let mut fields = bare.split(',');
        let name = fields.next().and_then(|field| field.strip_prefix("n=")).ok_or(broken)?;
        let nonce = fields.next().and_then(|field| field.strip_prefix("r=")).ok_or(broken)?;
        let identity = saslname(name).filter(|name| !name.is_empty()).ok_or(broken)?;
        if nonce.is_empty() || nonce.len() > NONCE || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(broken);
        }
        if !authzid.is_empty() {
            let authzid = authzid.strip_prefix("a=").and_then(saslname).ok_or(broken)?;
            if authzid != identity {
                return Err(Failure::Unsupported("Nobody can act as somebody else here"));
            }
        }
        Ok(ClientFirst {
            identity: prepare(&identity).into_owned(),
            gs2_header: format!("{binding},{authzid},"),
            bare: bare.to_owned(),
            nonce: nonce.to_owned(),
        })
    }

    /// The name of the account whose keys are needed; [`ScramKeys::fake`] has some for names that nobody has.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The server's first message. `random` must never have been used before.
    ///
    /// ``server-first-message = nonce "," salt "," iteration-count``
    #[must_use]
    pub fn challenge(self, keys: ScramKeys, random: &[u8; 18]) -> (ServerFirst, String) {
        self.challenge_with(keys, &STANDARD.encode(random))
    }

    fn challenge_with(self, keys: ScramKeys, server_nonce: &str) -> (ServerFirst, String) {
        let nonce = format!("{}{server_nonce}", self.nonce);
        let message = format!("r={nonce},s={},i={}", STANDARD.encode(keys.salt), keys.iterations);
        let exchange = format!("{},{message}", self.bare);
        (ServerFirst { keys, gs2_header: self.gs2_header, exchange, nonce }, message)
    }
}

/// Without the keys.
impl std::fmt::Debug for ServerFirst {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerFirst")
    }
}

impl ServerFirst {
    /// Checks the client's proof; gives the server's final message, which proves the server.
    ///
    /// ``client-final-message = channel-binding "," nonce ["," extensions] "," proof``
    pub fn finish(self, message: &[u8]) -> Result<String, Failure> {
        let broken = Failure::Malformed("The last message of SCRAM is broken");
        let message = text(message)?;
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(broken)?;
        let mut fields = without_proof.split(',');
        let binding = fields.next().and_then(|field| field.strip_prefix("c=")).ok_or(broken)?;
        let nonce = fields.next().and_then(|field| field.strip_prefix("r=")).ok_or(broken)?;
        let proof: [u8; HASH] = STANDARD.decode(proof).ok().and_then(|proof| proof.try_into().ok()).ok_or(broken)?;
        if binding != STANDARD.encode(&self.gs2_header) || nonce != self.nonce {
            return Err(Failure::Denied);
        }
        let exchange = format!("{},{without_proof}", self.exchange);
        let signature = mac(&self.keys.stored_key, exchange.as_bytes());
        let mut client_key = proof;
        client_key.iter_mut().zip(signature).for_each(|(key, signature)| *key ^= signature);
        if !same(&hash(&client_key), &self.keys.stored_key) {
            return Err(Failure::Denied);
        }
        Ok(format!("v={}", STANDARD.encode(mac(&self.keys.server_key, exchange.as_bytes()))))
    }
}

/// ``saslname``: `=2C` is a comma, `=3D` an equals sign, and no other `=` may be (RFC 5802 §5.1).
fn saslname(name: &str) -> Option<String> {
    let mut pieces = name.split('=');
    let mut plain = pieces.next()?.to_owned();
    for piece in pieces {
        if let Some(rest) = piece.strip_prefix("2C") {
            plain.push(',');
            plain.push_str(rest);
        } else {
            plain.push('=');
            plain.push_str(piece.strip_prefix("3D")?);
        }
    }
    Some(plain)
}

/// Compares without telling by time where the difference is: ring does so for the signatures of the two.
fn same(a: &[u8; HASH], b: &[u8; HASH]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b);
    hmac::verify(&key, a, hmac::sign(&key, b).as_ref()).is_ok()
}

fn mac(key: &[u8], message: &[u8]) -> [u8; HASH] {
    array(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref())
}

fn hash(bytes: &[u8]) -> [u8; HASH] {
    array(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn array(bytes: &[u8]) -> [u8; HASH] {
    let mut array = [0; HASH];
    array.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 §3.
    const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn keys() -> ScramKeys {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        ScramKeys::derive("pencil", salt, NonZeroU32::new(4096).unwrap())
    }

    fn begun() -> ServerFirst {
        let first = ClientFirst::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!(first.identity(), "user");
        let (server, message) = first.challenge_with(keys(), SERVER_NONCE);
        assert_eq!(message, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        server
    }

    #[test]
    fn the_example_of_rfc_7677_succeeds() {
        let proof = begun().finish(FINAL.as_bytes());
        assert_eq!(proof.as_deref(), Ok("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    }

    #[test]
    fn a_wrong_proof_nonce_or_binding_is_denied() {
        for (right, wrong) in [("p=dHzb", "p=eHzb"), ("j)hN", "j)hM"), ("c=biws", "c=eSws")] {
            assert_eq!(begun().finish(FINAL.replace(right, wrong).as_bytes()), Err(Failure::Denied), "{wrong}");
        }
    }

    /// What a client sends that knows the password, and says `c=` and `r=` like this.
    fn signed(server: &ServerFirst, without_proof: &str) -> String {
        let mut salted = [0; HASH];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, keys().iterations, &keys().salt, b"pencil", &mut salted);
        let mut proof = mac(&salted, b"Client Key");
        let signature = mac(&hash(&proof), format!("{},{without_proof}", server.exchange).as_bytes());
        proof.iter_mut().zip(signature).for_each(|(key, signature)| *key ^= signature);
        format!("{without_proof},p={}", STANDARD.encode(proof))
    }

    #[test]
    fn a_right_proof_for_another_nonce_or_binding_is_denied() {
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let answer = |without_proof: String| {
            let server = begun();
            let message = signed(&server, &without_proof);
            server.finish(message.as_bytes())
        };
        assert!(answer(format!("c=biws,r={nonce}")).is_ok());
        assert!(answer(format!("c=biws,r={nonce},x=extension")).is_ok());
        assert_eq!(answer(format!("c=biws,r={nonce}x")), Err(Failure::Denied));
        assert_eq!(answer(format!("c=eSws,r={nonce}")), Err(Failure::Denied));
    }

    #[test]
    fn a_broken_last_message_is_malformed() {
        for message in ["", "c=biws", "c=biws,r=x", "c=biws,r=x,p=", "c=biws,r=x,p=AAAA", "r=x,c=biws,p=AAAA", "c=\0"] {
            assert!(matches!(begun().finish(message.as_bytes()), Err(Failure::Malformed(_))), "{message}");
        }
    }

    #[test]
    fn a_broken_first_message_is_malformed() {
        for message in [
            "",
            "n,,",
            "n,,n=user",
            "n,,r=abc,n=user",
            "x,,n=user,r=abc",
            "n,,n=,r=abc",
            "n,,n=us=er,r=abc",
            "n,,n=u,r=",
        ] {
            assert!(matches!(ClientFirst::parse(message.as_bytes()), Err(Failure::Malformed(_))), "{message}");
        }
    }

    #[test]
    fn binding_extensions_and_acting_as_somebody_else_are_not_supported() {
        for message in ["p=tls-unique,,n=user,r=abc", "n,,m=ext,n=user,r=abc", "n,a=bob,n=user,r=abc"] {
            assert!(matches!(ClientFirst::parse(message.as_bytes()), Err(Failure::Unsupported(_))), "{message}");
        }
        assert!(ClientFirst::parse(b"y,a=user,n=user,r=abc").is_ok());
    }

    #[test]
    fn escaped_names_are_read() {
        let first = ClientFirst::parse(b"n,,n=a=2Cb=3Dc,r=abc").unwrap();
        assert_eq!(first.identity(), "a,b=c");
    }

    #[test]
    fn a_name_that_nobody_has_is_denied_and_always_meets_the_same_salt() {
        let rounds = NonZeroU32::new(4096).unwrap();
        let fake = |name| ScramKeys::fake(name, &[7; 32], rounds);
        assert!(fake("ann") == fake("ann"));
        assert!(fake("ann").salt != fake("bob").salt);
        assert!(fake("ann").salt != ScramKeys::fake("ann", &[8; 32], rounds).salt);
        let (server, _) =
            ClientFirst::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap().challenge_with(fake("user"), SERVER_NONCE);
        assert_eq!(server.finish(FINAL.as_bytes()), Err(Failure::Denied));
    }
}
