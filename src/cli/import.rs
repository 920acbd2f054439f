//! `pillarbox import …`

use super::{Failed, door, progress, size, terminal};
use pillarbox::keep::{Event, Summary, plan, run as import};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Imports, and says what was imported and what was not.
pub fn run(data: &Path, address: &str, mailbox: Option<&str>, paths: &[PathBuf]) -> Result<ExitCode, Failed> {
    let mut door = door(data)?;
    let mut account = door.account(address)?;
    let plan = plan(paths, mailbox)?;
    let bar = progress::bar(plan.octets)?;
    let began = Instant::now();
    let summary = import(&plan, &mut *account, &mut |event| match event {
        Event::Read(octets) => bar.inc(octets),
        Event::Skipped(place, why) => bar.suspend(|| terminal::say(&format!("not imported: {place}: {why}\n"))),
    });
    bar.finish_and_clear();
    let summary = summary?;
    let ignored = match plan.ignored {
        0 => String::new(),
        ignored => format!(", {ignored} files that are no mail left alone"),
    };
    terminal::say(&format!("{}{ignored}, in {:.1} s\n", told(&summary), began.elapsed().as_secs_f64()));
    let Some((place, why)) = summary.stopped else { return Ok(ExitCode::SUCCESS) };
    let after = match summary.imported_after {
        0 => String::new(),
        after => format!(" (but for {after} that were on their way)"),
    };
    Err(Failed::because(format!("stopped at {place}: {why}. It and what follows was not imported{after}.")))
}

fn told(summary: &Summary) -> String {
    let Summary { imported, skipped, bytes, .. } = summary;
    format!("{imported} messages imported ({}), {skipped} skipped", size::shown(*bytes))
}
