//! What a client is answered. Text is ASCII, as every client can show it.

use crate::mail::UniqueId;
use crate::wire::Out;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A response code (RFC 2449 §8): what a program, not a person, makes of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Another session has the maildrop (RFC 2449 §8.1.2).
    InUse,
    /// The last log-in was too short ago (RFC 2449 §8.1.1).
    LoginDelay,
    /// Wrong name or password (RFC 3206 §4).
    Auth,
    /// Something is out of order that may be in order later (RFC 3206 §3),
    SysTemp,
    /// and that stays as it is.
    SysPerm,
}

impl Code {
    fn text(self) -> &'static str {
        match self {
            Code::InUse => "IN-USE",
            Code::LoginDelay => "LOGIN-DELAY",
            Code::Auth => "AUTH",
            Code::SysTemp => "SYS/TEMP",
            Code::SysPerm => "SYS/PERM",
        }
    }
}

/// `+OK`
pub fn ok(out: &mut Out, text: &str) {
    out.put(b"+OK ");
    line(out, text);
}

/// `-ERR`
pub fn err(out: &mut Out, code: Option<Code>, text: &str) {
    out.put(b"-ERR ");
    if let Some(code) = code {
        out.byte(b'[');
        out.put(code.text().as_bytes());
        out.put(b"] ");
    }
    line(out, text);
}

/// `+ ` and a challenge in base64 (RFC 5034 §4).
pub fn challenge(out: &mut Out, challenge: &[u8]) {
    out.put(b"+ ");
    line(out, &STANDARD.encode(challenge));
}

/// A line of a reply that has several; none of ours begins with a dot.
pub fn line(out: &mut Out, text: &str) {
    out.put(text.as_bytes());
    out.put(b"\r\n");
}

/// The end of a reply that has several lines.
pub fn end(out: &mut Out) {
    out.put(b".\r\n");
}

/// `+OK 2 320`: STAT (RFC 1939 §5).
pub fn drop_listing(out: &mut Out, messages: u32, octets: u64) {
    out.put(b"+OK ");
    numbers(out, messages, octets);
}

/// `1 120`: a message's number and its octets.
pub fn scan_listing(out: &mut Out, number: u32, octets: u64) {
    numbers(out, number, octets);
}

/// `1 00f1…`: a message's number and its name.
pub fn unique_id_listing(out: &mut Out, number: u32, unique: UniqueId) {
    out.number(number);
    out.byte(b' ');
    line(out, &unique.to_string());
}

fn numbers(out: &mut Out, first: u32, second: u64) {
    out.number(first);
    out.byte(b' ');
    out.number(second);
    out.put(b"\r\n");
}
