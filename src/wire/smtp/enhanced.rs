//! Enhanced status codes (RFC 3463).

use std::fmt;

/// `class.subject.detail`, as in `5.1.1`: what a program, not a person, makes of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enhanced {
    /// 2, 4 or 5, as the first digit of the reply's code.
    pub class: u8,
    /// What it is about: 1 addresses, 2 mailboxes, 3 the system, 4 the way, 5 the protocol, 6 content, 7 policy.
    pub subject: u16,
    /// What of it.
    pub detail: u16,
}

impl Enhanced {
    /// A code.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Enhanced {
        Enhanced { class, subject, detail }
    }

    /// `status-code = class "." subject "." detail`, each of at most three digits (RFC 3463 §2).
    #[must_use]
    pub fn parse(text: &str) -> Option<Enhanced> {
        let mut parts = text.split('.');
        let class = match parts.next()? {
            "2" => 2,
            "4" => 4,
            "5" => 5,
            _ => return None,
        };
        let mut number = || {
            let digits = parts.next()?;
            let right = (1..=3).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
            right.then(|| digits.parse().ok())?
        };
        let (subject, detail) = (number()?, number()?);
        parts.next().is_none().then_some(Enhanced { class, subject, detail })
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_code_is_three_numbers_of_a_class_that_there_is() {
        assert_eq!(Enhanced::parse("5.1.1"), Some(Enhanced::new(5, 1, 1)));
        assert_eq!(Enhanced::parse("2.0.999"), Some(Enhanced::new(2, 0, 999)));
        for bad in ["", "5", "5.1", "5.1.", "3.1.1", "5.1.1.1", "5.1234.1", "5.-1.1", "5..1", "55.1.1", "5.1.x"] {
            assert_eq!(Enhanced::parse(bad), None, "{bad}");
        }
        assert_eq!(Enhanced::new(4, 2, 2).to_string(), "4.2.2");
    }
}
