//! How long a peer is waited for that takes nothing, or says nothing.

use super::serve::House;
use super::stream::Stream;
use crate::sys::ledger::{Ledger, PEOPLE, STRANGERS};
use crate::sys::pulse::PULSE;
use smol::future::FutureExt;
use std::io;
use std::time::{Duration, Instant};

/// Who takes nothing of what is sent for so long has gone, or means harm: a stranger, and others.
const STALLED: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(5)];
/// So long they are waited for where others need the room, whether they take nothing or say nothing.
const PRESSED: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(20)];

/// Sends to one who takes it in time.
pub(super) async fn send(stream: &mut Stream, octets: &[u8], is_guest: bool, share: Option<&Ledger>) -> io::Result<()> {
    let late = async {
        PULSE.after(span(STALLED, is_guest)).await;
    };
    let given_up = async {
        pressed(is_guest, share).or(late).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    stream.send(octets).or(given_up).await
}

/// What the gate says, as long as there is somebody to tell: who goes away while it waits gives up a place that others
/// need. Who has said more already wants its answers, and may be done with talking. `None`: the house stops, and waits for
/// no guess.
pub(super) async fn attended<T>(
    house: &House,
    stream: &Stream,
    said_more: bool,
    gate: impl Future<Output = T>,
) -> io::Result<Option<T>> {
    // Listening comes before looking: a stop in between is heard.
    let stop = house.stop.listen();
    if house.is_stopping() {
        return Ok(None);
    }
    let said = async { Ok(Some(gate.await)) };
    let gone = async {
        if said_more {
            std::future::pending::<()>().await;
        }
        stream.gone().await;
        Err(io::ErrorKind::UnexpectedEof.into())
    };
    let stopped = async {
        stop.await;
        Ok(None)
    };
    said.or(gone).or(stopped).await
}

/// Comes to an end when others need the room and this was waited for long enough.
pub(super) async fn pressed(is_guest: bool, share: Option<&Ledger>) {
    let ledger = if is_guest { &STRANGERS } else { &PEOPLE };
    let began = Instant::now();
    loop {
        match share {
            Some(share) => ledger.pressed().or(share.pressed()).await,
            None => ledger.pressed().await,
        }
        if began.elapsed() >= span(PRESSED, is_guest) {
            return;
        }
    }
}

fn span([strangers, people]: [Duration; 2], is_guest: bool) -> Duration {
    if is_guest { strangers } else { people }
}
