//! The latest lines, in memory.

use super::event::pairs;
use serde::{Deserialize, Serialize};
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Octets of lines that are kept: some thousand messages' worth. Nothing is set aside for them before they are there.
const KEPT: usize = 1 << 20;
/// What a line costs beside its text.
const OVERHEAD: usize = 48;

/// A line that was logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When, in seconds since 1970.
    pub when: i64,
    /// The line.
    pub line: String,
}

#[derive(Debug)]
struct Recent {
    lines: VecDeque<Told>,
    octets: usize,
}

static RECENT: Mutex<Recent> = Mutex::new(Recent { lines: VecDeque::new(), octets: 0 });

fn recent() -> MutexGuard<'static, Recent> {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a line; the oldest ones go for it.
pub(super) fn keep(line: String) {
    let when = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed());
    recent().keep(Told { when, line });
}

/// The lines about somebody or something, oldest first, `most` of the latest at most. `what`: an address, a Message-ID
/// (with its angle brackets or without), the id of a message, the number of a queued one, an IP address or a user. What
/// belongs to the same message is found with it, whatever its lines name.
#[must_use]
pub fn about(what: &str, most: usize) -> Vec<Told> {
    recent().about(what, most)
}

impl Recent {
    fn keep(&mut self, told: Told) {
        self.octets += told.line.len() + OVERHEAD;
        self.lines.push_back(told);
        while self.octets > KEPT {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.octets -= oldest.line.len() + OVERHEAD;
        }
    }

    fn about(&self, what: &str, most: usize) -> Vec<Told> {
        let what = bare(what).to_lowercase();
        let mut messages = HashSet::new();
        let mut named = vec![false; self.lines.len()];
        for (told, named) in self.lines.iter().zip(&mut named) {
            *named = pairs(&told.line).any(|(key, value)| names(key) && bare(&value).to_lowercase() == what);
            if *named {
                messages.extend(ids(&told.line));
            }
        }
        let belongs = |told: &Told| ids(&told.line).any(|id| messages.contains(&id));
        let found = self.lines.iter().zip(&named).filter(|(told, named)| **named || belongs(told));
        let mut found: Vec<Told> = found.map(|(told, _)| told.clone()).rev().take(most).collect();
        found.reverse();
        found
    }
}

/// Whether somebody asks for a line by the value of this key.
fn names(key: &str) -> bool {
    matches!(key, "id" | "queue" | "message-id" | "from" | "to" | "user" | "account" | "address")
}

/// By what the lines of one message belong together.
fn ids(line: &str) -> impl Iterator<Item = String> {
    pairs(line).filter(|(key, _)| matches!(*key, "id" | "queue")).map(|(key, value)| format!("{key}={value}"))
}

fn bare(value: &str) -> &str {
    value.strip_prefix('<').and_then(|value| value.strip_suffix('>')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(lines: &[&str]) -> Recent {
        let mut recent = Recent { lines: VecDeque::new(), octets: 0 };
        for (when, line) in (0..).zip(lines) {
            recent.keep(Told { when, line: (*line).to_owned() });
        }
        recent
    }

    #[test]
    fn a_message_is_found_by_any_name_and_with_all_its_lines() {
        let recent = recent(&[
            "mail event=queued id=1f message-id=<a@x> from=ann@x to=Bob@Y",
            "mail event=delivered id=20 message-id=<b@x> from=eve@x to=ann@x account=ann@x",
            "mail event=sent id=1f queue=7 to=bob@y relay=mx.y",
            "login result=failed address=192.0.2.1 user=\"an n\"",
        ]);
        let found = |what: &str| recent.about(what, 10).iter().map(|told| told.when).collect::<Vec<_>>();
        for name in ["a@x", "<A@X>", "1f", "7", "bob@y"] {
            assert_eq!(found(name), [0, 2], "{name}");
        }
        assert_eq!(found("ann@x"), [0, 1, 2]);
        assert_eq!(found("an n"), [3]);
        assert_eq!(found("192.0.2.1"), [3]);
        assert!(found("mx.y").is_empty() && found("x").is_empty());
        assert_eq!(recent.about("ann@x", 1).iter().map(|told| told.when).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn only_so_much_is_kept_and_the_latest_stays() {
        let mut recent = recent(&[]);
        for when in 0..20_000 {
            recent.keep(Told { when, line: "x".repeat(200) });
        }
        assert!(recent.octets <= KEPT && recent.lines.len() > 1_000);
        assert_eq!(recent.lines.back().map(|told| told.when), Some(19_999));
    }
}
