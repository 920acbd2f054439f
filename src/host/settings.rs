//! The owner's settings on the FAT partition.

#![allow(dead_code, clippy::unused_self, clippy::unnecessary_wraps)]

use super::network::NetworkSettings;
use std::path::Path;

#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) name: Option<String>,
    pub(super) time_servers: Vec<String>,
    pub(super) network: NetworkSettings,
    pub(super) update_keys: Vec<String>,
    pub(super) accounts: Vec<Seed>,
    pub(super) complaints: Vec<String>,
}

/// An account to make.
#[derive(Clone, Debug)]
pub struct Seed {
    /// Who.
    pub user: String,
    /// Her password's hash.
    pub hash: String,
}

impl Settings {
    pub(super) fn read(_: &Path) -> Settings {
        Settings::default()
    }

    pub(super) fn hand_over(&self, _: &Path, _: u32, _: impl Fn(&str) -> Result<(), String>) -> Result<(), String> {
        Ok(())
    }
}
