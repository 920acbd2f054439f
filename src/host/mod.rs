//! Being PID 1: what a machine needs beneath its mail server.
//!
//! Read first: `pid1` (what happens when, from the first mount to the last), `server` (the mail server as a child).

pub mod clock;
mod data;
mod disk;
mod document;
mod door;
mod ioctl;
mod modules;
mod mounts;
pub mod network;
mod preseed;
mod ring;
mod settings;
mod update;
mod words;

pub use door::{Ask, Caller, PATH, Say};
pub use settings::Seed;
pub use update::{OtherSlot, State};
pub use words::Slot;
