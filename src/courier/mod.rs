//! The outside: mail that we send, and mail that we fetch.
//!
//! Read first: `connect` (how a server is reached, with or without TLS).

mod connect;
pub mod mirror;
mod names;
mod sasl;
mod schedule;
pub mod smtp;
mod trust;

pub use crate::admin::Trust;
pub use connect::{Connection, Connector, Target};
pub use names::{Found, Names, NoAddress, Places};
pub use sasl::Exchange;
pub use schedule::Schedule;
