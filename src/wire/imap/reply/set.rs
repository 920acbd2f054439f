//! Sets of numbers, in the shortest form that keeps their order: `1:3,5`.

use crate::wire::Out;

/// Writes a set number by number, in runs. A set longer than the output's bound is written across several turns.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetRun {
    open: Option<(u32, u32)>,
    written: bool,
}

impl SetRun {
    /// An empty set.
    #[must_use]
    pub fn new() -> SetRun {
        SetRun::default()
    }

    /// Adds a number. It joins the run before it only if it follows at once: the order stays the order given.
    pub fn push(&mut self, out: &mut Out, number: u32) {
        self.push_range(out, number, number);
    }

    /// Adds all numbers of an inclusive range.
    pub fn push_range(&mut self, out: &mut Out, low: u32, high: u32) {
        match &mut self.open {
            Some((_, last)) if last.checked_add(1) == Some(low) => *last = high,
            open => {
                if let Some(run) = open.replace((low, high)) {
                    self.write(out, run);
                }
            }
        }
    }

    /// Writes what is left; says whether there was any number at all.
    pub fn finish(mut self, out: &mut Out) -> bool {
        if let Some(run) = self.open.take() {
            self.write(out, run);
        }
        self.written
    }

    fn write(&mut self, out: &mut Out, (low, high): (u32, u32)) {
        if self.written {
            out.byte(b',');
        }
        self.written = true;
        out.number(low);
        if high > low {
            out.byte(b':');
            out.number(high);
        }
    }
}

/// Writes a whole set; says whether there was any number.
pub fn set(out: &mut Out, numbers: impl IntoIterator<Item = u32>) -> bool {
    let mut run = SetRun::new();
    for number in numbers {
        run.push(out, number);
    }
    run.finish(out)
}
