//! Long waits that begin many times a second and nearly always end at once: one timer for all of them.
//!
//! A timer of one's own wakes the reactor as it is set, which costs more than what is waited for: a socket that takes the
//! next octets.

use event_listener::Event;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How exact such a wait is.
const BEAT: Duration = Duration::from_secs(5);

/// The one of this process.
pub static PULSE: Pulse = Pulse::new(BEAT);

/// Beats while somebody waits.
#[derive(Debug)]
pub struct Pulse {
    length: Duration,
    beat: Event,
    /// Somebody waited since the last beat.
    wanted: AtomicBool,
    /// Rings for the first who waits.
    begun: Event,
}

impl Pulse {
    const fn new(length: Duration) -> Pulse {
        Pulse { length, beat: Event::new(), wanted: AtomicBool::new(false), begun: Event::new() }
    }

    /// Beats for as long as the server runs, and rests while nobody waits.
    pub async fn run(&self) {
        loop {
            let begun = self.begun.listen();
            if !self.wanted.swap(false, Ordering::SeqCst) {
                begun.await;
                continue;
            }
            smol::Timer::after(self.length).await;
            self.beat.notify(usize::MAX);
        }
    }

    /// Ends after this time and less than a beat more, if [`Pulse::run`] does.
    pub async fn after(&self, span: Duration) {
        let began = Instant::now();
        loop {
            let beat = self.beat.listen();
            if began.elapsed() >= span {
                return;
            }
            if !self.wanted.swap(true, Ordering::SeqCst) {
                self.begun.notify(1);
            }
            beat.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::future::FutureExt;

    #[test]
    fn a_wait_ends_after_its_time_and_the_next_one_too() {
        let pulse = Pulse::new(Duration::from_millis(5));
        let waits = async {
            for span in [0, 20, 1] {
                let (began, span) = (Instant::now(), Duration::from_millis(span));
                pulse.after(span).await;
                assert!(began.elapsed() >= span);
                // It rests meanwhile.
                smol::Timer::after(Duration::from_millis(20)).await;
            }
            true
        };
        let run = async {
            pulse.run().await;
            false
        };
        assert!(smol::block_on(waits.or(run)));
    }
}
