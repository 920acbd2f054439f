//! LIST and UIDL of the whole maildrop (RFC 1939 §5, §7).

use super::session::{Pop3, State, Work};
use crate::session::Need;
use crate::wire::Out;
use crate::wire::pop3::reply;

/// A listing on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listing {
    what: What,
    /// The place of the next message; `None`: nothing was said yet.
    next: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Octets,
    UniqueIds,
}

impl Listing {
    pub(super) fn octets() -> Listing {
        Listing { what: What::Octets, next: None }
    }

    pub(super) fn unique_ids() -> Listing {
        Listing { what: What::UniqueIds, next: None }
    }
}

impl Pop3 {
    /// Lists until the output is full.
    pub(super) fn list(&mut self, listing: Listing, out: &mut Out) -> Need {
        let State::Transaction(maildrop) = &self.state else { return Need::Flush };
        if listing.next.is_none() {
            let (messages, octets) = maildrop.count();
            reply::ok(out, &format!("{messages} messages ({octets} octets)"));
        }
        for (number, entry) in maildrop.from(listing.next.unwrap_or(0)) {
            if out.is_full() {
                self.work = Work::Listing(Listing { next: Some(number as usize - 1), ..listing });
                return Need::Flush;
            }
            match listing.what {
                What::Octets => reply::scan_listing(out, number, u64::from(entry.octets)),
                What::UniqueIds => reply::unique_id_listing(out, number, entry.unique),
            }
        }
        reply::end(out);
        Need::Flush
    }
}
