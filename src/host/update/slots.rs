//! The two slots, and what decides which one the machine starts from: three ways, one for each kind of boot loader.
//!
//! All of them have the same moves, in which a slot that is tried never becomes the one to stay by itself:
//!
//! | | systemd-boot | U-Boot (Pi 3, 4, Zero 2) | firmware alone (Pi 5) |
//! |---|---|---|---|
//! | stay | remove the other slot's entries | `slot.env`: `trial=` | `config.txt`: `os_prefix` of this slot |
//! | try | entry `…-b+3.conf`, sorting first | `trial=b`, `tries=3` | `os_prefix=b/`, and its `cmdline.txt` says so |
//! | confirm | entry without `+…` | `slot=b`, `trial=` | `cmdline.txt` does not say so any more |
//! | what does not come up | counted by the loader, which then takes the other | counted by `boot.scr`, which then takes the other | only as far as PID 1 itself can give up |

use super::error::{UpdateError, While};
use super::fat::Fat;
use super::payload::Manifest;
use crate::host::words::Slot;

/// In a slot's folder: the system in it was confirmed once. It holds the format of the data that this system writes.
pub(super) const CONFIRMED: &str = "confirmed";
/// In a slot's folder: the system in it was tried, and did not come up.
pub(super) const FAILED: &str = "failed";
/// How often a system is tried.
const TRIES: u32 = 3;
const ENTRIES: &str = "loader/entries";
const ENVIRONMENT: &str = "slot.env";
const CONFIG: &str = "config.txt";
/// In a slot's folder, for the firmware: the kernel's command line, which says so during a trial.
pub(super) const CMDLINE: &str = "cmdline.txt";

/// Which way this machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    SystemdBoot,
    UBoot,
    Firmware,
}

/// What the boot loader's files say of the slot that is not running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// Nothing: the machine starts what it started now.
    Stays,
    /// It is tried at the next start.
    Next,
    /// It was tried as often as it may be.
    Exhausted,
}

impl Scheme {
    /// By what is on the partition; a card that has two of them, as one for every Pi, is asked by the machine it is in.
    pub(super) fn detect(fat: &Fat, is_pi5: bool) -> Option<Scheme> {
        let by_firmware = chosen(fat).is_some();
        if fat.has(ENTRIES) {
            Some(Scheme::SystemdBoot)
        } else if by_firmware && (is_pi5 || !fat.has("boot.scr")) {
            Some(Scheme::Firmware)
        } else if fat.has("boot.scr") || fat.has(ENVIRONMENT) {
            Some(Scheme::UBoot)
        } else {
            None
        }
    }

    /// The machine starts the running slot, and knows nothing of the other one: it may be emptied.
    pub(super) fn stay(self, fat: &Fat, running: Slot) -> Result<(), UpdateError> {
        match self {
            Scheme::SystemdBoot => {
                for entry in entries(fat, running.other()) {
                    fat.remove(&entry.path())?;
                }
                // What a cut left of one that had not got its name.
                for name in fat.list(ENTRIES).iter().filter(|name| name.strip_suffix(".new").is_some()) {
                    fat.remove(&format!("{ENTRIES}/{name}"))?;
                }
                Ok(())
            }
            Scheme::UBoot => put_environment(fat, running, None),
            Scheme::Firmware => {
                choose(fat, running)?;
                // What it says of a trial would pass for one that failed.
                fat.remove(&cmdline(running.other()))
            }
        }
    }

    /// The machine starts the other slot next, and stays with the running one if that does not come up.
    pub(super) fn try_other(self, fat: &Fat, running: Slot, system: &Manifest) -> Result<(), UpdateError> {
        let slot = running.other();
        match self {
            Scheme::SystemdBoot => {
                let entry = Entry { slot, count: Some((TRIES, 0)) };
                let options = match &system.options {
                    Some(options) => options.clone(),
                    None => options_in_use(fat, running)?,
                };
                let options = options_of(&options, slot, true);
                fat.put(&entry.path(), &entry_text(system, slot, next_serial(fat), &options))?;
                // A cut before this leaves two entries of one slot: the new one sorts first.
                remove_others(fat, &entry)
            }
            Scheme::UBoot => put_environment(fat, running, Some(TRIES)),
            Scheme::Firmware => {
                let options = if let Some(options) = &system.options {
                    options.clone()
                } else {
                    let own = cmdline(running);
                    fat.read(&own).during(own)?
                };
                fat.put(&cmdline(slot), &format!("{}\n", options_of(&options, slot, true)))?;
                choose(fat, slot)
            }
        }
    }

    /// The slot that was tried is the one to stay with.
    pub(super) fn confirm(self, fat: &Fat, running: Slot) -> Result<(), UpdateError> {
        match self {
            Scheme::SystemdBoot => {
                let counted = entries(fat, running).into_iter().find(|entry| entry.count.is_some());
                let Some(counted) = counted else { return Ok(()) };
                let text = fat.read(&counted.path()).during(counted.path())?;
                let options = value(&text, "options").unwrap_or_default();
                let entry = Entry { slot: running, count: None };
                fat.put(&entry.path(), &with_options(&text, &options_of(options, running, false)))?;
                // A cut before this leaves two entries that start the same system.
                remove_others(fat, &entry)
            }
            Scheme::UBoot => put_environment(fat, running, None),
            Scheme::Firmware => {
                let own = cmdline(running);
                let options = fat.read(&own).during(own.clone())?;
                fat.put(&own, &format!("{}\n", options_of(&options, running, false)))
            }
        }
    }

    /// The system on trial knows that it will not do. Where starts are counted, it may do the next time.
    pub(super) fn give_up(self, fat: &Fat, running: Slot) -> Result<(), UpdateError> {
        match self {
            Scheme::SystemdBoot | Scheme::UBoot => Ok(()),
            Scheme::Firmware => choose(fat, running.other()),
        }
    }

    /// What comes next, as the boot loader sees it.
    pub(super) fn outlook(self, fat: &Fat, running: Slot) -> Outlook {
        let other = running.other();
        match self {
            Scheme::SystemdBoot => match entries(fat, other).iter().find_map(|entry| entry.count) {
                Some((0, _)) => Outlook::Exhausted,
                Some(_) => Outlook::Next,
                None => Outlook::Stays,
            },
            Scheme::UBoot => {
                let text = fat.read(ENVIRONMENT).unwrap_or_default();
                let says = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
                match (says("trial").and_then(Slot::from_letter), says("tries")) {
                    (Some(trial), Some("0") | None) if trial == other => Outlook::Exhausted,
                    (Some(trial), _) if trial == other => Outlook::Next,
                    _ => Outlook::Stays,
                }
            }
            Scheme::Firmware => {
                let switched = chosen(fat) == Some(other);
                let tried =
                    fat.read(&cmdline(other)).is_ok_and(|line| line.split_whitespace().any(|word| word == TRIAL));
                match (switched, tried) {
                    (true, _) => Outlook::Next,
                    (false, true) => Outlook::Exhausted,
                    (false, false) => Outlook::Stays,
                }
            }
        }
    }
}

const TRIAL: &str = "pillarbox.trial=1";

/// A kernel command line for a slot.
fn options_of(options: &str, slot: Slot, trial: bool) -> String {
    let mut words: Vec<String> = options
        .split_whitespace()
        .filter(|word| !word.starts_with("pillarbox.slot=") && !word.starts_with("pillarbox.trial="))
        .map(str::to_owned)
        .collect();
    words.push(format!("pillarbox.slot={}", slot.letter()));
    if trial {
        words.push(TRIAL.to_owned());
    }
    words.join(" ")
}

// systemd-boot: `pillarbox-b+2-1.conf` is slot b with two tries left and one done; without the count it is trusted.

/// A file in `loader/entries`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    slot: Slot,
    /// Tries left, and done.
    count: Option<(u32, u32)>,
}

impl Entry {
    fn parse(name: &str) -> Option<Entry> {
        let rest = name.strip_prefix("pillarbox-")?.strip_suffix(".conf")?;
        let Some((letter, count)) = rest.split_once('+') else {
            return Some(Entry { slot: Slot::from_letter(rest)?, count: None });
        };
        let (left, done) = count.split_once('-').unwrap_or((count, "0"));
        Some(Entry { slot: Slot::from_letter(letter)?, count: Some((left.parse().ok()?, done.parse().ok()?)) })
    }

    fn path(&self) -> String {
        let letter = self.slot.letter();
        match self.count {
            None => format!("{ENTRIES}/pillarbox-{letter}.conf"),
            Some((left, 0)) => format!("{ENTRIES}/pillarbox-{letter}+{left}.conf"),
            Some((left, done)) => format!("{ENTRIES}/pillarbox-{letter}+{left}-{done}.conf"),
        }
    }
}

/// The entries of a slot, the trusted one first.
fn entries(fat: &Fat, slot: Slot) -> Vec<Entry> {
    let mut found: Vec<Entry> =
        fat.list(ENTRIES).iter().filter_map(|name| Entry::parse(name)).filter(|entry| entry.slot == slot).collect();
    found.sort_by_key(|entry| entry.count);
    found
}

fn remove_others(fat: &Fat, kept: &Entry) -> Result<(), UpdateError> {
    for entry in entries(fat, kept.slot) {
        if entry != *kept {
            fat.remove(&entry.path())?;
        }
    }
    Ok(())
}

/// The command line of the running slot's entry.
fn options_in_use(fat: &Fat, running: Slot) -> Result<String, UpdateError> {
    let none = || UpdateError::NoUpdate("it says no options, and the running system has no entry".to_owned());
    let entry = *entries(fat, running).first().ok_or_else(none)?;
    let text = fat.read(&entry.path()).during(entry.path())?;
    Ok(value(&text, "options").unwrap_or_default().to_owned())
}

/// systemd-boot puts what has a sort key first, then the highest version: a number that only grows is right even where a
/// version is installed again. The image's own entry may have its release there: it is older than the next number.
fn next_serial(fat: &Fat) -> u64 {
    let serial = |name: &String| {
        let text = fat.read(&format!("{ENTRIES}/{name}")).ok()?;
        let version = value(&text, "version")?;
        version.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
    };
    fat.list(ENTRIES).iter().filter_map(serial).max().unwrap_or(0).saturating_add(1)
}

fn entry_text(system: &Manifest, slot: Slot, serial: u64, options: &str) -> String {
    let (version, letter) = (&system.version, slot.letter());
    format!(
        "title Pillarbox {version}\nsort-key pillarbox\nversion {serial}\nlinux /{letter}/vmlinuz\n\
         initrd /{letter}/initramfs\noptions {options}\n"
    )
}

/// The value of a key in an entry.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let (found, value) = line.trim().split_once(char::is_whitespace)?;
        (found == key).then(|| value.trim())
    })
}

/// The same entry with other options.
fn with_options(text: &str, options: &str) -> String {
    let others = text.lines().filter(|line| line.split_whitespace().next() != Some("options"));
    let mut text: String = others.flat_map(|line| [line, "\n"]).collect();
    text.push_str("options ");
    text.push_str(options);
    text.push('\n');
    text
}

// U-Boot: `slot.env` in the form of `env export -t`; boot.scr takes one from `tries` before it starts the slot on trial.

fn put_environment(fat: &Fat, slot: Slot, tries: Option<u32>) -> Result<(), UpdateError> {
    let trial = if tries.is_some() { slot.other().letter() } else { "" };
    let (slot, tries) = (slot.letter(), tries.unwrap_or(0));
    let text = format!("slot={slot}\ntrial={trial}\ntries={tries}\n");
    // Each write of the file that decides is one more that can be cut: none for nothing.
    if fat.read(ENVIRONMENT).is_ok_and(|before| before == text) {
        return Ok(());
    }
    fat.put(ENVIRONMENT, &text)
}

// The Pi 5's firmware: `os_prefix` in config.txt is put before the names of the kernel, the initramfs and the command line's
// file. There is no count: a kernel that does not come up stays until the card is looked at.

/// The slot that a line of config.txt chooses.
fn prefix(line: &str) -> Option<Slot> {
    Slot::from_letter(line.trim().strip_prefix("os_prefix=")?.trim_end_matches('/'))
}

fn chosen(fat: &Fat) -> Option<Slot> {
    fat.read(CONFIG).ok()?.lines().find_map(prefix)
}

/// The same file with another slot: the owner may have put lines of his own into it.
fn choose(fat: &Fat, slot: Slot) -> Result<(), UpdateError> {
    let before = fat.read(CONFIG).during(CONFIG)?;
    let choice = format!("os_prefix={}/", slot.letter());
    let lines = before.lines().map(|line| if prefix(line).is_some() { choice.as_str() } else { line });
    let after: String = lines.flat_map(|line| [line, "\n"]).collect();
    if after == before { Ok(()) } else { fat.put(CONFIG, &after) }
}

fn cmdline(slot: Slot) -> String {
    format!("{}/{CMDLINE}", slot.letter())
}
