//! When a message came, from what its header or its mbox says.

use crate::mail::Stamp;
use mail_parser::DateTime;

/// The moment of a Date field, or of what follows the last semicolon of a Received field (RFC 5322 §3.3, §3.6.7).
pub(super) fn of_field(value: &[u8]) -> Option<Stamp> {
    Stamp::written(value.rsplit(|octet| *octet == b';').next()?)
}

/// The moment of a From_ line: `From sender Thu Jan  1 00:00:00 1970`, perhaps with a zone before or after the year.
pub(super) fn of_separator(line: &[u8]) -> Option<Stamp> {
    let line = String::from_utf8_lossy(line);
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    words.windows(4).rev().find_map(|window| {
        let [month, day, time, _] = window else { return None };
        let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?;
        let mut clock = time.split(':').map(|part| part.parse::<u8>().ok());
        let rest = line.rsplit_once(time)?.1;
        let year =
            rest.split_ascii_whitespace().find_map(|word| (word.len() == 4).then(|| word.parse::<u16>().ok())?)?;
        let zone = rest.split_ascii_whitespace().find(|word| word.len() == 5 && word.starts_with(['+', '-']));
        let zone: i16 = zone.and_then(|zone| zone.parse().ok()).unwrap_or(0);
        stamp(&DateTime {
            year,
            month: u8::try_from(month + 1).ok()?,
            day: day.parse().ok()?,
            hour: clock.next()??,
            minute: clock.next()??,
            second: clock.next().flatten().unwrap_or(0),
            tz_before_gmt: zone < 0,
            tz_hour: u8::try_from(zone.unsigned_abs() / 100).ok()?,
            tz_minute: u8::try_from(zone.unsigned_abs() % 100).ok()?,
        })
    })
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A date that can be: before 1970 there was no mail, and IMAP's dates have four digits of year.
fn stamp(date: &DateTime) -> Option<Stamp> {
    let zone = i16::from(date.tz_hour) * 60 + i16::from(date.tz_minute);
    let good = date.is_valid() && (1970..=9999).contains(&date.year) && zone < 24 * 60;
    good.then(|| Stamp { seconds: date.to_timestamp(), zone: if date.tz_before_gmt { -zone } else { zone } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_give_their_moment_and_zone() {
        let received = b"from a by b;\r\n\tThu, 22 Aug 2002 07:36:16 -0400 (EDT)";
        assert_eq!(of_field(received), Some(Stamp { seconds: 1_030_016_176, zone: -240 }));
        assert_eq!(of_field(b"Thu, 1 Jan 1970 00:00:01 +0000"), Some(Stamp { seconds: 1, zone: 0 }));
        for bad in [&b"yesterday"[..], b"", b"Thu, 99 Foo 2002 99:99:99 -0400", b"\xff\xfe;"] {
            assert_eq!(of_field(bad), None);
        }
    }

    #[test]
    fn separators_give_their_moment() {
        for (line, seconds) in [
            ("From MAILER-DAEMON Thu Jan  1 00:00:07 1970\n", 7),
            ("From \"a b\"@c Thu Aug 22 12:36:16 2002\r\n", 1_030_019_776),
            ("From a@b Thu Aug 22 12:36 2002\n", 1_030_019_760),
            ("From a@b Thu Aug 22 12:36:16 +0100 2002\n", 1_030_016_176),
            ("From a@b Thu Aug 22 12:36:16 2002 +0100\n", 1_030_016_176),
        ] {
            assert_eq!(of_separator(line.as_bytes()).map(|stamp| stamp.seconds), Some(seconds), "{line}");
        }
        assert_eq!(of_separator(b"From here on\n"), None);
    }
}
