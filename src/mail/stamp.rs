//! Moments and days.

use serde::{Deserialize, Serialize};

/// A moment with the zone it was given in, so that INTERNALDATE is shown as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Minutes east of UTC.
    pub zone: i16,
}

/// A calendar day: days since 1970-01-01, without a zone (RFC 9051 §6.4.4 disregards time and timezone).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i32);

impl Stamp {
    /// This moment in UTC.
    #[must_use]
    pub fn utc(seconds: i64) -> Stamp {
        Stamp { seconds, zone: 0 }
    }

    /// The day it is in its own zone.
    #[must_use]
    pub fn day(self) -> Day {
        let local = self.seconds.saturating_add(i64::from(self.zone) * 60);
        Day(i32::try_from(local.div_euclid(86_400)).unwrap_or(i32::MAX))
    }
}
