//! File descriptors: as many as the bounds need, or bounds for as many as there are.

use crate::mail::limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::sync::OnceLock;

/// Raises the limit of this process to what the bounds need, where it may; returns how many connections there can be at
/// once, each with a file beside, with what is kept for everything else.
#[must_use]
pub fn connections() -> usize {
    static CONNECTIONS: OnceLock<usize> = OnceLock::new();
    *CONNECTIONS.get_or_init(|| {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        // None is none at all.
        let Some(current) = current else { return limits::CONNECTIONS };
        let wanted = (2 * limits::CONNECTIONS + limits::DESCRIPTORS) as u64;
        let raised = maximum.map_or(wanted, |maximum| maximum.min(wanted)).max(current);
        let granted = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
            Ok(()) => raised,
            Err(error) => {
                log::warn!("the limit of open files stays at {current}: {error}");
                current
            }
        };
        let connections = fitting(granted);
        if connections < limits::CONNECTIONS {
            log::warn!("only {granted} files may be open: there is room for {connections} connections");
        }
        connections
    })
}

/// Connections for which so many descriptors are enough.
fn fitting(descriptors: u64) -> usize {
    let all = usize::try_from(descriptors).unwrap_or(usize::MAX);
    // Of few descriptors, what is kept is a quarter at least: the store and the admin socket come first.
    let kept = limits::DESCRIPTORS.min(all / 2);
    ((all - kept) / 2).min(limits::CONNECTIONS)
}

/// Whether something failed since too many files are open, here or in the whole system: it will be possible again in a
/// moment, and says nothing about any disk.
#[must_use]
pub fn are_used_up(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].iter().any(|errno| code == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_shrink_to_what_descriptors_allow_and_leave_some_for_all_else() {
        assert_eq!(fitting(1 << 20), limits::CONNECTIONS);
        assert_eq!(fitting(1_024), (1_024 - limits::DESCRIPTORS) / 2);
        assert_eq!((fitting(64), fitting(2), fitting(0)), (16, 0, 0));
        for all in 0..20_000 {
            let connections = fitting(all);
            assert!(2 * connections as u64 <= all && connections <= limits::CONNECTIONS);
        }
    }

    #[test]
    fn too_many_open_files_are_no_full_disk() {
        let error = |errno: rustix::io::Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        assert!(are_used_up(&error(rustix::io::Errno::MFILE)) && are_used_up(&error(rustix::io::Errno::NFILE)));
        assert!(!are_used_up(&error(rustix::io::Errno::NOSPC)) && !are_used_up(&io::ErrorKind::Other.into()));
    }
}
