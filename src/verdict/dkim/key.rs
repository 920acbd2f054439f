//! The keys that we sign with: how they are made, kept, and published.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use std::fmt;

use super::{der, rsa};

/// What a signature is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with 2048 bits, which everybody verifies (RFC 8301 §3.2).
    Rsa,
    /// Ed25519, short and quick (RFC 8463).
    Ed25519,
}

/// A key of a domain.
pub struct Key {
    domain: String,
    selector: String,
    private: Private,
    /// PKCS#8.
    stored: Vec<u8>,
}

enum Private {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// What the domain's owner puts into the DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsRecord {
    /// The name of the TXT record, without a dot at its end.
    pub name: String,
    /// Its text. What is longer than 255 octets is published in several strings that are read as one.
    pub text: String,
}

/// A key cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// There is no randomness, or no prime was found in it.
    Random,
    /// What was stored is no key that we can sign with.
    Stored,
    /// The domain or the selector is no name.
    Name,
}

impl Algorithm {
    /// As it is called in signatures (`a=`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Rsa => "rsa-sha256",
            Algorithm::Ed25519 => "ed25519-sha256",
        }
    }
}

impl Key {
    /// Makes a key. An RSA key takes from one second to some tens of seconds, depending on the machine and on luck.
    pub fn generate(algorithm: Algorithm, domain: &str, selector: &str) -> Result<Key, KeyError> {
        let random = SystemRandom::new();
        let stored = match algorithm {
            Algorithm::Rsa => rsa::generate(&random)?,
            Algorithm::Ed25519 => {
                Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| KeyError::Random)?.as_ref().to_vec()
            }
        };
        Key::from_pkcs8(domain, selector, &stored)
    }

    /// The key that was stored so (PKCS#8 in DER).
    pub fn from_pkcs8(domain: &str, selector: &str, stored: &[u8]) -> Result<Key, KeyError> {
        if !is_name(domain) || !is_name(selector) {
            return Err(KeyError::Name);
        }
        let private = match Ed25519KeyPair::from_pkcs8_maybe_unchecked(stored) {
            Ok(pair) => Private::Ed25519(pair),
            Err(_) => Private::Rsa(Box::new(RsaKeyPair::from_pkcs8(stored).map_err(|_| KeyError::Stored)?)),
        };
        let (domain, selector) = (domain.to_ascii_lowercase(), selector.to_ascii_lowercase());
        Ok(Key { domain, selector, private, stored: stored.to_vec() })
    }

    /// The key in a PEM file (`BEGIN PRIVATE KEY`).
    pub fn from_pem(domain: &str, selector: &str, pem: &str) -> Result<Key, KeyError> {
        let body = pem.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).ok_or(KeyError::Stored)?.0;
        let body: String = body.split_ascii_whitespace().collect();
        let stored = STANDARD.decode(body).map_err(|_| KeyError::Stored)?;
        Key::from_pkcs8(domain, selector, &stored)
    }

    /// As it is stored: PKCS#8 in DER. It is a secret.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.stored
    }

    /// As a PEM file. It is a secret.
    #[must_use]
    pub fn pem(&self) -> String {
        let mut pem = format!("{BEGIN}\n");
        let body = STANDARD.encode(&self.stored);
        for line in body.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem + END + "\n"
    }

    /// The domain that it signs for, in small letters.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The name of the key among the domain's.
    #[must_use]
    pub fn selector(&self) -> &str {
        &self.selector
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.private {
            Private::Rsa(_) => Algorithm::Rsa,
            Private::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// What is to be published, so that others can verify (RFC 6376 §3.6.1, RFC 8463 §4).
    #[must_use]
    pub fn dns_record(&self) -> DnsRecord {
        let (kind, public) = match &self.private {
            Private::Rsa(pair) => ("rsa", der::subject_public_key_info(pair.public_key().as_ref())),
            Private::Ed25519(pair) => ("ed25519", pair.public_key().as_ref().to_vec()),
        };
        DnsRecord {
            name: format!("{}._domainkey.{}", self.selector, self.domain),
            text: format!("v=DKIM1; k={kind}; p={}", STANDARD.encode(public)),
        }
    }

    /// Signs what a header hash is made of; `digest` is its SHA-256, which Ed25519 signs instead (RFC 8463 §3).
    pub(super) fn sign(&self, data: &[u8], digest: &[u8]) -> Option<Vec<u8>> {
        match &self.private {
            Private::Ed25519(pair) => Some(pair.sign(digest).as_ref().to_vec()),
            Private::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// Letters, digits, hyphens and underscores between dots.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
    };
    name.len() <= 253 && name.split('.').all(label)
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("domain", &self.domain).field("selector", &self.selector).finish_non_exhaustive()
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyError::Random => "the machine has no randomness for a key",
            KeyError::Stored => "this is no key that mail can be signed with",
            KeyError::Name => "the domain or the selector is no name",
        })
    }
}

impl std::error::Error for KeyError {}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
