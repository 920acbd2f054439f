//! `DKIM-Signature`: verifying others' and making our own (RFC 6376, RFC 8301, RFC 8463).
//!
//! `canonical` is what is hashed, `signature` and `public` are what others wrote, `verify` compares; `key` and `sign` are
//! our own side, for which `rsa` and `der` make keys.

mod canonical;
mod der;
mod key;
mod public;
mod rsa;
mod sign;
mod signature;
mod verify;

pub use key::{Algorithm, DnsRecord, Key, KeyError};
pub use sign::Signer;
pub(super) use verify::Verifier;
pub use verify::{Dkim, DkimResult};
