//! ARP for IPv4 over Ethernet: asking who has an address, and telling that we do (RFC 826, RFC 5227).

use crate::host::ioctl;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;

/// ARP's number among the protocols of Ethernet.
const ETHERTYPE: u16 = 0x0806;
const BROADCAST: [u8; 6] = [0xff; 6];
/// Octets of a frame with its head.
const FRAME: usize = 42;

/// What is said in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arp {
    pub(super) is_request: bool,
    pub(super) mac: [u8; 6],
    /// Who speaks; 0.0.0.0 asks without having an address yet.
    pub(super) sender: Ipv4Addr,
    pub(super) target: Ipv4Addr,
}

impl Arp {
    /// Asks who has an address, without claiming it (RFC 5227 §2.1.1).
    pub(super) fn probe(mac: [u8; 6], address: Ipv4Addr) -> Arp {
        Arp { is_request: true, mac, sender: Ipv4Addr::UNSPECIFIED, target: address }
    }

    /// Tells all that an address is ours (RFC 5227 §2.3).
    pub(super) fn announcement(mac: [u8; 6], address: Ipv4Addr) -> Arp {
        Arp { is_request: true, mac, sender: address, target: address }
    }

    /// The whole frame, to all.
    fn encode(&self) -> Vec<u8> {
        let mut frame = Vec::with_capacity(FRAME);
        frame.extend(BROADCAST);
        frame.extend(self.mac);
        frame.extend(ETHERTYPE.to_be_bytes());
        // Ethernet, IPv4, and the lengths of their addresses.
        frame.extend([0, 1, 8, 0, 6, 4, 0, if self.is_request { 1 } else { 2 }]);
        frame.extend(self.mac);
        frame.extend(self.sender.octets());
        frame.extend([0; 6]);
        frame.extend(self.target.octets());
        frame
    }

    fn parse(frame: &[u8]) -> Option<Arp> {
        let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(frame.get(at..at + 4)?).ok()?));
        let is_request = match frame.get(12..22)? {
            [8, 6, 0, 1, 8, 0, 6, 4, 0, 1] => true,
            [8, 6, 0, 1, 8, 0, 6, 4, 0, 2] => false,
            _ => return None,
        };
        let mac = frame.get(22..28)?.try_into().ok()?;
        Some(Arp { is_request, mac, sender: address(28)?, target: address(38)? })
    }
}

/// Where ARP of one link is heard and said.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    pub(super) fn open(link: u32) -> io::Result<Socket> {
        let protocol = NonZeroU32::new(ETHERTYPE.to_be().into()).map(Protocol::from_raw);
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, protocol)?;
        ioctl::bind_to_link(&socket, link, ETHERTYPE)?;
        Ok(Socket(socket))
    }

    pub(super) fn say(&self, arp: &Arp) -> io::Result<()> {
        rustix::net::send(&self.0, &arp.encode(), SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// What was heard; `None` when that was all, and for what is no ARP.
    pub(super) fn hear(&self) -> io::Result<Option<Arp>> {
        let mut frame = [0; 64];
        let (_, length) = rustix::net::recv(&self.0, &mut frame[..], RecvFlags::DONTWAIT)?;
        Ok(Arp::parse(frame.get(..length.min(64)).unwrap_or_default()))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 7, 8);

    #[test]
    fn a_frame_is_read_as_it_was_said() {
        for arp in [Arp::probe(MAC, ADDRESS), Arp::announcement(MAC, ADDRESS)] {
            let frame = arp.encode();
            assert_eq!(frame.len(), FRAME);
            assert_eq!(Arp::parse(&frame), Some(arp));
            for end in 0..frame.len() {
                assert_eq!(Arp::parse(&frame[..end]), None);
            }
        }
    }
}
