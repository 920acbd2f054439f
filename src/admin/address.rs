//! An account's address.

use std::fmt;

/// `local@domain`, in lower case, with nothing in it that needs quoting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

/// This is no address that an account can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress(&'static str);

impl Address {
    /// Checks an address and puts it in lower case.
    pub fn parse(text: &str) -> Result<Address, BadAddress> {
        let address = text.to_lowercase();
        let (local, domain) = address.rsplit_once('@').ok_or(BadAddress("it must be local@domain"))?;
        // RFC 5321 §4.5.3.1.1 and §4.5.3.1.2: 64 and 255 octets; §4.5.3.1.3: a path of 256 with its brackets.
        if !(1..=64).contains(&local.len()) {
            return Err(BadAddress("what stands before the @ must have 1 to 64 characters"));
        }
        if domain.len() > 255 || address.len() > 254 {
            return Err(BadAddress("it is too long"));
        }
        // RFC 5321 §4.1.2 Dot-string; UTF-8 as RFC 6531 §3.3 allows.
        let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_letter(c);
        if !local.split('.').all(|word| !word.is_empty() && word.chars().all(atom)) {
            return Err(BadAddress("what stands before the @ has a character or a dot that cannot be there"));
        }
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || is_letter(c))
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !domain.split('.').all(label) {
            return Err(BadAddress("what stands after the @ is no domain"));
        }
        Ok(Address(address))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_letter(c: char) -> bool {
    !c.is_ascii() && (c.is_alphanumeric())
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this cannot be an account's address: {}", self.0)
    }
}

impl std::error::Error for BadAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_in_lower_case() {
        assert_eq!(Address::parse("Me.Too+x@Example.ORG").map(String::from), Ok("me.too+x@example.org".to_owned()));
        assert_eq!(Address::parse("jörg@münchen.de").map(String::from), Ok("jörg@münchen.de".to_owned()));
        assert_eq!(Address::parse("me@pillarbox").map(String::from), Ok("me@pillarbox".to_owned()));
    }

    #[test]
    fn what_would_need_quoting_or_is_too_long_is_refused() {
        let long = format!("{}@example.org", "x".repeat(65));
        for bad in [
            "me", "@x", "me@", "a b@x", "a..b@x", ".a@x", "a@b@c", "me@-x", "me@x..y", "me@x y", "a\n@x", "\"a\"@x",
            &long,
        ] {
            assert!(Address::parse(bad).is_err(), "{bad:?}");
        }
    }
}
