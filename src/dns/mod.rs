//! The names of the internet: questions to the servers that the box was told of, and their answers kept for as long as
//! they are good.
//!
//! A static program cannot use the C library's resolver, so this is the only one of the box. Read first: `lookup` (what
//! can be asked), then `resolver` (how it is asked).

mod ascii;
mod ask;
mod cache;
mod lookup;
mod message;
mod resolver;
mod servers;

pub use ascii::to_ascii;
pub use lookup::{Answer, DnsError, Lookup, Mx, reverse};
pub use resolver::Resolver;
pub use servers::Servers;
