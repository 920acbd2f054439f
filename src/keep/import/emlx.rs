//! Messages as Apple Mail keeps them: a line with the octets of the message, the message, a property list with its flags.
//!
//! ```text
//! 1234
//! From: …
//! …
//! <plist …><dict><key>date-received</key><integer>1657046655</integer><key>flags</key><integer>8590195713</integer>…
//! ```

use super::carrier::{Carrier, Dates, Flags, Halt, Known, Place};
use super::folder::modified;
use super::left::Kind;
use crate::mail::{Stamp, SystemFlag};
use crate::store::History;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Octets read at a time.
const BUFFER: usize = 64 << 10;
/// Octets of the first line, and of the list.
const COUNT: u64 = 32;
const LIST: u64 = 256 << 10;
/// The bits of `flags` that mean something elsewhere.
const FLAGS: [(u64, &str); 6] = [
    (0, SystemFlag::Seen.name()),
    (1, SystemFlag::Deleted.name()),
    (2, SystemFlag::Answered.name()),
    (4, SystemFlag::Flagged.name()),
    (6, SystemFlag::Draft.name()),
    (8, "$Forwarded"),
];

/// Carries such a file.
pub(super) fn read(path: &Path, carrier: &mut Carrier<'_>) -> Result<(), Halt> {
    let place = Place::file(path);
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?, BufReader::with_capacity(BUFFER, file))));
    let (metadata, mut input) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            carrier.skip(&place, Kind::Unreadable, &format!("it cannot be opened: {error}"));
            return Ok(());
        }
    };
    let broken = |error: io::Error| format!("it cannot be read: {error}");
    let mut left = match count(&mut input) {
        Ok(count) => count,
        Err(error) => {
            carrier.skip(&place, Kind::Unreadable, &broken(error));
            return Ok(());
        }
    };
    while left > 0 {
        let octets = match input.fill_buf() {
            Ok([]) => return carrier.give_up(&place, Kind::Unreadable, "its end is missing"),
            Ok(octets) => octets.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(octets),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return carrier.give_up(&place, Kind::Unreadable, &broken(error)),
        };
        let read = octets.len();
        carrier.read(read, &place)?;
        carrier.push(octets, &place)?;
        input.consume(read);
        left -= read as u64;
    }
    let mut list = Vec::new();
    if let Err(error) = input.take(LIST).read_to_end(&mut list) {
        return carrier.give_up(&place, Kind::Unreadable, &broken(error));
    }
    let list = String::from_utf8_lossy(&list);
    let bits = number(&list, "flags").unwrap_or(0);
    let flags = FLAGS.iter().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, flag)| (*flag).to_owned()).collect();
    let received = number(&list, "date-received").and_then(|seconds| i64::try_from(seconds).ok()).map(Stamp::utc);
    if path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(b".partial.emlx")) {
        carrier.note(&place, Kind::Partial);
    }
    let dates = Dates { first: received, last: modified(&metadata) };
    carrier.end(&place, Known { flags: Flags::These(flags), dates, history: History::default() })
}

/// The octets of the message.
fn count(input: &mut impl BufRead) -> io::Result<u64> {
    let mut line = Vec::new();
    input.take(COUNT).read_until(b'\n', &mut line)?;
    let text = str::from_utf8(line.trim_ascii()).ok();
    let count = text.and_then(|text| text.parse().ok());
    count.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it does not begin with the message's length"))
}

/// A number in a property list, whole or with a fraction.
fn number(list: &str, key: &str) -> Option<u64> {
    let (_, after) = list.split_once(&format!("<key>{key}</key>"))?;
    let (_, value) = after.split_once('>')?;
    let digits = value.find(|c: char| !c.is_ascii_digit())?;
    value.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_list_is_asked_for_its_numbers() {
        let list = "<plist version=\"1.0\">\n<dict>\n\t<key>date-received</key>\n\t<real>1657046655.5</real>\n\t<key>flags</key>\n\
                    \t<integer>8590195713</integer>\n</dict>\n</plist>\n";
        assert_eq!(number(list, "flags"), Some(8_590_195_713));
        assert_eq!(number(list, "date-received"), Some(1_657_046_655));
        assert_eq!(number(list, "subject"), None);
        assert_eq!(number("<key>flags</key><string>x</string>", "flags"), None);
    }
}
