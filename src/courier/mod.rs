//! The outside: mail that we send, and mail that we fetch.
//!
//! Read first: `runner` (what becomes of a mail in the queue), `rounds` (which one is tried when), `smtp` (how it is
//! given to a server), `settle` and `report` (what is kept and told of it). And `connect`: how any server is reached.

mod attempt;
mod connect;
mod events;
mod home;
pub mod mirror;
mod names;
mod report;
mod rounds;
mod route;
mod runner;
mod sasl;
mod schedule;
mod settle;
mod sign;
pub mod smtp;
mod tell;
mod trust;

pub use crate::admin::Trust;
pub use attempt::attempt;
pub use connect::{Connection, Connector, Target};
pub use names::{Found, Names, NoAddress, Places};
pub use runner::{Aging, Clock, Courier, Terms};
pub use sasl::Exchange;
pub use schedule::Schedule;
