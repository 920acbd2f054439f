//! An output that may fail, or take nothing for hours: who says something neither waits nor hears of it.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What each line that waits costs beside its octets.
const LINE: usize = 32;
/// Octets that are written at once, and a line.
const AT_ONCE: usize = 16 << 10;
/// How long lines gather after some were written: to wake somebody for each costs more than to make and to write it.
const DOZE: Duration = Duration::from_millis(2);

/// Lines on their way to an output, in order and bounded; what does not fit is counted.
#[derive(Debug)]
pub(super) struct Outlet {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// Octets of lines that may wait.
    room: usize,
}

#[derive(Debug)]
struct Waiting {
    lines: VecDeque<String>,
    octets: usize,
    /// Lines that were lost, in all, and since that was told.
    lost: u64,
    untold: u64,
    /// Some are being written.
    writing: bool,
    /// Whoever writes waits for one.
    idle: bool,
}

impl Outlet {
    pub(super) const fn new(room: usize) -> Outlet {
        let waiting = Waiting { lines: VecDeque::new(), octets: 0, lost: 0, untold: 0, writing: false, idle: false };
        Outlet { waiting: Mutex::new(waiting), changed: Condvar::new(), room }
    }

    /// Says a line, which ends with its line end.
    pub(super) fn say(&self, line: String) {
        let mut waiting = self.waiting();
        let cost = line.len() + LINE;
        if waiting.octets + cost > self.room {
            waiting.lose(1);
            return;
        }
        waiting.octets += cost;
        waiting.lines.push_back(line);
        let idle = std::mem::take(&mut waiting.idle);
        drop(waiting);
        if idle {
            self.changed.notify_all();
        }
    }

    /// Waits until all that was said is written or lost, but not longer.
    pub(super) fn flush(&self, patience: Duration) {
        let busy = |waiting: &mut Waiting| waiting.writing || !waiting.lines.is_empty();
        drop(self.changed.wait_timeout_while(self.waiting(), patience, busy));
    }

    /// Lines that were lost, in all.
    pub(super) fn lost(&self) -> u64 {
        self.waiting().lost
    }

    /// Writes what is said, for ever. `lost` says that so many were lost, in a line.
    pub(super) fn write_to(&self, output: &mut impl Write, lost: impl Fn(u64) -> String) -> ! {
        // A line that was cut off in its midst is no beginning for the next.
        let mut is_cut = false;
        loop {
            let (lines, untold) = self.next();
            let mut whole = String::from(if is_cut { "\n" } else { "" });
            if untold > 0 {
                whole.push_str(&lost(untold));
            }
            let told = whole.len();
            let ends: Vec<usize> = lines
                .iter()
                .map(|line| {
                    whole.push_str(line);
                    whole.len()
                })
                .collect();
            let written = write(output, whole.as_bytes());
            let mut waiting = self.waiting();
            waiting.writing = false;
            if written >= told {
                waiting.untold -= untold;
            }
            waiting.lose(ends.iter().filter(|end| **end > written).count() as u64);
            if let Some(last) = written.checked_sub(1).and_then(|last| whole.as_bytes().get(last)) {
                is_cut = *last != b'\n';
            }
            drop(waiting);
            self.changed.notify_all();
            thread::sleep(DOZE);
        }
    }

    /// Waits for the next lines; with them, how many were lost before them and that was not told.
    fn next(&self) -> (Vec<String>, u64) {
        let nothing = |waiting: &mut Waiting| {
            waiting.idle = waiting.lines.is_empty();
            waiting.idle
        };
        let mut waiting = self.changed.wait_while(self.waiting(), nothing).unwrap_or_else(PoisonError::into_inner);
        let (mut lines, mut octets) = (Vec::new(), 0);
        while octets < AT_ONCE
            && let Some(line) = waiting.lines.pop_front()
        {
            octets += line.len();
            waiting.octets -= line.len() + LINE;
            lines.push(line);
        }
        waiting.writing = true;
        (lines, waiting.untold)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn lose(&mut self, lines: u64) {
        self.lost += lines;
        self.untold += lines;
    }
}

/// Octets that were written.
fn write(output: &mut impl Write, octets: &[u8]) -> usize {
    let mut written = 0;
    while let Some(rest) = octets.get(written..).filter(|rest| !rest.is_empty()) {
        match output.write(rest) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// So long an outlet that is broken is waited for.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Takes octets when it is told how many, and fails when it is told 0.
    struct Slow {
        takes: Receiver<usize>,
        taken: Sender<u8>,
    }

    impl Write for Slow {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let count = self.takes.recv().unwrap().min(octets.len());
            octets[..count].iter().for_each(|octet| self.taken.send(*octet).unwrap());
            if count == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn started(room: usize) -> (Arc<Outlet>, Sender<usize>, Receiver<u8>) {
        let outlet = Arc::new(Outlet::new(room));
        let (takes, told) = channel();
        let (sent, taken) = channel();
        let writes = Arc::clone(&outlet);
        std::thread::spawn(move || {
            let mut output = Slow { takes: told, taken: sent };
            writes.write_to(&mut output, |lost| format!("{lost} lost\n"))
        });
        (outlet, takes, taken)
    }

    fn text(taken: &Receiver<u8>, octets: usize) -> String {
        String::from_utf8((0..octets).map(|_| taken.recv().unwrap()).collect()).unwrap()
    }

    #[test]
    fn an_output_that_takes_nothing_holds_nobody_up_and_what_was_lost_is_told_afterwards() {
        let (outlet, takes, taken) = started(10 * (LINE + 2));
        outlet.say("0\n".to_owned());
        // The first is being written when the others come.
        while !outlet.waiting().writing {
            std::thread::yield_now();
        }
        (1..=99).for_each(|number| outlet.say(format!("{}\n", number % 10)));
        assert_eq!(outlet.lost(), 89);
        outlet.flush(Duration::ZERO);
        (0..20).for_each(|_| takes.send(usize::MAX).unwrap());
        outlet.flush(PATIENCE);
        assert_eq!(text(&taken, 30), "0\n89 lost\n1\n2\n3\n4\n5\n6\n7\n8\n9\n0\n");
        outlet.say("a\n".to_owned());
        assert_eq!((text(&taken, 2), outlet.lost()), ("a\n".to_owned(), 89));
    }

    #[test]
    fn an_output_that_fails_is_tried_again_and_half_a_line_is_ended() {
        let (outlet, takes, taken) = started(1_000);
        // Half of the first, nothing of the second, then all.
        for count in [2, 0, 0, usize::MAX, usize::MAX] {
            takes.send(count).unwrap();
        }
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            outlet.say(line.to_owned());
            outlet.flush(PATIENCE);
        }
        assert_eq!((text(&taken, 21), outlet.lost()), ("on\n2 lost\nthree\nfour\n".to_owned(), 2));
    }
}
