//! `pillarbox export …`

use super::size::counted;
use super::{Failed, door, progress, size, terminal};
use pillarbox::keep::export::{Event, Format, Summary, run as export};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// Exports, and says what was exported and what was not.
pub fn run(data: &Path, address: &str, folder: &Path, format: Format) -> Result<ExitCode, Failed> {
    let mut door = door(data)?;
    let mut mail = door.mail(address)?;
    let bar = progress::bar(0)?;
    let began = Instant::now();
    let summary = export(&mut *mail, folder, format, &mut |event| match event {
        Event::Total(octets) => bar.set_length(octets),
        Event::Written(octets) => bar.inc(octets),
        Event::Warning(what) => bar.suspend(|| terminal::say(&format!("{what}\n"))),
    });
    bar.finish_and_clear();
    let Summary { mailboxes, messages, bytes, unreadable } = summary?;
    let (bytes, seconds) = (size::shown(bytes), began.elapsed().as_secs_f64());
    let (messages, mailboxes) = (counted(messages, "message", "messages"), counted(mailboxes, "mailbox", "mailboxes"));
    terminal::say(&format!("{messages} in {mailboxes} exported ({bytes}), in {seconds:.1} s\n"));
    if unreadable > 0 {
        let unreadable = counted(unreadable, "message", "messages");
        return Err(Failed::because(format!("{unreadable} could not be read: see `pillarbox check`")));
    }
    Ok(ExitCode::SUCCESS)
}
