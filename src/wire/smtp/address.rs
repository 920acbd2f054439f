//! Addresses of the envelope (RFC 5321 §4.1.2, RFC 6531 §3.3). Not those of a header, which may be nearly anything.

use crate::mail::limits;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// `local@domain`, in one form for what means the same: the domain in lower case, no quotes that are not needed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address(String);

/// Why something is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is not what the grammar has; the text is for the client.
    Syntax(&'static str),
    /// It has octets outside of ASCII, which need SMTPUTF8 (RFC 6531 §3.5).
    NeedsUtf8,
}

/// The name that every host has, alone (RFC 5321 §4.5.1).
const POSTMASTER: &str = "postmaster";

const NO_PATH: Wrong = Wrong::Syntax("There is no address");
const BAD_LOCAL: Wrong = Wrong::Syntax("The part before the @ is not as it must be");
const BAD_DOMAIN: Wrong = Wrong::Syntax("The part after the @ is not as it must be");

impl Address {
    /// `Mailbox = Local-part "@" ( Domain / address-literal )`, and nothing else.
    pub fn parse(text: &str, utf8: bool) -> Result<Address, Wrong> {
        match mailbox(text, utf8)? {
            (address, "") => Ok(address),
            _ => Err(BAD_DOMAIN),
        }
    }

    /// All of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `Reverse-path = Path / "<>"`, and what follows it. Clients that leave the angle brackets out are understood.
pub fn reverse_path(text: &str, utf8: bool) -> Result<(Option<Address>, &str), Wrong> {
    let text = text.trim_start_matches(' ');
    match text.strip_prefix("<>") {
        Some(rest) => Ok((None, rest)),
        None => path(text, utf8).map(|(address, rest)| (Some(address), rest)),
    }
}

/// `"<Postmaster>" / Forward-path`, and what follows it. `host` is where a postmaster without a domain is.
pub fn forward_path<'t>(text: &'t str, host: &str, utf8: bool) -> Result<(Address, &'t str), Wrong> {
    let text = text.trim_start_matches(' ');
    let lone = text.strip_prefix('<').and_then(|inner| inner.split_once('>'));
    match lone {
        Some((name, rest)) if name.eq_ignore_ascii_case(POSTMASTER) => {
            Ok((Address(format!("{POSTMASTER}@{host}")), rest))
        }
        _ => path(text, utf8),
    }
}

/// `Path = "<" [ A-d-l ":" ] Mailbox ">"`. A route is passed over (RFC 5321 §4.1.2, appendix C).
fn path(text: &str, utf8: bool) -> Result<(Address, &str), Wrong> {
    let Some(inner) = text.strip_prefix('<') else {
        if text.is_empty() {
            return Err(NO_PATH);
        }
        let (address, rest) = mailbox(text, utf8)?;
        return if rest.is_empty() || rest.starts_with(' ') { Ok((address, rest)) } else { Err(BAD_DOMAIN) };
    };
    let inner = match inner.strip_prefix('@') {
        Some(route) => route.split_once(':').ok_or(Wrong::Syntax("The route does not end"))?.1,
        None => inner,
    };
    let (address, rest) = mailbox(inner, utf8)?;
    Ok((address, rest.strip_prefix('>').ok_or(BAD_DOMAIN)?))
}

/// A mailbox at the front of a text, and what follows it.
fn mailbox(text: &str, utf8: bool) -> Result<(Address, &str), Wrong> {
    let (local, rest) = if text.starts_with('"') { quoted(text)? } else { dotted(text)? };
    let rest = rest.strip_prefix('@').ok_or(Wrong::Syntax("There is no @"))?;
    let (domain, rest) = if rest.starts_with('[') { literal(rest)? } else { domain(rest)? };
    let address = format!("{local}@{domain}");
    if address.len() > limits::ADDRESS {
        return Err(Wrong::Syntax("The address is too long"));
    }
    if !utf8 && !address.is_ascii() {
        return Err(Wrong::NeedsUtf8);
    }
    Ok((Address(address), rest))
}

/// `Dot-string`. Dots may stand anywhere: some providers gave such addresses out.
fn dotted(text: &str) -> Result<(String, &str), Wrong> {
    let end = text.find(|c| !is_atext(c) && c != '.').unwrap_or(text.len());
    let (local, rest) = text.split_at(end);
    if local.is_empty() { Err(BAD_LOCAL) } else { Ok((local.to_owned(), rest)) }
}

/// `Quoted-string = DQUOTE *QcontentSMTP DQUOTE`, without its quotes where it does not need them.
fn quoted(text: &str) -> Result<(String, &str), Wrong> {
    let mut plain = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        let c = match c {
            '"' => {
                let rest = text.get(at + 1..).unwrap_or_default();
                return Ok((if needs_quotes(&plain) { quote(&plain) } else { plain }, rest));
            }
            '\\' => characters.next().ok_or(BAD_LOCAL)?.1,
            c => c,
        };
        if c.is_control() {
            return Err(BAD_LOCAL);
        }
        plain.push(c);
    }
    Err(Wrong::Syntax("The quotes do not end"))
}

fn needs_quotes(local: &str) -> bool {
    local.is_empty() || !local.chars().all(|c| is_atext(c) || c == '.')
}

fn quote(local: &str) -> String {
    let mut quoted = String::from('"');
    for c in local.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// `Domain = sub-domain *("." sub-domain)`. Underscores are none of a host's, but there are such domains.
fn domain(text: &str) -> Result<(String, &str), Wrong> {
    let within = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') || is_letter(c);
    let end = text.find(|c| !within(c)).unwrap_or(text.len());
    let (domain, rest) = text.split_at(end);
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let label = |label: &str| (1..=63).contains(&label.chars().count());
    if domain.len() > 255 || !domain.split('.').all(label) {
        return Err(BAD_DOMAIN);
    }
    Ok((domain.to_lowercase(), rest))
}

/// `address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]"`
fn literal(text: &str) -> Result<(String, &str), Wrong> {
    let (inner, rest) = text.strip_prefix('[').and_then(|text| text.split_once(']')).ok_or(BAD_DOMAIN)?;
    if let Ok(address) = inner.parse::<Ipv4Addr>() {
        return Ok((format!("[{address}]"), rest));
    }
    let tagged = inner.split_at_checked(5).filter(|(tag, _)| tag.eq_ignore_ascii_case("IPv6:"));
    let address = tagged.and_then(|(_, address)| address.parse::<Ipv6Addr>().ok()).ok_or(BAD_DOMAIN)?;
    Ok((format!("[IPv6:{address}]"), rest))
}

/// `atext` (RFC 5322 §3.2.3, RFC 6531 §3.3).
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_letter(c)
}

/// A character outside of ASCII that neither hides nor breaks anything.
fn is_letter(c: char) -> bool {
    let hidden = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_ascii() && !c.is_control() && !c.is_whitespace() && !hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(text: &str) -> Result<String, Wrong> {
        let (address, rest) = forward_path(text, "mx.example.org", true)?;
        assert_eq!(rest, "", "{text}");
        Ok(address.as_str().to_owned())
    }

    #[test]
    fn what_means_the_same_is_the_same() {
        for (text, address) in [
            ("<ann@Example.ORG>", "ann@example.org"),
            (" <ann@example.org.>", "ann@example.org"),
            ("ann@example.org", "ann@example.org"),
            ("<\"ann\"@example.org>", "ann@example.org"),
            ("<\"a\\n\\n\"@example.org>", "ann@example.org"),
            ("<\"ann b\"@example.org>", "\"ann b\"@example.org"),
            ("<\"a\\\"b\\\\c@d>\"@example.org>", "\"a\\\"b\\\\c@d>\"@example.org"),
            ("<\"\"@example.org>", "\"\"@example.org"),
            ("<@one.example,@two.example:ann@example.org>", "ann@example.org"),
            ("<Ann+Box.x@example.org>", "Ann+Box.x@example.org"),
            ("<a..b.@docomo.example>", "a..b.@docomo.example"),
            ("<ann@[192.0.2.1]>", "ann@[192.0.2.1]"),
            ("<ann@[ipv6:2001:DB8::1]>", "ann@[IPv6:2001:db8::1]"),
            ("<грета@Пример.example>", "грета@пример.example"),
            ("<postmaster>", "postmaster@mx.example.org"),
            ("<PostMaster>", "postmaster@mx.example.org"),
        ] {
            assert_eq!(forward(text).as_deref(), Ok(address), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "<>",
            "<ann>",
            "<ann@>",
            "<@example.org>",
            "<ann@example.org",
            "<ann@exam ple.org>",
            "<ann@@example.org>",
            "<ann@one@two>",
            "<a b@example.org>",
            "<\"ann@example.org>",
            "<\"ann\\",
            "<ann@[192.0.2]>",
            "<ann@[2001:db8::1]>",
            "<ann@[x]>",
            "<ann@a..b>",
            "<ann@.example.org>",
            "<\"a\u{1}b\"@example.org>",
            "<ann\u{202e}@example.org>",
            "<@one.example>",
            "ann@example.org>",
            "postmaster",
        ] {
            assert!(forward(text).is_err(), "{text}");
        }
        let long = format!("<{}@example.org>", "a".repeat(limits::ADDRESS));
        assert!(forward(&long).is_err());
    }

    #[test]
    fn letters_outside_of_ascii_have_to_be_asked_for() {
        assert_eq!(Address::parse("ä@example.org", false), Err(Wrong::NeedsUtf8));
        assert_eq!(Address::parse("a@ä.example", false), Err(Wrong::NeedsUtf8));
        assert!(Address::parse("ä@ä.example", true).is_ok());
    }

    #[test]
    fn a_reverse_path_may_be_empty_and_parameters_follow() {
        assert_eq!(reverse_path("<> SIZE=1", false), Ok((None, " SIZE=1")));
        let (address, rest) = reverse_path("<a@b> BODY=8BITMIME", false).unwrap();
        assert_eq!((address.unwrap().domain(), rest), ("b", " BODY=8BITMIME"));
        assert!(reverse_path("postmaster", false).is_err());
    }
}
