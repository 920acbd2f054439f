//! Names with other letters than ASCII's, as the DNS has them (RFC 5890 §2.3.2.1).

use idna::punycode;
use std::borrow::Cow;

/// The name as the DNS has it: labels with other letters than ASCII's become A-labels (`xn--…`), in small letters. What
/// Unicode would only write in another way (RFC 5895) is left as it is: programs that send such names did that.
#[must_use]
pub fn to_ascii(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return Cow::Borrowed(name);
    }
    // RFC 3490 §3.1: these are dots, too.
    let labels = name.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']).map(|label| {
        if label.is_ascii() {
            return label.to_owned();
        }
        let small = label.to_lowercase();
        punycode::encode_str(&small).map_or(small, |encoded| format!("xn--{encoded}"))
    });
    Cow::Owned(labels.collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_letters_become_a_labels() {
        assert_eq!(to_ascii("Bücher.example.ORG"), "xn--bcher-kva.example.ORG");
        assert_eq!(to_ascii("BÜCHER。例え。テスト"), "xn--bcher-kva.xn--r8jz45g.xn--zckzah");
        assert_eq!(to_ascii("Plain.example."), "Plain.example.");
        let long = "ü".repeat(2_000);
        assert!(to_ascii(&long).is_ascii());
    }
}
