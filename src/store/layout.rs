//! From one version of the layout to the next.
//!
//! A newer program takes a store over in one transaction: all steps from its format to ours, and the way back (`way_back`),
//! or nothing. Whatever the tables and records become, this stays as it is in every format, since an older program reads
//! it when it goes back: the table `config` with its keys, the file of the journal with its framing (one file for each
//! format, so that a newer program leaves an older one's as it was), and redb's savepoints.

use super::error::Fault;
use super::journal::{self, Record};
use super::schema::{ALIAS, DOMAIN, DUE, FILING, FORMAT, KEPT, QUEUE};
use redb::WriteTransaction;

/// What a program writes, and what it can take over.
pub(super) struct Layout {
    pub(super) format: u32,
    /// From each format that there was to the next, oldest first.
    pub(super) steps: &'static [Step],
}

/// Reads a record of a journal; when the tables were brought to today's format, in seconds since 1970, for those that do
/// not bear their moment.
pub(super) type Reader = fn(&[u8], i64) -> Result<Record, Fault>;

/// From one format to the next.
pub(super) struct Step {
    pub(super) from: u32,
    /// Brings the tables from one format to the next.
    pub(super) tables: fn(&WriteTransaction) -> Result<(), Fault>,
    /// Reads a record of the journal that a program of the earlier format left, as writes of today.
    pub(super) journal: Reader,
}

/// Today's.
pub(super) static TODAY: Layout = Layout { format: FORMAT, steps: &[TO_2, TO_3] };

/// Format 2 brings the tables for mail on its way and for where it goes; what there was stays as it is, and its writes still read.
const TO_2: Step = Step {
    from: 1,
    tables: |transaction| {
        transaction.open_table(QUEUE)?;
        transaction.open_table(DUE)?;
        transaction.open_table(KEPT)?;
        transaction.open_table(ALIAS)?;
        transaction.open_table(DOMAIN)?;
        transaction.open_table(FILING)?;
        Ok(())
    },
    journal: journal::decode_without_moment,
};

/// Format 3 brings the moment of each record of the journal; the tables stay as they are.
const TO_3: Step = Step { from: 2, tables: |_| Ok(()), journal: journal::decode_without_moment };

impl Layout {
    /// The steps from an earlier format to ours.
    pub(super) fn steps_from(&self, format: u32) -> Result<&'static [Step], Fault> {
        let first = self.steps.iter().position(|step| step.from == format);
        let steps = first.and_then(|first| self.steps.get(first..)).unwrap_or_default();
        let whole = steps.iter().zip(format..).all(|(step, from)| step.from == from);
        if whole && steps.len() as u64 == u64::from(self.format - format) {
            Ok(steps)
        } else {
            Err(Fault::Corrupt("the data has a format that this program does not know"))
        }
    }

    /// How to read a record of the journal of this format.
    pub(super) fn reader_of(&self, format: u32) -> Result<Reader, Fault> {
        if format == self.format {
            return Ok(journal::decode);
        }
        let step = self.steps.iter().find(|step| step.from == format);
        step.map(|step| step.journal).ok_or(Fault::Corrupt("the journal has a format that this program does not know"))
    }
}

impl std::fmt::Debug for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Layout({})", self.format)
    }
}
