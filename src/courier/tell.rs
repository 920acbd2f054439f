//! Reports on their way: home, where the sender is here, or out.

use super::report::{Event, Original, Teller, Told, report};
use super::settle::{Settled, Telling};
use super::smtp::Content;
use crate::delivery::{Fate, Mail, Recipient, Routing, is_local_domain, plan};
use crate::mail::Stamp;
use crate::store::{
    Delivery, Fault, Grace, LocalCopy, Notify, Onward, OnwardRecipient, Parcel, Place, Posting, Queued, Snapshot,
    Store, StoreError,
};
use std::borrow::Cow;
use std::sync::Arc;

/// Octets of a mail that go back with a report as a whole; of a longer one, its header does (RFC 3461 §4.3 allows that).
const WHOLE: u32 = 1 << 20;
/// Octets of a header that go back.
const HEADER: usize = 64 << 10;
/// Nobody is told what becomes of a report.
const NEVER: Notify = Notify { success: false, failure: false, delay: false };

/// All that is told of a message, to be written with what became of it.
pub(super) fn told(
    store: &Arc<Store>,
    routing: &Routing,
    settled: &Settled,
    now: i64,
) -> Result<Option<Delivery>, StoreError> {
    let mut messages = Vec::new();
    let mut rest: &[Telling] = &settled.tellings;
    while let Some(first) = rest.first() {
        // Recipients of whom the same is told share a report.
        let (same, others) = rest.split_at(rest.iter().take_while(|telling| telling.event == first.event).count());
        rest = others;
        messages.extend(told_of(store, routing, &settled.queued, first.event, same, now)?);
    }
    Ok((!messages.is_empty()).then_some(Delivery { messages, marks: Vec::new(), now }))
}

fn told_of(
    store: &Arc<Store>,
    routing: &Routing,
    queued: &Queued,
    event: Event,
    tellings: &[Telling],
    now: i64,
) -> Result<Vec<Posting>, StoreError> {
    let told: Vec<Told<'_>> = tellings
        .iter()
        .filter_map(|telling| {
            let recipient = queued.recipients.get(telling.which)?;
            Some(Told { recipient, said: telling.said.clone(), expired: telling.expired })
        })
        .collect();
    let teller = Teller { name: &routing.name, number: store.unique_id().0, now };
    let whole = queued.ret_full && event == Event::Failed && queued.size <= WHOLE;
    let Returned { octets, message_id, subject } = returned(store, queued, whole).unwrap_or_else(|fault| {
        log::error!("a queued mail cannot be read for a report: {fault}");
        Returned::default()
    });
    let original = Original { queued, octets: &octets, whole, message_id, subject };
    let report = report(event, &told, &original, &teller);
    let snapshot = store.snapshot()?;
    postings(store, &snapshot, routing, &queued.from, &report, now)
}

/// What of a mail goes back.
#[derive(Default)]
struct Returned {
    octets: Vec<u8>,
    message_id: Option<String>,
    subject: Option<String>,
}

fn returned(store: &Arc<Store>, queued: &Queued, whole: bool) -> Result<Returned, Fault> {
    let content = Content::new(store, queued.blob, queued.size, queued.line_ends);
    let mut octets = Vec::new();
    let mut pass = content.pass();
    while !pass.read(&mut octets)? && whole {}
    if !whole {
        octets.truncate(header_length(&octets).min(HEADER));
    }
    let snapshot = store.snapshot()?;
    let Some(head) = snapshot.head(queued.blob)? else { return Ok(Returned { octets, ..Returned::default() }) };
    let head = head.read()?;
    let envelope = head.envelope()?;
    let text = |value: Option<Cow<'_, [u8]>>| value.map(|value| String::from_utf8_lossy(&value).into_owned());
    Ok(Returned { octets, message_id: text(envelope.message_id), subject: text(envelope.subject) })
}

/// The header of a mail, without its empty line.
pub(super) fn header(octets: &[u8]) -> &[u8] {
    octets.get(..header_length(octets)).unwrap_or_default()
}

/// Where the header of a mail ends, without its empty line.
fn header_length(octets: &[u8]) -> usize {
    let after = |at: usize| octets.get(at + 1..).unwrap_or_default();
    let end =
        memchr::memchr_iter(b'\n', octets).find(|at| after(*at).starts_with(b"\n") || after(*at).starts_with(b"\r\n"));
    end.map_or(octets.len(), |at| at + 1)
}

/// A report to whoever sent the mail that it is about.
fn postings(
    store: &Store,
    snapshot: &Snapshot,
    routing: &Routing,
    to: &str,
    report: &[u8],
    now: i64,
) -> Result<Vec<Posting>, StoreError> {
    let mut packer = store.packer();
    packer.push(report)?;
    let parcel = packer.finish()?;
    let domain = to.rsplit_once('@').map_or("", |(_, domain)| domain);
    if !is_local_domain(snapshot, routing, domain)? {
        let recipients = vec![OnwardRecipient { address: to.to_owned(), orcpt: None, notify: NEVER }];
        let (body_8bit, utf8) = (!report.is_ascii(), !to.is_ascii());
        let onward = Onward { recipients, body_8bit, utf8, ..Onward::default() };
        return Ok(vec![posting(parcel, Vec::new(), vec![onward], now)]);
    }
    let recipients = [Recipient { address: to, notify: NEVER, orcpt: None }];
    let mail = Mail {
        from: "",
        recipients: &recipients,
        header: header(report),
        size: report.len() as u64,
        quarantine: false,
        tells_success: false,
        vouched: false,
        sender: None,
        utf8: !to.is_ascii(),
        body_8bit: !report.is_ascii(),
        ret_full: false,
        envid: None,
        received: Stamp::utc(now),
        now,
    };
    let mut plan = plan(store, snapshot, routing, &mail, parcel)?;
    if let Some(Fate::Not(_)) = plan.fates.first() {
        // Who has no room for mail is to hear of their own mail all the same.
        let Some(account) = snapshot.account_of(&to.to_lowercase())? else {
            log::warn!("a report to <{to}> could not be delivered: it goes to nobody");
            return Ok(Vec::new());
        };
        let copy = LocalCopy { account, place: Place::Inbox, flags: Vec::new(), grace: Grace::Unlimited };
        if let Some(first) = plan.delivery.messages.first_mut() {
            first.copies.push(copy);
        }
    }
    for copy in plan.delivery.messages.iter_mut().flat_map(|posting| &mut posting.copies) {
        copy.grace = Grace::Unlimited;
    }
    Ok(plan.delivery.messages)
}

fn posting(parcel: Parcel, copies: Vec<LocalCopy>, onward: Vec<Onward>, now: i64) -> Posting {
    Posting { parcel, received: Stamp::utc(now), copies, onward, once: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_ends_before_its_empty_line() {
        for (octets, length) in [(&b"A: b\r\n\r\nc"[..], 6), (b"A: b\n\nc", 5), (b"A: b\r\nC: d", 10), (b"", 0)] {
            assert_eq!(header_length(octets), length, "{}", octets.escape_ascii());
        }
    }
}
