//! Amounts of octets as people read them. The units are of 1024, and called so.

/// `1.5 GiB`, `700 B`
#[must_use]
pub fn shown(octets: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
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
        for (size, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (500 << 20, "500 MiB"),
            (2 << 40, "2 TiB"),
            (3 << 29, "1.5 GiB"),
        ] {
            assert_eq!(shown(size), text);
        }
    }
}
