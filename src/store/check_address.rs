//! The invariants of aliases, domains and rules.

use super::check::Check;
use super::error::Fault;
use super::filing::{Alias, Domain, Filing};
use super::record::decode;
use super::schema::{ACCOUNT, ADDRESS, ALIAS, DOMAIN, FILING};
use redb::ReadableTable;

impl Check<'_> {
    pub(super) fn addresses(&mut self) -> Result<(), Fault> {
        let addresses = self.snapshot.table(ADDRESS)?;
        for row in self.snapshot.table(ALIAS)?.iter()? {
            let (address, record) = row?;
            let address = address.value();
            match decode::<Alias>(record.value(), "alias") {
                Ok(Alias { targets }) if targets.is_empty() => {
                    self.find(format!("alias {address}: leads nowhere"), None);
                }
                Ok(_) => {}
                Err(fault) => self.find(format!("alias {address}: {fault}"), None),
            }
            if addresses.get(address)?.is_some() {
                self.find(format!("alias {address}: an account has this address, too"), None);
            }
            if address.to_lowercase() != address || !address.contains('@') {
                self.find(format!("alias {address}: nobody would find it by this name"), None);
            }
        }
        for row in self.snapshot.table(DOMAIN)?.iter()? {
            let (domain, record) = row?;
            if let Err(fault) = decode::<Domain>(record.value(), "domain") {
                self.find(format!("domain {}: {fault}", domain.value()), None);
            }
        }
        let accounts = self.snapshot.table(ACCOUNT)?;
        for row in self.snapshot.table(FILING)?.iter()? {
            let (account, record) = row?;
            if let Err(fault) = decode::<Filing>(record.value(), "filing") {
                self.find(format!("rules of account {}: {fault}", account.value()), None);
            }
            if accounts.get(account.value())?.is_none() {
                self.find(format!("rules of account {}: it does not exist", account.value()), None);
            }
        }
        Ok(())
    }
}
