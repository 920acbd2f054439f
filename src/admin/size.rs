//! Sizes as people write them.

use super::action::Limit;
use std::str::FromStr;

/// Octets from which on a number is taken without a unit.
const UNITLESS: u64 = 4 << 10;

impl FromStr for Limit {
    type Err = String;

    /// `500M`, `2 GB`, `2GiB`, `10000` (octets), or `none` for no limit. Units are of 1024, as everywhere in mail. A small
    /// number without a unit is not taken: nobody who writes 10 means ten octets.
    fn from_str(text: &str) -> Result<Limit, String> {
        let wrong = || format!("{text:?} is no size: write something like 500 MiB, 2 GiB, or none");
        if text.eq_ignore_ascii_case("none") {
            return Ok(Limit::Lifted);
        }
        let upper = text.trim().to_ascii_uppercase();
        if upper.parse().is_ok_and(|octets: u64| (1..UNITLESS).contains(&octets)) {
            return Err(format!("{text} what? Write {text} MiB, or {text} GiB; or {text} B for as few octets"));
        }
        let number = upper.strip_suffix('B').unwrap_or(&upper);
        let number = number.strip_suffix('I').unwrap_or(number);
        let (digits, shift) = match number.chars().last() {
            Some('K') => (number.strip_suffix('K'), 10),
            Some('M') => (number.strip_suffix('M'), 20),
            Some('G') => (number.strip_suffix('G'), 30),
            Some('T') => (number.strip_suffix('T'), 40),
            _ => (Some(number), 0),
        };
        let value: u64 = digits.and_then(|digits| digits.trim().parse().ok()).ok_or_else(wrong)?;
        value.checked_mul(1 << shift).map(Limit::Of).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, size) in [
            ("0", 0),
            ("10000", 10_000),
            ("500M", 500 << 20),
            ("2g", 2 << 30),
            ("2GiB", 2 << 30),
            ("1 TB", 1 << 40),
            ("7kb", 7 << 10),
            ("2 GB", 2 << 30),
            (" 2 GiB ", 2 << 30),
            ("10 B", 10),
            ("4096", 4096),
        ] {
            assert_eq!(text.parse(), Ok(Limit::Of(size)), "{text}");
        }
        assert_eq!("None".parse(), Ok(Limit::Lifted));
        for bad in ["", "G", "-1", "1.5G", "2X", "99999999T", "10", "4095", "2 G B", "2 X"] {
            assert!(bad.parse::<Limit>().is_err(), "{bad}");
        }
    }
}
