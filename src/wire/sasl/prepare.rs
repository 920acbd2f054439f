//! `SASLprep` (RFC 4013): the same password typed on two keyboards is the same password.

use std::borrow::Cow;

/// The prepared form of a name or a password.
///
/// RFC 5802 §5.1 would refuse text with characters that `SASLprep` prohibits or does not know (Unicode 3.2 has no
/// emoji). It is taken as it stands instead: many clients do no `SASLprep` at all, and then both sides still agree.
#[must_use]
pub fn prepare(text: &str) -> Cow<'_, str> {
    stringprep::saslprep(text).unwrap_or(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4013_are_prepared() {
        assert_eq!(prepare("I\u{ad}X"), "IX");
        assert_eq!(prepare("user"), "user");
        assert_eq!(prepare("\u{aa}"), "a");
        assert_eq!(prepare("\u{2168}"), "IX");
    }

    #[test]
    fn what_cannot_be_prepared_stays_as_it_is() {
        assert_eq!(prepare("bell\u{7}"), "bell\u{7}");
        assert_eq!(prepare("pass😀"), "pass😀");
    }
}
