//! Who is being answered, and for whom a thread may wait a moment.

use super::stream::Stream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How long a thread waits for a client's next command: programs that ask one thing after the other on the same machine
/// take less. Others wait no longer than this for the thread.
const MOMENT: Duration = Duration::from_micros(100);
/// A client that took longer this many times in a row is waited for no more,
const SLOW: u8 = 4;
/// until it asked this many times more: what it does may be another thing then.
const FORGIVEN: u8 = 64;

/// All connections that are being answered now.
#[derive(Debug, Default)]
pub(super) struct Turns {
    under_way: AtomicUsize,
    waited: AtomicBool,
}

/// One connection's turn: begun and ended as it goes on and waits.
#[derive(Debug)]
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    begun: bool,
}

/// Whether a client is one that asks at once again.
#[derive(Debug, Default)]
pub(super) struct Quick {
    slow: u8,
}

impl Turns {
    /// A connection's first turn.
    pub(super) fn begin(&self) -> Turn<'_> {
        let mut turn = Turn { turns: self, begun: false };
        turn.begin();
        turn
    }
}

impl Turn<'_> {
    /// The connection is being answered.
    pub(super) fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            self.turns.under_way.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The connection waits.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.turns.under_way.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

impl Quick {
    /// Waits a moment for the client, with this thread, where nobody else would miss it.
    pub(super) fn listen(&mut self, turns: &Turns, stream: &Stream) {
        if self.slow >= SLOW {
            self.slow = if self.slow >= FORGIVEN { 0 } else { self.slow + 1 };
            return;
        }
        // One thread at most: the others answer whoever comes meanwhile.
        if turns.under_way.load(Ordering::Relaxed) > 0 || turns.waited.swap(true, Ordering::Acquire) {
            return;
        }
        self.slow = if stream.listen_for(MOMENT) { 0 } else { self.slow + 1 };
        turns.waited.store(false, Ordering::Release);
    }
}
