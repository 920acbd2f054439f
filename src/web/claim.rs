//! Who may make the first account: who reads the code on the box's console. Guessing it is slow for all together.

use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;

/// Guesses that can be made at once,
const GUESSES: u32 = 5;
/// and the time in which one more comes back: five a minute, for all who guess. A code has at least 40 bits.
const AGAIN: Duration = Duration::from_secs(12);

/// Letters and digits of a code at least: fewer could be guessed, however slowly.
pub const LEAST: usize = 8;

/// The code that whoever sets the box up must know.
#[derive(Clone)]
pub struct Code(String);

/// Whether a guess was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guess {
    Right,
    Wrong,
    /// There were too many; not looked at.
    TooMany,
}

/// Guesses that are left.
#[derive(Debug)]
pub(super) struct Guesses {
    left: u32,
    since: Instant,
}

impl Code {
    /// A code as it was made, or as somebody typed it: case, blanks and hyphens do not matter. `None` where fewer than
    /// [`LEAST`] letters and digits are left of it, which is no code.
    #[must_use]
    pub fn new(text: &str) -> Option<Code> {
        let code: String = text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        (code.len() >= LEAST).then_some(Code(code))
    }
}

impl Guesses {
    pub(super) fn new(now: Instant) -> Guesses {
        Guesses { left: GUESSES, since: now }
    }

    pub(super) fn weigh(&mut self, code: &Code, guess: &str, now: Instant) -> Guess {
        let back = now.saturating_duration_since(self.since).as_secs() / AGAIN.as_secs();
        let back = u32::try_from(back).unwrap_or(u32::MAX);
        self.since += AGAIN.saturating_mul(back);
        self.left = self.left.saturating_add(back).min(GUESSES);
        if self.left == 0 {
            return Guess::TooMany;
        }
        // How long the code is, is no secret.
        let right = Code::new(guess).is_some_and(|guess| guess.0.as_bytes().ct_eq(code.0.as_bytes()).into());
        if right {
            return Guess::Right;
        }
        self.left -= 1;
        Guess::Wrong
    }
}

// A code in a log would let in who reads the log.
impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_however_it_is_typed() {
        let now = Instant::now();
        let code = Code::new("k3mf-w8ta-9xyz").unwrap();
        for right in ["k3mf-w8ta-9xyz", "K3MFW8TA9XYZ", " k3mf w8ta 9xyz\r\n"] {
            assert_eq!(Guesses::new(now).weigh(&code, right, now), Guess::Right, "{right}");
        }
        for wrong in ["", "k3mf", "k3mf-w8ta-9xya", "k3mf-w8ta-9xyz0", "\u{212a}3mf-w8ta-9xyz"] {
            assert_eq!(Guesses::new(now).weigh(&code, wrong, now), Guess::Wrong, "{wrong}");
        }
        for short in ["", " - ", "a", "K3MF-W8T", "\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}"] {
            assert!(Code::new(short).is_none(), "{short}");
        }
        assert_eq!(format!("{code:?}"), "Code");
    }

    #[test]
    fn a_few_guesses_a_minute_are_all_there_are_for_everybody_together() {
        let began = Instant::now();
        let code = Code::new("right-code").unwrap();
        let mut guesses = Guesses::new(began);
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut looked_at = 0;
        for second in 0..600 {
            looked_at += u32::from(guesses.weigh(&code, "wrong", at(second)) == Guess::Wrong);
        }
        assert_eq!(looked_at, 5 + 599 / 12);
        assert_eq!(guesses.weigh(&code, "right-code", at(599)), Guess::TooMany);
        assert_eq!(guesses.weigh(&code, "right-code", at(612)), Guess::Right);
    }
}
