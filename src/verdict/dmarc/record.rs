//! A policy record (RFC 7489 §6.3).

use super::super::tags::Tags;

/// What is to be done with mail that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// Nothing.
    None,
    /// It is suspicious.
    Quarantine,
    /// It is refused.
    Reject,
}

/// What a domain publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) policy: Policy,
    /// For the domains below it.
    pub(super) below: Policy,
    pub(super) is_dkim_strict: bool,
    pub(super) is_spf_strict: bool,
    /// Of a hundred mails that fail, how many the policy is for.
    pub(super) percent: u8,
    /// Whether it says that it is (`psd=y`) or is not (`psd=n`) one that others register their domains below.
    pub(super) is_public: Option<bool>,
}

impl Policy {
    /// As records and RFC 8601 write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Policy::None => "none",
            Policy::Quarantine => "quarantine",
            Policy::Reject => "reject",
        }
    }

    fn read(text: &str) -> Option<Policy> {
        Some(match text.to_ascii_lowercase().as_str() {
            "none" => Policy::None,
            "quarantine" => Policy::Quarantine,
            "reject" => Policy::Reject,
            _ => return None,
        })
    }
}

impl Record {
    /// Whether a text is a policy record, well formed or not: its first tag is the version, exactly (RFC 7489 §6.6.3).
    pub(super) fn is_one(text: &[u8]) -> bool {
        let Some(rest) = text.strip_prefix(b"v") else { return false };
        let Some(rest) = rest.trim_ascii_start().strip_prefix(b"=") else { return false };
        let Some(rest) = rest.trim_ascii_start().strip_prefix(b"DMARC1") else { return false };
        rest.trim_ascii_start().first().is_none_or(|next| *next == b';')
    }

    /// `None` for a record that is ignored.
    pub(super) fn read(text: &[u8]) -> Option<Record> {
        let text = String::from_utf8_lossy(text);
        let tags = Tags::parse_leniently(&text);
        let policy = match tags.find("p").and_then(Policy::read) {
            Some(policy) => policy,
            // RFC 7489 §6.6.3: without a policy that can be read, but with somewhere to report to, it is "none".
            None if tags.find("rua").is_some_and(|uri| uri.to_ascii_lowercase().contains("mailto:")) => Policy::None,
            None => return None,
        };
        let below = tags.find("sp").and_then(Policy::read).unwrap_or(policy);
        let is_strict = |name| tags.find(name).is_some_and(|mode| mode.eq_ignore_ascii_case("s"));
        let percent = tags.find("pct").and_then(|text| text.parse().ok()).filter(|percent| *percent <= 100);
        let is_public = tags.find("psd").and_then(|text| match text {
            "y" | "Y" => Some(true),
            "n" | "N" => Some(false),
            _ => None,
        });
        Some(Record {
            policy,
            below,
            is_dkim_strict: is_strict("adkim"),
            is_spf_strict: is_strict("aspf"),
            percent: percent.unwrap_or(100),
            is_public,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_makes_a_record() {
        for text in ["v=DMARC1", "v=DMARC1;p=none", "v = DMARC1 ; p=none"] {
            assert!(Record::is_one(text.as_bytes()), "{text}");
        }
        for text in ["", "v=DMARC12; p=none", "v=dmarc1; p=none", "p=none; v=DMARC1", " v=DMARC1; p=none", "V=DMARC1"] {
            assert!(!Record::is_one(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn tags_have_defaults_and_faults_are_passed_over() {
        let read = |text: &str| Record::read(text.as_bytes());
        let plain = read("v=DMARC1; p=Reject; x=1").unwrap();
        let none = Record { policy: Policy::None, below: Policy::None, ..plain.clone() };
        assert_eq!((plain.policy, plain.below, plain.percent), (Policy::Reject, Policy::Reject, 100));
        assert!(!plain.is_dkim_strict && !plain.is_spf_strict);
        let full = read("v=DMARC1;p=none;sp=quarantine;adkim=s;aspf=S;pct=7;psd=y;").unwrap();
        assert_eq!((full.below, full.percent, full.is_public), (Policy::Quarantine, 7, Some(true)));
        assert!(full.is_dkim_strict && full.is_spf_strict);
        assert_eq!(read("v=DMARC1; rua=mailto:a@b.c"), Some(none.clone()));
        assert_eq!(read("v=DMARC1; p=bad; rua=mailto:a@b.c"), Some(none.clone()));
        assert_eq!(read("v=DMARC1; p=none; pct=101; adkim=x; sp=bad"), Some(none));
        assert_eq!(read("v=DMARC1; p=bad"), None);
        assert_eq!(read("v=DMARC1"), None);
        assert_eq!(read("v=DMARC1; p"), None);
        let faulty = read("v=DMARC1; p=reject;; nonsense; x-y=1; sp=none; sp=reject; \u{7f}=1").unwrap();
        assert_eq!((faulty.policy, faulty.below), (Policy::Reject, Policy::None));
    }
}
