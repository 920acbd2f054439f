//! Mails that the box writes by itself.

use crate::mail::UniqueId;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;
use time::OffsetDateTime;

/// What a mail of ours says.
pub(super) struct Letter<'l> {
    /// A whole address, or one with a name before it that needs no quotes: of ours.
    pub(super) from: &'l str,
    /// A whole address.
    pub(super) to: &'l str,
    pub(super) subject: &'l str,
    /// `auto-replied` or `auto-generated` (RFC 3834 §5).
    pub(super) submitted: &'static str,
    /// In-Reply-To and References, as they stand in the header.
    pub(super) answers: Option<(&'l str, &'l str)>,
    pub(super) text: &'l str,
}

/// Octets of UTF-8 in one encoded word: 52 of base64, 12 around them, and the name of the field (RFC 2047 §2: a line of 76).
const WORD: usize = 39;
/// Octets in a line of base64 (RFC 2045 §6.8: 76).
const LINE: usize = 57;

/// Writes a mail with lines that end in CRLF.
pub(super) fn compose(id: UniqueId, name: &str, now: i64, letter: &Letter<'_>) -> Vec<u8> {
    let mut mail = format!("From: {}\r\nTo: <{}>\r\n", plain(letter.from), plain(letter.to));
    mail.push_str("Subject: ");
    encode(&plain(letter.subject), &mut mail);
    let _ = write!(mail, "\r\nDate: {}\r\nMessage-ID: <{id}@{name}>\r\n", date(now));
    if let Some((in_reply_to, references)) = letter.answers {
        let _ = write!(mail, "In-Reply-To: {}\r\nReferences:", plain(in_reply_to));
        for reference in references.split_ascii_whitespace() {
            // One on each line: RFC 5322 §2.1.1 bounds the length of a line.
            let _ = write!(mail, "\r\n {}", plain(reference));
        }
        mail.push_str("\r\n");
    }
    let _ = write!(mail, "Auto-Submitted: {}\r\nX-Auto-Response-Suppress: All\r\n", letter.submitted);
    mail.push_str("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n");
    let text = letter.text.lines().collect::<Vec<_>>().join("\r\n");
    if text.is_ascii() && text.lines().all(|line| line.len() <= 78) {
        let _ = write!(mail, "Content-Transfer-Encoding: 7bit\r\n\r\n{text}\r\n");
    } else {
        mail.push_str("Content-Transfer-Encoding: base64\r\n\r\n");
        for line in [text.as_bytes(), b"\r\n"].concat().chunks(LINE) {
            mail.push_str(&STANDARD.encode(line));
            mail.push_str("\r\n");
        }
    }
    mail.into_bytes()
}

/// A moment, in seconds since 1970, as in a Date field (RFC 5322 §3.3).
#[must_use]
pub fn date(seconds: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (weekday, month) = (moment.weekday().to_string(), moment.month().to_string());
    let (weekday, month) = (weekday.get(..3).unwrap_or_default(), month.get(..3).unwrap_or_default());
    let (hour, minute, second) = (moment.hour(), moment.minute(), moment.second());
    format!("{weekday}, {} {month} {} {hour:02}:{minute:02}:{second:02} +0000", moment.day(), moment.year())
}

/// On one line: nothing that came from elsewhere may begin a field of its own.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Unstructured text, in encoded words where it needs them (RFC 2047 §5 (1)).
fn encode(text: &str, out: &mut String) {
    if text.is_ascii() && text.len() <= 200 && !text.contains("=?") {
        out.push_str(text);
        return;
    }
    let mut rest = text;
    let mut first = true;
    while !rest.is_empty() {
        let mut end = rest.len().min(WORD);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (word, after) = rest.split_at(end);
        if !std::mem::take(&mut first) {
            out.push_str("\r\n ");
        }
        let _ = write!(out, "=?utf-8?B?{}?=", STANDARD.encode(word));
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Envelope;
    use crate::mail::decode::decode_words;

    fn letter<'l>(subject: &'l str, text: &'l str) -> Letter<'l> {
        Letter {
            from: "Ann <ann@example.org>",
            to: "bob@example.net",
            subject,
            submitted: "auto-replied",
            answers: Some(("<1@x>", "<0@x> <1@x>")),
            text,
        }
    }

    #[test]
    fn a_mail_is_what_its_readers_expect() {
        let mail = compose(UniqueId(7), "mail.example.org", 1_030_016_176, &letter("Away", "I am away.\nAnn"));
        let expected = "From: Ann <ann@example.org>\r\nTo: <bob@example.net>\r\nSubject: Away\r\n\
            Date: Thu, 22 Aug 2002 11:36:16 +0000\r\nMessage-ID: <0000000000000007@mail.example.org>\r\n\
            In-Reply-To: <1@x>\r\nReferences:\r\n <0@x>\r\n <1@x>\r\nAuto-Submitted: auto-replied\r\n\
            X-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: 7bit\r\n\r\nI am away.\r\nAnn\r\n";
        assert_eq!(String::from_utf8(mail).unwrap(), expected);
    }

    #[test]
    fn what_is_not_ascii_is_encoded_and_no_line_is_too_long() {
        let subject = "Grüße ".repeat(30);
        let mail = compose(UniqueId(7), "x", 0, &letter(&subject, &"Schöne Grüße! ".repeat(50)));
        let text = String::from_utf8(mail).unwrap();
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 78), "{text}");
        let read = Envelope::read(text.as_bytes()).subject.unwrap();
        assert_eq!(decode_words(&read), subject);
    }

    #[test]
    fn nothing_from_elsewhere_begins_a_field() {
        let mail = compose(UniqueId(7), "x", 0, &letter("a\r\nBcc: all@x", "b"));
        assert!(!String::from_utf8(mail).unwrap().contains("\nBcc"));
    }
}
