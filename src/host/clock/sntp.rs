//! One question for the time (RFC 5905 §14).

use super::plan::Kiss;
use sntpc::{Error, KissOfDeathCode, NtpContext, NtpUdpSocket, StdTimestampGen};
use std::future::{Future, ready};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// How long a server has.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server wants to be left alone.
    Kiss(Kiss),
    Other(String),
}

/// A socket that talks with one server.
struct Socket(UdpSocket);

impl NtpUdpSocket for Socket {
    fn send_to(&self, octets: &[u8], _: SocketAddr) -> impl Future<Output = sntpc::Result<usize>> {
        ready(self.0.send(octets).map_err(|_| Error::Network))
    }

    fn recv_from(&self, octets: &mut [u8]) -> impl Future<Output = sntpc::Result<(usize, SocketAddr)>> {
        let heard = self.0.recv(octets).and_then(|length| Ok((length, self.0.peer_addr()?)));
        ready(heard.map_err(|_| Error::Network))
    }
}

/// Microseconds that our clock is behind the server's.
pub(super) fn ask(server: SocketAddr) -> Result<i64, Failure> {
    let other = |error: std::io::Error| Failure::Other(error.to_string());
    let any: std::net::IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).map_err(other)?;
    // Only this server is heard then.
    socket.connect(server).map_err(other)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(other)?;
    let server = socket.peer_addr().map_err(other)?;
    let told = sntpc::sync::get_time(server, &Socket(socket), NtpContext::new(StdTimestampGen::default()));
    match told {
        Ok(told) => Ok(told.offset()),
        Err(Error::KissOfDeath(KissOfDeathCode::Deny | KissOfDeathCode::Rstr)) => Err(Failure::Kiss(Kiss::Denied)),
        Err(Error::KissOfDeath(_)) => Err(Failure::Kiss(Kiss::TooOften)),
        Err(error) => Err(Failure::Other(format!("{error:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    /// A server that answers once, so many seconds ahead, with this stratum and this reference.
    fn server(ahead: u64, stratum: u8, reference: [u8; 4]) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut question = [0; 48];
            let (_, client) = socket.recv_from(&mut question).unwrap();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(ahead);
            let seconds = u32::try_from((now.as_secs() + 2_208_988_800) & 0xffff_ffff).unwrap();
            let fraction = u32::try_from((u64::from(now.subsec_nanos()) << 32) / 1_000_000_000).unwrap();
            let stamp = [seconds.to_be_bytes(), fraction.to_be_bytes()].concat();
            let mut answer = vec![0x24, stratum, 4, 0xec, 0, 0, 0, 0, 0, 0, 0, 0];
            answer.extend(reference);
            answer.extend(&stamp);
            answer.extend(&question[40..]);
            answer.extend(&stamp);
            answer.extend(&stamp);
            socket.send_to(&answer, client).unwrap();
        });
        address
    }

    #[test]
    fn the_difference_to_a_servers_time_is_found() {
        let offset = ask(server(1000, 2, [127, 0, 0, 1])).unwrap();
        assert!((offset - 1_000_000_000).abs() < 1_000_000, "{offset}");
    }

    #[test]
    fn a_server_that_wants_to_be_left_alone_is_understood() {
        assert_eq!(ask(server(0, 0, *b"DENY")), Err(Failure::Kiss(Kiss::Denied)));
        assert_eq!(ask(server(0, 0, *b"RATE")), Err(Failure::Kiss(Kiss::TooOften)));
    }

    #[test]
    fn a_server_that_does_not_know_the_time_itself_is_not_believed() {
        assert!(matches!(ask(server(0, 16, [0; 4])), Err(Failure::Other(_))));
    }
}
