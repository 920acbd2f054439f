//! Networks, as owners name them.

use serde::Deserialize;
use std::net::{IpAddr, Ipv6Addr};

/// The address by which one is counted who comes from this one: an IPv4 address also where it is written as an IPv6 one;
/// the /64 of an IPv6 address, since who has one has all of it.
#[must_use]
pub fn counted_as(address: IpAddr) -> IpAddr {
    first_bits(address, 64)
}

/// The /48 of an IPv6 address: what one customer of a provider may have. For an IPv4 address there is none.
#[must_use]
pub fn site_of(address: IpAddr) -> Option<IpAddr> {
    Some(first_bits(address, 48)).filter(IpAddr::is_ipv6)
}

fn first_bits(address: IpAddr, bits: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> (128 - bits) << (128 - bits)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Those that begin with so many bits of this address.
    #[must_use]
    pub fn new(address: IpAddr, bits: u32) -> Network {
        let most = if address.is_ipv4() { 32 } else { 128 };
        Network { address, bits: bits.min(most) }
    }

    /// `192.0.2.0/24`, or an address alone.
    #[must_use]
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Network { address, bits })
    }

    /// Whether this address is one of them.
    #[must_use]
    pub fn holds(&self, other: IpAddr) -> bool {
        match (self.address, other.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                (ours.to_bits() ^ other.to_bits()).checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                (ours.to_bits() ^ other.to_bits()).checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Network, String> {
        Network::parse(&text).ok_or_else(|| format!("{text:?} is neither an address nor a network"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_as_who_has_it() {
        let counts = |address: &str| {
            let address = address.parse().unwrap();
            (counted_as(address).to_string(), site_of(address).map(|site| site.to_string()))
        };
        let v4 = ("192.0.2.1".to_owned(), None);
        assert_eq!((counts("192.0.2.1"), counts("::ffff:192.0.2.1")), (v4.clone(), v4));
        let v6 = ("2001:db8:1:2::".to_owned(), Some("2001:db8:1::".to_owned()));
        assert_eq!((counts("2001:db8:1:2::7"), counts("2001:db8:1:2:ffff::")), (v6.clone(), v6));
    }

    #[test]
    fn a_network_holds_what_begins_with_its_bits() {
        for (network, address, holds) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("0.0.0.0/0", "192.0.2.2", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "::1", true),
        ] {
            let network = Network::parse(network).expect(network);
            assert_eq!(network.holds(address.parse().expect(address)), holds, "{network:?} {address}");
        }
        for bad in ["", "x", "192.0.2.0/33", "192.0.2.0/", "192.0.2/24", "::/129", "192.0.2.0/-1"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }
}
