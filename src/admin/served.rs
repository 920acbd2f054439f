//! Where the server is found, as it was at its last start: for commands that tell others of it.

use crate::store::{Fault, Snapshot, Space, Store, StoreError, Write};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Where the server is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// The address that it listens on.
    pub bind: IpAddr,
    /// Ports are the standard ones and this.
    pub port_offset: u16,
}

/// Remembers it.
pub fn remember(store: &Store, served: Served) -> Result<(), StoreError> {
    if find(&store.snapshot()?)? == Some(served) {
        return Ok(());
    }
    let value = serde_json::to_vec(&served).ok();
    store.write_blocking(Write::Keep { space: Space::Served, key: Vec::new(), value }).map(drop)
}

/// What was remembered.
pub(super) fn find(snapshot: &Snapshot) -> Result<Option<Served>, Fault> {
    let kept = snapshot.kept(Space::Served, b"")?;
    Ok(kept.and_then(|kept| serde_json::from_slice(&kept).ok()))
}
