//! Whether a disk answers: its first octets are read now and then, past the kernel's memory of them.

use crate::sys::threads;
use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is read.
const PAUSE: Duration = Duration::from_secs(5);
/// One that takes so long does not answer. Cards that tidy themselves take seconds.
const LOST: Duration = Duration::from_secs(90);

/// What was found last. Nothing is read any more when it is dropped.
#[derive(Debug)]
pub(super) struct Probe(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    result: Result<(), String>,
    at: Instant,
}

/// What is read past the kernel's memory has to lie where the disk can put it.
#[repr(align(4096))]
struct Page([u8; 4096]);

impl Probe {
    pub(super) fn start(device: PathBuf) -> Probe {
        let seen = Arc::new(Mutex::new(Seen { result: Ok(()), at: Instant::now() }));
        let to = Arc::downgrade(&seen);
        threads::once("disk", move || {
            while note(&to, read(&device)) {
                thread::sleep(PAUSE);
            }
        });
        Probe(seen)
    }

    pub(super) fn result(&self) -> Result<(), String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.at.elapsed() > LOST {
            return Err("it takes too long".to_owned());
        }
        seen.result.clone()
    }
}

fn note(to: &Weak<Mutex<Seen>>, result: io::Result<()>) -> bool {
    let Some(seen) = to.upgrade() else { return false };
    *seen.lock().unwrap_or_else(PoisonError::into_inner) =
        Seen { result: result.map_err(|error| error.to_string()), at: Instant::now() };
    true
}

fn read(device: &Path) -> io::Result<()> {
    let direct = OFlags::DIRECT.bits().cast_signed();
    let device = OpenOptions::new().read(true).custom_flags(direct).open(device)?;
    let mut page = Box::new(Page([0; 4096]));
    device.read_exact_at(&mut page.0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_gone_does_not_answer() {
        assert!(read(Path::new("/dev/no-such-disk")).is_err());
        let probe = Probe(Arc::new(Mutex::new(Seen { result: Ok(()), at: Instant::now() })));
        let weak = Arc::downgrade(&probe.0);
        assert!(note(&weak, Err(io::ErrorKind::NotFound.into())));
        assert!(probe.result().is_err());
        assert!(note(&weak, Ok(())));
        assert_eq!(probe.result(), Ok(()));
        drop(probe);
        assert!(!note(&weak, Ok(())), "nobody asks any more");
    }
}
