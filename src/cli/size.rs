//! Sizes as people write and read them.

use pillarbox::admin::Limit;

/// A number of messages, or `none` for no limit.
pub fn parse_count(text: &str) -> Result<Limit, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Limit::Lifted);
    }
    text.parse().map(Limit::Of).map_err(|_| format!("{text:?} is no number of messages"))
}

/// `1 message`, `2 messages`
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
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
    fn sizes_are_shown_short() {
        for (size, text) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KB"), (500 << 20, "500 MB"), (2 << 40, "2 TB")] {
            assert_eq!(shown(size), text);
        }
    }
}
