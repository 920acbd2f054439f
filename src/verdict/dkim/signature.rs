//! A `DKIM-Signature` field, read (RFC 6376 §3.5).

use super::super::tags::Tags;
use super::canonical::Canon;
use super::verify::{DkimResult, Trouble};
use crate::dns::to_ascii;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Fields that one signature names: what it says is done as often as it says.
const FIELDS: usize = 256;

/// What others encode: some leave out the padding, or bits behind the end.
pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a signature is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    RsaSha256,
    Ed25519Sha256,
}

/// What a signature says.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub(super) method: Method,
    pub(super) made: Vec<u8>,
    pub(super) body_hash: Vec<u8>,
    pub(super) header_canon: Canon,
    pub(super) body_canon: Canon,
    pub(super) fields: Vec<String>,
    /// Octets of the body that are signed, if not all.
    pub(super) length: Option<u64>,
    /// Whether it may be signed by a key that is not for domains below its own.
    pub(super) is_of_domain_itself: bool,
}

/// What is told about a signature, whatever comes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) domain: String,
    pub(super) identity: String,
    pub(super) selector: String,
    pub(super) method: String,
    /// The begin of `b=`, by which it is told from others of the same domain (RFC 6008).
    pub(super) begin: String,
}

const fn neutral(why: &'static str) -> Trouble {
    Trouble { result: DkimResult::Neutral, why }
}

const fn permanent(why: &'static str) -> Trouble {
    Trouble { result: DkimResult::PermError, why }
}

impl Named {
    pub(super) fn read(tags: &Tags) -> Named {
        let of = |name| tags.compact(name).unwrap_or_default();
        let domain = to_ascii(&of("d")).to_ascii_lowercase();
        let identity = tags.compact("i").unwrap_or_else(|| format!("@{domain}"));
        let begin = of("b").chars().take(8).collect();
        Named {
            domain,
            identity,
            selector: to_ascii(&of("s")).to_ascii_lowercase(),
            method: of("a").to_lowercase(),
            begin,
        }
    }
}

impl Signature {
    /// What has to be so before a key is looked up (RFC 6376 §6.1.1).
    pub(super) fn read(tags: &Tags, named: &Named, now: i64) -> Result<Signature, Trouble> {
        if tags.find("v") != Some("1") {
            return Err(neutral("not of version 1"));
        }
        for name in ["a", "b", "bh", "d", "h", "s"] {
            if tags.find(name).is_none_or(str::is_empty) {
                return Err(permanent("a tag is missing"));
            }
        }
        let method = match named.method.as_str() {
            "rsa-sha256" => Method::RsaSha256,
            "ed25519-sha256" => Method::Ed25519Sha256,
            // RFC 8301 §3.1.
            "rsa-sha1" => return Err(permanent("SHA-1 is not trusted")),
            _ => return Err(neutral("an unknown algorithm")),
        };
        let decode = |name| tags.compact(name).and_then(|text| LENIENT.decode(text).ok());
        let (Some(made), Some(body_hash)) = (decode("b"), decode("bh")) else {
            return Err(neutral("not in base64"));
        };
        let (header_canon, body_canon) =
            canons(tags.find("c").unwrap_or("simple")).ok_or(neutral("an unknown form"))?;
        let mut fields: Vec<String> =
            tags.compact("h").unwrap_or_default().split(':').map(str::to_ascii_lowercase).collect();
        if fields.len() > FIELDS || fields.iter().any(String::is_empty) {
            return Err(neutral("no list of fields"));
        }
        if !fields.iter().any(|name| name == "from") {
            return Err(permanent("the From field is not signed"));
        }
        // RFC 6376 §8.15: another From field, put above the one that was signed, would be the one that people see.
        fields.push("from".to_owned());
        let (_, of) = named.identity.rsplit_once('@').ok_or(neutral("no identity"))?;
        let of = &*to_ascii(of);
        let is_of_domain_itself = of.eq_ignore_ascii_case(&named.domain);
        if !is_of_domain_itself && !is_below(of, &named.domain) {
            return Err(permanent("the identity is not of the domain"));
        }
        if let Some(methods) = tags.compact("q")
            && !methods.split(':').any(|method| method.eq_ignore_ascii_case("dns/txt"))
        {
            return Err(neutral("an unknown way to its key"));
        }
        let number = |name| match tags.find(name) {
            None => Ok(None),
            Some(text) => number(text).map(Some).ok_or(neutral("no number")),
        };
        let (length, begins, ends) = (number("l")?, number("t")?, number("x")?);
        if let Some(ends) = ends {
            if begins.is_some_and(|begins| begins >= ends) {
                return Err(neutral("it ends before it is made"));
            }
            if u64::try_from(now).is_ok_and(|now| now > ends) {
                return Err(permanent("it is no longer good"));
            }
        }
        Ok(Signature { method, made, body_hash, header_canon, body_canon, fields, length, is_of_domain_itself })
    }
}

/// `sig-c-tag-alg [ "/" sig-c-tag-alg ]`
fn canons(text: &str) -> Option<(Canon, Canon)> {
    let one = |text: &str| match text.to_ascii_lowercase().as_str() {
        "simple" => Some(Canon::Simple),
        "relaxed" => Some(Canon::Relaxed),
        _ => None,
    };
    match text.split_once('/') {
        Some((header, body)) => Some((one(header.trim_ascii())?, one(body.trim_ascii())?)),
        None => Some((one(text)?, Canon::Simple)),
    }
}

/// `1*76DIGIT`; one that is too large for us is as large as can be.
fn number(text: &str) -> Option<u64> {
    let is_one = (1..=76).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    is_one.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Whether a name is below a domain.
fn is_below(name: &str, domain: &str) -> bool {
    let (name, domain) = (name.to_lowercase(), domain.to_lowercase());
    name.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'))
}
