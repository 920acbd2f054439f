//! `pillarbox mirror …`

use super::list::{List, json};
use super::mirror_args::{MirrorAction, MirrorAdd, Password};
use super::size::counted;
use super::{Failed, ask, attempt, terminal, unexpected};
use pillarbox::admin::{Door, MirrorReply, MirrorRequest, MirrorShown, MirrorWish, Reply, Request, Settings};
use pillarbox::store::{Protocol, Security, Way};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a look is waited for at the terminal. It goes on without us.
const PATIENCE: Duration = Duration::from_mins(10);
/// From one question whether it is done to the next.
const STEP: Duration = Duration::from_millis(200);

/// Does it, and says what was done.
pub fn run(data: &Path, action: MirrorAction, as_json: bool) -> Result<ExitCode, Failed> {
    let request = match action {
        MirrorAction::Add(add) => {
            // Nobody is asked for a password for an account that is not there.
            ask(data, Request::ShowAccount { address: add.address.clone() })?;
            let unchecked = add.unchecked;
            let wish = wish(*add)?;
            if !unchecked {
                terminal::say(&attempt::mailbox(&Settings::read(data)?, &wish)?);
            }
            return said(ask(data, Request::Mirror(MirrorRequest::Add(wish)))?);
        }
        MirrorAction::Change { which, mut change, password } => {
            let mut door = super::door(data)?;
            show(&mut door, &which)?;
            if password != Password::Same {
                change.password = Some(terminal::known_password(password == Password::FromStdin)?);
            }
            door.ask(Request::Mirror(MirrorRequest::Change { which: which.clone(), change }))?;
            drop(door);
            return look(data, &which, false);
        }
        MirrorAction::Run { which, confirm } => return look(data, &which, confirm),
        MirrorAction::List => MirrorRequest::List,
        MirrorAction::Show { which } => MirrorRequest::Show { which },
        MirrorAction::Pause { which, paused } => MirrorRequest::Pause { which, paused },
        MirrorAction::Remove { which } => MirrorRequest::Remove { which },
    };
    let reply = ask(data, Request::Mirror(request))?;
    if as_json {
        terminal::print(&match &reply {
            Reply::Mirror(MirrorReply::Mirrors(all)) => json(all)?,
            Reply::Mirror(MirrorReply::Mirror(shown)) => json(shown)?,
            _ => return Err(unexpected()),
        });
        return Ok(ExitCode::SUCCESS);
    }
    said(reply)
}

fn wish(add: MirrorAdd) -> Result<MirrorWish, Failed> {
    let password = terminal::known_password(add.password_stdin)?;
    let MirrorAdd { address, protocol, host, port, security, certificate, user, way, every, .. } = add;
    Ok(MirrorWish { address, protocol, host, port, security, certificate, user, password, way, every })
}

/// Asks for a look, and waits until it is done.
fn look(data: &Path, which: &str, confirm: bool) -> Result<ExitCode, Failed> {
    let mut door = super::door(data)?;
    let running = door.is_running();
    let begun = now();
    let run = Request::Mirror(MirrorRequest::Run { which: which.to_owned(), confirm });
    let Reply::Mirror(MirrorReply::Asked(asked)) = door.ask(run)? else { return Err(unexpected()) };
    if !running {
        terminal::print("The server does not run: it will be done when it does.\n");
        return Ok(ExitCode::SUCCESS);
    }
    let end = Instant::now() + PATIENCE;
    loop {
        let shown = show(&mut door, which)?;
        let state = &shown.state;
        let failed = state.failures > 0 && state.tried.is_some_and(|tried| tried > begun);
        if state.done >= asked || failed {
            terminal::print(&text(&shown));
            return Ok(if state.failure.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
        if Instant::now() > end {
            return Err(Failed::because("it is still under way"));
        }
        std::thread::sleep(STEP);
    }
}

fn show(door: &mut Door, which: &str) -> Result<MirrorShown, Failed> {
    let request = MirrorRequest::Show { which: which.to_owned() };
    match door.ask(Request::Mirror(request))? {
        Reply::Mirror(MirrorReply::Mirror(shown)) => Ok(*shown),
        _ => Err(unexpected()),
    }
}

fn said(reply: Reply) -> Result<ExitCode, Failed> {
    terminal::print(&match reply {
        Reply::Done => "Done.\n".to_owned(),
        Reply::Mirror(MirrorReply::Mirrors(all)) => table(&all),
        Reply::Mirror(MirrorReply::Mirror(shown)) => text(&shown),
        _ => return Err(unexpected()),
    });
    Ok(ExitCode::SUCCESS)
}

fn table(all: &[MirrorShown]) -> String {
    let mut list = List::new(["no", "account", "mailbox there", "way", "state"]);
    for shown in all {
        list.row(cells(shown));
    }
    list.text("There are no mirrors.")
}

fn cells(shown: &MirrorShown) -> [String; 5] {
    let MirrorShown { id, address, host, user, state, .. } = shown;
    let way = match shown.way {
        Way::Both => "both ways",
        Way::Collect { .. } => "collected",
    };
    let how = match (&state.failure, state.succeeded) {
        _ if shown.paused => "paused".to_owned(),
        (Some(why), _) => why.clone(),
        (None, Some(moment)) => format!("done {}", ago(moment)),
        (None, None) => "not yet looked at".to_owned(),
    };
    let held = if state.held.is_empty() { "" } else { "; something is held back" };
    [id.to_string(), address.clone(), format!("{user} at {host}"), way.to_owned(), format!("{how}{held}")]
}

fn text(shown: &MirrorShown) -> String {
    let MirrorShown { id, address, host, port, user, every, state, .. } = shown;
    let protocol = match shown.protocol {
        Protocol::Imap => "IMAP",
        Protocol::Pop3 => "POP3",
    };
    let security = match shown.security {
        Security::Tls => "in TLS",
        Security::StartTls => "in TLS after STARTTLS",
        Security::Plain => "in plain text",
    };
    let mut text = format!("mirror {id} of {address}\n  {user} at {host}:{port} by {protocol} {security}\n");
    // A String takes all that is written to it.
    let _ = match &shown.way {
        Way::Both => writeln!(text, "  all folders, both ways"),
        Way::Collect { into, delete_after: None } => writeln!(text, "  collected into {into}, and left there"),
        Way::Collect { into, delete_after: Some(days) } => {
            writeln!(
                text,
                "  collected into {into}, and deleted there after {}",
                counted((*days).into(), "day", "days")
            )
        }
    };
    let _ = writeln!(text, "  looked at every {every} s{}", if shown.paused { "; paused" } else { "" });
    let moment = |moment: Option<i64>| moment.map_or_else(|| "never".to_owned(), ago);
    let _ = writeln!(text, "  last tried        {}", moment(state.tried));
    let _ = writeln!(text, "  last success      {}", moment(state.succeeded));
    let _ = writeln!(text, "  messages fetched  {}\n  messages sent     {}", state.fetched, state.sent);
    if let Some(failure) = &state.failure {
        let _ = writeln!(text, "  failed            {}: {failure}", counted(state.failures.into(), "time", "times"));
    }
    for held in &state.held {
        let _ = writeln!(text, "  held back         {held}");
    }
    text
}

/// How long ago a moment is.
fn ago(moment: i64) -> String {
    let seconds = now().saturating_sub(moment).max(0);
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed())
}
