//! Where a host is: by its address, by `/etc/hosts`, or by asking.

use crate::dns::{DnsError, Lookup};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;

/// Octets of `/etc/hosts` that are read: a home's has a dozen lines.
const HOSTS: u64 = 256 << 10;
/// Addresses of one host that are tried.
pub(super) const ADDRESSES: usize = 16;

/// What was found of a host's addresses.
pub type Found<'a> = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, NoAddress>> + Send + 'a>>;

/// Who knows where hosts are.
pub trait Places: Send + Sync {
    /// The addresses of a host, in any order.
    fn places<'a>(&'a self, host: &'a str) -> Found<'a>;
}

/// Asks the names of the internet.
pub struct Names(pub Arc<dyn Lookup>);

impl Places for Names {
    fn places<'a>(&'a self, host: &'a str) -> Found<'a> {
        Box::pin(async move {
            self.0.addresses(host).await.map_err(|error| match error {
                DnsError::NoSuchName | DnsError::NoData => NoAddress::Never(format!("{host} has no address")),
                DnsError::Temporary(why) => NoAddress::Now(format!("{host} cannot be looked up just now: {why}")),
            })
        })
    }
}

/// A host without an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAddress {
    /// There is no such host, or it has none.
    Never(String),
    /// It could not be found out; the text says why.
    Now(String),
}

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (NoAddress::Never(why) | NoAddress::Now(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for NoAddress {}

/// The addresses of a host in the order in which they are tried, never none of them.
pub(super) async fn addresses(places: &dyn Places, host: &str) -> Result<Vec<IpAddr>, NoAddress> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let found = match literal(host).or_else(|| in_hosts(host)) {
        Some(found) => found,
        None => places.places(host).await?,
    };
    if found.is_empty() {
        return Err(NoAddress::Never(format!("{host} has no address")));
    }
    Ok(in_turn(found))
}

/// An address that stands for itself, in brackets or without them (RFC 5321 §4.1.3); `localhost` is one as well
/// (RFC 6761 §6.3).
fn literal(host: &str) -> Option<Vec<IpAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let tagged = bare.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:")).and_then(|_| bare.get(5..));
    Some(vec![tagged.unwrap_or(bare).parse().ok()?])
}

fn in_hosts(host: &str) -> Option<Vec<IpAddr>> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open("/etc/hosts").ok()?.take(HOSTS).read_to_string(&mut text).ok()?;
    Some(hosts_say(&text, host)).filter(|found| !found.is_empty())
}

fn hosts_say(text: &str, host: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let address: Option<IpAddr> = words.next().and_then(|address| address.parse().ok());
        found.extend(address.filter(|_| words.any(|name| name.eq_ignore_ascii_case(host))));
    }
    found
}

/// Both families take turns, so that one that leads nowhere costs a moment only (RFC 8305 §4).
fn in_turn(found: Vec<IpAddr>) -> Vec<IpAddr> {
    let (six, four): (Vec<IpAddr>, Vec<IpAddr>) = found.into_iter().partition(IpAddr::is_ipv6);
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    let mut turns = Vec::new();
    while turns.len() < ADDRESSES {
        let pair = [six.next(), four.next()];
        if pair == [None, None] {
            break;
        }
        turns.extend(pair.into_iter().flatten());
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_its_own_place() {
        for same in ["192.0.2.1", "[192.0.2.1]"] {
            assert_eq!(literal(same), Some(vec![ip("192.0.2.1")]));
        }
        for same in ["2001:db8::1", "[2001:db8::1]", "[IPv6:2001:db8::1]"] {
            assert_eq!(literal(same), Some(vec![ip("2001:db8::1")]));
        }
        assert_eq!(literal("LocalHost").map(|found| found.len()), Some(2));
        assert_eq!(literal("mail.example.org"), None);
    }

    #[test]
    fn the_file_of_hosts_is_read_as_others_read_it() {
        let text = "127.0.0.1 localhost\n# 192.0.2.9 nas\n192.0.2.1\tNAS.home nas # the box\nnonsense nas\n::2 nas\n";
        assert_eq!(hosts_say(text, "nas"), [ip("192.0.2.1"), ip("::2")]);
        assert_eq!(hosts_say(text, "box"), [] as [IpAddr; 0]);
    }

    #[test]
    fn both_families_take_turns() {
        let found = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "::1"].map(ip);
        assert_eq!(in_turn(found.to_vec()), ["::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"].map(ip));
    }
}
