//! Maildirs: a file per message, flags in its name.

use super::carrier::{Carrier, Dates, Flags, Halt, Known, Place};
use super::folder::{self, Care};
use super::left::Kind;
use crate::keep::layout::{KEYWORDS, Keywords, Marks};
use std::io;
use std::path::{Path, PathBuf};

/// What lies in a Maildir.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Its messages: those that were read, then those that are new, each by name, which begins with the time of their
    /// arrival.
    pub(super) messages: Vec<PathBuf>,
    /// What is none.
    pub(super) left: Vec<(Kind, PathBuf)>,
}

/// Whether a folder is a Maildir. Thunderbird's have no `new`.
pub(super) fn is(folder: &Path) -> bool {
    folder.join("cur").is_dir() && (folder.join("new").is_dir() || folder.join("tmp").is_dir())
}

/// The files of a Maildir without its subfolders.
pub(super) fn files(root: &Path) -> io::Result<Files> {
    let mut files = Files::default();
    for part in ["cur", "new", "tmp"] {
        let folder = root.join(part);
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && part != "cur" => continue,
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            let (name, kind) = (entry.file_name(), entry.file_type()?);
            let left = match kind {
                _ if name.as_encoded_bytes().starts_with(b".") => Kind::Own,
                kind if kind.is_dir() => Kind::Unknown,
                kind if !kind.is_file() => Kind::Link,
                _ if part == "tmp" => Kind::Unfinished,
                _ => {
                    names.push(name);
                    continue;
                }
            };
            files.left.push((left, entry.path()));
        }
        names.sort();
        files.messages.extend(names.into_iter().map(|name| folder.join(name)));
    }
    Ok(files)
}

/// Carries all messages of a Maildir, without its subfolders.
pub(super) fn read(root: &Path, carrier: &mut Carrier<'_>) -> Result<(), Halt> {
    let files = match files(root) {
        Ok(files) => files.messages,
        Err(error) => {
            carrier.skip(&Place::file(root), Kind::Unreadable, &format!("it cannot be read: {error}"));
            return Ok(());
        }
    };
    // Thunderbird keeps its flags in the messages.
    let in_header = !root.join("new").is_dir();
    let keywords = std::fs::read_to_string(root.join(KEYWORDS)).map(|text| Keywords::parse(&text)).unwrap_or_default();
    for path in files {
        let (flags, marks) = read_name(&path.file_name().unwrap_or_default().to_string_lossy(), &keywords);
        let known = |modified| Known {
            flags: if in_header { Flags::Both(flags) } else { Flags::These(flags) },
            // The time of the file is when it was delivered: that is what Maildir servers show, too. Copies of an export
            // may have lost it.
            dates: Dates { first: marks.map(|marks| marks.received).or(modified), last: None },
            history: marks.map(|marks| marks.history).unwrap_or_default(),
        };
        let ends = marks.map(|marks| marks.shape.ends).unwrap_or_default();
        let care = if marks.is_some() { Care::Exact } else { Care::Look };
        folder::message(&path, ends, care, known, carrier)?;
    }
    Ok(())
}

/// What the name of a file says: flags in its info; before that, marks of an export.
fn read_name(name: &str, keywords: &Keywords) -> (Vec<String>, Option<Marks>) {
    let (base, letters) = info(name).unwrap_or((name, ""));
    (keywords.flags(letters), Marks::read(base.split(',').skip(1)))
}

/// A name before its info, and the letters of that. It is `:2,` and letters; where a file system knows no colon another sign
/// stands for it: `;`, `!`, `-`, `_`, what Windows' programs and Samba make of it (U+F03A, U+F022), `%3A`.
fn info(name: &str) -> Option<(&str, &str)> {
    name.rmatch_indices("2,").find_map(|(at, two)| {
        let (before, after) = (name.get(..at)?, name.get(at + two.len()..)?);
        let base = match before.char_indices().next_back()? {
            (sign, c) if !c.is_alphanumeric() => before.get(..sign)?,
            _ => before.strip_suffix("%3A").or_else(|| before.strip_suffix("%3a"))?,
        };
        let letters = after.split(',').next().unwrap_or_default();
        letters.bytes().all(|letter| letter.is_ascii_alphabetic()).then_some((base, letters))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::layout::Ends;
    use crate::mail::UniqueId;

    #[test]
    fn flags_are_read_from_the_name_whatever_stands_for_the_colon() {
        let keywords = Keywords::parse("0 $Junk\n");
        for (name, flags) in [
            ("1.2.host:2,FSa", &["\\Flagged", "\\Seen", "$Junk"][..]),
            ("1.2.host,S=5;2,D", &["\\Draft"]),
            ("1.2.host:2,S,x", &["\\Seen"]),
            ("1.2.host", &[]),
            ("1.2.host:2,z", &[]),
            ("1.2.host,S=12,W=12", &[]),
            ("1.2.host12,S", &[]),
            ("1.2.host:2,S:3,x", &[]),
        ] {
            let (read, marks) = read_name(name, &keywords);
            assert!(read == flags && marks.is_none(), "{name}: {read:?}");
        }
        for sign in [":", ";", "!", "-", "_", "\u{f03a}", "\u{f022}", "%3A", "+", ",", "\u{ff1a}"] {
            let (read, _) = read_name(&format!("1.2_2,.host,S=5{sign}2,FSa"), &keywords);
            assert_eq!(read, ["\\Flagged", "\\Seen", "$Junk"], "{sign}");
        }
    }

    #[test]
    fn what_an_export_wrote_into_a_name_stays_when_flags_are_changed() {
        let written = "0000000000.0000000012.pillarbox,I=0123456789abcdef,D=77,H,E";
        for name in [written.to_owned(), format!("{written}:2,"), format!("{written},S=7,U=9:2,RSab")] {
            let (_, marks) = read_name(&name, &Keywords::default());
            let marks = marks.unwrap();
            assert_eq!(marks.history.unique, Some(UniqueId(0x0123_4567_89ab_cdef)));
            assert!(marks.history.hidden && marks.shape.ends == Ends::Exact && marks.received.seconds == 77);
        }
    }
}
