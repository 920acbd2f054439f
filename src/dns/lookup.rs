//! What can be asked of the names of the internet.

use smol::future::or;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::time::Duration;

/// How long the addresses of one kind are waited for when those of the other have come.
const OTHER_KIND: Duration = Duration::from_millis(500);

/// An answer that is being waited for.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, DnsError>> + Send + 'a>>;

/// Who can be asked. Names are absolute, with or without a dot at their end, and every label is taken as its octets:
/// what cannot be a name (an empty label, one of more than 63 octets, more than 253 in all) is `NoSuchName`. An `Ok` is
/// never empty.
pub trait Lookup: Send + Sync {
    /// TXT records, the strings of each joined (RFC 7208 §3.3, RFC 6376 §3.6.2.2).
    fn txt<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Vec<u8>>>;

    /// A records.
    fn ipv4<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Ipv4Addr>>;

    /// AAAA records.
    fn ipv6<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Ipv6Addr>>;

    /// MX records, the most preferred first. The null MX (RFC 7505) is one whose exchange is empty.
    fn mx<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Mx>>;

    /// The names of an address, without the dot at their end.
    fn ptr(&self, address: IpAddr) -> Answer<'_, Vec<String>>;

    /// The addresses of both kinds, IPv4 first. What is known of one kind is told where the other could not be had, or
    /// not soon.
    fn addresses<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<IpAddr>> {
        Box::pin(async move {
            let (mut four, mut six) = (self.ipv4(name), self.ipv6(name));
            let first = or(async { Ok(four.as_mut().await) }, async { Err(six.as_mut().await) }).await;
            let (four, six) = match first {
                Ok(four) => {
                    let six = if four.is_ok() { soon(six).await } else { six.await };
                    (four, six)
                }
                Err(six) => {
                    let four = if six.is_ok() { soon(four).await } else { four.await };
                    (four, six)
                }
            };
            let error = match (&four, &six) {
                (Err(DnsError::NoSuchName), Err(DnsError::NoSuchName)) => DnsError::NoSuchName,
                (Err(DnsError::Temporary(why)), _) | (_, Err(DnsError::Temporary(why))) => {
                    DnsError::Temporary(why.clone())
                }
                _ => DnsError::NoData,
            };
            let four = four.unwrap_or_default().into_iter().map(IpAddr::V4);
            let found: Vec<IpAddr> = four.chain(six.unwrap_or_default().into_iter().map(IpAddr::V6)).collect();
            if found.is_empty() { Err(error) } else { Ok(found) }
        })
    }
}

/// What comes soon. There are networks where questions of one kind are answered, those of the other never.
async fn soon<T>(answer: Answer<'_, T>) -> Result<T, DnsError> {
    or(answer, async {
        smol::Timer::after(OTHER_KIND).await;
        Err(DnsError::Temporary("the answer takes too long".to_owned()))
    })
    .await
}

/// An MX record (RFC 1035 §3.3.9).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mx {
    /// The lowest is tried first.
    pub preference: u16,
    /// The host, without the dot at its end.
    pub exchange: String,
}

/// There is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsError {
    /// There is no such name (NXDOMAIN).
    NoSuchName,
    /// The name has no record of this kind.
    NoData,
    /// No server could tell now; the text, for the log, says why.
    Temporary(String),
}

impl DnsError {
    /// Whether it is known that there is nothing (RFC 7208 §4.6.4: a "void lookup").
    #[must_use]
    pub fn is_void(&self) -> bool {
        !matches!(self, DnsError::Temporary(_))
    }
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DnsError::NoSuchName => f.write_str("there is no such name"),
            DnsError::NoData => f.write_str("the name has no such record"),
            DnsError::Temporary(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for DnsError {}

/// The name that the names of an address are asked for by (RFC 1035 §3.5, RFC 3596 §2.5).
#[must_use]
pub fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4));
            nibbles.chain(["ip6.arpa".to_owned()]).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_turned_round() {
        assert_eq!(reverse(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))), "1.2.0.192.in-addr.arpa");
        assert_eq!(
            reverse("2001:db8::cb01".parse().unwrap()),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
    }
}
