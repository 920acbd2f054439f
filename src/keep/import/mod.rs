//! Importing mail: from mbox files, Maildirs and single messages into an account's mailboxes.
//!
//! Read first: `plan` (what there is to read), `carrier` (what happens to each message), then the formats.

mod carrier;
mod date;
mod folder;
mod header;
mod intake;
mod lines;
mod maildir;
mod mbox;
mod plan;

#[cfg(test)]
pub(super) mod tests;

pub use carrier::{Event, Place, Summary};
pub use intake::{Broken, Destination, Intake, Meta, Verdict};
pub use plan::{Plan, plan, run};
