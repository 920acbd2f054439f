//! SCRAM-SHA-256: what the server keeps of a password (RFC 5802 §3, RFC 7677), and what it shows for nobody's.

use crate::store::Credentials;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

/// Enough to prove a client and to be proved to it, nothing to log in with.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// Random, one per password.
    pub salt: [u8; 16],
    /// Rounds of PBKDF2.
    pub iterations: NonZeroU32,
    /// `StoredKey`
    pub stored_key: [u8; 32],
    /// `ServerKey`
    pub server_key: [u8; 32],
}

/// RFC 7677 §4 asks for 4096 at least. The client pays them at each log-in: a phone in some 10 ms.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(10_000).expect("not zero");

impl ScramKeys {
    /// The keys of a prepared password.
    pub(super) fn derive(password: &[u8], salt: [u8; 16]) -> ScramKeys {
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, password, &mut salted);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        ScramKeys {
            salt,
            iterations: ITERATIONS,
            stored_key: array(digest::digest(&digest::SHA256, client_key.as_ref()).as_ref()),
            server_key: array(hmac::sign(&key, b"Server Key").as_ref()),
        }
    }

    /// As stored; `None` where no password was ever set.
    pub(super) fn of(credentials: &Credentials) -> Option<ScramKeys> {
        Some(ScramKeys {
            salt: credentials.scram_salt.as_slice().try_into().ok()?,
            iterations: NonZeroU32::new(credentials.scram_iterations)?,
            stored_key: credentials.scram_stored.as_slice().try_into().ok()?,
            server_key: credentials.scram_server.as_slice().try_into().ok()?,
        })
    }

    /// Keys that no password has, the same for the same name: the exchange does not tell who exists.
    pub(super) fn fake(secret: &hmac::Key, name: &str) -> ScramKeys {
        let of = |what: &[u8]| {
            let mut context = hmac::Context::with_key(secret);
            context.update(what);
            context.update(name.as_bytes());
            array::<32>(context.sign().as_ref())
        };
        ScramKeys {
            salt: array(&of(b"salt\0")),
            iterations: ITERATIONS,
            stored_key: of(b"stored\0"),
            server_key: of(b"server\0"),
        }
    }
}

impl std::fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScramKeys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

fn array<const N: usize>(octets: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    array
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fall over")]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    /// The client's side of RFC 5802 §3, from the password.
    fn client_proves(keys: &ScramKeys, password: &[u8], exchange: &[u8]) -> bool {
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, keys.iterations, &keys.salt, password, &mut salted);
        let client_key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salted), b"Client Key");
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &keys.stored_key), exchange);
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        let recovered: Vec<u8> = proof.iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        digest::digest(&digest::SHA256, &recovered).as_ref() == keys.stored_key
    }

    #[test]
    fn the_keys_prove_the_password_and_no_other() {
        let keys = ScramKeys::derive(b"pencil", [7; 16]);
        assert!(client_proves(&keys, b"pencil", b"exchange"));
        assert!(!client_proves(&keys, b"pencils", b"exchange"));
    }

    #[test]
    fn the_server_signs_as_in_the_example_of_rfc_7677() {
        // RFC 7677 §3 has 4096 rounds: the keys are made here step by step, then signed as the example does.
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let mut salted = [0; 32];
        let rounds = NonZeroU32::new(4096).unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, b"pencil", &mut salted);
        let server_key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salted), b"Server Key");
        let exchange = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, server_key.as_ref()), exchange.as_bytes());
        assert_eq!(STANDARD.encode(signature.as_ref()), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn nobodys_keys_are_stable_and_differ_by_name() {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        assert!(ScramKeys::fake(&secret, "a") == ScramKeys::fake(&secret, "a"));
        assert!(ScramKeys::fake(&secret, "a").salt != ScramKeys::fake(&secret, "b").salt);
    }
}
