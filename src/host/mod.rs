//! Being PID 1: what a machine needs beneath its mail server.
//!
//! Read first: `pid1` (what happens when, from the first mount to the last), `server` (the mail server as a child).

pub mod clock;
mod data;
mod disk;
mod ioctl;
mod modules;
mod mounts;
pub mod network;
mod ring;
mod words;

pub use words::Slot;
