//! What is put before a message that came in, and what is taken out of its header.

use super::terms::Kind;
use crate::mail::header::{Field, fields, first, is_begun};
use crate::mail::{Stamp, UniqueId};
use crate::session::Privacy;
use crate::verdict;
use crate::wire::smtp::{Address, Sender};
use std::net::IpAddr;
use std::ops::Range;

/// How a message came (RFC 5321 §4.4).
pub(super) struct Trace<'t> {
    pub(super) kind: Kind,
    /// As it called itself.
    pub(super) client: &'t str,
    /// It said EHLO.
    pub(super) extended: bool,
    pub(super) peer: Option<IpAddr>,
    pub(super) privacy: Privacy,
    pub(super) logged_in: bool,
    pub(super) sender: &'t Sender,
    /// Named where it is the only one: others must not learn of each other.
    pub(super) recipient: Option<&'t Address>,
    /// Who we are.
    pub(super) host: &'t str,
    pub(super) id: UniqueId,
    pub(super) now: i64,
}

impl Trace<'_> {
    /// `Return-Path`: once a message has arrived (RFC 5321 §4.4).
    pub(super) fn return_path(&self) -> String {
        format!("Return-Path: <{}>\r\n", self.sender.address.as_ref().map_or("", Address::as_str))
    }

    /// `Received`
    pub(super) fn received(&self) -> String {
        let Trace { client, host, id, .. } = self;
        // Whatever it called itself must not break the header.
        let client: String =
            client.chars().filter(|c| !c.is_control() && !matches!(c, '(' | ')' | ' ' | '\\')).collect();
        let from = match self.peer {
            Some(peer) => format!("from {client} ({})", literal(peer)),
            None => format!("from {client}"),
        };
        let to = self.recipient.map(|to| format!("\r\n\tfor <{to}>")).unwrap_or_default();
        let (with, date) = (self.with(), date(Stamp::utc(self.now)));
        format!("Received: {from}\r\n\tby {host} with {with} id {id}{to};\r\n\t{date}\r\n")
    }

    /// How it came: `ESMTPSA` (RFC 3848), `UTF8SMTP` (RFC 6531 §4.3).
    fn with(&self) -> String {
        let protocol = match (self.kind, self.sender.utf8, self.extended) {
            (Kind::Lmtp, true, _) => "UTF8LMTP",
            (Kind::Lmtp, false, _) => "LMTP",
            (_, true, _) => "UTF8SMTP",
            (_, false, true) => "ESMTP",
            (_, false, false) => return "SMTP".to_owned(),
        };
        let secure = if self.privacy == Privacy::Tls { "S" } else { "" };
        let known = if self.logged_in { "A" } else { "" };
        format!("{protocol}{secure}{known}")
    }
}

fn literal(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

/// A moment as in a Date field (RFC 5322 §3.3).
pub(super) fn date(stamp: Stamp) -> String {
    let moment = time::OffsetDateTime::from_unix_timestamp(stamp.seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let (weekday, month) = (moment.weekday().to_string(), moment.month().to_string());
    let (weekday, month) = (weekday.get(..3).unwrap_or_default(), month.get(..3).unwrap_or_default());
    let (hour, minute, second) = (moment.hour(), moment.minute(), moment.second());
    format!("{weekday}, {} {month} {} {hour:02}:{minute:02}:{second:02} +0000", moment.day(), moment.year())
}

/// How often it was received on its way.
pub(super) fn hops(header: &[u8]) -> usize {
    fields(header).filter(|field| field.name.eq_ignore_ascii_case(b"Received")).count()
}

/// What is missing in a message that was submitted (RFC 6409 §8.2, §8.3).
pub(super) fn missing(header: &[u8], host: &str, id: UniqueId, now: i64) -> String {
    let date = || format!("Date: {}\r\n", date(Stamp::utc(now)));
    let message_id = || format!("Message-ID: <{id}.{now}@{host}>\r\n");
    let unless = |name: &[u8], field: &dyn Fn() -> String| first(header, name).map_or_else(field, |_| String::new());
    unless(b"Date", &date) + &unless(b"Message-ID", &message_id)
}

/// A header, its empty line included, of what may be more than it.
pub(super) fn of(mut head: Vec<u8>) -> Vec<u8> {
    let end =
        if head.starts_with(b"\r\n") { Some(0) } else { memchr::memmem::find(&head, b"\r\n\r\n").map(|at| at + 2) };
    head.truncate(end.map_or(head.len(), |end| end + 2));
    head.shrink_to_fit();
    head
}

/// Whether what came has no header: then what is put before it is all of it, and an empty line has to follow.
pub(super) fn is_missing(head: &[u8]) -> bool {
    !is_begun(head)
}

/// Whether the header goes on behind what was looked at of it, in a message of so many octets.
pub(super) fn is_cut(head: &[u8], size: u64) -> bool {
    let is_whole = head == b"\r\n" || head.ends_with(b"\r\n\r\n");
    !is_whole && (head.len() as u64) < size && !is_missing(head)
}

/// Appends a header without some of it.
pub(super) fn without(header: &[u8], drops: &[Range<u64>], out: &mut Vec<u8>) {
    let place = |place: u64| usize::try_from(place).unwrap_or(header.len());
    let mut from = 0;
    for drop in drops {
        out.extend_from_slice(header.get(from..place(drop.start)).unwrap_or_default());
        from = place(drop.end);
    }
    out.extend_from_slice(header.get(from..).unwrap_or_default());
}

/// Where the fields stand that are not kept, ascending.
pub(super) fn dropped(header: &[u8], drops: impl Fn(&Field<'_>) -> bool) -> Vec<Range<u64>> {
    let place = |field: &Field<'_>| {
        let from = (field.whole.as_ptr().addr() - header.as_ptr().addr()) as u64;
        from..from + field.whole.len() as u64
    };
    fields(header).filter(|field| drops(field)).map(|field| place(&field)).collect()
}

/// Whether a field is one that only we may have written: an earlier Return-Path (RFC 5321 §4.4), and results of checks
/// that claim to be ours (RFC 8601 §5).
pub(super) fn is_ours(field: &Field<'_>, host: &str) -> bool {
    field.name.eq_ignore_ascii_case(b"Return-Path") || verdict::is_forged(field, host)
}

/// Whether a field of what was submitted is not for others to see (RFC 5322 §3.6.3, §3.6.6).
pub(super) fn is_not_told(field: &Field<'_>) -> bool {
    [&b"Bcc"[..], b"Resent-Bcc", b"Return-Path"].iter().any(|name| field.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_it_came_is_told_in_one_word() {
        let mut sender = Sender::default();
        let mut trace = |kind, extended, privacy, logged_in, utf8| {
            sender.utf8 = utf8;
            let (client, host, id) = ("c", "mx", UniqueId(1));
            let sender = &sender;
            Trace { kind, client, extended, peer: None, privacy, logged_in, sender, recipient: None, host, id, now: 0 }
                .with()
        };
        assert_eq!(trace(Kind::Mx, false, Privacy::None, false, false), "SMTP");
        assert_eq!(trace(Kind::Mx, true, Privacy::None, false, false), "ESMTP");
        assert_eq!(trace(Kind::Mx, true, Privacy::Tls, false, false), "ESMTPS");
        assert_eq!(trace(Kind::Submission, true, Privacy::Tls, true, false), "ESMTPSA");
        assert_eq!(trace(Kind::Submission, true, Privacy::Local, true, true), "UTF8SMTPA");
        assert_eq!(trace(Kind::Lmtp, true, Privacy::Local, false, false), "LMTP");
        assert_eq!(trace(Kind::Lmtp, true, Privacy::Tls, false, true), "UTF8LMTPS");
    }

    #[test]
    fn what_a_client_calls_itself_cannot_break_the_header() {
        let sender = Sender::default();
        let trace = Trace {
            kind: Kind::Mx,
            client: "x)\r\nEvil: (1",
            extended: true,
            peer: Some(IpAddr::from([192, 0, 2, 1])),
            privacy: Privacy::None,
            logged_in: false,
            sender: &sender,
            recipient: None,
            host: "mx.example.org",
            id: UniqueId(255),
            now: 1_030_016_176,
        };
        assert_eq!(
            trace.received(),
            "Received: from xEvil:1 ([192.0.2.1])\r\n\tby mx.example.org with ESMTP id 00000000000000ff;\r\n\t\
             Thu, 22 Aug 2002 11:36:16 +0000\r\n"
        );
        assert_eq!(trace.return_path(), "Return-Path: <>\r\n");
    }

    #[test]
    fn what_claims_to_be_ours_is_left_out() {
        let header = b"Return-Path: <x@y>\r\nAuthentication-Results: (hi) MX.example.org 1;\r\n spf=pass\r\n\
                       Authentication-Results: other.example; spf=pass\r\nauthentication-results:mx.example.org;none\r\n\
                       Subject: hi\r\n\r\nReturn-Path: body\r\n";
        let mut kept = Vec::new();
        without(header, &dropped(header, |field| is_ours(field, "mx.example.org")), &mut kept);
        let expected = "Authentication-Results: other.example; spf=pass\r\nSubject: hi\r\n\r\nReturn-Path: body\r\n";
        assert_eq!(String::from_utf8_lossy(&kept), expected);
    }

    #[test]
    fn a_header_ends_with_its_empty_line() {
        for (head, header) in [
            (&b"A: 1\r\n\r\nbody\r\n\r\n"[..], &b"A: 1\r\n\r\n"[..]),
            (b"\r\nbody\r\n\r\n", b"\r\n"),
            (b"A: 1\r\n", b"A: 1\r\n"),
            (b"", b""),
        ] {
            assert_eq!(of(head.to_vec()), header);
        }
    }

    #[test]
    fn a_header_is_cut_where_it_goes_on() {
        for (head, size, cut) in [
            (&b"A: 1\r\n"[..], 9, true),
            (b"A: 1\r\n", 6, false),
            (b"A: 1\r\n\r\n", 9, false),
            (b"\r\n", 9, false),
            (b"hello\r\n", 9, false),
        ] {
            assert_eq!(is_cut(head, size), cut, "{} of {size}", head.escape_ascii());
        }
    }

    #[test]
    fn text_without_a_header_is_told_from_one() {
        for (head, missing) in [
            (&b"A: 1\r\n"[..], false),
            (b"\r\nbody", false),
            (b"From me Thu Jan 1 10:00:00 1970\r\nA: 1\r\n", false),
            (b">From me\r\nTo: ann\r\n", false),
            (b"", true),
            (b"hello\r\n", true),
            (b"hello there: you\r\n", true),
        ] {
            assert_eq!(is_missing(head), missing, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn what_is_put_before_a_message_hides_and_uncovers_none_of_its_fields() {
        let mut dice = crate::mail::xorshift::Xorshift::new(12);
        for _ in 0..30_000 {
            let message = crate::mail::odd::message(&mut dice, "\r\n");
            let head = of(message.clone());
            let names = |octets: &[u8]| -> Vec<Vec<u8>> {
                let known = |field: &Field<'_>| !field.name.eq_ignore_ascii_case(b"Note");
                fields(octets).filter(known).map(|field| field.name.to_vec()).collect()
            };
            assert_eq!(names(&head), names(&message), "{}", message.escape_ascii());
            let mut stored = b"Received: x\r\n".to_vec();
            if is_missing(&head) {
                stored.extend_from_slice(b"\r\n");
            }
            stored.extend_from_slice(&message);
            let expected = [vec![b"Received".to_vec()], names(&message)].concat();
            assert_eq!(names(&stored), expected, "{}", message.escape_ascii());
        }
    }

    #[test]
    fn what_is_missing_is_added() {
        assert_eq!(missing(b"Date: x\r\nmessage-id: y\r\n\r\n", "h", UniqueId(1), 0), "");
        let added = missing(b"Subject: x\r\n\r\n", "h", UniqueId(1), 0);
        assert_eq!(added, "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\nMessage-ID: <0000000000000001.0@h>\r\n");
        assert_eq!(hops(b"Received: a\r\nX: y\r\nRECEIVED: b\r\n\r\nReceived: c\r\n"), 2);
    }
}
