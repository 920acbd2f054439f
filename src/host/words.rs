//! What the boot loader and the image tell PID 1: the kernel's command line, and the files of the initramfs.

use serde::Deserialize;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// One of the two places that a system starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The one that an image is made with.
    A,
    /// The other one.
    B,
}

/// The words of the kernel's command line that are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// Where this system started from; `None` where there are no slots.
    pub(super) slot: Option<Slot>,
    /// This system is on trial: it is to be confirmed, or the other one comes back.
    pub(super) trial: bool,
    /// Health without a break before a system on trial is confirmed.
    pub(super) confirm: Duration,
    /// How long a system on trial has for that.
    pub(super) patience: Duration,
    /// Whether the hardware is to start the machine again when we hang.
    pub(super) watchdog: bool,
    /// The disk, where it is not to be looked for.
    pub(super) disk: Option<PathBuf>,
}

/// What is running, as the image's builder noted it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Release {
    pub(super) version: String,
    pub(super) board: String,
    /// Seconds since 1970: the time of the source.
    pub(super) built: i64,
}

impl Slot {
    pub(super) fn other(self) -> Slot {
        match self {
            Slot::A => Slot::B,
            Slot::B => Slot::A,
        }
    }

    /// As it is written in file names and on the command line.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Slot::A => "a",
            Slot::B => "b",
        }
    }

    pub(super) fn from_letter(letter: &str) -> Option<Slot> {
        match letter {
            "a" => Some(Slot::A),
            "b" => Some(Slot::B),
            _ => None,
        }
    }
}

impl Words {
    pub(super) fn of_this_boot() -> Words {
        Words::parse(&fs::read_to_string("/proc/cmdline").unwrap_or_default())
    }

    fn parse(line: &str) -> Words {
        let mut words = Words {
            slot: None,
            trial: false,
            confirm: Duration::from_mins(1),
            patience: Duration::from_mins(5),
            watchdog: true,
            disk: None,
        };
        let seconds = |value: &str| value.parse().ok().map(Duration::from_secs);
        for word in line.split_ascii_whitespace() {
            let Some((key, value)) = word.strip_prefix("pillarbox.").and_then(|word| word.split_once('=')) else {
                continue;
            };
            match key {
                "slot" => words.slot = Slot::from_letter(value),
                "trial" => words.trial = value == "1",
                "confirm" => words.confirm = seconds(value).unwrap_or(words.confirm),
                "patience" => words.patience = seconds(value).unwrap_or(words.patience),
                "watchdog" => words.watchdog = value != "off",
                "disk" => words.disk = Some(PathBuf::from(value)),
                _ => {}
            }
        }
        words
    }
}

impl Release {
    pub(super) fn read() -> Release {
        let text = fs::read_to_string("/etc/pillarbox/release.toml").unwrap_or_default();
        toml::from_str(&text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_among_the_kernels_own() {
        let words =
            Words::parse("console=ttyAMA0 pillarbox.slot=b pillarbox.trial=1 ro pillarbox.confirm=5 panic=10\n");
        assert_eq!(words.slot, Some(Slot::B));
        assert!(words.trial && words.watchdog);
        assert_eq!(words.confirm, Duration::from_secs(5));
        assert_eq!(words.patience, Duration::from_mins(5));
    }

    #[test]
    fn nonsense_changes_nothing() {
        let words = Words::parse("pillarbox.slot=c pillarbox.confirm=soon pillarbox pillarbox.=");
        assert_eq!(words, Words::parse(""));
    }
}
