//! What is to be thought of a mail from outside: who may send for the domain that it names (SPF, RFC 7208), who signed it
//! (DKIM, RFC 6376), what the domain's owner wants done with it (DMARC, RFC 7489), and how that is told (RFC 8601). And
//! the signatures of what we send ourselves.
//!
//! Read first: `checker`, which puts the parts together; then `spf`, `dkim` and `dmarc`, each by itself.

mod checker;
mod dkim;
mod dmarc;
mod head;
mod results;
mod spf;
mod tags;
mod vouch;
#[cfg(test)]
mod zone;

pub use checker::{Checker, Checking, Disposition, Verdict};
pub use dkim::{Algorithm, Dkim, DkimResult, DnsRecord, Key, KeyError, Signer};
pub use dmarc::{Dmarc, DmarcResult, Policy};
pub use results::{is_forged, strip_forged};
pub use spf::{Spf, SpfResult};
