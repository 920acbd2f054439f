//! The folder that an export goes into: new or empty, and not taken for whole before it is.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where everything lies until it is whole. No mailbox's folder or file is called so: levels have no dots.
const INCOMPLETE: &str = "export.incomplete";

/// The folder.
#[derive(Debug)]
pub struct Target {
    folder: PathBuf,
    incomplete: PathBuf,
}

impl Target {
    /// A folder that is new or empty; an error says why it cannot be this one.
    pub fn prepare(folder: &Path) -> Result<Target, String> {
        let say = |error: io::Error| format!("{}: {error}", folder.display());
        let incomplete = folder.join(INCOMPLETE);
        match std::fs::read_dir(folder) {
            Ok(mut entries) => {
                if incomplete.exists() {
                    let left = incomplete.display();
                    return Err(format!("{left} is left of an export that did not come to its end: remove it first"));
                }
                if entries.next().is_some() {
                    return Err(format!("{} is not empty: an export needs a folder of its own", folder.display()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_folder(folder).map_err(say)?,
            Err(error) => return Err(say(error)),
        }
        // Within, and not beside it: the folder may be a disk of its own, mounted there.
        make_folder(&incomplete).map_err(say)?;
        Ok(Target { folder: folder.to_owned(), incomplete })
    }

    /// Where to write to.
    pub fn path(&self) -> &Path {
        &self.incomplete
    }

    /// Everything is written: makes it durable and gives it its place. `last`: what shall be there only if all else is.
    pub fn finish(self, last: &str) -> io::Result<()> {
        let folder = File::open(&self.folder)?;
        rustix::fs::syncfs(&folder)?;
        let names = std::fs::read_dir(&self.incomplete)?.map(|entry| entry.map(|entry| entry.file_name()));
        let names = names.collect::<io::Result<Vec<_>>>()?;
        for name in names.iter().filter(|name| name.as_os_str() != last) {
            std::fs::rename(self.incomplete.join(name), self.folder.join(name))?;
        }
        std::fs::rename(self.incomplete.join(last), self.folder.join(last))?;
        std::fs::remove_dir(&self.incomplete)?;
        folder.sync_all()
    }
}

/// Makes a folder, and what is missing above it. Mail is nobody else's.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A new file. Nothing that is there is written over.
pub fn make_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// A new file with this in it.
pub fn put_file(path: &Path, text: &str) -> io::Result<()> {
    make_file(path)?.write_all(text.as_bytes())
}
