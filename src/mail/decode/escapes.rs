//! Charsets that shift between sets of characters by escapes (ISO 2022), as mail of East Asia has them (RFC 1468, 1554,
//! 1557, 1843, 1922). Our own, because the web knows ISO-2022-JP alone, and there takes two escapes in a row for an
//! attack; mail has them wherever two pieces of text were put together.

use encoding_rs::{EUC_JP, EUC_KR, Encoding, GBK, ISO_8859_7, WINDOWS_1252};

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Japanese,
    Korean,
    Chinese,
    /// HZ-GB-2312, whose escapes are printable.
    Hz,
}

/// Decodes one of them.
#[derive(Debug)]
pub(super) struct Escapes {
    code: Code,
    /// What octets mean, and what they mean after SO, and the next one after a single shift.
    set: Set,
    shifted_set: Set,
    single_set: Set,
    shifted: bool,
    single: bool,
    /// An escape, or the first octet of a character.
    held: heapless::Vec<u8, 4>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Ascii,
    /// JIS X 0201: ASCII but for two.
    Roman,
    /// Its other half.
    Katakana,
    /// The upper half of this charset.
    Upper(&'static Encoding),
    /// Two octets, which stand in this charset with their top bits set.
    Double(&'static Encoding),
    /// JIS X 0212
    Supplement,
    /// Two octets each, of which we have no table.
    Unread,
}

const ESC: u8 = 0x1b;

impl Escapes {
    pub fn new(code: Code) -> Escapes {
        let shifted_set = match code {
            Code::Japanese => Set::Katakana,
            Code::Korean => Set::Double(EUC_KR),
            Code::Chinese | Code::Hz => Set::Double(GBK),
        };
        Escapes {
            code,
            set: Set::Ascii,
            shifted_set,
            single_set: Set::Unread,
            shifted: false,
            single: false,
            held: heapless::Vec::new(),
        }
    }

    pub fn feed(&mut self, octets: &[u8], out: &mut String) {
        for &octet in octets {
            self.octet(octet, out);
        }
    }

    pub fn finish(self, out: &mut String) {
        if !self.held.is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }

    fn octet(&mut self, octet: u8, out: &mut String) {
        match self.held.first() {
            Some(&ESC) => return self.escape(octet, out),
            Some(b'~') if self.code == Code::Hz && !self.shifted => return self.tilde(octet, out),
            _ => {}
        }
        match octet {
            ESC if self.code != Code::Hz => {
                self.give_up(out);
                self.hold(octet);
            }
            0x0e | 0x0f if self.code != Code::Hz => {
                self.give_up(out);
                self.shifted = octet == 0x0e;
            }
            b'~' if self.code == Code::Hz && self.held.is_empty() => self.hold(octet),
            b'\n' | b'\r' => {
                self.give_up(out);
                // RFC 1557, 1843, 1922: a line begins unshifted.
                self.shifted = false;
                out.push(char::from(octet));
            }
            0x21..=0x7e => self.character(octet, out),
            // Katakana in eight bits, which JIS has too.
            0xa1..=0xdf if self.code == Code::Japanese => {
                self.give_up(out);
                katakana(octet & 0x7f, out);
            }
            _ => {
                self.give_up(out);
                out.push(if octet.is_ascii() { char::from(octet) } else { char::REPLACEMENT_CHARACTER });
            }
        }
    }

    /// A printable octet.
    fn character(&mut self, octet: u8, out: &mut String) {
        let set = match (self.single, self.shifted) {
            (true, _) => self.single_set,
            (_, true) => self.shifted_set,
            _ => self.set,
        };
        let width = if matches!(set, Set::Double(_) | Set::Supplement | Set::Unread) { 2 } else { 1 };
        self.hold(octet);
        if self.held.len() < width {
            return;
        }
        self.single = false;
        let mut octets: heapless::Vec<u8, 4> = heapless::Vec::new();
        if set == Set::Supplement {
            _ = octets.push(0x8f);
        }
        octets.extend(self.held.iter().map(|octet| octet | 0x80));
        self.held.clear();
        let encoding = match set {
            Set::Ascii => return out.push(char::from(octet)),
            Set::Roman => {
                return out.push(match octet {
                    b'\\' => '\u{a5}',
                    b'~' => '\u{203e}',
                    octet => char::from(octet),
                });
            }
            Set::Katakana => return katakana(octet, out),
            Set::Unread => return out.push(char::REPLACEMENT_CHARACTER),
            Set::Upper(encoding) | Set::Double(encoding) => encoding,
            Set::Supplement => EUC_JP,
        };
        out.push_str(&encoding.decode_without_bom_handling(&octets).0);
    }

    /// The next octet of an escape.
    fn escape(&mut self, octet: u8, out: &mut String) {
        self.hold(octet);
        let done = match self.held.get(1..).unwrap_or_default() {
            [b'(' | b'$' | b')' | b'*' | b'.' | b'&'] | [b'$', b'(' | b')' | b'*' | b'+'] => return,
            [b'(', set] => {
                self.set = single(*set);
                true
            }
            // ISO 646 and its kind after SO are what SO leads to already; a revision's announcement says nothing.
            [b'&' | b')' | b'*', _] => true,
            [b'$', set] | [b'$', b'(', set] => {
                self.set = double(*set);
                true
            }
            [b'$', b')', set] => {
                self.shifted_set = double(*set);
                true
            }
            [b'$', b'*' | b'+', set] => {
                self.single_set = double(*set);
                true
            }
            [b'.', set] => {
                self.single_set = match set {
                    b'A' => Set::Upper(WINDOWS_1252),
                    b'F' => Set::Upper(ISO_8859_7),
                    _ => Set::Unread,
                };
                true
            }
            [b'N' | b'O'] => {
                self.single = true;
                true
            }
            _ => false,
        };
        self.held.clear();
        if !done {
            out.push(char::REPLACEMENT_CHARACTER);
            if matches!(octet, ESC | b'\n' | b'\r') {
                self.octet(octet, out);
            }
        }
    }

    /// What follows a `~` of HZ.
    fn tilde(&mut self, octet: u8, out: &mut String) {
        self.held.clear();
        match octet {
            b'~' => out.push('~'),
            b'{' => self.shifted = true,
            // A line that goes on.
            b'\n' => {}
            octet => {
                out.push('~');
                self.octet(octet, out);
            }
        }
    }

    /// What is held is not going to be a character.
    fn give_up(&mut self, out: &mut String) {
        self.single = false;
        if !self.held.is_empty() {
            self.held.clear();
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }

    fn hold(&mut self, octet: u8) {
        // It has room: an escape has four octets at most, a character two.
        _ = self.held.push(octet);
        if self.code == Code::Hz && self.shifted && self.held.as_slice() == b"~}" {
            self.held.clear();
            self.shifted = false;
        }
    }
}

fn katakana(octet: u8, out: &mut String) {
    let character = u32::from(octet).checked_sub(0x21).filter(|place| *place < 63);
    out.push(character.and_then(|place| char::from_u32(0xff61 + place)).unwrap_or(char::REPLACEMENT_CHARACTER));
}

/// A set of one octet a character, by the last octet of its escape.
fn single(set: u8) -> Set {
    match set {
        b'J' => Set::Roman,
        b'I' => Set::Katakana,
        _ => Set::Ascii,
    }
}

/// A set of two octets a character.
fn double(set: u8) -> Set {
    match set {
        // The editions of JIS X 0208, and JIS X 0213, which holds it.
        b'@' | b'B' | b'O' | b'Q' => Set::Double(EUC_JP),
        b'A' => Set::Double(GBK),
        b'C' => Set::Double(EUC_KR),
        b'D' => Set::Supplement,
        _ => Set::Unread,
    }
}
