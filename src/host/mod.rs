//! Being PID 1: what a machine needs beneath its mail server.
//!
//! Read first: `pid1` (from the kernel's hand-over to the main loop), `house` (the main loop, and the way out), `server`
//! and `confine` (the mail server as a child), `data` (what may be wrong with a disk, and what is done then).

mod boot;
mod children;
mod claim;
pub mod clock;
mod confine;
mod console;
mod data;
mod desk;
mod disk;
mod document;
mod door;
mod grow;
mod health;
mod house;
mod ioctl;
mod memory;
mod modules;
mod mounts;
pub mod network;
mod owners;
mod pid1;
mod power;
mod preseed;
mod probe;
mod report;
mod resolv;
mod ring;
mod server;
mod settings;
mod starts;
mod uevents;
mod update;
mod usb;
mod watchdog;
mod words;

pub use confine::confine;
pub use door::{Ask, Caller, PATH, Say};
pub use ioctl::give_heap_back;
pub use pid1::{Store, Wiring, is_pid1, run};
pub use server::RUNTIME;
pub use settings::Seed;
pub use update::{OtherSlot, State};
pub use words::Slot;
