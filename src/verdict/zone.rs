//! Names of the tests: what a resolver would find.

use crate::dns::{Answer, DnsError, Lookup, Mx, reverse};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Records, as `NAME TYPE DATA` on a line; `TIMEOUT` as a type is a name that nobody tells, `SILENT` a text that never
/// comes.
#[derive(Default)]
pub(super) struct Zone(BTreeMap<String, Vec<(String, String)>>);

impl Zone {
    pub(super) fn new(text: &str) -> Zone {
        let mut zone = Zone::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.splitn(3, ' ');
            let mut word = || words.next().unwrap_or_default().to_owned();
            let (name, kind, data) = (word(), word(), word());
            zone.add(&name, &kind, &data);
        }
        zone
    }

    pub(super) fn add(&mut self, name: &str, kind: &str, data: &str) {
        self.0.entry(name.to_lowercase()).or_default().push((kind.to_owned(), data.to_owned()));
    }

    fn find<T>(&self, name: &str, kind: &str, take: impl Fn(&str) -> T) -> Result<Vec<T>, DnsError> {
        let records = self.0.get(&name.trim_end_matches('.').to_lowercase()).ok_or(DnsError::NoSuchName)?;
        if records.iter().any(|(kind, _)| kind == "TIMEOUT") {
            return Err(DnsError::Temporary("asked in vain".to_owned()));
        }
        let found: Vec<T> = records.iter().filter(|(one, _)| one == kind).map(|(_, data)| take(data)).collect();
        if found.is_empty() { Err(DnsError::NoData) } else { Ok(found) }
    }
}

impl Lookup for Zone {
    fn txt<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Vec<u8>>> {
        Box::pin(async move {
            if self.find(name, "SILENT", |_| ()).is_ok() {
                std::future::pending::<()>().await;
            }
            self.find(name, "TXT", |data| data.as_bytes().to_vec())
        })
    }

    fn ipv4<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Ipv4Addr>> {
        Box::pin(async move { self.find(name, "A", |data| data.parse().expect("an address")) })
    }

    fn ipv6<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Ipv6Addr>> {
        Box::pin(async move { self.find(name, "AAAA", |data| data.parse().expect("an address")) })
    }

    fn mx<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Mx>> {
        Box::pin(async move { self.find(name, "MX", |data| Mx { preference: 10, exchange: data.to_owned() }) })
    }

    fn ptr(&self, address: IpAddr) -> Answer<'_, Vec<String>> {
        Box::pin(async move { self.find(&reverse(address), "PTR", str::to_owned) })
    }
}
