//! `pillarbox session …`: its arguments, and what it says.

use super::args::Wish;
use super::list::{self, List};
use super::size::counted;
use super::words::{self, Words};
use super::{Failed, ask, help, size, terminal, unexpected};
use lexopt::{Error, Parser};
use pillarbox::admin::{Reply, Request, SessionLine, SessionRequest};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use time::OffsetDateTime;

/// Reads what follows `session`.
pub fn parse(parser: Parser, data: Option<PathBuf>) -> Result<Wish, Error> {
    let Some(Words { data, action, mut values, json }) = words::read(None, data, parser, |_, _, _| Ok(false))? else {
        return Ok(Wish::Help(help::of("session")));
    };
    let request = match action.as_deref() {
        None | Some("list") => SessionRequest::List,
        Some("end") if values.is_empty() => return Err("session end needs an ID or an ADDRESS".into()),
        Some("end") => SessionRequest::End { whom: values.remove(0) },
        Some(other) => return Err(words::no_command("session ", other, help::actions("session").iter().copied())),
    };
    words::all_used("session", &values)?;
    words::only_where_shown(json, request == SessionRequest::List)?;
    Ok(Wish::Session { data, request, json })
}

/// Does it, and says what was done.
pub fn run(data: &Path, request: SessionRequest, json: bool) -> Result<ExitCode, Failed> {
    let ends = matches!(request, SessionRequest::End { .. });
    let Reply::Sessions(lines) = ask(data, Request::Session(request))? else { return Err(unexpected()) };
    terminal::print(&match (ends, json) {
        (true, _) => ended(lines.len()),
        (false, true) => list::json(&lines)?,
        (false, false) => table(&lines),
    });
    Ok(ExitCode::SUCCESS)
}

fn ended(count: usize) -> String {
    format!("{} ended.\n", counted(count as u64, "session was", "sessions were"))
}

/// One line for each session, under a header.
fn table(lines: &[SessionLine]) -> String {
    let mut list = List::new(["id", "protocol", "from", "user", "since (utc)", "does", "in", "out"]);
    for line in lines {
        list.row(row(line));
    }
    list.text("There are no sessions.")
}

fn row(line: &SessionLine) -> [String; 8] {
    let since = OffsetDateTime::from_unix_timestamp(line.since).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second) = since.to_hms();
    [
        line.id.to_string(),
        format!("{}{}", line.protocol, if line.tls { "+tls" } else { "" }),
        line.from.map_or_else(|| "local socket".to_owned(), |from| from.to_string()),
        line.user.clone().unwrap_or_else(|| "-".to_owned()),
        format!("{} {hour:02}:{minute:02}:{second:02}", since.date()),
        line.doing.clone(),
        size::shown(line.read),
        size::shown(line.written),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Wish, String> {
        super::super::parse(Parser::from_args(line.split_whitespace())).map_err(|error| error.to_string())
    }

    #[test]
    fn sessions_are_listed_and_ended_by_number_or_address() {
        let wish = |request, json| Ok(Wish::Session { data: "d".into(), request, json });
        let end = |whom: &str| SessionRequest::End { whom: whom.to_owned() };
        assert_eq!(parsed("session --data d"), wish(SessionRequest::List, false));
        assert_eq!(parsed("session list --json --data d"), wish(SessionRequest::List, true));
        assert_eq!(parsed("session end 7 --data d"), wish(end("7"), false));
        assert_eq!(parsed("--data d session end a@b"), wish(end("a@b"), false));
        assert!(matches!(parsed("session end --help"), Ok(Wish::Help(_))));
        for bad in ["session end", "session end 7 8", "session stop", "session end 7 --json", "session list 7"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_session_is_told_in_one_line_under_a_heading() {
        let line = |id, user: Option<&str>, from: Option<[u8; 4]>| SessionLine {
            id,
            protocol: "imap".to_owned(),
            tls: user.is_some(),
            from: from.map(Into::into),
            user: user.map(str::to_owned),
            since: 1_706_788_800,
            doing: "IDLE".to_owned(),
            read: 100,
            written: 2 << 20,
        };
        let text = table(&[line(7, Some("ann@example.org"), Some([192, 0, 2, 7])), line(12, None, None)]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0][..4], ["ID", "PROTOCOL", "FROM", "USER"]);
        assert_eq!(lines[1][..7], ["7", "imap+tls", "192.0.2.7", "ann@example.org", "2024-02-01", "12:00:00", "IDLE"]);
        assert_eq!(lines[2][..5], ["12", "imap", "local", "socket", "-"]);
        assert_eq!(table(&[]), "There are no sessions.\n");
        assert_eq!((ended(1).as_str(), ended(3).as_str()), ("1 session was ended.\n", "3 sessions were ended.\n"));
    }
}
