//! The outside: mail that we send, and mail that we fetch.
//!
//! Read first: `connect` (how a server is reached, with or without TLS).

mod connect;
pub mod mirror;
mod names;
mod trust;

pub use crate::admin::Trust;
pub use connect::{Connection, Connector, Target};
pub use names::{Found, NoAddress, Places};
