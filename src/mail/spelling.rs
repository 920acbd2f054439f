//! Domains in two spellings: with the letters that people write, and as the DNS has them (RFC 5890 §2.3.2.1).

use idna::punycode;
use unicode_normalization::UnicodeNormalization;

/// What an A-label begins with.
const A_LABEL: &str = "xn--";

/// The other spelling of an address `local@domain`, of `@domain` or of a domain alone, in small letters: `münchen.example` for
/// `xn--mnchen-3ya.example`, and the other way round. None where there is but one.
#[must_use]
pub fn other_spelling(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@').map_or((None, address), |(local, domain)| (Some(local), domain));
    let is_ascii = domain.is_ascii();
    if is_ascii && !domain.split('.').any(|label| label.starts_with(A_LABEL)) {
        return None;
    }
    let labels = domain.split('.').map(|label| match (is_ascii, label.strip_prefix(A_LABEL)) {
        (true, Some(encoded)) => punycode::decode_to_string(encoded),
        (false, _) if !label.is_ascii() => {
            let small: String = label.nfc().collect::<String>().to_lowercase();
            punycode::encode_str(&small).map(|encoded| format!("{A_LABEL}{encoded}"))
        }
        _ => Some(label.to_owned()),
    });
    let other = labels.collect::<Option<Vec<_>>>()?.join(".");
    Some(local.map_or_else(|| other.clone(), |local| format!("{local}@{other}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_of_other_letters_has_two_spellings() {
        for (letters, dns) in [
            ("ann@münchen.example", "ann@xn--mnchen-3ya.example"),
            ("@bücher.example", "@xn--bcher-kva.example"),
            ("例え.example", "xn--r8jz45g.example"),
            ("jörg@a.bücher.example", "jörg@a.xn--bcher-kva.example"),
        ] {
            assert_eq!(other_spelling(letters).as_deref(), Some(dns));
            assert_eq!(other_spelling(dns).as_deref(), Some(letters));
        }
        for one in ["ann@example.org", "jörg@example.org", "", "xn-a@b", "xn--@example.org"] {
            assert_eq!(other_spelling(one), None, "{one}");
        }
        assert_eq!(other_spelling("a@xn--\u{7f}"), None);
    }
}
