//! `[dns]`: where names are asked for.

use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};

/// The port of DNS.
const PORT: u16 = 53;

/// `[dns]`: where names are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DnsSettings {
    /// The servers, the first of which is asked first; four at most. Each is an address, with or without a port:
    /// `"192.0.2.1"`, `"192.0.2.1:5353"`, `"[2001:db8::1]:53"`. Default: those in `/etc/resolv.conf`.
    pub servers: Vec<NameServer>,
}

/// The address of a server that names are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NameServer(pub SocketAddr);

impl TryFrom<String> for NameServer {
    type Error = String;

    fn try_from(text: String) -> Result<NameServer, String> {
        let with_port = || text.parse::<SocketAddr>().ok();
        let alone = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT)).ok();
        alone.or_else(with_port).map(NameServer).ok_or_else(|| format!("dns.servers: {text:?} is no address"))
    }
}

impl DnsSettings {
    /// The addresses of the servers.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_an_address_with_or_without_a_port() {
        let text = "servers = ['192.0.2.1', '192.0.2.1:5353', '2001:db8::1', '[2001:db8::1]:54']";
        let settings: DnsSettings = toml::from_str(text).unwrap();
        let told: Vec<String> = settings.addresses().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["192.0.2.1:53", "192.0.2.1:5353", "[2001:db8::1]:53", "[2001:db8::1]:54"]);
        for bad in ["servers = ['dns.example']", "servers = [53]", "server = []"] {
            assert!(toml::from_str::<DnsSettings>(bad).is_err(), "{bad}");
        }
    }
}
