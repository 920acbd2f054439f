//! The person at the terminal: what is asked, and what is shown.

use super::Failed;
use pillarbox::admin::{Secret, check_password};
use pillarbox::mail::limits;
use pillarbox::sys;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::sync::mpsc;
use std::time::Duration;

/// Octets of a line that are read: more than the longest password and the longest hash have.
const LINE: u64 = 8 * limits::PASSWORD as u64;
/// How often a person is asked for a password that can be taken.
const TRIES: usize = 3;

/// How long a server waits for what it prints to be taken.
const TAKEN: Duration = Duration::from_secs(1);

/// Prints to stdout. A pipe that closed is nobody's fault.
pub fn print(text: &str) {
    let _ = try_print(text);
}

fn try_print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Says something on stderr, after what the log says. That it cannot be said is nobody's fault.
pub fn say(text: &str) {
    sys::log::say(text);
}

/// Prints to stdout for a server: one whose reader has stopped reading is not waited for, and what could not be printed
/// is `what` of the log's line.
pub fn tell(what: &'static str, text: String) {
    let (taken, told) = mpsc::channel();
    sys::threads::once("stdout", move || {
        if let Err(error) = try_print(&text) {
            log::warn!("{what} could not be printed: {error}");
        }
        // Nobody waits any more.
        let _ = taken.send(());
    });
    // In the usual case it is before all that the log says next.
    let _ = told.recv_timeout(TAKEN);
}

/// A new password for an address: from stdin, from the person, or `None` for a random one.
pub fn new_password(from_stdin: bool, address: &str) -> Result<Option<Secret>, Failed> {
    if from_stdin {
        return match line()? {
            password if password.is_empty() => Err(Failed::because("there is no password on stdin")),
            password => Ok(Some(Secret(password))),
        };
    }
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let mut wrong = "";
    for _ in 0..TRIES {
        let first = unseen("Password (empty: a random one): ")?;
        if first.is_empty() {
            return Ok(None);
        }
        // Told before it is typed once more.
        if let Err(weak) = check_password(&first, address) {
            say(&format!("{weak}\n"));
            wrong = "no password was set";
            continue;
        }
        if first == unseen("Once more: ")? {
            return Ok(Some(Secret(first)));
        }
        say("These were two different passwords.\n");
        wrong = "these were two different passwords";
    }
    Err(Failed::because(wrong))
}

/// Whether the person says yes; `None`: nobody is there to ask.
pub fn confirms(question: &str) -> Result<Option<bool>, Failed> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    say(&format!("{question} (yes or no): "));
    let answer = line()?.to_lowercase();
    Ok(Some(answer == "yes" || answer == "y"))
}

/// A password that somebody else set: from stdin, or from the person.
pub fn known_password(from_stdin: bool) -> Result<Secret, Failed> {
    let password = if from_stdin || !io::stdin().is_terminal() { line()? } else { unseen("Password there: ")? };
    if password.is_empty() { Err(Failed::because("there is no password")) } else { Ok(Secret(password)) }
}

/// The hash of a password, from stdin.
pub fn hash() -> Result<Secret, Failed> {
    match line()? {
        hash if hash.is_empty() => Err(Failed::because("there is no hash on stdin")),
        hash => Ok(Secret(hash)),
    }
}

/// Asks without showing what is typed.
fn unseen(question: &str) -> Result<String, Failed> {
    let terminal = io::stdin();
    say(question);
    let shown = tcgetattr(&terminal)?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    hidden.local_modes.insert(LocalModes::ECHONL);
    tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
    let answer = line();
    tcsetattr(&terminal, OptionalActions::Now, &shown)?;
    answer
}

/// The first line of stdin, without its end.
fn line() -> Result<String, Failed> {
    let mut line = String::new();
    io::stdin().lock().take(LINE).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
