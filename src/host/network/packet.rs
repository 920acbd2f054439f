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

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn reply(options: &[u8]) -> Vec<u8> {
        let mut octets = vec![0; 240];
        octets[..3].copy_from_slice(&[2, 1, 6]);
        octets[4..8].copy_from_slice(&7_u32.to_be_bytes());
        octets[16..20].copy_from_slice(&[192, 168, 1, 5]);
        octets[28..34].copy_from_slice(&MAC);
        octets[236..].copy_from_slice(&[99, 130, 83, 99]);
        octets.extend(options);
        octets
    }

    fn terms(options: &[u8]) -> Option<Terms> {
        let mut all = vec![53, 1, 5, 54, 4, 192, 168, 1, 1];
        all.extend(options);
        Reply::parse(&reply(&all), MAC).unwrap().terms
    }

    #[test]
    fn an_offer_is_read_whole() {
        let mut options = vec![53, 1, 2, 54, 4, 192, 168, 1, 1, 51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 254, 0];
        options.extend([0, 0, 3, 4, 192, 168, 1, 1, 6, 8, 9, 9, 9, 9, 1, 1, 1, 1, 15, 5, b'h', b'o', b'm', b'e', 0]);
        options.extend([42, 4, 192, 168, 1, 2, 121, 11, 8, 10, 192, 168, 1, 9, 0, 0, 0, 0, 0, 255]);
        let reply = Reply::parse(&reply(&options), MAC).unwrap();
        assert_eq!((reply.kind, reply.exchange), (Kind::Offer, 7));
        assert_eq!(reply.address, Ipv4Addr::new(192, 168, 1, 5));
        assert_eq!(reply.server, Some(Ipv4Addr::new(192, 168, 1, 1)));
        let terms = reply.terms.unwrap();
        assert_eq!((terms.prefix, terms.lasts), (23, Some(Duration::from_hours(1))));
        assert_eq!((terms.renew, terms.rebind), (Duration::from_mins(30), Duration::from_secs(3150)));
        assert_eq!(terms.dns, [Ipv4Addr::new(9, 9, 9, 9), Ipv4Addr::new(1, 1, 1, 1)]);
        assert_eq!(terms.domain.as_deref(), Some("home"));
        assert_eq!(terms.time_servers, [Ipv4Addr::new(192, 168, 1, 2)]);
        let to = Ipv4Addr::new(10, 0, 0, 0);
        let far = Route { to, prefix: 8, via: Some(Ipv4Addr::new(192, 168, 1, 9)) };
        let near = Route { to: Ipv4Addr::UNSPECIFIED, prefix: 0, via: None };
        assert_eq!(terms.routes, [far, near]);
    }

    #[test]
    fn times_of_a_server_are_kept_only_where_they_follow_each_other() {
        let lease = [51, 4, 0, 0, 0, 120];
        let with = |renew: u8, rebind: u8| {
            let terms = terms(&[&lease[..], &[58, 4, 0, 0, 0, renew, 59, 4, 0, 0, 0, rebind]].concat()).unwrap();
            (terms.renew.as_secs(), terms.rebind.as_secs())
        };
        assert_eq!(with(20, 40), (20, 40));
        assert_eq!(with(40, 20), (60, 105));
        assert_eq!(with(60, 130), (60, 105));
        assert_eq!(with(0, 40), (4, 40));
        assert_eq!(terms(&[51, 4, 255, 255, 255, 255]).unwrap().lasts, None);
    }

    #[test]
    fn terms_that_cannot_be_kept_to_are_none() {
        assert_eq!(terms(&[]), None);
        assert_eq!(terms(&[51, 4, 0, 0, 0, 3]), None);
        assert_eq!(terms(&[51, 3, 0, 0, 3]), None);
    }

    #[test]
    fn an_option_that_does_not_parse_hides_no_other() {
        let options = [51, 4, 0, 0, 14, 16, 6, 5, 9, 9, 9, 9, 9, 121, 2, 99, 1, 3, 4, 192, 168, 1, 1];
        let terms = terms(&options).unwrap();
        assert_eq!(terms.routers, [Ipv4Addr::new(192, 168, 1, 1)]);
        assert!(terms.routes.is_empty());
    }

    #[test]
    fn options_in_the_fields_for_names_count() {
        let mut octets = reply(&[53, 1, 5, 52, 1, 3, 255]);
        octets[108..115].copy_from_slice(&[51, 4, 0, 0, 14, 16, 255]);
        octets[44..51].copy_from_slice(&[54, 4, 192, 168, 1, 1, 255]);
        let reply = Reply::parse(&octets, MAC).unwrap();
        assert!(reply.terms.is_some() && reply.server.is_some());
    }

    #[test]
    fn what_is_for_others_or_cut_off_or_noise_is_nothing() {
        let octets = reply(&[53, 1, 5, 51, 4, 0, 0, 14, 16]);
        assert_eq!(Reply::parse(&octets, [2, 0, 0, 0, 0, 2]), None);
        for end in 0..octets.len() {
            let _ = Reply::parse(&octets[..end], MAC);
        }
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let noise: Vec<u8> = (0..random.usize(..80)).map(|_| random.u8(..)).collect();
            let _ = Reply::parse(&reply(&noise), MAC);
        }
    }

    #[test]
    fn a_question_says_who_asks_and_for_what() {
        let me = Identity { mac: MAC, name: "pillarbox".to_owned() };
        let saying = Saying::Discover { wish: Some(Ipv4Addr::new(192, 168, 1, 5)) };
        let question = Question { saying, to: Ipv4Addr::BROADCAST, exchange: 9, seconds: 3 };
        let octets = question.encode(&me).unwrap();
        assert!(octets.len() >= 300);
        // The flag that lets servers answer to all.
        assert_eq!(octets[10..12], [0x80, 0]);
        let has = |option: &[u8]| octets.windows(option.len()).any(|window| window == option);
        assert!(has(&[53, 1, 1]) && has(&[50, 4, 192, 168, 1, 5]) && has(&[61, 7, 1, 2, 0, 0, 0, 0, 1]));
        assert!(has(&[57, 2, 5, 192]) && has(b"\x0c\x09pillarbox") && has(b"\x3c\x09pillarbox"));
        assert!(has(&[55, 10, 1, 121, 3, 6, 15, 42, 51, 58, 59, 54]));
    }

    #[test]
    fn a_renewal_names_the_address_where_the_rfc_wants_it() {
        let me = Identity { mac: MAC, name: "pillarbox".to_owned() };
        let saying = Saying::Extend { address: Ipv4Addr::new(192, 168, 1, 5) };
        let question = Question { saying, to: Ipv4Addr::new(192, 168, 1, 1), exchange: 9, seconds: 0 };
        let octets = question.encode(&me).unwrap();
        assert_eq!(octets[12..16], [192, 168, 1, 5]);
        assert_eq!(octets[10..12], [0, 0]);
        assert!(!octets.windows(2).any(|window| window == [50, 4] || window == [54, 4]));
    }
}
