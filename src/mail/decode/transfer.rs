//! Content-Transfer-Encoding (RFC 2045 §6), tolerant: garbage is passed over or passed through, never an error.

use crate::mail::{Part, effort, limits};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::{memchr2, memrchr};

/// A transfer encoding that we can decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 7bit, 8bit, binary.
    Identity,
    /// base64
    Base64,
    /// quoted-printable
    QuotedPrintable,
    /// What Unix had before MIME, and some programs put into it.
    Uuencode,
}

/// Decodes a body that is fed to it.
#[derive(Clone, Debug)]
pub struct Decoder {
    encoding: Encoding,
    /// Of uuencode: whether `begin` was read, and `end` was not.
    begun: bool,
    /// What was fed and is not yet decoded: too little to know what it means.
    held: Vec<u8>,
}

/// Partial groups decode as far as they go: padding is often missing, and the last bits are often not zero.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl Encoding {
    /// The encoding of this name; `None` if it is unknown: BINARY then answers `[UNKNOWN-CTE]` (RFC 9051 §7.1).
    #[must_use]
    pub fn named(name: Option<&[u8]>) -> Option<Encoding> {
        let Some(name) = name else { return Some(Encoding::Identity) };
        let known: [(&[u8], Encoding); 15] = [
            (b"7bit", Encoding::Identity),
            (b"8bit", Encoding::Identity),
            (b"binary", Encoding::Identity),
            (b"base64", Encoding::Base64),
            (b"quoted-printable", Encoding::QuotedPrintable),
            // What some programs write for these.
            (b"7-bit", Encoding::Identity),
            (b"8-bit", Encoding::Identity),
            (b"7bits", Encoding::Identity),
            (b"8bits", Encoding::Identity),
            (b"none", Encoding::Identity),
            (b"quoted_printable", Encoding::QuotedPrintable),
            (b"x-uuencode", Encoding::Uuencode),
            (b"uuencode", Encoding::Uuencode),
            (b"x-uue", Encoding::Uuencode),
            (b"uue", Encoding::Uuencode),
        ];
        let name = name.trim_ascii();
        known.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, encoding)| *encoding)
    }

    /// The encoding of a part's body.
    #[must_use]
    pub fn of(part: &Part<'_>) -> Option<Encoding> {
        Encoding::named(part.encoding.as_deref())
    }
}

impl Decoder {
    /// Nothing decoded yet.
    #[must_use]
    pub fn new(encoding: Encoding) -> Decoder {
        Decoder { encoding, begun: false, held: Vec::new() }
    }

    /// Decodes the next octets and appends what they are to `out`.
    pub fn feed(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        effort::spend_on(2 * octets.len());
        match self.encoding {
            Encoding::Identity => out.extend_from_slice(octets),
            Encoding::Base64 => {
                for piece in octets.chunks(limits::DECODER) {
                    self.base64(piece, out);
                }
            }
            Encoding::QuotedPrintable => {
                for piece in octets.chunks(limits::DECODER) {
                    self.quoted_printable(piece, out);
                }
            }
            Encoding::Uuencode => {
                for piece in octets.split_inclusive(|octet| *octet == b'\n') {
                    let room = limits::DECODER.saturating_sub(self.held.len());
                    self.held.extend_from_slice(piece.get(..room).unwrap_or(piece));
                    if piece.ends_with(b"\n") {
                        self.uuencoded_line(out);
                    }
                }
            }
        }
    }

    /// The body is complete: appends what was held back.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Identity => {}
            Encoding::Base64 => self.base64_group(out),
            // White space at the end of a line is no content (RFC 2045 §6.7 (3)), nor is a soft break at the very end.
            Encoding::QuotedPrintable => {
                let held = self.held.trim_ascii_end();
                out.extend_from_slice(held.strip_suffix(b"=").unwrap_or(held));
            }
            Encoding::Uuencode => self.uuencoded_line(out),
        }
    }

    /// Decodes the line that is held: a character tells its length, and four stand for three octets each.
    fn uuencoded_line(&mut self, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.held);
        let line = line.trim_ascii_end();
        if !self.begun {
            self.begun = line.starts_with(b"begin ");
            return;
        }
        if line == b"end" {
            self.begun = false;
            return;
        }
        // A blank and a backquote are the same, and blanks at the end may have been lost.
        let six = |character: Option<&u8>| character.map_or(0, |character| character.wrapping_sub(b' ') & 63);
        let length = usize::from(six(line.first()));
        let before = out.len();
        for group in line.get(1..).unwrap_or_default().chunks(4) {
            let [a, b, c, d] = [0, 1, 2, 3].map(|place| six(group.get(place)));
            out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
        }
        out.resize(before + length, 0);
    }

    fn base64(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for line in piece.split(|&octet| octet == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            // Without a branch for each octet: nearly every line is clean.
            if line.iter().fold(true, |clean, octet| clean & is_base64(*octet)) {
                self.held.extend_from_slice(line);
                continue;
            }
            for &octet in line {
                match octet {
                    // What follows is another text in base64: some writers put two together.
                    b'=' => self.base64_group(out),
                    octet if is_base64(octet) => self.held.push(octet),
                    _ => {}
                }
            }
        }
        let whole = self.held.len() / 4 * 4;
        let left = self.held.split_off(whole);
        self.base64_group(out);
        self.held = left;
    }

    /// Decodes all that is held, though it be no whole group.
    fn base64_group(&mut self, out: &mut Vec<u8>) {
        if self.held.len() % 4 == 1 {
            // Six bits are no octet.
            self.held.pop();
        }
        // Only letters of the alphabet are held, in a number that can be decoded.
        let decoded = BASE64.decode_vec(&self.held, out);
        debug_assert!(decoded.is_ok(), "{decoded:?}");
        self.held.clear();
    }

    fn quoted_printable(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if self.held.is_empty() {
            let left = quoted_printable(piece, out);
            self.held.extend_from_slice(left);
            return;
        }
        let mut joined = std::mem::take(&mut self.held);
        joined.extend_from_slice(piece);
        let left = quoted_printable(&joined, out);
        self.held.extend_from_slice(left);
    }
}

fn is_base64(octet: u8) -> bool {
    matches!(octet, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/')
}

/// Decodes as much as can be understood; gives the rest.
fn quoted_printable<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    while let Some((text, found)) = memchr2(b'=', b'\n', rest).and_then(|at| rest.split_at_checked(at)) {
        if found.starts_with(b"\n") {
            let (line, end) = text.strip_suffix(b"\r").map_or((text, &b"\n"[..]), |line| (line, b"\r\n"));
            out.extend_from_slice(trim_blanks(line));
            out.extend_from_slice(end);
            rest = found.get(1..).unwrap_or_default();
            continue;
        }
        let after = found.get(1..).unwrap_or_default();
        let Some((octet, length)) = escape(after) else { return hold(rest, out) };
        out.extend_from_slice(text);
        out.extend(octet);
        rest = after.get(length..).unwrap_or_default();
    }
    // White space may be the end of a line.
    let text = trim_blanks(rest.strip_suffix(b"\r").unwrap_or(rest));
    out.extend_from_slice(text);
    hold(rest.get(text.len()..).unwrap_or_default(), out)
}

/// What follows a `=`: the octet it means, if any, and the length; `None` if more must be known.
fn escape(after: &[u8]) -> Option<(Option<u8>, usize)> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let blanks = after.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
    match after.get(blanks..).unwrap_or_default() {
        [] | [b'\r'] => None,
        // A soft line break, possibly padded.
        [b'\n', ..] => Some((None, blanks + 1)),
        [b'\r', b'\n', ..] => Some((None, blanks + 2)),
        [high, rest @ ..] if blanks == 0 => match (digit(*high), rest.first().map(|&low| digit(low))) {
            (Some(_), None) => None,
            (Some(high), Some(Some(low))) => Some((Some(high << 4 | low), 2)),
            // It stands for itself.
            _ => Some((Some(b'='), 0)),
        },
        _ => Some((Some(b'='), 0)),
    }
}

/// Holds back what is not understood yet, unless it is too much to be white space in good faith.
fn hold<'a>(octets: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    // The text before an open escape is long known.
    let known = memrchr(b'=', octets).unwrap_or(0);
    let (text, open) = octets.split_at_checked(known).unwrap_or((octets, b""));
    out.extend_from_slice(text);
    if open.len() <= limits::DECODER {
        return open;
    }
    out.extend_from_slice(open);
    b""
}

fn trim_blanks(line: &[u8]) -> &[u8] {
    let kept = line.iter().rposition(|octet| !matches!(octet, b' ' | b'\t')).map_or(0, |at| at + 1);
    line.get(..kept).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes in pieces of every size, and sees that it makes no difference.
    fn decoded(encoding: Encoding, octets: &[u8]) -> String {
        let mut whole = Vec::new();
        for size in (1..=octets.len().max(1)).rev() {
            let mut out = Vec::new();
            let mut decoder = Decoder::new(encoding);
            octets.chunks(size).for_each(|piece| decoder.feed(piece, &mut out));
            decoder.finish(&mut out);
            assert!(
                whole.is_empty() || whole == out,
                "pieces of {size}: {} and {}",
                whole.escape_ascii(),
                out.escape_ascii()
            );
            whole = out;
        }
        whole.escape_ascii().to_string()
    }

    #[test]
    fn base64_is_decoded_whatever_is_wrong_with_it() {
        let base64 = |text: &str| decoded(Encoding::Base64, text.as_bytes());
        assert_eq!(base64("aGVs\r\nbG8g\r\nd29ybGQ=\r\n"), "hello world");
        assert_eq!(base64("aGVsbG8gd29ybGQ"), "hello world");
        assert_eq!(base64("aG!Vs bG\u{e4}8g-d29ybGR="), "hello world");
        assert_eq!(base64("aGk=aGk="), "hihi");
        assert_eq!(base64("aGkA="), "hi\\x00");
        assert_eq!(base64("aGlhY"), "hia");
        assert_eq!(base64("===="), "");
    }

    #[test]
    fn quoted_printable_is_decoded_whatever_is_wrong_with_it() {
        let quoted = |text: &str| decoded(Encoding::QuotedPrintable, text.as_bytes());
        assert_eq!(quoted("a=3Db=e4=C3\r\n"), "a=b\\xe4\\xc3\\r\\n");
        assert_eq!(quoted("soft=\r\n break= \t\nhere"), "soft breakhere");
        assert_eq!(quoted("padded \t\r\nkept=20\r\n \nend "), "padded\\r\\nkept \\r\\n\\nend");
        assert_eq!(quoted("=X =4 ==41= x=\rz="), "=X =4 =A= x=\\rz");
        assert_eq!(quoted("a\rb\r\nc\n"), "a\\rb\\r\\nc\\n");
    }

    #[test]
    fn held_white_space_has_a_bound() {
        let mut decoder = Decoder::new(Encoding::QuotedPrintable);
        let mut out = Vec::new();
        for _ in 0..100 {
            decoder.feed(&b" ".repeat(limits::DECODER), &mut out);
            assert!(decoder.held.len() <= limits::DECODER);
        }
    }

    #[test]
    fn an_unknown_encoding_is_none() {
        assert_eq!(Encoding::named(None), Some(Encoding::Identity));
        assert_eq!(Encoding::named(Some(b"BASE64")), Some(Encoding::Base64));
        assert_eq!(Encoding::named(Some(b" 8-Bit")), Some(Encoding::Identity));
        assert_eq!(Encoding::named(Some(b"x-yenc")), None);
    }

    #[test]
    fn uuencode_is_decoded_whatever_is_wrong_with_it() {
        let uu = |text: &str| decoded(Encoding::Uuencode, text.as_bytes());
        assert_eq!(uu("text\nbegin 644 a.txt\n+:&5L;&\\@=V]R;&0\n`\nend\nmore\n"), "hello world");
        assert_eq!(uu("begin 644 a\r\n+:&5L;&\\@=V]R;&0\r\n \r\nend\r\n"), "hello world");
        assert_eq!(uu("begin 644 a\n#86)C\n#86\nend\nbegin 644 b\n!86)C\nend"), "abca`\\x00a");
        assert_eq!(uu("begin 644 a\n#86)C"), "abc");
        assert_eq!(uu("no such thing\n"), "");
    }
}
