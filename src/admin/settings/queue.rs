//! `[queue]`: mail that goes out.

use serde::Deserialize;

/// `[queue]`: when mail that goes out is tried, and how much of it at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct QueueSettings {
    /// Seconds from the first attempt to the second; each further wait is twice as long. Default: 60.
    pub first_retry: u32,
    /// Seconds that no wait exceeds. Default: 14400 (4 hours).
    pub longest_retry: u32,
    /// Seconds after which the sender is told that it takes long. Default: 14400 (4 hours).
    pub warn_after: u32,
    /// Seconds after which a mail is given up. Default: 432000 (5 days).
    pub give_up_after: u32,
    /// Deliveries at a time. Default: 10.
    pub deliveries: u32,
    /// Of these, to the same domain, or to the smarthost. Default: 3.
    pub per_destination: u32,
    /// The port at which the hosts of other domains take mail. Default: 25.
    pub port: u16,
}

impl QueueSettings {
    /// Whether it can work; if not, why.
    pub(super) fn check(&self) -> Result<(), String> {
        const YEAR: u32 = 366 * 24 * 60 * 60;
        super::within("queue.first-retry", self.first_retry, 1, YEAR)?;
        super::within("queue.longest-retry", self.longest_retry, self.first_retry, YEAR)?;
        super::within("queue.warn-after", self.warn_after, 1, YEAR)?;
        super::within("queue.give-up-after", self.give_up_after, 1, YEAR)?;
        super::within("queue.deliveries", self.deliveries, 1, 100)?;
        super::within("queue.per-destination", self.per_destination, 1, 100)?;
        super::within("queue.port", self.port.into(), 1, u16::MAX.into())
    }
}

impl Default for QueueSettings {
    fn default() -> Self {
        QueueSettings {
            first_retry: 60,
            longest_retry: 4 * 60 * 60,
            warn_after: 4 * 60 * 60,
            give_up_after: 5 * 24 * 60 * 60,
            deliveries: 10,
            per_destination: 3,
            port: 25,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused() {
        assert_eq!(QueueSettings::default().check(), Ok(()));
        let parsed = |text: &str| toml::from_str::<QueueSettings>(text).map_err(|error| error.to_string());
        assert!(parsed("first-retry = 5\nlongest-retry = 10\ngive-up-after = 60").is_ok_and(|all| all.check().is_ok()));
        for bad in ["first-retry = 0", "longest-retry = 10", "deliveries = 0", "port = 0", "retry = 1"] {
            assert!(parsed(bad).and_then(|all| all.check()).is_err(), "{bad}");
        }
    }
}
