//! Files with one message each, and folders of them.

use super::carrier::{Carrier, Halt, Known, Place};
use crate::keep::layout::Ends;
use crate::mail::Stamp;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Octets read at a time.
const BUFFER: usize = 64 << 10;

/// Carries a file that is one message with such line ends. `known`: by the date of the file.
pub(super) fn message(
    path: &Path,
    ends: Ends,
    known: impl FnOnce(Option<Stamp>) -> Known,
    carrier: &mut Carrier<'_>,
) -> Result<(), Halt> {
    let place = Place::file(path);
    let opened = File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    let (mut file, metadata) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            carrier.skip(&place, format!("it cannot be opened: {error}"));
            return Ok(());
        }
    };
    carrier.begin(ends);
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return carrier.end(&place, known(modified(&metadata))),
            Ok(read) => {
                carrier.read(read);
                carrier.push(buffer.get(..read).unwrap_or_default(), &place)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return carrier.give_up(&place, format!("it cannot be read: {error}")),
        }
    }
}

/// When a file was changed last.
pub(super) fn modified(metadata: &Metadata) -> Option<Stamp> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Stamp::utc(i64::try_from(since.as_secs()).ok()?))
}
