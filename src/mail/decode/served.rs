//! The content of a part as BINARY serves it (RFC 9051 §6.4.5): its transfer encoding taken off, and text with CRLF.

use super::charset::Charset;
use super::transfer::{Decoder, Encoding};
use crate::mail::Part;
use crate::mail::mime::parameter;

/// Decodes a part's body that is fed to it.
#[derive(Clone, Debug)]
pub struct Served {
    decoder: Decoder,
    /// For text: whether the last octet was a CR.
    text: Option<bool>,
    decoded: Vec<u8>,
}

impl Served {
    /// For this part; `None` if its transfer encoding is not known.
    #[must_use]
    pub fn of(part: &Part<'_>) -> Option<Served> {
        let decoder = Decoder::new(Encoding::of(part)?);
        // In UTF-16 an LF is not the octet that it is elsewhere.
        let has_line_ends = || {
            let charset = parameter(&part.params, b"charset");
            charset.is_none_or(|charset| Charset::labelled(&charset).has_line_ends())
        };
        let text = part.media.eq_ignore_ascii_case(b"text") && has_line_ends();
        Some(Served { decoder, text: text.then_some(false), decoded: Vec::new() })
    }

    /// Decodes the next octets and appends what they are to `out`.
    pub fn feed(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        if self.text.is_none() {
            return self.decoder.feed(octets, out);
        }
        self.decoder.feed(octets, &mut self.decoded);
        self.end_lines(out);
    }

    /// The body is complete: appends what was held back.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        let decoder = std::mem::replace(&mut self.decoder, Decoder::new(Encoding::Identity));
        decoder.finish(&mut self.decoded);
        self.end_lines(out);
    }

    fn end_lines(&mut self, out: &mut Vec<u8>) {
        let Some(after_cr) = &mut self.text else {
            out.append(&mut self.decoded);
            return;
        };
        for line in self.decoded.split_inclusive(|octet| *octet == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(text) if !(text.ends_with(b"\r") || (text.is_empty() && *after_cr)) => {
                    out.extend_from_slice(text);
                    out.extend_from_slice(b"\r\n");
                }
                _ => out.extend_from_slice(line),
            }
            *after_cr = line.ends_with(b"\r");
        }
        self.decoded.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::mime::Scanner;

    fn served(header: &str, body: &str, size: usize) -> Vec<u8> {
        let mut scanner = Scanner::new();
        scanner.feed(format!("{header}\r\n\r\n").as_bytes());
        let mut served = Served::of(&scanner.finish().root).unwrap();
        let mut out = Vec::new();
        body.as_bytes().chunks(size).for_each(|piece| served.feed(piece, &mut out));
        served.finish(&mut out);
        out
    }

    #[test]
    fn text_has_crlf_however_it_was_encoded_and_cut() {
        for size in 1..20 {
            for (header, body, expected) in [
                ("Content-Type: text/plain", "a\nb\r\n\nc\rd\n", &b"a\r\nb\r\n\r\nc\rd\r\n"[..]),
                ("Content-Transfer-Encoding: base64", "YQpiDQoKYw1kCg==", b"a\r\nb\r\n\r\nc\rd\r\n"),
                ("Content-Transfer-Encoding: quoted-printable", "a=0Ab=0D=0Ac=\nd\ne", b"a\r\nb\r\ncd\r\ne"),
                (
                    "Content-Type: text/plain; charset=utf-16le\r\nContent-Transfer-Encoding: base64",
                    "YQAKAA==",
                    b"a\0\n\0",
                ),
                ("Content-Type: image/png\r\nContent-Transfer-Encoding: base64", "YQpiDQoK", b"a\nb\r\n\n"),
            ] {
                assert_eq!(served(header, body, size), expected, "{header} by {size}");
            }
        }
    }
}
