//! An output that may fail, or take nothing for hours: who says something neither waits nor hears of it.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What each line that waits costs beside its octets.
const LINE: usize = 32;

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
    /// A line is being written.
    writing: bool,
}

impl Outlet {
    pub(super) const fn new(room: usize) -> Outlet {
        let waiting = Waiting { lines: VecDeque::new(), octets: 0, lost: 0, untold: 0, writing: false };
        Outlet { waiting: Mutex::new(waiting), changed: Condvar::new(), room }
    }

    /// Says a line, which ends with its line end.
    pub(super) fn say(&self, line: String) {
        let mut waiting = self.waiting();
        let cost = line.len() + LINE;
        if waiting.octets + cost > self.room {
            waiting.lose();
            return;
        }
        waiting.octets += cost;
        waiting.lines.push_back(line);
        drop(waiting);
        self.changed.notify_all();
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

    /// Writes line by line, for ever. `lost` says that so many were lost, in a line.
    pub(super) fn write_to(&self, output: &mut impl Write, lost: impl Fn(u64) -> String) -> ! {
        // A line that was cut off in its midst is no beginning for the next.
        let mut is_cut = false;
        loop {
            let (line, untold) = self.next();
            let note = if untold > 0 { lost(untold) } else { String::new() };
            let end = if is_cut { "\n" } else { "" };
            let whole = [end, &note, &line].concat();
            let written = write(output, whole.as_bytes());
            let mut waiting = self.waiting();
            waiting.writing = false;
            if written == whole.len() {
                waiting.untold -= untold;
                is_cut = false;
            } else {
                waiting.lose();
                is_cut |= written > 0;
            }
            drop(waiting);
            self.changed.notify_all();
        }
    }

    /// Waits for the next line; with it, how many were lost before it and that was not told.
    fn next(&self) -> (String, u64) {
        let nothing = |waiting: &mut Waiting| waiting.lines.is_empty();
        let mut waiting = self.changed.wait_while(self.waiting(), nothing).unwrap_or_else(PoisonError::into_inner);
        let line = waiting.lines.pop_front().unwrap_or_default();
        waiting.octets -= line.len() + LINE;
        waiting.writing = true;
        (line, waiting.untold)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn lose(&mut self) {
        self.lost += 1;
        self.untold += 1;
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
        outlet.flush(Duration::MAX);
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
            outlet.flush(Duration::MAX);
        }
        assert_eq!((text(&taken, 21), outlet.lost()), ("on\n2 lost\nthree\nfour\n".to_owned(), 2));
    }
}
