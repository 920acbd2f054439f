//! Mail that comes in and goes out as a whole: import and export.

pub mod export;
mod import;
mod known;
mod layout;
mod uploads;

pub use import::{Broken, Destination, Event, Intake, Kind, Left, Lot, Meta, Place, Plan, Summary, Verdict, plan, run};
pub use known::Known;
pub use uploads::{Direct, Uploads, open_mailbox};
