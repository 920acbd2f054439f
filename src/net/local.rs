//! A socket of this machine that has no address.

use rustix::fs::{AtFlags, CWD, FileType, Gid, chownat, statat};
use smol::net::unix::UnixListener;
use std::fs::{File, Permissions, set_permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where another program of this machine reaches us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSocket {
    /// Its path.
    pub path: PathBuf,
    /// The group that it is given to, by name or number.
    pub group: Option<String>,
    /// Who may come in: Unix permissions.
    pub mode: u32,
}

/// Listens there. Without the socket mail comes in as well: where it cannot be had, that is all that is said.
pub(super) fn bind(socket: &LocalSocket) -> Option<UnixListener> {
    let path = &socket.path;
    try_to_bind(socket).inspect_err(|error| log::warn!("there is no LMTP socket at {}: {error}", path.display())).ok()
}

fn try_to_bind(LocalSocket { path, group, mode }: &LocalSocket) -> io::Result<UnixListener> {
    let group = group.as_deref().map(group_of).transpose()?;
    // By a short name, since a socket's path has room for a hundred octets only.
    let folder = File::open(path.parent().unwrap_or(Path::new(".")))?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    let is_long = path.as_os_str().len() > 100;
    let reached = if is_long { &short } else { path };
    make_room(path, reached)?;
    let listener = UnixListener::bind(reached)?;
    // The group first: until then nobody of another one may come in.
    if let Some(group) = group {
        chownat(CWD, path, None, Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    set_permissions(path, Permissions::from_mode(*mode))?;
    Ok(listener)
}

/// Removes a socket that a server left which was killed; nothing else, and none that somebody answers at.
fn make_room(path: &Path, reached: &Path) -> io::Result<()> {
    let found = match statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => found,
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
    }
    if std::os::unix::net::UnixStream::connect(reached).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server answers there"));
    }
    std::fs::remove_file(path)
}

/// The number of a group.
fn group_of(name: &str) -> io::Result<Gid> {
    if let Ok(number) = name.parse() {
        return Ok(Gid::from_raw(number));
    }
    let groups = std::fs::read_to_string("/etc/group")?;
    let number = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    number
        .map(Gid::from_raw)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no group {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("pillarbox-local-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn socket(&self, mode: u32, group: Option<&str>) -> LocalSocket {
            LocalSocket { path: self.0.join("lmtp"), group: group.map(str::to_owned), mode }
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_socket_is_where_and_for_whom_it_is_wanted() {
        let folder = Folder::new("modes");
        for mode in [0o666, 0o660, 0o600] {
            let own = rustix::process::getgid().as_raw().to_string();
            let socket = folder.socket(mode, Some(&own));
            let listener = try_to_bind(&socket).unwrap();
            assert_eq!(socket.path.metadata().unwrap().permissions().mode() & 0o777, mode);
            // What a killed server leaves is replaced.
            drop(listener);
        }
        assert!(try_to_bind(&folder.socket(0o666, Some("no such group"))).is_err());
        assert_eq!(group_of("root").unwrap().as_raw(), 0);
    }

    #[test]
    fn nothing_is_removed_but_a_socket_that_nobody_answers_at() {
        let folder = Folder::new("room");
        let socket = folder.socket(0o666, None);
        std::fs::write(&socket.path, "somebody's file").unwrap();
        assert_eq!(try_to_bind(&socket).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&socket.path).unwrap(), "somebody's file");
        std::fs::remove_file(&socket.path).unwrap();
        let _answered = try_to_bind(&socket).unwrap();
        assert_eq!(try_to_bind(&socket).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
