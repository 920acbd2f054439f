//! What a sender is told of a mail (RFC 3461, RFC 3464): in words, and so that a program understands it.

use super::smtp::Said;
use crate::store::{Queued, QueuedRecipient};
use std::fmt::Write;
use time::OffsetDateTime;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It will not be delivered.
    Failed,
    /// It is still tried, until this second since 1970.
    Delayed { until: i64 },
    /// The next server has it, and tells nothing of what becomes of it.
    Relayed,
    /// It is in the mailbox.
    Delivered,
}

/// A recipient of which something is told.
#[derive(Clone, Debug)]
pub(super) struct Told<'q> {
    pub(super) recipient: &'q QueuedRecipient,
    pub(super) said: Said,
    /// It was given up: what was said last is not the reason.
    pub(super) expired: bool,
}

/// The mail that is told of.
pub(super) struct Original<'o> {
    pub(super) queued: &'o Queued,
    /// Its header, or all of it.
    pub(super) octets: &'o [u8],
    /// All of it is there.
    pub(super) whole: bool,
    pub(super) message_id: Option<String>,
    pub(super) subject: Option<String>,
}

/// Who tells it, and when.
pub(super) struct Teller<'t> {
    pub(super) name: &'t str,
    /// A number that no other report has.
    pub(super) number: u64,
    pub(super) now: i64,
}

/// The whole report. Its lines end with CRLF.
pub(super) fn report(event: Event, told: &[Told<'_>], original: &Original<'_>, teller: &Teller<'_>) -> Vec<u8> {
    let Teller { name, number, now } = teller;
    let queued = original.queued;
    // RFC 6533: what an address has beyond ASCII can be told only so.
    let is_beyond = told.iter().any(|told| !told.recipient.address.is_ascii()) || !queued.from.is_ascii();
    let status = status(event, told, queued, teller, is_beyond);
    let is_8bit = is_beyond || !original.octets.is_ascii() || !status.is_ascii();
    let (kind, returned) = match (is_beyond, original.whole) {
        (false, true) => ("delivery-status", "message/rfc822"),
        (false, false) => ("delivery-status", "text/rfc822-headers"),
        (true, true) => ("global-delivery-status", "message/global"),
        (true, false) => ("global-delivery-status", "message/global-headers"),
    };
    let encoding = if is_8bit { "8bit" } else { "7bit" };
    let boundary = format!("=_{number:016x}_report");
    let mut text = format!(
        "Date: {}\r\nFrom: Mail delivery <postmaster@{name}>\r\nTo: <{}>\r\nSubject: {}\r\n\
         Message-ID: <report.{number:016x}@{name}>\r\n",
        date(*now),
        queued.from,
        subject(event, original),
    );
    if let Some(id) = original.message_id.as_ref().filter(|id| is_printable(id)) {
        let _ = write!(text, "In-Reply-To: {id}\r\nReferences: {id}\r\n");
    }
    let _ = write!(
        text,
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type={kind};\r\n\tboundary=\"{boundary}\"\r\n\
         Content-Transfer-Encoding: {encoding}\r\n\r\n\
         --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n\
         {}\r\n\
         --{boundary}\r\nContent-Type: message/{kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{status}\r\n\
         --{boundary}\r\nContent-Type: {returned}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n",
        words(event, told, original, name),
    );
    let mut report = text.into_bytes();
    for line in original.octets.split_inclusive(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        report.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        report.extend_from_slice(b"\r\n");
    }
    report.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    report
}

fn subject(event: Event, original: &Original<'_>) -> String {
    let what = match event {
        Event::Failed => "Not delivered",
        Event::Delayed { .. } => "Not yet delivered",
        Event::Relayed => "Passed on",
        Event::Delivered => "Delivered",
    };
    match original.subject.as_ref().filter(|subject| is_printable(subject) && subject.len() < 500) {
        Some(subject) => format!("{what}: {subject}"),
        None => what.to_owned(),
    }
}

/// For the person who sent the mail.
fn words(event: Event, told: &[Told<'_>], original: &Original<'_>, name: &str) -> String {
    let mut text = match event {
        Event::Failed => "Your mail could not be delivered to:\r\n".to_owned(),
        Event::Delayed { until } => format!(
            "Your mail has not been delivered yet. Nothing needs to be done: it will be tried again until\r\n\
             {}. It waits for:\r\n",
            date(until)
        ),
        Event::Relayed => {
            "Your mail was passed on to a server that will not tell whether it arrives, for:\r\n".to_owned()
        }
        Event::Delivered => "Your mail was delivered to:\r\n".to_owned(),
    };
    for Told { recipient, said, expired } in told {
        let _ = write!(text, "\r\n  {}\r\n", recipient.address);
        let last = if *expired { "It was tried until now; the last answer was: " } else { "" };
        let by = said.host.as_ref().map_or_else(String::new, |host| format!("{host} said: "));
        for line in fold(&format!("{last}{by}{}", said.text), 68) {
            let _ = write!(text, "    {line}\r\n");
        }
    }
    let what = if original.whole { "Your mail" } else { "The header of your mail" };
    let _ = write!(text, "\r\n{what} is attached.\r\n\r\n-- \r\n{name}\r\n");
    text
}

/// For the program (RFC 3464 §2.1).
fn status(event: Event, told: &[Told<'_>], queued: &Queued, teller: &Teller<'_>, is_beyond: bool) -> String {
    let Teller { name, now, .. } = teller;
    let mut text = format!("Reporting-MTA: dns; {name}\r\n");
    if let Some(envid) = &queued.envid {
        let _ = write!(text, "Original-Envelope-Id: {}\r\n", plain(envid));
    }
    let _ = write!(text, "Arrival-Date: {}\r\n", date(queued.made));
    let (action, kind) = match event {
        Event::Failed => ("failed", '5'),
        Event::Delayed { .. } => ("delayed", '4'),
        Event::Relayed => ("relayed", '2'),
        Event::Delivered => ("delivered", '2'),
    };
    for Told { recipient, said, expired } in told {
        text.push_str("\r\n");
        if let Some((kind, address)) = recipient.orcpt.as_ref().and_then(|orcpt| orcpt.split_once(';')) {
            let _ = write!(text, "Original-Recipient: {kind}; {}\r\n", plain(address));
        }
        let address = if is_beyond && !recipient.address.is_ascii() { "utf-8" } else { "rfc822" };
        let code = if *expired { "5.4.7".to_owned() } else { said.status() };
        // What was refused for now may be told as refused for good, when it is given up.
        let code = code.get(1..).map_or_else(|| format!("{kind}.0.0"), |rest| format!("{kind}{rest}"));
        let _ =
            write!(text, "Final-Recipient: {address}; {}\r\nAction: {action}\r\nStatus: {code}\r\n", recipient.address);
        if let Some(host) = &said.host {
            let _ = write!(text, "Remote-MTA: dns; {host}\r\nDiagnostic-Code: smtp; {}\r\n", folded(&said.text));
        } else if event == Event::Failed {
            let _ = write!(text, "Diagnostic-Code: x-pillarbox; {}\r\n", folded(&said.text));
        }
        let _ = write!(text, "Last-Attempt-Date: {}\r\n", date(*now));
        if let Event::Delayed { until } = event {
            let _ = write!(text, "Will-Retry-Until: {}\r\n", date(until));
        }
    }
    text
}

/// A field's value over several lines.
fn folded(text: &str) -> String {
    fold(text, 60).join("\r\n ")
}

/// Lines of at most so many characters, where the words allow.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// What an xtext stands for (RFC 3461 §4); what it must not stand for is left as it is.
fn plain(xtext: &str) -> String {
    let mut plain = String::new();
    let mut rest = xtext;
    while let Some((before, after)) = rest.split_once('+') {
        plain.push_str(before);
        let octet = after.get(..2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        if let Some(octet) = octet.filter(|octet| matches!(octet, b' '..=b'~')) {
            plain.push(char::from(octet));
            rest = after.get(2..).unwrap_or_default();
        } else {
            plain.push('+');
            rest = after;
        }
    }
    plain.push_str(rest);
    plain
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|octet| matches!(octet, b' '..=b'~'))
}

/// A moment as in a Date field (RFC 5322 §3.3).
pub(super) fn date(seconds: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (weekday, month) = (moment.weekday().to_string(), moment.month().to_string());
    let (weekday, month) = (weekday.get(..3).unwrap_or_default(), month.get(..3).unwrap_or_default());
    let (hour, minute, second) = (moment.hour(), moment.minute(), moment.second());
    format!("{weekday}, {} {month} {} {hour:02}:{minute:02}:{second:02} +0000", moment.day(), moment.year())
}

#[cfg(test)]
mod tests;
