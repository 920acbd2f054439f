//! A link's ARP: asking for addresses, telling of ours, defending it.

use super::arp::{Arp, Socket};
use super::links::Link;
use rustix::event::{PollFd, PollFlags};
use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// RFC 5227 §1.1: an address is told twice, two seconds apart.
const ANNOUNCEMENTS: u32 = 2;
const BETWEEN: Duration = Duration::from_secs(2);
/// RFC 5227 §1.1, `DEFEND_INTERVAL`.
const DEFENCE: Duration = Duration::from_secs(10);

/// What others on a link know of us.
#[derive(Debug)]
pub(super) struct Presence {
    name: String,
    mac: [u8; 6],
    socket: Option<Socket>,
    /// An address to tell of, how often, and when.
    announcement: Option<(Ipv4Addr, u32, Instant)>,
    defended: Option<Instant>,
}

impl Presence {
    pub(super) fn new(link: &Link) -> Presence {
        Presence { name: link.name.clone(), mac: link.mac, socket: None, announcement: None, defended: None }
    }

    /// Opens what failed to open before, or was not there yet.
    pub(super) fn open(&mut self, link: u32) {
        if self.socket.is_none() {
            let opened = Socket::open(link);
            self.socket = opened.inspect_err(|error| log::warn!("{}: no ARP: {error}", self.name)).ok();
        }
    }

    /// Whether anybody can be asked.
    pub(super) fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    pub(super) fn poll(&self) -> Option<PollFd<'_>> {
        self.socket.as_ref().map(|socket| PollFd::new(socket, PollFlags::IN))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.announcement.map(|(_, _, at)| at)
    }

    /// What another one says; `None` when that was all.
    pub(super) fn hear(&self) -> Option<Arp> {
        loop {
            match self.socket.as_ref()?.hear() {
                Ok(Some(arp)) if arp.mac != self.mac => return Some(arp),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) => {
                    // A link that was switched off says so once.
                    log::debug!("{}: {error}", self.name);
                    return None;
                }
            }
        }
    }

    /// Asks who has an address.
    pub(super) fn ask(&self, address: Ipv4Addr) {
        self.say(&Arp::probe(self.mac, address));
    }

    /// Tells that an address is ours now.
    pub(super) fn announce(&mut self, address: Ipv4Addr, now: Instant) {
        self.announcement = Some((address, ANNOUNCEMENTS, now));
    }

    /// Tells that an address is ours, against one who says it is his.
    pub(super) fn claim(&self, address: Ipv4Addr) {
        self.say(&Arp::announcement(self.mac, address));
    }

    /// Nobody is told any more.
    pub(super) fn end(&mut self) {
        self.announcement = None;
    }

    /// What is due.
    pub(super) fn go_on(&mut self, now: Instant) {
        if let Some((address, left, at)) = self.announcement
            && at <= now
        {
            self.claim(address);
            self.announcement = (left > 1).then(|| (address, left - 1, now + BETWEEN));
        }
    }

    /// An address that was lent or set is kept: a server that moves away is of no use (RFC 5227 §2.4 (c)).
    pub(super) fn defend(&mut self, address: Ipv4Addr, heard: &Arp, now: Instant) {
        let is_time = self.defended.is_none_or(|defended| now.saturating_duration_since(defended) >= DEFENCE);
        if heard.sender == address && is_time {
            log::warn!("{}: {} says that it has {address} as well", self.name, mac(heard.mac));
            self.defended = Some(now);
            self.claim(address);
        }
    }

    fn say(&self, arp: &Arp) {
        if let Some(Err(error)) = self.socket.as_ref().map(|socket| socket.say(arp)) {
            log::debug!("{}: {error}", self.name);
        }
    }
}

/// A hardware address, as people write it.
pub(super) fn mac(octets: [u8; 6]) -> String {
    octets.map(|octet| format!("{octet:02x}")).join(":")
}
