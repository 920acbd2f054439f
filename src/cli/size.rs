//! Sizes as people write and read them.

use pillarbox::admin::Limit;

/// `500M`, `2G`, `10000` (octets), or `none` for no limit. Units are of 1024, as everywhere in mail.
pub fn parse(text: &str) -> Result<Limit, String> {
    let wrong = || format!("{text:?} is no size: write something like 500M, 2G, or none");
    if text.eq_ignore_ascii_case("none") {
        return Ok(Limit::Lifted);
    }
    let upper = text.to_ascii_uppercase();
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

/// A number of messages, or `none` for no limit.
pub fn parse_count(text: &str) -> Result<Limit, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Limit::Lifted);
    }
    text.parse().map(Limit::Of).map_err(|_| format!("{text:?} is no number of messages"))
}

/// `1.5 GB`
pub fn shown(octets: u64) -> String {
    let units = ["KB", "MB", "GB", "TB"];
    if octets < 1024 {
        return format!("{octets} B");
    }
    let (mut tenths, mut unit) = (octets.saturating_mul(10) / 1024, 0);
    while tenths >= 10_240 && unit + 1 < units.len() {
        tenths /= 1024;
        unit += 1;
    }
    let unit = units.get(unit).unwrap_or(&"");
    if tenths % 10 == 0 { format!("{} {unit}", tenths / 10) } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
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
        ] {
            assert_eq!(parse(text), Ok(Limit::Of(size)), "{text}");
        }
        assert_eq!(parse("None"), Ok(Limit::Lifted));
        for bad in ["", "G", "-1", "1.5G", "2X", "99999999T"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_shown_short() {
        for (size, text) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KB"), (500 << 20, "500 MB"), (2 << 40, "2 TB")] {
            assert_eq!(shown(size), text);
        }
    }
}
