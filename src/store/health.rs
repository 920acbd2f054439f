//! How the store is.

use super::store::Store;
use serde::{Deserialize, Serialize};

/// A mail of this size is what has to go in for a disk that is not full.
const MAIL: u64 = 1 << 20;

/// What the store can do at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Everything.
    #[default]
    Good,
    /// All but take in mail: the disk is full.
    Full,
    /// Only be read: nothing can be written.
    ReadOnly,
    /// Everything but read what is damaged.
    Damaged,
    /// Not even be read, or not all of it: the disk fails.
    Failing,
}

impl Store {
    /// What the store can do at the moment.
    #[must_use]
    pub fn health(&self) -> Health {
        if !self.shared.is_sound() {
            Health::Failing
        } else if self.is_read_only() {
            Health::ReadOnly
        } else if !self.shared.space.has_room(MAIL) {
            Health::Full
        } else if self.shared.medium.damage().is_met() {
            Health::Damaged
        } else {
            Health::Good
        }
    }

    /// Octets that are free on the disk, where it can be asked.
    #[must_use]
    pub fn free(&self) -> Option<u64> {
        self.shared.space.free()
    }
}
