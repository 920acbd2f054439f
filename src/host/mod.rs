//! Being PID 1: what a machine needs beneath its mail server.
//!
//! Read first: `pid1` (what happens when, from the first mount to the last), `server` (the mail server as a child).

pub mod clock;
mod data;
mod disk;
mod document;
mod ioctl;
mod modules;
mod mounts;
pub mod network;
mod preseed;
mod ring;
mod settings;
mod words;

pub use settings::Seed;
pub use words::Slot;
