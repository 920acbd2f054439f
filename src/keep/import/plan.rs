//! What there is to import: looked at before anything is, so that a wrong path is told at once and progress has an end.

use super::carrier::{Carrier, Dates, Event, Flags, Known, Place, Summary};
use super::intake::{Broken, Destination};
use super::{folder, maildir, mbox};
use crate::keep::layout::{Ends, INBOX, INDEX, Index, mailbox_of};
use crate::store::History;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Folders below folders that are looked into.
const DEPTH: usize = 32;

/// Sources, in the order in which they are read.
#[derive(Debug, Default)]
pub struct Plan {
    sources: Vec<Source>,
    /// Octets of all files.
    pub octets: u64,
    /// Files that are no mail.
    pub ignored: u64,
}

#[derive(Debug)]
struct Source {
    mailbox: String,
    path: PathBuf,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Mbox,
    Message,
    Maildir,
}

/// Looks at what the paths are. `mailbox`: into which; without it INBOX, and the subfolders of a Maildir under their
/// own names.
pub fn plan(paths: &[PathBuf], mailbox: Option<&str>) -> io::Result<Plan> {
    let mut plan = Plan::default();
    let target = mailbox.unwrap_or("INBOX");
    for path in paths {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let metadata = std::fs::metadata(path).map_err(named)?;
        if !metadata.is_dir() {
            let format = if is_named(path, "eml") || !begins_as_mbox(path).map_err(named)? {
                Format::Message
            } else {
                Format::Mbox
            };
            plan.add(target, path, format, metadata.len());
            continue;
        }
        let index = Index::read(path).map_err(named)?;
        // Mailboxes of an export may be called `cur` and `new`, too.
        if maildir::is(path) && index.as_ref().is_none_or(|index| index.name_of(INBOX).is_some()) {
            plan.maildir(path, target).map_err(named)?;
            for (name, subfolder) in maildir::subfolders(path).map_err(named)? {
                let name = mailbox.map_or_else(|| name.clone(), |above| format!("{above}/{name}"));
                plan.maildir(&subfolder, &name).map_err(named)?;
            }
        } else if let Some(index) = index {
            plan.export(path, "", &index, mailbox, DEPTH).map_err(named)?;
        } else {
            plan.folder(path, target, DEPTH).map_err(named)?;
        }
    }
    Ok(plan)
}

/// Imports what was planned. What goes wrong with a message is reported and the next one is taken; the summary says
/// where it stopped if it did.
pub fn run(plan: &Plan, destination: &mut dyn Destination, report: &mut dyn FnMut(Event)) -> Result<Summary, Broken> {
    let mut summary = Summary::default();
    for sources in plan.sources.chunk_by(|a, b| a.mailbox == b.mailbox) {
        let Some(mailbox) = sources.first().map(|source| source.mailbox.as_str()) else { continue };
        let intake = destination.open(mailbox)?;
        let mut carrier = Carrier::new(intake, &mut summary, report);
        let walked = sources.iter().try_for_each(|source| source.carry(&mut carrier));
        // What was sent on already is stored in any case, and counted.
        if carrier.finish().and(walked).is_err() {
            break;
        }
    }
    Ok(summary)
}

impl Plan {
    fn add(&mut self, mailbox: &str, path: &Path, format: Format, octets: u64) {
        self.octets += octets;
        self.sources.push(Source { mailbox: mailbox.to_owned(), path: path.to_owned(), format });
    }

    fn maildir(&mut self, path: &Path, mailbox: &str) -> io::Result<()> {
        let files = maildir::files(path)?;
        let octets = files.iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum();
        self.add(mailbox, path, Format::Maildir, octets);
        Ok(())
    }

    /// The mbox files of an export, each for its mailbox, or below `above`. `within`: the path from the export to here.
    fn export(
        &mut self,
        folder: &Path,
        within: &str,
        index: &Index,
        above: Option<&str>,
        depth: usize,
    ) -> io::Result<()> {
        let mut entries = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (kind, name) = (entry.file_type()?, entry.file_name());
            let path = name.to_str().map(|name| format!("{within}{name}")).unwrap_or_default();
            match path.strip_suffix(".mbox") {
                _ if kind.is_dir() && depth > 0 => {
                    self.export(&entry.path(), &format!("{path}/"), index, above, depth - 1)?;
                }
                Some(levels) if kind.is_file() => {
                    let name = index.name_of(&path).map_or_else(|| mailbox_of(levels.split('/')), str::to_owned);
                    let mailbox = match above {
                        Some(above) if name == "INBOX" => above.to_owned(),
                        Some(above) => format!("{above}/{name}"),
                        None => name,
                    };
                    self.add(&mailbox, &entry.path(), Format::Mbox, entry.metadata()?.len());
                }
                _ => self.ignored += u64::from(path != INDEX),
            }
        }
        Ok(())
    }

    /// Mail in a folder and below it; everything goes into one mailbox.
    fn folder(&mut self, path: &Path, mailbox: &str, depth: usize) -> io::Result<()> {
        let mut entries = std::fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            // Links are not followed: they may lead in circles.
            let (kind, path) = (entry.file_type()?, entry.path());
            if kind.is_dir() && maildir::is(&path) {
                self.maildir(&path, mailbox)?;
            } else if kind.is_dir() && depth > 0 {
                self.folder(&path, mailbox, depth - 1)?;
            } else if kind.is_file() {
                let octets = entry.metadata()?.len();
                if is_named(&path, "eml") {
                    self.add(mailbox, &path, Format::Message, octets);
                } else if begins_as_mbox(&path).unwrap_or(false) {
                    self.add(mailbox, &path, Format::Mbox, octets);
                } else {
                    self.ignored += 1;
                }
            }
        }
        Ok(())
    }
}

impl Source {
    fn carry(&self, carrier: &mut Carrier<'_>) -> Result<(), super::carrier::Halt> {
        match self.format {
            Format::Maildir => maildir::read(&self.path, carrier),
            Format::Message => {
                let known = |modified| Known {
                    flags: Flags::These(Vec::new()),
                    dates: Dates { first: None, last: modified },
                    history: History::default(),
                };
                folder::message(&self.path, Ends::default(), known, carrier)
            }
            Format::Mbox => match File::open(&self.path) {
                Ok(file) => {
                    let modified = file.metadata().ok().as_ref().and_then(folder::modified);
                    mbox::read(&self.path, file, modified, carrier)
                }
                Err(error) => {
                    carrier.skip(&Place::file(&self.path), format!("it cannot be opened: {error}"));
                    Ok(())
                }
            },
        }
    }
}

fn is_named(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

fn begins_as_mbox(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut start)?;
    Ok(mbox::begins(&start))
}
