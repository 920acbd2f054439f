//! The outside: accept, TLS, timeouts, limits on guests, and one loop for all server protocols.
//!
//! Read first: `serve` (what runs), `talk` (one connection's life). The only room that looks at a clock.

mod guests;
mod late;
mod local;
mod logins;
mod pages;
mod peer;
mod serve;
mod shares;
mod stream;
mod suspect;
mod talk;
mod tls;
mod turns;

pub use local::LocalSocket;
pub use pages::{Pages, Socket};
pub use serve::{Doors, Errand, Serving, probe, serve};
pub use tls::{Identity, OwnersFiles, TlsFault, outward_addresses};
