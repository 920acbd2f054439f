//! The network: links, addresses, names. Nothing here waits for anything but its own threads.
//!
//! Read first: `dhcp` (the client as a machine), then `interface` (which machines a link has, and what is done for them).
//! `watch` sees links come and go; `names` looks names up; `mdns` tells others ours.

mod arp;
mod dhcp;
#[cfg(test)]
mod dhcp_tests;
mod fallback;
mod handle;
mod interface;
mod kernel;
mod lease;
mod links;
mod mdns;
mod names;
mod packet;
#[cfg(test)]
mod packet_tests;
mod presence;
mod probe;
mod setup;
mod status;
mod watch;

pub use status::{Source, Status};

use crate::sys::threads;
use lease::Terms;
use links::Link;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use setup::{Route, Setup};
use status::Noted;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// `[network]`: what is not set comes by DHCP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSettings {
    /// `address`, with the length of the network's prefix: `"192.168.1.5/24"`.
    pub address: Option<(Ipv4Addr, u8)>,
    /// `gateway`
    pub gateway: Option<Ipv4Addr>,
    /// `dns`
    pub dns: Vec<IpAddr>,
}

/// The network, run by threads of its own. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Network(Arc<Inside>);

/// What the threads share.
#[derive(Debug)]
struct Inside {
    /// One label.
    name: String,
    settings: NetworkSettings,
    /// Where leases are remembered.
    folder: Option<PathBuf>,
    noted: Mutex<Notes>,
    changed: Condvar,
    /// Ends the watcher's sleep.
    bell: OwnedFd,
    released: AtomicBool,
    watcher: Mutex<Option<JoinHandle<()>>>,
    names: names::Names,
    mdns: Mutex<Option<mdns::Mdns>>,
}

/// What the links' threads noted.
#[derive(Debug, Default)]
struct Notes {
    links: BTreeMap<String, Noted>,
    /// The link that has what the owner set.
    fixed: Option<(String, u32)>,
    changes: u64,
}

impl Network {
    /// Begins to run all Ethernet links, those that come later too. Leases are remembered in the folder, if there is one.
    pub fn start(name: &str, settings: &NetworkSettings, folder: Option<PathBuf>) -> io::Result<Network> {
        let name = label(name);
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let inside = Arc::new_cyclic(|inside: &Weak<Inside>| Inside {
            names: names::Names::new({
                let inside = Weak::clone(inside);
                Arc::new(move || inside.upgrade().map_or_else(Vec::new, |inside| inside.dns()))
            }),
            settings: settings.clone(),
            folder,
            noted: Mutex::default(),
            changed: Condvar::new(),
            bell,
            released: AtomicBool::new(false),
            watcher: Mutex::new(None),
            mdns: Mutex::new(mdns::Mdns::start(&name)),
            name,
        });
        let watched = Arc::clone(&inside);
        let watcher = threads::steady("network", move || watch::run(&watched))?;
        *lock(&inside.watcher) = Some(watcher);
        Ok(Network(inside))
    }

    /// How things are.
    #[must_use]
    pub fn status(&self) -> Status {
        let dns = self.0.dns();
        let notes = lock(&self.0.noted);
        Status {
            name: lock(&self.0.mdns).as_ref().map_or_else(|| self.0.name.clone(), mdns::Mdns::name),
            links: notes.links.iter().map(|(name, link)| link.status(name)).collect(),
            dns,
            time_servers: notes.all(|terms| &terms.time_servers),
            domain: notes.terms().find_map(|terms| terms.domain.clone()),
        }
    }

    /// The addresses of a name; one that is an address already is its own.
    pub fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let status = self.status();
        let mut found = self.0.names.resolve(name, status.domain.as_deref())?;
        // What cannot be reached is tried last.
        let has_ipv6 = status.links.iter().any(|link| !link.ipv6.is_empty());
        found.sort_by_key(|address| address.is_ipv6() != has_ipv6);
        Ok(found)
    }

    /// Waits until something changed, but no longer than this.
    pub fn wait(&self, longest: Duration) {
        let notes = lock(&self.0.noted);
        let before = notes.changes;
        let _ = self.0.changed.wait_timeout_while(notes, longest, |notes| notes.changes == before);
    }

    /// Says goodbye to the network: addresses go back to those who lent them. It is not used after that.
    pub fn release(&self) {
        // Whoever asks for the status meanwhile does not wait for it.
        let mdns = lock(&self.0.mdns).take();
        if let Some(mdns) = mdns {
            mdns.say_goodbye();
        }
        self.0.released.store(true, Ordering::SeqCst);
        let _ = rustix::io::write(&self.0.bell, &1_u64.to_ne_bytes());
        let watcher = lock(&self.0.watcher).take();
        if watcher.is_some_and(|watcher| watcher.join().is_err()) {
            log::warn!("the network's thread failed");
        }
        self.0.ring();
    }
}

impl Notes {
    /// What the links that have a cable were told.
    fn terms(&self) -> impl Iterator<Item = &Terms> {
        self.links.values().filter(|link| link.cable).map(|link| &link.terms)
    }

    /// Servers that any of them was told of.
    fn all(&self, servers: fn(&Terms) -> &Vec<Ipv4Addr>) -> Vec<IpAddr> {
        let mut all: Vec<IpAddr> = Vec::new();
        for server in self.terms().flat_map(servers).map(|server| IpAddr::V4(*server)) {
            if !all.contains(&server) {
                all.push(server);
            }
        }
        all
    }
}

impl Inside {
    /// Where names are asked for now.
    fn dns(&self) -> Vec<IpAddr> {
        let set = &self.settings.dns;
        if set.is_empty() { lock(&self.noted).all(|terms| &terms.dns) } else { set.clone() }
    }

    fn is_released(&self) -> bool {
        self.released.load(Ordering::SeqCst)
    }

    /// What the owner set is for the first link that has a cable, and stays with it.
    fn fixed_for(&self, link: &Link) -> Option<Setup> {
        let (address, prefix) = self.settings.address?;
        let mut notes = lock(&self.noted);
        let (name, index) = notes.fixed.get_or_insert_with(|| (link.name.clone(), link.index));
        let routes = self.settings.gateway.map(Route::default_by).into_iter().collect();
        (*name == link.name && *index == link.index).then_some(Setup { address, prefix, routes })
    }

    fn note(&self, link: &Link, setup: Option<&Setup>, source: Source, terms: Terms) {
        let new = Noted::new(link, setup, source, terms);
        let mut notes = lock(&self.noted);
        if notes.links.get(&link.name) != Some(&new) {
            notes.links.insert(link.name.clone(), new);
            notes.changes += 1;
            self.changed.notify_all();
        }
    }

    /// A link is gone; one that came after it may have its name.
    fn forget(&self, link: &Link) {
        let mut notes = lock(&self.noted);
        if notes.links.get(&link.name).is_some_and(|noted| noted.index == link.index) {
            notes.links.remove(&link.name);
        }
        if notes.fixed.as_ref().is_some_and(|(_, index)| *index == link.index) {
            notes.fixed = None;
        }
        drop(notes);
        self.ring();
    }

    /// Wakes who waits for a change.
    fn ring(&self) {
        lock(&self.noted).changes += 1;
        self.changed.notify_all();
    }
}

/// What a thread that failed left is as good as anything.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first label of a name, as a network takes it.
fn label(name: &str) -> String {
    let first = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let label: String = first.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(63).collect();
    match label.trim_matches('-') {
        "" => "pillarbox".to_owned(),
        label => label.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_label() {
        assert_eq!(label("Mail.example.org"), "mail");
        assert_eq!(label("Anna's box"), "anna-s-box");
        assert_eq!(label("-é-"), "pillarbox");
        assert_eq!(label(&"x".repeat(100)).len(), 63);
    }
}
