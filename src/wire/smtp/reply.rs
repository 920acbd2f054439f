//! What another server answers us (RFC 5321 §4.2): octets in, whole replies out.

use super::enhanced::Enhanced;
use crate::mail::limits;
use std::fmt;

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// From 200 to 599.
    pub code: u16,
    /// What the first line says before its text, where its class is the code's (RFC 2034 §4).
    pub enhanced: Option<Enhanced>,
    /// The text of each line, the enhanced code left out. Control characters are spaces; what is no UTF-8 is replaced.
    pub lines: Vec<String>,
}

/// What the octets so far come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// No reply is whole yet: feed more.
    More,
    /// The next reply.
    Reply(Reply),
    /// That is no SMTP, or too much of it: nothing after it can be understood.
    Broken(&'static str),
}

/// Cuts what a server sends into replies. Its memory is what was fed and not taken yet, and at most
/// `limits::REPLY_LINE` and `limits::REPLY_LINES`.
#[derive(Debug, Default)]
pub struct Replies {
    buffer: Vec<u8>,
    /// Octets at the front that were understood already.
    start: usize,
    /// The lines of the reply that is coming in.
    begun: Option<Reply>,
    broken: Option<&'static str>,
}

impl Reply {
    /// 2xx
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 3xx: go on.
    #[must_use]
    pub fn is_intermediate(&self) -> bool {
        self.code / 100 == 3
    }

    /// 4xx: not now.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5xx: not ever.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// The extensions that a reply to EHLO names (RFC 5321 §4.1.1.1): keyword and parameters of each line but the first.
    pub fn extensions(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.lines.iter().skip(1).map(|line| line.trim());
        lines.map(|line| line.split_once([' ', '=']).unwrap_or((line, "")))
    }

    /// The parameters of an extension, where the reply names it; keywords are compared without case.
    #[must_use]
    pub fn extension(&self, keyword: &str) -> Option<&str> {
        self.extensions().find(|(name, _)| name.eq_ignore_ascii_case(keyword)).map(|(_, parameters)| parameters)
    }
}

/// On one line, as it goes into a log or a report.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        for line in self.lines.iter().filter(|line| !line.is_empty()) {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

impl Replies {
    /// Takes a copy of what was read.
    pub fn feed(&mut self, octets: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.broken.is_none() {
            self.buffer.extend_from_slice(octets);
        }
    }

    /// The next reply in what was fed.
    pub fn next_reply(&mut self) -> Heard {
        loop {
            if let Some(why) = self.broken {
                return Heard::Broken(why);
            }
            let rest = self.buffer.get(self.start..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', rest) else {
                if rest.len() > limits::REPLY_LINE {
                    self.fail("a line of a reply is too long");
                    continue;
                }
                return Heard::More;
            };
            let line = rest.get(..end).unwrap_or_default();
            // Some old servers end a line with LF alone; here nothing hangs on it.
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let taken = if line.len() > limits::REPLY_LINE {
                Err("a line of a reply is too long")
            } else {
                add(&mut self.begun, line)
            };
            self.start += end + 1;
            match taken {
                Ok(true) => {}
                Ok(false) => {
                    if let Some(reply) = self.begun.take() {
                        return Heard::Reply(reply);
                    }
                }
                Err(why) => self.fail(why),
            }
        }
    }

    /// Whether something was fed that no reply was made of yet. Before TLS begins there must be nothing: it would pass
    /// for protected (RFC 3207 §4.2, CVE-2011-0411).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.begun.is_none() && self.start == self.buffer.len()
    }

    /// Forgets everything that was fed.
    pub fn discard(&mut self) {
        *self = Replies::default();
    }

    fn fail(&mut self, why: &'static str) {
        *self = Replies { broken: Some(why), ..Replies::default() };
    }
}

/// Adds a line to a reply; whether more lines follow.
///
/// `Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF`
fn add(begun: &mut Option<Reply>, line: &[u8]) -> Result<bool, &'static str> {
    let (code, rest) = line.split_at_checked(3).ok_or("a reply without a code")?;
    if !code.iter().all(u8::is_ascii_digit) {
        return Err("a reply without a code");
    }
    let code = code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    if !(200..600).contains(&code) {
        return Err("a reply with a code that there is not");
    }
    let (goes_on, text) = match rest.split_first() {
        None => (false, &b""[..]),
        Some((b' ', text)) => (false, text),
        Some((b'-', text)) => (true, text),
        Some(_) => return Err("a reply without a code"),
    };
    let text = String::from_utf8_lossy(text).replace(char::is_control, " ");
    let (enhanced, text) = split(code, text.trim());
    let reply = begun.get_or_insert_with(|| Reply { code, enhanced, lines: Vec::new() });
    if reply.code != code {
        return Err("a reply whose lines have different codes");
    }
    if reply.lines.len() >= limits::REPLY_LINES {
        return Err("a reply of too many lines");
    }
    reply.lines.push(text.to_owned());
    Ok(goes_on)
}

/// The enhanced code that a text begins with, if it fits the code, and the rest.
fn split(code: u16, text: &str) -> (Option<Enhanced>, &str) {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    match Enhanced::parse(first) {
        Some(enhanced) if u16::from(enhanced.class) == code / 100 => (Some(enhanced), rest.trim_start()),
        _ => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(octets: &[u8], size: usize) -> Vec<Heard> {
        let mut replies = Replies::default();
        let mut all = Vec::new();
        for piece in octets.chunks(size) {
            replies.feed(piece);
            loop {
                match replies.next_reply() {
                    Heard::More => break,
                    Heard::Reply(reply) => all.push(Heard::Reply(reply)),
                    broken @ Heard::Broken(_) => {
                        all.push(broken);
                        return all;
                    }
                }
            }
        }
        all
    }

    fn reply(code: u16, enhanced: Option<(u8, u16, u16)>, lines: &[&str]) -> Heard {
        let enhanced = enhanced.map(|(class, subject, detail)| Enhanced { class, subject, detail });
        Heard::Reply(Reply { code, enhanced, lines: lines.iter().map(|&line| line.to_owned()).collect() })
    }

    #[test]
    fn replies_are_whole_however_they_are_cut() {
        let octets = b"220 mx ready\r\n250-mx\r\n250-SIZE 1000\r\n250 DSN\r\n550 5.1.1 Nobody\r\n354\r\n\
                       452-4.2.2 Full.\r\n452 4.2.2 Later\n250 2.0.0\r\n550 4.7.1 odd\r\n";
        for size in 1..octets.len() {
            let expected = [
                reply(220, None, &["mx ready"]),
                reply(250, None, &["mx", "SIZE 1000", "DSN"]),
                reply(550, Some((5, 1, 1)), &["Nobody"]),
                reply(354, None, &[""]),
                reply(452, Some((4, 2, 2)), &["Full.", "Later"]),
                reply(250, Some((2, 0, 0)), &[""]),
                reply(550, None, &["4.7.1 odd"]),
            ];
            assert_eq!(heard(octets, size), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_reply_is_told_and_ends_it() {
        for bad in [
            &b"hello\r\n"[..],
            b"\r\n",
            b"25\r\n",
            b"199 x\r\n",
            b"600 x\r\n",
            b"250x\r\n",
            b"250-a\r\n251 b\r\n",
            b"+OK POP3\r\n",
            b"\xff\xff\xff\r\n",
        ] {
            let all = heard(bad, bad.len());
            assert!(matches!(all.as_slice(), [Heard::Broken(_)]), "{}: {all:?}", bad.escape_ascii());
        }
    }

    #[test]
    fn a_server_cannot_make_us_hold_much() {
        let mut replies = Replies::default();
        for _ in 0..1_000 {
            replies.feed(&[b'2'; 4096]);
            if replies.next_reply() != Heard::More {
                break;
            }
        }
        assert!(matches!(replies.next_reply(), Heard::Broken(_)));
        assert!(replies.buffer.capacity() < 8 * limits::REPLY_LINE);
        let many = b"250-x\r\n".repeat(limits::REPLY_LINES + 1);
        assert!(matches!(heard(&many, 4096).as_slice(), [Heard::Broken(_)]));
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(heard(b"550 a\x1b[2J\x00b\xff\r\n", 99), [reply(550, None, &["a [2J b\u{fffd}"])]);
    }

    #[test]
    fn extensions_are_found_without_case() {
        let octets = b"250-mx.example.org at your service\r\n250-size 35882577\r\n250-AUTH=LOGIN\r\n250 PIPELINING\r\n";
        let all = heard(octets, 99);
        let [Heard::Reply(reply)] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(reply.extension("SIZE"), Some("35882577"));
        assert_eq!(reply.extension("auth"), Some("LOGIN"));
        assert_eq!(reply.extension("PIPELINING"), Some(""));
        assert_eq!(reply.extension("mx.example.org"), None);
    }
}
