//! What the operating system gives, once: outputs that may fail, and work that goes on after a defect.
//!
//! Read first: `log` (where lines of the log go), `task` and `threads` (what is begun again), `ledger` (what peers make us
//! hold in memory), `pulse` (how long they are waited for).

mod defects;
pub mod descriptors;
pub mod ledger;
pub mod log;
mod outlet;
mod pauses;
mod privacy;
pub mod pulse;
pub mod task;
pub mod threads;

pub use defects::{count as count_defect, counted as defects};
pub use privacy::keep_to_ourselves;
