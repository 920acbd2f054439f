//! What a message is, as it is read today. It is read once, when it comes in; but the rules for odd mail have changed
//! since the first version, and what was read by older ones is read anew whenever somebody asks.

use super::body::Reading;
use super::error::Fault;
use super::record::Head;
use super::snapshot::Snapshot;
use crate::mail::mime::Scanner;
use crate::mail::{BlobId, Envelope, Part, Span, limits};

/// Octets of a message that are looked at in one go.
const PIECE: usize = 128 << 10;

impl Snapshot {
    /// The envelope of a message.
    pub fn envelope<'h>(&self, blob: BlobId, head: &Head<'h>) -> Result<Envelope<'h>, Fault> {
        if let Some(envelope) = head.envelope_of_today() {
            return Ok(envelope);
        }
        // What is stored apart at the top is the header, unless it is a long one.
        let end = if (head.top.raw as usize) < super::parcel::TOP { head.top.raw } else { head.size };
        let mut octets = Vec::new();
        Reading { blob, rest: Span { start: 0, end } }.read(self, head, &mut octets, limits::HEADER)?;
        octets.truncate(limits::HEADER);
        Ok(Envelope::read(&octets))
    }

    /// Where the header and the body of a message are: most of what is asked for needs no more of its tree.
    pub fn halves(&self, blob: BlobId, head: &Head<'_>) -> Result<(Span, Span), Fault> {
        match head.halves_of_today() {
            Some(halves) => Ok(halves),
            None => self.outline(blob, head).map(|outline| (outline.header, outline.body)),
        }
    }

    /// The MIME tree of a message.
    pub fn outline<'h>(&self, blob: BlobId, head: &Head<'h>) -> Result<Part<'h>, Fault> {
        if let Some(outline) = head.outline_of_today() {
            return Ok(outline);
        }
        let mut scanner = Scanner::new();
        let mut reading = Reading { blob, rest: Span { start: 0, end: head.size } };
        let mut octets = Vec::new();
        loop {
            octets.clear();
            let ended = reading.read(self, head, &mut octets, PIECE)?;
            scanner.feed(&octets);
            if ended {
                return Ok(scanner.finish().root);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::{decode, encode};
    use crate::store::tests::{Folder, account, message};
    use crate::store::{Limits, Write};

    /// The head as the versions before wrote it, which saw less of it.
    fn old(record: &[u8]) -> Vec<u8> {
        let head: Head = decode(record, "head").unwrap();
        let (envelope, outline) = (encode(&Envelope::default()).unwrap(), encode(&head.outline().unwrap()).unwrap());
        encode(&Head { envelope: &envelope, outline: &outline, ..head.clone() }).unwrap()
    }

    #[test]
    fn what_was_read_by_older_rules_is_read_anew() {
        let folder = Folder::new("reread");
        let store = folder.store();
        let (_, inbox) = account(&store, Limits::default());
        let text = b"Subject: x\r\nstray\r\nFrom: a@b\r\n\r\nbody\r\n";
        let long = [b"X: y\r\n".repeat(20_000), text.to_vec()].concat();
        for octets in [&text[..], &long] {
            let today = message(&store, octets);
            let mut before = message(&store, octets);
            before.parcel.head = old(&before.parcel.head);
            let told: Vec<_> = [today, before]
                .into_iter()
                .map(|message| {
                    let blob = message.parcel.blob;
                    store.write_blocking(Write::Append { mailbox: inbox, message }).unwrap();
                    let snapshot = store.snapshot().unwrap();
                    let stored = snapshot.head(blob).unwrap().unwrap();
                    let head = stored.read().unwrap();
                    let is_of_today = head.envelope_of_today().is_some();
                    assert_eq!(head.outline_of_today().is_some(), is_of_today);
                    let envelope = snapshot.envelope(blob, &head).unwrap();
                    let span = snapshot.outline(blob, &head).unwrap().body;
                    (is_of_today, envelope.from.len(), span)
                })
                .collect();
            let [today, before] = told.as_slice() else { panic!() };
            assert!(today.0 && !before.0);
            assert_eq!((today.1, today.2), (before.1, before.2));
            assert_eq!(today.1, 1);
        }
    }
}
