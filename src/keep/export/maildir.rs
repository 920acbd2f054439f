//! Writing a Maildir++: a file per message, flags in its name; subfolders `.Name.Sub` beside `cur`.

use super::run::Shelf;
use super::target::{make_file, make_folder, put_file};
use super::walk::Item;
use crate::keep::layout::{KEYWORDS, Keywords, Marks, Shape, ToFile};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The mailbox that is being written.
pub struct Maildir {
    folder: PathBuf,
    now: u64,
    keywords: Keywords,
    message: Option<Message>,
    /// Octets as the file has them.
    piece: Vec<u8>,
}

/// The message that is being written.
struct Message {
    file: File,
    name: String,
    ends: ToFile,
    modified: Option<SystemTime>,
    letters: String,
}

impl Maildir {
    /// In this folder; `now`: when the export began, for the names of its files.
    pub fn new(folder: PathBuf, now: u64) -> io::Result<Maildir> {
        for part in ["cur", "new", "tmp"] {
            make_folder(&folder.join(part))?;
        }
        if folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            // Some servers want to see that it is a subfolder (Maildir++).
            put_file(&folder.join("maildirfolder"), "")?;
        }
        Ok(Maildir { folder, now, keywords: Keywords::default(), message: None, piece: Vec::new() })
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let Some(message) = &mut self.message else { return Ok(()) };
        self.piece.clear();
        message.ends.convert(octets, &mut self.piece);
        message.file.write_all(&self.piece)
    }
}

impl Shelf for Maildir {
    fn begin(&mut self, item: &Item, lost: &mut dyn FnMut(&str)) -> io::Result<()> {
        let letters = self.keywords.letters(&item.meta.flags, lost);
        let shape = Shape { open: false, ..item.shape };
        let marks = Marks { history: item.meta.history, received: item.meta.received, shape };
        // In the order of UIDs, in which an import reads them, whatever their dates.
        let name = format!("{}.{:010}.pillarbox,{}", self.now, item.uid, marks.fields().join(","));
        let file = make_file(&self.folder.join("tmp").join(&name))?;
        let modified = system_time(item.meta.received.seconds);
        self.message = Some(Message { file, name, ends: ToFile::new(item.shape), modified, letters });
        Ok(())
    }

    fn octets(&mut self, octets: &[u8]) -> io::Result<()> {
        self.write(octets)
    }

    fn end(&mut self) -> io::Result<()> {
        let Some(Message { mut file, name, ends, modified, letters }) = self.message.take() else { return Ok(()) };
        self.piece.clear();
        ends.finish(&mut self.piece);
        file.write_all(&self.piece)?;
        if let Some(modified) = modified {
            // A date that the file system does not know is in the file's name all the same.
            let _ = file.set_modified(modified);
        }
        let (tmp, cur) = (self.folder.join("tmp"), self.folder.join("cur"));
        std::fs::rename(tmp.join(&name), cur.join(format!("{name}:2,{letters}")))
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        match self.keywords.file() {
            Some(text) => put_file(&self.folder.join(KEYWORDS), &text),
            None => Ok(()),
        }
    }
}

/// The names that an account is subscribed to, as Dovecot reads them: by their folders.
pub fn put_subscriptions(root: &Path, folders: impl Iterator<Item = String>) -> io::Result<()> {
    let text: String = folders.flat_map(|folder| [folder, "\n".to_owned()]).collect();
    put_file(&root.join("subscriptions"), &text)
}

fn system_time(seconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}
