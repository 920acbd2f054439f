//! Address lists (RFC 5322 §3.4 and §4.4), read as they come: groups, routes, comments for names, and whatever else
//! has been written since 1982. A broken list gives what can be had. Every step consumes an octet, so that no input
//! can make it loop.

use super::{Address, limits};
use memchr::{memchr, memchr3, memmem};
use std::borrow::Cow;

/// The addresses of an unfolded field value, at most `limit` of them; a group counts with its start and end.
pub(super) fn addresses(value: &[u8], limit: usize) -> Vec<Address<'static>> {
    let reader = Reader { rest: value, comment: None, comments: true };
    reader.list(limit)
}

struct Reader<'v> {
    rest: &'v [u8],
    /// The last comment passed: the name of an address that has no other (`user@host (Name)`).
    comment: Option<Vec<u8>>,
    /// Whether `(` still begins comments; not after one that never ended.
    comments: bool,
}

enum Item {
    Address(Address<'static>),
    /// The name of a group that begins here.
    Group(Vec<u8>),
    Nothing,
}

impl Reader<'_> {
    /// `address-list / obs-addr-list`
    fn list(mut self, limit: usize) -> Vec<Address<'static>> {
        let mut list = Vec::new();
        let mut in_group = false;
        while list.len() < limit {
            self.comment = None;
            self.skip_space();
            match self.rest.first() {
                None => break,
                Some(b',') => self.skip(1),
                Some(b';') => {
                    self.skip(1);
                    if std::mem::take(&mut in_group) {
                        list.push(Address::default());
                    }
                }
                Some(_) => match self.address() {
                    Item::Address(address) => list.push(address),
                    Item::Group(name) => {
                        if std::mem::replace(&mut in_group, true) {
                            list.push(Address::default());
                        }
                        list.push(Address { mailbox: Some(name.into()), ..Address::default() });
                    }
                    Item::Nothing => {}
                },
            }
        }
        if in_group {
            list.push(Address::default());
        }
        list
    }

    /// `mailbox / group`, up to what shows which of them it is.
    fn address(&mut self) -> Item {
        let mut phrase = Vec::new();
        // The last word of the phrase, which is the local part if an `@` follows, and where the phrase ends before it.
        let (mut local, mut before) = (Vec::new(), 0);
        loop {
            let spaced = self.skip_space();
            match self.rest.first() {
                None | Some(b',' | b';') => return self.bare(phrase),
                Some(b'<') => {
                    self.skip(1);
                    return self.angle(phrase);
                }
                Some(b'@') => {
                    self.skip(1);
                    let host = self.domain();
                    self.skip_space();
                    if self.rest.first() == Some(&b'<') {
                        // The name of this one is an address itself, without the quotes that it needs.
                        phrase.push(b'@');
                        phrase.extend_from_slice(&host);
                        continue;
                    }
                    phrase.truncate(before);
                    return self.finished(phrase, None, local, host);
                }
                Some(b':') => {
                    self.skip(1);
                    if !phrase.is_empty() {
                        return Item::Group(phrase);
                    }
                }
                Some(b'>') => self.skip(1),
                Some(_) => {
                    let mut word = Vec::new();
                    self.word(&mut word);
                    // `obs-local-part` may have space around its dots.
                    let joins = !spaced || local.ends_with(b".") || word.starts_with(b".");
                    if !joins || phrase.is_empty() {
                        local.clear();
                        before = phrase.len();
                    }
                    if spaced && !phrase.is_empty() {
                        phrase.push(b' ');
                    }
                    phrase.extend_from_slice(&word);
                    local.extend_from_slice(&word);
                }
            }
        }
    }

    /// Words that are neither followed by an address nor by a colon.
    fn bare(&mut self, phrase: Vec<u8>) -> Item {
        if phrase.is_empty() { Item::Nothing } else { self.finished(Vec::new(), None, phrase, Vec::new()) }
    }

    /// `angle-addr / obs-angle-addr`, its `<` already read.
    fn angle(&mut self, phrase: Vec<u8>) -> Item {
        let (mut route, mut local, mut host) = (Vec::new(), Vec::new(), Vec::new());
        self.skip_space();
        if self.rest.first() == Some(&b'@') {
            // `obs-route`
            loop {
                self.skip_space();
                match self.rest.first() {
                    None | Some(b'>') => break,
                    Some(b':') => {
                        self.skip(1);
                        break;
                    }
                    Some(&octet) => {
                        route.push(octet);
                        self.skip(1);
                    }
                }
            }
        }
        loop {
            self.skip_space();
            match self.rest.first() {
                None | Some(b'>' | b',' | b';') => break,
                Some(b'@') => {
                    self.skip(1);
                    host = self.domain();
                    break;
                }
                Some(b'<') => self.skip(1),
                Some(b':') => {
                    local.push(b':');
                    self.skip(1);
                }
                Some(_) => self.word(&mut local),
            }
        }
        self.rest = memchr3(b'>', b',', b';', self.rest).and_then(|at| self.rest.get(at..)).unwrap_or_default();
        while self.rest.first() == Some(&b'>') {
            self.skip(1);
        }
        if phrase.is_empty() && local.is_empty() && host.is_empty() {
            return Item::Nothing;
        }
        self.finished(phrase, (!route.is_empty()).then_some(route), local, host)
    }

    /// An address whose end is reached; what stands between it and the next one is passed over.
    fn finished(&mut self, phrase: Vec<u8>, route: Option<Vec<u8>>, local: Vec<u8>, host: Vec<u8>) -> Item {
        self.skip_space();
        match memchr3(b',', b';', b'@', self.rest) {
            // Another address follows, without a comma.
            Some(at) if self.rest.get(at) == Some(&b'@') => {}
            Some(at) => self.skip(at),
            None => self.rest = &[],
        }
        let name = Some(phrase).filter(|phrase| !phrase.is_empty()).or_else(|| self.comment.take());
        Item::Address(Address {
            name: name.map(Cow::Owned),
            route: route.map(Cow::Owned),
            mailbox: Some(local.into()),
            // Empty, not absent, where it is missing: without a host it would be a group (RFC 9051 §7.5.2).
            host: Some(host.into()),
        })
    }

    /// `domain / obs-domain`
    fn domain(&mut self) -> Vec<u8> {
        let mut host = Vec::new();
        loop {
            let spaced = self.skip_space();
            match self.rest.first() {
                None | Some(b',' | b';' | b'<' | b'>' | b'@' | b':' | b'"') => return host,
                Some(next) if spaced && !host.is_empty() && !host.ends_with(b".") && *next != b'.' => return host,
                Some(b'[') => {
                    let length = memchr(b']', self.rest).map_or(1, |at| at + 1);
                    host.extend_from_slice(self.rest.get(..length).unwrap_or_default());
                    self.skip(length);
                }
                Some(_) => self.word(&mut host),
            }
        }
    }

    /// `word`: a quoted string without its quotes, an encoded word as it is, or a run of octets without meaning here.
    fn word(&mut self, out: &mut Vec<u8>) {
        if self.rest.first() == Some(&b'"') {
            if !self.quoted(out) {
                self.skip(1);
            }
            return;
        }
        let mut length = encoded_word(self.rest).unwrap_or(1);
        while let Some(octet) = self.rest.get(length) {
            let ends = matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | b'<' | b'>' | b',' | b';' | b':' | b'@' | b'"');
            if ends || (*octet == b'(' && self.comments) {
                break;
            }
            length += 1;
        }
        out.extend_from_slice(self.rest.get(..length).unwrap_or_default());
        self.skip(length);
    }

    /// `quoted-string`; false, and nothing read, if its end is missing.
    fn quoted(&mut self, out: &mut Vec<u8>) -> bool {
        let begin = out.len();
        let mut octets = self.rest.get(1..).unwrap_or_default().iter();
        while let Some(&octet) = octets.next() {
            match octet {
                b'"' => {
                    self.rest = octets.as_slice();
                    return true;
                }
                b'\\' => out.extend(octets.next()),
                _ => out.push(octet),
            }
        }
        out.truncate(begin);
        false
    }

    /// Skips `CFWS`; whether there was any.
    fn skip_space(&mut self) -> bool {
        let before = self.rest.len();
        loop {
            self.rest = self.rest.trim_ascii_start();
            if !(self.comments && self.rest.first() == Some(&b'(')) {
                return self.rest.len() < before;
            }
            if !self.comment() {
                self.comments = false;
            }
        }
    }

    /// `comment`; false, and nothing read, if its end is missing.
    fn comment(&mut self) -> bool {
        let mut text = Vec::new();
        let mut depth = 0_usize;
        let mut octets = self.rest.iter();
        while let Some(&octet) = octets.next() {
            match octet {
                b'(' => depth += 1,
                b')' => depth -= 1,
                b'\\' => {
                    text.extend(octets.next());
                    continue;
                }
                _ => {}
            }
            if depth == 0 {
                self.rest = octets.as_slice();
                let text = text.get(1..).unwrap_or_default().trim_ascii();
                if !text.is_empty() {
                    self.comment = Some(text.to_vec());
                }
                return true;
            }
            text.push(octet);
        }
        false
    }

    fn skip(&mut self, octets: usize) {
        self.rest = self.rest.get(octets..).unwrap_or_default();
    }
}

/// The length of the encoded word at the beginning: some writers leave commas and `@` in it (RFC 2047 §5 (3) forbids).
fn encoded_word(octets: &[u8]) -> Option<usize> {
    if !octets.starts_with(b"=?") {
        return None;
    }
    let octets = octets.get(..limits::ENCODED_WORD).unwrap_or(octets);
    let charset = memchr(b'?', octets.get(2..)?)? + 3;
    // The encoding is a letter, and a `?` ends it.
    let begin = charset + 2;
    let length = begin + memmem::find(octets.get(begin..)?, b"?=")? + 2;
    let word = octets.get(..length)?;
    (octets.get(charset + 1) == Some(&b'?') && !word.iter().any(u8::is_ascii_whitespace)).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each address as `name|route|mailbox|host`, `-` for what is absent.
    fn read(value: &str) -> Vec<String> {
        let part = |part: &Option<Cow<'_, [u8]>>| {
            part.as_ref().map_or("-".to_owned(), |octets| String::from_utf8_lossy(octets).into_owned())
        };
        addresses(value.as_bytes(), 100)
            .iter()
            .map(|a| [part(&a.name), part(&a.route), part(&a.mailbox), part(&a.host)].join("|"))
            .collect()
    }

    #[test]
    fn the_usual_forms_are_read() {
        assert_eq!(read("a@b"), ["-|-|a|b"]);
        assert_eq!(read("<a@b>, c@d.e ,"), ["-|-|a|b", "-|-|c|d.e"]);
        assert_eq!(read("John Q. Public <a@b>"), ["John Q. Public|-|a|b"]);
        assert_eq!(read("\"Doe, \\\"J\\\" \\\\ (x)\" <\"a b\"@[1.2.3.4]>"), ["Doe, \"J\" \\ (x)|-|a b|[1.2.3.4]"]);
        assert_eq!(read("=?utf-8?q?J=C3=BC?=\t=?utf-8?q?rgen?= <j@x>"), ["=?utf-8?q?J=C3=BC?= =?utf-8?q?rgen?=|-|j|x"]);
        assert_eq!(read("Jürgen <j@x>"), ["Jürgen|-|j|x"]);
    }

    #[test]
    fn a_comment_is_the_name_of_an_address_without_one() {
        assert_eq!(read("a@b (The (real) \\) Name)"), ["The (real) ) Name|-|a|b"]);
        assert_eq!(read("a (x) @ (y) b (Name), c@d"), ["Name|-|a|b", "-|-|c|d"]);
        assert_eq!(read("A <a@b> (not this)"), ["A|-|a|b"]);
    }

    #[test]
    fn groups_have_a_start_and_an_end() {
        assert_eq!(read("A Group: a@b, C <c@d>;, e@f"), ["-|-|A Group|-", "-|-|a|b", "C|-|c|d", "-|-|-|-", "-|-|e|f"]);
        assert_eq!(read("undisclosed-recipients:;"), ["-|-|undisclosed-recipients|-", "-|-|-|-"]);
        assert_eq!(read("Unclosed: a@b"), ["-|-|Unclosed|-", "-|-|a|b", "-|-|-|-"]);
        assert_eq!(read("One: Two: a@b;;"), ["-|-|One|-", "-|-|-|-", "-|-|Two|-", "-|-|a|b", "-|-|-|-"]);
    }

    #[test]
    fn obsolete_forms_are_read() {
        assert_eq!(read("Mary <@a.test,@b:mary@c.net>"), ["Mary|@a.test,@b|mary|c.net"]);
        assert_eq!(read("jdoe . x @ one . test"), ["-|-|jdoe.x|one.test"]);
        assert_eq!(read("\"a\".\"b\"@c"), ["-|-|a.b|c"]);
    }

    #[test]
    fn a_missing_domain_is_empty_and_no_group() {
        assert_eq!(read("postmaster"), ["-|-|postmaster|"]);
        assert_eq!(read("Root <root>"), ["Root|-|root|"]);
        assert_eq!(read("two words, <>"), ["-|-|two words|"]);
    }

    #[test]
    fn broken_lists_give_what_can_be_had() {
        assert_eq!(read("\"Foo <a@b>"), ["Foo|-|a|b"]);
        assert_eq!(read("(Foo <a@b>, c@d"), ["(Foo|-|a|b", "-|-|c|d"]);
        assert_eq!(read("<a@b, c@d>"), ["-|-|a|b", "-|-|c|d"]);
        assert_eq!(read("a@b c@d"), ["-|-|a|b", "-|-|c|d"]);
        assert_eq!(read("John Doe j@d"), ["John Doe|-|j|d"]);
        assert_eq!(read("a@b <a@b>"), ["a@b|-|a|b"]);
        assert_eq!(read("<<a@b>>, <mailto:c@d>"), ["-|-|a|b", "-|-|mailto:c|d"]);
        assert_eq!(read("=?utf-8?Q?Doe,_J@x?= <a@b>"), ["=?utf-8?Q?Doe,_J@x?=|-|a|b"]);
        assert_eq!(read("[List] x <a@b>"), ["[List] x|-|a|b"]);
        assert_eq!(read(",,;:<>@"), ["-|-||"]);
    }

    #[test]
    fn no_input_makes_it_loop_or_outgrow_its_limit() {
        let alphabet = b"ab .,;:<>@\"\\()[]=?\x80";
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..20_000 {
            let mut value = Vec::new();
            for _ in 0..24 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                value.extend(alphabet.get(usize::try_from(seed % alphabet.len() as u64).unwrap_or(0)));
            }
            assert!(addresses(&value, 5).len() <= 7);
        }
        for bad in [&b"("[..], b"\"", b"<", b"=?", b"@", b"[", b"a:", b",", b"a "] {
            addresses(&bad.repeat(limits::HEADER_VALUE / bad.len()), limits::ADDRESSES);
        }
    }
}
