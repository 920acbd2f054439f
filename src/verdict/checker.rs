//! One message's check, from its first octet to what is thought of it.

use super::dkim::{Dkim, DkimResult, Verifier};
use super::dmarc::{Dmarc, DmarcResult, Policy, Vouched, weigh};
use super::head::Head;
use super::results::told;
use super::spf::{Question, Spf, SpfResult, evaluate};
use crate::dns::{Lookup, to_ascii};
use crate::mail::header::fields;
use crate::mail::{Envelope, limits};
use smol::future::{or, zip};
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long each of the three questions may take (RFC 7208 §4.6.4: at least 20 seconds).
const PATIENCE: Duration = Duration::from_secs(20);
/// Domains in the From field: more than one is rare, and each costs lookups.
const AUTHORS: usize = 4;

/// What is known of a message before its first octet.
#[derive(Clone)]
pub struct Checking {
    /// Who is asked for names.
    pub lookup: Arc<dyn Lookup>,
    /// The address that the peer has.
    pub client: IpAddr,
    /// What it called itself.
    pub helo: String,
    /// The reverse path without its brackets; empty for a bounce.
    pub mail_from: String,
    /// Our own name: the `authserv-id` of RFC 8601 §2.2.
    pub receiver: String,
    /// Seconds since 1970.
    pub now: i64,
    /// A number from 0 to 99, drawn anew for each message: what part of the failing mail a policy is meant for
    /// (RFC 7489 §6.6.4, `pct`).
    pub draw: u8,
}

/// Reads one message, without holding more of it than its header.
#[derive(Debug)]
pub struct Checker {
    checking: Checking,
    head: Head,
    /// Once the header is whole.
    verifier: Option<Verifier>,
}

/// What is thought of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The whole `Authentication-Results` field with its line ends, to be put above the message.
    pub header: String,
    /// What is to be done with it.
    pub disposition: Disposition,
    /// What SPF says.
    pub spf: Spf,
    /// What became of each signature, from the top.
    pub dkim: Vec<Dkim>,
    /// What DMARC says, for each domain in the From field.
    pub dmarc: Vec<Dmarc>,
}

/// What is to be done with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Nothing but to deliver it.
    None,
    /// It goes to where people look for junk.
    Quarantine,
    /// It is refused for good (550 5.7.1).
    Reject {
        /// Why, on one line of ASCII, for the peer.
        text: String,
    },
    /// It would be refused, but what could speak for it was not to be had now: the peer tries again later (451 4.7.0).
    TryLater,
}

impl Disposition {
    fn weight(&self) -> u8 {
        match self {
            Disposition::None => 0,
            Disposition::Quarantine => 1,
            Disposition::Reject { .. } => 2,
            Disposition::TryLater => 3,
        }
    }
}

impl Checker {
    /// Begins a check.
    #[must_use]
    pub fn new(checking: Checking) -> Checker {
        Checker { checking, head: Head::default(), verifier: None }
    }

    /// The next octets of the message, whose lines end in CRLF, as the peer sent it and without dots that were only put
    /// there for the way.
    pub fn push(&mut self, octets: &[u8]) {
        let body = self.head.push(octets);
        if self.head.is_whole() {
            self.verifier().push(body);
        }
    }

    /// The message is complete. Takes as long as names take to look up, but no longer than a minute.
    pub async fn finish(mut self) -> Verdict {
        let verifier = std::mem::take(self.verifier());
        let Checker { checking, head, .. } = self;
        let authors = authors(head.octets());
        let is_hidden =
            authors.len() > AUTHORS || authors.is_empty() && head.is_too_long() || is_beyond_reading(head.octets());
        // Names may take long to be answered, and many messages may wait for them.
        drop(head);
        let lookup = &*checking.lookup;
        let (spf, dkim) = zip(spf(&checking), verifier.finish(lookup, PATIENCE)).await;
        let authors = (1..=AUTHORS).contains(&authors.len()).then_some(&*authors);
        let (dmarc, disposition) = match within(dmarc(&checking, authors, &spf, &dkim)).await {
            Some(weighed) => weighed,
            None => (of_all(authors, DmarcResult::TempError), Disposition::None),
        };
        // Who hides the author behind more header, or among more authors, than anybody writes means no good.
        let disposition = if is_hidden { Disposition::Quarantine } else { disposition };
        let header = told(&checking.receiver, &spf, &checking.mail_from, &dkim, &dmarc);
        Verdict { header, disposition, spf, dkim, dmarc }
    }

    fn verifier(&mut self) -> &mut Verifier {
        let (head, now) = (&self.head, self.checking.now);
        // Of a header that was not held whole, it cannot be known what was signed.
        let header = if head.is_too_long() { &[] } else { head.octets() };
        self.verifier.get_or_insert_with(|| Verifier::new(header, now))
    }
}

async fn spf(checking: &Checking) -> Spf {
    let Checking { client, helo, mail_from, receiver, now, .. } = checking;
    let question = Question { client: *client, helo, mail_from, receiver, now: *now };
    within(evaluate(&*checking.lookup, question)).await.unwrap_or_else(|| {
        let domain = mail_from.rsplit_once('@').map_or(helo.as_str(), |(_, domain)| domain).to_owned();
        Spf { result: SpfResult::TempError, is_helo: mail_from.is_empty(), domain, explanation: None }
    })
}

/// The domains in the From fields of a header, each once; of too many to ask, one more than that.
fn authors(header: &[u8]) -> Vec<String> {
    let mut domains: Vec<String> = Vec::new();
    for field in fields(header).filter(|field| field.name.eq_ignore_ascii_case(b"From")) {
        for host in Envelope::read(field.whole).from.iter().filter_map(|address| address.host.as_ref()) {
            let domain = String::from_utf8_lossy(host.trim_ascii());
            let domain = to_ascii(domain.trim_end_matches('.')).to_ascii_lowercase();
            if !domain.is_empty() && !domains.contains(&domain) {
                domains.push(domain);
            }
            if domains.len() > AUTHORS {
                return domains;
            }
        }
    }
    domains
}

/// Whether a From field is longer than it is read: the author that people see may stand there.
fn is_beyond_reading(header: &[u8]) -> bool {
    let mut from = fields(header).filter(|field| field.name.eq_ignore_ascii_case(b"From"));
    from.any(|field| field.value.len() > limits::HEADER_VALUE)
}

fn of_all(authors: Option<&[String]>, result: DmarcResult) -> Vec<Dmarc> {
    let of = |domain: &String| Dmarc { result, domain: domain.clone(), policy: Policy::None };
    authors.unwrap_or_default().iter().map(of).collect()
}

/// Weighs the message for each of its authors' domains; the strictest policy of those that it fails for counts
/// (RFC 7489 §6.6.1).
async fn dmarc(checking: &Checking, authors: Option<&[String]>, spf: &Spf, dkim: &[Dkim]) -> (Vec<Dmarc>, Disposition) {
    let Some(authors) = authors else {
        let none = Dmarc { result: DmarcResult::PermError, domain: String::new(), policy: Policy::None };
        return (vec![none], Disposition::None);
    };
    let (lookup, draw) = (&*checking.lookup, checking.draw);
    let vouched = vouched(spf, dkim, false);
    let mut weighed = Vec::new();
    let mut disposition = Disposition::None;
    for domain in authors {
        let one = weigh(domain, &vouched, draw, lookup).await;
        let is_failed = one.result == DmarcResult::Fail;
        let is_wanted = one.policy == Policy::Reject;
        let is_later = is_wanted && one.result == DmarcResult::TempError
            || is_wanted && is_failed && may_pass_later(domain, spf, dkim, lookup).await;
        let this = match one.policy {
            _ if is_later => Disposition::TryLater,
            Policy::Reject if is_failed => {
                let domain: String = domain.chars().filter(char::is_ascii_graphic).collect();
                Disposition::Reject { text: format!("{domain} wants mail refused that it did not send (DMARC)") }
            }
            Policy::Quarantine if is_failed => Disposition::Quarantine,
            _ => Disposition::None,
        };
        // What is put off may be refused when it comes again.
        if this.weight() > disposition.weight() {
            disposition = this;
        }
        weighed.push(one);
    }
    (weighed, disposition)
}

/// Whether the message passes once those are asked that could not be asked now.
async fn may_pass_later(domain: &str, spf: &Spf, dkim: &[Dkim], lookup: &dyn Lookup) -> bool {
    let is_open = spf.result == SpfResult::TempError || dkim.iter().any(|one| one.result == DkimResult::TempError);
    is_open && weigh(domain, &vouched(spf, dkim, true), 0, lookup).await.result != DmarcResult::Fail
}

/// Who vouches for the message, or may do so later.
fn vouched(spf: &Spf, dkim: &[Dkim], is_later: bool) -> Vouched {
    let by_spf = spf.result == SpfResult::Pass || is_later && spf.result == SpfResult::TempError;
    let by = |one: &&Dkim| one.result == DkimResult::Pass || is_later && one.result == DkimResult::TempError;
    Vouched {
        spf: by_spf.then(|| spf.domain.clone()),
        dkim: dkim.iter().filter(by).map(|one| one.domain.clone()).collect(),
    }
}

async fn within<T>(work: impl Future<Output = T>) -> Option<T> {
    or(async { Some(work.await) }, async {
        smol::Timer::after(PATIENCE).await;
        None
    })
    .await
}

impl fmt::Debug for Checking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checking").field("client", &self.client).field("helo", &self.helo).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
