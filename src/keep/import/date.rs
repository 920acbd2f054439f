//! When a message came, from what its header or its mbox says.

use crate::mail::Stamp;
use mail_parser::DateTime;

/// The moment of a Date field, or of what follows the last semicolon of a Received field (RFC 5322 §3.3, §3.6.7).
pub(super) fn of_field(value: &[u8]) -> Option<Stamp> {
    Stamp::written(value.rsplit(|octet| *octet == b';').next()?)
}

/// The moment of a From_ line; none where that is one that mail cannot have come at.
pub(super) fn of_separator(line: &[u8]) -> Option<Stamp> {
    stamp(&dated(line)?)
}

/// Whether a From_ line has a date, as `asctime` writes it or as mail does, whoever stands before it:
///
/// ```text
/// From sender with blanks Thu Jan  1 00:00:00 1970
/// From - Thu Jan  1 00:00 MET DST 1970 remote from there
/// From a@b Thu, 1 Jan 1970 00:00:00 +0100 (CET)
/// ```
pub(super) fn is_dated(line: &[u8]) -> bool {
    dated(line).is_some()
}

fn dated(line: &[u8]) -> Option<DateTime> {
    // A date is not further on than this; a body's line may be long.
    let line = String::from_utf8_lossy(line.get(..SEPARATOR).unwrap_or(line));
    let words: Vec<&str> = line.strip_prefix("From ")?.split_ascii_whitespace().collect();
    (0..words.len()).rev().find_map(|at| {
        let [weekday, date @ ..] = words.get(at..)? else { return None };
        name_in(&WEEKDAYS, weekday.strip_suffix(',').unwrap_or(weekday))?;
        asctime(date).or_else(|| mail(date))
    })
}

/// Octets of a From_ line that are looked at.
const SEPARATOR: usize = 1_000;
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// `Jan  1 00:00:00 1970`, perhaps without seconds, perhaps with a zone before the year or after it.
fn asctime(words: &[&str]) -> Option<DateTime> {
    let [month, day, time, rest @ ..] = words else { return None };
    let before = rest.iter().take_while(|word| year(word).is_none()).count();
    let (zone, rest) = rest.split_at_checked(before)?;
    let (year, after) = rest.split_first()?;
    date([day, month, year, time], zone, after)
}

/// `1 Jan 1970 00:00:00 +0100 (CET)`
fn mail(words: &[&str]) -> Option<DateTime> {
    let [day, month, year, time, after @ ..] = words else { return None };
    date([day, month, year, time], &[], after)
}

fn date([day, month, year_, time]: [&str; 4], zone: &[&str], after: &[&str]) -> Option<DateTime> {
    // Anything else behind a date is a sentence that happens to have one.
    let origin = after.windows(2).position(|pair| matches!(pair, ["remote", "from"] | ["forwarded", "by"]));
    let (zone_after, _) = after.split_at_checked(origin.unwrap_or(after.len()))?;
    let zones = zone.iter().chain(zone_after);
    if zones.clone().count() > 3 || !zones.clone().all(|word| is_zone(word)) {
        return None;
    }
    let offset = zones.clone().find(|word| word.len() == 5 && word.starts_with(['+', '-']));
    let offset: i16 = offset.and_then(|offset| offset.parse().ok()).unwrap_or(0);
    let mut clock = time.split([':', '.']).map(|part| part.parse::<u8>().ok());
    let (hour, minute) = (clock.next()??, clock.next()??);
    let second = match clock.next() {
        Some(second) => second?,
        None => 0,
    };
    let day = day.trim_end_matches(['.', ',']).parse().ok()?;
    let month = u8::try_from(name_in(&MONTHS, month)? + 1).ok()?;
    if clock.next().is_some() || !(1..=31).contains(&day) || hour > 24 || minute > 59 || second > 61 {
        return None;
    }
    Some(DateTime {
        year: year(year_)?,
        month,
        day,
        hour,
        minute,
        second,
        tz_before_gmt: offset < 0,
        tz_hour: u8::try_from(offset.unsigned_abs() / 100).ok()?,
        tz_minute: u8::try_from(offset.unsigned_abs() % 100).ok()?,
    })
}

/// Four digits, or two of the last century's.
fn year(word: &str) -> Option<u16> {
    match (word.len(), word.parse::<u16>().ok()?) {
        (4, year) => Some(year),
        (2, year) if year >= 70 => Some(1900 + year),
        _ => None,
    }
}

/// `+0100`, `MET`, `(CET)`, `Z`
fn is_zone(word: &str) -> bool {
    let plain = word.strip_prefix('(').and_then(|word| word.strip_suffix(')')).unwrap_or(word);
    let digits = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    (1..=5).contains(&plain.len()) && plain.bytes().all(|octet| octet.is_ascii_uppercase())
        || (4..=5).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit() || octet == b':')
}

/// Which of these names a word is, by its first three letters.
fn name_in(names: &[&str], word: &str) -> Option<usize> {
    let start = word.get(..3).filter(|_| word.bytes().all(|octet| octet.is_ascii_alphabetic()))?;
    names.iter().position(|name| name.eq_ignore_ascii_case(start))
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

    #[test]
    fn a_separator_is_told_by_its_date_whatever_else_is_in_it() {
        for line in [
            "From - Tue Jul  5 18:44:15 2022",
            "From MAILER-DAEMON Wed Dec 31 23:59:59 1969",
            "From 1734@xxx Tue Jul 05 18:44:15 +0000 2022",
            "From a b c Tue Jul  5 18:44 2022",
            "From a@b Tue Jul  5 18:44:15 MET DST 2022",
            "From a@b Tue Jul  5 18:44:15 2022 (EST)",
            "From a@b Tue Jul  5 18:44:15 2022 remote from unique.example",
            "From a@b Tue, 5 Jul 2022 18:44:15 +0200 (CEST)",
            "From a!b Tuesday July 5 18.44.15 99",
            "From Tue Jul  5 18:44:15 2022",
        ] {
            assert!(is_dated(line.as_bytes()), "{line}");
            assert!(is_dated(format!("{line}\r\n").as_bytes()), "{line}");
        }
        for line in [
            "From now on the office opens at nine.",
            "From Tue on we meet at 18:44",
            "From what I saw on Tue Jul 5 18:44:15 2022 we left at once",
            "From Jul 5 18:44:15 2022",
            "From a@b Tue Jul  5 2022",
            "From a@b Tue Foo  5 18:44:15 2022",
            "From a@b Tue Jul 55 18:44:15 2022",
            ">From a@b Tue Jul  5 18:44:15 2022",
            "From",
            "From ",
        ] {
            assert!(!is_dated(line.as_bytes()), "{line}");
        }
    }
}
