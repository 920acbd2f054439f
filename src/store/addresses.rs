//! Reading where mail for an address goes.

use super::error::Fault;
use super::filing::{Alias, Filing};
use super::record::decode;
use super::schema::{ACCOUNT, ADDRESS, ALIAS, DOMAIN, FILING};
use super::snapshot::Snapshot;
use crate::mail::{AccountId, other_spelling};
use redb::ReadableTable;
use std::collections::BTreeMap;

impl Snapshot {
    /// What this alias, in lower case, leads to; its domain in either spelling ([`other_spelling`]).
    pub fn alias(&self, address: &str) -> Result<Option<Alias>, Fault> {
        self.guarded(|| {
            let table = self.table(ALIAS)?;
            let found = match (table.get(address)?, other_spelling(address)) {
                (None, Some(other)) => table.get(other.as_str())?,
                (found, _) => found,
            };
            found.map(|record| decode(record.value(), "alias")).transpose()
        })
    }

    /// All aliases, by address.
    pub fn aliases(&self) -> Result<Vec<(String, Alias)>, Fault> {
        self.guarded(|| {
            let mut aliases = Vec::new();
            for row in self.table(ALIAS)?.iter()? {
                let (address, record) = row?;
                aliases.push((address.value().to_owned(), decode(record.value(), "alias")?));
            }
            Ok(aliases)
        })
    }

    /// How an account wants its mail to be treated.
    pub fn filing(&self, account: AccountId) -> Result<Filing, Fault> {
        self.guarded(|| {
            let table = self.table(FILING)?;
            let found = table.get(account.0)?;
            found.map_or(Ok(Filing::default()), |record| decode(record.value(), "filing"))
        })
    }

    /// Whether this domain, in lower case and either spelling, is ours: it was added, or an account or an alias is in it.
    pub fn has_domain(&self, domain: &str) -> Result<bool, Fault> {
        let other = other_spelling(domain);
        let is_in = |address: &str| {
            let own = address.rsplit_once('@').map(|(_, own)| own);
            own.is_some_and(|own| own == domain || Some(own) == other.as_deref())
        };
        self.guarded(|| {
            for domain in std::iter::once(domain).chain(other.as_deref()) {
                if self.table(DOMAIN)?.get(domain)?.is_some() {
                    return Ok(true);
                }
            }
            for row in self.table(ADDRESS)?.iter()? {
                if is_in(row?.0.value()) {
                    return Ok(true);
                }
            }
            for row in self.table(ALIAS)?.iter()? {
                if is_in(row?.0.value()) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// All domains that are ours, by name, and whether each was added by itself.
    pub fn domains(&self) -> Result<BTreeMap<String, bool>, Fault> {
        self.guarded(|| {
            let mut domains = BTreeMap::new();
            let mut note = |address: &str| {
                if let Some((_, domain)) = address.rsplit_once('@') {
                    domains.entry(domain.to_owned()).or_insert(false);
                }
            };
            for row in self.table(ADDRESS)?.iter()? {
                note(row?.0.value());
            }
            for row in self.table(ALIAS)?.iter()? {
                note(row?.0.value());
            }
            for row in self.table(DOMAIN)?.iter()? {
                domains.insert(row?.0.value().to_owned(), true);
            }
            Ok(domains)
        })
    }

    /// The account that was made first of those that are there.
    pub fn oldest_account(&self) -> Result<Option<AccountId>, Fault> {
        self.guarded(|| {
            let first = self.table(ACCOUNT)?.first()?.map(|(id, _)| AccountId(id.value()));
            Ok(first)
        })
    }
}
