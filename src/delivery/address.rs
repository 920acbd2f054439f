//! Addresses as mail brings them, and as owners write them.

use std::fmt;

/// An address of a mail's envelope, in lower case as accounts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// Before the `@`, quotes removed where they are not needed.
    pub(super) local: String,
    /// After it; none for `<postmaster>` (RFC 5321 §4.1.1.3).
    pub(super) domain: Option<String>,
    /// Before the first `+`, where there is something before and after it.
    pub(super) base: Option<String>,
    /// What follows the first `+`, in the case in which it was written.
    pub(super) detail: Option<String>,
}

/// What an alias stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// One address.
    One(String),
    /// All addresses of this domain that nobody has.
    Rest(String),
}

/// This is no address that an alias can have, or lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressError(&'static str);

/// RFC 5321 §4.5.3.1.1
const LOCAL: usize = 64;
/// RFC 5321 §4.5.3.1.3: a path of 256 with its brackets.
const ADDRESS: usize = 254;

impl Parts {
    /// Reads an address; anything is one, though perhaps one that leads nowhere.
    pub(super) fn of(address: &str) -> Parts {
        let address = address.strip_suffix('.').unwrap_or(address);
        let (local, domain) = match address.rsplit_once('@') {
            Some((local, domain)) => (local, Some(domain.to_lowercase())),
            None => (address, None),
        };
        let local = unquoted(local);
        let (base, detail) = match local.split_once('+') {
            Some((base, detail)) if !base.is_empty() && !detail.is_empty() => {
                (Some(base.to_lowercase()), Some(detail.to_owned()))
            }
            _ => (None, None),
        };
        Parts { local: local.to_lowercase(), domain, base, detail }
    }

    /// As accounts and aliases are kept.
    pub(super) fn whole(&self) -> String {
        self.with(&self.local)
    }

    /// The same with another local part.
    pub(super) fn with(&self, local: &str) -> String {
        self.domain.as_ref().map_or_else(|| local.to_owned(), |domain| format!("{local}@{domain}"))
    }
}

/// `Quoted-string` of a local part, as what it means (RFC 5321 §4.1.2).
fn unquoted(local: &str) -> String {
    let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return local.to_owned() };
    let mut plain = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
            continue;
        }
        escaped = false;
        plain.push(c);
    }
    plain
}

/// What an owner writes for an alias: `local@domain`, or `@domain` (also `*@domain`) for the rest of a domain.
pub fn alias(text: &str) -> Result<Pattern, AddressError> {
    let text = text.to_lowercase();
    let (local, domain) = split(&text)?;
    if matches!(local, "" | "*") {
        return Ok(Pattern::Rest(domain.to_owned()));
    }
    check_local(local)?;
    Ok(Pattern::One(text.clone()))
}

/// An address, here or elsewhere, that an alias leads to or a rule forwards to: in lower case where that changes
/// nothing, which is in its domain.
pub fn target(text: &str) -> Result<String, AddressError> {
    let (local, domain) = split(text)?;
    check_local(local)?;
    Ok(format!("{local}@{}", domain.to_lowercase()))
}

fn split(text: &str) -> Result<(&str, &str), AddressError> {
    let (local, domain) = text.rsplit_once('@').ok_or(AddressError("it must be local@domain"))?;
    if text.len() > ADDRESS || local.len() > LOCAL {
        return Err(AddressError("it is too long"));
    }
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || (!c.is_ascii() && c.is_alphanumeric());
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(letter) && !label.starts_with('-') && !label.ends_with('-')
    };
    if !domain.split('.').all(label) {
        return Err(AddressError("what stands after the @ is no domain"));
    }
    Ok((local, domain))
}

/// RFC 5321 §4.1.2 `Dot-string`; UTF-8 as RFC 6531 §3.3 allows.
fn check_local(local: &str) -> Result<(), AddressError> {
    let atom = |c: char| {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && c.is_alphanumeric())
    };
    if local.split('.').all(|word| !word.is_empty() && word.chars().all(atom)) {
        Ok(())
    } else {
        Err(AddressError("what stands before the @ has a character or a dot that cannot be there"))
    }
}

impl Pattern {
    /// As it is kept: `local@domain`, or `@domain`.
    #[must_use]
    pub fn kept(&self) -> String {
        match self {
            Pattern::One(address) => address.clone(),
            Pattern::Rest(domain) => format!("@{domain}"),
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this cannot be such an address: {}", self.0)
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_first_plus_is_detail_and_keeps_its_case() {
        let parts = Parts::of("Ann+Lists+X@Example.ORG");
        assert_eq!((parts.whole().as_str(), parts.base.as_deref()), ("ann+lists+x@example.org", Some("ann")));
        assert_eq!(parts.detail.as_deref(), Some("Lists+X"));
        for plain in ["ann@x", "+ann@x", "ann+@x"] {
            assert_eq!(Parts::of(plain).detail, None, "{plain}");
        }
    }

    #[test]
    fn quotes_that_change_nothing_are_no_other_address() {
        assert_eq!(Parts::of("\"ann\"@example.org").whole(), "ann@example.org");
        assert_eq!(Parts::of(r#""a\nn"@example.org."#).whole(), "ann@example.org");
        assert_eq!(Parts::of("\"a@b\"@example.org").domain.as_deref(), Some("example.org"));
        assert_eq!(Parts::of("Postmaster"), Parts { domain: None, ..Parts::of("postmaster@x") });
    }

    #[test]
    fn an_alias_is_an_address_or_the_rest_of_a_domain() {
        assert_eq!(alias("Info@Example.org").map(|alias| alias.kept()), Ok("info@example.org".to_owned()));
        assert_eq!(alias("@Example.org").map(|alias| alias.kept()), Ok("@example.org".to_owned()));
        assert_eq!(alias("*@example.org").map(|alias| alias.kept()), Ok("@example.org".to_owned()));
        for bad in ["info", "a b@x", "@", "a@-x", "a..b@x", "\"a\"@x", "a@x y", "a\r\n@x"] {
            assert!(alias(bad).is_err(), "{bad:?}");
        }
        assert_eq!(target("Some.One@Example.NET").as_deref(), Ok("Some.One@example.net"));
        for bad in ["@x", "a@x>b", "<a@x>", "a\n@x"] {
            assert!(target(bad).is_err(), "{bad:?}");
        }
    }
}
