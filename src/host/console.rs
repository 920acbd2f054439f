//! The consoles: the status when it changes, and a prompt that takes the words of the command line.
//!
//! There may be several, as a screen and a serial line; the kernel knows which. Who is at one holds the machine in his
//! hands, and is its owner: nothing is asked for.

use super::pid1::Order;
use super::report::Report;
use super::server::RUNTIME;
use super::{children, data, memory, ring};
use crate::sys::{self, threads};
use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

/// The one that the kernel was told of last.
const DEVICE: &str = "/dev/console";
/// The names of all.
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

/// A console, opened twice.
#[derive(Debug)]
struct Device {
    /// Waits: for who types, and until what a command says is taken.
    patient: File,
    /// Waits for nothing: a line that takes nothing must not hold up PID 1.
    hasty: File,
}

/// All consoles.
static CONSOLES: OnceLock<Vec<Device>> = OnceLock::new();

/// Opens all consoles; the kernel's own choice becomes our stdin, stdout and stderr.
pub(super) fn take() {
    if let Ok(device) = open(Path::new(DEVICE), OFlags::RDWR).or_else(|_| open(Path::new("/dev/null"), OFlags::RDWR)) {
        // Without any of them we are mute, and work all the same.
        let _ = (dup2_stdin(&device), dup2_stdout(&device), dup2_stderr(&device));
    }
    let active = fs::read_to_string(ACTIVE).unwrap_or_default();
    let paths = active.split_whitespace().map(|name| Path::new("/dev").join(name));
    let mut all: Vec<Device> = paths.filter_map(|path| Device::open(&path).ok()).collect();
    if all.is_empty() {
        all.extend(Device::open(Path::new(DEVICE)));
    }
    let _ = CONSOLES.set(all);
}

impl Device {
    fn open(path: &Path) -> io::Result<Device> {
        let hasty = open(path, OFlags::WRONLY | OFlags::NONBLOCK)?;
        Ok(Device { patient: open(path, OFlags::RDWR)?, hasty })
    }
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    Ok(File::from(rustix::fs::open(path, flags | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?))
}

/// Prints on all consoles.
pub(super) fn print(text: &str) {
    match CONSOLES.get() {
        Some(all) => all.iter().for_each(|device| print_on(&device.hasty, text)),
        None => sys::log::say(text),
    }
}

/// A console that went away is nobody's fault.
fn print_on(mut device: &File, text: &str) {
    let _ = device.write_all(text.as_bytes());
}

/// The consoles, as the main loop writes to them.
#[derive(Debug)]
pub(super) struct Console {
    screens: Vec<Screen>,
}

/// One of them.
#[derive(Debug)]
struct Screen {
    device: File,
    /// Held while a command has the console.
    busy: Arc<Mutex<()>>,
    shown: Option<String>,
}

impl Console {
    /// Begins to take commands.
    pub(super) fn start(orders: &Sender<Order>, report: &Arc<Mutex<Report>>) -> Console {
        let devices = CONSOLES.get().map(Vec::as_slice).unwrap_or_default();
        let screens = devices.iter().filter_map(|device| Screen::start(device, orders, report).ok()).collect();
        Console { screens }
    }

    /// Prints the status if it is another than what was printed last, where nobody is in the midst of something.
    pub(super) fn show(&mut self, report: &Report) {
        let block = report.block();
        for screen in &mut self.screens {
            screen.show(&block);
        }
    }
}

impl Screen {
    fn start(device: &Device, orders: &Sender<Order>, report: &Arc<Mutex<Report>>) -> io::Result<Screen> {
        let busy = Arc::new(Mutex::new(()));
        let mut prompt = Prompt {
            input: BufReader::new(device.patient.try_clone()?),
            device: device.patient.try_clone()?,
            busy: Arc::clone(&busy),
            orders: orders.clone(),
            report: Arc::clone(report),
        };
        threads::forever("console", move || prompt.serve());
        Ok(Screen { device: device.hasty.try_clone()?, busy, shown: None })
    }

    fn show(&mut self, block: &str) {
        if self.shown.as_deref() == Some(block) {
            return;
        }
        let held = match self.busy.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        print_on(&self.device, &format!("{block}\n{PROMPT}"));
        drop(held);
        self.shown = Some(block.to_owned());
    }
}

/// Where commands are taken.
struct Prompt {
    input: BufReader<File>,
    device: File,
    busy: Arc<Mutex<()>>,
    orders: Sender<Order>,
    report: Arc<Mutex<Report>>,
}

impl Prompt {
    fn serve(&mut self) {
        let mut line = Vec::new();
        // The terminal gives a line at a time, so nothing is taken that is for a command.
        match self.input.read_until(b'\n', &mut line) {
            Ok(1..) => {
                let busy = Arc::clone(&self.busy);
                let _held = busy.lock().unwrap_or_else(PoisonError::into_inner);
                match split(&String::from_utf8_lossy(&line)) {
                    Ok(words) => self.obey(&words),
                    Err(why) => self.print(&format!("{why}\n")),
                }
                self.print(PROMPT);
            }
            // There is no console, or nobody at it.
            Ok(0) | Err(_) => thread::sleep(PAUSE),
        }
    }

    fn print(&self, text: &str) {
        print_on(&self.device, text);
    }

    fn obey(&self, words: &[String]) {
        let Some(first) = words.first() else { return };
        match first.as_str() {
            "help" if words.len() == 1 => self.print(HELP),
            "log" => {
                let count = words.get(1).and_then(|count| count.parse().ok()).unwrap_or(LINES);
                self.print(&ring::last(count).into_iter().fold(String::new(), |text, line| text + &line + "\n"));
            }
            "reboot" | "poweroff" => {
                let _ = self.orders.send(if first == "reboot" { Order::Reboot } else { Order::PowerOff });
            }
            // They are PID 1's own to start.
            "serve" | "confine" => self.print("it runs already\n"),
            "status" => {
                let block = self.report.lock().unwrap_or_else(PoisonError::into_inner).block();
                self.print(&format!("{block}{}", memory::told()));
                self.run(words);
            }
            _ => self.run(words),
        }
    }

    /// Runs ourselves with these words, with the console as its own.
    fn run(&self, words: &[String]) {
        let mut command = Command::new("/proc/self/exe");
        command.args(words);
        if !words.iter().any(|word| word == "--data" || word.starts_with("--data=")) {
            command.args(["--data", data::MAIL]);
        }
        command.env("PILLARBOX_RUNTIME", RUNTIME);
        let started = self.give_console(&mut command).and_then(|()| children::start(&mut command));
        match started {
            Ok((process, _)) => while process.wait(Duration::from_mins(1)).is_none() {},
            Err(error) => self.print(&format!("this could not be done: {error}\n")),
        }
    }

    fn give_console(&self, command: &mut Command) -> io::Result<()> {
        command.stdin(self.device.try_clone()?).stdout(self.device.try_clone()?).stderr(self.device.try_clone()?);
        Ok(())
    }
}

/// Ends the commands that have a console.
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
