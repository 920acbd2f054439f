//! SCRAM-SHA-256 keys as they are stored.

use crate::store::Credentials;
use crate::wire::sasl::ScramKeys;
use std::num::NonZeroU32;

/// RFC 7677 §4 asks for 4096 at least. The client pays them at each log-in: a phone in some 10 ms.
pub(super) const ITERATIONS: NonZeroU32 = NonZeroU32::new(10_000).expect("not zero");

/// The keys of an account; `None` where no password was ever set.
pub(super) fn keys_of(credentials: &Credentials) -> Option<ScramKeys> {
    Some(ScramKeys {
        salt: credentials.scram_salt.as_slice().try_into().ok()?,
        iterations: NonZeroU32::new(credentials.scram_iterations)?,
        stored_key: credentials.scram_stored.as_slice().try_into().ok()?,
        server_key: credentials.scram_server.as_slice().try_into().ok()?,
    })
}
