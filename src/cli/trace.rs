//! `pillarbox trace MESSAGE-ID|ADDRESS|…`: what became of a message, and who came in from where.

use super::args::Wish;
use super::words::{self, Words};
use super::{Failed, door, help, terminal, unexpected};
use lexopt::{Error, Parser};
use pillarbox::admin::{Reply, Request};
use pillarbox::events::Told;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use time::OffsetDateTime;

/// Lines that are shown if nobody says how many.
const LINES: usize = 200;

/// Whom or what to look for.
#[derive(Debug, PartialEq, Eq)]
pub struct Trace {
    what: String,
    most: usize,
    json: bool,
}

/// Reads what follows `trace`.
pub(super) fn parse(data: Option<PathBuf>, parser: Parser) -> Result<Wish, Error> {
    let mut most = LINES;
    let read = words::read(None, data, parser, |_, name, parser| {
        if name == "lines" {
            most = words::value(parser, name, words::number(1, 1_000_000))?;
        }
        Ok(name == "lines")
    });
    let Some(Words { data, action, values, json }) = read? else { return Ok(Wish::Help(help::of("trace"))) };
    let what = action.ok_or("trace needs a MESSAGE-ID, an ADDRESS, or another name that a line of the log has")?;
    words::all_used("trace", &values)?;
    Ok(Wish::Trace { data, wish: Trace { what, most, json } })
}

/// Shows the lines; 1 if there are none.
pub fn run(data: &Path, Trace { what, most, json }: Trace) -> Result<ExitCode, Failed> {
    let mut door = door(data)?;
    if !door.is_running() {
        return Err(Failed::because("the server is not running, and what it remembers is gone with it: see its log"));
    }
    let Reply::Trace(lines) = door.ask(Request::Trace { what: what.clone(), most })? else { return Err(unexpected()) };
    if json {
        terminal::print(&format!("{}\n", serde_json::to_string(&lines)?));
    } else if lines.is_empty() {
        terminal::print(&format!("Nothing of late about {what}.\n"));
    } else {
        terminal::print(&lines.iter().map(shown).collect::<String>());
    }
    Ok(if lines.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn shown(told: &Told) -> String {
    let when = OffsetDateTime::from_unix_timestamp(told.when).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second) = when.to_hms();
    format!("{} {hour:02}:{minute:02}:{second:02} {}\n", when.date(), told.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Wish, String> {
        parse(None, Parser::from_args(line.split_whitespace())).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_looked_for_is_one_word() {
        let data = PathBuf::from("pillarbox-data");
        let wish = |what: &str, most, json| Trace { what: what.to_owned(), most, json };
        assert_eq!(parsed("<a@b>"), Ok(Wish::Trace { data: data.clone(), wish: wish("<a@b>", LINES, false) }));
        assert_eq!(parsed("a@b --json --lines 3"), Ok(Wish::Trace { data, wish: wish("a@b", 3, true) }));
        for bad in ["", "a b", "a --lines x", "a --no"] {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_line_is_shown_with_its_moment() {
        let told = Told { when: 1_700_000_000, line: "mail event=sent".to_owned() };
        assert_eq!(shown(&told), "2023-11-14 22:13:20 mail event=sent\n");
    }
}
