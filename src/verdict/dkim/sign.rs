//! Signing what we send (RFC 6376 §5).

use super::super::head::Head;
use super::Key;
use super::canonical::{Body, Canon, field};
use crate::mail::header::{Field, fields};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use std::fmt::Write;
use std::sync::Arc;

/// Fields that are signed as often as they are there (RFC 6376 §5.4.1).
const SIGNED: [&str; 20] = [
    "from",
    "reply-to",
    "subject",
    "date",
    "to",
    "cc",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
    "content-language",
    "resent-date",
    "resent-from",
    "resent-to",
    "resent-cc",
    "list-unsubscribe",
    "list-unsubscribe-post",
];
/// Of these, another one that somebody puts there later breaks the signature (RFC 6376 §8.15).
const SEALED: [&str; 5] = ["from", "subject", "date", "to", "cc"];
/// Fields of one name that are signed: more are not written by anybody who means well.
const REPEATED: usize = 20;
/// Octets of a line of the field.
const LINE: usize = 76;

/// Signs one message that passes by in pieces.
#[derive(Debug)]
pub struct Signer {
    keys: Vec<Arc<Key>>,
    now: i64,
    head: Head,
    body: Body,
}

impl Signer {
    /// Begins to sign with each of these keys; `now` is in seconds since 1970.
    #[must_use]
    pub fn new(keys: Vec<Arc<Key>>, now: i64) -> Signer {
        Signer { keys, now, head: Head::default(), body: Body::new(Canon::Relaxed, None) }
    }

    /// The next octets of the message, whose lines end in CRLF.
    pub fn push(&mut self, octets: &[u8]) {
        let body = self.head.push(octets);
        self.body.push(body);
    }

    /// The message is complete: its `DKIM-Signature` fields, one for each key, with their line ends, to be put above it.
    /// Empty where there is nothing to sign with, and for what cannot be signed: a message without a From field, or with
    /// a header that is longer than one may be.
    #[must_use]
    pub fn finish(self) -> String {
        let Signer { keys, now, head, body } = self;
        let all: Vec<Field> = fields(head.octets()).collect();
        if head.is_too_long() || !all.iter().any(|field| field.name.eq_ignore_ascii_case(b"from")) {
            return String::new();
        }
        let (names, data) = signed(&all);
        let hash = STANDARD.encode(body.finish().0);
        keys.iter().filter_map(|key| signature(key, now, &names, &hash, &data)).collect()
    }
}

/// The names of what is signed, in order, and the octets that they stand for.
fn signed(all: &[Field]) -> (Vec<&'static str>, Vec<u8>) {
    let (mut names, mut data) = (Vec::new(), Vec::new());
    for name in SIGNED {
        // From below: who verifies takes them in this order (RFC 6376 §5.4.2).
        let of_it = all.iter().rev().filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes())).take(REPEATED);
        for one in of_it {
            field(Canon::Relaxed, one.name, one.whole, &mut data);
            names.push(name);
        }
        if SEALED.contains(&name) {
            names.push(name);
        }
    }
    (names, data)
}

/// The whole field.
fn signature(key: &Key, now: i64, names: &[&str], hash: &str, data: &[u8]) -> Option<String> {
    let mut text = format!(
        "DKIM-Signature: v=1; a={}; c=relaxed/relaxed;\r\n\td={};\r\n\ts={}; t={now};\r\n\th=",
        key.algorithm().name(),
        key.domain(),
        key.selector(),
    );
    let mut length = 0;
    for (at, name) in names.iter().enumerate() {
        if length + name.len() > LINE - 10 {
            text.push_str("\r\n\t ");
            length = 0;
        }
        let colon = if at + 1 < names.len() { ":" } else { ";" };
        length += name.len() + 1;
        let _ = write!(text, "{name}{colon}");
    }
    let _ = write!(text, "\r\n\tbh={hash};\r\n\tb=");
    let mut data = data.to_vec();
    field(Canon::Relaxed, b"dkim-signature", text.as_bytes(), &mut data);
    // The field that signs is hashed without its line end (RFC 6376 §3.7).
    data.truncate(data.len().saturating_sub(2));
    let signature = STANDARD.encode(key.sign(&data, digest(&SHA256, &data).as_ref())?);
    for (at, line) in signature.as_bytes().chunks(LINE - 4).enumerate() {
        if at > 0 {
            text.push_str("\r\n\t ");
        }
        text.push_str(&String::from_utf8_lossy(line));
    }
    text.push_str("\r\n");
    Some(text)
}
