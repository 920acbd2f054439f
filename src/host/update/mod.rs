//! Updates.

#![allow(dead_code, clippy::unused_self, clippy::unnecessary_wraps)]

use super::words::{Release, Slot, Words};

#[derive(Debug)]
pub(super) struct Updates;

impl Updates {
    pub(super) fn new(words: &Words, _: &Release, _: &[String]) -> Updates {
        log::debug!("the other slot is {:?}", words.slot.map(Slot::other));
        Updates
    }

    pub(super) fn confirm(&self) -> Result<(), String> {
        Ok(())
    }

    pub(super) fn note_fallback(&self) -> Option<String> {
        None
    }
}
