//! The tables and their keys.
//!
//! | table | key | value |
//! |---|---|---|
//! | `config` | name | what the store as a whole remembers |
//! | `account` | account | [`super::Account`] |
//! | `address` | address, lower case | account |
//! | `mailbox` | mailbox | [`super::MailboxRecord`] |
//! | `name` | account, mailbox name | mailbox |
//! | `subscription` | account, mailbox name | nothing |
//! | `msg` | mailbox, UID | [`super::Message`] |
//! | `vanished` | mailbox, modseq | UID ranges expunged by that change |
//! | `head` | blob | [`super::Head`]: size, hash, envelope, outline, header |
//! | `body` | blob, frame and piece | a piece of a compressed frame of the body |
//! | `refs` | blob | how many messages show it; absent means one, so that an ordinary delivery need not touch it |
//! | `doomed` | blob | shown by no message any more; the sweep removes it |
//! | `staging` | blob | an upload in progress; removed at start |
//! | `queue` | queue id | [`super::Queued`]: a message on its way out |
//! | `due` | moment, queue id | nothing: when each is tried next |
//! | `kept` | space, key | small records that a part of the program keeps for itself: [`super::Space`] |
//! | `alias` | address, lower case; `@domain` for all others of a domain | [`super::Alias`]: where it leads to |
//! | `domain` | domain, lower case | [`super::Domain`]: one that is ours without an address in it |
//! | `filing` | account | [`super::Filing`]: rules, vacation answer; absent means none |
//!
//! Since format 2: `queue`, `due`, `kept`, `alias`, `domain`, `filing`. Since format 3: a record of the journal bears its
//! moment.
//!
//! Keys are big-endian, so that a mailbox, an account or a blob is one contiguous range.

use super::queue::{QueueId, Space};
use super::write::CopyId;
use crate::mail::{AccountId, BlobId, MailboxId, Uid};
use redb::TableDefinition;

/// The version of this layout. A store with a newer one is not opened.
pub const FORMAT: u32 = 3;

pub(super) type Bytes = &'static [u8];
pub(super) type Key12 = &'static [u8; 12];

pub(super) const CONFIG: TableDefinition<&str, u64> = TableDefinition::new("config");
pub(super) const ACCOUNT: TableDefinition<u32, Bytes> = TableDefinition::new("account");
pub(super) const ADDRESS: TableDefinition<&str, u32> = TableDefinition::new("address");
pub(super) const MAILBOX: TableDefinition<u64, Bytes> = TableDefinition::new("mailbox");
pub(super) const NAME: TableDefinition<Bytes, u64> = TableDefinition::new("name");
pub(super) const SUBSCRIPTION: TableDefinition<Bytes, ()> = TableDefinition::new("subscription");
pub(super) const MSG: TableDefinition<Key12, Bytes> = TableDefinition::new("msg");
pub(super) const VANISHED: TableDefinition<&'static [u8; 16], Bytes> = TableDefinition::new("vanished");
pub(super) const HEAD: TableDefinition<u64, Bytes> = TableDefinition::new("head");
pub(super) const BODY: TableDefinition<Key12, Bytes> = TableDefinition::new("body");
pub(super) const REFS: TableDefinition<u64, u32> = TableDefinition::new("refs");
pub(super) const DOOMED: TableDefinition<u64, ()> = TableDefinition::new("doomed");
pub(super) const STAGING: TableDefinition<u64, ()> = TableDefinition::new("staging");
pub(super) const QUEUE: TableDefinition<u64, Bytes> = TableDefinition::new("queue");
pub(super) const DUE: TableDefinition<&'static [u8; 16], ()> = TableDefinition::new("due");
pub(super) const KEPT: TableDefinition<Bytes, Bytes> = TableDefinition::new("kept");
pub(super) const ALIAS: TableDefinition<&str, Bytes> = TableDefinition::new("alias");
pub(super) const DOMAIN: TableDefinition<&str, Bytes> = TableDefinition::new("domain");
pub(super) const FILING: TableDefinition<u32, Bytes> = TableDefinition::new("filing");

/// `config`: the layout's version.
pub(super) const FORMAT_KEY: &str = "format";
/// `config`: blob ids below this may have been given out; after a start, ids go on from here.
pub(super) const BLOB_CEILING: &str = "blob-ceiling";
/// `config`: the last mailbox at a provider.
pub(super) const LAST_PROVIDER: &str = "last-provider";
/// `config`: the last record of the journal that the tables hold.
pub(super) const JOURNAL: &str = "journal";
/// `config`: the UIDVALIDITY given out last.
pub(super) const UID_VALIDITY: &str = "uid-validity";
/// `config`: octets that are free inside the file, roughly: deleted and not written again.
pub(super) const ROOM_INSIDE: &str = "room-inside";
/// `config`: the account id given out last.
pub(super) const LAST_ACCOUNT: &str = "last-account";
/// `config`: the queue id given out last.
pub(super) const LAST_QUEUED: &str = "last-queued";

/// `config`: of which format the journal is that these tables were taken over from last; absent means 1.
pub(super) const JOURNAL_FORMAT: &str = "journal-format";
/// `config`: the savepoint of how the tables were before the format became newer,
pub(super) const SAVEPOINT: &str = "savepoint";
/// that earlier format,
pub(super) const SAVEPOINT_FORMAT: &str = "savepoint-format";
/// when that was, in seconds since 1970,
pub(super) const SAVEPOINT_TIME: &str = "savepoint-time";
/// and the first blob id that was free then.
pub(super) const SAVEPOINT_BLOB: &str = "savepoint-blob";

/// Raw octets of a body frame: compressed alone, so that reading at an offset needs no more than one frame. As large
/// as two full pieces, so that what does not shrink is stored without waste.
pub(super) const FRAME: usize = 2 * PIECE;
/// The largest piece of a frame. redb keeps a value larger than a page in a run of 2ⁿ pages of its own, of which a
/// leaf with a 12-octet key of fixed width takes 20: a piece of exactly 2ⁿ·4096 − 20 wastes nothing.
pub(super) const PIECE: usize = (16 << 12) - PIECE_OVERHEAD;
const PIECE_OVERHEAD: usize = 20;

/// Lengths of the pieces that a frame of `stored` octets is cut into.
pub(super) fn pieces(mut stored: usize) -> impl Iterator<Item = usize> {
    let mut pages = 16;
    std::iter::from_fn(move || {
        if stored == 0 {
            return None;
        }
        while pages > 0 {
            let piece = (pages << 12) - PIECE_OVERHEAD;
            if stored >= piece {
                stored -= piece;
                return Some(piece);
            }
            pages /= 2;
        }
        Some(std::mem::take(&mut stored))
    })
}

pub(super) fn msg_key(mailbox: MailboxId, uid: Uid) -> [u8; 12] {
    key12(mailbox.0, uid.number())
}

/// The UID of a `msg` key.
pub(super) fn msg_uid(key: &[u8; 12]) -> Option<Uid> {
    let [.., a, b, c, d] = *key;
    Uid::new(u32::from_be_bytes([a, b, c, d]))
}

pub(super) fn vanished_key(mailbox: MailboxId, modseq: u64) -> [u8; 16] {
    (u128::from(mailbox.0) << 64 | u128::from(modseq)).to_be_bytes()
}

pub(super) fn body_key(blob: BlobId, frame: u32, piece: u8) -> [u8; 12] {
    key12(blob.0, frame << 8 | u32::from(piece))
}

pub(super) fn due_key(moment: i64, queued: QueueId) -> [u8; 16] {
    // Moments before 1970 do not happen; they would come first.
    (u128::from(moment.max(0).cast_unsigned()) << 64 | u128::from(queued.0)).to_be_bytes()
}

/// The moment and the id of a `due` key.
pub(super) fn due_parts(key: &[u8; 16]) -> (i64, QueueId) {
    let [moment @ .., _, _, _, _, _, _, _, _] = *key;
    let [_, _, _, _, _, _, _, _, queued @ ..] = *key;
    (u64::from_be_bytes(moment).cast_signed(), QueueId(u64::from_be_bytes(queued)))
}

pub(super) fn kept_key(space: Space, key: &[u8]) -> Vec<u8> {
    let mut whole = vec![space as u8];
    whole.extend_from_slice(key);
    whole
}

/// The key, in its space, of what is noted of a large copy.
pub(super) fn copy_key(copy: CopyId) -> [u8; 12] {
    key12(copy.to.0, copy.first.number())
}

/// The copy that a key is of.
pub(super) fn copy_of(key: &[u8]) -> Option<CopyId> {
    let (to, first) = key.split_first_chunk::<8>()?;
    let first = Uid::new(u32::from_be_bytes(*first.first_chunk()?))?;
    Some(CopyId { to: MailboxId(u64::from_be_bytes(*to)), first })
}

pub(super) fn name_key(account: AccountId, name: &str) -> Vec<u8> {
    let mut key = account.0.to_be_bytes().to_vec();
    key.extend_from_slice(name.as_bytes());
    key
}

/// The name in a `name` or `subscription` key.
pub(super) fn key_name(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(4..)?).ok()
}

fn key12(high: u64, low: u32) -> [u8; 12] {
    let mut key = [0; 12];
    let (a, b) = key.split_at_mut(8);
    a.copy_from_slice(&high.to_be_bytes());
    b.copy_from_slice(&low.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_frame_that_does_not_shrink_is_two_full_pieces() {
        assert_eq!(pieces(FRAME).collect::<Vec<_>>(), [PIECE, PIECE]);
    }

    #[test]
    fn pieces_are_page_exact_and_the_remainder_is_small() {
        let cut: Vec<usize> = pieces(21_000).collect();
        assert_eq!(cut.iter().sum::<usize>(), 21_000);
        assert_eq!(cut, [16_364, 4_076, 560]);
    }

    #[test]
    fn keys_of_a_mailbox_are_contiguous_and_in_uid_order() {
        let mailbox = MailboxId::new(AccountId(3), 7);
        let low = msg_key(mailbox, Uid::FIRST);
        let high = msg_key(mailbox, Uid::new(256).unwrap());
        assert!(low < high);
        assert_eq!(msg_uid(&high), Uid::new(256));
    }
}
