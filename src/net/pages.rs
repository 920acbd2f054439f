//! Browsers: they are let in here like all others; what they are answered is another room's to know.

use super::serve::House;
use super::stream::Stream;
use crate::mail::limits;
use crate::sys::ledger::{Lease, STRANGERS};
use smol::future::FutureExt;
use smol::io::{AsyncRead, AsyncWrite};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

/// A connection to a browser.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// What answers browsers.
pub trait Pages: Send + Sync {
    /// Serves a connection to its end.
    fn answer(
        &self,
        socket: Box<dyn Socket>,
        from: IpAddr,
        tls: bool,
    ) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;
}

/// Serves one connection: to its end, or to the server's.
pub(super) async fn visit(house: Arc<House>, mut stream: Stream, peer: SocketAddr, tls: bool) {
    let Some(pages) = &house.pages else { return };
    let mut lease = Lease::of(&STRANGERS);
    if !lease.hold(limits::RESTING + limits::PAGE + if tls { limits::RESTING_TLS } else { 0 }) {
        STRANGERS.press();
        log::debug!("http {peer}: too much is going on");
        return;
    }
    let stop = house.stop.listen();
    if house.is_stopping() {
        return;
    }
    let served = async {
        if tls {
            stream.encrypt(&house.identity.acceptor()).await?;
        }
        pages.answer(Box::new(stream.into_socket()), peer.ip(), tls).await
    };
    let stop = async {
        stop.await;
        Ok(())
    };
    if let Err(error) = served.or(stop).await {
        log::debug!("http {peer}: {error}");
    }
}
