//! Charsets, into UTF-8, in pieces.

use encoding_rs::{CoderResult, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;

/// Decodes text that is fed to it into UTF-8. What cannot be decoded becomes U+FFFD.
pub struct Charset(Inner);

enum Inner {
    Stream(encoding_rs::Decoder),
    /// UTF-7, which no browser knows any more, a line at a time: its shifts end with the line.
    Utf7(Vec<u8>),
}

impl Charset {
    /// The charset with this label; an unknown one, or none, is read as windows-1252, which reads all octets.
    #[must_use]
    pub fn labelled(label: &[u8]) -> Charset {
        let label = label.trim_ascii();
        if is_utf7(label) {
            return Charset(Inner::Utf7(Vec::new()));
        }
        let encoding = encoding_rs::Encoding::for_label_no_replacement(label).unwrap_or(WINDOWS_1252);
        Charset(Inner::Stream(encoding.new_decoder_without_bom_handling()))
    }

    /// Decodes the next octets and appends them to `out`.
    pub fn feed(&mut self, octets: &[u8], out: &mut String) {
        match &mut self.0 {
            Inner::Stream(decoder) => decode(decoder, octets, out, false),
            Inner::Utf7(line) => {
                for piece in octets.split_inclusive(|&octet| octet == b'\n') {
                    line.extend_from_slice(piece);
                    if line.ends_with(b"\n") || line.len() > crate::mail::limits::DECODER {
                        out.push_str(&utf7(line));
                        line.clear();
                    }
                }
            }
        }
    }

    /// The text is complete: appends what was held back.
    pub fn finish(self, out: &mut String) {
        match self.0 {
            Inner::Stream(mut decoder) => decode(&mut decoder, b"", out, true),
            Inner::Utf7(line) => out.push_str(&utf7(&line)),
        }
    }
}

fn decode(decoder: &mut encoding_rs::Decoder, mut octets: &[u8], out: &mut String, last: bool) {
    loop {
        // At least one character fits, so that every turn makes progress.
        out.reserve(decoder.max_utf8_buffer_length(octets.len()).unwrap_or(octets.len()).max(16));
        let (result, read, _) = decoder.decode_to_string(octets, out, last);
        octets = octets.get(read..).unwrap_or_default();
        if result == CoderResult::InputEmpty {
            return;
        }
    }
}

fn is_utf7(label: &[u8]) -> bool {
    [&b"utf-7"[..], b"unicode-1-1-utf-7"].iter().any(|name| label.eq_ignore_ascii_case(name))
}

fn utf7(octets: &[u8]) -> String {
    charset_decoder(b"utf-7").map_or_else(|| String::from_utf8_lossy(octets).into_owned(), |decode| decode(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(label: &str, octets: &[u8]) -> String {
        let mut whole = None;
        for size in 1..=octets.len() {
            let mut out = String::new();
            let mut charset = Charset::labelled(label.as_bytes());
            octets.chunks(size).for_each(|piece| charset.feed(piece, &mut out));
            charset.finish(&mut out);
            assert!(whole.is_none_or(|whole| whole == out), "{size}");
            whole = Some(out);
        }
        whole.unwrap_or_default()
    }

    #[test]
    fn characters_may_be_cut_anywhere() {
        assert_eq!(decoded("utf-8", "Grüße, 世界".as_bytes()), "Grüße, 世界");
        assert_eq!(decoded("ISO-8859-15", b"\xa4 f\xfcr"), "€ für");
        assert_eq!(decoded("iso-2022-jp", b"\x1b$B@$3&\x1b(B."), "世界.");
        assert_eq!(decoded("utf-7", b"Fr+APY-sche\nFr+APY-sche"), "Frösche\nFrösche");
    }

    #[test]
    fn every_octet_can_be_read_and_an_unknown_charset_is_latin() {
        assert_eq!(decoded("x-nonsense", b"caf\xe9 \x80"), "café €");
        assert_eq!(decoded("us-ascii", b"caf\xe9"), "café");
        assert_eq!(decoded("hz-gb-2312", b"plain"), "plain");
        assert_eq!(decoded("utf-8", b"a\xffb\xc3"), "a\u{fffd}b\u{fffd}");
    }
}
