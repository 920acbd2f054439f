//! How what was granted becomes durable.

use super::error::Fault;
use super::journal::{self, Journal};
use super::write::Write;

/// How a batch becomes durable.
pub(super) enum Way {
    /// As a record of the journal, with this payload.
    Journal(Vec<u8>),
    /// In the tables; as a checkpoint, when it takes over a full journal.
    Tables { checkpoint: bool },
    /// Not yet: uploads in progress become durable with the message that shows them.
    Later,
}

impl Way {
    pub(super) fn of(granted: &[&Write], rows: u64, journal: Option<&Journal>, now: i64) -> Result<Way, Fault> {
        if granted.iter().all(|write| matches!(write, Write::Stage(_))) {
            return Ok(Way::Later);
        }
        let Some(journal) = journal.filter(|_| granted.iter().all(|write| journal::suits(write))) else {
            return Ok(Way::Tables { checkpoint: false });
        };
        // Not worth encoding what will not fit.
        let weight: usize = granted.iter().map(|write| write.weight()).sum();
        if weight > journal::RECORD {
            return Ok(Way::Tables { checkpoint: false });
        }
        let payload = journal::encode(now, granted)?;
        Ok(if journal.takes(payload.len(), rows) { Way::Journal(payload) } else { Way::Tables { checkpoint: true } })
    }
}
