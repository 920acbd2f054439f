//! Status responses and continuation requests.

use super::Code;
use crate::wire::Out;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How it went (RFC 9051 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Done, or just information.
    Ok,
    /// Refused.
    No,
    /// Not understood.
    Bad,
    /// The connection ends. Only untagged.
    Bye,
    /// Authenticated already. Only as the greeting.
    Preauth,
}

impl Condition {
    fn name(self) -> &'static [u8] {
        match self {
            Condition::Ok => b"OK ",
            Condition::No => b"NO ",
            Condition::Bad => b"BAD ",
            Condition::Bye => b"BYE ",
            Condition::Preauth => b"PREAUTH ",
        }
    }
}

/// `response-tagged = tag SP resp-cond-state CRLF`
pub fn tagged(out: &mut Out, tag: &str, condition: Condition, code: Option<Code<'_>>, text: &str) {
    out.put(tag.as_bytes());
    out.byte(b' ');
    response(out, condition, code, text);
}

/// `"*" SP (resp-cond-state / resp-cond-bye / resp-cond-auth) CRLF`
pub fn untagged(out: &mut Out, condition: Condition, code: Option<Code<'_>>, text: &str) {
    out.put(b"* ");
    response(out, condition, code, text);
}

/// `continue-req = "+" SP resp-text CRLF`
pub fn continuation(out: &mut Out, text: &str) {
    out.put(b"+ ");
    line_text(out, text);
    out.put(b"\r\n");
}

/// `continue-req = "+" SP base64 CRLF`: the next word of a SASL exchange
pub fn challenge(out: &mut Out, bytes: &[u8]) {
    out.put(b"+ ");
    out.put(STANDARD.encode(bytes).as_bytes());
    out.put(b"\r\n");
}

fn response(out: &mut Out, condition: Condition, code: Option<Code<'_>>, text: &str) {
    out.put(condition.name());
    if let Some(code) = code {
        code.write(out);
        out.byte(b' ');
    }
    line_text(out, text);
    out.put(b"\r\n");
}

/// `text = 1*TEXT-CHAR`. Whatever could end the line is a space, and what is not ASCII a question mark: before ENABLE
/// no other character may be in it (RFC 9051 §9).
fn line_text(out: &mut Out, text: &str) {
    if text.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
        return out.put(text.as_bytes());
    }
    for letter in text.chars() {
        out.byte(match letter {
            ' '..='~' => u8::try_from(letter).unwrap_or(b'?'),
            letter if letter.is_control() => b' ',
            _ => b'?',
        });
    }
}
