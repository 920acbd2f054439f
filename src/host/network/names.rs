//! Looking names up, for who cannot wait otherwise.

use crate::dns::{DnsError, Lookup, Resolver, Servers};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Where names are asked for.
const PORT: u16 = 53;

/// Who knows the servers of the moment.
pub(super) type Told = Arc<dyn Fn() -> Vec<IpAddr> + Send + Sync>;

/// Looks names up.
#[derive(Debug)]
pub(super) struct Names(Resolver);

impl Names {
    /// With these servers.
    pub(super) fn new(told: Told) -> Names {
        let servers = move || told().into_iter().map(|server| SocketAddr::new(server, PORT)).collect();
        Names(Resolver::new(Servers::told(Arc::new(servers))))
    }

    /// The addresses of a name; a name that is one word is one of this domain.
    pub(super) fn resolve(&self, name: &str, domain: Option<&str>) -> io::Result<Vec<IpAddr>> {
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
        smol::block_on(self.0.addresses(&name)).map_err(|error| match error {
            DnsError::NoSuchName | DnsError::NoData => absent(&name),
            DnsError::Temporary(why) => io::Error::other(why),
        })
    }
}

fn absent(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_of_this_machine_are_not_asked_for() {
        let names = Names::new(Arc::new(Vec::new));
        let found = |name| names.resolve(name, None);
        assert_eq!(found("192.168.1.5").unwrap(), ["192.168.1.5".parse::<IpAddr>().unwrap()]);
        assert_eq!(found("[2001:db8::1]").unwrap(), ["2001:db8::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(found("LocalHost.").unwrap().len(), 2);
        for name in ["printer.local", "", ".", "1.2.3"] {
            assert_eq!(found(name).unwrap_err().kind(), io::ErrorKind::NotFound, "{name:?}");
        }
        assert_eq!(found("example.org").unwrap_err().kind(), io::ErrorKind::Other);
    }
}
