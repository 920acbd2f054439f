//! Policies up the tree of names, and which domain a domain belongs to by them (`DMARCbis` §4.10).

use super::house::house;
use super::record::Record;
use crate::dns::{DnsError, Lookup};

/// Names that are asked for one domain (`DMARCbis` §4.10): a deep one is asked itself, and then from this depth up.
const ASKED: usize = 8;

/// The policies of a domain and of those above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    /// The domain, in small letters.
    domain: String,
    /// From the domain up; only those that have one.
    found: Vec<(String, Record)>,
}

/// It cannot be known now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unknown;

impl Walk {
    /// Asks from a domain up.
    pub(super) async fn up(domain: &str, lookup: &dyn Lookup) -> Result<Walk, Unknown> {
        let domain = domain.strip_suffix('.').unwrap_or(domain).to_lowercase();
        let mut found = Vec::new();
        let mut name = domain.as_str();
        // A single label is nobody's mail domain, whatever it publishes: all below it would be one house.
        for _ in 0..ASKED {
            if !name.contains('.') {
                break;
            }
            if let Some(record) = policy(name, lookup).await? {
                let ends = record.is_public.is_some();
                found.push((name.to_owned(), record));
                if ends {
                    break;
                }
            }
            name = above(name);
        }
        Ok(Walk { domain, found })
    }

    /// The domain that answers for this one, for all that belong to the same house.
    pub(super) fn organization(&self) -> &str {
        for (name, record) in &self.found {
            match record.is_public {
                Some(false) => return name,
                Some(true) if *name != self.domain => return one_below(name, &self.domain),
                _ => {}
            }
        }
        house(&self.domain)
    }

    /// Whether the domain, or one above it, says that it is a house of its own.
    pub(super) fn is_closed(&self) -> bool {
        self.found.iter().any(|(_, record)| record.is_public == Some(false))
    }

    /// The policy for this domain, and whether it is its own: else it is that of its organization, or of the public
    /// domain above that.
    pub(super) fn policy(&self) -> Option<(&Record, bool)> {
        if let Some((_, record)) = self.found.iter().find(|(name, _)| *name == self.domain) {
            return Some((record, true));
        }
        let organization = self.organization();
        let of = self.found.iter().find(|(name, _)| name == organization);
        let public = || self.found.iter().find(|(_, record)| record.is_public == Some(true));
        of.or_else(public).map(|(_, record)| (record, false))
    }
}

async fn policy(name: &str, lookup: &dyn Lookup) -> Result<Option<Record>, Unknown> {
    let texts = match lookup.txt(&format!("_dmarc.{name}")).await {
        Ok(texts) => texts,
        Err(DnsError::NoSuchName | DnsError::NoData) => return Ok(None),
        Err(DnsError::Temporary(_)) => return Err(Unknown),
    };
    let mut records = texts.iter().filter(|text| Record::is_one(text));
    // RFC 7489 §6.6.3: of several, none counts.
    let (Some(text), None) = (records.next(), records.next()) else { return Ok(None) };
    Ok(Record::read(text))
}

/// The name above; of a deep one, that of as many labels as are still asked.
fn above(name: &str) -> &str {
    let labels = name.split('.').count();
    let dropped = if labels > ASKED { labels + 1 - ASKED } else { 1 };
    name.splitn(dropped + 1, '.').last().unwrap_or_default()
}

/// The domain with one label more than a name above it.
fn one_below<'a>(name: &str, domain: &'a str) -> &'a str {
    let before = domain.strip_suffix(name).and_then(|rest| rest.strip_suffix('.')).unwrap_or_default();
    let dropped = before.rfind('.').map_or(0, |dot| dot + 1);
    domain.get(dropped..).unwrap_or(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(domain: &str, records: &[(&str, &str)]) -> Walk {
        let found = records.iter().map(|(name, text)| ((*name).to_owned(), Record::read(text.as_bytes()).unwrap()));
        Walk { domain: domain.to_owned(), found: found.collect() }
    }

    #[test]
    fn deep_names_are_asked_for_from_a_bounded_depth() {
        assert_eq!(above("a.b.c"), "b.c");
        assert_eq!(above("1.2.3.4.5.6.7.8"), "2.3.4.5.6.7.8");
        assert_eq!(above("1.2.3.4.5.6.7.8.9.10"), "4.5.6.7.8.9.10");
    }

    #[test]
    fn the_policy_of_the_house_is_for_all_below_it() {
        let none = "v=DMARC1; p=none";
        assert_eq!(walk("a.example.org", &[]).organization(), "example.org");
        let below = walk("a.b.example.org", &[("b.example.org", none)]);
        assert_eq!((below.organization(), below.policy()), ("example.org", None));
        let public = walk("a.b.co.uk", &[("co.uk", none)]);
        assert_eq!((public.organization(), public.policy()), ("b.co.uk", None));
        let both = walk("a.example.org", &[("a.example.org", none), ("example.org", none)]);
        assert_eq!(both.organization(), "example.org");
        assert!(both.policy().unwrap().1);
        let of_house = walk("a.b.example.org", &[("example.org", none)]);
        assert_eq!((of_house.organization(), of_house.policy().unwrap().1), ("example.org", false));
    }

    #[test]
    fn a_public_domain_is_no_house_but_those_below_it_are() {
        let public = "v=DMARC1; p=reject; psd=y";
        let one = walk("a.b.example.co.uk", &[("co.uk", public)]);
        assert_eq!(one.organization(), "example.co.uk");
        assert!(!one.policy().unwrap().1);
        assert_eq!(walk("co.uk", &[("co.uk", public)]).organization(), "co.uk");
        let own = walk("a.b.example.org", &[("b.example.org", "v=DMARC1; p=none; psd=n")]);
        assert_eq!(own.organization(), "b.example.org");
    }
}
