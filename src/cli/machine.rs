//! The commands of the appliance: `update`, `log`, `reboot`, `poweroff`. PID 1 does them, through its own door.

use super::args::Machine;
use super::{Failed, ask, terminal, unexpected};
use pillarbox::admin::{Reply, Request, WayBack};
use pillarbox::host::{Ask, Caller, PATH, Say, State};
use pillarbox::store::{Fault, Options, Store, ask_to_restore};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Does it, and says what was done.
pub fn run(data: Option<&Path>, wish: Machine) -> Result<ExitCode, Failed> {
    let folder = || {
        let usual = if Path::new(PATH).exists() { "/data/mail" } else { "pillarbox-data" };
        data.map_or_else(|| PathBuf::from(usual), Path::to_owned)
    };
    match wish {
        Machine::Update { source, reboot } => {
            let mut door = door()?;
            let text = done(&mut door, &Ask::Update { source: absolute(&source)? })?;
            terminal::print(&format!("{text}\n"));
            if reboot {
                done(&mut door, &Ask::Reboot)?;
            }
        }
        Machine::UpdateStatus => {
            let Say::Status { update, .. } = answer(&mut door()?, &Ask::Status)? else { return Err(unexpected()) };
            terminal::print(&slots(&update));
        }
        Machine::Undo { discard } if Path::new(PATH).exists() => {
            terminal::print(&format!("{}\n", undo(&folder(), discard)?));
        }
        Machine::Undo { discard } => terminal::print(restore_here(&folder(), discard)?),
        Machine::Keep => {
            ask(&folder(), Request::KeepFormat)?;
            terminal::print("Done: the data stays as it is now.\n");
        }
        Machine::Log { lines } => {
            let Say::Log { lines } = answer(&mut door()?, &Ask::Log { lines })? else { return Err(unexpected()) };
            terminal::print(&lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>());
        }
        Machine::Reboot => terminal::print(&format!("{}\n", done(&mut door()?, &Ask::Reboot)?)),
        Machine::Poweroff => terminal::print(&format!("{}\n", done(&mut door()?, &Ask::Poweroff)?)),
    }
    Ok(ExitCode::SUCCESS)
}

fn door() -> Result<Caller, Failed> {
    Caller::connect(Path::new(PATH)).map_err(|error| {
        Failed::because(match error.kind() {
            std::io::ErrorKind::PermissionDenied => format!("{PATH}: only root may ask this"),
            _ => {
                "this is for the appliance, where Pillarbox runs the whole machine: it does not run this one".to_owned()
            }
        })
    })
}

/// What PID 1 answers; how far it is goes to stderr.
fn answer(door: &mut Caller, ask: &Ask) -> Result<Say, Failed> {
    let answered = door.ask(ask, |text| terminal::say(&format!("{text}\n")));
    match answered.map_err(|error| Failed::because(format!("the answer did not come: {error}")))? {
        Say::Failed { why } => Err(Failed(why)),
        answer => Ok(answer),
    }
}

fn done(door: &mut Caller, ask: &Ask) -> Result<String, Failed> {
    match answer(door, ask)? {
        Say::Done { text } => Ok(text),
        _ => Err(unexpected()),
    }
}

/// PID 1 has another folder to begin from.
fn absolute(source: &str) -> Result<String, Failed> {
    if source.contains("://") {
        return Ok(source.to_owned());
    }
    let path = std::fs::canonicalize(source).map_err(|error| Failed(format!("{source}: {error}")))?;
    path.into_os_string().into_string().map_err(|_| Failed::because("the path is no text"))
}

fn undo(data: &Path, discard: bool) -> Result<String, Failed> {
    // After a newer version that did not come up: this one runs, and its mail server cannot.
    if discard && matches!(Store::open_read_only(data, Options::default()), Err(Fault::TooNew(_))) {
        ask_to_restore(data)?;
        return Ok("the data goes back with the next start of the mail server, in a moment".to_owned());
    }
    let mut door = door()?;
    let Say::Status { update, .. } = answer(&mut door, &Ask::Status)? else { return Err(unexpected()) };
    if let Some(theirs) = update.other.as_ref().filter(|other| !other.is_next).and_then(|other| other.confirmed)
        && theirs < update.format
    {
        let Reply::WayBack(way_back) = ask(data, Request::WayBack)? else { return Err(unexpected()) };
        let way_back = way_back.filter(|way_back| way_back.format <= theirs);
        let Some(way_back) = way_back else {
            return Err(Failed::because(
                "the earlier version cannot read the data, and what it looked like before the update is not kept any more: \
                 take the mail out with `pillarbox export`, and bring it into a new system",
            ));
        };
        if !discard {
            return Err(Failed(would_lose(&way_back)));
        }
    }
    done(&mut door, &Ask::Undo { discard })
}

/// Where Pillarbox does not run the machine, the earlier program itself takes the data back.
fn restore_here(data: &Path, discard: bool) -> Result<&'static str, Failed> {
    if !data.join("mail.redb").exists() {
        return Err(Failed(format!("there is no mail in {}: say where it is with --data", data.display())));
    }
    match Store::open(data, Options::default()) {
        Ok(_) => return Ok("The data has the form of this version: there is nothing to go back from.\n"),
        Err(Fault::TooNew(_)) if discard => {}
        Err(fault) => return Err(fault.into()),
    }
    ask_to_restore(data)?;
    drop(Store::open(data, Options::default())?);
    Ok("Done: the data is as it was before a newer version took it over.\n")
}

fn would_lose(way_back: &WayBack) -> String {
    format!(
        "the earlier version cannot read the data as it is now, and would go back to how it was on {}: {} messages that came \
         in since, and all other changes, would be lost. Take them out with `pillarbox export` first, then say \
         `pillarbox update undo --discard-newer`",
        day(way_back.since),
        way_back.messages
    )
}

fn slots(state: &State) -> String {
    let mut text = format!("running  {}, built {}", state.version, day(state.built));
    if let Some(slot) = &state.slot {
        let _ = write!(text, ", slot {slot}");
    }
    text.push_str(if state.on_trial { ", on trial\n" } else { "\n" });
    if let Some(other) = &state.other {
        let what = match (other.is_next, other.failed, other.confirmed) {
            (true, _, _) => "starts with the next reboot",
            (_, true, _) => "was tried, and did not come up",
            (_, _, Some(_)) => "`pillarbox update undo` goes back to it",
            (_, _, None) => "never ran",
        };
        let _ = writeln!(text, "other    {}: {what}", other.version);
    }
    text
}

/// The day of a moment, in seconds since 1970.
fn day(seconds: i64) -> String {
    let moment = time::OffsetDateTime::from_unix_timestamp(seconds);
    moment.map_or_else(|_| "an unknown day".to_owned(), |moment| moment.date().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pillarbox::host::OtherSlot;

    #[test]
    fn the_slots_are_told_as_they_are() {
        let other = OtherSlot { version: "0.2.0".to_owned(), is_next: true, failed: false, confirmed: None };
        let state = State {
            version: "0.1.0".to_owned(),
            built: 1_760_000_000,
            slot: Some("a".to_owned()),
            on_trial: false,
            format: 1,
            other: Some(other.clone()),
        };
        let told = |other: OtherSlot| slots(&State { other: Some(other), ..state.clone() });
        let next = "running  0.1.0, built 2025-10-09, slot a\nother    0.2.0: starts with the next reboot\n";
        assert_eq!(slots(&state), next);
        let failed = OtherSlot { is_next: false, failed: true, ..other.clone() };
        assert!(told(failed).ends_with("was tried, and did not come up\n"));
        let confirmed = OtherSlot { is_next: false, confirmed: Some(1), ..other };
        assert!(told(confirmed).ends_with("`pillarbox update undo` goes back to it\n"));
    }
}
