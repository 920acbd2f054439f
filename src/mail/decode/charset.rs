//! Charsets, into UTF-8, in pieces.

use super::escapes::Escapes;
use super::labels::{Kind, kind};
use super::pages::Page;
use super::wide::Wide;
use crate::mail::limits;
use encoding_rs::{CoderResult, UTF_8, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;
use memchr::memchr;

/// Decodes text that is fed to it into UTF-8. What cannot be decoded becomes U+FFFD.
pub struct Charset {
    kind: Kind,
    inner: Inner,
}

enum Inner {
    Stream(encoding_rs::Decoder),
    Escapes(Escapes),
    Wide(Wide),
    Page(Page),
    /// UTF-7, which no browser knows any more, a line at a time: its shifts end with the line.
    Utf7(Vec<u8>),
    /// What is called ASCII and may hold more, a line at a time.
    Ascii(Vec<u8>),
    Unknown,
}

impl Charset {
    /// The charset with this label, as iconv and browsers know it. Of one that is unknown only ASCII is read: whatever
    /// else its octets are taken for would be a guess.
    #[must_use]
    pub fn labelled(label: &[u8]) -> Charset {
        let kind = kind(label);
        let inner = match kind {
            Kind::Web(encoding) => Inner::Stream(encoding.new_decoder_without_bom_handling()),
            Kind::Escapes(code) => Inner::Escapes(Escapes::new(code)),
            Kind::Utf16(order) => Inner::Wide(Wide::new(2, order)),
            Kind::Utf32(order) => Inner::Wide(Wide::new(4, order)),
            Kind::Page(characters) => Inner::Page(Page::new(characters)),
            Kind::Utf7 => Inner::Utf7(Vec::new()),
            Kind::Ascii => Inner::Ascii(Vec::new()),
            Kind::Unknown => Inner::Unknown,
        };
        Charset { kind, inner }
    }

    /// All of a text in the charset of this label; `None` if it is not known, or the text is none in it.
    #[must_use]
    pub fn decoded(label: &[u8], octets: &[u8]) -> Option<String> {
        let mut charset = Charset::labelled(label);
        match charset.kind {
            Kind::Unknown => None,
            Kind::Ascii => String::from_utf8(octets.to_vec()).ok(),
            Kind::Web(encoding) if encoding == UTF_8 => String::from_utf8(octets.to_vec()).ok(),
            _ => {
                let mut text = String::new();
                charset.feed(octets, &mut text);
                charset.finish(&mut text);
                (!text.contains(char::REPLACEMENT_CHARACTER)).then_some(text)
            }
        }
    }

    /// Whether anybody knows what it is.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.kind != Kind::Unknown
    }

    /// Whether text that follows in the same charset may go on in the middle of a character: not where a text begins
    /// and ends in a state of its own.
    pub(super) fn goes_on(&self, other: &Charset) -> bool {
        self.kind == other.kind && matches!(self.kind, Kind::Web(_) | Kind::Page(_) | Kind::Ascii | Kind::Unknown)
    }

    /// Whether its line ends are the octets that they are in ASCII.
    #[must_use]
    pub fn has_line_ends(&self) -> bool {
        !matches!(self.kind, Kind::Utf16(_) | Kind::Utf32(_))
            && !matches!(&self.inner, Inner::Page(page) if page.is_whole())
    }

    /// Decodes the next octets and appends them to `out`.
    pub fn feed(&mut self, octets: &[u8], out: &mut String) {
        crate::mail::effort::spend_on(octets.len());
        match &mut self.inner {
            Inner::Stream(decoder) => decode(decoder, octets, out, false),
            Inner::Escapes(escapes) => escapes.feed(octets, out),
            Inner::Wide(wide) => wide.feed(octets, out),
            Inner::Page(page) => page.feed(octets, out),
            Inner::Utf7(line) => by_lines(line, octets, |line| out.push_str(&utf7(line))),
            Inner::Ascii(line) => ascii_by_lines(line, octets, out),
            Inner::Unknown => out.extend(octets.iter().map(|octet| known(*octet))),
        }
    }

    /// The text is complete: appends what was held back.
    pub fn finish(self, out: &mut String) {
        match self.inner {
            Inner::Stream(mut decoder) => decode(&mut decoder, b"", out, true),
            Inner::Escapes(escapes) => escapes.finish(out),
            Inner::Wide(wide) => wide.finish(out),
            Inner::Utf7(line) => out.push_str(&utf7(&line)),
            Inner::Ascii(line) => out.push_str(&ascii(&line)),
            Inner::Page(_) | Inner::Unknown => {}
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

/// Gives what is fed away line by line; of a line without end so much at a time as a decoder may hold.
fn by_lines(held: &mut Vec<u8>, octets: &[u8], mut give: impl FnMut(&[u8])) {
    for piece in octets.split_inclusive(|&octet| octet == b'\n') {
        if held.is_empty() && piece.ends_with(b"\n") {
            give(piece);
            continue;
        }
        held.extend_from_slice(piece);
        if held.ends_with(b"\n") || held.len() > limits::DECODER {
            give(held);
            held.clear();
        }
    }
}

fn utf7(octets: &[u8]) -> String {
    charset_decoder(b"utf-7").map_or_else(|| String::from_utf8_lossy(octets).into_owned(), |decode| decode(octets))
}

/// As [`ascii`] of each line; what can be nothing else is not held back.
fn ascii_by_lines(held: &mut Vec<u8>, octets: &[u8], out: &mut String) {
    let begun = if held.is_empty() { 0 } else { memchr(b'\n', octets).map_or(octets.len(), |end| end + 1) };
    let (line, octets) = octets.split_at_checked(begun).unwrap_or((octets, b""));
    by_lines(held, line, |line| out.push_str(&ascii(line)));
    let Ok(text) = std::str::from_utf8(octets) else {
        return by_lines(held, octets, |line| out.push_str(&ascii(line)));
    };
    // The last line may turn out to be no UTF-8; of ASCII it does not matter.
    let (lines, last) = text.split_at(text.rfind('\n').map_or(0, |end| end + 1));
    out.push_str(lines);
    if last.is_ascii() {
        out.push_str(last);
    } else {
        held.extend_from_slice(last.as_bytes());
    }
}

/// Octets above 127 are no ASCII: they are UTF-8 where they can be, and else what browsers read them as.
fn ascii(line: &[u8]) -> std::borrow::Cow<'_, str> {
    match std::str::from_utf8(line) {
        Ok(text) => text.into(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(line).0,
    }
}

fn known(octet: u8) -> char {
    if octet.is_ascii() { char::from(octet) } else { char::REPLACEMENT_CHARACTER }
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
            assert!(whole.as_ref().is_none_or(|whole| *whole == out), "{label} by {size}: {out} {whole:?}");
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
        assert_eq!(decoded("utf-8", b"a\xffb\xc3"), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn of_an_unknown_charset_only_ascii_is_read() {
        for label in
            ["x-nonsense", "x-unknown", "unknown-8bit", "iso-8859-99", "utf-9", "?", "cp0", "euc-tw", "replacement"]
        {
            assert_eq!(decoded(label, b"caf\xe9 \x80!"), "caf\u{fffd} \u{fffd}!", "{label}");
            assert!(!Charset::labelled(label.as_bytes()).is_known());
        }
    }

    #[test]
    fn what_is_called_ascii_is_read_as_what_it_can_be() {
        for label in ["us-ascii", "ASCII", "ansi_x3.4-1968", "", "\"\""] {
            assert_eq!(decoded(label, b"caf\xe9\nf\xc3\xbcr\n"), "café\nfür\n", "{label}");
        }
    }

    #[test]
    fn a_charset_has_many_names() {
        let wide = |units: &[u16], big: bool| -> Vec<u8> {
            units.iter().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        let text: Vec<u16> = "Zoë €".encode_utf16().collect();
        let marked: Vec<u16> = std::iter::once(0xfeff).chain(text.iter().copied()).collect();
        for (labels, octets, expected) in [
            (
                "utf-8 UTF8 utf_8 \"utf-8\" 'utf-8' \"utf-8 utf-8; csutf8 unicode-1-1-utf-8 x-utf-8 utf8mb4 cp65001",
                "ü€".as_bytes(),
                "ü€",
            ),
            (
                "iso-8859-1 ISO_8859-1:1987 latin1 l1 iso8859-1 iso_8859_1 8859_1 cp1252 windows-1252 x-cp1252 windows1252 cp-1252 ms-ansi cp819 ibm819 iso-ir-100 cswindows1252 x-iso-8859-1 latin-1 1252",
                b"f\xfcr",
                "für",
            ),
            ("iso-8859-2 latin2 latin-2 iso8859_2 iso-8859-2:1987 iso-ir-101 cp912", b"\xb1\xea", "ąę"),
            ("iso-8859-15 latin9 latin-9 iso8859-15", b"\xa4", "€"),
            ("windows-1251 cp1251 x-cp1251 win1251 win-1251 microsoft-cp1251", b"\xcf\xf0", "Пр"),
            ("koi8-r KOI8R koi8_r cskoi8r koi", b"\xf0\xd2", "Пр"),
            ("koi8-u koi8u koi8-ru", b"\xf0\xa4", "Пє"),
            ("iso-8859-8 iso-8859-8-i iso-8859-8-e hebrew logical csiso88598i visual", b"\xf9", "ש"),
            ("windows-1255 cp1255", b"\xf9", "ש"),
            ("windows-874 tis-620 tis620 tis620-2533 cp874 iso-8859-11 iso8859_11", b"\xa1", "ก"),
            ("macintosh mac x-mac-roman macroman csmacintosh", b"\x8a", "ä"),
            ("x-mac-cyrillic mac-cyrillic x-mac-ukrainian", b"\x8f", "П"),
            ("cp437 ibm437 IBM-437 437 cspc8codepage437 dos-437", b"\x84\xe1", "äß"),
            ("cp850 ibm850 850 cspc850multilingual CP-850", b"\x84\x9b", "äø"),
            ("cp852 ibm852", b"\xa5", "ą"),
            ("cp866 ibm866 866 csibm866", b"\x8f", "П"),
            ("cp858 ibm00858", b"\xd5", "€"),
            ("viscii", b"\x02\xd0", "ẲĐ"),
            ("cp037 ebcdic-cp-us ibm037", b"\xc8\x89\x25", "Hi\n"),
            ("cp500 ibm500", b"\xc8\x89", "Hi"),
            ("x-mac-ce mac-centraleurope", b"\x88", "ą"),
            (
                "shift_jis shift-jis sjis x-sjis ms_kanji windows-31j cp932 ms932 csshiftjis cp943",
                b"\x90\xa2\x8aE\xb1",
                "世界ｱ",
            ),
            ("euc-jp eucjp x-euc-jp euc_jp ujis cp51932 eucjp-ms", b"\xc0\xa4\xb3\xa6", "世界"),
            (
                "euc-kr ks_c_5601-1987 ksc5601 ks_c_5601-1989 cp949 windows-949 uhc korean euckr ms949",
                b"\xb0\xa1",
                "가",
            ),
            (
                "gb2312 gbk gb_2312-80 gb-2312 cp936 windows-936 euc-cn x-gbk ms936 chinese gb18030 gb18030-2000",
                b"\xca\xc0\xbd\xe7",
                "世界",
            ),
            (
                "big5 big5-hkscs big5hkscs cn-big5 x-x-big5 cp950 windows-950 big5-eten big5-hkscs:2004",
                b"\xa5@\xac\xc9",
                "世界",
            ),
            ("hz-gb-2312 hz", b"a~{J@=g~}~~\n~{J@", "a世界~\n世"),
            ("iso-2022-kr csiso2022kr", b"\x1b$)C\x0e0!\x0f.\n0\x0e0!", "가.\n0가"),
            ("iso-2022-cn iso-2022-cn-ext", b"\x1b$)A\x0eJ@=g\x0f.", "世界."),
            (
                "iso-2022-jp csiso2022jp iso-2022-jp-2 iso-2022-jp-ms cp50220 iso-2022-jp-1 iso-2022-jp-3",
                b"\x1b$B@$3&\x1b(B\x1b$B@$\x1b(J\\\x1b(I1\x1b(B.",
                "世界世¥ｱ.",
            ),
            ("iso-2022-jp-2", b"\x1b$AJ@\x1b$(C0!\x1b(B\x1b.A\x1bNi", "世가é"),
            ("utf-7 unicode-1-1-utf-7 csunicode11utf7 x-unicode-2-0-utf-7", b"Fr+APY-sche", "Frösche"),
            ("utf-16 utf16 ucs-2 iso-10646-ucs-2 csunicode", &wide(&text, true), "Zoë €"),
            ("utf-16 utf16", &wide(&text, false), "Zoë €"),
            ("utf-16 utf-16be", &wide(&marked, true), "Zoë €"),
            ("utf-16 utf-16le unicode-little", &wide(&marked, false), "Zoë €"),
            ("utf-32 ucs-4 utf-32be", b"\0\0\0Z\0\x01\xf6\x00", "Z😀"),
            ("utf-32 utf-32le", b"Z\0\0\0\x00\xf6\x01\0", "Z😀"),
        ] {
            for label in labels.split(' ') {
                assert_eq!(decoded(label, octets), expected, "{label}");
            }
        }
    }

    #[test]
    fn any_octets_are_text_of_any_charset() {
        let mut dice = crate::mail::xorshift::Xorshift::new(3);
        for label in [
            "iso-2022-jp-2",
            "iso-2022-kr",
            "iso-2022-cn",
            "hz",
            "utf-16",
            "utf-32",
            "viscii",
            "utf-7",
            "us-ascii",
            "gbk",
        ] {
            for _ in 0..300 {
                let alphabet = b"\x1b\x0e\x0f$()*.ABCJIN~{}\n\r a0!\x80\xc3\xff\0+-";
                let octets: Vec<u8> =
                    (0..12).filter_map(|_| alphabet.get(dice.below(alphabet.len())).copied()).collect();
                decoded(label, &octets);
            }
        }
    }
}
