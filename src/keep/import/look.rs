//! What a file is, by how it begins: mail in one of the formats, or something else that has a name.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Octets of a file that are looked at.
const START: u64 = 4 << 10;
/// A byte order mark, which some editors put before everything.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// An mbox.
    Mbox,
    /// A message.
    Message,
    /// A message as Apple Mail keeps it.
    Emlx,
    /// Something that is no mail, and what.
    Foreign(&'static str),
    /// Nothing at all.
    Empty,
    /// None of these.
    Unknown,
}

/// What is no mail: where in the file which octets stand then, and what it is.
const FOREIGN: [(usize, &[u8], &str); 29] = [
    (0, b"\x7fELF", "a program (ELF)"),
    (0, b"MZ", "a Windows program"),
    (0, b"\xcf\xfa\xed\xfe", "a program (Mach-O)"),
    (0, b"\xca\xfe\xba\xbe", "a program"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"PK\x03\x04", "a ZIP archive: unpack it first"),
    (0, b"\x1f\x8b", "packed with gzip: unpack it first"),
    (0, b"BZh", "packed with bzip2: unpack it first"),
    (0, b"\xfd7zXZ\0", "packed with xz: unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "packed with zstd: unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (0, b"Rar!\x1a", "a RAR archive: unpack it first"),
    (257, b"ustar", "a tar archive: unpack it first"),
    (0, b"SQLite format 3\0", "a database (SQLite)"),
    (0, b"!BDN", "an Outlook data file (PST or OST): export it from Outlook, or convert it with readpst"),
    (0, b"\xcf\xad\x12\xfe", "an Outlook Express folder (DBX): convert it with readdbx"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Outlook message (MSG) or an Office document: save it as .eml"),
    (0, b"*mbx*\r\n", "a mailbox in UW-IMAP's mbx format: convert it with mailutil"),
    (0, b"\x78\x9f\x3e\x22", "winmail.dat (TNEF)"),
    (0, b"\xff\xfe", "text in UTF-16: save it as UTF-8"),
    (0, b"\xfe\xff", "text in UTF-16: save it as UTF-8"),
    (0, b"ID3", "a sound"),
    (4, b"ftyp", "a film"),
    (0, b"RIFF", "a sound or a film"),
    (0, b"{\\rtf", "an RTF document"),
    (0, b"bplist00", "an Apple property list"),
];

/// Fields by which a header is known for one.
const FIELDS: [&[u8]; 16] = [
    b"from",
    b"date",
    b"subject",
    b"to",
    b"cc",
    b"message-id",
    b"received",
    b"return-path",
    b"delivered-to",
    b"mime-version",
    b"content-type",
    b"reply-to",
    b"sender",
    b"x-mozilla-status",
    b"status",
    b"x-account-key",
];

impl Look {
    /// Looks at a file.
    pub(super) fn at(path: &Path) -> io::Result<Look> {
        let mut start = Vec::new();
        File::open(path)?.take(START).read_to_end(&mut start)?;
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        Ok(match Look::of(&start) {
            found @ (Look::Foreign(_) | Look::Empty) => found,
            _ if extension == "emlx" => Look::Emlx,
            // Whatever it begins with: its owner calls it a message.
            _ if extension == "eml" => Look::Message,
            found => found,
        })
    }

    /// What begins so.
    pub(super) fn of(start: &[u8]) -> Look {
        if let Some(what) = foreign(start) {
            return Look::Foreign(what);
        }
        if memchr::memchr(b'\n', start).is_none() && memchr::memchr(b'\r', start).is_some() {
            return Look::Foreign("text with the line ends of old Macs: convert them first");
        }
        let text = start.strip_prefix(MARK).unwrap_or(start).trim_ascii_start();
        match text {
            [] if start.len() < 64 => Look::Empty,
            text if text.starts_with(b"From ") => Look::Mbox,
            text if is_header(text) => Look::Message,
            _ if memchr::memchr(0, start).is_some() => Look::Foreign("a binary file"),
            _ => Look::Unknown,
        }
    }
}

/// What a file that begins so is, if that has a name.
pub(super) fn foreign(start: &[u8]) -> Option<&'static str> {
    let begins =
        |(at, octets, _): &&(usize, &[u8], &str)| start.get(*at..).is_some_and(|rest| rest.starts_with(octets));
    FOREIGN.iter().find(begins).map(|(_, _, what)| *what)
}

/// Whether a field that mail has stands before the first empty line.
fn is_header(text: &[u8]) -> bool {
    let lines = text.split(|octet| *octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut fields = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        line.get(..colon).map(|name| name.trim_ascii_end().to_ascii_lowercase())
    });
    fields.any(|name| FIELDS.contains(&name.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_how_it_begins() {
        for (start, look) in [
            (&b"From a@b Thu Jan  1 00:00:07 1970\n"[..], Look::Mbox),
            (b"\xef\xbb\xbf\nFrom - x", Look::Mbox),
            (b"Subject: x\n\nPDF", Look::Message),
            (b">From x\nX-Odd: y\r\nRECEIVED : z\r\n", Look::Message),
            (b"Dear Ann,\n\nfrom: nobody\n", Look::Unknown),
            (b"", Look::Empty),
            (b"\n\n", Look::Empty),
            (b"\x7fELF\x02\x01", Look::Foreign("a program (ELF)")),
            (b"%PDF-1.4\nFrom: x\n", Look::Foreign("a PDF document")),
            (b"a\0b", Look::Foreign("a binary file")),
            (b"From x\rA: b\r", Look::Foreign("text with the line ends of old Macs: convert them first")),
            (b"\xff\xfeF\0r\0o\0m\0", Look::Foreign("text in UTF-16: save it as UTF-8")),
        ] {
            assert_eq!(Look::of(start), look, "{}", start.escape_ascii());
        }
    }
}
