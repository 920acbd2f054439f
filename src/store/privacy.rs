//! Files that nobody else is to read: made so whatever the umask is, and closed where they are found open.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Only their owner reads and writes them.
const OURS: u32 = 0o600;
/// Only their owner looks into them.
const OUR_FOLDER: u32 = 0o700;
/// What anybody else may.
const OTHERS: u32 = 0o077;
/// What anybody else may do in a folder that was there before: look, but not put anything in the place of what is ours.
const OTHERS_WRITE: u32 = 0o022;
/// The owner's own file, which a program that looks after settings may have to read.
const SETTINGS: &str = "pillarbox.toml";
/// How deep folders are looked through.
const DEPTH: usize = 4;

/// Opens a file as it is, or makes it.
pub(super) fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).mode(OURS).open(path)
}

/// Makes a file, or empties it.
pub(super) fn create(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(OURS).open(path)
}

/// Makes a folder with those above it; one that is there stays as it is.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(OUR_FOLDER).create(path)
}

/// Closes what lies in a data folder and others may read or write, and says so. What cannot be closed is told, too, and
/// no reason not to serve.
pub(super) fn close_to_others(folder: &Path) {
    let mut closed = Vec::new();
    if let Err(error) = close_below(folder, DEPTH, &mut closed) {
        log::error!("others may be able to read what is in {}: {error}", folder.display());
    }
    if !closed.is_empty() {
        let names = closed.join(", ");
        log::warn!("other users of this machine could read or write {names} in {}: closed to them", folder.display());
    }
}

fn close_below(folder: &Path, depth: usize, closed: &mut Vec<String>) -> io::Result<()> {
    let found = fs::symlink_metadata(folder)?;
    if found.is_dir() && found.mode() & OTHERS_WRITE != 0 && found.mode() & 0o1000 == 0 {
        close(folder, found.mode(), OTHERS_WRITE, closed)?;
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // Whoever goes meanwhile need not be closed; what a link leads to is not ours.
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        if found.is_dir() && depth > 1 {
            close_below(&path, depth - 1, closed)?;
        } else if found.is_file() && found.mode() & OTHERS != 0 && path.file_name().is_some_and(|name| name != SETTINGS)
        {
            close(&path, found.mode(), OTHERS, closed)?;
        }
    }
    Ok(())
}

fn close(path: &Path, mode: u32, to: u32, closed: &mut Vec<String>) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 & !to))?;
    closed.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Folder, account, append, octets};
    use super::super::{Limits, Store, ask_to_restore};
    use super::*;

    fn modes(folder: &Path) -> Vec<(String, u32)> {
        let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
        let mut modes: Vec<_> = entries
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().mode() & 0o777))
            .collect();
        modes.sort();
        modes
    }

    #[test]
    fn every_file_is_its_owners_alone_whatever_the_folder_is() {
        let folder = Folder::new("privacy");
        fs::create_dir_all(&folder.0).unwrap();
        fs::set_permissions(&folder.0, Permissions::from_mode(0o755)).unwrap();
        let store = folder.store();
        let (_, inbox) = account(&store, Limits::default());
        append(&store, inbox, &octets(1_000, 1)).unwrap();
        ask_to_restore(&folder.0).unwrap();
        let modes = modes(&folder.0);
        assert!(modes.len() >= 3 && modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
    }

    #[test]
    fn what_is_found_open_is_closed_but_for_the_owners_settings() {
        let folder = Folder::new("privacy-open");
        drop(folder.store());
        let below = folder.0.join("tls");
        fs::create_dir_all(&below).unwrap();
        for path in [folder.0.join("pillarbox.toml"), below.join("key.pem")] {
            fs::write(path, "").unwrap();
        }
        for path in [&folder.0, &below] {
            fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
            for entry in fs::read_dir(path).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
                fs::set_permissions(entry.path(), Permissions::from_mode(0o666)).unwrap();
            }
        }
        std::os::unix::fs::symlink("/dev/null", folder.0.join("link")).unwrap();
        let before = fs::metadata("/dev/null").unwrap().mode();
        drop(Store::open(&folder.0, super::super::Options::default()).unwrap());
        for (name, mode) in modes(&folder.0).into_iter().chain(modes(&below)) {
            match name.as_str() {
                "pillarbox.toml" => assert_eq!(mode, 0o666, "{name}"),
                "tls" => assert_eq!(mode, 0o755, "{name}"),
                "link" => {}
                _ => assert_eq!(mode, 0o600, "{name}"),
            }
        }
        assert_eq!(fs::metadata(&folder.0).unwrap().mode() & 0o777, 0o755);
        assert_eq!(fs::metadata("/dev/null").unwrap().mode(), before);
    }
}
