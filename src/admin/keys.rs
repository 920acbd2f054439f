//! The keys that a domain's mail is signed with: made when they are needed first, and kept in the store.

use super::action::Reply;
use crate::store::{Snapshot, Space, Store, Write};
use crate::verdict::{Algorithm, Key};
use serde::{Deserialize, Serialize};

pub use super::action::Failure;

/// A key, and what is to be published of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLine {
    /// Its name among the domain's.
    pub selector: String,
    /// As in signatures.
    pub algorithm: String,
    /// The name of the TXT record.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A key for those who know nothing newer, and one for the others.
const MADE: [(Algorithm, &str); 2] = [(Algorithm::Rsa, "pillarbox"), (Algorithm::Ed25519, "pillarbox-ed")];
/// Keys of a domain: two are made, others may have been brought along.
const KEYS: usize = 16;

/// The keys of a domain; those that are made here and are missing are made, which takes its time.
pub fn ensure(store: &Store, domain: &str) -> Result<Vec<Key>, Failure> {
    let domain = domain.to_ascii_lowercase();
    let mut keys = kept(&store.snapshot()?, &domain)?;
    for (algorithm, selector) in MADE {
        if keys.iter().any(|key| key.selector() == selector) {
            continue;
        }
        let key = Key::generate(algorithm, &domain, selector).map_err(|error| Failure::Refused(error.to_string()))?;
        let (name, value) = (format!("{domain}/{selector}").into_bytes(), Some(key.pkcs8().to_vec()));
        store.write_blocking(Write::Keep { space: Space::Dkim, key: name, value })?;
        log::info!("a key to sign mail of {domain} was made: `pillarbox domain dns {domain}` shows what to publish");
        keys.push(key);
    }
    Ok(keys)
}

fn kept(snapshot: &Snapshot, domain: &str) -> Result<Vec<Key>, Failure> {
    let below = format!("{domain}/");
    let mut keys = Vec::new();
    for (name, value) in snapshot.all_kept(Space::Dkim, below.as_bytes(), KEYS)? {
        let name = String::from_utf8_lossy(&name).into_owned();
        let selector = name.strip_prefix(&below).unwrap_or_default();
        let key = Key::from_pkcs8(domain, selector, &value);
        keys.push(key.map_err(|error| Failure::Fault(format!("the key {selector} of {domain}: {error}")))?);
    }
    Ok(keys)
}

pub(super) fn list(store: &Store, domain: &str) -> Result<Reply, Failure> {
    if !domain.contains('.') {
        return Err(Failure::Refused(format!("{domain:?} is no domain that others can look up")));
    }
    let domain = domain.trim_end_matches('.').to_lowercase();
    if !store.snapshot()?.has_domain(&domain)? {
        return Err(Failure::Refused(format!("{domain} is not ours: `pillarbox domain add {domain}` makes it so")));
    }
    let keys = ensure(store, &domain)?;
    let line = |key: &Key| {
        let record = key.dns_record();
        KeyLine {
            selector: key.selector().to_owned(),
            algorithm: key.algorithm().name().to_owned(),
            name: record.name,
            text: record.text,
        }
    };
    Ok(Reply::Keys(keys.iter().map(line).collect()))
}
