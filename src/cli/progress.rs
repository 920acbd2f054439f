//! How far something is, for who sits at the terminal.

use super::Failed;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// A bar for so many octets; not to be seen where there is no terminal.
pub fn bar(octets: u64) -> Result<ProgressBar, Failed> {
    let bar = ProgressBar::with_draw_target(Some(octets), ProgressDrawTarget::stderr_with_hz(5));
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar.set_style(ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left")?);
    Ok(bar)
}
