//! Who is at the other end.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// An address and a port.
    Address(SocketAddr),
    /// A socket of this machine that has no addresses.
    Local,
}

impl Peer {
    /// Its address, if it has one.
    pub(super) fn ip(self) -> Option<IpAddr> {
        match self {
            Peer::Address(address) => Some(address.ip()),
            Peer::Local => None,
        }
    }

    /// Its port, if it has one.
    pub(super) fn port(self) -> Option<u16> {
        match self {
            Peer::Address(address) => Some(address.port()),
            Peer::Local => None,
        }
    }

    /// Whether it is on this machine.
    pub(super) fn is_here(self) -> bool {
        self.ip().is_none_or(|address| address.to_canonical().is_loopback())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Address(address) => address.fmt(f),
            Peer::Local => f.write_str("a local socket"),
        }
    }
}
