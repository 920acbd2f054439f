//! What a client is answered. Text is ASCII, but where it repeats what the client said.

use super::enhanced::Enhanced;
use crate::wire::Out;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// A reply of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// From 200 to 599.
    pub code: u16,
    /// None in greetings and in replies that ask for more (RFC 2034 §4).
    pub enhanced: Option<Enhanced>,
    /// What a person makes of it.
    pub text: Cow<'static, str>,
}

impl Answer {
    /// A reply with an enhanced code, whose class is the code's.
    #[must_use]
    pub const fn new(code: u16, subject: u16, detail: u16, text: &'static str) -> Answer {
        let class = match code / 100 {
            4 => 4,
            5 => 5,
            _ => 2,
        };
        Answer { code, enhanced: Some(Enhanced::new(class, subject, detail)), text: Cow::Borrowed(text) }
    }

    /// A reply without an enhanced code.
    #[must_use]
    pub const fn plain(code: u16, text: &'static str) -> Answer {
        Answer { code, enhanced: None, text: Cow::Borrowed(text) }
    }

    /// The same in other words.
    #[must_use]
    pub fn saying(&self, text: String) -> Answer {
        Answer { code: self.code, enhanced: self.enhanced, text: Cow::Owned(text) }
    }

    /// Whether something was granted.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Writes it.
    pub fn put(&self, out: &mut Out) {
        out.number(self.code);
        out.byte(b' ');
        if let Some(enhanced) = self.enhanced {
            out.put(enhanced.to_string().as_bytes());
            out.byte(b' ');
        }
        out.put(self.text.as_bytes());
        out.put(b"\r\n");
    }
}

/// A reply of several lines without enhanced codes: the one to EHLO (RFC 5321 §4.1.1.1).
pub fn lines(out: &mut Out, code: u16, lines: &[String]) {
    for (at, line) in lines.iter().enumerate() {
        out.number(code);
        out.byte(if at + 1 == lines.len() { b' ' } else { b'-' });
        out.put(line.as_bytes());
        out.put(b"\r\n");
    }
}

/// `334` and a challenge in base64 (RFC 4954 §4).
pub fn challenge(out: &mut Out, challenge: &[u8]) {
    out.put(b"334 ");
    out.put(STANDARD.encode(challenge).as_bytes());
    out.put(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_its_codes_before_its_text() {
        let mut out = Out::new(99);
        Answer::new(550, 1, 1, "Nobody").put(&mut out);
        Answer::new(250, 0, 0, "Fine").saying("Taken".to_owned()).put(&mut out);
        Answer::plain(354, "Go on").put(&mut out);
        lines(&mut out, 250, &["mx".to_owned(), "DSN".to_owned()]);
        challenge(&mut out, b"");
        assert_eq!(
            String::from_utf8_lossy(out.bytes()),
            "550 5.1.1 Nobody\r\n250 2.0.0 Taken\r\n354 Go on\r\n250-mx\r\n250 DSN\r\n334 \r\n"
        );
    }
}
