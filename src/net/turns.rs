//! Who is being answered, and for whom a thread may wait a moment.

use super::stream::Stream;
use smol::lock::{Semaphore, SemaphoreGuard};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How long a thread waits for a client's next command: programs that ask one thing after the other on the same machine
/// take less. Others wait no longer than this for the thread.
const MOMENT: Duration = Duration::from_micros(200);

/// All connections that are being answered now.
#[derive(Debug)]
pub(super) struct Turns {
    under_way: AtomicUsize,
    listening: AtomicBool,
    threads: usize,
    /// For those that have had a turn and want another: no more than there are threads, so that whoever comes new waits
    /// for the end of one turn and not for one of each.
    long: Semaphore,
}

/// The leave to do another turn of long work.
pub(super) type Place<'t> = SemaphoreGuard<'t>;

/// One connection's turn: begun and ended as it goes on and waits.
#[derive(Debug)]
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    begun: bool,
}

impl Turns {
    /// Nobody is being answered, by so many threads.
    pub(super) fn new(threads: usize) -> Turns {
        let long = Semaphore::new(threads);
        Turns { under_way: AtomicUsize::new(0), listening: AtomicBool::new(false), threads, long }
    }

    /// Waits behind whoever came before, and then behind who does long work as well. While another thread has nobody to
    /// answer, whoever comes finds that one, and nothing is waited for: to hand work from thread to thread costs more than
    /// some of it.
    pub(super) async fn line_up(&self) -> Option<Place<'_>> {
        if !self.is_crowded() {
            return None;
        }
        smol::future::yield_now().await;
        Some(self.long.acquire().await)
    }

    /// Lets those go on whose sockets have something for them: before a place is given up, so that who has not had a turn
    /// yet goes before who waits for it. A thread that always has work looks at sockets once in 200 pieces of it; to wait
    /// for something that is there already is to look at them now.
    pub(super) fn look_around(&self) {
        if self.is_crowded() {
            smol::block_on(smol::future::yield_now());
        }
    }

    fn is_crowded(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) >= self.threads
    }

    /// A connection's first turn.
    pub(super) fn begin(&self) -> Turn<'_> {
        let mut turn = Turn { turns: self, begun: false };
        turn.begin();
        turn
    }

    /// Waits a moment for a client, with this thread, where nobody else would miss it.
    pub(super) fn listen(&self, stream: &Stream) {
        // One thread at most: the others answer whoever comes meanwhile.
        if self.under_way.load(Ordering::Relaxed) > 0 || self.listening.swap(true, Ordering::Acquire) {
            return;
        }
        stream.listen_for(MOMENT);
        self.listening.store(false, Ordering::Release);
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
