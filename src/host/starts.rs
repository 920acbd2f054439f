//! How often we started without getting well: a machine that starts itself again and again helps nobody.

use super::data;
use std::fs;
use std::path::PathBuf;

/// So many starts in a row that did not help, and we stay up and say what is wrong.
const ENOUGH: u32 = 3;

/// The count of starts since the last that went well.
#[derive(Debug)]
pub(super) struct Starts {
    count: u32,
    /// Where it is kept; `None` where nothing can be.
    file: Option<PathBuf>,
}

impl Starts {
    /// Nothing is known, so we do not start again by ourselves.
    pub(super) fn unknown() -> Starts {
        Starts { count: ENOUGH, file: None }
    }

    /// Counts this start. One on trial is counted by the boot loader.
    pub(super) fn note(on_trial: bool) -> Starts {
        let file = PathBuf::from(data::HOST).join("starts");
        let before = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<u32>().ok()).unwrap_or(0);
        let mut starts = Starts { count: before, file: Some(file) };
        if !on_trial {
            starts.set(before.saturating_add(1));
        }
        starts
    }

    /// It is well: the next one that is not is the first.
    pub(super) fn forget(&mut self) {
        if self.count > 0 && self.file.is_some() {
            self.set(0);
        }
    }

    /// Whether to start again may help.
    pub(super) fn may_start_again(&self) -> bool {
        self.count < ENOUGH
    }

    fn set(&mut self, count: u32) {
        self.count = count;
        if let Some(file) = &self.file
            && let Err(error) = data::write(file, count.to_string().as_bytes())
        {
            log::warn!("the count of starts cannot be kept: {error}");
            self.file = None;
            self.count = ENOUGH;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_counted_does_not_start_again() {
        let mut starts = Starts { count: 1, file: Some(PathBuf::from("/nowhere/at/all")) };
        assert!(starts.may_start_again());
        starts.set(2);
        assert!(!starts.may_start_again());
        assert!(!Starts::unknown().may_start_again());
    }

    #[test]
    fn three_starts_in_a_row_are_enough() {
        let folder = std::env::temp_dir().join(format!("pillarbox-starts-{}", std::process::id()));
        let mut starts = Starts { count: 0, file: Some(folder.clone()) };
        for _ in 0..2 {
            starts.set(starts.count + 1);
            assert!(starts.may_start_again());
        }
        starts.set(3);
        assert!(!starts.may_start_again());
        starts.forget();
        assert!(starts.may_start_again() && fs::read_to_string(&folder).unwrap() == "0");
        fs::remove_file(folder).unwrap();
    }
}
