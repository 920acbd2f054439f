//! The grammar of a record (RFC 7208 §12).

use super::SpfResult;
use super::text::{Place, Text};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Terms of one record: what fits into a TXT record of a sane size, and more.
const TERMS: usize = 1_000;

/// `record = version terms *SP`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) directives: Vec<Directive>,
    pub(super) redirect: Option<Text>,
    pub(super) explanation: Option<Text>,
}

/// `directive = [ qualifier ] mechanism`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    /// What comes out if the mechanism matches.
    pub(super) result: SpfResult,
    pub(super) mechanism: Mechanism,
}

/// What a client's address is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(Text),
    A(Option<Text>, Lengths),
    Mx(Option<Text>, Lengths),
    Ptr(Option<Text>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(Text),
}

/// `dual-cidr-length`: bits that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) ipv4: u8,
    pub(super) ipv6: u8,
}

impl Record {
    /// Whether a text is an SPF record, well formed or not (RFC 7208 §4.5).
    pub(super) fn is_one(text: &[u8]) -> bool {
        let (version, rest) = text.split_at_checked(6).unwrap_or((text, &[]));
        version.eq_ignore_ascii_case(b"v=spf1") && rest.first().is_none_or(|octet| *octet == b' ')
    }

    /// `None` for what breaks the grammar anywhere (RFC 7208 §4.6).
    pub(super) fn parse(text: &[u8]) -> Option<Record> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
        let mut record = Record::default();
        for (number, term) in text.get(6..)?.split(' ').filter(|term| !term.is_empty()).enumerate() {
            if number == TERMS {
                return None;
            }
            let name = term.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
            match name.and_then(|end| term.split_at_checked(end)) {
                Some((name, value)) if value.starts_with('=') => record.modifier(name, value.get(1..)?)?,
                _ => record.directives.push(directive(term)?),
            }
        }
        Some(record)
    }

    fn modifier(&mut self, name: &str, value: &str) -> Option<()> {
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let place = match name.to_ascii_lowercase().as_str() {
            "redirect" => &mut self.redirect,
            "exp" => &mut self.explanation,
            _ => return Text::parse(value, Place::Modifier).map(|_| ()),
        };
        // RFC 7208 §6: each at most once.
        if place.is_some() {
            return None;
        }
        *place = Some(Text::parse(value, Place::Domain)?);
        Some(())
    }
}

fn directive(term: &str) -> Option<Directive> {
    let (result, term) = match term.chars().next()? {
        '+' => (SpfResult::Pass, term.get(1..)?),
        '-' => (SpfResult::Fail, term.get(1..)?),
        '~' => (SpfResult::SoftFail, term.get(1..)?),
        '?' => (SpfResult::Neutral, term.get(1..)?),
        _ => (SpfResult::Pass, term),
    };
    let end = term.find([':', '/']).unwrap_or(term.len());
    let (name, rest) = term.split_at_checked(end)?;
    let domain = |text: &str| Text::parse(text, Place::Domain);
    let given = rest.strip_prefix(':');
    let mechanism = match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(domain(given?)?),
        "exists" => Mechanism::Exists(domain(given?)?),
        "ptr" if rest.is_empty() => Mechanism::Ptr(None),
        "ptr" => Mechanism::Ptr(Some(domain(given?)?)),
        name @ ("a" | "mx") => {
            let (rest, lengths) = dual_length(rest)?;
            let text = match rest {
                "" => None,
                rest => Some(domain(rest.strip_prefix(':')?)?),
            };
            if name == "a" { Mechanism::A(text, lengths) } else { Mechanism::Mx(text, lengths) }
        }
        "ip4" => {
            let (address, bits) = network(given?, 32)?;
            Mechanism::Ip4(ipv4(address)?, bits)
        }
        "ip6" => {
            let (address, bits) = network(given?, 128)?;
            Mechanism::Ip6(address.parse().ok()?, bits)
        }
        _ => return None,
    };
    Some(Directive { result, mechanism })
}

/// `[ ip4-cidr-length ] [ "/" ip6-cidr-length ]` at the end of a term; returns what is before it.
fn dual_length(term: &str) -> Option<(&str, Lengths)> {
    let mut lengths = Lengths { ipv4: 32, ipv6: 128 };
    let mut rest = term;
    if let Some((before, bits)) = rest.rsplit_once("//") {
        lengths.ipv6 = length(bits, 128)?;
        rest = before;
    }
    if let Some((before, bits)) = rest.rsplit_once('/')
        && bits.bytes().all(|octet| octet.is_ascii_digit())
    {
        lengths.ipv4 = length(bits, 32)?;
        rest = before;
    }
    Some((rest, lengths))
}

fn network(text: &str, most: u8) -> Option<(&str, u8)> {
    match text.split_once('/') {
        None => Some((text, most)),
        Some((address, bits)) => Some((address, length(bits, most)?)),
    }
}

/// A number without leading zeroes.
fn length(bits: &str, most: u8) -> Option<u8> {
    let is_plain = !bits.is_empty() && bits.bytes().all(|octet| octet.is_ascii_digit());
    if !is_plain || bits.len() > 1 && bits.starts_with('0') {
        return None;
    }
    bits.parse().ok().filter(|bits| *bits <= most)
}

/// `ip4-network = qnum "." qnum "." qnum "." qnum`
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Record> {
        Record::parse(format!("v=spf1 {text}").as_bytes())
    }

    #[test]
    fn a_record_is_known_by_its_first_word() {
        for (text, is) in
            [("v=spf1", true), ("V=SPF1 -all", true), ("v=spf10", false), ("v=spf1\t", false), ("", false)]
        {
            assert_eq!(Record::is_one(text.as_bytes()), is, "{text}");
        }
    }

    #[test]
    fn each_mechanism_is_understood() {
        let record = parse("a MX:a.b/24//64 -ip4:192.0.2.0/24 ?ip6:2001:db8::/32 ~ptr exists:%{i}.x.y  foo=%{c} -all ");
        let mechanisms: Vec<_> = record.unwrap().directives;
        let lengths = |ipv4, ipv6| Lengths { ipv4, ipv6 };
        assert_eq!(mechanisms.len(), 7);
        assert_eq!(mechanisms[0].mechanism, Mechanism::A(None, lengths(32, 128)));
        assert_eq!(mechanisms[1].mechanism, Mechanism::Mx(Text::parse("a.b", Place::Domain), lengths(24, 64)));
        assert_eq!(mechanisms[2].mechanism, Mechanism::Ip4(Ipv4Addr::new(192, 0, 2, 0), 24));
        assert_eq!((mechanisms[2].result, mechanisms[4].result), (SpfResult::Fail, SpfResult::SoftFail));
        assert_eq!(mechanisms[6].mechanism, Mechanism::All);
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for bad in [
            "all:x.y",
            "all/8",
            "include",
            "include:",
            "a:",
            "a/",
            "a/33",
            "a//129",
            "a/08",
            "a/1/2",
            "a:x.y/",
            "ip4",
            "ip4:1.2.3",
            "ip4:1.2.3.4/",
            "ip4:1.2.3.4/33",
            "ip4:1.2.3.4//32",
            "ip4:01.2.3.4",
            "ip6:1.2.3.4",
            "ip6:::1/129",
            "ptr:",
            "ptr/8",
            "exists",
            "moo",
            "-",
            "redirect=a.b redirect=a.b",
            "exp=a.b exp=a.b",
            "redirect=",
            "1=x",
            "=x",
            "foo=%x",
            "a\u{e9}",
            "a\tmx",
            "redirect:x.y",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
