//! A connection, in plain text or in TLS, with its timeouts and its octet counts.

use crate::mail::limits;
use async_rustls::TlsAcceptor;
use async_rustls::server::TlsStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smol::Async;
use smol::future::FutureExt;
use smol::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use smol::net::TcpStream;
use smol::net::unix::UnixStream;
use socket2::SockRef;
use std::cell::RefCell;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Octets that are read at once, at most.
pub(super) const READ: usize = 64 << 10;
/// Octets that wait to be sent within TLS: for a stranger, and for others.
const SEALED: [usize; 2] = [8 << 10, 64 << 10];
/// Octets that wait in the kernel beside those that are under way: it would take megabytes for one who reads nothing.
const UNSENT: [u32; 2] = [8 << 10, 256 << 10];
/// How long we listen to one to whom we said good-bye.
const LINGER: Duration = Duration::from_secs(2);
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);

thread_local! {
    // What is read lands here first, so that a connection that waits holds no buffer.
    static LANDING: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// A connection.
#[derive(Debug)]
pub(super) struct Stream {
    kind: Kind,
    /// Octets read and written, without TLS.
    pub(super) read: u64,
    pub(super) written: u64,
}

#[derive(Debug)]
enum Kind {
    Plain(TcpStream),
    Local(UnixStream),
    // Boxed: it is twenty times as large.
    Tls(Box<TlsStream<Metered>>),
    /// Between the two.
    Nothing,
}

impl Stream {
    pub(super) fn plain(stream: TcpStream) -> Stream {
        let [strangers, _] = UNSENT;
        // Without it the kernel's memory is bounded by the kernel's own bounds.
        let _ = SockRef::from(&stream).set_tcp_notsent_lowat(strangers);
        Stream { kind: Kind::Plain(stream), read: 0, written: 0 }
    }

    /// From a socket of this machine that has no addresses.
    pub(super) fn local(stream: UnixStream) -> Stream {
        Stream { kind: Kind::Local(stream), read: 0, written: 0 }
    }

    /// No connection: what stands in while the real one is being written to elsewhere.
    pub(super) fn nowhere() -> Stream {
        Stream { kind: Kind::Nothing, read: 0, written: 0 }
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self.kind, Kind::Tls(_))
    }

    /// Begins TLS.
    pub(super) async fn encrypt(&mut self, acceptor: &TlsAcceptor) -> io::Result<()> {
        let Kind::Plain(stream) = std::mem::replace(&mut self.kind, Kind::Nothing) else {
            return Err(io::ErrorKind::AlreadyExists.into());
        };
        let stream = Metered { stream, left: limits::HANDSHAKE };
        let [strangers, _] = SEALED;
        let handshake = async { acceptor.accept_with(stream, |tls| tls.set_buffer_limit(Some(strangers))).await };
        let mut stream = handshake.or(late(HANDSHAKE)).await?;
        stream.get_mut().0.left = u64::MAX;
        self.kind = Kind::Tls(Box::new(stream));
        Ok(())
    }

    /// Whoever is at the other end is no stranger any more; `wide`: it is one of those for whom much may wait in the kernel.
    pub(super) fn widen(&mut self, wide: bool) {
        let ([_, sealed], [_, unsent]) = (SEALED, UNSENT);
        let unsent = if wide { u32::MAX } else { unsent };
        let socket = match &mut self.kind {
            Kind::Plain(stream) => stream,
            Kind::Tls(stream) => {
                let (socket, tls) = stream.get_mut();
                tls.set_buffer_limit(Some(sealed));
                &mut socket.stream
            }
            Kind::Local(_) | Kind::Nothing => return,
        };
        let _ = SockRef::from(&*socket).set_tcp_notsent_lowat(unsent);
    }

    /// The connection for who reads and writes by other means.
    pub(super) fn into_socket(self) -> impl AsyncRead + AsyncWrite + Send + Unpin + 'static {
        self.kind
    }

    /// Waits for octets, and hands over so many of them at most; 0 is the end. Nothing is lost when the wait is given up.
    pub(super) async fn read(&mut self, most: usize, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        let kind = &mut self.kind;
        let count = std::future::poll_fn(|context| {
            LANDING.with_borrow_mut(|landing| {
                let place = landing.get_mut(..most.min(READ)).unwrap_or_default();
                let poll = Pin::new(&mut *kind).poll_read(context, place);
                if let Poll::Ready(Ok(count)) = poll {
                    take(landing.get(..count).unwrap_or_default());
                }
                poll
            })
        })
        .await?;
        self.read += count as u64;
        Ok(count)
    }

    /// Holds this thread a moment, or until the client says something.
    ///
    /// A wait in the reactor is woken by its thread, and that wakes the one that goes on: two turns of the kernel, which
    /// cost more than most commands. Here the client's octets wake who answers them.
    pub(super) fn listen_for(&self, moment: Duration) {
        let socket = match &self.kind {
            Kind::Plain(stream) => stream.as_fd(),
            Kind::Local(stream) => stream.as_fd(),
            Kind::Tls(stream) => {
                let (socket, tls) = stream.get_ref();
                // What is decrypted already will not be announced again.
                if !tls.wants_read() {
                    return;
                }
                socket.stream.as_fd()
            }
            Kind::Nothing => return,
        };
        let Ok(moment) = Timespec::try_from(moment) else { return };
        // Whatever came of it: the read that follows says more.
        let _ = poll(&mut [PollFd::from_borrowed_fd(socket, PollFlags::IN)], Some(&moment));
    }

    /// Waits until the other end is gone. Octets that wait are left where they are: whoever sent more commands is still
    /// there for their answers, as far as can be seen.
    pub(super) async fn gone(&self) {
        let left = match &self.kind {
            Kind::Plain(stream) => left(stream.clone().into()).await,
            Kind::Local(stream) => left(stream.clone().into()).await,
            Kind::Tls(stream) => {
                let (socket, tls) = stream.get_ref();
                // What is decrypted already is no longer in the socket.
                if tls.wants_read() { left(socket.stream.clone().into()).await } else { Ok(1) }
            }
            Kind::Nothing => Ok(1),
        };
        if !matches!(left, Ok(0) | Err(_)) {
            std::future::pending::<()>().await;
        }
    }

    /// Sends all of it, however long that takes.
    pub(super) async fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.kind.write_all(octets).await?;
        self.kind.flush().await?;
        self.written += octets.len() as u64;
        Ok(())
    }

    /// Says that nothing more comes.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.kind.close().or(late(HANDSHAKE)).await
    }

    /// Hears the client out once nothing more comes from us: closed with octets unread, the connection would be reset,
    /// and our last words might be lost with it (RFC 9112 §9.6 tells of the same).
    pub(super) async fn linger(&mut self) -> io::Result<()> {
        let hearing = async {
            while self.read(READ, |_| ()).await? > 0 {}
            Ok(())
        };
        hearing.or(late(LINGER)).await
    }
}

/// Whether octets wait in a socket, once that can be said: 0 is the end.
async fn left<T: AsFd>(socket: Arc<Async<T>>) -> io::Result<usize> {
    socket.read_with(|socket| SockRef::from(socket).peek(&mut [MaybeUninit::uninit()])).await
}

/// An error after some time.
async fn late<T>(after: Duration) -> io::Result<T> {
    smol::Timer::after(after).await;
    Err(io::ErrorKind::TimedOut.into())
}

/// A connection of which only so many octets are read while a handshake goes on: what is not whole yet is kept for it.
#[derive(Debug)]
struct Metered {
    stream: TcpStream,
    left: u64,
}

impl AsyncRead for Metered {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let Metered { stream, left } = self.get_mut();
        if *left == 0 {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the handshake is too long")));
        }
        let most = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
        let poll = Pin::new(stream).poll_read(context, buffer.get_mut(..most).unwrap_or_default());
        if let (Poll::Ready(Ok(count)), true) = (&poll, *left < u64::MAX) {
            *left -= *count as u64;
        }
        poll
    }
}

impl AsyncWrite for Metered {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(context)
    }
}

impl AsyncRead for Kind {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Kind::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Kind::Local(stream) => Pin::new(stream).poll_read(context, buffer),
            Kind::Tls(stream) => match Pin::new(stream.as_mut()).poll_read(context, buffer) {
                // Without close_notify: nothing was cut off that the protocol would not notice.
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
            Kind::Local(stream) => Pin::new(stream).poll_write(context, octets),
            Kind::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, octets),
            Kind::Nothing => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Kind::Plain(stream) => Pin::new(stream).poll_flush(context),
            Kind::Local(stream) => Pin::new(stream).poll_flush(context),
            Kind::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
            Kind::Nothing => Poll::Ready(Ok(())),
        }
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Kind::Plain(stream) => Pin::new(stream).poll_close(context),
            Kind::Local(stream) => Pin::new(stream).poll_close(context),
            Kind::Tls(stream) => Pin::new(stream.as_mut()).poll_close(context),
            Kind::Nothing => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::future::{block_on, poll_once};
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream as Peer};

    fn pair() -> (Peer, Stream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = Peer::connect(listener.local_addr().unwrap()).unwrap();
        let stream = TcpStream::try_from(listener.accept().unwrap().0).unwrap();
        (peer, Stream::plain(stream))
    }

    fn goes(stream: &Stream) -> bool {
        let waits = async {
            smol::Timer::after(Duration::from_millis(100)).await;
            false
        };
        let gone = async {
            stream.gone().await;
            true
        };
        block_on(gone.or(waits))
    }

    #[test]
    fn who_leaves_is_gone_and_who_said_more_is_not_and_loses_none_of_it() {
        let (peer, stream) = pair();
        assert!(!goes(&stream), "nothing was said");
        drop(peer);
        assert!(goes(&stream));

        let (mut peer, mut stream) = pair();
        peer.write_all(b"more").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert!(!goes(&stream) && !goes(&stream));
        let mut heard = Vec::new();
        block_on(stream.read(READ, |octets| heard.extend_from_slice(octets))).unwrap();
        assert_eq!(heard, b"more");
        assert!(goes(&stream), "with nothing more to answer");
        assert!(block_on(poll_once(Stream::nowhere().gone())).is_none());
    }
}
