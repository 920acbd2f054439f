//! The network.

#![allow(dead_code, clippy::unused_self, clippy::unnecessary_wraps)]

use super::settings::NetworkSettings;
use std::net::IpAddr;

#[derive(Clone, Debug)]
pub(super) struct Network;

#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    pub(super) addresses: Vec<IpAddr>,
}

impl Network {
    pub(super) fn start(_: &str, settings: &NetworkSettings) -> Network {
        log::info!("network: {settings:?}");
        Network
    }

    pub(super) fn status(&self) -> Status {
        Status::default()
    }

    pub(super) fn release(&self) {}
}
