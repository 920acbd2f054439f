//! `pillarbox check` and `pillarbox status`.

use super::size::counted;
use super::{Failed, ask, door, list, size, terminal, unexpected};
use pillarbox::admin::{Reply, Request, Settings};
use pillarbox::store::{Health, Options, Store};
use std::path::Path;
use std::process::ExitCode;

/// Checks the store; 1 if anything was found that is not mended.
pub fn check(data: &Path, mend: bool, json: bool) -> Result<ExitCode, Failed> {
    let Reply::Checked(checked) = ask(data, Request::Check { mend })? else { return Err(unexpected()) };
    if json {
        terminal::print(&list::json(&checked)?);
        return Ok(if checked.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let mut text = String::new();
    for finding in &checked.findings {
        text.push_str(finding);
        text.push('\n');
    }
    let (messages, bytes) = (counted(checked.messages, "message", "messages"), size::shown(checked.bytes));
    let outcome = match checked.findings.len() {
        0 => format!("{messages}, {bytes} of content: all is well.\n"),
        found => {
            let found = counted(found as u64, "finding", "findings");
            let mended = if mend {
                format!("{} mended", checked.mended)
            } else {
                format!("--mend would put {} right", checked.mendable)
            };
            format!("{messages}, {bytes}: {found}, {mended}.\n")
        }
    };
    terminal::print(&text);
    terminal::print(&outcome);
    Ok(if checked.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Makes the store's file as small as what is in it.
pub fn compact(data: &Path) -> Result<ExitCode, Failed> {
    if door(data)?.is_running() {
        return Err(Failed::because("the server runs: stop it first"));
    }
    let settings = Settings::read(data)?;
    let (before, after) = Store::compact(data, Options { cache: settings.cache() })?;
    terminal::print(&format!("{} became {}\n", size::shown(before), size::shown(after)));
    Ok(ExitCode::SUCCESS)
}

/// Says how it is doing.
pub fn status(data: &Path, json: bool) -> Result<ExitCode, Failed> {
    let mut door = door(data)?;
    let running = door.is_running();
    let Reply::Status(status) = door.ask(Request::Status)? else { return Err(unexpected()) };
    if json {
        let mut value = serde_json::to_value(&status)?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("running".to_owned(), running.into());
        }
        terminal::print(&format!("{value}\n"));
        return Ok(exit(status.state));
    }
    let state = match status.state {
        Health::Good => "",
        Health::Full => "The disk is full: mail that comes in is refused\n",
        Health::ReadOnly => "Mail can only be read: nothing can be written to the disk\n",
        Health::Damaged => {
            "Some of the mail is damaged and is not served: see what with `pillarbox check`, and save the rest with \
             `pillarbox export`\n"
        }
        Health::Failing => "The disk fails: mail cannot be read, or not all of it\n",
    };
    let free = status.free.map_or_else(String::new, |free| format!(", {} free", size::shown(free)));
    let queued = match status.queued {
        0 => String::new(),
        1 => "1 message waits to go out\n".to_owned(),
        some => format!("{some} messages wait to go out\n"),
    };
    let broke_off = status.broke_off.iter().map(|(name, count)| {
        let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
        format!("By a defect, {name} broke off {times}, and goes on: the log says more\n")
    });
    let lost = match status.log_lost {
        0 => None,
        1 => Some("1 line of the log could not be written\n".to_owned()),
        some => Some(format!("{some} lines of the log could not be written\n")),
    };
    let notes: String = broke_off.chain(lost).collect();
    let (accounts, messages) =
        (counted(status.accounts, "account", "accounts"), counted(status.messages, "message", "messages"));
    let version = &status.version;
    terminal::print(&format!(
        "Pillarbox {version} {}\n{accounts}, {messages}, {} of mail in {} on disk{free}\n{queued}{state}{notes}",
        if running { "is running" } else { "is not running" },
        size::shown(status.bytes),
        size::shown(status.file),
    ));
    Ok(exit(status.state))
}

/// 1: it cannot do what it is for.
fn exit(state: Health) -> ExitCode {
    if matches!(state, Health::Damaged | Health::Failing) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
