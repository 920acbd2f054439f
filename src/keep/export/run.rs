//! An export as a whole: parts of an account become files.

use super::maildir::{Maildir, put_subscriptions};
use super::mbox::Mbox;
use super::target::{Target, put_file};
use super::walk::{Item, Origin, Part};
use crate::keep::import::Broken;
use crate::keep::layout::{Format, INDEX, Index};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Something to tell while an export runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// So many octets are to be expected.
    Total(u64),
    /// So many octets more were written.
    Written(u64),
    /// Something is not as it was, and why.
    Warning(String),
}

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Mailboxes.
    pub mailboxes: u64,
    /// Messages.
    pub messages: u64,
    /// Octets of those messages.
    pub bytes: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
}

/// Why there is no export; the text is for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped(String);

/// A mailbox in one of the formats.
pub(super) trait Shelf {
    /// A message begins. Flags that find no place are handed to `lost`.
    fn begin(&mut self, item: &Item, lost: &mut dyn FnMut(&str)) -> io::Result<()>;
    /// The next octets of the message.
    fn octets(&mut self, octets: &[u8]) -> io::Result<()>;
    /// The message is complete.
    fn end(&mut self) -> io::Result<()>;
    /// The mailbox is complete.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Exports into a folder, which must be new or empty.
pub fn run(
    origin: &mut dyn Origin,
    folder: &Path,
    format: Format,
    report: &mut dyn FnMut(Event),
) -> Result<Summary, Stopped> {
    let target = Target::prepare(folder).map_err(Stopped)?;
    let left = target.path().to_owned();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (index, summary) = (Index::default(), Summary::default());
    let begun = Begun { target, format, report, index, mailbox: None, summary, now };
    begun.run(origin).map_err(|why| {
        Stopped(format!("the export stopped: {why}\nWhat was written until then is in {}.", left.display()))
    })
}

struct Begun<'r> {
    target: Target,
    format: Format,
    report: &'r mut dyn FnMut(Event),
    index: Index,
    mailbox: Option<Mailbox>,
    summary: Summary,
    /// In seconds since 1970.
    now: u64,
}

/// The mailbox that is being written.
struct Mailbox {
    name: String,
    shelf: Box<dyn Shelf>,
    /// Octets of the message that are to come.
    rest: u64,
    /// Keywords without a letter, told of once each.
    lost: BTreeSet<String>,
}

/// Why it stops.
enum Why {
    Broken(Broken),
    /// What was written when the disk failed, and how.
    Disk(String, io::Error),
}

impl Begun<'_> {
    fn run(mut self, origin: &mut dyn Origin) -> Result<Summary, Why> {
        let mut octets = Vec::new();
        let mut subscribed = Vec::new();
        loop {
            octets.clear();
            match origin.next(&mut octets)? {
                Part::Account { octets, subscriptions } => {
                    subscribed = subscriptions;
                    (self.report)(Event::Total(octets));
                }
                Part::Mailbox(name) => {
                    self.close()?;
                    self.open(name)?;
                }
                Part::Message(item) => self.begin(&item)?,
                Part::Octets(_) => self.octets(&octets)?,
                Part::Unreadable(uid, why) => {
                    self.summary.unreadable += 1;
                    let name = self.mailbox.as_ref().map(|mailbox| mailbox.name.as_str()).unwrap_or_default();
                    (self.report)(Event::Warning(format!("not exported: {name}, message {uid}: {why}")));
                }
                Part::End => break,
            }
        }
        self.close()?;
        let ended = |error| Why::Disk("the end".to_owned(), error);
        if self.format == Format::Maildir {
            let folders = subscribed.iter().map(|name| match self.index.folder_of(name).strip_prefix('.') {
                Some(folder) if !folder.is_empty() => folder.to_owned(),
                _ => "INBOX".to_owned(),
            });
            put_subscriptions(self.target.path(), folders).map_err(ended)?;
        }
        put_file(&self.target.path().join(INDEX), &self.index.file()).map_err(ended)?;
        self.target.finish(INDEX).map_err(ended)?;
        Ok(self.summary)
    }

    fn open(&mut self, name: String) -> Result<(), Why> {
        let path = self.target.path().join(self.index.place(&name, self.format));
        let opened: io::Result<Box<dyn Shelf>> = match self.format {
            Format::Maildir => Maildir::new(path, self.now).map(|shelf| Box::new(shelf) as _),
            Format::Mbox => Mbox::new(&path).map(|shelf| Box::new(shelf) as _),
        };
        let shelf = opened.map_err(|error| Why::Disk(name.clone(), error))?;
        self.mailbox = Some(Mailbox { name, shelf, rest: 0, lost: BTreeSet::new() });
        self.summary.mailboxes += 1;
        Ok(())
    }

    fn begin(&mut self, item: &Item) -> Result<(), Why> {
        let Some(mailbox) = &mut self.mailbox else { return Err(out_of_order()) };
        let Mailbox { name, shelf, lost, rest } = mailbox;
        let report = &mut self.report;
        let mut lose = |keyword: &str| {
            if lost.insert(keyword.to_owned()) {
                let why = "a Maildir has letters for 26 keywords; mbox keeps them all";
                report(Event::Warning(format!("not exported: {name}, keyword {keyword}: {why}")));
            }
        };
        *rest = u64::from(item.size);
        let begun = shelf.begin(item, &mut lose);
        begun.map_err(|error| mailbox.failed(error))?;
        self.summary.messages += 1;
        self.octets(&[])
    }

    fn octets(&mut self, octets: &[u8]) -> Result<(), Why> {
        let Some(mailbox) = &mut self.mailbox else { return Err(out_of_order()) };
        let length = octets.len() as u64;
        mailbox.rest = mailbox.rest.checked_sub(length).ok_or_else(out_of_order)?;
        let mut written = mailbox.shelf.octets(octets);
        if mailbox.rest == 0 {
            written = written.and_then(|()| mailbox.shelf.end());
        }
        written.map_err(|error| mailbox.failed(error))?;
        self.summary.bytes += length;
        (self.report)(Event::Written(length));
        Ok(())
    }

    fn close(&mut self) -> Result<(), Why> {
        match self.mailbox.take() {
            Some(Mailbox { name, shelf, .. }) => shelf.finish().map_err(|error| Why::Disk(name, error)),
            None => Ok(()),
        }
    }
}

impl Mailbox {
    fn failed(&self, error: io::Error) -> Why {
        Why::Disk(self.name.clone(), error)
    }
}

fn out_of_order() -> Why {
    Why::Broken(Broken("the mail came in another order than expected".to_owned()))
}

impl From<Broken> for Why {
    fn from(broken: Broken) -> Self {
        Why::Broken(broken)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Broken(broken) => broken.fmt(f),
            Why::Disk(what, error) => write!(f, "writing {what}: {error}"),
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Stopped {}
