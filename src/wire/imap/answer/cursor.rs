//! Reading position in a response.

use std::borrow::Cow;

/// `nstring = string / nil`
pub(super) enum NString<'a> {
    String(Cow<'a, [u8]>),
    Nil,
}

impl<'a> NString<'a> {
    /// The string, where it is one.
    pub(super) fn string(self) -> Option<Cow<'a, [u8]>> {
        match self {
            NString::String(string) => Some(string),
            NString::Nil => None,
        }
    }

    /// Its first octet, where it is a string that has one.
    pub(super) fn first(self) -> Option<u8> {
        self.string().and_then(|string| string.first().copied())
    }

    /// Its octets, where it is a string.
    pub(super) fn owned(self) -> Option<Vec<u8>> {
        self.string().map(Cow::into_owned)
    }
}

/// What is left of a response.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Takes this octet if it comes next.
    pub(super) fn eat(&mut self, octet: u8) -> bool {
        match self.0.split_first() {
            Some((&first, rest)) if first == octet => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    pub(super) fn need(&mut self, octet: u8) -> Option<()> {
        self.eat(octet).then_some(())
    }

    pub(super) fn spaces(&mut self) {
        while self.eat(b' ') {}
    }

    pub(super) fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.0.iter().take_while(|&&octet| belongs(octet)).count();
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    /// A word as servers write them: up to a space, a parenthesis or a bracket.
    pub(super) fn word(&mut self) -> Option<&'a [u8]> {
        let word = self.take_while(|octet| !matches!(octet, b' ' | b'(' | b')' | b'[' | b']' | b'"' | b'\r' | b'\n'));
        (!word.is_empty()).then_some(word)
    }

    /// A word in upper case.
    pub(super) fn upper(&mut self) -> Option<String> {
        self.word().map(|word| String::from_utf8_lossy(word).to_ascii_uppercase())
    }

    pub(super) fn number<N: std::str::FromStr>(&mut self) -> Option<N> {
        let digits = self.take_while(|octet| octet.is_ascii_digit());
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// `nstring`, and where servers write an atom instead, that.
    pub(super) fn nstring(&mut self) -> Option<NString<'a>> {
        match self.peek()? {
            b'"' => self.quoted().map(NString::String),
            b'{' | b'~' => self.literal().map(NString::String),
            _ => {
                // Names may hold brackets (RFC 9051 §9, `ASTRING-CHAR`).
                let atom = self.take_while(|octet| !matches!(octet, b' ' | b'(' | b')' | b'"' | b'\r' | b'\n'));
                if atom.is_empty() {
                    return None;
                }
                let nil = atom.eq_ignore_ascii_case(b"NIL");
                Some(if nil { NString::Nil } else { NString::String(Cow::Borrowed(atom)) })
            }
        }
    }

    /// `astring`: here `NIL` is a name.
    pub(super) fn astring(&mut self) -> Option<Vec<u8>> {
        let before = *self;
        match self.nstring()? {
            NString::String(string) => Some(string.into_owned()),
            NString::Nil => before.0.get(..3).map(<[u8]>::to_vec),
        }
    }

    fn quoted(&mut self) -> Option<Cow<'a, [u8]>> {
        self.need(b'"')?;
        let plain = self.take_while(|octet| !matches!(octet, b'"' | b'\\'));
        if self.eat(b'"') {
            return Some(Cow::Borrowed(plain));
        }
        let mut text = plain.to_vec();
        loop {
            let (&octet, rest) = self.0.split_first()?;
            self.0 = rest;
            match octet {
                b'"' => return Some(Cow::Owned(text)),
                b'\\' => {
                    let (&escaped, rest) = self.0.split_first()?;
                    self.0 = rest;
                    text.push(escaped);
                }
                octet => text.push(octet),
            }
        }
    }

    fn literal(&mut self) -> Option<Cow<'a, [u8]>> {
        self.eat(b'~');
        self.need(b'{')?;
        let length: usize = self.number()?;
        self.eat(b'+');
        self.need(b'}')?;
        self.need(b'\r')?;
        self.need(b'\n')?;
        let (octets, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Cow::Borrowed(octets))
    }

    /// `(a b c)`: its words.
    pub(super) fn words(&mut self) -> Option<Vec<&'a [u8]>> {
        self.need(b'(')?;
        let mut words = Vec::new();
        loop {
            self.spaces();
            if self.eat(b')') {
                return Some(words);
            }
            // A keyword may hold brackets.
            let word = self.take_while(|octet| !matches!(octet, b' ' | b'(' | b')' | b'\r' | b'\n'));
            if word.is_empty() {
                return None;
            }
            words.push(word);
        }
    }

    /// The octets of one string, quotes included.
    pub(super) fn value(&mut self) -> Option<&'a [u8]> {
        let before = self.0;
        self.skip(0)?;
        before.get(..before.len() - self.0.len())
    }

    /// Passes over one value of any form.
    pub(super) fn skip(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'(' if depth == 0 => None,
            b'(' => {
                self.need(b'(')?;
                loop {
                    self.spaces();
                    if self.eat(b')') {
                        return Some(());
                    }
                    self.skip(depth - 1)?;
                }
            }
            _ => self.nstring().map(|_| ()),
        }
    }

    /// `1:3,7`: ascending or not, as it was said.
    pub(super) fn set(&mut self) -> Option<Vec<(u32, u32)>> {
        let mut ranges = Vec::new();
        loop {
            let from = self.number()?;
            let to = if self.eat(b':') { self.number()? } else { from };
            ranges.push((from, to));
            if !self.eat(b',') {
                return Some(ranges);
            }
        }
    }
}
