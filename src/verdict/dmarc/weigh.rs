//! What DMARC makes of a message (RFC 7489 §6.6).

use super::record::{Policy, Record};
use super::tree::{Unknown, Walk};
use crate::dns::Lookup;

/// What came out (RFC 8601 §2.7, RFC 7489 §11.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmarcResult {
    /// The domain has no policy.
    None,
    /// The domain vouches for the message.
    Pass,
    /// It does not.
    Fail,
    /// It could not be found out now.
    TempError,
    /// There is no domain to ask.
    PermError,
}

/// The outcome for one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dmarc {
    /// What came out.
    pub result: DmarcResult,
    /// The domain of the From field.
    pub domain: String,
    /// What the domain wants done with mail that fails, for this one: a policy for a part of the mail only is weaker for
    /// the others (RFC 7489 §6.6.4).
    pub policy: Policy,
}

/// Domains that vouch for a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vouched {
    /// The one that SPF passed for.
    pub(crate) spf: Option<String>,
    /// Those whose signatures passed.
    pub(crate) dkim: Vec<String>,
}

impl DmarcResult {
    /// As RFC 8601 §2.7 writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DmarcResult::None => "none",
            DmarcResult::Pass => "pass",
            DmarcResult::Fail => "fail",
            DmarcResult::TempError => "temperror",
            DmarcResult::PermError => "permerror",
        }
    }
}

/// Weighs a message whose From field has this domain.
pub(crate) async fn weigh(domain: &str, vouched: &Vouched, draw: u8, lookup: &dyn Lookup) -> Dmarc {
    let outcome = |result, policy| Dmarc { result, domain: domain.to_owned(), policy };
    let Ok(walk) = Walk::up(domain, lookup).await else { return outcome(DmarcResult::TempError, Policy::None) };
    let Some((record, is_own)) = walk.policy() else { return outcome(DmarcResult::None, Policy::None) };
    let wanted = if is_own { record.policy } else { record.below };
    let policy = sampled(wanted, record, draw);
    let by_spf = vouched.spf.iter().map(|domain| (domain, record.is_spf_strict));
    let by_dkim = vouched.dkim.iter().map(|domain| (domain, record.is_dkim_strict));
    let mut is_unknown = false;
    for (other, is_strict) in by_spf.chain(by_dkim) {
        match is_aligned(&walk, domain, other, is_strict, lookup).await {
            Ok(true) => return outcome(DmarcResult::Pass, policy),
            Ok(false) => {}
            Err(Unknown) => is_unknown = true,
        }
    }
    outcome(if is_unknown { DmarcResult::TempError } else { DmarcResult::Fail }, policy)
}

/// RFC 7489 §6.6.4: a policy for some of the mail is the next weaker one for the rest.
fn sampled(policy: Policy, record: &Record, draw: u8) -> Policy {
    match policy {
        policy if draw < record.percent => policy,
        Policy::Reject => Policy::Quarantine,
        Policy::Quarantine | Policy::None => Policy::None,
    }
}

/// Whether a domain that vouches for a message may speak for the one in its From field (RFC 7489 §3.1).
async fn is_aligned(
    walk: &Walk,
    domain: &str,
    other: &str,
    is_strict: bool,
    lookup: &dyn Lookup,
) -> Result<bool, Unknown> {
    let domain = domain.strip_suffix('.').unwrap_or(domain).to_lowercase();
    let other = other.strip_suffix('.').unwrap_or(other).to_lowercase();
    if is_strict || domain == other {
        return Ok(domain == other);
    }
    // What is not of the same house by its name need not be asked for.
    let organization = walk.organization();
    if other != organization && !is_above(organization, &other) {
        return Ok(false);
    }
    // Whoever owns a domain owns all that is below it, policies or not, unless one of those says that it is a house of
    // its own.
    if is_above(&other, &domain) && !walk.is_closed() {
        return Ok(true);
    }
    Ok(Walk::up(&other, lookup).await?.organization() == organization)
}

/// Whether a name of several labels is above another.
fn is_above(above: &str, below: &str) -> bool {
    above.contains('.') && below.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'))
}
