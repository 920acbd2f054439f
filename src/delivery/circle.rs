//! Whether an alias that is to be made would lead anywhere.

use super::address::Parts;
use crate::store::{Fault, Snapshot};
use std::collections::HashSet;
use std::fmt;

/// An alias that would lead nowhere; the text is for who wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeadsNowhere {
    /// Nobody here has this address, which is in one of our domains.
    Nobody(String),
    /// The addresses lead from one to the next, and back to the first.
    Circle(Vec<String>),
}

/// Looks at where an alias of this address, as it is kept, would lead by these targets.
pub fn check_alias(snapshot: &Snapshot, alias: &str, targets: &[String]) -> Result<Option<LeadsNowhere>, Fault> {
    for target in targets {
        if !is_somebody(snapshot, alias, target)? {
            return Ok(Some(LeadsNowhere::Nobody(target.clone())));
        }
        let mut seen = HashSet::new();
        let mut open = vec![vec![target.clone()]];
        while let Some(way) = open.pop() {
            let Some(address) = way.last() else { continue };
            let Some(next) = alias_of(snapshot, alias, address)? else { continue };
            if next == alias {
                let mut circle = vec![alias.to_owned()];
                circle.extend(way.into_iter().filter(|step| step != alias));
                circle.push(alias.to_owned());
                return Ok(Some(LeadsNowhere::Circle(circle)));
            }
            if seen.insert(next.clone()) {
                let further = snapshot.alias(&next)?.map_or_else(Vec::new, |found| found.targets);
                open.extend(further.into_iter().map(|target| [way.clone(), vec![target]].concat()));
            }
        }
    }
    Ok(None)
}

/// What an address may be known by here, the first of which that is there counts.
fn names(address: &str) -> Vec<String> {
    let parts = Parts::of(address);
    let base = parts.base.as_ref().map(|base| parts.with(base));
    let rest = parts.domain.as_ref().map(|domain| format!("@{domain}"));
    [Some(parts.whole()), base, rest].into_iter().flatten().collect()
}

/// The alias that an address is, once there is this new one; `None`: it is an account, or elsewhere, or nobody.
fn alias_of(snapshot: &Snapshot, new: &str, address: &str) -> Result<Option<String>, Fault> {
    for name in names(address) {
        if snapshot.account_of(&name)?.is_some() {
            return Ok(None);
        }
        if name == new || snapshot.alias(&name)?.is_some() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Whether an address is elsewhere, or somebody's here once there is this new alias.
fn is_somebody(snapshot: &Snapshot, new: &str, address: &str) -> Result<bool, Fault> {
    let parts = Parts::of(address);
    let ours = match &parts.domain {
        Some(domain) => snapshot.has_domain(domain)?,
        None => true,
    };
    // RFC 5321 §4.5.1: postmaster is always somebody.
    if !ours || parts.base.as_ref().unwrap_or(&parts.local) == "postmaster" {
        return Ok(true);
    }
    for name in names(address) {
        if name == new || snapshot.account_of(&name)?.is_some() || snapshot.alias(&name)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

impl fmt::Display for LeadsNowhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeadsNowhere::Nobody(address) => write!(f, "there is no account and no alias {address}"),
            LeadsNowhere::Circle(addresses) => {
                write!(f, "this would be a circle, and its mail nobody's: {}", addresses.join(" to "))
            }
        }
    }
}

impl std::error::Error for LeadsNowhere {}
