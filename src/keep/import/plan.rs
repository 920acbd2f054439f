//! What there is to import: looked at before anything is, so that a wrong path is told at once and progress has an end.

use super::carrier::{Carrier, Dates, Event, Flags, Halt, Known, Place, Summary};
use super::folder::Care;
use super::intake::{Broken, Destination};
use super::left::{Kind, Left};
use super::look::Look;
use super::{emlx, folder, maildir, mbox};
use crate::keep::layout::{Ends, INBOX, INDEX, Index, mailbox_of};
use crate::mail::MailboxName;
use crate::store::History;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Folders below folders that are looked into.
pub(super) const DEPTH: usize = 32;

/// Sources, in the order in which they are read: mailbox by mailbox.
#[derive(Debug, Default)]
pub struct Plan {
    sources: Vec<Source>,
    /// Octets of all files.
    pub octets: u64,
    /// What will not be taken over.
    pub left: Left,
}

#[derive(Debug)]
struct Source {
    mailbox: String,
    path: PathBuf,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Mbox,
    Message,
    Emlx,
    Maildir,
}

/// Where names lead: to themselves, or below a mailbox.
#[derive(Debug)]
pub(super) struct Names(Option<MailboxName>);

/// Looks at what the paths are. `mailbox`: into which; without it INBOX, and folders under their own names.
pub fn plan(paths: &[PathBuf], mailbox: Option<&str>) -> io::Result<Plan> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
    let above = mailbox.map(MailboxName::settle).transpose();
    let above = above.map_err(|bad| invalid(format!("{:?} is no mailbox name: {bad}", mailbox.unwrap_or_default())))?;
    let (mut plan, names) = (Plan::default(), Names(above));
    for path in paths {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let metadata = std::fs::metadata(path).map_err(named)?;
        if !metadata.is_dir() && !metadata.is_file() {
            // To look at a pipe is to take from it what is not read again, or to wait for ever.
            return Err(named(invalid("this is neither a file nor a folder".to_owned())));
        }
        if metadata.is_file() {
            let format = match Look::at(path).map_err(named)? {
                Look::Mbox => Format::Mbox,
                Look::Emlx => Format::Emlx,
                Look::Message | Look::Empty => Format::Message,
                Look::Foreign(what) => return Err(named(invalid(format!("this is no mail, but {what}")))),
                Look::Unknown => return Err(named(invalid("this is no mail: it has no header".to_owned()))),
            };
            plan.add(&names.of(""), path, format, metadata.len());
            continue;
        }
        let index = Index::read(path).map_err(named)?;
        // Mailboxes of an export may be called `cur` and `new`, too.
        let is_maildir = || maildir::is(path) && index.as_ref().is_none_or(|index| index.name_of(INBOX).is_some());
        match &index {
            Some(index) if !is_maildir() => plan.export(path, "", index, &names, DEPTH),
            _ => plan.tree(path, &names, index.as_ref()),
        }
        .map_err(named)?;
    }
    plan.gather();
    Ok(plan)
}

/// Imports what was planned. What goes wrong with a message is reported and the next one is taken; the summary says where it
/// stopped if it did. `report` may end it.
pub fn run(
    plan: &Plan,
    destination: &mut dyn Destination,
    report: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Summary {
    let mut summary = Summary { left: plan.left.clone(), ..Summary::default() };
    for sources in plan.sources.chunk_by(|a, b| a.mailbox == b.mailbox) {
        let Some(first) = sources.first() else { continue };
        let intake = match destination.open(&first.mailbox) {
            Ok(intake) => intake,
            Err(Broken(why)) => {
                summary.stopped = Some((Place::file(&first.path), why));
                break;
            }
        };
        let mut carrier = Carrier::new(intake, &mut summary, report);
        let walked = sources.iter().try_for_each(|source| source.carry(&mut carrier));
        // What was sent on already is stored in any case, and counted.
        if carrier.finish().and(walked).is_err() {
            break;
        }
    }
    summary
}

impl Names {
    /// The mailbox of a folder; of none where the name is empty.
    pub(super) fn of(&self, name: &str) -> String {
        let is_inbox = name.is_empty() || MailboxName::nearest(name).is_inbox();
        let name = match &self.0 {
            Some(above) if is_inbox => above.clone(),
            Some(above) => MailboxName::nearest(&format!("{above}/{name}")),
            None if is_inbox => MailboxName::inbox(),
            None => MailboxName::nearest(name),
        };
        name.as_str().to_owned()
    }
}

impl Plan {
    pub(super) fn add(&mut self, mailbox: &str, path: &Path, format: Format, octets: u64) {
        self.octets += octets;
        self.sources.push(Source { mailbox: mailbox.to_owned(), path: path.to_owned(), format });
    }

    pub(super) fn maildir(&mut self, path: &Path, mailbox: &str) {
        let Some(files) = self.readable(path, maildir::files(path)) else { return };
        for (kind, path) in files.left {
            self.left.add(kind, &Place::file(&path));
        }
        let octets = files.messages.iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum();
        self.add(mailbox, path, Format::Maildir, octets);
    }

    /// What could be read; else it is left.
    pub(super) fn readable<T>(&mut self, path: &Path, read: io::Result<T>) -> Option<T> {
        read.map_err(|error| {
            log::debug!("{}: {error}", path.display());
            self.left.add(Kind::Unreadable, &Place::file(path));
        })
        .ok()
    }

    /// Each mailbox is opened once: what comes from one file is not taken for what is there when the next one is read.
    fn gather(&mut self) {
        let mut order: HashMap<String, usize> = HashMap::new();
        for source in &self.sources {
            let next = order.len();
            order.entry(source.mailbox.clone()).or_insert(next);
        }
        self.sources.sort_by_key(|source| order.get(&source.mailbox).copied());
    }

    /// The mbox files of an export, each for its mailbox, or below another. `within`: the path from the export to here.
    fn export(&mut self, folder: &Path, within: &str, index: &Index, names: &Names, depth: usize) -> io::Result<()> {
        let mut entries = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (kind, name) = (entry.file_type()?, entry.file_name());
            let path = name.to_str().map(|name| format!("{within}{name}")).unwrap_or_default();
            match path.strip_suffix(".mbox") {
                _ if kind.is_dir() && depth > 0 => {
                    self.export(&entry.path(), &format!("{path}/"), index, names, depth - 1)?;
                }
                Some(levels) if kind.is_file() => {
                    let name = index.name_of(&path).map_or_else(|| mailbox_of(levels.split('/')), str::to_owned);
                    self.add(&names.of(&name), &entry.path(), Format::Mbox, entry.metadata()?.len());
                }
                _ if path == INDEX => {}
                _ => self
                    .left
                    .add(if kind.is_dir() { Kind::TooDeep } else { Kind::Unknown }, &Place::file(&entry.path())),
            }
        }
        Ok(())
    }
}

impl Source {
    fn carry(&self, carrier: &mut Carrier<'_>) -> Result<(), Halt> {
        match self.format {
            Format::Maildir => maildir::read(&self.path, carrier),
            Format::Emlx => emlx::read(&self.path, carrier),
            Format::Message => {
                let known = |modified| Known {
                    flags: Flags::These(Vec::new()),
                    dates: Dates { first: None, last: modified },
                    history: History::default(),
                };
                folder::message(&self.path, Ends::default(), Care::Unmark, known, carrier)
            }
            Format::Mbox => match File::open(&self.path) {
                Ok(file) => {
                    let modified = file.metadata().ok().as_ref().and_then(folder::modified);
                    mbox::read(&self.path, &file, modified, carrier)
                }
                Err(error) => {
                    carrier.skip(&Place::file(&self.path), Kind::Unreadable, &format!("it cannot be opened: {error}"));
                    Ok(())
                }
            },
        }
    }
}
