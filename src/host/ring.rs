//! The log in memory: the last lines of PID 1 and of the server. Nothing of it is written to the card.

use super::console;
use log::{LevelFilter, Log, Metadata, Record};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Octets of lines that are kept.
const KEPT: usize = 256 << 10;
/// Octets of one line.
const LINE: usize = 1000;

/// Lines with their total length.
#[derive(Debug)]
struct Ring {
    lines: VecDeque<String>,
    octets: usize,
}

static RING: Mutex<Ring> = Mutex::new(Ring { lines: VecDeque::new(), octets: 0 });

fn ring() -> MutexGuard<'static, Ring> {
    RING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a line.
pub(super) fn keep(line: &str) {
    let mut line = line.to_owned();
    let end = (0..=LINE.min(line.len())).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0);
    line.truncate(end);
    let mut ring = ring();
    ring.octets += line.len();
    ring.lines.push_back(line);
    while ring.octets > KEPT {
        let Some(oldest) = ring.lines.pop_front() else { break };
        ring.octets -= oldest.len();
    }
}

/// The last lines, oldest first.
pub(super) fn last(count: usize) -> Vec<String> {
    let ring = ring();
    ring.lines.iter().skip(ring.lines.len().saturating_sub(count)).cloned().collect()
}

/// The program's own log goes into the ring; warnings to the consoles as well.
struct Here;

impl Log for Here {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Info
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let moment = time::OffsetDateTime::now_utc();
        let (hour, minute, second) = moment.to_hms();
        keep(&format!("{} {hour:02}:{minute:02}:{second:02} {:5} {}", moment.date(), record.level(), record.args()));
        if record.level() <= LevelFilter::Warn {
            console::print(&format!("pillarbox: {}\n", record.args()));
        }
    }

    fn flush(&self) {}
}

/// From now on `log`'s macros write here.
pub(super) fn begin() {
    static HERE: Here = Here;
    if log::set_logger(&HERE).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_keeps_the_last_lines_and_no_more_than_it_may() {
        for number in 0..2000 {
            keep(&format!("{number} {}", "é".repeat(800)));
        }
        let kept = last(usize::MAX);
        assert!(kept.iter().map(String::len).sum::<usize>() <= KEPT);
        assert!(kept.last().unwrap().starts_with("1999 ") && kept.last().unwrap().len() <= LINE);
        assert_eq!(last(3).len(), 3);
    }
}
