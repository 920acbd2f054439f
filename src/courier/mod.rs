//! The outside: mail that we send.
//!
//! Read first: `connect` (how a server is reached, with or without TLS).

mod connect;
mod names;
mod trust;

pub use crate::admin::Trust;
pub use connect::{Connection, Connector, Target};
pub use names::{Found, NoAddress, Places};
