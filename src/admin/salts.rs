//! The salts that SCRAM shows: one for each name, for ever, whether there is such a user or not.
//!
//! They come from a secret of the store. A salt that changed at a start would tell that there is no such user, and one
//! that changed with a password, or with a first log-in, that there is one.

use super::password::{ITERATIONS, random};
use crate::store::{Fault, Space, Store, Write};
use crate::wire::sasl::ScramKeys;

/// Where the secret is, in [`Space::Salt`].
const KEY: &[u8] = b"scram";

/// The secret that salts come from.
#[derive(Clone)]
pub(super) struct Salts([u8; 32]);

impl Salts {
    /// The store's; made where there is none. Where none can be stored, one that is good until the next start.
    pub(super) fn of(store: &Store) -> Result<Salts, Fault> {
        let kept = || -> Result<Option<Salts>, Fault> {
            let kept = store.snapshot()?.kept(Space::Salt, KEY)?;
            Ok(kept.and_then(|kept| kept.as_slice().try_into().ok()).map(Salts))
        };
        if let Some(salts) = kept()? {
            return Ok(salts);
        }
        let made = Salts(random()?);
        if store.is_read_only() {
            return Ok(made);
        }
        let keep = Write::Keep { space: Space::Salt, key: KEY.to_vec(), value: Some(made.0.to_vec()) };
        if let Err(error) = store.write_blocking(keep) {
            log::warn!("what salts are made from could not be stored: {error}");
            return Ok(made);
        }
        // Should another have been as quick, both have the one that stayed.
        Ok(kept()?.unwrap_or(made))
    }

    /// The salt of a name, in small letters. What stands behind its `@` does not count: some is left out at log-in, or
    /// spelt in two ways, and where those led to one salt there would be somebody. Two of one name in two domains share a
    /// salt, which costs neither anything.
    pub(super) fn salt(&self, name: &str) -> [u8; 16] {
        self.fake(name).salt
    }

    /// Keys that no proof fits.
    pub(super) fn fake(&self, name: &str) -> ScramKeys {
        ScramKeys::fake(local_part(name), &self.0, ITERATIONS)
    }
}

/// What stands before the domain, where there is one.
pub(super) fn local_part(name: &str) -> &str {
    name.rsplit_once('@').map_or(name, |(local, _)| local)
}

impl std::fmt::Debug for Salts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salts")
    }
}
