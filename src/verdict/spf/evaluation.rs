//! `check_host()` (RFC 7208 §4, §5).

use super::record::{Lengths, Mechanism, Record};
use super::text::{Letter, Place, Text};
use super::{Spf, SpfResult};
use crate::dns::{DnsError, Lookup, to_ascii};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

/// Terms that need lookups in all records together (RFC 7208 §4.6.4).
const LOOKUPS: usize = 10;
/// Lookups that may find nothing (RFC 7208 §4.6.4).
const VOIDS: usize = 2;
/// Hosts of one `mx`, and names of one address (RFC 7208 §4.6.4).
const HOSTS: usize = 10;
/// Octets of a name (RFC 7208 §7.3).
const NAME: usize = 253;
/// Octets of what a domain tells those whose mail fails.
const EXPLANATION: usize = 500;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// The address of the client.
    pub(crate) client: IpAddr,
    /// What it called itself.
    pub(crate) helo: &'a str,
    /// The reverse path; empty for a bounce.
    pub(crate) mail_from: &'a str,
    /// Our own name.
    pub(crate) receiver: &'a str,
    /// Seconds since 1970.
    pub(crate) now: i64,
}

struct Evaluation<'a> {
    lookup: &'a dyn Lookup,
    question: Question<'a>,
    client: IpAddr,
    local_part: &'a str,
    sender_domain: &'a str,
    lookups: usize,
    voids: usize,
    /// The names of the client that its address confirms, once they were looked up.
    names: Option<Vec<String>>,
    explanation: Option<String>,
}

type Outcome<'a> = Pin<Box<dyn Future<Output = SpfResult> + Send + 'a>>;

/// Ends an evaluation early.
struct Ended(SpfResult);

/// Asks the domain of the reverse path, or that of the HELO where it has none (RFC 7208 §2.4).
pub(crate) async fn evaluate(lookup: &dyn Lookup, question: Question<'_>) -> Spf {
    let is_helo = question.mail_from.is_empty();
    let (local_part, domain) = match question.mail_from.rsplit_once('@') {
        _ if is_helo => ("postmaster", question.helo),
        Some(("", domain)) => ("postmaster", domain),
        Some(parts) => parts,
        None => ("postmaster", question.mail_from),
    };
    let domain = to_ascii(domain.strip_suffix('.').unwrap_or(domain)).into_owned();
    let mut evaluation = Evaluation {
        lookup,
        question,
        client: question.client.to_canonical(),
        local_part,
        sender_domain: &domain,
        lookups: 0,
        voids: 0,
        names: None,
        explanation: None,
    };
    let result = evaluation.check(domain.clone(), true).await;
    let explanation = evaluation.explanation.take();
    Spf { result, domain, is_helo, explanation }
}

impl Evaluation<'_> {
    /// What a domain says. The words for those who fail are of interest where no `include` led here.
    fn check(&mut self, domain: String, is_outer: bool) -> Outcome<'_> {
        Box::pin(async move {
            match self.evaluate(&domain, is_outer).await {
                Ok(result) | Err(Ended(result)) => result,
            }
        })
    }

    async fn evaluate(&mut self, domain: &str, is_outer: bool) -> Result<SpfResult, Ended> {
        if !is_domain(domain) {
            return Ok(SpfResult::None);
        }
        let texts = match self.lookup.txt(domain).await {
            Ok(texts) => texts,
            Err(DnsError::NoSuchName | DnsError::NoData) => return Ok(SpfResult::None),
            Err(DnsError::Temporary(_)) => return Ok(SpfResult::TempError),
        };
        let mut records = texts.iter().filter(|text| Record::is_one(text));
        let Some(text) = records.next() else { return Ok(SpfResult::None) };
        if records.next().is_some() {
            return Ok(SpfResult::PermError);
        }
        let record = Record::parse(text).ok_or(Ended(SpfResult::PermError))?;
        for directive in &record.directives {
            if self.matches(&directive.mechanism, domain).await? {
                if directive.result == SpfResult::Fail
                    && is_outer
                    && let Some(explanation) = &record.explanation
                {
                    self.explanation = self.explain(explanation, domain).await;
                }
                return Ok(directive.result);
            }
        }
        let Some(redirect) = &record.redirect else { return Ok(SpfResult::Neutral) };
        self.count()?;
        let target = self.name(redirect, domain).await;
        // RFC 7208 §6.1.
        match self.check(target, is_outer).await {
            SpfResult::None => Ok(SpfResult::PermError),
            result => Ok(result),
        }
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Ended> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, bits) => Ok(is_within(self.client, IpAddr::V4(*network), *bits)),
            Mechanism::Ip6(network, bits) => Ok(is_within(self.client, IpAddr::V6(*network), *bits)),
            Mechanism::Include(target) => {
                self.count()?;
                let target = self.name(target, domain).await;
                // RFC 7208 §5.2.
                match self.check(target, false).await {
                    SpfResult::Pass => Ok(true),
                    SpfResult::TempError => Err(Ended(SpfResult::TempError)),
                    SpfResult::PermError | SpfResult::None => Err(Ended(SpfResult::PermError)),
                    SpfResult::Fail | SpfResult::SoftFail | SpfResult::Neutral => Ok(false),
                }
            }
            Mechanism::A(target, lengths) => {
                self.count()?;
                let target = self.target(target.as_ref(), domain).await;
                self.is_among(&target, *lengths, true).await
            }
            Mechanism::Mx(target, lengths) => {
                self.count()?;
                let target = self.target(target.as_ref(), domain).await;
                let found = self.lookup.mx(&target).await;
                let hosts = self.weigh(found)?;
                if hosts.len() > HOSTS {
                    return Err(Ended(SpfResult::PermError));
                }
                for host in hosts {
                    if self.is_among(&host.exchange, *lengths, false).await? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Mechanism::Exists(target) => {
                self.count()?;
                let target = self.name(target, domain).await;
                let found = self.lookup.ipv4(&target).await;
                Ok(!self.weigh(found)?.is_empty())
            }
            Mechanism::Ptr(target) => {
                self.count()?;
                let target = self.target(target.as_ref(), domain).await;
                let names = self.confirmed_names().await;
                Ok(names.iter().any(|name| is_below(name, &target)))
            }
        }
    }

    /// One more term that needs a lookup.
    fn count(&mut self) -> Result<(), Ended> {
        self.lookups += 1;
        if self.lookups > LOOKUPS { Err(Ended(SpfResult::PermError)) } else { Ok(()) }
    }

    /// What was found; nothing, too, but not more than a few times.
    fn weigh<T>(&mut self, found: Result<Vec<T>, DnsError>) -> Result<Vec<T>, Ended> {
        match found {
            Ok(found) => Ok(found),
            Err(DnsError::Temporary(_)) => Err(Ended(SpfResult::TempError)),
            Err(DnsError::NoSuchName | DnsError::NoData) => {
                self.voids += 1;
                if self.voids > VOIDS { Err(Ended(SpfResult::PermError)) } else { Ok(Vec::new()) }
            }
        }
    }

    /// Whether the client is one of a host's addresses. A host of an `mx` that has none of the client's kind is no fault
    /// of the record's: it is not counted.
    async fn is_among(&mut self, host: &str, lengths: Lengths, is_counted: bool) -> Result<bool, Ended> {
        let (found, bits): (Result<Vec<IpAddr>, _>, u8) = match self.client {
            IpAddr::V4(_) => {
                (self.lookup.ipv4(host).await.map(|found| found.into_iter().map(IpAddr::V4).collect()), lengths.ipv4)
            }
            IpAddr::V6(_) => {
                (self.lookup.ipv6(host).await.map(|found| found.into_iter().map(IpAddr::V6).collect()), lengths.ipv6)
            }
        };
        let found = match found {
            Err(error) if error.is_void() && !is_counted => return Ok(false),
            found => self.weigh(found)?,
        };
        Ok(found.into_iter().any(|address| is_within(self.client, address, bits)))
    }

    /// The names of the client that lead back to it (RFC 7208 §5.5); none where it could not be found out.
    async fn confirmed_names(&mut self) -> Vec<String> {
        if let Some(names) = &self.names {
            return names.clone();
        }
        let mut confirmed = Vec::new();
        for name in self.lookup.ptr(self.client).await.unwrap_or_default().into_iter().take(HOSTS) {
            let is_ours = match self.client {
                IpAddr::V4(client) => self.lookup.ipv4(&name).await.is_ok_and(|found| found.contains(&client)),
                IpAddr::V6(client) => self.lookup.ipv6(&name).await.is_ok_and(|found| found.contains(&client)),
            };
            if is_ours {
                confirmed.push(name);
            }
        }
        self.names = Some(confirmed.clone());
        confirmed
    }

    async fn target(&mut self, given: Option<&Text>, domain: &str) -> String {
        match given {
            Some(text) => self.name(text, domain).await,
            None => domain.to_owned(),
        }
    }

    /// The name that a text with macros stands for: as much of its end as a name can be (RFC 7208 §7.3).
    async fn name(&mut self, text: &Text, domain: &str) -> String {
        let name = self.expand(text, domain).await;
        let mut name = name.strip_suffix('.').unwrap_or(&name);
        while name.len() > NAME {
            let Some((_, rest)) = name.split_once('.') else { break };
            name = rest;
        }
        name.to_owned()
    }

    async fn expand(&mut self, text: &Text, domain: &str) -> String {
        let name = if text.names(Letter::Name) { self.best_name(domain).await } else { String::new() };
        let Question { helo, receiver, now, .. } = self.question;
        text.expand(|letter| match letter {
            Letter::Sender => format!("{}@{}", self.local_part, self.sender_domain),
            Letter::LocalPart => self.local_part.to_owned(),
            Letter::SenderDomain => self.sender_domain.to_owned(),
            Letter::Domain => domain.to_owned(),
            Letter::Address => dotted(self.client),
            Letter::Name => name.clone(),
            Letter::Version => if self.client.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
            Letter::Helo => helo.to_owned(),
            Letter::ClientAddress => self.client.to_string(),
            Letter::Receiver => receiver.to_owned(),
            Letter::Time => now.to_string(),
        })
    }

    /// `%{p}`: the domain itself if it is one of the client's names, else one below it, else any (RFC 7208 §7.3).
    async fn best_name(&mut self, domain: &str) -> String {
        let names = self.confirmed_names().await;
        let itself = names.iter().find(|name| name.eq_ignore_ascii_case(domain));
        let best = itself.or_else(|| names.iter().find(|name| is_below(name, domain))).or_else(|| names.first());
        best.map_or("unknown".to_owned(), Clone::clone)
    }

    /// What the domain tells those whose mail fails; nothing where it cannot be had (RFC 7208 §6.2).
    async fn explain(&mut self, text: &Text, domain: &str) -> Option<String> {
        let name = self.name(text, domain).await;
        let mut texts = self.lookup.txt(&name).await.ok()?.into_iter();
        let (text, None) = (texts.next()?, texts.next()) else { return None };
        let text = Text::parse(std::str::from_utf8(&text).ok()?, Place::Explanation)?;
        let mut words = self.expand(&text, domain).await;
        // What the peer put into its address may be anything.
        words.retain(|c| matches!(c, ' '..='~'));
        words.truncate(EXPLANATION);
        Some(words)
    }
}

/// Several labels, each of 1 to 63 octets (RFC 7208 §4.3).
fn is_domain(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.contains('.')
        && name.len() <= NAME
        && !name.starts_with('[')
        && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

/// Whether a name is a domain, or below it.
fn is_below(name: &str, domain: &str) -> bool {
    let Some(before) = name.len().checked_sub(domain.len()) else { return false };
    name.get(before..).is_some_and(|end| end.eq_ignore_ascii_case(domain))
        && (before == 0 || name.get(..before).is_some_and(|before| before.ends_with('.')))
}

/// Whether two addresses of one kind begin with the same bits.
fn is_within(client: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (client, network) {
        (IpAddr::V4(client), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            client.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(client), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            client.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

/// `%{i}`: an IPv6 address as its nibbles (RFC 7208 §7.3).
fn dotted(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            nibbles.map(|nibble| format!("{nibble:X}")).collect::<Vec<_>>().join(".")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_bit_by_bit() {
        let is = |client: &str, network: &str, bits| is_within(client.parse().unwrap(), network.parse().unwrap(), bits);
        assert!(is("192.0.2.77", "192.0.2.64", 26) && !is("192.0.2.77", "192.0.2.128", 26));
        assert!(is("1.2.3.4", "9.9.9.9", 0) && is("::1", "2001:db8::", 0));
        assert!(is("2001:db8::1", "2001:db8::2", 126) && !is("2001:db8::1", "2001:db8::2", 127));
        assert!(!is("1.2.3.4", "::ffff:1.2.3.4", 0));
    }

    #[test]
    fn names_are_below_domains_at_a_dot_only() {
        assert!(is_below("A.example.org", "example.ORG") && is_below("example.org", "example.org"));
        assert!(!is_below("anexample.org", "example.org") && !is_below("org", "example.org"));
        assert_eq!(
            dotted("2001:db8::cb01".parse().unwrap()),
            "2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.C.B.0.1"
        );
    }
}
