//! Files with one message each.

use super::carrier::{Carrier, Halt, Known, Place};
use super::left::Kind;
use super::look::{MARK, foreign};
use crate::keep::layout::Ends;
use crate::mail::Stamp;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Octets read at a time.
const BUFFER: usize = 64 << 10;

/// How a file of one message is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// Octet for octet: an export wrote it.
    Exact,
    /// It may be no mail at all.
    Look,
    /// So it may, and a byte order mark at its beginning is not the message's.
    Unmark,
}

/// Carries a file that is one message with such line ends. `known`: by the date of the file.
pub(super) fn message(
    path: &Path,
    ends: Ends,
    care: Care,
    known: impl FnOnce(Option<Stamp>) -> Known,
    carrier: &mut Carrier<'_>,
) -> Result<(), Halt> {
    let place = Place::file(path);
    let opened = File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    let (mut file, metadata) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            carrier.skip(&place, Kind::Unreadable, &format!("it cannot be opened: {error}"));
            return Ok(());
        }
    };
    carrier.begin(ends);
    let mut buffer = vec![0; BUFFER];
    let mut first = true;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return carrier.end(&place, known(modified(&metadata))),
            Ok(read) => {
                carrier.read(read, &place)?;
                let mut octets = buffer.get(..read).unwrap_or_default();
                if std::mem::take(&mut first) && care != Care::Exact {
                    if let Some(what) = foreign(octets) {
                        carrier.skip(&place, Kind::Foreign(what), what);
                        return Ok(());
                    }
                    octets = octets.strip_prefix(MARK).filter(|_| care == Care::Unmark).unwrap_or(octets);
                }
                carrier.push(octets, &place)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return carrier.give_up(&place, Kind::Unreadable, &format!("it cannot be read: {error}")),
        }
    }
}

/// When a file was changed last.
pub(super) fn modified(metadata: &Metadata) -> Option<Stamp> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Stamp::utc(i64::try_from(since.as_secs()).ok()?))
}
