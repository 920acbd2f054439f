//! Updates with a way back: a signed system goes into the slot that is not running, is tried, and confirmed or left again.
//!
//! Read first: `slots` (what the boot loaders are told), `fat` (how that is made durable), `payload` (what an update is).
//!
//! The order of an update, and what a cut at each step leaves:
//! 1. the file is fetched to the data partition, and its signature verified: nothing has changed;
//! 2. the boot loader is told to stay with the running slot: as before, whatever was in the other one;
//! 3. the other slot is emptied, its `slot.toml` first: nothing leads there, and it does not pass for complete;
//! 4. the files are written, each synced and read again, `slot.toml` last: still nothing leads there;
//! 5. the boot loader is told to try it: one small file that is renamed, before or after the cut.
//!
//! The system that is tried confirms itself when it is healthy. Until then every start of it is counted by the boot
//! loader, and what does not come up is left by itself.

mod error;
mod fat;
mod fetch;
mod payload;
mod signature;
mod slots;
mod updates;

#[cfg(test)]
mod fetch_tests;
#[cfg(test)]
mod machine_tests;
#[cfg(test)]
mod tests;

pub(super) use updates::Updates;
pub use updates::{OtherSlot, State};
