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
        if let Some(envelope) = head.envelope_of_today()? {
            return Ok(envelope);
        }
        // What is stored apart at the top is the header, unless it is a long one.
        let end = if (head.top.raw as usize) < super::parcel::TOP { head.top.raw } else { head.size };
        let mut octets = Vec::new();
        Reading { blob, rest: Span { start: 0, end } }.read(self, head, &mut octets, limits::HEADER)?;
        octets.truncate(limits::HEADER);
        Ok(Envelope::read(&octets))
    }

    /// The MIME tree of a message.
    pub fn outline<'h>(&self, blob: BlobId, head: &Head<'h>) -> Result<Part<'h>, Fault> {
        if let Some(outline) = head.outline_of_today()? {
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
    use crate::mail::UniqueId;
    use crate::store::parcel::Packer;
    use crate::store::record::{decode, encode};

    #[test]
    fn what_was_read_by_older_rules_is_told_from_what_is_read_by_these() {
        let mut packer = Packer::new(BlobId(1), UniqueId(1));
        packer.push(b"Subject: x\r\nstray\r\nFrom: a@b\r\n\r\nbody\r\n").unwrap();
        let record = packer.finish().unwrap().head.clone();
        let head: Head = decode(&record, "head").unwrap();
        assert_eq!(head.envelope_of_today().unwrap().unwrap().from.len(), 1);
        assert!(head.outline_of_today().unwrap().is_some());
        // As the versions before wrote it, which read no more of it today.
        let (envelope, outline) = (encode(&Envelope::default()).unwrap(), encode(&head.outline().unwrap()).unwrap());
        let old = encode(&Head { envelope: &envelope, outline: &outline, ..head.clone() }).unwrap();
        let old: Head = decode(&old, "head").unwrap();
        assert!(old.envelope_of_today().unwrap().is_none() && old.outline_of_today().unwrap().is_none());
        assert_eq!(old.outline().unwrap(), head.outline().unwrap());
    }
}
