//! The console: the status when it changes, and a prompt that takes the words of the command line.
//!
//! Who is at the console holds the machine in his hands, and is its owner: nothing is asked for.

use super::pid1::Order;
use super::report::Report;
use super::server::RUNTIME;
use super::{children, data, memory, ring, threads};
use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

const DEVICE: &str = "/dev/console";
/// Names of all consoles.
const ACTIVE: &str = "/sys/class/tty/console/active";
const PROMPT: &str = "pillarbox> ";
/// Lines of the log, unless a number is given.
const LINES: usize = 40;
/// How long a console that cannot be read is left alone.
const PAUSE: Duration = Duration::from_secs(10);
const HELP: &str = "\
account add ADDRESS      somebody who has mail here; account --help says more
import, export           mail in and out; import --help says more
status                   how it is doing
check                    verify all stored mail
log [LINES]              what happened
update FILE|URL          another version, with a way back; undo goes it
reboot, poweroff         in order; the power button does the same
";

/// Makes the console our stdin, stdout and stderr.
pub(super) fn take() {
    let opened = OpenOptions::new().read(true).write(true).open(DEVICE);
    let Ok(device) = opened.or_else(|_| OpenOptions::new().read(true).write(true).open("/dev/null")) else { return };
    // Without any of them we are mute, and work all the same.
    let _ = (dup2_stdin(&device), dup2_stdout(&device), dup2_stderr(&device));
}

/// The console, as the main loop writes to it.
#[derive(Debug)]
pub(super) struct Console {
    /// Held while a command has the console.
    busy: Arc<Mutex<()>>,
    shown: Option<String>,
}

impl Console {
    /// Begins to take commands.
    pub(super) fn start(orders: &Sender<Order>, report: &Arc<Mutex<Report>>) -> Console {
        let busy = Arc::new(Mutex::new(()));
        let desk = Desk { busy: Arc::clone(&busy), orders: orders.clone(), report: Arc::clone(report) };
        threads::forever("console", move || desk.serve());
        Console { busy, shown: None }
    }

    /// Prints the status if it is another than what was printed last, and nobody is in the midst of something.
    pub(super) fn show(&mut self, report: &Report) {
        let block = report.block();
        if self.shown.as_ref() == Some(&block) {
            return;
        }
        let held = match self.busy.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        print(&format!("{block}\n{PROMPT}"));
        drop(held);
        show_to_others(&block);
        self.shown = Some(block);
    }
}

/// A console that was closed is nobody's fault.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The consoles beside ours, as a serial line is beside a screen: they are shown the status, and asked nothing.
fn show_to_others(block: &str) {
    let active = fs::read_to_string(ACTIVE).unwrap_or_default();
    let mut names: Vec<&str> = active.split_ascii_whitespace().collect();
    // The last one is ours.
    names.pop();
    for name in names {
        // A line that nobody listens to may take nothing: that must not hold us up.
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        if let Ok(console) = rustix::fs::open(Path::new("/dev").join(name), flags, Mode::empty()) {
            let _ = File::from(console).write_all(block.as_bytes());
        }
    }
}

/// Where commands are taken.
struct Desk {
    busy: Arc<Mutex<()>>,
    orders: Sender<Order>,
    report: Arc<Mutex<Report>>,
}

impl Desk {
    fn serve(&self) {
        let mut line = Vec::new();
        // The terminal gives a line at a time, so nothing is taken that is for a command.
        match io::stdin().lock().read_until(b'\n', &mut line) {
            Ok(1..) => {
                let _held = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
                match split(&String::from_utf8_lossy(&line)) {
                    Ok(words) => self.obey(&words),
                    Err(why) => print(&format!("{why}\n")),
                }
                print(PROMPT);
            }
            // There is no console, or nobody at it.
            Ok(0) | Err(_) => thread::sleep(PAUSE),
        }
    }

    fn obey(&self, words: &[String]) {
        let Some(first) = words.first() else { return };
        match first.as_str() {
            "help" if words.len() == 1 => print(HELP),
            "log" => {
                let count = words.get(1).and_then(|count| count.parse().ok()).unwrap_or(LINES);
                print(&ring::last(count).into_iter().fold(String::new(), |text, line| text + &line + "\n"));
            }
            "reboot" | "poweroff" => {
                let _ = self.orders.send(if first == "reboot" { Order::Reboot } else { Order::PowerOff });
            }
            // They are PID 1's own to start.
            "serve" | "confine" => print("it runs already\n"),
            "status" => {
                let block = self.report.lock().unwrap_or_else(PoisonError::into_inner).block();
                print(&format!("{block}{}", memory::told()));
                run(words);
            }
            _ => run(words),
        }
    }
}

/// Runs ourselves with these words, with the console as its own.
fn run(words: &[String]) {
    let mut command = Command::new("/proc/self/exe");
    command.args(words);
    if !words.iter().any(|word| word == "--data" || word.starts_with("--data=")) {
        command.args(["--data", data::MAIL]);
    }
    command.env("PILLARBOX_RUNTIME", RUNTIME);
    match children::start(&mut command) {
        Ok((process, _)) => while process.wait(Duration::from_mins(1)).is_none() {},
        Err(error) => print(&format!("this could not be done: {error}\n")),
    }
}

/// Ends the command that has the console, if one has.
pub(super) fn interrupt() {
    children::signal_all(Signal::TERM);
}

/// The words of a line: between blanks, or in quotes; a backslash takes what follows as it is.
fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.trim_end_matches(['\r', '\n']).chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(letters.next().ok_or("nothing follows the backslash")?),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next().ok_or("a quote is not closed")? {
                        end if end == letter => break,
                        '\\' if letter == '"' => word.push(letters.next().ok_or("a quote is not closed")?),
                        other => word.push(other),
                    }
                }
            }
            // What an arrow key sends, and the like, is no part of a word.
            letter if letter.is_control() => {}
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_would() {
        for (line, words) in [
            ("account add anna@example.org\r\n", &["account", "add", "anna@example.org"][..]),
            ("  import a 'my mail.mbox'  ", &["import", "a", "my mail.mbox"]),
            (r#"x "a \"b\" c" d\ e '' f'g'"h""#, &["x", r#"a "b" c"#, "d e", "", "fgh"]),
            ("\n", &[]),
            ("lo\u{1b}g", &["log"]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        for open in ["a 'b", "a \"b", "a \"b\\", "a \\"] {
            assert!(split(open).is_err(), "{open}");
        }
    }
}
