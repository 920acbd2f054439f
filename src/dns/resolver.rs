//! The box's resolver: asks one server after the other, follows aliases, and keeps what it heard.

use super::ask::ask;
use super::cache::{Cache, Known};
use super::lookup::{Answer, DnsError, Lookup, Mx, reverse};
use super::message::{Data, Kind, Question, Said};
use super::servers::Servers;
use smol::lock::Semaphore;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Rounds over all servers.
const ROUNDS: u32 = 2;
/// How long a server has in the first round; twice as long in the second.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Names that may stand for each other over several answers.
const ALIASES: usize = 8;
/// Questions that are open at once: each has a socket.
const OPEN: usize = 100;

/// The box's resolver. Everybody who looks names up shares one.
#[derive(Debug)]
pub struct Resolver {
    servers: Servers,
    cache: Mutex<Cache>,
    open: Semaphore,
}

impl Resolver {
    /// Asks these servers.
    #[must_use]
    pub fn new(servers: Servers) -> Resolver {
        Resolver { servers, cache: Mutex::default(), open: Semaphore::new(OPEN) }
    }

    async fn records(&self, name: &str, kind: Kind) -> Known {
        let mut name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let asked = name.clone();
        let mut seconds = u32::MAX;
        for _ in 0..=ALIASES {
            if let Some(known) = self.cache().find(&name, kind, Instant::now()) {
                return known;
            }
            let Some(question) = Question::new(&name, kind) else { return Err(DnsError::NoSuchName) };
            let (known, lasts) = match self.ask_all(&question, &name).await? {
                Said::Alias(to, lasts) => {
                    (name, seconds) = (to.to_ascii_lowercase(), seconds.min(lasts));
                    continue;
                }
                Said::Records(found, lasts) => (Ok(found), lasts),
                Said::NoSuchName(lasts) => (Err(DnsError::NoSuchName), lasts.unwrap_or(0)),
                // `ask_all` tells what else there is as an error.
                Said::NoData(lasts) => (Err(DnsError::NoData), lasts.unwrap_or(0)),
                Said::Truncated | Said::Unextended | Said::Failed(_) => (Err(DnsError::NoData), 0),
            };
            self.cache().keep(&asked, kind, &known, seconds.min(lasts), Instant::now());
            return known;
        }
        Err(DnsError::Temporary(format!("{asked} leads through too many names")))
    }

    /// Asks one server after the other. What one of them says about a name is believed; what it cannot say, the next may.
    async fn ask_all(&self, question: &Question, name: &str) -> Result<Said, DnsError> {
        let _place = self.open.acquire().await;
        let mut why = "no server for names is known".to_owned();
        for round in 1..=ROUNDS {
            for server in self.servers.now() {
                match ask(question, server, PATIENCE * round).await {
                    Ok(Said::Failed(code)) => why = format!("{server} cannot tell {name}: {code}"),
                    Ok(Said::Truncated | Said::Unextended) => why = format!("{server} cannot tell {name}"),
                    Ok(said) => return Ok(said),
                    Err(error) => why = format!("{server} did not tell {name}: {error}"),
                }
            }
        }
        Err(DnsError::Temporary(why))
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn each<T>(&self, name: &str, kind: Kind, take: impl Fn(Data) -> Option<T>) -> Result<Vec<T>, DnsError> {
        let found: Vec<T> = self.records(name, kind).await?.into_iter().filter_map(take).collect();
        if found.is_empty() { Err(DnsError::NoData) } else { Ok(found) }
    }
}

impl Lookup for Resolver {
    fn txt<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Vec<u8>>> {
        Box::pin(self.each(name, Kind::Txt, |data| if let Data::Txt(text) = data { Some(text) } else { None }))
    }

    fn ipv4<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Ipv4Addr>> {
        Box::pin(self.each(name, Kind::A, |data| if let Data::A(address) = data { Some(address) } else { None }))
    }

    fn ipv6<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Ipv6Addr>> {
        Box::pin(self.each(name, Kind::Aaaa, |data| if let Data::Aaaa(address) = data { Some(address) } else { None }))
    }

    fn mx<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Mx>> {
        Box::pin(async move {
            let mut found =
                self.each(name, Kind::Mx, |data| if let Data::Mx(mx) = data { Some(mx) } else { None }).await?;
            found.sort_by_key(|mx| mx.preference);
            Ok(found)
        })
    }

    fn ptr(&self, address: IpAddr) -> Answer<'_, Vec<String>> {
        Box::pin(async move {
            let take = |data| if let Data::Ptr(name) = data { Some(name) } else { None };
            self.each(&reverse(address), Kind::Ptr, take).await
        })
    }
}

#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;
