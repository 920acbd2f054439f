//! Looking names up: the servers are asked over UDP, and over TCP for what does not fit (RFC 1035 §4.2, RFC 7766).
//!
//! The C library's own resolver is of no use: a static program would need its shared objects.

use super::answer::{Answer, Question};
use super::lock;
use hickory_proto::rr::RecordType;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Where names are asked for.
const PORT: u16 = 53;
/// Rounds over all servers.
const ROUNDS: u32 = 2;
/// Servers that are asked.
const SERVERS: usize = 4;
/// How long a server has in the first round; twice as long in the second.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long the addresses of one kind are waited for when those of the other have come.
const OTHER_KIND: Duration = Duration::from_millis(500);
/// Names that are kept, and the seconds that they are kept for at least and at most.
const KEPT: usize = 64;
const SHORTEST: u32 = 5;
const LONGEST: u32 = 3600;
/// Octets of an answer over UDP.
const DATAGRAM: usize = 4096;

/// The names that were looked up lately.
#[derive(Debug, Default)]
pub(super) struct Names {
    kept: Mutex<BTreeMap<String, Kept>>,
}

#[derive(Clone, Debug)]
struct Kept {
    addresses: Vec<IpAddr>,
    until: Instant,
}

impl Names {
    /// The addresses of a name, from these servers; a name that is one word is one of this domain.
    pub(super) fn resolve(&self, name: &str, servers: &[IpAddr], domain: Option<&str>) -> io::Result<Vec<IpAddr>> {
        if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(vec![address]);
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name == "localhost" {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let last = name.rsplit('.').next().unwrap_or_default();
        // RFC 6762 §22.1: no server knows these. Numbers are addresses that are spelled wrong.
        if name.is_empty() || last == "local" || last.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(absent(&name));
        }
        let name = match domain {
            Some(domain) if !name.contains('.') => format!("{name}.{domain}"),
            _ => name,
        };
        let now = Instant::now();
        if let Some(kept) = lock(&self.kept).get(&name).filter(|kept| kept.until > now) {
            return Ok(kept.addresses.clone());
        }
        let (addresses, seconds) = look_up(&name, servers, PORT)?;
        self.keep(name, addresses.clone(), seconds, now);
        Ok(addresses)
    }

    fn keep(&self, name: String, addresses: Vec<IpAddr>, seconds: u32, now: Instant) {
        let until = now + Duration::from_secs(seconds.clamp(SHORTEST, LONGEST).into());
        let mut kept = lock(&self.kept);
        kept.retain(|_, kept| kept.until > now);
        if kept.len() >= KEPT
            && let Some(next) = kept.iter().min_by_key(|(_, kept)| kept.until).map(|(name, _)| name.clone())
        {
            kept.remove(&next);
        }
        kept.insert(name, Kept { addresses, until });
    }
}

fn absent(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no {name}"))
}

/// Asks one server after the other. What one of them says about a name is believed; what it cannot say, the next may.
fn look_up(name: &str, servers: &[IpAddr], port: u16) -> io::Result<(Vec<IpAddr>, u32)> {
    if servers.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotConnected, "no server for names is known yet"));
    }
    let mut last = io::Error::new(io::ErrorKind::TimedOut, format!("no server told the addresses of {name}"));
    for round in 1..=ROUNDS {
        for server in servers.iter().take(SERVERS) {
            let server = SocketAddr::new(*server, port);
            match ask(name, server, PATIENCE * round) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => return Err(absent(name)),
                Err(error) => last = io::Error::new(error.kind(), format!("{name} by {server}: {error}")),
            }
        }
    }
    Err(last)
}

/// Asks one server for the addresses of both kinds; `None` where there are none.
fn ask(name: &str, server: SocketAddr, patience: Duration) -> io::Result<Option<(Vec<IpAddr>, u32)>> {
    let kinds = [RecordType::A, RecordType::AAAA];
    let questions = kinds.map(|kind| Question::new(name, kind));
    let [Some(first), Some(second)] = questions else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name")));
    };
    // Each time another port: together with the question's number, more than one can guess.
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    let mut open = vec![first, second];
    for question in &open {
        socket.send(&question.encode().unwrap_or_default())?;
    }
    let (mut addresses, mut seconds, mut is_known, mut is_failed) = (Vec::new(), u32::MAX, false, false);
    let mut end = Instant::now() + patience;
    while !open.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left))?;
        let mut octets = [0; DATAGRAM];
        let length = match socket.recv(&mut octets) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => continue,
            Err(error) => return Err(error),
        };
        let octets = octets.get(..length).unwrap_or_default();
        let heard = open.iter().enumerate().find_map(|(at, question)| Some((at, question.answer(octets)?)));
        let Some((at, mut answer)) = heard else { continue };
        let question = open.swap_remove(at);
        if answer == Answer::Truncated {
            answer = ask_over_tcp(&question, server, patience).unwrap_or(Answer::Failed);
        }
        match answer {
            Answer::Addresses(found, ttl) => {
                if !found.is_empty() {
                    seconds = seconds.min(ttl);
                    end = end.min(Instant::now() + OTHER_KIND);
                }
                is_known = true;
                addresses.extend(found);
            }
            Answer::Absent => return Ok(None),
            Answer::Truncated | Answer::Failed => is_failed = true,
        }
    }
    match (addresses.is_empty(), is_known && !is_failed && open.is_empty()) {
        (false, _) => Ok(Some((addresses, seconds))),
        (true, true) => Ok(None),
        (true, false) if is_failed => Err(io::Error::other("it cannot tell")),
        (true, false) => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn ask_over_tcp(question: &Question, server: SocketAddr, patience: Duration) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let octets = question.encode().unwrap_or_default();
    let length = u16::try_from(octets.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], &octets].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut octets = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut octets)?;
    question.answer(&octets).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_of_this_machine_are_not_asked_for() {
        let names = Names::default();
        let found = |name| names.resolve(name, &[], None);
        assert_eq!(found("192.168.1.5").unwrap(), ["192.168.1.5".parse::<IpAddr>().unwrap()]);
        assert_eq!(found("[2001:db8::1]").unwrap(), ["2001:db8::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(found("LocalHost.").unwrap().len(), 2);
        for name in ["printer.local", "", ".", "1.2.3"] {
            assert_eq!(found(name).unwrap_err().kind(), io::ErrorKind::NotFound, "{name:?}");
        }
        assert_eq!(found("example.org").unwrap_err().kind(), io::ErrorKind::NotConnected);
    }

    #[test]
    fn what_is_kept_ends_with_its_time_and_is_bounded() {
        let (names, now) = (Names::default(), Instant::now());
        let address = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
        for number in 0..200 {
            names.keep(format!("{number}.example.org"), address.clone(), 100 + number, now);
        }
        assert_eq!(lock(&names.kept).len(), KEPT);
        assert_eq!(names.resolve("199.example.org", &[], None).unwrap(), address);
        names.keep("last.example.org".to_owned(), address, 0, now + Duration::from_mins(10));
        assert_eq!(lock(&names.kept).len(), 1);
    }

    /// A server that has no room for its answer over UDP, and tells it over TCP. What it answers with is made of the
    /// question: one address of the loopback network.
    fn server(is_failing: bool) -> u16 {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        let udp = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, client)) = udp.recv_from(&mut question) {
                let mut answer = question[..length].to_vec();
                // A response, and either cut off or one that says SERVFAIL.
                answer[2] |= if is_failing { 0x80 } else { 0x82 };
                answer[3] |= if is_failing { 2 } else { 0 };
                udp.send_to(&answer, client).unwrap();
            }
        });
        std::thread::spawn(move || {
            for stream in tcp.incoming() {
                let mut stream = stream.unwrap();
                let mut length = [0; 2];
                stream.read_exact(&mut length).unwrap();
                let mut answer = vec![0; u16::from_be_bytes(length).into()];
                stream.read_exact(&mut answer).unwrap();
                answer[2] |= 0x80;
                if answer[answer.len() - 3] == 1 {
                    // One answer: the name of the question, A, IN, 300 seconds, four octets.
                    answer[7] = 1;
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 9, 9, 9]);
                }
                let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                stream.write_all(&[&length[..], &answer].concat()).unwrap();
            }
        });
        port
    }

    #[test]
    fn what_does_not_fit_is_asked_for_over_tcp() {
        let port = server(false);
        let found = look_up("large.example.org", &[Ipv4Addr::LOCALHOST.into()], port).unwrap();
        assert_eq!(found, (vec![Ipv4Addr::new(127, 9, 9, 9).into()], 300));
    }

    #[test]
    fn a_server_that_cannot_tell_is_an_error_and_no_answer() {
        let port = server(true);
        let error = look_up("large.example.org", &[Ipv4Addr::LOCALHOST.into()], port).unwrap_err();
        assert_ne!(error.kind(), io::ErrorKind::NotFound);
    }
}
