//! Mail that comes in and goes out as a whole: import and export.

pub mod export;
mod import;
mod layout;
mod uploads;

pub use import::{Broken, Destination, Event, Intake, Meta, Place, Plan, Summary, Verdict, plan, run};
pub use uploads::{Direct, Uploads, open_mailbox};
