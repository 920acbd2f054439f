//! Who set the box up, for the page that they are led to: the form's answer is a page of its own, so that it can be loaded
//! again and come back to.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;

/// How long the page is there.
const LASTS: Duration = Duration::from_mins(15);
/// Octets of what names it: nobody else finds it.
const TOKEN: usize = 16;

/// The last one who set the box up: there is never more than one first account.
#[derive(Default)]
pub(super) struct Welcomes(Mutex<Option<Welcome>>);

struct Welcome {
    token: String,
    address: String,
    since: Instant,
}

impl Welcomes {
    /// Remembers an address; by what it is found again. `None`: the system gives no random numbers.
    pub(super) fn add(&self, address: String, now: Instant) -> Option<String> {
        let mut octets = [0_u8; TOKEN];
        SystemRandom::new().fill(&mut octets).ok()?;
        let token = URL_SAFE_NO_PAD.encode(octets);
        let welcome = Welcome { token: token.clone(), address, since: now };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(welcome);
        Some(token)
    }

    /// The address that is found by this.
    pub(super) fn find(&self, token: &str, now: Instant) -> Option<String> {
        let welcome = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = welcome.as_ref().filter(|welcome| now.saturating_duration_since(welcome.since) < LASTS)?;
        bool::from(found.token.as_bytes().ct_eq(token.as_bytes())).then(|| found.address.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_welcome_is_found_by_its_own_token_and_for_a_while() {
        let (welcomes, now) = (Welcomes::default(), Instant::now());
        assert_eq!(welcomes.find("", now), None);
        let token = welcomes.add("a@b".to_owned(), now).unwrap();
        let soon = now + Duration::from_mins(14);
        assert_eq!(welcomes.find(&token, soon).as_deref(), Some("a@b"));
        for other in ["", "0", &token[1..], &format!("{token}0")] {
            assert_eq!(welcomes.find(other, soon), None, "{other}");
        }
        assert_eq!(welcomes.find(&token, now + LASTS), None);
    }
}
