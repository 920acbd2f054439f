//! What an import reads of a header: when the message came, and what an mbox keeps there about it.

use super::date;
use crate::mail::header::{first, unfold};
use crate::mail::{Stamp, limits};

/// The header of the message that passes by.
#[derive(Debug, Default)]
pub(super) struct Header {
    octets: Vec<u8>,
    ended: bool,
}

impl Header {
    /// The next octets of the message, with line ends as mail has them.
    pub(super) fn feed(&mut self, octets: &[u8]) {
        if self.ended {
            return;
        }
        let seen = self.octets.len().saturating_sub(3);
        let room = limits::HEADER.saturating_sub(self.octets.len());
        self.octets.extend_from_slice(octets.get(..room).unwrap_or(octets));
        let end = memchr::memmem::find(self.octets.get(seen..).unwrap_or_default(), b"\r\n\r\n");
        if let Some(end) = end {
            self.octets.truncate(seen + end + 2);
        }
        self.ended = end.is_some() || self.octets.starts_with(b"\r\n") || self.octets.len() >= limits::HEADER;
    }

    /// When the message came: the topmost Received field, or its Date.
    pub(super) fn received(&self) -> Option<Stamp> {
        let moment = |name| self.field(name).and_then(|value| date::of_field(&value));
        moment("Received").or_else(|| moment("Date"))
    }

    /// Flags as mail programs keep them in an mbox: `Status` and `X-Status` of the Unix ones, `X-Mozilla-Status`.
    pub(super) fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        let status = [self.field("Status"), self.field("X-Status")].into_iter().flatten().flatten();
        for letter in status {
            flags.push(match letter {
                b'R' => "\\Seen",
                b'A' => "\\Answered",
                b'F' => "\\Flagged",
                b'D' => "\\Deleted",
                b'T' => "\\Draft",
                _ => continue,
            });
        }
        let mozilla = self.field("X-Mozilla-Status").and_then(|value| hexadecimal(&value)).unwrap_or(0);
        for (bit, flag) in
            [(0x1, "\\Seen"), (0x2, "\\Answered"), (0x4, "\\Flagged"), (0x8, "\\Deleted"), (0x1000, "$Forwarded")]
        {
            if mozilla & bit != 0 {
                flags.push(flag);
            }
        }
        flags.sort_unstable();
        flags.dedup();
        flags.into_iter().map(str::to_owned).collect()
    }

    /// The value of the first field of this name, unfolded.
    fn field(&self, name: &str) -> Option<Vec<u8>> {
        first(&self.octets, name.as_bytes()).map(|value| unfold(value).into_owned())
    }
}

fn hexadecimal(value: &[u8]) -> Option<u32> {
    u32::from_str_radix(str::from_utf8(value).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Header {
        let mut header = Header::default();
        text.as_bytes().chunks(3).for_each(|piece| header.feed(piece));
        header
    }

    #[test]
    fn the_topmost_received_field_says_when_a_message_came() {
        let header = header(
            "Subject: x\r\nReceived: from a\r\n\tby b; Thu, 1 Jan 1970 00:00:09 +0000\r\n\
             Received: from c; Thu, 1 Jan 1970 00:00:05 +0000\r\nDate: Thu, 1 Jan 1970 00:00:01 +0000\r\n\r\nDate: no\r\n",
        );
        assert_eq!(header.received(), Some(Stamp::utc(9)));
    }

    #[test]
    fn without_received_the_date_does_but_not_one_in_the_body() {
        assert_eq!(header("DATE : Thu, 1 Jan 1970 00:00:01 +0000\r\n\r\n").received(), Some(Stamp::utc(1)));
        assert_eq!(header("A: b\r\n\r\nDate: Thu, 1 Jan 1970 00:00:01 +0000\r\n").received(), None);
        assert_eq!(header("\r\nDate: Thu, 1 Jan 1970 00:00:01 +0000\r\n").received(), None);
    }

    #[test]
    fn an_import_reads_the_fields_that_are_shown() {
        let mut dice = crate::mail::xorshift::Xorshift::new(14);
        for _ in 0..30_000 {
            let message = crate::mail::odd::message(&mut dice, "\r\n");
            let mut header = Header::default();
            message.chunks(1 + dice.below(9)).for_each(|piece| header.feed(piece));
            for name in ["Subject", "From", "X-A", "To", "Note"] {
                let shown = first(&message, name.as_bytes()).map(|value| unfold(value).into_owned());
                assert_eq!(header.field(name), shown, "{}", message.escape_ascii());
            }
        }
    }

    #[test]
    fn the_flags_of_three_mail_programs_are_understood() {
        assert_eq!(header("Status: RO\r\nX-Status: AF\r\n\r\n").flags(), ["\\Answered", "\\Flagged", "\\Seen"]);
        assert_eq!(header("X-Mozilla-Status: 1003\r\n\r\n").flags(), ["$Forwarded", "\\Answered", "\\Seen"]);
        assert!(header("Status: O\r\nX-Mozilla-Status: zz\r\n\r\n").flags().is_empty());
    }
}
