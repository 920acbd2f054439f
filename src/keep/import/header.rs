//! What an import reads of a header: when the message came, and what an mbox keeps there about it.

use super::date;
use crate::mail::header::{fields, first, unfold};
use crate::mail::{Stamp, is_keyword, limits};

/// What a mail program noted in the header of a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// Flags and keywords.
    pub(super) flags: Vec<String>,
    /// Words among the keywords that cannot be any.
    pub(super) lost: u64,
    /// It was deleted, and only not yet cleared away.
    pub(super) is_expunged: bool,
}

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

    /// What mail programs keep of a message in its header: `Status`, `X-Status` and `X-Keywords` of the Unix ones,
    /// `X-Mozilla-Status`, `X-Mozilla-Status2` and `X-Mozilla-Keys`.
    pub(super) fn noted(&self) -> Noted {
        let names = ["Status", "X-Status", "X-Mozilla-Status", "X-Mozilla-Status2", "X-Keywords", "X-Mozilla-Keys"];
        let [status, status_too, mozilla, more, keywords, keys] = self.firsts(names);
        let mut flags = Vec::new();
        for letter in [status, status_too].into_iter().flatten().flatten() {
            flags.push(match letter {
                b'R' => "\\Seen",
                b'A' => "\\Answered",
                b'F' => "\\Flagged",
                b'D' => "\\Deleted",
                b'T' => "\\Draft",
                _ => continue,
            });
        }
        let number = |value: Option<Vec<u8>>| value.and_then(|value| hexadecimal(&value)).unwrap_or(0);
        let mozilla = number(mozilla);
        for (bit, flag) in [(0x1, "\\Seen"), (0x2, "\\Answered"), (0x4, "\\Flagged"), (0x1000, "$Forwarded")] {
            if mozilla & bit != 0 {
                flags.push(flag);
            }
        }
        let more = number(more);
        if more & 0x0080_0000 != 0 {
            flags.push("$MDNSent");
        }
        // Before there were keywords a message had one of five labels.
        let labels = ["$label1", "$label2", "$label3", "$label4", "$label5"];
        let label = (more >> 25 & 7) as usize;
        flags.extend(label.checked_sub(1).and_then(|label| labels.get(label)));
        let mut noted = Noted { is_expunged: mozilla & 0x8 != 0, ..Noted::default() };
        let keys = [keywords, keys].into_iter().flatten();
        let keys: Vec<String> = keys.map(|keys| String::from_utf8_lossy(&keys).into_owned()).collect();
        for word in keys.iter().flat_map(|keys| keys.split([' ', '\t', ','])).filter(|word| !word.is_empty()) {
            if is_keyword(word) {
                flags.push(word);
            } else {
                noted.lost += 1;
            }
        }
        flags.sort_unstable();
        flags.dedup();
        noted.flags = flags.into_iter().map(str::to_owned).collect();
        noted
    }

    /// Whether it is no mail, but what a server of the University of Washington's or Panda's kind keeps for itself at the
    /// head of an mbox.
    pub(super) fn is_internal(&self) -> bool {
        let subject = self.field("Subject").unwrap_or_default();
        subject.starts_with(b"DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA")
            && (self.field("X-IMAP").is_some() || self.field("X-IMAPbase").is_some())
    }

    /// The values of the first fields of these names, unfolded: each message passes here, and its header is read once.
    fn firsts<const N: usize>(&self, names: [&str; N]) -> [Option<Vec<u8>>; N] {
        let mut found = [const { None }; N];
        for field in fields(&self.octets) {
            let at = names.iter().position(|name| field.name.eq_ignore_ascii_case(name.as_bytes()));
            if let Some(first @ None) = at.and_then(|at| found.get_mut(at)) {
                *first = Some(unfold(field.value).into_owned());
            }
        }
        found
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
    fn the_flags_and_keywords_of_mail_programs_are_understood() {
        let noted = |text| header(text).noted();
        let flags = |text| noted(text).flags;
        assert_eq!(flags("Status: RO\r\nX-Status: AF\r\n\r\n"), ["\\Answered", "\\Flagged", "\\Seen"]);
        assert_eq!(flags("X-Mozilla-Status: 1003\r\n\r\n"), ["$Forwarded", "\\Answered", "\\Seen"]);
        assert!(flags("Status: O\r\nX-Mozilla-Status: zz\r\n\r\n").is_empty());
        assert_eq!(flags("X-Keywords: work $Forwarded\r\n\tmore  work\r\n\r\n"), ["$Forwarded", "more", "work"]);
        assert_eq!(flags("X-Mozilla-Keys: $label1 trip               \r\n\r\n"), ["$label1", "trip"]);
        assert_eq!(flags("X-Mozilla-Status2: 06800000\r\n\r\n"), ["$MDNSent", "$label3"]);
        let odd = noted("X-Keywords: a(b ok \\Odd\r\n\r\n");
        assert_eq!((odd.flags.as_slice(), odd.lost), (&["ok".to_owned()][..], 2));
        assert!(noted("X-Mozilla-Status: 0009\r\n\r\n").is_expunged && !noted("X-Status: D\r\n\r\n").is_expunged);
    }

    #[test]
    fn what_a_server_wrote_for_itself_is_no_mail() {
        let subject = "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\r\n";
        assert!(header(&format!("X-IMAP: 1 2\r\n{subject}\r\n")).is_internal());
        assert!(!header(&format!("{subject}\r\n")).is_internal(), "somebody asks what that is");
        assert!(!header("Subject: x\r\nX-IMAPbase: 1 2\r\n\r\n").is_internal(), "the first mail has that field, too");
    }
}
