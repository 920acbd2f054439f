//! How the network is, for those who show it or use it.

use super::lease::Terms;
use super::links::{self, Link};
use super::setup::Setup;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

/// How the network is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What others on the same network find this machine by, without `.local`: it may differ from what was wished.
    pub name: String,
    /// The Ethernet links.
    pub links: Vec<LinkStatus>,
    /// Servers that names are looked up with.
    pub dns: Vec<IpAddr>,
    /// Servers of the time that the network named.
    pub time_servers: Vec<IpAddr>,
    /// What is put behind a name that is a single word.
    pub domain: Option<String>,
}

/// How one link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatus {
    /// The kernel's name of it.
    pub name: String,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Whether there is a cable with something at its other end.
    pub cable: bool,
    /// Its IPv4 address, with the length of the network's prefix.
    pub address: Option<(Ipv4Addr, u8)>,
    /// The way out.
    pub gateway: Option<Ipv4Addr>,
    /// Where the address is from.
    pub source: Source,
    /// Its IPv6 addresses that others reach it by.
    pub ipv6: Vec<Ipv6Addr>,
}

/// Where an address is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// There is none.
    #[default]
    None,
    /// The owner set it.
    Fixed,
    /// A DHCP server lent it.
    Lease {
        /// Who.
        server: Ipv4Addr,
        /// Until when, if not for good.
        end: Option<Instant>,
    },
    /// No server was there: it is one of those that anybody may take, and reaches this network only.
    LinkLocal,
}

impl Status {
    /// Whether others can be reached at all.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.links.iter().any(|link| link.cable && (link.address.is_some() || !link.ipv6.is_empty()))
    }
}

/// What a link's thread noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) index: u32,
    pub(super) mac: [u8; 6],
    pub(super) cable: bool,
    pub(super) setup: Option<Setup>,
    pub(super) source: Source,
    pub(super) terms: Terms,
}

impl Noted {
    pub(super) fn new(link: &Link, setup: Option<&Setup>, source: Source, terms: Terms) -> Noted {
        Noted { index: link.index, mac: link.mac, cable: link.cable, setup: setup.cloned(), source, terms }
    }

    pub(super) fn status(&self, name: &str) -> LinkStatus {
        LinkStatus {
            name: name.to_owned(),
            mac: self.mac,
            cable: self.cable,
            address: self.setup.as_ref().map(|setup| (setup.address, setup.prefix)),
            gateway: self.setup.as_ref().and_then(Setup::gateway),
            source: self.source,
            ipv6: if self.cable { links::ipv6(name) } else { Vec::new() },
        }
    }
}
