//! Talking with the kernel about links, addresses and routes by rtnetlink.

use super::setup::{Route, Step};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;
use std::net::Ipv4Addr;

/// A message of the kernel about what we asked.
const NLMSG_ERROR: u16 = 2;
/// Octets of an answer: an error repeats the question, which is short.
const ANSWER: usize = 4096;
/// The kernel answers at once; if not, we do not wait for good.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
/// Groups of rtnetlink: links, and addresses of both kinds.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// A conversation with the kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    socket: OwnedFd,
    sequence: u32,
}

impl Kernel {
    pub(super) fn open() -> io::Result<Kernel> {
        Ok(Kernel { socket: open(0)?, sequence: 0 })
    }

    /// Switches a link on.
    pub(super) fn switch_on(&mut self, link: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = link;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.ask(RouteNetlinkMessage::NewLink(message), 0)
    }

    /// Takes one step; a removal of what is not there is one.
    pub(super) fn take(&mut self, link: u32, step: &Step) -> io::Result<()> {
        let put = NLM_F_CREATE | NLM_F_REPLACE;
        match step {
            Step::AddAddress { address, prefix } => {
                self.ask(RouteNetlinkMessage::NewAddress(address_message(link, *address, *prefix)), put)
            }
            Step::RemoveAddress { address, prefix } => {
                gone(self.ask(RouteNetlinkMessage::DelAddress(address_message(link, *address, *prefix)), 0))
            }
            Step::PutRoute { route, from } => {
                self.ask(RouteNetlinkMessage::NewRoute(route_message(link, route, Some(*from))), put)
            }
            Step::RemoveRoute(route) => {
                gone(self.ask(RouteNetlinkMessage::DelRoute(route_message(link, route, None)), 0))
            }
        }
    }

    fn ask(&mut self, question: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(question));
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        rustix::net::send(&self.socket, &octets, SendFlags::empty())?;
        loop {
            let mut ready = [PollFd::new(&self.socket, PollFlags::IN)];
            if poll(&mut ready, Some(&PATIENCE))? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let mut octets = [0; ANSWER];
            let (_, length) = rustix::net::recv(&self.socket, &mut octets[..], RecvFlags::empty())?;
            if let Some(answer) = answer(octets.get(..length).unwrap_or_default(), self.sequence) {
                return answer;
            }
        }
    }
}

/// What the kernel says to a question; `None` where it speaks of another one.
fn answer(octets: &[u8], sequence: u32) -> Option<io::Result<()>> {
    let message = NetlinkBuffer::new_checked(octets).ok()?;
    if message.message_type() != NLMSG_ERROR || message.sequence_number() != sequence {
        return None;
    }
    let code = i32::from_ne_bytes(message.payload().get(..4)?.try_into().ok()?);
    Some(if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.saturating_neg())) })
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    let absent = [Errno::ADDRNOTAVAIL, Errno::SRCH, Errno::NODEV, Errno::NOENT].map(Errno::raw_os_error);
    removed.or_else(|error| match error.raw_os_error() {
        Some(code) if absent.contains(&code) => Ok(()),
        _ => Err(error),
    })
}

fn address_message(link: u32, address: Ipv4Addr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = prefix;
    message.header.index = link;
    message.header.scope = if address.is_link_local() { AddressScope::Link } else { AddressScope::Universe };
    message.attributes.extend([AddressAttribute::Local(address.into()), AddressAttribute::Address(address.into())]);
    // Where there are no more than two addresses, none is left for all.
    if prefix < 31 {
        let broadcast = Ipv4Addr::from_bits(address.to_bits() | u32::MAX.checked_shr(prefix.into()).unwrap_or(0));
        message.attributes.push(AddressAttribute::Broadcast(broadcast));
    }
    message
}

fn route_message(link: u32, route: &Route, from: Option<Ipv4Addr>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: AddressFamily::Inet,
        destination_prefix_length: route.prefix,
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: RouteProtocol::Dhcp,
        scope: if route.via.is_some() { RouteScope::Universe } else { RouteScope::Link },
        kind: netlink_packet_route::route::RouteType::Unicast,
        ..RouteHeader::default()
    };
    if route.prefix > 0 {
        message.attributes.push(RouteAttribute::Destination(route.to.into_route()));
    }
    // Each link has its own rank: the routes of two do not replace each other.
    message.attributes.extend([RouteAttribute::Oif(link), RouteAttribute::Priority(100 + link)]);
    if let Some(via) = route.via {
        message.attributes.push(RouteAttribute::Gateway(via.into_route()));
        // Some networks lend single addresses, whose router is in no network of ours.
        message.header.flags = RouteFlags::Onlink;
    }
    message.attributes.extend(from.map(|from| RouteAttribute::PrefSource(from.into_route())));
    message
}

/// An address as a route has it.
trait IntoRoute {
    fn into_route(self) -> netlink_packet_route::route::RouteAddress;
}

impl IntoRoute for Ipv4Addr {
    fn into_route(self) -> netlink_packet_route::route::RouteAddress {
        netlink_packet_route::route::RouteAddress::Inet(self)
    }
}

/// Tells that something changed about links or addresses; /sys and /proc tell what.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn open() -> io::Result<Bell> {
        open(GROUPS).map(Bell)
    }

    /// Throws away what was said.
    pub(super) fn quiet(&self) {
        let mut octets = [0; 16];
        // More than the kernel could keep for us is an error that is told once: it rang all the same.
        while !matches!(
            rustix::net::recv(&self.0, &mut octets[..], RecvFlags::DONTWAIT | RecvFlags::TRUNC),
            Err(error) if error != Errno::NOBUFS
        ) {}
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn open(groups: u32) -> io::Result<OwnedFd> {
    let family = rustix::net::AddressFamily::NETLINK;
    let socket = rustix::net::socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: u16, sequence: u32, code: i32) -> Vec<u8> {
        let length = 20_u32.to_ne_bytes();
        let head = [&length[..], &kind.to_ne_bytes(), &[0, 0], &sequence.to_ne_bytes(), &[0; 4]].concat();
        [&head[..], &code.to_ne_bytes()].concat()
    }

    #[test]
    fn what_the_kernel_says_to_a_question_is_told_from_what_else_it_says() {
        assert!(answer(&said(2, 7, 0), 7).unwrap().is_ok());
        assert_eq!(answer(&said(2, 7, -17), 7).unwrap().unwrap_err().raw_os_error(), Some(17));
        assert!(answer(&said(2, 6, 0), 7).is_none());
        assert!(answer(&said(16, 7, 0), 7).is_none());
        for end in 0..20 {
            assert!(answer(&said(2, 7, 0)[..end], 7).is_none());
        }
    }

    #[test]
    fn what_is_gone_already_was_removed() {
        let failed = |errno: Errno| Err(io::Error::from_raw_os_error(errno.raw_os_error()));
        assert!(gone(failed(Errno::ADDRNOTAVAIL)).is_ok() && gone(failed(Errno::SRCH)).is_ok());
        assert!(gone(failed(Errno::PERM)).is_err());
    }
}
