//! Where a mail for an address goes: home, to the smarthost, or to the hosts of its domain.

use super::smtp::{Said, Trouble};
use crate::delivery::{Routing, is_local_domain};
use crate::dns::{DnsError, Lookup, to_ascii};
use crate::store::{Snapshot, StoreError};

/// Hosts of a domain that are tried: more are set up by nobody, and each may take its time.
const HOSTS: usize = 10;

/// Where a mail goes. What goes the same way goes together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Way {
    /// Into mailboxes here.
    Home,
    /// To who takes all mail from us.
    Smarthost,
    /// To the hosts of this domain, in small letters.
    Domain(String),
}

impl Way {
    /// The way to an address.
    pub(super) fn to(
        address: &str,
        snapshot: &Snapshot,
        routing: &Routing,
        has_smarthost: bool,
    ) -> Result<Way, StoreError> {
        let Some((_, domain)) = address.rsplit_once('@') else { return Ok(Way::Home) };
        if is_local_domain(snapshot, routing, domain)? {
            return Ok(Way::Home);
        }
        Ok(if has_smarthost { Way::Smarthost } else { Way::Domain(domain.to_lowercase()) })
    }
}

/// The hosts that take mail for a domain, in the order in which they are tried (RFC 5321 §5.1). `name`: ours.
pub(super) async fn hosts(lookup: &dyn Lookup, domain: &str, name: &str) -> Result<Vec<String>, Trouble> {
    let never = |code: &str, why: &str| Err(Trouble::Never(Said::of(domain, code, why)));
    if domain.starts_with('[') {
        return Ok(vec![domain.to_owned()]);
    }
    let asked = to_ascii(domain);
    let domain = &*asked;
    let mut found = match lookup.mx(domain).await {
        Ok(found) => found,
        Err(DnsError::NoSuchName) => return never("550 5.1.2", "there is no such domain"),
        // The implicit MX.
        Err(DnsError::NoData) => return Ok(vec![domain.to_owned()]),
        Err(DnsError::Temporary(why)) => {
            return Err(Trouble::Later(Said::of(
                domain,
                "450 4.4.3",
                format!("it cannot be looked up just now: {why}"),
            )));
        }
    };
    if found.iter().all(|mx| mx.exchange.is_empty()) {
        return never("556 5.1.10", "it takes no mail at all");
    }
    found.retain(|mx| !mx.exchange.is_empty());
    // Those of the same preference share the load.
    fastrand::shuffle(&mut found);
    found.sort_by_key(|mx| mx.preference);
    if let Some(ours) = found.iter().find(|mx| mx.exchange.eq_ignore_ascii_case(name)).map(|mx| mx.preference) {
        // Who stands behind us would give it back to us.
        found.retain(|mx| mx.preference < ours);
        if found.is_empty() {
            return never("554 5.4.6", "its mail is ours to take, but it is no domain here");
        }
    }
    Ok(found.into_iter().map(|mx| mx.exchange).take(HOSTS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Answer, Mx};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    struct Says(Result<Vec<Mx>, DnsError>);

    impl Lookup for Says {
        fn txt<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<Vec<u8>>> {
            Box::pin(async { Err(DnsError::NoData) })
        }

        fn ipv4<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<Ipv4Addr>> {
            Box::pin(async { Err(DnsError::NoData) })
        }

        fn ipv6<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<Ipv6Addr>> {
            Box::pin(async { Err(DnsError::NoData) })
        }

        fn mx<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<Mx>> {
            Box::pin(async { self.0.clone() })
        }

        fn ptr(&self, _: IpAddr) -> Answer<'_, Vec<String>> {
            Box::pin(async { Err(DnsError::NoData) })
        }
    }

    fn found(says: Result<&[(u16, &str)], DnsError>) -> Result<Vec<String>, Trouble> {
        let mx =
            |(preference, exchange): &(u16, &str)| Mx { preference: *preference, exchange: (*exchange).to_owned() };
        let says = Says(says.map(|all| all.iter().map(mx).collect()));
        smol::block_on(hosts(&says, "example.net", "mail.example.org"))
    }

    fn code(trouble: Trouble) -> String {
        let (Trouble::Later(said) | Trouble::Never(said)) = trouble;
        said.text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn hosts_are_tried_by_preference_and_those_behind_us_never() {
        let three = [(20, "b"), (10, "a"), (30, "c")];
        assert_eq!(found(Ok(&three)), Ok(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
        let ours = [(10, "a"), (20, "Mail.Example.org"), (20, "x"), (30, "c")];
        assert_eq!(found(Ok(&ours)), Ok(vec!["a".to_owned()]));
    }

    #[test]
    fn a_domain_without_mx_is_its_own_host() {
        assert_eq!(found(Err(DnsError::NoData)), Ok(vec!["example.net".to_owned()]));
        let letters = Says(Err(DnsError::NoData));
        let found = smol::block_on(hosts(&letters, "müller.example", "x"));
        assert_eq!(found, Ok(vec!["xn--mller-kva.example".to_owned()]));
        let literal = Says(Err(DnsError::NoSuchName));
        assert_eq!(smol::block_on(hosts(&literal, "[192.0.2.1]", "x")), Ok(vec!["[192.0.2.1]".to_owned()]));
    }

    #[test]
    fn what_can_never_be_delivered_is_told_at_once_and_the_rest_waits() {
        for (says, expected) in [
            (Ok(&[(0, "")][..]), "556 5.1.10"),
            (Err(DnsError::NoSuchName), "550 5.1.2"),
            (Ok(&[(10, "mail.example.org"), (20, "x")][..]), "554 5.4.6"),
        ] {
            let trouble = found(says).unwrap_err();
            assert!(matches!(trouble, Trouble::Never(_)), "{trouble:?}");
            assert_eq!(code(trouble), expected);
        }
        let trouble = found(Err(DnsError::Temporary("no answer".to_owned()))).unwrap_err();
        assert!(matches!(trouble, Trouble::Later(_)));
        assert_eq!(code(trouble), "450 4.4.3");
    }
}
