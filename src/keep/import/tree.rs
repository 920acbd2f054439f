//! Trees of folders, as mail programs and servers make them: each folder becomes the mailbox of its name.
//!
//! ```text
//! a Maildir++              cur new tmp  .Work.Old/{cur,new,tmp}
//! Maildirs in folders      Work/{cur,new,tmp}  Work/Old/{cur,new,tmp}     (mbsync's Verbatim, Dovecot's LAYOUT=fs)
//! Thunderbird              Inbox  Inbox.msf  Work  Work.sbd/Old           (each an mbox, or a folder with cur and tmp)
//! Apple Mail               Work.mbox/…/Messages/1.emlx                    (also Work.mbox/mbox)
//! ```
//!
//! Mail that lies in a folder as files of no mailbox goes to INBOX, or to the mailbox that was named.

use super::carrier::Place;
use super::left::Kind;
use super::look::Look;
use super::maildir;
use super::plan::{DEPTH, Format, Names, Plan};
use crate::keep::layout::{INDEX, Index, KEYWORDS, mailbox_of};
use std::fs::{DirEntry, FileType};
use std::io;
use std::path::Path;

/// Where in a tree a folder is.
#[derive(Clone, Debug)]
struct Spot<'n> {
    /// The mailboxes' names.
    names: &'n Names,
    /// The folder's own, as far as it has one.
    name: String,
    /// Where files of no mailbox go.
    loose: String,
    program: Program,
    /// So many levels more are looked into.
    depth: usize,
}

/// Whose folder it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    /// Nobody's in particular.
    Any,
    Thunderbird,
    AppleMail,
}

impl Plan {
    /// All mail in a folder and below it. `index`: of an export.
    pub(super) fn tree(&mut self, path: &Path, names: &Names, index: Option<&Index>) -> io::Result<()> {
        let spot = Spot { names, name: String::new(), loose: names.of(""), program: Program::Any, depth: DEPTH };
        let entries = entries(path)?;
        self.folder(path, entries, spot, index);
        Ok(())
    }

    fn folder(&mut self, path: &Path, entries: Vec<(DirEntry, FileType)>, mut spot: Spot<'_>, index: Option<&Index>) {
        let is_maildir = maildir::is(path);
        if is_maildir {
            self.maildir(path, &spot.names.of(&spot.name));
        }
        if spot.program == Program::Any && entries.iter().any(|(entry, kind)| is_thunderbirds(&name_of(entry), *kind)) {
            // Its names begin here, wherever its folders lie.
            spot = Spot { name: String::new(), program: Program::Thunderbird, ..spot };
        }
        for (entry, kind) in entries {
            let name = name_of(&entry);
            if kind.is_dir() {
                if !(is_maildir && ["cur", "new", "tmp"].contains(&name.as_str())) {
                    self.below(&entry.path(), &name, is_maildir, &spot, index);
                }
            } else if kind.is_file() {
                self.file(&entry, &name, is_maildir, &spot);
            } else {
                self.left.add(Kind::Link, &Place::file(&entry.path()));
            }
        }
    }

    fn below(&mut self, path: &Path, name: &str, in_maildir: bool, spot: &Spot<'_>, index: Option<&Index>) {
        if has_ending(name, ".mozmsgs") {
            // Copies for the search of the system.
            return self.left.add(Kind::Own, &Place::file(path));
        }
        let Some(depth) = spot.depth.checked_sub(1) else {
            return self.left.add(Kind::TooDeep, &Place::file(path));
        };
        let Some(entries) = self.readable(path, entries(path)) else { return };
        let join = |level: &str| if spot.name.is_empty() { level.to_owned() } else { format!("{}/{level}", spot.name) };
        let is_dotted = name.starts_with('.') && name.len() > 1 && (in_maildir || maildir::is(path));
        let mut below = Spot { depth, ..spot.clone() };
        if let Some(stem) = without(name, ".sbd").filter(|_| spot.program == Program::Thunderbird) {
            below.name = join(&mailbox_of(std::iter::once(stem)));
        } else if let Some(stem) = without(name, ".mbox") {
            let level = mailbox_of(std::iter::once(stem));
            below.name = if spot.program == Program::AppleMail { join(&level) } else { level };
            below.loose = spot.names.of(&below.name);
            below.program = Program::AppleMail;
        } else if let Some(named) = index.and_then(|index| index.name_of(name)) {
            named.clone_into(&mut below.name);
        } else if is_dotted {
            below.name = join(&mailbox_of(name.split('.')));
        } else if spot.program != Program::AppleMail {
            below.name = join(&mailbox_of(std::iter::once(name)));
        }
        self.folder(path, entries, below, None);
    }

    fn file(&mut self, entry: &DirEntry, name: &str, in_maildir: bool, spot: &Spot<'_>) {
        let path = entry.path();
        let place = Place::file(&path);
        if name == INDEX || (name == KEYWORDS && in_maildir) {
            // It is read.
            return;
        }
        if is_own(name) {
            return self.left.add(Kind::Own, &place);
        }
        let Some(look) = self.readable(&path, Look::at(&path)) else { return };
        let octets = entry.metadata().map_or(0, |metadata| metadata.len());
        let is_folder = spot.program == Program::Thunderbird && !name.contains('.') && !in_maildir;
        let mailbox = || {
            let level = mailbox_of(std::iter::once(name));
            spot.names.of(&if spot.name.is_empty() { level } else { format!("{}/{level}", spot.name) })
        };
        match look {
            // An empty one is an empty folder.
            Look::Empty if is_folder => self.add(&mailbox(), &path, Format::Mbox, octets),
            Look::Mbox if spot.program == Program::Thunderbird && !has_ending(name, ".mbox") => {
                self.add(&mailbox(), &path, Format::Mbox, octets);
            }
            Look::Mbox => self.add(&spot.loose, &path, Format::Mbox, octets),
            Look::Message => self.add(&spot.loose, &path, Format::Message, octets),
            Look::Emlx => self.add(&spot.loose, &path, Format::Emlx, octets),
            Look::Foreign(what) => self.left.add(Kind::Foreign(what), &place),
            Look::Empty => self.left.add(Kind::Foreign("an empty file"), &place),
            Look::Unknown => self.left.add(Kind::Unknown, &place),
        }
    }
}

/// What is in a folder, by name.
fn entries(path: &Path) -> io::Result<Vec<(DirEntry, FileType)>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        entries.push((entry, kind));
    }
    entries.sort_by_key(|(entry, _)| entry.file_name());
    Ok(entries)
}

fn name_of(entry: &DirEntry) -> String {
    entry.file_name().to_string_lossy().into_owned()
}

fn has_ending(name: &str, ending: &str) -> bool {
    without(name, ending).is_some()
}

fn without<'n>(name: &'n str, ending: &str) -> Option<&'n str> {
    let (stem, found) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
    (!stem.is_empty() && found.eq_ignore_ascii_case(ending)).then_some(stem)
}

fn is_thunderbirds(name: &str, kind: FileType) -> bool {
    (kind.is_dir() && has_ending(name, ".sbd")) || (kind.is_file() && has_ending(name, ".msf"))
}

/// What mail programs and systems keep beside mail: indexes, states, pictures of folders.
fn is_own(name: &str) -> bool {
    const NAMES: [&str; 20] = [
        "maildirfolder",
        "maildirsize",
        "subscriptions",
        "popstate.dat",
        "msgFilterRules.dat",
        "virtualFolders.dat",
        "filterlog.html",
        "folders.json",
        "nstmp",
        "table_of_contents",
        "Info.plist",
        ".mh_sequences",
        ".xmhcache",
        ".uidvalidity",
        ".keywords",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        ".subscriptions",
        ".gitignore",
    ];
    const BEGINNINGS: [&str; 7] = ["dovecot", ".dovecot", "courier", ".mbsync", ".isync", ".offlineimap", "._"];
    NAMES.contains(&name)
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || [".msf", ".plist"].iter().any(|ending| has_ending(name, ending))
}
