//! The invariants of aliases, domains and rules.

use super::check::Check;
use super::error::Fault;
use super::filing::{Alias, Domain, Filing};
use super::record::decode;
use super::schema::{ACCOUNT, ADDRESS, ALIAS, DOMAIN, FILING};

impl Check<'_> {
    pub(super) fn addresses(&mut self) -> Result<(), Fault> {
        let addresses = self.snapshot.table(ADDRESS)?;
        self.each(ALIAS, |check, address, record| {
            match decode::<Alias>(record, "alias") {
                Ok(Alias { targets }) if targets.is_empty() => {
                    check.find(format!("alias {address}: leads nowhere"), None);
                }
                Ok(_) => {}
                Err(fault) => check.lose(format!("alias {address}: {fault}")),
            }
            if addresses.get(address)?.is_some() {
                check.find(format!("alias {address}: an account has this address, too"), None);
            }
            if address.to_lowercase() != address || !address.contains('@') {
                check.find(format!("alias {address}: nobody would find it by this name"), None);
            }
            Ok(())
        })?;
        self.each(DOMAIN, |check, domain, record| {
            if let Err(fault) = decode::<Domain>(record, "domain") {
                check.lose(format!("domain {domain}: {fault}"));
            }
            Ok(())
        })?;
        let accounts = self.snapshot.table(ACCOUNT)?;
        self.each(FILING, |check, account, record| {
            if let Err(fault) = decode::<Filing>(record, "filing") {
                check.lose(format!("rules of account {account}: {fault}"));
            }
            if accounts.get(account)?.is_none() {
                check.find(format!("rules of account {account}: it does not exist"), None);
            }
            Ok(())
        })
    }
}
