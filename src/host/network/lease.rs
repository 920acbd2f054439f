//! What a DHCP server lends us, and what of it is remembered over a restart.

use super::setup::{Route, Setup};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Who we are on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) mac: [u8; 6],
    /// One label, told to the server.
    pub(super) name: String,
}

/// An address with its terms, as a server wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) prefix: u8,
    pub(super) routers: Vec<Ipv4Addr>,
    /// The classless routes, which replace the routers (RFC 3442).
    pub(super) routes: Vec<Route>,
    pub(super) dns: Vec<Ipv4Addr>,
    pub(super) time_servers: Vec<Ipv4Addr>,
    pub(super) domain: Option<String>,
    /// `None`: for good.
    pub(super) lasts: Option<Duration>,
    pub(super) renew: Duration,
    pub(super) rebind: Duration,
}

/// Terms that hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) address: Ipv4Addr,
    pub(super) server: Ipv4Addr,
    /// When it was asked for: the server counts from a later moment, never from an earlier one (RFC 2131 §4.4.1).
    pub(super) since: Instant,
    pub(super) terms: Terms,
}

impl Lease {
    /// When the address is no longer ours.
    pub(super) fn end(&self) -> Option<Instant> {
        self.terms.lasts.map(|lasts| self.since + lasts)
    }

    /// When the server is asked to go on (T1).
    pub(super) fn renewal(&self) -> Option<Instant> {
        self.terms.lasts.map(|_| self.since + self.terms.renew)
    }

    /// When any server is asked to go on (T2).
    pub(super) fn rebinding(&self) -> Option<Instant> {
        self.terms.lasts.map(|_| self.since + self.terms.rebind)
    }

    /// What it asks of the kernel.
    pub(super) fn setup(&self) -> Setup {
        let routes = if self.terms.routes.is_empty() {
            self.terms.routers.first().map(|router| Route::default_by(*router)).into_iter().collect()
        } else {
            self.terms.routes.clone()
        };
        Setup { address: self.address, prefix: self.terms.prefix, routes }
    }
}

/// The address that was ours before a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) address: Ipv4Addr,
    /// Given back: it can be wished for, but not taken up again.
    #[serde(default)]
    pub(super) released: bool,
}

/// Octets of the file; it takes less than a hundred.
const FILE: u64 = 4096;

impl Remembered {
    pub(super) fn read(folder: &Path, link: &str) -> Option<Remembered> {
        let mut text = String::new();
        File::open(file(folder, link)).ok()?.take(FILE).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Written beside and renamed, so that a cut leaves the old one.
    pub(super) fn write(&self, folder: &Path, link: &str) -> io::Result<()> {
        let path = file(folder, link);
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(serde_json::to_string(self)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(new, path)
    }
}

fn file(folder: &Path, link: &str) -> PathBuf {
    folder.join(format!("lease-{link}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_read_again_and_nonsense_is_nothing() {
        let folder = std::env::temp_dir().join(format!("pillarbox-lease-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let remembered = Remembered { address: Ipv4Addr::new(10, 0, 0, 7), released: false };
        assert_eq!(Remembered::read(&folder, "eth0"), None);
        remembered.write(&folder, "eth0").unwrap();
        assert_eq!(Remembered::read(&folder, "eth0"), Some(remembered));
        fs::write(file(&folder, "eth0"), "{\"address\": 7}").unwrap();
        assert_eq!(Remembered::read(&folder, "eth0"), None);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn classless_routes_replace_the_routers() {
        let router = Ipv4Addr::new(10, 0, 0, 1);
        let mut lease = Lease {
            address: Ipv4Addr::new(10, 0, 0, 7),
            server: router,
            since: Instant::now(),
            terms: Terms { prefix: 24, routers: vec![router], ..Terms::default() },
        };
        assert_eq!(lease.setup().routes, [Route::default_by(router)]);
        let route = Route { to: Ipv4Addr::new(172, 16, 0, 0), prefix: 12, via: Some(router) };
        lease.terms.routes.push(route.clone());
        assert_eq!(lease.setup().routes, [route]);
    }
}
