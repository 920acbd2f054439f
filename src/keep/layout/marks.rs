//! What is written beside a message, since nothing may be written into it: it may be signed.
//!
//! ```text
//! a Maildir's file name   1706788800.0000000012.pillarbox,I=0123456789abcdef,D=1030016176,Z=-240,H:2,FSa
//! an mbox's From_ line    From I=0123456789abcdef+D=1030016176+Z=-240+H+F=FS+K=work@unique.pillarbox
//!                         Thu Aug 22 11:36:16 2002 remote from pillarbox
//! ```
//!
//! `I` is its name in POP3, `D` and `Z` are its INTERNALDATE in seconds since 1970 and minutes east of UTC, `H` says that
//! POP3 does not show it, `E` that its line ends are written as they are; in an mbox `O` says that its last line has no
//! end, `F` has flags as letters, and each `K` is a keyword, percent-encoded. Mail programs that change the flags in the
//! name of a file leave what is before the colon alone.

use super::ends::{Ends, Shape};
use super::flags::{flag_of, letter_of};
use crate::mail::{Stamp, UniqueId, is_keyword};
use crate::store::History;
use std::fmt::Write;

/// The domain of a From_ line that an export wrote.
const DOMAIN: &str = "@unique.pillarbox";
/// How such a line ends, as those of UUCP do. The sender before the date is what a stranger may have chosen whose mail
/// another program put into an mbox; nobody chooses what follows the date.
const ORIGIN: &str = " remote from pillarbox";

/// What is written beside a message in either format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// What POP3 clients know it by.
    pub history: History,
    /// INTERNALDATE.
    pub received: Stamp,
    /// How it is written.
    pub shape: Shape,
}

/// The From_ line of a message in an mbox that an export wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Separator {
    /// What either format has.
    pub marks: Marks,
    /// Flags and keywords.
    pub flags: Vec<String>,
}

impl Marks {
    /// From fields; `None` without a name in POP3, since then nobody of ours wrote them.
    pub fn read<'f>(fields: impl Iterator<Item = &'f str>) -> Option<Marks> {
        let mut marks = Marks::default();
        let mut dated = false;
        for field in fields {
            match field.split_once('=') {
                Some(("I", id)) => marks.history.unique = UniqueId::parse(id),
                Some(("D", seconds)) => {
                    marks.received.seconds = seconds.parse().ok()?;
                    dated = true;
                }
                Some(("Z", zone)) => marks.received.zone = zone.parse().ok()?,
                None if field == "H" => marks.history.hidden = true,
                None if field == "E" => marks.shape.ends = Ends::Exact,
                None if field == "O" => marks.shape.open = true,
                // Another program's.
                _ => {}
            }
        }
        (marks.history.unique.is_some() && dated).then_some(marks)
    }

    /// As fields.
    pub fn fields(&self) -> Vec<String> {
        let id = self.history.unique.map(|id| format!("I={id}"));
        let date = format!("D={}", self.received.seconds);
        let zone = (self.received.zone != 0).then(|| format!("Z={}", self.received.zone));
        let letter = |on: bool, letter: &str| on.then(|| letter.to_owned());
        let letters = [
            letter(self.history.hidden, "H"),
            letter(self.shape.ends == Ends::Exact, "E"),
            letter(self.shape.open, "O"),
        ];
        [id, Some(date), zone].into_iter().chain(letters).flatten().collect()
    }
}

impl Separator {
    /// From a From_ line; `None` if it is another program's.
    pub fn read(line: &[u8]) -> Option<Separator> {
        let line = str::from_utf8(line).ok()?.trim_end_matches(['\r', '\n']).strip_suffix(ORIGIN)?;
        let sender = line.strip_prefix("From ")?.split(' ').next()?;
        let fields = || sender.strip_suffix(DOMAIN).unwrap_or_default().split('+');
        let marks = Marks::read(fields())?;
        let mut flags = Vec::new();
        for field in fields() {
            match field.split_once('=') {
                Some(("F", letters)) => flags.extend(letters.chars().filter_map(flag_of).map(str::to_owned)),
                Some(("K", keyword)) => flags.extend(decoded(keyword).filter(|keyword| is_keyword(keyword))),
                _ => {}
            }
        }
        Some(Separator { marks, flags })
    }

    /// The line, with its end.
    pub fn line(&self) -> String {
        let mut fields = self.marks.fields();
        let letters: String = self.flags.iter().filter_map(|flag| letter_of(flag)).collect();
        if !letters.is_empty() {
            fields.push(format!("F={letters}"));
        }
        let keywords = self.flags.iter().filter(|flag| letter_of(flag).is_none());
        fields.extend(keywords.map(|keyword| format!("K={}", encoded(keyword))));
        format!("From {}{DOMAIN} {}{ORIGIN}\n", fields.join("+"), asctime(self.marks.received))
    }
}

/// What is no atom of an address (RFC 5322 §3.2.3), and what has a meaning here, as `%` and two digits.
fn encoded(keyword: &str) -> String {
    keyword.bytes().fold(String::new(), |mut text, octet| {
        if octet.is_ascii_alphanumeric() || b"!#$&'*-/?^_`{|}~.".contains(&octet) {
            text.push(char::from(octet));
        } else {
            let _ = write!(text, "%{octet:02X}");
        }
        text
    })
}

fn decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut octets = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        octets.push(u8::from_str_radix(digits, 16).ok()?);
        octets.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(octets).ok()
}

/// A moment as a From_ line has it, in UTC (RFC 4155, appendix A).
fn asctime(moment: Stamp) -> String {
    let moment = time::OffsetDateTime::from_unix_timestamp(moment.seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let (weekday, month) = (moment.weekday().to_string(), moment.month().to_string());
    let (weekday, month) = (weekday.get(..3).unwrap_or_default(), month.get(..3).unwrap_or_default());
    let (hour, minute, second) = (moment.hour(), moment.minute(), moment.second());
    format!("{weekday} {month} {:2} {hour:02}:{minute:02}:{second:02} {:04}", moment.day(), moment.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Marks {
        Marks {
            history: History { unique: Some(UniqueId(0xabc)), hidden: true },
            received: Stamp { seconds: 1_030_016_176, zone: -240 },
            shape: Shape { ends: Ends::Exact, open: true },
        }
    }

    #[test]
    fn a_separator_is_read_as_it_is_written() {
        let flags = ["\\Flagged", "\\Seen", "work", "a+b@c=d,e", "$Forwarded"].map(str::to_owned);
        let separator = Separator { marks: marks(), flags: flags.to_vec() };
        let line = separator.line();
        assert_eq!(
            line,
            "From I=0000000000000abc+D=1030016176+Z=-240+H+E+O+F=FSP+K=work+K=a%2Bb%40c%3Dd%2Ce@unique.pillarbox \
             Thu Aug 22 11:36:16 2002 remote from pillarbox\n"
        );
        let mut read = Separator::read(line.as_bytes()).unwrap();
        read.flags.sort();
        assert_eq!(read.marks, separator.marks);
        assert_eq!(read.flags, ["$Forwarded", "\\Flagged", "\\Seen", "a+b@c=d,e", "work"]);
        let plain = Separator { marks: Marks { shape: Shape::default(), ..marks() }, flags: Vec::new() };
        assert_eq!(Separator::read(plain.line().as_bytes()), Some(plain));
    }

    #[test]
    fn another_programs_separator_says_nothing() {
        for line in [
            "From a@b Thu Aug 22 12:36:16 2002\n",
            "From - Thu Aug 22 12:36:16 2002\n",
            "From I=0000000000000abc+D=1@unique.pillarbox Thu Aug 22 12:36:16 2002\n",
            "From I=0000000000000abc+D=1@example.org Thu Aug 22 12:36:16 2002 remote from pillarbox\n",
            "From I=xyz+D=1@unique.pillarbox Thu Aug 22 12:36:16 2002 remote from pillarbox\n",
            "From I=0000000000000abc+D=x@unique.pillarbox remote from pillarbox\n",
        ] {
            assert_eq!(Separator::read(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_day_before_1970_is_a_day_like_another() {
        let early = Marks { received: Stamp::utc(-86_400 * 366), ..marks() };
        let line = Separator { marks: early, flags: Vec::new() }.line();
        assert!(line.ends_with("Tue Dec 31 00:00:00 1968 remote from pillarbox\n"), "{line}");
        assert_eq!(Separator::read(line.as_bytes()).unwrap().marks, early);
    }
}
