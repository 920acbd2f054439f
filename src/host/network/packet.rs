//! DHCP messages: what we say as octets, and what a server says as values (RFC 2131 §2, RFC 2132).

use super::lease::{Identity, Terms};
use super::setup::Route;
use dhcproto::v4::borrowed::{self, DhcpOptionIterator};
use dhcproto::v4::{DhcpOption, Flags, Message, MessageType, Opcode, OptionCode};
use dhcproto::{Encodable, Encoder};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Octets of a message that we take: an Ethernet frame's.
pub(super) const LARGEST: u16 = 1472;
/// Servers or routers of one kind that are kept; nobody tells more than a few.
const SERVERS: usize = 8;
/// Classless routes that are kept.
const ROUTES: usize = 64;
/// A lease that would be asked for all the time is none.
const SHORTEST: Duration = Duration::from_secs(10);
/// The least time before a lease is renewed, whatever its server says.
const SHORTEST_RENEWAL: Duration = Duration::from_secs(4);

/// What we say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saying {
    /// Who has an address for us, this one if it may be?
    Discover { wish: Option<Ipv4Addr> },
    /// We take the address that this server offered.
    Select { address: Ipv4Addr, server: Ipv4Addr },
    /// We had this address: is it still ours?
    Verify { address: Ipv4Addr },
    /// May we keep it longer?
    Extend { address: Ipv4Addr },
    /// Somebody else has it already.
    Decline { address: Ipv4Addr, server: Ipv4Addr },
    /// We no longer need it.
    Release { address: Ipv4Addr, server: Ipv4Addr },
}

/// What we say, to whom, in which exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) saying: Saying,
    pub(super) to: Ipv4Addr,
    pub(super) exchange: u32,
    /// Seconds since we began to ask.
    pub(super) seconds: u16,
}

/// What a server may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Offer,
    Ack,
    Nak,
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) kind: Kind,
    pub(super) exchange: u32,
    pub(super) address: Ipv4Addr,
    pub(super) server: Option<Ipv4Addr>,
    /// `None` where they cannot be kept to: no lease, or a useless address.
    pub(super) terms: Option<Terms>,
    pub(super) message: Option<String>,
}

impl Question {
    /// `None` only where the message would not fit its format, which none of ours is too long for.
    pub(super) fn encode(&self, me: &Identity) -> Option<Vec<u8>> {
        let mut message = Message::default();
        message.set_xid(self.exchange).set_secs(self.seconds).set_chaddr(&me.mac);
        let mut options = vec![DhcpOption::ClientIdentifier(client_id(me.mac))];
        let (kind, asks) = match self.saying {
            Saying::Discover { wish } => {
                options.extend(wish.map(DhcpOption::RequestedIpAddress));
                (MessageType::Discover, true)
            }
            Saying::Select { address, server } => {
                options.extend([DhcpOption::RequestedIpAddress(address), DhcpOption::ServerIdentifier(server)]);
                (MessageType::Request, true)
            }
            Saying::Verify { address } => {
                options.push(DhcpOption::RequestedIpAddress(address));
                (MessageType::Request, true)
            }
            Saying::Extend { address } => {
                message.set_ciaddr(address);
                (MessageType::Request, true)
            }
            Saying::Decline { address, server } => {
                options.extend([DhcpOption::RequestedIpAddress(address), DhcpOption::ServerIdentifier(server)]);
                (MessageType::Decline, false)
            }
            Saying::Release { address, server } => {
                message.set_ciaddr(address);
                options.push(DhcpOption::ServerIdentifier(server));
                (MessageType::Release, false)
            }
        };
        options.push(DhcpOption::MessageType(kind));
        if asks {
            options.extend([
                DhcpOption::Hostname(me.name.clone()),
                DhcpOption::ClassIdentifier(b"pillarbox".to_vec()),
                DhcpOption::MaxMessageSize(LARGEST),
                DhcpOption::ParameterRequestList(wanted()),
            ]);
            // Without an address, the kernel gives us only what is sent to all (RFC 2131 §4.1).
            if !matches!(self.saying, Saying::Extend { .. }) {
                message.set_flags(Flags::default().set_broadcast());
            }
        }
        for option in options {
            message.opts_mut().insert(option);
        }
        let mut octets = Vec::with_capacity(400);
        message.encode(&mut Encoder::new(&mut octets)).ok()?;
        // Relays and servers from before DHCP want a BOOTP message's length (RFC 1542 §2.1).
        octets.resize(octets.len().max(300), 0);
        Some(octets)
    }
}

/// Ethernet's number and the MAC: the same at each start, and what routers list their clients by.
fn client_id(mac: [u8; 6]) -> Vec<u8> {
    let mut id = vec![1];
    id.extend(mac);
    id
}

/// What we ask to be told. The classless routes come before the routers (RFC 3442).
fn wanted() -> Vec<OptionCode> {
    vec![
        OptionCode::SubnetMask,
        OptionCode::ClasslessStaticRoute,
        OptionCode::Router,
        OptionCode::DomainNameServer,
        OptionCode::DomainName,
        OptionCode::NtpServers,
        OptionCode::AddressLeaseTime,
        OptionCode::Renewal,
        OptionCode::Rebinding,
        OptionCode::ServerIdentifier,
    ]
}

/// What the options say, the ones that we know.
#[derive(Default)]
struct Options {
    kind: Option<MessageType>,
    server: Option<Ipv4Addr>,
    mask: Option<Ipv4Addr>,
    message: Option<String>,
    renew: Option<u32>,
    rebind: Option<u32>,
    lasts: Option<u32>,
    overload: u8,
    terms: Terms,
}

impl Reply {
    /// A server's message to the one with this MAC; `None` for all else.
    pub(super) fn parse(octets: &[u8], mac: [u8; 6]) -> Option<Reply> {
        let message = borrowed::Message::new(octets).ok()?;
        let to_us = message.opcode() == Opcode::BootReply && message.hlen() == 6 && octets.get(28..34) == Some(&mac);
        if !to_us {
            return None;
        }
        let mut options = Options::default();
        options.read(message.opts());
        // RFC 2131 §4.1: the fields for a file and a server's name may hold options, in this order.
        if options.overload & 1 != 0 {
            options.read(DhcpOptionIterator::new(octets.get(108..236)?));
        }
        if options.overload & 2 != 0 {
            options.read(DhcpOptionIterator::new(octets.get(44..108)?));
        }
        let kind = match options.kind? {
            MessageType::Offer => Kind::Offer,
            MessageType::Ack => Kind::Ack,
            MessageType::Nak => Kind::Nak,
            _ => return None,
        };
        let (address, server, text) = (message.yiaddr(), options.server, options.message.take());
        let terms = options.terms(address);
        Some(Reply { kind, exchange: message.xid(), address, server, terms, message: text })
    }
}

impl Options {
    /// An option that does not parse is as one that is not there.
    fn read(&mut self, options: DhcpOptionIterator<'_>) {
        for option in options {
            if !KNOWN.contains(&u8::from(option.code())) {
                continue;
            }
            let Ok(option) = option.into_option() else { continue };
            let first = |mut servers: Vec<Ipv4Addr>| {
                servers.retain(|address| is_host(*address));
                servers.truncate(SERVERS);
                servers
            };
            match option {
                DhcpOption::MessageType(kind) => self.kind = Some(kind),
                DhcpOption::ServerIdentifier(server) => self.server = Some(server).filter(|server| is_host(*server)),
                DhcpOption::SubnetMask(mask) => self.mask = Some(mask),
                DhcpOption::Message(text) => self.message = Some(printable(&text)),
                DhcpOption::AddressLeaseTime(seconds) => self.lasts = Some(seconds),
                DhcpOption::Renewal(seconds) => self.renew = Some(seconds),
                DhcpOption::Rebinding(seconds) => self.rebind = Some(seconds),
                DhcpOption::OptionOverload(which) => self.overload = which,
                DhcpOption::Router(routers) => self.terms.routers = first(routers),
                DhcpOption::DomainNameServer(servers) => self.terms.dns = first(servers),
                DhcpOption::NtpServers(servers) => self.terms.time_servers = first(servers),
                DhcpOption::DomainName(name) => self.terms.domain = domain(&name),
                DhcpOption::ClasslessStaticRoute(routes) => {
                    self.terms.routes = routes
                        .into_iter()
                        .take(ROUTES)
                        .map(|(network, via)| Route {
                            to: network.network(),
                            prefix: network.prefix_len(),
                            // RFC 3442: a router of zeros means the link itself.
                            via: Some(via).filter(|via| !via.is_unspecified()),
                        })
                        .collect();
                }
                _ => {}
            }
        }
    }

    fn terms(self, address: Ipv4Addr) -> Option<Terms> {
        let lasts = match self.lasts? {
            u32::MAX => None,
            seconds => Some(Duration::from_secs(seconds.into())),
        };
        if !is_host(address) || lasts.is_some_and(|lasts| lasts < SHORTEST) {
            return None;
        }
        let lasting = lasts.unwrap_or(Duration::MAX);
        let seconds = |seconds: Option<u32>| seconds.map(|seconds| Duration::from_secs(seconds.into()));
        // RFC 2131 §4.4.5: T1 is half of the lease and T2 seven eighths, where the server does not say otherwise.
        let usual = (lasting / 2, lasting / 8 * 7);
        let (renew, rebind) = match (seconds(self.renew), seconds(self.rebind)) {
            (Some(renew), Some(rebind)) if renew < rebind && rebind < lasting => (renew, rebind),
            (Some(renew), None) if renew < usual.1 => (renew, usual.1),
            (None, Some(rebind)) if usual.0 < rebind && rebind < lasting => (usual.0, rebind),
            _ => usual,
        };
        let prefix = self.mask.map_or_else(|| usual_prefix(address), prefix);
        Some(Terms { prefix, lasts, renew: renew.max(SHORTEST_RENEWAL), rebind, ..self.terms })
    }
}

/// The options that we look at; the others need not parse.
const KNOWN: [u8; 13] = [1, 3, 6, 15, 42, 51, 52, 53, 54, 56, 58, 59, 121];

/// Whether something can have this address.
fn is_host(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && first < 224 && !address.is_loopback()
}

/// The ones at the start of a mask; one with gaps is as good as its start.
fn prefix(mask: Ipv4Addr) -> u8 {
    u8::try_from(mask.to_bits().leading_ones()).unwrap_or(32)
}

/// What a network without a mask was meant to be when there were classes.
fn usual_prefix(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..128 => 8,
        128..192 => 16,
        _ => 24,
    }
}

/// A name that can be put behind another one.
fn domain(name: &str) -> Option<String> {
    let name = name.trim_end_matches('\0').trim_matches('.').to_ascii_lowercase();
    let good = |label: &str| (1..=63).contains(&label.len());
    let spelled = name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
    (name.len() <= 253 && spelled && name.split('.').all(good)).then_some(name)
}

/// What is shown to a person comes from a stranger.
fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(100).collect()
}
