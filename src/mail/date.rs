//! The day in a Date field.

use super::Day;
use mail_parser::DateTime;

impl Day {
    /// The Julian day of 1970-01-01.
    const EPOCH: i32 = 2_440_588;

    /// The day that a Date field names, in its own zone (RFC 9051 §6.4.4 disregards time and timezone); `None` if it
    /// names none. Obsolete zones (RFC 5322 §4.3), and a missing one, are understood.
    #[must_use]
    pub fn sent(date: &[u8]) -> Option<Day> {
        let text = String::from_utf8_lossy(date);
        let date = DateTime::parse_rfc822(&text).or_else(|| DateTime::parse_rfc822(&format!("{text} +0000")))?;
        let month = time::Month::try_from(date.month).ok()?;
        let date = time::Date::from_calendar_date(i32::from(date.year), month, date.day).ok()?;
        Some(Day(date.to_julian_day() - Day::EPOCH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_the_day_in_its_own_zone() {
        let first = Some(Day(10_957));
        for date in [
            "Sat, 01 Jan 2000 23:59:59 -1100",
            "Sat, 1 Jan 2000 00:00:00 +1300 (NZDT)",
            "1 Jan 2000 00:00 GMT",
            "Sat, 1 Jan 00 10:00:00 EST",
            "Sat,  1 Jan 2000 10:00:00",
            "(a) Sat, (b) 1 Jan 2000 10:00:00 +0000",
        ] {
            assert_eq!(Day::sent(date.as_bytes()), first, "{date}");
        }
        assert_eq!(Day::sent(b"Thu, 1 Jan 1970 00:00:00 +0000"), Some(Day(0)));
    }

    #[test]
    fn what_is_no_date_has_no_day() {
        for date in [&b""[..], b"yesterday", b"99 Foo 2000 10:00:00 +0000", b"31 Feb 2000 10:00:00 +0000", b"\xff\x00"]
        {
            assert_eq!(Day::sent(date), None, "{}", date.escape_ascii());
        }
    }
}
