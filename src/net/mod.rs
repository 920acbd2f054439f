//! The outside: accept, TLS, timeouts, one loop for all server protocols.

mod tls;

use crate::admin::Gate;
use crate::store::Store;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

pub use tls::{Identity, OwnersFiles, TlsFault};

/// What is served, and where.
pub struct Serving<'a> {
    /// The mail.
    pub store: Arc<Store>,
    /// Who may come in.
    pub gate: Arc<Gate>,
    /// Who we are in TLS.
    pub identity: Arc<Identity>,
    /// The address that we listen on.
    pub bind: IpAddr,
    /// Ports are the standard ones and this.
    pub port_offset: u16,
    /// The data folder.
    pub data: &'a Path,
    /// Our host name.
    pub name: String,
}

#[expect(clippy::needless_pass_by_value, reason = "a stand-in for what will keep it")]
/// Serves until SIGINT or SIGTERM; `ready` runs when all listeners are bound.
pub fn serve(serving: Serving<'_>, ready: impl FnOnce()) -> io::Result<()> {
    let listener = crate::admin::socket::bind(serving.data)?;
    ready();
    smol::block_on(async {
        loop {
            let (stream, _) = listener.accept().await?;
            let (store, gate) = (Arc::clone(&serving.store), Arc::clone(&serving.gate));
            smol::spawn(crate::admin::socket::answer(stream, store, gate)).detach();
        }
    })
}
