//! Verifying the signatures of a message that passes by in pieces (RFC 6376 §6).

use super::super::tags::Tags;
use super::canonical::{Body, Canon, field};
use super::public::PublicKey;
use super::signature::{Named, Signature};
use crate::dns::{DnsError, Lookup};
use crate::mail::header::{Field, fields};
use crate::mail::limits;
use memchr::memchr;
use smol::future::{or, zip};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

/// Signatures of one message that are looked at, from the top: those who passed it on last are there. Each costs a
/// lookup and a hash.
const SIGNATURES: usize = 10;
/// Octets of header that the signatures of one message were made of, together: they are held until the keys are here,
/// and each signature may be made of the whole header.
const DATA: usize = limits::HEADER;
/// Records of one key name that are tried.
const RECORDS: usize = 3;

/// What came out (RFC 8601 §2.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DkimResult {
    /// The domain vouches for the message.
    Pass,
    /// What was signed was something else.
    Fail,
    /// The signature cannot be understood.
    Neutral,
    /// It could not be found out now.
    TempError,
    /// It can never be verified.
    PermError,
}

/// Why a signature does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) result: DkimResult,
    pub(super) why: &'static str,
}

/// What came of one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dkim {
    /// What came out.
    pub result: DkimResult,
    /// Why it did not pass, in a few words.
    pub why: Option<&'static str>,
    /// The domain that signed (`d=`), in small letters.
    pub domain: String,
    /// On whose behalf (`i=`).
    pub identity: String,
    /// The name of its key (`s=`).
    pub selector: String,
    /// What it was made with (`a=`).
    pub method: String,
    /// The begin of the signature, by which it is told from others (RFC 6008).
    pub begin: String,
}

impl DkimResult {
    /// As RFC 8601 §2.7.1 writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DkimResult::Pass => "pass",
            DkimResult::Fail => "fail",
            DkimResult::Neutral => "neutral",
            DkimResult::TempError => "temperror",
            DkimResult::PermError => "permerror",
        }
    }
}

/// Fields in order, by their names in small letters: a header may have tens of thousands.
type ByName<'a> = BTreeMap<Vec<u8>, Vec<Field<'a>>>;

type Found<'a> = Pin<Box<dyn Future<Output = Vec<Dkim>> + Send + 'a>>;

/// Verifies what is signed of a message.
#[derive(Debug, Default)]
pub(crate) struct Verifier {
    signatures: Vec<Pending>,
    bodies: Vec<(Canon, Option<u64>, Body)>,
}

#[derive(Debug)]
struct Pending {
    named: Named,
    read: Result<(Signature, usize), Trouble>,
    /// What the signature was made of.
    data: Vec<u8>,
}

impl Verifier {
    /// Reads the signatures of a header.
    pub(crate) fn new(header: &[u8], now: i64) -> Verifier {
        let mut verifier = Verifier::default();
        let mut all: ByName = BTreeMap::new();
        for field in fields(header) {
            all.entry(field.name.to_ascii_lowercase()).or_default().push(field);
        }
        let signatures = all.get(&b"dkim-signature"[..]).map(Vec::as_slice).unwrap_or_default();
        for one in signatures.iter().take(SIGNATURES) {
            let pending = verifier.pending(one, &all, now);
            verifier.signatures.push(pending);
        }
        verifier
    }

    fn pending(&mut self, one: &Field, all: &ByName, now: i64) -> Pending {
        let broken = |named| {
            let trouble = Trouble { result: DkimResult::Neutral, why: "it cannot be read" };
            Pending { named, read: Err(trouble), data: Vec::new() }
        };
        let Some(text) = value(one).and_then(|value| std::str::from_utf8(value).ok()) else {
            return broken(Named::default());
        };
        let Some(tags) = Tags::parse(text) else { return broken(Named::default()) };
        let named = Named::read(&tags);
        let signature = match Signature::read(&tags, &named, now) {
            Ok(signature) => signature,
            Err(trouble) => return Pending { named, read: Err(trouble), data: Vec::new() },
        };
        let Some(data) = signed(&signature, one, &tags, all) else { return broken(named) };
        let held: usize = self.signatures.iter().map(|other| other.data.len()).sum();
        if held + data.len() > DATA {
            let trouble = Trouble { result: DkimResult::Neutral, why: "too much is signed" };
            return Pending { named, read: Err(trouble), data: Vec::new() };
        }
        let place = self.body(signature.body_canon, signature.length);
        Pending { named, read: Ok((signature, place)), data }
    }

    /// The hash of the body that a signature needs; several may need the same.
    fn body(&mut self, canon: Canon, limit: Option<u64>) -> usize {
        let same = self.bodies.iter().position(|(other, length, _)| *other == canon && *length == limit);
        same.unwrap_or_else(|| {
            self.bodies.push((canon, limit, Body::new(canon, limit)));
            self.bodies.len() - 1
        })
    }

    /// The next octets of the body.
    pub(crate) fn push(&mut self, octets: &[u8]) {
        for (_, _, body) in &mut self.bodies {
            body.push(octets);
        }
    }

    /// The body is complete; the keys are looked up, all at once: one that takes too long hides none of the others.
    pub(crate) async fn finish(self, lookup: &dyn Lookup, patience: Duration) -> Vec<Dkim> {
        let bodies: Vec<(Vec<u8>, u64)> = self.bodies.into_iter().map(|(_, _, body)| body.finish()).collect();
        let bodies = &bodies;
        let mut found: Found = Box::pin(async { Vec::new() });
        for pending in self.signatures {
            found = Box::pin(async move {
                let (mut found, one) = zip(found, pending.finish(bodies, lookup, patience)).await;
                found.push(one);
                found
            });
        }
        found.await
    }
}

impl Pending {
    async fn finish(self, bodies: &[(Vec<u8>, u64)], lookup: &dyn Lookup, patience: Duration) -> Dkim {
        let Pending { named, read, data } = self;
        let outcome = match read {
            Ok((signature, place)) => match bodies.get(place) {
                Some(body) => or(verify(&named, &signature, body, &data, lookup), too_late(patience)).await,
                None => Err(Trouble { result: DkimResult::Neutral, why: "it cannot be read" }),
            },
            Err(trouble) => Err(trouble),
        };
        let (result, why) = match outcome {
            Ok(()) => (DkimResult::Pass, None),
            Err(Trouble { result, why }) => (result, Some(why)),
        };
        let Named { domain, identity, selector, method, begin } = named;
        Dkim { result, why, domain, identity, selector, method, begin }
    }
}

/// A key that does not come may come another time.
const UNTOLD: Trouble = Trouble { result: DkimResult::TempError, why: "its key could not be asked for" };

async fn too_late(patience: Duration) -> Result<(), Trouble> {
    smol::Timer::after(patience).await;
    Err(UNTOLD)
}

async fn verify(
    named: &Named,
    signature: &Signature,
    (hash, length): &(Vec<u8>, u64),
    data: &[u8],
    lookup: &dyn Lookup,
) -> Result<(), Trouble> {
    let fail = |why| Err(Trouble { result: DkimResult::Fail, why });
    if signature.length.is_some_and(|limit| limit > *length) {
        return fail("the body is shorter than what was signed");
    }
    if *hash != signature.body_hash {
        return fail("the body was changed");
    }
    let name = format!("{}._domainkey.{}", named.selector, named.domain);
    let records = match lookup.txt(&name).await {
        Ok(records) => records,
        Err(DnsError::Temporary(_)) => return Err(UNTOLD),
        Err(DnsError::NoSuchName | DnsError::NoData) => {
            return Err(Trouble { result: DkimResult::PermError, why: "it has no key" });
        }
    };
    let mut outcome = Err(Trouble { result: DkimResult::PermError, why: "it has no key" });
    for record in records.iter().take(RECORDS) {
        outcome = PublicKey::read(record, signature).and_then(|key| {
            let verified = key.verify(data, &signature.made);
            let test =
                |trouble: Trouble| if key.is_test { Trouble { why: "its domain tests", ..trouble } } else { trouble };
            verified.map_err(test)
        });
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// What a signature was made of: the fields that it names, and itself without its end (RFC 6376 §3.7).
fn signed(signature: &Signature, one: &Field, tags: &Tags, all: &ByName) -> Option<Vec<u8>> {
    let canon = signature.header_canon;
    let mut data = Vec::new();
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &signature.fields {
        // From below; one that is not there counts as nothing (RFC 6376 §5.4.2).
        let taken = taken.entry(name).or_default();
        *taken += 1;
        let of_it = all.get(name.as_bytes()).map(Vec::as_slice).unwrap_or_default();
        if let Some(found) = of_it.len().checked_sub(*taken).and_then(|place| of_it.get(place)) {
            field(canon, found.name, found.whole, &mut data);
        }
    }
    let value = memchr(b':', one.whole)? + 1;
    let span = tags.span("b")?;
    let before = one.whole.get(..value + span.start)?;
    let after = one.whole.get(value + span.end..)?;
    let unsigned = [before, after].concat();
    let unsigned = unsigned.strip_suffix(b"\r\n").unwrap_or(&unsigned);
    let start = data.len();
    field(canon, one.name, unsigned, &mut data);
    if canon == Canon::Relaxed {
        data.truncate(data.len().saturating_sub(2).max(start));
    }
    Some(data)
}

/// What follows the colon, without the last line end.
fn value<'a>(field: &Field<'a>) -> Option<&'a [u8]> {
    let value = field.whole.get(memchr(b':', field.whole)? + 1..)?;
    Some(value.strip_suffix(b"\r\n").unwrap_or(value))
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
