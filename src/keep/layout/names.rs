//! Mailboxes by the names of their folders and files.
//!
//! ```text
//! INBOX            .                     INBOX.mbox
//! Work/v1.0/Röm    .Work.v1&AC4-0.R&APY-m  Work/v1&AC4-0/R&APY-m.mbox
//! ```
//!
//! Each level is modified UTF-7, as Maildirs have it, and no dot is left within one: so it neither ends a level in a
//! Maildir nor makes a folder look like an mbox file. The file `pillarbox.mailboxes` says in UTF-8 which is which, for
//! people, for an import that meets a folder of mbox files, and for names that are too long for a file.

use crate::mail::{MailboxName, utf7};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The file at the root of an export that names its mailboxes. No level has a dot, so no mailbox gets its name.
pub const INDEX: &str = "pillarbox.mailboxes";
/// Where INBOX lies in a Maildir++.
pub const INBOX: &str = ".";
/// Octets of a file's name that every file system has room for.
const FILE_NAME: usize = 255;
/// A dot within a level.
const DOT: &str = "&AC4-";

/// How mail is laid down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A Maildir++: a file for each message.
    #[default]
    Maildir,
    /// A file for each mailbox (`mboxrd`).
    Mbox,
}

/// The mailboxes of an export by their paths in it.
#[derive(Debug, Default)]
pub struct Index {
    names: BTreeMap<String, String>,
    long: u32,
}

impl Index {
    /// The index in a folder; `None` where there is none.
    pub fn read(root: &Path) -> io::Result<Option<Index>> {
        let text = match std::fs::read_to_string(root.join(INDEX)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        let names = lines.map(|(path, name)| (path.to_owned(), name.to_owned())).collect();
        Ok(Some(Index { names, long: 0 }))
    }

    /// The mailbox that lies at a path.
    pub fn name_of(&self, path: &str) -> Option<&str> {
        self.names.get(path).map(String::as_str)
    }

    /// Where a mailbox lies.
    pub fn place(&mut self, name: &str, format: Format) -> String {
        let mut path = path_of(name, format);
        if path.split('/').any(|part| part.len() > FILE_NAME) {
            // No mailbox has a percent sign in its name.
            self.long += 1;
            path = match format {
                Format::Maildir => format!(".%{}", self.long),
                Format::Mbox => format!("%{}.mbox", self.long),
            };
        }
        self.names.insert(path.clone(), name.to_owned());
        path
    }

    /// The folder of a mailbox in a Maildir++, whether it is there or not.
    pub fn folder_of(&self, name: &str) -> String {
        let path = path_of(name, Format::Maildir);
        if path.len() <= FILE_NAME {
            return path;
        }
        let placed = self.names.iter().find(|(_, placed)| *placed == name);
        placed.map_or(path, |(path, _)| path.clone())
    }

    /// The file.
    pub fn file(&self) -> String {
        self.names.iter().flat_map(|(path, name)| [path.as_str(), "\t", name, "\n"]).collect()
    }
}

fn path_of(name: &str, format: Format) -> String {
    let levels: Vec<String> = name.split('/').map(encoded).collect();
    match format {
        Format::Maildir if name == "INBOX" => INBOX.to_owned(),
        Format::Maildir => format!(".{}", levels.join(".")),
        Format::Mbox => format!("{}.mbox", levels.join("/")),
    }
}

/// The mailbox of these levels, each in modified UTF-7 or in UTF-8.
pub fn mailbox_of<'l>(levels: impl Iterator<Item = &'l str>) -> String {
    let levels: Vec<String> = levels.filter(|level| !level.is_empty()).map(decoded).collect();
    MailboxName::nearest(&levels.join("/")).as_str().to_owned()
}

fn encoded(level: &str) -> String {
    let part = |part| {
        let mut spelled = Vec::new();
        utf7::encode(part, |piece| spelled.extend_from_slice(piece));
        String::from_utf8_lossy(&spelled).into_owned()
    };
    level.split('.').map(part).collect::<Vec<_>>().join(DOT)
}

fn decoded(level: &str) -> String {
    // A separator within a level is none.
    modified_utf7(level).unwrap_or_else(|| level.to_owned()).replace('/', "_")
}

/// Modified UTF-7 (RFC 3501 §5.1.3); `None` where it is none. Not strict: a Maildir's dots and slashes come as shifts.
fn modified_utf7(name: &str) -> Option<String> {
    let alphabet = alphabet::Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").ok()?;
    let base64 = GeneralPurpose::new(&alphabet, NO_PAD);
    let mut decoded = String::new();
    let mut rest = name;
    while let Some((plain, shifted)) = rest.split_once('&') {
        decoded.push_str(plain);
        let (shifted, after) = shifted.split_once('-')?;
        if shifted.is_empty() {
            decoded.push('&');
        } else {
            let octets = base64.decode(shifted).ok()?;
            let units =
                octets.chunks_exact(2).map(|pair| pair.iter().fold(0, |unit, octet| unit << 8 | u16::from(*octet)));
            decoded.extend(char::decode_utf16(units).collect::<Result<Vec<char>, _>>().ok()?);
        }
        rest = after;
    }
    decoded.push_str(rest);
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_become_mailbox_names() {
        let mailbox = |folder: &str| mailbox_of(folder.split('.'));
        assert_eq!(mailbox("Name.Sub"), "Name/Sub");
        assert_eq!(mailbox("Entw&APw-rfe.A &- B"), "Entwürfe/A & B");
        assert_eq!(mailbox("Entwürfe"), "Entwürfe");
        assert_eq!(mailbox("R&D"), "R&D");
        assert_eq!(mailbox("a*b%"), "a_b_");
    }

    #[test]
    fn every_mailbox_has_a_place_of_its_own_and_is_found_there() {
        let long = "日本語".repeat(100);
        let names = [
            "INBOX",
            "INBOX/Below",
            "Work",
            "Work/v1.0/Röm",
            "Work.mbox/x",
            "Work/mbox/x",
            ".hidden",
            "..",
            "é.é",
            "&-",
            "cur",
            "a b ",
            long.as_str(),
        ];
        for format in [Format::Maildir, Format::Mbox] {
            let mut index = Index::default();
            let paths: Vec<String> = names.iter().map(|name| index.place(name, format)).collect();
            for (path, name) in paths.iter().zip(names) {
                assert_eq!(index.name_of(path), Some(name));
                assert!(path.len() <= FILE_NAME && !path.contains(".."), "{path}");
                let by_path = match format {
                    Format::Maildir => mailbox_of(path.split('.')),
                    Format::Mbox => mailbox_of(path.strip_suffix(".mbox").unwrap().split('/')),
                };
                assert!(by_path == name || name == long || path == ".", "{path}");
            }
            assert_eq!(index.file().lines().count(), names.len());
        }
        assert_eq!(path_of("Work/v1.0/Röm", Format::Mbox), "Work/v1&AC4-0/R&APY-m.mbox");
    }
}
