//! Dates as mail writes them (RFC 5322 §3.3, §4.3), and as it should not: without a weekday, seconds or a zone, with
//! months in full or in small letters, with hyphens, from `ctime`, or as ISO 8601 has them.

use super::{Day, Stamp};
use time::{Date, Month};

/// A moment as far as it was written.
#[derive(Debug, Default)]
struct Written {
    day: Option<u8>,
    month: Option<u8>,
    year: Option<i32>,
    /// Hours, minutes, seconds.
    time: Option<[u32; 3]>,
    /// Minutes east of Greenwich.
    zone: Option<i16>,
}

impl Day {
    /// The Julian day of 1970-01-01.
    const EPOCH: i32 = 2_440_588;

    /// The day that a Date field names, in its own zone (RFC 9051 §6.4.4 disregards time and timezone); `None` if it
    /// names none.
    #[must_use]
    pub fn sent(date: &[u8]) -> Option<Day> {
        let date = Written::read(date).date()?;
        Some(Day(date.to_julian_day() - Day::EPOCH))
    }
}

impl Stamp {
    /// The moment that a Date field names: at midnight where it has no time, in Greenwich where it has no zone; `None`
    /// if it names none that can be: before 1970 there was no mail, and IMAP's dates have four digits of year.
    #[must_use]
    pub fn written(date: &[u8]) -> Option<Stamp> {
        let written = Written::read(date);
        let date = written.date().filter(|date| (1970..=9999).contains(&date.year()))?;
        let [hour, minute, second] = written.time.unwrap_or_default();
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let zone = written.zone.unwrap_or(0);
        let days = i64::from(date.to_julian_day() - Day::EPOCH);
        let seconds = i64::from(hour * 3600 + minute * 60 + second.min(59));
        Some(Stamp { seconds: days * 86_400 + seconds - i64::from(zone) * 60, zone })
    }
}

impl Written {
    fn read(date: &[u8]) -> Written {
        let mut written = Written::default();
        let text = without_comments(date);
        for word in
            text.split(|c: char| c.is_ascii_whitespace() || c == ',' || c == ';').filter(|word| !word.is_empty())
        {
            written.word(word);
        }
        written
    }

    fn date(&self) -> Option<Date> {
        Date::from_calendar_date(self.year?, Month::try_from(self.month?).ok()?, self.day?).ok()
    }

    fn word(&mut self, word: &str) {
        let word = word.trim_end_matches('.');
        if let Some((date, time)) = word.split_once(['T', 't', '_'])
            && self.iso(date)
        {
            return self.word(time);
        }
        if word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit()) {
            return self.clock(word);
        }
        if word.starts_with(['+', '-']) {
            self.zone = offset(word).or(self.zone);
            return;
        }
        if self.iso(word) {
            return;
        }
        // `1-Jan-2000`, but `GMT+0100`.
        match word.split_once(['-', '/', '.']) {
            Some((before, after)) if !is_zone(before) => {
                self.word(before);
                self.word(after);
            }
            _ if word.starts_with(|c: char| c.is_ascii_digit()) => self.number(word),
            _ => self.name(word),
        }
    }

    /// `2000-01-31`, `2000/01/31`, `20000131`, `31.01.2000`.
    fn iso(&mut self, word: &str) -> bool {
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
        let parts: heapless::Vec<&str, 3> = match word.split(['-', '/', '.']).filter(is_number).count() {
            3 => word.split(['-', '/', '.']).take(3).collect(),
            1 if word.len() == 8 && is_number(&word) => {
                [word.get(..4), word.get(4..6), word.get(6..)].into_iter().flatten().collect()
            }
            _ => return false,
        };
        let (year, month, day) = match parts.as_slice() {
            [year, month, day] if year.len() == 4 => (year, month, day),
            [day, month, year] if year.len() == 4 && word.contains('.') => (year, month, day),
            _ => return false,
        };
        (self.year, self.month, self.day) = (year.parse().ok(), month.parse().ok(), day.parse().ok());
        true
    }

    /// `hour ":" minute [":" second]`, with a fraction or a zone right behind.
    fn clock(&mut self, word: &str) {
        let end = word.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.'))).unwrap_or(word.len());
        let (clock, rest) = word.split_at_checked(end).unwrap_or((word, ""));
        if self.time.is_none() {
            let mut parts = clock.split(':').map(|part| part.split('.').next().unwrap_or(part).parse().unwrap_or(99));
            self.time = Some(std::array::from_fn(|_| parts.next().unwrap_or(0)));
        }
        if !rest.is_empty() {
            self.word(rest);
        }
    }

    fn number(&mut self, word: &str) {
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        let Some(number) = word.get(..digits).and_then(|number| number.parse::<i32>().ok()) else { return };
        match digits {
            1 | 2 if self.day.is_none() => self.day = u8::try_from(number).ok(),
            _ if self.year.is_some() => {}
            // RFC 5322 §4.3
            2 if number < 50 => self.year = Some(2000 + number),
            2 | 3 => self.year = Some(1900 + number),
            4 => self.year = Some(number),
            _ => {}
        }
    }

    /// The name of a month or a zone, or AM or PM; a weekday says nothing.
    fn name(&mut self, word: &str) {
        const MONTHS: [&str; 12] = [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ];
        let word = word.to_ascii_lowercase();
        let month = MONTHS.iter().position(|month| word.len() >= 3 && month.starts_with(&*word));
        if let Some(month) = month.or((word == "sept").then_some(8)) {
            self.month = self.month.or(u8::try_from(month + 1).ok());
            return;
        }
        match (&*word, &mut self.time) {
            ("am", Some([hour, ..])) if *hour == 12 => *hour = 0,
            ("pm", Some([hour, ..])) if *hour < 12 => *hour += 12,
            _ => {}
        }
        if let Some(zone) = named_zone(&word) {
            // `GMT+0100` is said in either sense; the offset counts, as it is written.
            let behind = word.find(['+', '-']).and_then(|at| word.get(at..)).and_then(offset);
            self.zone = behind.or(self.zone).or(Some(zone));
        }
    }
}

/// Octets of a date, comments left out, that are looked at.
const LONGEST: usize = 200;

/// Comments out (RFC 5322 §3.2.2); one that never ends hides what follows.
fn without_comments(date: &[u8]) -> String {
    let mut depth = 0_usize;
    let mut text = String::with_capacity(date.len().min(LONGEST));
    for &octet in date {
        if text.len() >= LONGEST {
            break;
        }
        match octet {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            octet if octet.is_ascii() => text.push(char::from(octet)),
            _ => text.push(' '),
        }
        if octet == b')' {
            text.push(' ');
        }
    }
    text
}

/// `("+" / "-") 4DIGIT`, or with a colon, or hours alone: minutes.
fn offset(word: &str) -> Option<i16> {
    let digits: String = word.chars().skip(1).filter(|c| *c != ':').collect();
    let number: i16 = digits.parse().ok().filter(|_| digits.len() <= 4)?;
    let minutes = if digits.len() <= 2 { number * 60 } else { number / 100 * 60 + number % 100 };
    let minutes = (minutes < 24 * 60).then_some(minutes)?;
    Some(if word.starts_with('-') { -minutes } else { minutes })
}

fn is_zone(word: &str) -> bool {
    named_zone(&word.to_ascii_lowercase()).is_some()
}

/// Minutes east of Greenwich (RFC 5322 §4.3, and what else is common).
fn named_zone(word: &str) -> Option<i16> {
    let name = word.split(['+', '-']).next().unwrap_or(word);
    let quarters = match name {
        "ut" | "utc" | "gmt" | "z" | "wet" => 0,
        "est" | "cdt" => -20,
        "edt" | "ast" => -16,
        "cst" | "mdt" => -24,
        "mst" | "pdt" => -28,
        "pst" | "akdt" => -32,
        "akst" => -36,
        "hst" => -40,
        "adt" => -12,
        "nst" => -14,
        "ndt" => -10,
        "cet" | "met" | "mez" | "bst" | "west" => 4,
        "cest" | "mest" | "mesz" | "eet" | "sast" => 8,
        "eest" | "msk" => 12,
        "msd" => 16,
        "hkt" | "sgt" | "awst" => 32,
        "jst" | "kst" => 36,
        "acst" => 38,
        "aest" => 40,
        "acdt" => 42,
        "aedt" => 44,
        "nzst" => 48,
        "nzdt" => 52,
        _ => return None,
    };
    Some(quarters * 15)
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
            "Sat,1 Jan 2000 10:00:00 +0000",
            "1 jan 2000",
            "Saturday, 1st January 2000 10:00",
            "Sat, 1-JAN-2000 10:00:00 +0000",
            "Sat Jan  1 10:00:00 2000",
            "Sat Jan 1 10:00:00 +0100 2000",
            "January 1, 2000",
            "2000-01-01",
            "2000-01-01T10:00:00.123Z",
            "2000/01/01 10:00:00",
            "20000101T101010",
            "01.01.2000 10:00",
            "1/Jan/2000",
            "Sat, 1 Jan 100 10:00:00 +0000",
            "1 (of (the)) Jan(uary) 2000",
            "Sat, 1 Jan 2000 99:99 +9999",
        ] {
            assert_eq!(Day::sent(date.as_bytes()), first, "{date}");
        }
        assert_eq!(Day::sent(b"Thu, 1 Jan 1970 00:00:00 +0000"), Some(Day(0)));
        assert_eq!(Day::sent(b"9 Sept. 1970"), Day::sent(b"09 SEP 70"));
    }

    #[test]
    fn a_moment_is_the_same_in_every_spelling() {
        for date in [
            "Thu, 22 Aug 2002 07:36:16 -0400",
            "Thu, 22 Aug 2002 07:36:16 -0400 (EDT)",
            "22 August 02 07:36:16 EDT",
            "Thu Aug 22 07:36:16 EDT 2002",
            "Thu Aug 22 11:36:16 2002",
            "Thu, 22 Aug 2002 11:36:16 GMT",
            "Thu, 22 Aug 2002 11:36:16 Z",
            "Thu, 22 Aug 2002 11:36:16",
            "Thu, 22 Aug 2002 12:36:16 GMT+0100",
            "Thu, 22 Aug 2002 12:36:16 GMT +01:00",
            "2002-08-22T13:36:16+02:00",
            "2002-08-22 13:36:16 +0200",
            "2002-08-22T11:36:16Z",
            "Thu, 22-Aug-2002 13:36:16 CEST",
            "8:36:16 PM 22 Aug 2002 +0900",
        ] {
            let stamp = Stamp::written(date.as_bytes());
            assert_eq!(stamp.map(|stamp| stamp.seconds), Some(1_030_016_176), "{date}");
        }
        assert_eq!(Stamp::written(b"1 Jan 1970 01:00:60 +0100"), Some(Stamp { seconds: 59, zone: 60 }));
    }

    #[test]
    fn what_is_no_date_has_no_day() {
        for date in [
            &b""[..],
            b"yesterday",
            b"99 Foo 2000 10:00:00 +0000",
            b"31 Feb 2000 10:00:00 +0000",
            b"\xff\x00",
            b"1 Jan",
            b"(1 Jan 2000",
            b"2000-13-01",
            b"10:00:00",
        ] {
            assert_eq!(Day::sent(date), None, "{}", date.escape_ascii());
            assert_eq!(Stamp::written(date), None, "{}", date.escape_ascii());
        }
        assert_eq!(Stamp::written(b"31 Dec 1969 10:00"), None);
        assert_eq!(Stamp::written(b"31 Dec 1999 24:00"), None);
    }

    #[test]
    fn any_octets_are_read_as_a_date_or_none() {
        let words =
            ["1", "Jan", "-", "2000", ":", "T", "+", "99", " ", ",", "(", ")", ".", "GMT", "pm", "\u{e9}", "/", "_"];
        let mut dice = crate::mail::xorshift::Xorshift::new(5);
        for _ in 0..50_000 {
            let date: String = (0..10).filter_map(|_| words.get(dice.below(words.len())).copied()).collect();
            _ = (Day::sent(date.as_bytes()), Stamp::written(date.as_bytes()));
        }
        for bad in ["-", "1-", "T", "1T", ".", "(", "a/"] {
            _ = Day::sent(bad.repeat(5_000).as_bytes());
        }
    }
}
