//! How a server is reached: its addresses side by side, TLS from the first octet or later, no step without an end.

use super::names::{self, NoAddress, Places};
use super::trust::Configs;
use crate::admin::Trust;
use async_rustls::TlsConnector;
use async_rustls::client::TlsStream;
use async_rustls::pki_types::ServerName;
use smol::future::FutureExt;
use smol::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use smol::net::TcpStream;
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long we wait for an address before the next one is tried beside it (RFC 8305 §8).
const BESIDE: Duration = Duration::from_millis(250);
/// How long a host may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(30);
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// Octets that are read at once.
const READ: usize = 16 << 10;

thread_local! {
    // What is read lands here first, so that a connection that waits holds no buffer.
    static LANDING: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// Reaches servers.
pub struct Connector {
    places: Arc<dyn Places>,
    configs: Configs,
}

/// A server that is to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name, or its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS from the first octet.
    pub tls: bool,
    /// What its certificate must be, in TLS from the first octet or later.
    pub trust: Trust,
}

/// A connection that we made, in plain text or in TLS.
pub struct Connection {
    kind: Kind,
    peer: SocketAddr,
}

enum Kind {
    Plain(TcpStream),
    // Boxed: it is twenty times as large.
    Tls(Box<TlsStream<TcpStream>>),
    /// Between the two.
    Nothing,
}

impl Connector {
    /// `places`: who is asked for what is neither an address nor in `/etc/hosts`.
    #[must_use]
    pub fn new(places: Arc<dyn Places>) -> Connector {
        Connector { places, configs: Configs::default() }
    }

    /// Connects. A name that does not exist is told as [`io::ErrorKind::NotFound`], one that cannot be looked up just
    /// now as [`io::ErrorKind::HostUnreachable`].
    pub async fn connect(&self, target: &Target) -> io::Result<Connection> {
        let addresses = names::addresses(&*self.places, &target.host).await.map_err(|none| match none {
            NoAddress::Never(why) => io::Error::new(io::ErrorKind::NotFound, why),
            NoAddress::Now(why) => io::Error::new(io::ErrorKind::HostUnreachable, why),
        })?;
        let stream = race(addresses, target.port).await?;
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr()?;
        let mut connection = Connection { kind: Kind::Plain(stream), peer };
        if target.tls {
            self.encrypt(&mut connection, target).await?;
        }
        Ok(connection)
    }

    /// Begins TLS on a connection to this server. What came in plain text and was not read as an answer yet must be
    /// thrown away by the caller: it may be anybody's (RFC 3207 §6).
    pub async fn encrypt(&self, connection: &mut Connection, target: &Target) -> io::Result<()> {
        let config = self.configs.of(&target.trust)?;
        let Kind::Plain(stream) = std::mem::replace(&mut connection.kind, Kind::Nothing) else {
            return Err(io::ErrorKind::AlreadyExists.into());
        };
        let host = target.host.trim_matches(['[', ']']).trim_end_matches('.');
        let name = match host.parse::<IpAddr>() {
            Ok(address) => ServerName::from(address),
            Err(_) => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
        };
        let handshake = async { TlsConnector::from(config).connect(name, stream).await };
        connection.kind = Kind::Tls(Box::new(within(HANDSHAKE, handshake).await?));
        Ok(())
    }
}

impl Connection {
    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Who we are at this end.
    pub fn local(&self) -> io::Result<SocketAddr> {
        match &self.kind {
            Kind::Plain(stream) => stream.local_addr(),
            Kind::Tls(stream) => stream.get_ref().0.local_addr(),
            Kind::Nothing => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Whether it is in TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.kind, Kind::Tls(_))
    }

    /// Puts what comes next to the end of `into`, some KiB at most; 0 is the end.
    pub async fn read(&mut self, into: &mut Vec<u8>, patience: Duration) -> io::Result<usize> {
        let kind = &mut self.kind;
        let reading = std::future::poll_fn(|context| {
            LANDING.with_borrow_mut(|landing| {
                let poll = Pin::new(&mut *kind).poll_read(context, landing);
                if let Poll::Ready(Ok(count)) = poll {
                    into.extend_from_slice(landing.get(..count).unwrap_or_default());
                }
                poll
            })
        });
        within(patience, reading).await
    }

    /// Sends all of it.
    pub async fn send(&mut self, octets: &[u8], patience: Duration) -> io::Result<()> {
        let sending = async {
            self.kind.write_all(octets).await?;
            self.kind.flush().await
        };
        within(patience, sending).await
    }

    /// Says that nothing more comes. One who is gone already need not be told.
    pub async fn close(mut self) {
        let _ = within(FAREWELL, self.kind.close()).await;
    }
}

/// What takes longer ends with an error.
pub(super) async fn within<T>(patience: Duration, doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = async {
        smol::Timer::after(patience).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    doing.or(late).await
}

/// Connects to the address that answers first; each has a moment's start before the next one. The error is that of the
/// last one.
async fn race(addresses: Vec<IpAddr>, port: u16) -> io::Result<TcpStream> {
    type Attempt = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;
    let mut waiting = addresses.into_iter();
    let mut running: Vec<Attempt> = Vec::new();
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    loop {
        let begun = waiting.next();
        let more = waiting.len() > 0;
        if let Some(address) = begun {
            let address = SocketAddr::new(address, port);
            running.push(Box::pin(async move {
                within(CONNECT, TcpStream::connect(address))
                    .await
                    .map_err(|error| io::Error::new(error.kind(), format!("{address} cannot be reached: {error}")))
            }));
        } else if running.is_empty() {
            return Err(failure);
        }
        let first = std::future::poll_fn(|context| {
            let (mut won, mut lost) = (None, None);
            running.retain_mut(|attempt| match attempt.as_mut().poll(context) {
                _ if won.is_some() => true,
                Poll::Pending => true,
                Poll::Ready(Ok(stream)) => {
                    won = Some(stream);
                    false
                }
                Poll::Ready(Err(error)) => {
                    lost = Some(error);
                    false
                }
            });
            match (won, lost) {
                (Some(stream), _) => Poll::Ready(Some(Ok(stream))),
                (None, Some(error)) => Poll::Ready(Some(Err(error))),
                (None, None) => Poll::Pending,
            }
        });
        let turn = async {
            if !more {
                return std::future::pending().await;
            }
            smol::Timer::after(BESIDE).await;
            None
        };
        match first.or(turn).await {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failure = error,
            None => {}
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().kind).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().kind).poll_write(context, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().kind).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().kind).poll_close(context)
    }
}

impl AsyncRead for Kind {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Kind::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Kind::Tls(stream) => match Pin::new(stream.as_mut()).poll_read(context, buffer) {
                // Without close_notify: what was cut off, the protocol notices.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(0)),
                poll => poll,
            },
            Kind::Nothing => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Kind {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Kind::Plain(stream) => Pin::new(stream).poll_write(context, octets),
            Kind::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, octets),
            Kind::Nothing => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Kind::Plain(stream) => Pin::new(stream).poll_flush(context),
            Kind::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
            Kind::Nothing => Poll::Ready(Ok(())),
        }
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Kind::Plain(stream) => Pin::new(stream).poll_close(context),
            Kind::Tls(stream) => Pin::new(stream.as_mut()).poll_close(context),
            Kind::Nothing => Poll::Ready(Ok(())),
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).field("tls", &self.is_tls()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
