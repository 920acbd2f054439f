//! The Ethernet links that there are, and what the kernel is to do with each.

use std::fs;
use std::net::Ipv6Addr;
use std::path::Path;

/// Where the kernel lists its links.
const LINKS: &str = "/sys/class/net";
/// `ARPHRD_ETHER`.
const ETHERNET: u32 = 1;

/// A link as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) mac: [u8; 6],
    /// Whether there is a cable, and something at its other end.
    pub(super) cable: bool,
    /// How often that changed: a cable that was out for a moment is seen by it.
    pub(super) changes: u32,
}

/// All Ethernet links, in the kernel's order. Wi-Fi is not ours to run.
pub(super) fn ethernet() -> Vec<Link> {
    let Ok(entries) = fs::read_dir(LINKS) else { return Vec::new() };
    let mut links: Vec<Link> = entries.flatten().filter_map(|entry| link(&entry.path())).collect();
    links.sort_by_key(|link| link.index);
    links
}

fn link(folder: &Path) -> Option<Link> {
    let name = folder.file_name()?.to_str()?.to_owned();
    let read = |file: &str| Some(fs::read_to_string(folder.join(file)).ok()?.trim().to_owned());
    let number = |file: &str| read(file)?.parse::<u32>().ok();
    let is_wireless = folder.join("wireless").exists() || folder.join("phy80211").exists();
    if number("type")? != ETHERNET || is_wireless {
        return None;
    }
    let mac = mac(&read("address")?)?;
    // A link that is off has no `carrier` to be read.
    let cable = number("carrier") == Some(1);
    Some(Link { name, index: number("ifindex")?, mac, cable, changes: number("carrier_changes").unwrap_or(0) })
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let octets: Option<Vec<u8>> = text.split(':').map(|octet| u8::from_str_radix(octet, 16).ok()).collect();
    octets?.try_into().ok()
}

/// What the kernel does by itself on a link of ours.
pub(super) fn prepare(name: &str) {
    let settings = [
        // Two addresses of one network may follow each other: the second stays when the first goes.
        ("ipv4", "promote_secondaries", "1"),
        // A link without a cable is no way out.
        ("ipv4", "ignore_routes_with_linkdown", "1"),
        // Each address is answered for only on its own link.
        ("ipv4", "arp_ignore", "1"),
        ("ipv4", "arp_announce", "2"),
        ("ipv6", "disable_ipv6", "0"),
        // Routers tell the network and the way out; the addresses are ours for good, as a server's have to be.
        ("ipv6", "accept_ra", "1"),
        ("ipv6", "use_tempaddr", "0"),
    ];
    for (family, key, value) in settings {
        let path = Path::new("/proc/sys/net").join(family).join("conf").join(name).join(key);
        if let Err(error) = fs::write(&path, value) {
            log::debug!("{}: {error}", path.display());
        }
    }
}

/// IPv6 addresses of a link by which others reach us, those that are good for all the world first.
pub(super) fn ipv6(name: &str) -> Vec<Ipv6Addr> {
    parse_ipv6(&fs::read_to_string("/proc/net/if_inet6").unwrap_or_default(), name)
}

/// Lines of address, index, prefix, scope, flags (all in hexadecimal) and the link's name.
fn parse_ipv6(text: &str, name: &str) -> Vec<Ipv6Addr> {
    const GLOBAL: &str = "00";
    // IFA_F_DEPRECATED, IFA_F_DADFAILED and IFA_F_TENTATIVE.
    const USELESS: u32 = 0x20 | 0x08 | 0x40;
    let address = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let address = Ipv6Addr::from_bits(u128::from_str_radix(words.next()?, 16).ok()?);
        let (scope, flags) = (words.nth(2)?, u32::from_str_radix(words.next()?, 16).ok()?);
        (scope == GLOBAL && flags & USELESS == 0 && words.next()? == name).then_some(address)
    };
    let mut addresses: Vec<Ipv6Addr> = text.lines().filter_map(address).take(16).collect();
    addresses.sort_by_key(|address| (address.is_unique_local(), *address));
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_addresses_that_the_world_can_reach_are_found() {
        let text = "00000000000000000000000000000001 01 80 10 80       lo\n\
            fe80000000000000021122fffe334455 02 40 20 80     eth0\n\
            fd000000000000000000000000000001 02 40 00 00     eth0\n\
            20010db8000000000000000000000001 02 40 00 00     eth0\n\
            20010db8000000000000000000000002 02 40 00 40     eth0\n\
            20010db8000000000000000000000003 03 40 00 00     eth1\nrubbish\n";
        let found: Vec<String> = parse_ipv6(text, "eth0").iter().map(ToString::to_string).collect();
        assert_eq!(found, ["2001:db8::1", "fd00::1"]);
    }

    #[test]
    fn a_mac_has_six_octets() {
        assert_eq!(mac("02:00:00:ff:00:01"), Some([2, 0, 0, 255, 0, 1]));
        assert_eq!(mac("02:00:00:ff:00"), None);
        assert_eq!(mac(""), None);
    }
}
