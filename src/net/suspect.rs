//! What is to be thought of a mail from outside: the check waits for names, and so it is done here.

use super::serve::House;
use super::talk::{now, random};
use crate::session::Suspect;
use crate::verdict::{Checker, Checking, Verdict};
use std::sync::Arc;

/// Octets that are read before others get their turn: each is made into as many hashes as there are signatures.
const TURN: u64 = 128 << 10;

/// Checks a mail.
pub(super) async fn judge(house: &House, suspect: &Suspect) -> Verdict {
    let [draw] = random();
    let mut checker = Checker::new(Checking {
        lookup: Arc::clone(&house.lookup),
        client: suspect.client.to_canonical(),
        helo: suspect.helo.clone(),
        mail_from: suspect.from.clone(),
        receiver: house.name.to_string(),
        now: now(),
        draw: draw % 100,
    });
    let mut buffer = Vec::new();
    let (mut at, mut turn) = (0, TURN);
    loop {
        match suspect.content.read(at, &mut buffer) {
            Ok([]) => break,
            Ok(piece) => {
                checker.push(piece);
                at += piece.len() as u64;
            }
            Err(error) => {
                // What is checked is not what came: it will not verify, and it will not be stored either.
                log::error!("a message that came in cannot be read again: {error}");
                break;
            }
        }
        if at >= turn {
            turn = at + TURN;
            smol::future::yield_now().await;
        }
    }
    checker.finish().await
}
