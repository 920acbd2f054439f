//! Texts with macros in them (RFC 7208 §7).

/// `*delimiter` where none is given.
const DELIMITERS: &str = ".";
/// Parts that a macro can keep, at most: what a name can have.
const PARTS: usize = 128;

/// A text with macros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Macro(Macro),
}

/// `"%{" macro-letter transformers *delimiter "}"`
#[derive(Clone, Debug, PartialEq, Eq)]
struct Macro {
    letter: Letter,
    /// Written as a capital: what it stands for is escaped as in a URL.
    is_escaped: bool,
    /// How many parts are kept, counted from the right.
    kept: usize,
    is_reversed: bool,
    delimiters: String,
}

/// What a macro stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    Sender,
    LocalPart,
    SenderDomain,
    Domain,
    Address,
    /// The name of the client that its address confirms.
    Name,
    Version,
    Helo,
    ClientAddress,
    Receiver,
    Time,
}

/// Where a text stands, which decides what may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A name that is looked up.
    Domain,
    /// An unknown modifier.
    Modifier,
    /// What is told to those whose mail fails: has spaces too.
    Explanation,
}

impl Letter {
    fn of(letter: char) -> Option<Letter> {
        Some(match letter.to_ascii_lowercase() {
            's' => Letter::Sender,
            'l' => Letter::LocalPart,
            'o' => Letter::SenderDomain,
            'd' => Letter::Domain,
            'i' => Letter::Address,
            'p' => Letter::Name,
            'v' => Letter::Version,
            'h' => Letter::Helo,
            'c' => Letter::ClientAddress,
            'r' => Letter::Receiver,
            't' => Letter::Time,
            _ => return None,
        })
    }

    /// RFC 7208 §7.2: these are of use in explanations only.
    fn is_of_explanations(self) -> bool {
        matches!(self, Letter::ClientAddress | Letter::Receiver | Letter::Time)
    }
}

impl Text {
    /// `macro-string`, `explain-string`, or `domain-spec`; `None` for what is none.
    pub(super) fn parse(text: &str, place: Place) -> Option<Text> {
        let (mut pieces, mut literal) = (Vec::new(), String::new());
        // What stands after the last macro, in the sense of the grammar, to which `%%` belongs.
        let mut end = String::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            rest = rest.get(next.len_utf8()..)?;
            if next != '%' {
                if !(matches!(next, '!'..='~') || next == ' ' && place == Place::Explanation) {
                    return None;
                }
                literal.push(next);
                end.push(next);
                continue;
            }
            end.clear();
            let kind = rest.chars().next()?;
            rest = rest.get(kind.len_utf8()..)?;
            match kind {
                '%' => literal.push('%'),
                '_' => literal.push(' '),
                '-' => literal.push_str("%20"),
                '{' => {
                    let (inner, after) = rest.split_once('}')?;
                    let one = Macro::parse(inner)?;
                    if place == Place::Domain && one.letter.is_of_explanations() {
                        return None;
                    }
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    pieces.push(Piece::Macro(one));
                    rest = after;
                }
                _ => return None,
            }
        }
        pieces.push(Piece::Literal(literal));
        let ends_in_macro = end.is_empty() && !text.is_empty();
        if place == Place::Domain && !ends_in_macro && !has_top_label(&end) {
            return None;
        }
        Some(Text(pieces))
    }

    pub(super) fn names(&self, letter: Letter) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Macro(one) if one.letter == letter))
    }

    /// The text with what its macros stand for.
    pub(super) fn expand(&self, of: impl Fn(Letter) -> String) -> String {
        let expand = |piece: &Piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Macro(one) => one.expand(&of(one.letter)),
        };
        self.0.iter().map(expand).collect()
    }
}

impl Macro {
    fn parse(inner: &str) -> Option<Macro> {
        let letter = inner.chars().next()?;
        let rest = inner.get(letter.len_utf8()..)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = rest.split_at_checked(digits)?;
        let kept = match digits {
            "" => PARTS,
            // A number that is too large for us keeps all there is.
            digits => digits.parse().unwrap_or(PARTS).min(PARTS),
        };
        let (is_reversed, delimiters) = match rest.strip_prefix(['r', 'R']) {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if kept == 0 || !delimiters.chars().all(|c| ".-+,/_=".contains(c)) {
            return None;
        }
        let delimiters = if delimiters.is_empty() { DELIMITERS } else { delimiters }.to_owned();
        Some(Macro {
            letter: Letter::of(letter)?,
            is_escaped: letter.is_ascii_uppercase(),
            kept,
            is_reversed,
            delimiters,
        })
    }

    fn expand(&self, value: &str) -> String {
        let mut parts: Vec<&str> = value.split(|c| self.delimiters.contains(c)).collect();
        if self.is_reversed {
            parts.reverse();
        }
        let kept = parts.get(parts.len().saturating_sub(self.kept)..).unwrap_or_default().join(".");
        if self.is_escaped { escape(&kept) } else { kept }
    }
}

/// Percent signs for all but RFC 3986's unreserved characters.
fn escape(text: &str) -> String {
    let octet = |octet: u8| match octet {
        b'-' | b'.' | b'_' | b'~' => char::from(octet).to_string(),
        octet if octet.is_ascii_alphanumeric() => char::from(octet).to_string(),
        octet => format!("%{octet:02X}"),
    };
    text.bytes().map(octet).collect()
}

/// `"." toplabel [ "." ]` at the end.
fn has_top_label(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let Some((_, label)) = text.rsplit_once('.') else { return false };
    label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !label.bytes().all(|octet| octet.is_ascii_digit())
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Option<String> {
        let value = |letter| match letter {
            Letter::Sender => "strong-bad@email.example.com",
            Letter::LocalPart => "strong-bad",
            Letter::SenderDomain | Letter::Domain => "email.example.com",
            Letter::Address => "192.0.2.3",
            Letter::Version => "in-addr",
            _ => "x",
        };
        Some(Text::parse(text, Place::Modifier)?.expand(|letter| value(letter).to_owned()))
    }

    #[test]
    fn the_examples_of_the_rfc_expand_as_it_says() {
        // RFC 7208 §7.4.
        for (text, wanted) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l-}", "strong.bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            ("%{S}%%%_%-", "strong-bad%40email.example.com% %20"),
        ] {
            assert_eq!(expanded(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_macro_is_refused() {
        for bad in ["%", "%a", "%{", "%{}", "%{x}", "%{d0}", "%{d2r!}", "%{d", "a b", "%{dé}", "é", "%é"] {
            assert_eq!(expanded(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_domain_ends_in_a_label_or_a_macro() {
        let is = |text| Text::parse(text, Place::Domain).is_some();
        for good in ["a.b", "a.b.", "%{d}", "a.%{d}", "_x.a-1", "%{i}.1b", "a%%"] {
            assert!(is(good), "{good}");
        }
        for bad in ["", "a", "a.", "a.1", "a.-b", "a.b-", "%{d}com", "a.b/c", "%{c}.example.org", "a..", "%{d}.b c"] {
            assert!(!is(bad), "{bad}");
        }
    }
}
