//! `pillarbox import …`

use super::{Failed, door, progress, size, terminal};
use async_signal::{Signal, Signals};
use pillarbox::keep::{Event, Left, Summary, plan, run as import};
use smol::stream::StreamExt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What is to be imported, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    pub address: String,
    /// Into this one, or below it.
    pub mailbox: Option<String>,
    pub paths: Vec<PathBuf>,
    /// What a mailbox has already is stored once more.
    pub again: bool,
}

/// Imports, and says what was imported and what was not.
pub fn run(data: &Path, wish: &Import) -> Result<ExitCode, Failed> {
    // Before anything is asked for: a wrong path is told whoever has the data.
    let plan = plan(&wish.paths, wish.mailbox.as_deref())?;
    let mut door = door(data)?;
    let mut account = door.account(&wish.address, wish.again)?;
    let bar = progress::bar(plan.octets)?;
    let began = Instant::now();
    let interrupted = interrupts()?;
    let summary = import(&plan, &mut *account, &mut |event| {
        match event {
            Event::Read(octets) => bar.inc(octets),
            Event::Skipped(place, why) => bar.suspend(|| terminal::say(&format!("not imported: {place}: {why}\n"))),
        }
        if interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    terminal::say(&format!("{}, in {:.1} s\n", told(&summary), began.elapsed().as_secs_f64()));
    tell(&summary.left);
    let Summary { stopped, imported_after, unknown, left, .. } = summary;
    let Some((place, why)) = stopped else {
        return Ok(if left.is_loss() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    };
    let after = match (imported_after, unknown) {
        (0, 0) => "it and what follows was not imported".to_owned(),
        (0, unknown) => format!("of it and what follows {unknown} or fewer were imported"),
        (after, 0) => format!("it was not imported, and of what follows {after} that were on their way"),
        (after, unknown) => format!("of it and what follows {after} were imported, and {unknown} more may be"),
    };
    Err(Failed::because(format!("stopped at {place}: {why}; {after}. The same import again goes on from there.")))
}

fn told(summary: &Summary) -> String {
    let Summary { imported, known, bytes, left, .. } = summary;
    let known = match known {
        0 => String::new(),
        known => format!(", {known} there already"),
    };
    let messages = if *imported == 1 { "message" } else { "messages" };
    format!("{imported} {messages} imported ({}){known}, {} skipped", size::shown(*bytes), left.total())
}

/// All that was not taken over, by kinds.
fn tell(left: &Left) {
    for (kind, lot) in left.kinds() {
        let places: Vec<String> = lot.first.iter().map(ToString::to_string).collect();
        let more = if lot.count > places.len() as u64 { " …" } else { "" };
        let (count, kind) = (lot.count, kind.name(lot.count));
        terminal::say(&format!("  skipped: {count} {kind}: {}{more}\n", places.join("; ")));
    }
}

/// Whether the owner wants no more of it: what is under way is settled then, and told. Who asks twice is heard at once.
fn interrupts() -> Result<Arc<AtomicBool>, Failed> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([Signal::Int, Signal::Term])?;
    let seen = Arc::clone(&interrupted);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        while smol::block_on(signals.next()).is_some() {
            if seen.swap(true, Ordering::Relaxed) {
                std::process::exit(1);
            }
        }
    })?;
    Ok(interrupted)
}
