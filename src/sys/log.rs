//! The log on stderr. It fails nothing and holds nobody up: a disk that is full, a reader that is gone or reads no more,
//! a terminal that was closed cost lines, which are counted, and nothing else.

use super::outlet::Outlet;
use crate::mail::limits;
use log::{Level, LevelFilter, Log, Metadata, ParseLevelError, Record};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::stdio::stderr;
use simple_logger::SimpleLogger;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::Duration;

/// How long the last lines have to be written before the process ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

static OUTLET: Outlet = Outlet::new(limits::LOG_WAITING);
static HERE: OnceLock<Here> = OnceLock::new();

/// `simple_logger` knows which levels of which modules are wanted; it would print with what panics where it cannot.
struct Here {
    levels: SimpleLogger,
}

/// From now on `log`'s macros write one line each to stderr. `wanted` is a level, or levels of modules, as in
/// `warn,pillarbox::net=debug`; where it says nothing, info. The text of the error is for the owner.
pub fn begin(wanted: &str) -> Result<(), String> {
    // It warns of each client that names an address instead of a host, and is served all the same.
    let mut levels = SimpleLogger::new()
        .with_level(LevelFilter::Info)
        .with_module_level("rustls::msgs::handshake", LevelFilter::Error);
    for part in wanted.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (module, level) = part.split_once('=').map_or((None, part), |(module, level)| (Some(module), level));
        let level: LevelFilter =
            level.parse().map_err(|_: ParseLevelError| format!("{part:?} is no level of logging"))?;
        levels = match module {
            Some(module) => levels.with_module_level(module, level),
            None => levels.with_level(level),
        };
    }
    let most = levels.max_level();
    let Ok(()) = HERE.set(Here { levels }) else { return Ok(()) };
    let writing = std::thread::Builder::new().name("log".to_owned()).spawn(|| OUTLET.write_to(&mut Stderr, lost_line));
    writing.map_err(|error| format!("there is no thread for the log: {error}"))?;
    if let Some(here) = HERE.get()
        && log::set_logger(here).is_ok()
    {
        log::set_max_level(most);
    }
    Ok(())
}

/// Says something on stderr that is no line of the log, as why a command ends.
pub fn say(text: &str) {
    if HERE.get().is_some() {
        OUTLET.say(text.to_owned());
    } else {
        // Nothing is left to be done where not even this can be said.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// Waits a moment for the last lines: the process is about to end.
pub fn finish() {
    if HERE.get().is_some() {
        OUTLET.flush(LAST_WORDS);
    }
}

/// Lines that were lost since the start.
#[must_use]
pub fn lost() -> u64 {
    OUTLET.lost()
}

impl Log for Here {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.levels.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            OUTLET.say(line(record.level(), record.target(), *record.args()));
        }
    }

    fn flush(&self) {
        OUTLET.flush(LAST_WORDS);
    }
}

fn lost_line(lost: u64) -> String {
    let text = format_args!("{lost} lines of this log were lost: they could not be written");
    line(Level::Warn, module_path!(), text)
}

/// A line with its end: `2026-11-30T12:00:00.000Z WARN  [pillarbox::net::serve] text`.
fn line(level: Level, target: &str, text: fmt::Arguments<'_>) -> String {
    let now = time::OffsetDateTime::now_utc();
    let (date, (hour, minute, second, milli)) = (now.date(), now.to_hms_milli());
    let mut line = OneLine(String::new());
    // What a text cannot say of itself is missing from its line, and that is all.
    let _ = write!(line, "{date}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z {level:<5} [{target}] ");
    let _ = line.write_fmt(text);
    line.0.push('\n');
    line.0
}

/// One line of text, of a bounded length: what peers and mails say in it makes no further ones.
struct OneLine(String);

impl fmt::Write for OneLine {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if self.0.len() >= limits::LOG_LINE {
                break;
            }
            if letter.is_control() {
                self.0.extend(letter.escape_default());
            } else {
                self.0.push(letter);
            }
        }
        Ok(())
    }
}

/// Our stderr, past the standard library's, whose lock would be held for as long as a reader reads nothing.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match rustix::io::write(stderr(), octets) {
            // Somebody made it one that does not wait.
            Err(rustix::io::Errno::AGAIN) => {
                let output = stderr();
                poll(&mut [PollFd::new(&output, PollFlags::OUT)], None)?;
                Err(io::ErrorKind::Interrupted.into())
            }
            written => Ok(written?),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_and_bounded_whatever_is_said_in_it() {
        let hostile = "a\r\n2026-11-30T12:00:00.000Z INFO  [x] b\u{1b}[2J\u{85}";
        let line = line(Level::Info, "pillarbox::net", format_args!("{hostile}{}", "é".repeat(limits::LOG_LINE)));
        assert!(line.ends_with('\n') && line.lines().count() == 1 && !line.trim_end().contains(char::is_control));
        assert!(line.contains(" INFO  [pillarbox::net] a\\r\\n2026-"), "{line}");
        assert!(line.len() <= limits::LOG_LINE + 8);
    }

    #[test]
    fn a_text_that_cannot_be_said_fails_nothing() {
        struct Mute;
        impl fmt::Display for Mute {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Err(fmt::Error)
            }
        }
        assert!(line(Level::Warn, "x", format_args!("before {Mute} after")).ends_with("before \n"));
    }
}
