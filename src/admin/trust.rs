//! Whom an owner believes to be a server that this box talks to.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which certificate of a server is good enough.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trust {
    /// One by a public authority, for the name that was asked for.
    #[default]
    Public,
    /// Any: better than plain text, but no proof of who is there (RFC 7435).
    Anyone,
    /// One by an authority in this PEM file, for the name that was asked for.
    Authority(PathBuf),
    /// The one whose SHA-256 is this, whatever name it is for.
    Fingerprint([u8; 32]),
}

impl Trust {
    /// A fingerprint as programs show it: 64 hexadecimal digits, with or without colons.
    #[must_use]
    pub fn fingerprint(text: &str) -> Option<Trust> {
        let digits: Vec<u8> = text.bytes().filter(|octet| *octet != b':').collect();
        let mut octets = [0; 32];
        if digits.len() != 2 * octets.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (octet, pair) in octets.iter_mut().zip(digits.chunks(2)) {
            *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Trust::Fingerprint(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_with_and_without_colons() {
        let plain = "00".repeat(31) + "fF";
        let colons = "00:".repeat(31) + "Ff";
        let mut expected = [0; 32];
        expected[31] = 255;
        assert_eq!(Trust::fingerprint(&plain), Some(Trust::Fingerprint(expected)));
        assert_eq!(Trust::fingerprint(&colons), Some(Trust::Fingerprint(expected)));
        for bad in ["", "00", &("+1".repeat(32)), &("é".repeat(32)), &("00".repeat(33))] {
            assert_eq!(Trust::fingerprint(bad), None, "{bad}");
        }
    }
}
