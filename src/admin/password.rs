//! Passwords: what is kept of them, how they are verified, and where new ones come from.

use super::crypt;
use crate::store::{Credentials, Fault};
use crate::wire::sasl::{self, ScramKeys};
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use ring::rand::{SecureRandom, SystemRandom};
use std::borrow::Cow;
use std::num::NonZeroU32;

/// What an argon2id hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strength {
    /// KiB of memory.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// Octets of an argon2id salt (RFC 9106 §3.1).
const SALT: usize = 16;
/// Letters and digits that nobody takes for one another: 32 of them, 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
/// Groups of four: 16 characters of 5 bits are 80 bits.
const GROUPS: usize = 4;

/// Rounds of PBKDF2: RFC 7677 §4 asks for 4096 at least. The client pays them at each log-in: a phone in some 10 ms.
pub(super) const ITERATIONS: NonZeroU32 = NonZeroU32::new(10_000).expect("not zero");

/// What is kept of a new password. Slow: one run of argon2id and one of PBKDF2.
///
/// `salt`: the one that SCRAM shows for this user, whoever asks, and whether there is such a user or not ([`Salts`]).
pub fn credentials(password: &str, strength: Strength, salt: [u8; 16]) -> Result<Credentials, Fault> {
    let argon2 = hash(password.as_bytes(), strength)?;
    let keys = ScramKeys::derive(password, salt, ITERATIONS);
    Ok(Credentials {
        argon2,
        scram_salt: keys.salt.to_vec(),
        scram_iterations: keys.iterations.get(),
        scram_stored: keys.stored_key.to_vec(),
        scram_server: keys.server_key.to_vec(),
    })
}

/// The SCRAM keys as stored; `None` where no password was ever set.
pub(super) fn scram_keys(credentials: &Credentials) -> Option<ScramKeys> {
    Some(ScramKeys {
        salt: credentials.scram_salt.as_slice().try_into().ok()?,
        iterations: NonZeroU32::new(credentials.scram_iterations)?,
        stored_key: credentials.scram_stored.as_slice().try_into().ok()?,
        server_key: credentials.scram_server.as_slice().try_into().ok()?,
    })
}

/// The argon2id hash of a password, in the PHC string format.
pub(super) fn hash(password: &[u8], strength: Strength) -> Result<String, Fault> {
    let salt: [u8; SALT] = random()?;
    let failed = |_| Fault::Corrupt("argon2 refused its input");
    let salt = SaltString::encode_b64(&salt).map_err(failed)?;
    let hash = strength.argon2()?.hash_password(&prepare(password), &salt).map_err(failed)?;
    Ok(hash.to_string())
}

/// Whether this is the password of a PHC string or a crypt string; false also for an empty one. Costs what the string
/// says.
pub(super) fn verify(password: &[u8], phc: &str) -> bool {
    if crypt::is_crypt(phc) {
        return crypt::verify(password, phc);
    }
    PasswordHash::new(phc).is_ok_and(|hash| Argon2::default().verify_password(&prepare(password), &hash).is_ok())
}

/// Whether a hash was made with another strength than this one.
fn needs_rehash(phc: &str, strength: Strength) -> bool {
    let Ok(hash) = PasswordHash::new(phc) else { return true };
    let params = Params::try_from(&hash);
    hash.algorithm != Algorithm::Argon2id.ident()
        || params.is_ok_and(|params| {
            (params.m_cost(), params.t_cost(), params.p_cost())
                != (strength.memory_kib, strength.passes, strength.lanes)
        })
}

/// What is to be kept of a password from now on, now that it was seen: another hash where the old one is of another
/// strength or from another system, and keys for SCRAM where there are none with this salt. `None`: all is as it should be.
pub(super) fn renewed(
    password: &[u8],
    old: &Credentials,
    strength: Strength,
    salt: [u8; 16],
) -> Result<Option<Credentials>, Fault> {
    match str::from_utf8(password) {
        // A salt by which others see that there is somebody is as good as none.
        Ok(text) if scram_keys(old).is_none_or(|keys| keys.salt != salt) => credentials(text, strength, salt).map(Some),
        _ if needs_rehash(&old.argon2, strength) => {
            Ok(Some(Credentials { argon2: hash(password, strength)?, ..old.clone() }))
        }
        _ => Ok(None),
    }
}

/// A random password that can be read out and typed: `k3mf-w8ta-…`.
pub fn readable() -> Result<String, Fault> {
    let octets: [u8; GROUPS * 4] = random()?;
    let mut password = String::new();
    for (at, octet) in octets.iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            password.push('-');
        }
        password.extend(ALPHABET.get(usize::from(octet % 32)).map(|letter| char::from(*letter)));
    }
    Ok(password)
}

/// `SASLprep` (RFC 4013); what it refuses, or what is no UTF-8, is taken as it came.
pub(super) fn prepare(password: &[u8]) -> Cow<'_, [u8]> {
    match str::from_utf8(password).map(sasl::prepare) {
        Ok(Cow::Owned(prepared)) => Cow::Owned(prepared.into_bytes()),
        _ => Cow::Borrowed(password),
    }
}

/// Random octets.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| Fault::Io("the system gives no random numbers".to_owned()))?;
    Ok(octets)
}

impl Strength {
    fn argon2(self) -> Result<Argon2<'static>, Fault> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, None);
        let params = params.map_err(|_| Fault::Corrupt("argon2 parameters out of range"))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Strength = Strength { memory_kib: 64, passes: 1, lanes: 1 };

    #[test]
    fn a_password_verifies_against_its_own_hash_and_no_other() {
        let phc = hash(b"open sesame", CHEAP).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{phc}");
        assert!(verify(b"open sesame", &phc));
        assert!(!verify(b"open sesame ", &phc));
        assert!(!verify(b"", ""));
        assert_ne!(phc, hash(b"open sesame", CHEAP).unwrap(), "the salt must differ");
    }

    #[test]
    fn a_hash_of_another_strength_is_to_be_made_again() {
        let phc = hash(b"x", CHEAP).unwrap();
        assert!(!needs_rehash(&phc, CHEAP));
        for other in [Strength { memory_kib: 65, ..CHEAP }, Strength { passes: 2, ..CHEAP }] {
            assert!(needs_rehash(&phc, other));
        }
        assert!(needs_rehash("", CHEAP));
    }

    #[test]
    fn the_same_password_typed_on_two_keyboards_is_the_same() {
        let phc = hash("p\u{e4}ss".as_bytes(), CHEAP).unwrap();
        assert!(verify("pa\u{308}ss".as_bytes(), &phc));
        let raw = hash(b"\xff\xfe", CHEAP).unwrap();
        assert!(verify(b"\xff\xfe", &raw));
    }

    #[test]
    fn a_readable_password_is_four_groups_of_four() {
        let password = readable().unwrap();
        assert!(password.split('-').map(str::len).eq([4; 4]), "{password}");
        assert_ne!(password, readable().unwrap());
    }
}
