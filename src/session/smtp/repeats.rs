//! Who comes again because our answer was lost, and who says the same once more and means it.
//!
//! The store remembers for some hours what was taken ([`crate::store::Mark`]): a peer whom the answer did not reach
//! brings the same once more, and must not be given a second copy. But whoever heard our answer and then brings the same
//! is not repeating: that is another mail. Of these we know in memory. After a restart we do not, and until the marks are
//! forgotten, a mail that is the same to the last octet, its Message-ID and all, is taken for a repetition.

use crate::wire::smtp::Address;
use ring::digest;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// What a mark is known by.
pub(super) type Key = [u8; 16];

/// Answers that are known to have been heard, at most; beyond, the ones before them are forgotten.
const HEARD: usize = 20_000;

/// Marks whose answers were heard.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<Heard>);

/// Two halves: when the newer one is full, it takes the place of the older.
#[derive(Debug, Default)]
struct Heard {
    newer: HashSet<Key>,
    older: HashSet<Key>,
}

impl Repeats {
    /// The answer about these was heard.
    pub(super) fn note(&self, keys: &[Key]) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if heard.newer.len() >= HEARD / 2 {
                heard.older = std::mem::take(&mut heard.newer);
            }
            heard.newer.insert(*key);
        }
    }

    /// The same was taken once more: whether the answer about that was heard is not known.
    pub(super) fn forget(&self, keys: &[Key]) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            heard.newer.remove(key);
            heard.older.remove(key);
        }
    }

    /// Whether the answer about this was heard.
    pub(super) fn knows(&self, key: &Key) -> bool {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.newer.contains(key) || heard.older.contains(key)
    }
}

/// What a message from this sender to this recipient is known by.
pub(super) fn key(from: Option<&Address>, to: &Address, content: &digest::Digest) -> Key {
    let mut context = digest::Context::new(&digest::SHA256);
    // No address holds NUL.
    context.update(from.map_or("", Address::as_str).as_bytes());
    context.update(&[0]);
    context.update(to.as_str().as_bytes());
    context.update(&[0]);
    context.update(content.as_ref());
    let mut key = Key::default();
    key.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    key
}
