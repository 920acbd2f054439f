//! A socket of this machine that has no address.

use smol::net::unix::UnixListener;
use std::fs::{File, Permissions, set_permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Listens there. Everybody who comes as far as the folder may come in, as everybody on this machine may at the port.
/// Without the socket mail comes in as well: where it cannot be had, that is all that is said.
pub(super) fn bind(path: &Path) -> Option<UnixListener> {
    let bound = || -> io::Result<UnixListener> {
        // Left by a server that was killed: the store is locked, so there is no other one.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // By a short name, since a socket's path has room for a hundred octets only.
        let folder = File::open(path.parent().unwrap_or(Path::new(".")))?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
        let is_long = path.as_os_str().len() > 100;
        let listener = UnixListener::bind(if is_long { &short } else { path })?;
        set_permissions(path, Permissions::from_mode(0o666))?;
        Ok(listener)
    };
    bound().inspect_err(|error| log::warn!("there is no LMTP socket at {}: {error}", path.display())).ok()
}
