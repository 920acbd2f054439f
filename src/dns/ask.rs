//! Asking one server: over UDP, and over TCP for what does not fit (RFC 1035 §4.2, RFC 7766).

use super::message::{Question, Said};
use smol::future::or;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpStream, UdpSocket};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Datagrams that are looked at for one question: most that are none of ours are somebody's guesses.
const DATAGRAMS: usize = 100;
/// Octets of one that is heard: some servers send more than what they were told that fits.
const DATAGRAM: usize = 4096;

/// Asks a server, for so long over each way.
pub(super) async fn ask(question: &Question, server: SocketAddr, patience: Duration) -> io::Result<Said> {
    let mut said = over_udp(question, server, patience).await?;
    if said == Said::Unextended {
        said = over_udp(&question.unextended(), server, patience).await?;
    }
    if said == Said::Truncated {
        said = within(patience, over_tcp(question, server)).await?;
    }
    Ok(said)
}

async fn over_udp(question: &Question, server: SocketAddr, patience: Duration) -> io::Result<Said> {
    let octets = encode(question)?;
    // Each time another port, of the kernel's choice: together with the question's number, more than one can guess.
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(&octets).await?;
    within(patience, async {
        for _ in 0..DATAGRAMS {
            let mut octets = vec![0; DATAGRAM];
            let length = socket.recv(&mut octets).await?;
            if let Some(said) = question.answer(octets.get(..length).unwrap_or_default()) {
                return Ok(said);
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    })
    .await
}

async fn over_tcp(question: &Question, server: SocketAddr) -> io::Result<Said> {
    let octets = encode(question)?;
    let length = u16::try_from(octets.len()).map_err(io::Error::other)?;
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(&[&length.to_be_bytes()[..], &octets].concat()).await?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).await?;
    let mut octets = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut octets).await?;
    match question.answer(&octets) {
        None | Some(Said::Truncated) => Err(io::ErrorKind::InvalidData.into()),
        Some(said) => Ok(said),
    }
}

fn encode(question: &Question) -> io::Result<Vec<u8>> {
    question.encode().ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

async fn within<T>(patience: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    or(work, async {
        smol::Timer::after(patience).await;
        Err(io::ErrorKind::TimedOut.into())
    })
    .await
}
