//! Reading ahead of a session that walks through a mailbox on a cold disk.
//!
//! The pages that the next messages need lie all over the file, and each costs a trip. A disk answers many trips at once
//! in the time of one: so some threads go ahead and read, into the kernel's memory, what the session will ask for.

use super::disk;
use super::error::Fault;
use super::snapshot::Snapshot;
use super::store::{Shared, Store};
use crate::mail::{AccountId, MailboxId, limits};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Trips to the disk, since it was asked last, from which on a walk counts as cold.
const COLD: u64 = 2;
/// Mailboxes of an account that are read ahead when somebody comes, and messages in all of them: 3 MB of rows.
const EXPECTED: usize = 64;
const EXPECTED_ROWS: usize = 32 << 10;
/// Messages of a mailbox after which it counts as one that is in memory.
const PROBED: usize = 512;
/// Readers that are under way at once, for all sessions.
const READERS: usize = 32;

/// How far ahead of a walk was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ahead {
    /// UIDs below this have been asked for.
    until: u32,
}

/// What of the messages will be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Headers, envelopes, structure.
    Heads,
    /// Everything.
    Bodies,
}

static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// One that is counted there, also where damage makes it panic.
struct Reader;

impl Drop for Reader {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Store {
    /// A session is about to read the messages of these UIDs, in this order: reads some of them ahead if its last ones
    /// were not in memory. Costs nothing when they were.
    pub fn read_ahead(&self, ahead: &mut Ahead, mailbox: MailboxId, uids: impl Iterator<Item = u32>, depth: Depth) {
        if disk::trips() < COLD {
            return;
        }
        let uids: Vec<u32> = uids.skip_while(|uid| *uid < ahead.until).collect();
        // As much in one piece as a reader gets through while the session goes through what is there already.
        let piece = if depth == Depth::Heads { 32 } else { 8 };
        for uids in uids.chunks(piece) {
            let (Some(&from), Some(&to)) = (uids.first(), uids.last()) else { return };
            if UNDER_WAY.fetch_add(1, Ordering::SeqCst) >= READERS {
                UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
                return;
            }
            ahead.until = to.saturating_add(1);
            let shared = Arc::clone(&self.shared);
            smol::unblock(move || {
                let _reader = Reader;
                // What cannot be read ahead will be missed when it is asked for, and told there.
                let _ = read(&shared, mailbox, from, to, depth);
            })
            .detach();
        }
    }

    /// Somebody is about to come in, and will ask for mailboxes next: reads ahead where they are and what is in them, as
    /// far as it is not in memory. There is time for that while the password is looked at.
    pub fn expect(&self, account: AccountId) {
        let shared = Arc::clone(&self.shared);
        smol::unblock(move || {
            // What cannot be read ahead will be missed when it is asked for, and told there.
            let _ = look_around(&shared, account);
        })
        .detach();
    }
}

fn look_around(shared: &Shared, account: AccountId) -> Result<(), Fault> {
    let snapshot = shared.snapshot()?;
    let mailboxes = snapshot.look_up(account, EXPECTED)?;
    let mut rows = EXPECTED_ROWS;
    for mailbox in mailboxes.into_iter().filter(|mailbox| !shared.mirrors.is_open(*mailbox)) {
        disk::trips();
        let mut messages = snapshot.message_starts(mailbox, 1, u32::MAX)?.take(rows);
        rows -= messages.by_ref().take(PROBED).count();
        if disk::trips() > 0 {
            rows -= messages.count();
        }
    }
    Ok(())
}

fn read(shared: &Shared, mailbox: MailboxId, from: u32, to: u32, depth: Depth) -> Result<(), Fault> {
    let snapshot: Snapshot = shared.snapshot()?;
    for message in snapshot.messages(mailbox, from, to)? {
        let (_, message) = message?;
        let Some(stored) = snapshot.head(message.blob)? else { continue };
        let head = stored.read()?;
        if depth == Depth::Heads {
            continue;
        }
        let mut octets = 0;
        for (number, frame) in head.frames.iter().enumerate() {
            // Of a large message the session will be busy with the beginning for long enough.
            if octets > limits::OUT {
                break;
            }
            octets += frame.stored as usize;
            for at in 0..super::schema::pieces(frame.stored as usize).count() {
                if let (Ok(number), Ok(at)) = (u32::try_from(number), u8::try_from(at)) {
                    snapshot.piece(message.blob, number, at)?;
                }
            }
        }
    }
    Ok(())
}
