//! Maildirs: a file per message, flags in its name; subfolders as Maildir++ has them, `.Name.Sub` beside `cur`.

use super::carrier::{Carrier, Dates, Flags, Halt, Known, Place};
use super::folder;
use crate::keep::layout::{Index, KEYWORDS, Keywords, Marks, mailbox_of};
use std::io;
use std::path::{Path, PathBuf};

/// Whether a folder is a Maildir.
pub(super) fn is(folder: &Path) -> bool {
    folder.join("cur").is_dir() && folder.join("new").is_dir()
}

/// The subfolders with the names of their mailboxes, in order.
pub(super) fn subfolders(root: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let index = Index::read(root)?.unwrap_or_default();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.len() > 1 && name.starts_with('.')) else { continue };
        if is(&entry.path()) {
            let mailbox = index.name_of(name).map_or_else(|| mailbox_of(name.split('.')), str::to_owned);
            found.push((mailbox, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// The messages of a Maildir without its subfolders: those that were read, then those that are new, each by name,
/// which begins with the time of their arrival.
pub(super) fn files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in ["cur", "new"] {
        let folder = root.join(folder);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if !entry.file_name().as_encoded_bytes().starts_with(b".") && entry.file_type()?.is_file() {
                names.push(entry.file_name());
            }
        }
        names.sort();
        files.extend(names.into_iter().map(|name| folder.join(name)));
    }
    Ok(files)
}

/// Carries all messages of a Maildir, without its subfolders.
pub(super) fn read(root: &Path, carrier: &mut Carrier<'_>) -> Result<(), Halt> {
    let files = match files(root) {
        Ok(files) => files,
        Err(error) => {
            carrier.skip(&Place::file(root), format!("it cannot be read: {error}"));
            return Ok(());
        }
    };
    let keywords = std::fs::read_to_string(root.join(KEYWORDS)).map(|text| Keywords::parse(&text)).unwrap_or_default();
    for path in files {
        let (flags, marks) = read_name(&path.file_name().unwrap_or_default().to_string_lossy(), &keywords);
        let known = |modified| Known {
            flags: Flags::These(flags),
            // The time of the file is when it was delivered: that is what Maildir servers show, too. Copies of an export
            // may have lost it.
            dates: Dates { first: marks.map(|marks| marks.received).or(modified), last: None },
            history: marks.map(|marks| marks.history).unwrap_or_default(),
        };
        let ends = marks.map(|marks| marks.shape.ends).unwrap_or_default();
        folder::message(&path, ends, known, carrier)?;
    }
    Ok(())
}

/// What the name of a file says: flags after `:2,`, or `;2,` where a file system knows no colon; before that, marks of an
/// export.
fn read_name(name: &str, keywords: &Keywords) -> (Vec<String>, Option<Marks>) {
    let (base, letters) = name.rsplit_once(":2,").or_else(|| name.rsplit_once(";2,")).unwrap_or((name, ""));
    let end = letters.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(letters.len());
    let flags = keywords.flags(letters.get(..end).unwrap_or_default());
    (flags, Marks::read(base.split(',').skip(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::layout::Ends;
    use crate::mail::UniqueId;

    #[test]
    fn flags_are_read_from_the_name_with_either_separator() {
        let keywords = Keywords::parse("0 $Junk\n");
        for (name, flags) in [
            ("1.2.host:2,FSa", &["\\Flagged", "\\Seen", "$Junk"][..]),
            ("1.2.host,S=5;2,D", &["\\Draft"]),
            ("1.2.host:2,S,x", &["\\Seen"]),
            ("1.2.host", &[]),
            ("1.2.host:2,z", &[]),
        ] {
            let (read, marks) = read_name(name, &keywords);
            assert!(read == flags && marks.is_none(), "{name}");
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
