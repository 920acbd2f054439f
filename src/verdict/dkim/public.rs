//! A key as its domain publishes it (RFC 6376 §3.6.1, RFC 8463 §4).

use super::super::tags::Tags;
use super::der;
use super::signature::{LENIENT, Method, Signature};
use super::verify::{DkimResult, Trouble};
use base64::Engine;
use ring::digest::{SHA256, digest};
use ring::signature::{
    ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RsaPublicKeyComponents, UnparsedPublicKey,
};

/// Bits of an RSA key (RFC 8301 §3.2): a shorter one proves nothing.
const RSA_BITS: usize = 1024;
/// More than this, no one has.
const RSA_BITS_MOST: usize = 8192;

/// A published key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicKey {
    method: Method,
    octets: Vec<u8>,
    /// The domain only tries it out (`t=y`).
    pub(super) is_test: bool,
}

fn permanent<T>(why: &'static str) -> Result<T, Trouble> {
    Err(Trouble { result: DkimResult::PermError, why })
}

impl PublicKey {
    /// The key in a record, if this signature may be made with it (RFC 6376 §6.1.2).
    pub(super) fn read(record: &[u8], signature: &Signature) -> Result<PublicKey, Trouble> {
        let Some(tags) = std::str::from_utf8(record).ok().and_then(Tags::parse) else {
            return permanent("its key cannot be read");
        };
        if tags.find("v").is_some() && tags.first() != Some(("v", "DKIM1")) {
            return permanent("its key is of an unknown version");
        }
        let list = |name| tags.compact(name);
        if list("h").is_some_and(|hashes| !hashes.split(':').any(|hash| hash.eq_ignore_ascii_case("sha256"))) {
            return permanent("its key is not for this hash");
        }
        let method = match list("k").unwrap_or_else(|| "rsa".to_owned()).to_ascii_lowercase().as_str() {
            "rsa" => Method::RsaSha256,
            "ed25519" => Method::Ed25519Sha256,
            _ => return permanent("its key is of an unknown kind"),
        };
        if method != signature.method {
            return permanent("its key is of another kind");
        }
        if list("s").is_some_and(|of| !of.split(':').any(|of| of == "*" || of.eq_ignore_ascii_case("email"))) {
            return permanent("its key is not for mail");
        }
        let flags = list("t").unwrap_or_default();
        let has = |flag: &str| flags.split(':').any(|one| one.eq_ignore_ascii_case(flag));
        if has("s") && !signature.is_of_domain_itself {
            return permanent("its key is for the domain itself only");
        }
        let Some(text) = list("p") else { return permanent("its key is missing") };
        if text.is_empty() {
            return permanent("its key is revoked");
        }
        let Ok(octets) = LENIENT.decode(text) else { return permanent("its key cannot be read") };
        Ok(PublicKey { method, octets, is_test: has("y") })
    }

    /// Whether a signature over these octets is right.
    pub(super) fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), Trouble> {
        let is_right = match self.method {
            Method::Ed25519Sha256 => {
                // RFC 8463 §3: what is signed is the hash.
                UnparsedPublicKey::new(&ED25519, &self.octets).verify(digest(&SHA256, data).as_ref(), signature).is_ok()
            }
            Method::RsaSha256 => {
                let Some((n, e)) = der::rsa_public_key(&self.octets) else {
                    return permanent("its key cannot be read");
                };
                match bits(n) {
                    ..RSA_BITS => return permanent("its key is too short"),
                    RSA_BITS..=RSA_BITS_MOST => {}
                    _ => return permanent("its key is too long"),
                }
                RsaPublicKeyComponents { n, e }
                    .verify(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, data, signature)
                    .is_ok()
            }
        };
        if is_right { Ok(()) } else { Err(Trouble { result: DkimResult::Fail, why: "the signature is wrong" }) }
    }
}

/// Bits of a number without leading zeroes.
fn bits(number: &[u8]) -> usize {
    let high = number.first().map_or(0, |high| high.leading_zeros() as usize);
    number.len() * 8 - high
}
