//! One Ethernet link: what it hears goes to the machines, what they want is done. A thread for each.

use super::Inside;
use super::dhcp::{Action, Event, Machine};
use super::fallback::{Deed, Fallback};
use super::handle::Order;
use super::kernel::Kernel;
use super::lease::{Identity, Lease, Remembered};
use super::links::Link;
use super::packet::{Kind, LARGEST, Question, Reply};
use super::presence::{Presence, mac};
use super::probe::{Probe, QUICK, Turn};
use super::setup::{self, Setup};
use super::status::Source;
use fastrand::Rng;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Type};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// Packets that are taken before others get their turn.
const AT_ONCE: usize = 64;

/// A link with all that runs it.
pub(super) struct Interface {
    link: Link,
    me: Identity,
    inside: Arc<Inside>,
    kernel: Kernel,
    orders: Receiver<Order>,
    bell: Arc<OwnedFd>,
    random: Rng,
    client: Machine,
    fallback: Fallback,
    /// The address that a server lent, while it is asked for.
    probe: Option<Probe>,
    /// What the owner set, once it is this link that has it.
    fixed: Option<Setup>,
    setup: Option<Setup>,
    dhcp: Option<socket2::Socket>,
    arp: Presence,
}

impl Interface {
    pub(super) fn new(
        link: Link,
        kernel: Kernel,
        inside: &Arc<Inside>,
        orders: Receiver<Order>,
        bell: Arc<OwnedFd>,
    ) -> Interface {
        let mut random = Rng::new();
        let remembered = inside.folder.as_deref().and_then(|folder| Remembered::read(folder, &link.name));
        let client = Machine::new(random.fork(), remembered, Instant::now());
        Interface {
            me: Identity { mac: link.mac, name: inside.name.clone() },
            fallback: Fallback::new(link.mac),
            arp: Presence::new(&link),
            inside: Arc::clone(inside),
            link,
            kernel,
            orders,
            bell,
            random,
            client,
            probe: None,
            fixed: None,
            setup: None,
            dhcp: None,
        }
    }

    pub(super) fn run(mut self) {
        log::info!("{}: an Ethernet link", self.link.name);
        loop {
            self.tell();
            self.wait();
            let mut octets = [0; 8];
            let _ = rustix::io::read(&self.bell, &mut octets);
            loop {
                match self.orders.try_recv() {
                    Ok(Order::CableIn) => self.plug(),
                    Ok(Order::CableOut) => self.unplug(),
                    Ok(Order::Release) => return self.release(),
                    Err(TryRecvError::Empty) => break,
                    Ok(Order::Vanish) | Err(TryRecvError::Disconnected) => return self.vanish(),
                }
            }
            self.hear_dhcp();
            self.hear_arp();
            self.go_on();
        }
    }

    /// Until a packet or an order comes, or something is due.
    fn wait(&self) {
        let due = [
            self.client.deadline(),
            self.fallback.deadline(),
            self.probe.as_ref().map(Probe::deadline),
            self.arp.deadline(),
        ];
        let timeout = due.into_iter().flatten().min().map(|due| {
            // A millisecond more: what is due is then certainly past.
            let left = due.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() }
        });
        let mut heard = vec![PollFd::new(&self.bell, PollFlags::IN)];
        heard.extend(self.dhcp.as_ref().map(|socket| PollFd::new(socket, PollFlags::IN)));
        heard.extend(self.arp.poll());
        match poll(&mut heard, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                log::warn!("{}: {error}", self.link.name);
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }

    fn plug(&mut self) {
        log::info!("{}: the cable is in", self.link.name);
        self.link.cable = true;
        self.open();
        if self.fixed.is_none() {
            self.fixed = self.inside.fixed_for(&self.link);
        }
        match self.fixed.clone() {
            Some(fixed) => {
                self.put(Some(fixed.clone()));
                self.arp.announce(fixed.address, Instant::now());
            }
            None => self.happen(Event::CableIn),
        }
    }

    /// Sockets that failed, or that were not there yet.
    fn open(&mut self) {
        if self.dhcp.is_none() {
            let opened = open_dhcp(&self.link.name);
            self.dhcp = opened.inspect_err(|error| log::warn!("{}: no DHCP: {error}", self.link.name)).ok();
        }
        self.arp.open(self.link.index);
    }

    fn unplug(&mut self) {
        log::info!("{}: the cable is out", self.link.name);
        self.link.cable = false;
        self.probe = None;
        self.arp.end();
        // Where the cable is put in next, the address may be somebody's.
        if !self.fallback.is_off() {
            self.fallback.end();
            if self.client.held().is_none() && self.fixed.is_none() {
                self.put(None);
            }
        }
        self.happen(Event::CableOut);
    }

    fn vanish(self) {
        log::info!("{}: the link is gone", self.link.name);
        self.inside.forget(&self.link);
    }

    fn release(mut self) {
        if let Some(held) = self.client.held() {
            let remembered = Remembered { address: held.address, released: true };
            self.remember(&remembered);
        }
        self.happen(Event::Stop);
        self.put(None);
        self.tell();
    }

    /// Something happens to the client; what it wants is done.
    fn happen(&mut self, event: Event<'_>) {
        for action in self.client.hear(event, Instant::now()) {
            match action {
                Action::Say(question) => self.say(&question),
                Action::Ask(address) if self.arp.is_open() => {
                    self.probe = Some(Probe::new(address, &QUICK, &mut self.random, Instant::now()));
                }
                // Where nobody can be asked, the server's word has to do.
                Action::Ask(address) => self.happen(Event::Free(address)),
                Action::Hold(lease) => self.hold(&lease),
                Action::Drop => {
                    log::info!("{}: no lease any more", self.link.name);
                    if self.fallback.setup().is_none() {
                        self.put(None);
                    }
                }
            }
        }
    }

    fn say(&self, question: &Question) {
        log::debug!("{}: {question:?}", self.link.name);
        let (Some(socket), Some(octets)) = (&self.dhcp, question.encode(&self.me)) else { return };
        let to = SocketAddrV4::new(question.to, dhcproto::v4::SERVER_PORT);
        // It is said again if it did not get through.
        if let Err(error) = socket.send_to(&octets, &to.into()) {
            log::debug!("{}: {}: {error}", self.link.name, question.to);
        }
    }

    fn hold(&mut self, lease: &Lease) {
        let setup = lease.setup();
        let is_new = self.setup.as_ref().is_none_or(|setup| setup.address != lease.address);
        self.put(Some(setup));
        self.fallback.end();
        if is_new {
            log::info!("{}: {}/{} lent by {}", self.link.name, lease.address, lease.terms.prefix, lease.server);
            self.arp.announce(lease.address, Instant::now());
            self.remember(&Remembered { address: lease.address, released: false });
        } else {
            log::debug!("{}: {} lent on by {}", self.link.name, lease.address, lease.server);
        }
    }

    fn remember(&self, remembered: &Remembered) {
        if let Some(folder) = &self.inside.folder
            && let Err(error) = remembered.write(folder, &self.link.name)
        {
            log::debug!("the lease of {} is not remembered: {error}", self.link.name);
        }
    }

    fn hear_dhcp(&mut self) {
        for _ in 0..AT_ONCE {
            let Some(mut socket) = self.dhcp.as_ref() else { return };
            let mut octets = [0; LARGEST as usize];
            // When that was all; or when the link was switched off, which is said once.
            let Ok(length) = socket.read(&mut octets) else { return };
            if let Some(reply) = Reply::parse(octets.get(..length).unwrap_or_default(), self.link.mac) {
                log::debug!("{}: {reply:?}", self.link.name);
                let refusal =
                    reply.message.as_ref().filter(|_| reply.kind == Kind::Nak && self.client.is_asking_for(&reply));
                if let Some(why) = refusal {
                    log::info!("{}: a server refuses: {why}", self.link.name);
                }
                self.happen(Event::Heard(&reply));
            }
        }
    }

    fn hear_arp(&mut self) {
        for _ in 0..AT_ONCE {
            let Some(heard) = self.arp.hear() else { return };
            let now = Instant::now();
            if let Some(probe) = &self.probe
                && probe.is_refuted(&heard, self.link.mac)
            {
                let address = probe.address;
                log::warn!("{}: {address} was lent, but {} has it", self.link.name, mac(heard.mac));
                self.probe = None;
                self.happen(Event::Taken(address));
            }
            if let Some(deed) = self.fallback.hear(&heard, now) {
                self.act(deed);
            } else if let Some(setup) = self.setup.as_ref().filter(|_| self.fallback.setup().is_none()) {
                self.arp.defend(setup.address, &heard, now);
            }
        }
    }

    /// What is due.
    fn go_on(&mut self) {
        let now = Instant::now();
        if let Some(probe) = &mut self.probe {
            let address = probe.address;
            match probe.go_on(&mut self.random, now) {
                Turn::Wait => {}
                Turn::Ask => self.arp.ask(address),
                Turn::Free => {
                    self.probe = None;
                    self.happen(Event::Free(address));
                }
            }
        }
        if self.client.deadline().is_some_and(|deadline| deadline <= now) {
            self.happen(Event::Time);
        }
        if self.client.is_alone() && self.fallback.is_off() && self.arp.is_open() {
            log::info!("{}: no server lends an address", self.link.name);
            self.fallback.begin(now);
        }
        if let Some(deed) = self.fallback.go_on(now) {
            self.act(deed);
        }
        self.arp.go_on(now);
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Ask(address) => self.arp.ask(address),
            Deed::Defend(address) => self.arp.claim(address),
            Deed::Take(address) => {
                log::info!("{}: {address} without a server", self.link.name);
                self.put(self.fallback.setup());
                self.arp.announce(address, Instant::now());
            }
            Deed::Leave => self.put(None),
        }
    }

    /// Brings the kernel from what the link has to what it is to have.
    fn put(&mut self, setup: Option<Setup>) {
        for step in setup::change(self.setup.as_ref(), setup.as_ref()) {
            if let Err(error) = self.kernel.take(self.link.index, &step) {
                log::warn!("{}: {step:?}: {error}", self.link.name);
            }
        }
        self.setup = setup;
    }

    /// Tells the others how things are, if that is new.
    fn tell(&self) {
        let source = match (&self.setup, &self.fixed, self.client.held()) {
            (None, _, _) => Source::None,
            (Some(_), Some(_), _) => Source::Fixed,
            (Some(_), None, Some(lease)) => Source::Lease { server: lease.server, end: lease.end() },
            (Some(_), None, None) => Source::LinkLocal,
        };
        let terms = self.client.held().map(|lease| lease.terms.clone()).unwrap_or_default();
        self.inside.note(&self.link, self.setup.as_ref(), source, terms);
    }
}

/// Where DHCP of one link is said and heard.
fn open_dhcp(link: &str) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.bind_device(Some(link.as_bytes()))?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    let port = dhcproto::v4::CLIENT_PORT;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
    Ok(socket)
}
