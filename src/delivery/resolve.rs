//! From an address to everybody that it leads to.

use super::address::Parts;
use super::route::Routing;
use crate::mail::{AccountId, limits};
use crate::store::{Fault, Snapshot};
use std::collections::HashSet;

/// Everybody that an address leads to, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    /// Accounts here, with the detail of the address that led there.
    pub(super) accounts: Vec<(AccountId, Option<String>)>,
    /// Addresses elsewhere that aliases lead to.
    pub(super) outside: Vec<Onwards>,
    /// An alias led back to itself, or to more than there may be.
    pub(super) looped: bool,
    /// The address is in none of our domains.
    pub(super) is_outside: bool,
}

/// An address elsewhere that an alias leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Onwards {
    pub(super) address: String,
    /// The domain of the alias.
    pub(super) domain: String,
}

/// Looks an address up, alias by alias.
pub(super) fn resolve(snapshot: &Snapshot, routing: &Routing, address: &str) -> Result<Reached, Fault> {
    let mut search = Search { snapshot, routing, reached: Reached::default(), seen: HashSet::new() };
    let parts = Parts::of(address);
    let found = search.visit(&parts, parts.detail.as_deref(), 0)?;
    if found == Found::Nobody {
        search.reached.is_outside = !search.is_ours(&parts)?;
    }
    Ok(search.reached)
}

struct Search<'s> {
    snapshot: &'s Snapshot,
    routing: &'s Routing,
    reached: Reached,
    /// Aliases that were looked at.
    seen: HashSet<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Somebody,
    Nobody,
}

impl Search<'_> {
    /// Follows an address. `detail`: of the address that the mail was for.
    fn visit(&mut self, parts: &Parts, detail: Option<&str>, depth: usize) -> Result<Found, Fault> {
        if let Found::Somebody = self.known(&parts.whole(), detail, depth)? {
            return Ok(Found::Somebody);
        }
        if let Some(base) = &parts.base
            && let Found::Somebody = self.known(&parts.with(base), parts.detail.as_deref().or(detail), depth)?
        {
            return Ok(Found::Somebody);
        }
        let rest = parts.domain.as_ref().map(|domain| format!("@{domain}"));
        if let Some(rest) = rest
            && let Found::Somebody = self.known(&rest, detail, depth)?
        {
            return Ok(Found::Somebody);
        }
        // RFC 5321 §4.5.1: somebody reads it, whether or not anybody was named for it.
        let name = parts.base.as_ref().unwrap_or(&parts.local);
        if name == "postmaster" && self.is_ours(parts)? {
            return self.postmaster(parts, detail, depth);
        }
        Ok(Found::Nobody)
    }

    /// The account or the alias of exactly this address.
    fn known(&mut self, address: &str, detail: Option<&str>, depth: usize) -> Result<Found, Fault> {
        if let Some(account) = self.snapshot.account_of(address)? {
            self.reach(account, detail);
            return Ok(Found::Somebody);
        }
        let Some(alias) = self.snapshot.alias(address)? else { return Ok(Found::Nobody) };
        if depth >= limits::ALIAS_DEPTH {
            self.reached.looped = true;
            return Ok(Found::Somebody);
        }
        if !self.seen.insert(address.to_owned()) {
            // Two ways to the same alias are no circle; one that leads to nobody else is found to be one at the end.
            self.reached.looped |= self.reached.is_nobody();
            return Ok(Found::Somebody);
        }
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        for target in &alias.targets {
            if self.reached.accounts.len() + self.reached.outside.len() >= limits::ALIAS_TARGETS {
                self.reached.looped = true;
                break;
            }
            let parts = Parts::of(target);
            if let Found::Nobody = self.visit(&parts, detail, depth + 1)?
                && !self.is_ours(&parts)?
            {
                self.reach_outside(target, domain);
            }
        }
        Ok(Found::Somebody)
    }

    /// Where nobody is named: who is named for another of our domains, or who was first here.
    fn postmaster(&mut self, parts: &Parts, detail: Option<&str>, depth: usize) -> Result<Found, Fault> {
        if parts.domain.is_none() {
            let mut domains = vec![self.routing.name.to_lowercase()];
            domains.extend(self.snapshot.domains()?.into_keys());
            for domain in domains {
                if let Found::Somebody = self.known(&format!("postmaster@{domain}"), detail, depth)? {
                    return Ok(Found::Somebody);
                }
            }
        }
        match self.snapshot.oldest_account()? {
            Some(account) => {
                self.reach(account, detail);
                Ok(Found::Somebody)
            }
            None => Ok(Found::Nobody),
        }
    }

    fn is_ours(&self, parts: &Parts) -> Result<bool, Fault> {
        match &parts.domain {
            Some(domain) => Ok(domain.eq_ignore_ascii_case(&self.routing.name) || self.snapshot.has_domain(domain)?),
            None => Ok(true),
        }
    }

    fn reach(&mut self, account: AccountId, detail: Option<&str>) {
        if self.reached.accounts.iter().all(|(other, _)| *other != account) {
            self.reached.accounts.push((account, detail.map(str::to_owned)));
        }
    }

    fn reach_outside(&mut self, address: &str, domain: &str) {
        if self.reached.outside.iter().all(|other| !other.address.eq_ignore_ascii_case(address)) {
            self.reached.outside.push(Onwards { address: address.to_owned(), domain: domain.to_owned() });
        }
    }
}

impl Reached {
    pub(super) fn is_nobody(&self) -> bool {
        self.accounts.is_empty() && self.outside.is_empty()
    }
}
