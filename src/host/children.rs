//! Processes that we start, and those that are left to us: PID 1 takes note of every end.

use crate::sys::threads;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, wait, waitid};
use std::collections::BTreeMap;
use std::io;
use std::process::{Child, Command};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A process that we started. It is to be waited for by nobody but the thread here.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
}

/// How a process ended, in words.
pub(super) type Ending = String;

/// Those that we started, and how they ended.
static OURS: Mutex<BTreeMap<i32, Option<Ending>>> = Mutex::new(BTreeMap::new());
/// Rings when a process is started, and when one ends.
static CHANGED: Condvar = Condvar::new();

fn ours() -> MutexGuard<'static, BTreeMap<i32, Option<Ending>>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a process. What it was given as pipes is in the second value.
pub(super) fn start(command: &mut Command) -> io::Result<(Process, Child)> {
    // The lock is held meanwhile: a start that fails waits for its process itself.
    let mut ours = ours();
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    ours.insert(pid.as_raw_nonzero().get(), None);
    CHANGED.notify_all();
    Ok((Process { pid }, child))
}

impl Process {
    /// How it ended, if it did.
    pub(super) fn ending(&self) -> Option<Ending> {
        ours().get(&self.key()).cloned().flatten()
    }

    /// Waits for its end, but not longer.
    pub(super) fn wait(&self, patience: Duration) -> Option<Ending> {
        let running = |ours: &mut BTreeMap<i32, Option<Ending>>| matches!(ours.get(&self.key()), Some(None));
        let (ours, _) = CHANGED.wait_timeout_while(ours(), patience, running).unwrap_or_else(PoisonError::into_inner);
        ours.get(&self.key()).cloned().flatten()
    }

    pub(super) fn signal(&self, signal: Signal) {
        // Under the lock, its number is not yet that of another.
        if let Some(None) = ours().get(&self.key()) {
            let _ = kill_process(self.pid, signal);
        }
    }

    pub(super) fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    fn key(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        ours().remove(&self.key());
    }
}

/// Sends a signal to all that we started.
pub(super) fn signal_all(signal: Signal) {
    let ours = ours();
    for (&id, _) in ours.iter().filter(|(_, ending)| ending.is_none()) {
        if let Some(pid) = Pid::from_raw(id) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// Takes note of ends; `told` runs after each.
pub(super) fn reap(told: impl Fn() + Send + 'static) {
    threads::forever("children", move || {
        // Only looks, so that a start that fails meanwhile can still wait for its own.
        if waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).is_err() {
            // There is no child at all.
            let _ = CHANGED.wait_timeout(ours(), Duration::from_secs(5));
            return;
        }
        let mut ours = ours();
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if let Some(ending) = ours.get_mut(&pid.as_raw_nonzero().get()) {
                *ending = Some(match (status.exit_status(), status.terminating_signal()) {
                    (Some(0), _) => "it ended".to_owned(),
                    (Some(code), _) => format!("it ended with {code}"),
                    (None, Some(signal)) => format!("it was ended by signal {signal}"),
                    (None, None) => "it ended somehow".to_owned(),
                });
            }
        }
        drop(ours);
        CHANGED.notify_all();
        told();
    });
}
