//! Where names are asked for: what the settings say, or the machine's own list, which may change while we run.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The port of DNS.
pub(super) const PORT: u16 = 53;
/// Servers that are asked: as many as the C library's resolver takes, and one more.
const SERVERS: usize = 4;
/// The machine's list.
const FILE: &str = "/etc/resolv.conf";
/// It is looked at again after this time.
const FRESH: Duration = Duration::from_secs(1);
/// Octets of it that are read.
const FILE_SIZE: u64 = 64 << 10;

/// The servers that are asked.
pub struct Servers(Source);

enum Source {
    Fixed(Vec<SocketAddr>),
    File(PathBuf, Mutex<Option<Read>>),
    Told(Arc<dyn Fn() -> Vec<SocketAddr> + Send + Sync>),
}

/// What the file said when it was last looked at.
struct Read {
    looked: Instant,
    stamp: Option<(SystemTime, u64)>,
    servers: Vec<SocketAddr>,
}

impl Servers {
    /// These, of which the first are asked first.
    #[must_use]
    pub fn fixed(servers: Vec<SocketAddr>) -> Servers {
        Servers(Source::Fixed(servers))
    }

    /// Those of `/etc/resolv.conf`, which is read anew when it has changed.
    #[must_use]
    pub fn system() -> Servers {
        Servers::file(PathBuf::from(FILE))
    }

    /// Those of a file in the form of `resolv.conf`.
    #[must_use]
    pub fn file(path: PathBuf) -> Servers {
        Servers(Source::File(path, Mutex::new(None)))
    }

    /// Those that somebody knows at the moment of asking.
    #[must_use]
    pub fn told(by: Arc<dyn Fn() -> Vec<SocketAddr> + Send + Sync>) -> Servers {
        Servers(Source::Told(by))
    }

    /// Whom to ask now.
    pub(super) fn now(&self) -> Vec<SocketAddr> {
        let mut servers = match &self.0 {
            Source::Fixed(servers) => servers.clone(),
            Source::Told(by) => by(),
            Source::File(path, read) => {
                let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
                Read::again(path, &mut read)
            }
        };
        servers.truncate(SERVERS);
        servers
    }
}

impl Read {
    fn again(path: &PathBuf, kept: &mut Option<Read>) -> Vec<SocketAddr> {
        let looked = Instant::now();
        if let Some(kept) = kept.as_ref().filter(|kept| looked.duration_since(kept.looked) < FRESH) {
            return kept.servers.clone();
        }
        let found = fs::metadata(path).ok();
        let stamp = found.and_then(|found| Some((found.modified().ok()?, found.len())));
        if let Some(kept) = kept.as_mut().filter(|kept| kept.stamp == stamp) {
            kept.looked = looked;
            return kept.servers.clone();
        }
        let text = match stamp {
            Some((_, length)) if length <= FILE_SIZE => fs::read_to_string(path).unwrap_or_default(),
            _ => String::new(),
        };
        let servers = listed(&text);
        *kept = Some(Read { looked, stamp, servers: servers.clone() });
        servers
    }
}

/// `nameserver ADDRESS`, one on a line; where none is named, one on this machine is asked (resolv.conf(5)).
fn listed(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let is_server = words.next() == Some("nameserver");
        words.next().filter(|_| is_server)?.parse::<IpAddr>().ok()
    };
    let mut found: Vec<SocketAddr> =
        text.lines().filter_map(address).map(|address| SocketAddr::new(address, PORT)).collect();
    if found.is_empty() {
        found.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
    }
    found
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Fixed(servers) => f.debug_tuple("Servers").field(servers).finish(),
            Source::File(path, _) => f.debug_tuple("Servers").field(path).finish(),
            Source::Told(_) => f.debug_tuple("Servers").finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(servers: &[SocketAddr]) -> Vec<String> {
        servers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_machines_list_is_read_as_the_c_library_reads_it() {
        let text = "# nameserver 1.1.1.1\nsearch home\nnameserver 192.0.2.1 \n nameserver\t2001:db8::1\nnameserver x\n\
                    nameservers 9.9.9.9\noptions edns0\n";
        assert_eq!(texts(&listed(text)), ["192.0.2.1:53", "[2001:db8::1]:53"]);
        assert_eq!(texts(&listed("")), ["127.0.0.1:53"]);
    }

    #[test]
    fn a_changed_list_is_read_again() {
        let path = std::env::temp_dir().join(format!("pillarbox-servers-{}", std::process::id()));
        fs::write(&path, "nameserver 192.0.2.1\n").unwrap();
        let mut kept = None;
        assert_eq!(texts(&Read::again(&path, &mut kept)), ["192.0.2.1:53"]);
        fs::write(&path, "nameserver 192.0.2.22\n").unwrap();
        let age = |kept: &mut Option<Read>| {
            let read = kept.as_mut().unwrap();
            read.looked = read.looked.checked_sub(FRESH).unwrap();
        };
        age(&mut kept);
        assert_eq!(texts(&Read::again(&path, &mut kept)), ["192.0.2.22:53"]);
        fs::remove_file(&path).unwrap();
        age(&mut kept);
        assert_eq!(texts(&Read::again(&path, &mut kept)), ["127.0.0.1:53"]);
    }
}
