//! Exporting through the socket: what is said about the octets that follow.

use crate::keep::export::{Part, Walk};
use crate::store::{Fault, Store};
use serde::{Deserialize, Serialize};

/// Octets that are gathered before they are sent: what a slow client makes us hold.
const GATHERED: usize = 256 << 10;

/// A line of an export.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Portion {
    /// What comes next; after [`Part::Octets`] so many octets follow the line. After [`Part::End`] comes nothing.
    Part(Part),
    /// It cannot go on.
    Broken(String),
}

/// Gathers what comes next; true if that was all. Reads from one snapshot, which is gone when this returns.
pub(super) fn gather(walk: &mut Walk, store: &Store, out: &mut Vec<u8>) -> Result<bool, Fault> {
    let snapshot = store.snapshot()?;
    let mut octets = Vec::new();
    while out.len() < GATHERED {
        octets.clear();
        let part = walk.next(store, &snapshot, &mut octets)?;
        let ended = part == Part::End;
        serde_json::to_writer(&mut *out, &Portion::Part(part)).map_err(std::io::Error::from)?;
        out.push(b'\n');
        out.append(&mut octets);
        if ended {
            return Ok(true);
        }
    }
    Ok(false)
}
