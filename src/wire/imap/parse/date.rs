//! Dates: of a search, and INTERNALDATE.

use super::cursor::{Cursor, Parsed};
use crate::mail::{Day, Stamp};
use crate::wire::imap::Reason;
use time::{Date, Month, Time};

const BAD_DATE: Reason = Reason::BadArguments("A date is not valid");

/// `date = date-text / DQUOTE date-text DQUOTE`
pub(super) fn date(cursor: &mut Cursor<'_>) -> Parsed<Day> {
    let quoted = cursor.eat(b'"');
    // As dates of messages have it.
    if quoted {
        cursor.eat(b' ');
    }
    let day = date_text(cursor)?;
    if quoted {
        cursor.expect(b'"', "A date is not valid")?;
    }
    // 1970-01-01 is Julian day 2440588.
    Ok(Day(day.to_julian_day() - 2_440_588))
}

/// `date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE`
///
/// The day may also come without its leading space: `"1-Feb-2004 …"`.
pub(super) fn date_time(cursor: &mut Cursor<'_>) -> Parsed<Stamp> {
    cursor.expect(b'"', "A date is not valid")?;
    cursor.eat(b' ');
    let day = date_text(cursor)?;
    cursor.expect(b' ', "A date is not valid")?;
    let time = time(cursor)?;
    cursor.expect(b' ', "A date is not valid")?;
    let zone = zone(cursor)?;
    cursor.expect(b'"', "A date is not valid")?;
    let local = day.with_time(time).assume_utc().unix_timestamp();
    Ok(Stamp { seconds: local - i64::from(zone) * 60, zone })
}

/// `date-text = date-day "-" date-month "-" date-year`
fn date_text(cursor: &mut Cursor<'_>) -> Parsed<Date> {
    let day = match cursor.take_while(|byte| byte.is_ascii_digit()) {
        [one] => one - b'0',
        [ten, one] => (ten - b'0') * 10 + (one - b'0'),
        _ => return Err(BAD_DATE),
    };
    cursor.expect(b'-', "A date is not valid")?;
    let month = date_month(cursor.take_while(|byte| byte.is_ascii_alphabetic()))?;
    cursor.expect(b'-', "A date is not valid")?;
    let century = two_digits(cursor)?;
    let year = i32::from(century) * 100 + i32::from(two_digits(cursor)?);
    Date::from_calendar_date(year, month, day).map_err(|_| BAD_DATE)
}

/// `date-month = "Jan" / "Feb" / … / "Dec"`
fn date_month(name: &[u8]) -> Parsed<Month> {
    const NAMES: [(&[u8; 3], Month); 12] = [
        (b"Jan", Month::January),
        (b"Feb", Month::February),
        (b"Mar", Month::March),
        (b"Apr", Month::April),
        (b"May", Month::May),
        (b"Jun", Month::June),
        (b"Jul", Month::July),
        (b"Aug", Month::August),
        (b"Sep", Month::September),
        (b"Oct", Month::October),
        (b"Nov", Month::November),
        (b"Dec", Month::December),
    ];
    NAMES.iter().find(|(short, _)| short.eq_ignore_ascii_case(name)).map(|(_, month)| *month).ok_or(BAD_DATE)
}

/// `time = 2DIGIT ":" 2DIGIT ":" 2DIGIT`
fn time(cursor: &mut Cursor<'_>) -> Parsed<Time> {
    let hour = two_digits(cursor)?;
    cursor.expect(b':', "A date is not valid")?;
    let minute = two_digits(cursor)?;
    cursor.expect(b':', "A date is not valid")?;
    // A leap second has no number of its own in UNIX time.
    let second = match two_digits(cursor)? {
        60 => 59,
        second => second,
    };
    Time::from_hms(hour, minute, second).map_err(|_| BAD_DATE)
}

/// `zone = ("+" / "-") 4DIGIT`, in minutes east
fn zone(cursor: &mut Cursor<'_>) -> Parsed<i16> {
    let west = cursor.eat(b'-');
    if !west {
        cursor.expect(b'+', "A date is not valid")?;
    }
    let (hours, minutes) = (two_digits(cursor)?, two_digits(cursor)?);
    if hours > 23 || minutes > 59 {
        return Err(BAD_DATE);
    }
    let east = i16::from(hours) * 60 + i16::from(minutes);
    Ok(if west { -east } else { east })
}

fn two_digits(cursor: &mut Cursor<'_>) -> Parsed<u8> {
    let mut number = 0;
    for _ in 0..2 {
        let digit = cursor.peek().filter(u8::is_ascii_digit).ok_or(BAD_DATE)?;
        cursor.eat(digit);
        number = number * 10 + (digit - b'0');
    }
    Ok(number)
}
