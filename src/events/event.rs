//! One line.

use super::recent;
use std::fmt::{self, Display, Write};

/// Characters of one value: addresses and Message-IDs are shorter than this, and what is longer is cut.
const VALUE: usize = 320;

/// A line that is being made: a word and `key=value` pairs. It says nothing before [`Event::log`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Event {
    line: String,
}

impl Event {
    /// A line that begins with this word.
    pub fn new(word: &'static str) -> Event {
        Event { line: word.to_owned() }
    }

    /// With one more pair.
    pub fn with(mut self, key: &'static str, value: impl Display) -> Event {
        self.line.extend([" ", key, "="]);
        let start = self.line.len();
        let mut text = Cut { text: &mut self.line, left: VALUE };
        // A value that is cut is an error to `write!` only.
        let _ = write!(text, "{value}");
        let is_plain = |value: &str| !value.is_empty() && value.bytes().all(is_plain_ascii);
        if !self.line.get(start..).is_some_and(is_plain) {
            let value = self.line.split_off(start);
            quote(&value, &mut self.line);
        }
        self
    }

    /// With one more pair, where there is such a value.
    pub fn maybe(self, key: &'static str, value: Option<impl Display>) -> Event {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// The line as it is logged.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Logs the line. Of what comes too often to be kept.
    pub fn log_only(self) {
        log::info!("{}", self.line);
    }

    /// Logs the line, and keeps it for who asks later.
    pub fn log(self) {
        log::info!("{}", self.line);
        recent::keep(self.line);
    }
}

/// A text that so many characters more are put to.
struct Cut<'t> {
    text: &'t mut String,
    left: usize,
}

impl Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() <= self.left {
            self.left -= if text.is_ascii() { text.len() } else { text.chars().count() };
            self.text.push_str(text);
            return Ok(());
        }
        for c in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}

fn is_plain_ascii(octet: u8) -> bool {
    octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\')
}

/// A value as it stands in a line: as it is, or in quotes.
fn quote(value: &str, line: &mut String) {
    let is_plain = |c: char| if c.is_ascii() { is_plain_ascii(c as u8) } else { c.is_alphanumeric() };
    if !value.is_empty() && value.chars().all(is_plain) {
        line.push_str(value);
        return;
    }
    line.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            ' ' => line.push(' '),
            c if is_plain(c) => line.push(c),
            c => line.extend(c.escape_unicode()),
        }
    }
    line.push('"');
}

/// The pairs of a line, with their values as they were before they were quoted.
pub(super) fn pairs(line: &str) -> impl Iterator<Item = (&str, String)> {
    let mut rest = line.split_once(' ').map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = unquote(after);
        rest = after.strip_prefix(' ').unwrap_or(after);
        Some((key, value))
    })
}

/// The value at the begin of a text, and what follows it.
fn unquote(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(' ').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => match chars.next() {
                Some((_, 'u')) => {
                    let digits: String =
                        chars.by_ref().map(|(_, c)| c).skip_while(|c| *c == '{').take_while(|c| *c != '}').collect();
                    value.extend(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32));
                }
                Some((_, c)) => value.push(c),
                None => {}
            },
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_says_is_neither_a_new_line_nor_another_key() {
        let evil = "x address=192.0.2.1\r\nlogin result=ok \"\\\u{202e}é";
        let event = Event::new("login").with("result", "failed").with("user", evil).with("address", "203.0.113.9");
        let line = event.line();
        assert_eq!(line.lines().count(), 1);
        assert!(line.is_ascii() || !line.contains('\u{202e}'), "{line}");
        let read: Vec<(&str, String)> = pairs(line).collect();
        let right = [("result", "failed"), ("user", evil), ("address", "203.0.113.9")];
        assert_eq!(read, right.map(|(key, value)| (key, value.to_owned())));
    }

    #[test]
    fn plain_values_stand_as_they_are_and_the_others_in_quotes() {
        let event = Event::new("mail").with("from", "").with("to", "ann+x=y@example.org").with("mailbox", "Müller");
        let event = event.with("reply", "250 2.0.0 \"Ok\"").maybe("rule", None::<u32>).maybe("uid", Some(7));
        assert_eq!(
            event.line(),
            r#"mail from="" to=ann+x=y@example.org mailbox=Müller reply="250 2.0.0 \"Ok\"" uid=7"#
        );
    }

    #[test]
    fn a_long_value_is_cut() {
        let event = Event::new("mail").with("message-id", "é".repeat(100_000));
        assert_eq!(pairs(event.line()).next().map(|(_, value)| value.chars().count()), Some(VALUE));
    }
}
