//! Reading position in a command, and the smallest rules: atoms, strings, numbers, lists.

use crate::wire::imap::{Dialect, Reason};
use std::borrow::Cow;

/// What is left of a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    pub dialect: Dialect,
}

pub(super) type Parsed<T> = Result<T, Reason>;

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8], dialect: Dialect) -> Cursor<'a> {
        Cursor { rest: bytes, dialect }
    }

    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes this byte if it comes next.
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.advance(1);
        }
        found
    }

    /// Takes this word, in any case, if it comes next and the word ends there.
    pub fn eat_word(&mut self, word: &str) -> bool {
        let Some((found, after)) = self.rest.split_at_checked(word.len()) else { return false };
        let ends = after.first().is_none_or(|&byte| !is_atom_char(byte));
        if ends && found.eq_ignore_ascii_case(word.as_bytes()) {
            self.rest = after;
            return true;
        }
        false
    }

    pub fn expect(&mut self, byte: u8, otherwise: &'static str) -> Parsed<()> {
        if self.eat(byte) { Ok(()) } else { Err(Reason::BadArguments(otherwise)) }
    }

    /// `SP`: exactly one (RFC 9051 §9).
    pub fn space(&mut self) -> Parsed<()> {
        self.expect(b' ', "A space or an argument is missing")
    }

    /// The end of the command. Spaces before it do no harm, and some clients send one.
    pub fn end(&self) -> Parsed<()> {
        if self.rest.iter().all(|&byte| byte == b' ') {
            return Ok(());
        }
        Err(Reason::BadArguments("Something follows where the command should end"))
    }

    /// Whether a space and then something follow.
    pub fn has_more(&self) -> bool {
        matches!(self.rest, [b' ', rest @ ..] if rest.iter().any(|&byte| byte != b' '))
    }

    pub fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().take_while(|&&byte| belongs(byte)).count();
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// `atom = 1*ATOM-CHAR`
    pub fn atom(&mut self) -> Parsed<&'a str> {
        non_empty(self.take_while(is_atom_char), "An atom is missing")
    }

    /// `atom`, in upper case.
    pub fn keyword(&mut self) -> Parsed<String> {
        self.atom().map(str::to_ascii_uppercase)
    }

    /// `astring = 1*ASTRING-CHAR / string`
    pub fn astring(&mut self) -> Parsed<Cow<'a, [u8]>> {
        self.astring_of(is_astring_char)
    }

    /// Like `astring`, with other bytes allowed outside of a string.
    pub fn astring_of(&mut self, belongs: impl Fn(u8) -> bool) -> Parsed<Cow<'a, [u8]>> {
        if matches!(self.peek(), Some(b'"' | b'{')) {
            return self.string();
        }
        let atom = self.take_while(belongs);
        if atom.is_empty() {
            return Err(Reason::BadArguments("A string is missing"));
        }
        Ok(Cow::Borrowed(atom))
    }

    /// `astring`, which must be UTF-8.
    pub fn utf8_astring(&mut self) -> Parsed<String> {
        utf8(self.astring()?)
    }

    /// `string = quoted / literal`
    pub fn string(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal().map(Cow::Borrowed),
            _ => Err(Reason::BadArguments("A string is missing")),
        }
    }

    /// `nstring = string / nil`
    pub fn nstring(&mut self) -> Parsed<Option<Cow<'a, [u8]>>> {
        if self.eat_word("NIL") { Ok(None) } else { self.string().map(Some) }
    }

    /// `quoted = DQUOTE *QUOTED-CHAR DQUOTE`. Octets above 127 pass here: whether they are UTF-8 (RFC 9051 §9) or of
    /// another charset is for the one who knows what the string is.
    fn quoted(&mut self) -> Parsed<Cow<'a, [u8]>> {
        self.advance(1);
        let plain = self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\r' | b'\n'));
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_vec();
        loop {
            match self.rest {
                [b'"', ..] => {
                    self.advance(1);
                    return Ok(Cow::Owned(text));
                }
                [b'\\', escaped @ (b'"' | b'\\'), ..] => {
                    text.push(*escaped);
                    self.advance(2);
                }
                [b'\\', ..] => return Err(Reason::BadArguments("Only \\ and \" can be escaped in a quoted string")),
                [] | [b'\r' | b'\n', ..] => return Err(Reason::BadArguments("A quoted string does not end")),
                _ => text.extend_from_slice(self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\r' | b'\n'))),
            }
        }
    }

    /// `literal = "{" number64 ["+"] "}" CRLF *CHAR8`
    fn literal(&mut self) -> Parsed<&'a [u8]> {
        const BROKEN: Reason = Reason::BadArguments("A literal is broken");
        self.advance(1);
        let size = usize::try_from(self.number64()?).map_err(|_| BROKEN)?;
        self.eat(b'+');
        self.expect(b'}', "A literal is broken")?;
        self.eat(b'\r');
        self.expect(b'\n', "A literal is broken")?;
        let (text, rest) = self.rest.split_at_checked(size).ok_or(BROKEN)?;
        self.rest = rest;
        Ok(text)
    }

    /// `number = 1*DIGIT`, 32 bits
    pub fn number(&mut self) -> Parsed<u32> {
        u32::try_from(self.digits()?).map_err(|_| Reason::BadArguments("A number is too large"))
    }

    /// `nz-number = digit-nz *DIGIT`, 32 bits
    pub fn nz_number(&mut self) -> Parsed<std::num::NonZeroU32> {
        if self.peek() == Some(b'0') {
            return Err(Reason::BadArguments("A number must not be or begin with 0"));
        }
        std::num::NonZeroU32::new(self.number()?).ok_or(Reason::BadArguments("A number must not be 0"))
    }

    /// `number64 = 1*DIGIT`, 63 bits (RFC 9051 §4.2)
    pub fn number64(&mut self) -> Parsed<u64> {
        self.digits()
    }

    fn digits(&mut self) -> Parsed<u64> {
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() {
            return Err(Reason::BadArguments("A number is missing"));
        }
        digits
            .iter()
            .try_fold(0_u64, |number, &digit| number.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0'))))
            .filter(|&number| number <= i64::MAX.unsigned_abs())
            .ok_or(Reason::BadArguments("A number is too large"))
    }

    /// `"(" item *(SP item) ")"`; with `min` 0 also `"()"`. Some clients put a space before the
    /// closing parenthesis.
    pub fn list<T>(
        &mut self,
        min: usize,
        max: usize,
        mut item: impl FnMut(&mut Cursor<'a>) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.expect(b'(', "An opening parenthesis is missing")?;
        let mut items = Vec::new();
        if min == 0 && self.eat(b')') {
            return Ok(items);
        }
        loop {
            if items.len() == max {
                return Err(Reason::TooMany("A list is too long"));
            }
            items.push(item(self)?);
            if self.eat(b')') {
                return Ok(items);
            }
            self.expect(b' ', "A closing parenthesis is missing")?;
            if self.eat(b')') {
                return Ok(items);
            }
        }
    }

    fn advance(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }
}

/// ``ATOM-CHAR``: any CHAR except ``"(" / ")" / "{" / SP / CTL / "%" / "*" / DQUOTE / "\" / "]"``
pub(super) fn is_atom_char(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// `ASTRING-CHAR = ATOM-CHAR / resp-specials`
pub(super) fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

/// `list-char = ATOM-CHAR / list-wildcards / resp-specials`
pub(super) fn is_list_char(byte: u8) -> bool {
    is_astring_char(byte) || matches!(byte, b'%' | b'*')
}

/// The tag with which these bytes begin: `tag = 1*<any ASTRING-CHAR except "+">`.
pub(in crate::wire::imap) fn leading_tag(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().take(crate::mail::limits::TAG + 1).position(|&byte| matches!(byte, b' ' | b'\r' | b'\n'));
    let end = end.or_else(|| (bytes.len() <= crate::mail::limits::TAG).then_some(bytes.len()))?;
    let tag = bytes.get(..end)?;
    let sound = !tag.is_empty() && tag.iter().all(|&byte| is_astring_char(byte) && byte != b'+');
    if sound { std::str::from_utf8(tag).ok() } else { None }
}

/// Text that must be UTF-8.
pub(super) fn utf8(bytes: Cow<'_, [u8]>) -> Parsed<String> {
    String::from_utf8(bytes.into_owned()).map_err(|_| Reason::BadArguments("A string is not UTF-8"))
}

fn non_empty<'a>(bytes: &'a [u8], otherwise: &'static str) -> Parsed<&'a str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() => Ok(text),
        _ => Err(Reason::BadArguments(otherwise)),
    }
}
