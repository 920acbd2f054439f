//! Arguments to wishes.

use super::filing_args::{self, Filing};
use super::help;
use super::import::Import;
use super::mirror_args::{self, MirrorAction};
use super::outgoing_args::{self, Outgoing};
use super::session;
use super::size;
use super::trace::{self, Trace};
use super::words;
use lexopt::{Arg, Error, Parser, ValueExt};
use pillarbox::admin::{Limit, SessionRequest};
use pillarbox::keep::export::Format;
use pillarbox::store::OnDelete;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// What the person at the terminal wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    Help(&'static str),
    Version,
    Serve(Serve),
    /// PID 1 starts the mail server so; nobody else has a use for it.
    Confine {
        words: Vec<OsString>,
    },
    Account {
        data: PathBuf,
        action: Action,
        json: bool,
    },
    /// Aliases, rules, answers.
    Filing {
        data: PathBuf,
        wish: Filing,
        json: bool,
    },
    /// The queue, the smarthost, what is published.
    Outgoing {
        data: PathBuf,
        wish: Outgoing,
        json: bool,
    },
    Import {
        data: PathBuf,
        wish: Import,
    },
    Export {
        data: PathBuf,
        address: String,
        folder: PathBuf,
        format: Format,
    },
    Check {
        data: PathBuf,
        mend: bool,
        json: bool,
    },
    Compact {
        data: PathBuf,
    },
    Status {
        data: PathBuf,
        json: bool,
    },
    Mirror {
        data: PathBuf,
        action: MirrorAction,
        json: bool,
    },
    Trace {
        data: PathBuf,
        wish: Trace,
    },
    /// Who is here.
    Session {
        data: PathBuf,
        request: SessionRequest,
        json: bool,
    },
    /// The data folder may be the appliance's own.
    Machine {
        data: Option<PathBuf>,
        wish: Machine,
    },
}

/// What to do with the machine, where it is an appliance.
#[derive(Debug, PartialEq, Eq)]
pub enum Machine {
    Update { source: String, reboot: bool },
    UpdateStatus,
    Undo { discard: bool },
    Keep,
    Log { lines: usize },
    Reboot,
    Poweroff,
}

/// What to serve, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Serve {
    pub data: PathBuf,
    pub bind: IpAddr,
    pub port_offset: u16,
    /// Nothing is written to the data folder.
    pub read_only: bool,
    /// Where sockets go then.
    pub runtime: Option<PathBuf>,
}

/// What to do with an account.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    Add { address: String, bytes: Option<Limit>, messages: Option<Limit>, password_stdin: bool, hash_stdin: bool },
    List { removed: bool },
    Show { address: String },
    Passwd { address: String, password_stdin: bool },
    Quota { address: String, bytes: Option<Limit>, messages: Option<Limit> },
    Pop3 { address: String, deleted: Option<OnDelete>, mark_seen: Option<bool> },
    Remove { address: String, yes: bool, forever: bool },
    Restore { which: String, address: Option<String> },
}

/// Everything that any command knows; each command then takes what is its own.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option that is there or not")]
struct Given {
    values: Vec<OsString>,
    data: Option<PathBuf>,
    bind: Option<IpAddr>,
    port_offset: Option<u16>,
    read_only: bool,
    runtime: Option<PathBuf>,
    quota: Option<Limit>,
    messages: Option<Limit>,
    mailbox: Option<String>,
    again: bool,
    deleted: Option<OnDelete>,
    mark_seen: Option<bool>,
    format: Format,
    password_stdin: bool,
    hash_stdin: bool,
    yes: bool,
    forever: bool,
    removed: bool,
    restored_as: Option<String>,
    mend: bool,
    json: bool,
    help: bool,
    discard: bool,
    reboot: bool,
    lines: Option<usize>,
}

/// Reads the arguments.
pub fn parse(mut parser: Parser) -> Result<Wish, Error> {
    let mut command: Option<String> = None;
    let mut action: Option<String> = None;
    let mut given = Given::default();
    while let Some(arg) = parser.next()? {
        let allowed = options(command.as_deref().unwrap_or("serve"), action.as_deref());
        match arg {
            Arg::Long("help") | Arg::Short('h') => given.help = true,
            Arg::Long("version") | Arg::Short('V') if command.is_none() => return Ok(Wish::Version),
            Arg::Long("data") => given.data = Some(parser.value()?.into()),
            Arg::Long(name) if !allowed.contains(&name) => return Err(words::no_option(name)),
            Arg::Long("bind") => given.bind = Some(words::value(&mut parser, "bind", bind)?),
            Arg::Long("port-offset") => {
                given.port_offset = Some(words::value(&mut parser, "port-offset", words::number(0, MOST_OFFSET))?);
            }
            Arg::Long("read-only") => given.read_only = true,
            Arg::Long("runtime") => given.runtime = Some(parser.value()?.into()),
            Arg::Long("quota") => given.quota = Some(words::value(&mut parser, "quota", str::parse)?),
            Arg::Long("messages") => given.messages = Some(words::value(&mut parser, "messages", size::parse_count)?),
            Arg::Long("again") => given.again = true,
            Arg::Long("mailbox") => given.mailbox = Some(parser.value()?.string()?),
            Arg::Long("deleted") => given.deleted = Some(words::value(&mut parser, "deleted", deleted)?),
            Arg::Long("mark-seen") => given.mark_seen = Some(words::value(&mut parser, "mark-seen", yes)?),
            Arg::Long("format") => given.format = words::value(&mut parser, "format", format)?,
            Arg::Long("password-stdin") => given.password_stdin = true,
            Arg::Long("password-hash-stdin") => given.hash_stdin = true,
            Arg::Long("yes") => given.yes = true,
            Arg::Long("forever") => given.forever = true,
            Arg::Long("removed") => given.removed = true,
            Arg::Long("as") => given.restored_as = Some(parser.value()?.string()?),
            Arg::Long("mend") => given.mend = true,
            Arg::Long("json") => given.json = true,
            Arg::Long("discard-newer") => given.discard = true,
            Arg::Long("reboot") => given.reboot = true,
            Arg::Long("lines") => given.lines = Some(words::value(&mut parser, "lines", words::number(1, 1_000_000))?),
            Arg::Value(value) if command.is_none() && value == "confine" => {
                return Ok(Wish::Confine { words: parser.raw_args()?.collect() });
            }
            Arg::Value(value)
                if command.is_none() && (value == "queue" || value == "smarthost" || value == "domain") =>
            {
                return outgoing_args::parse(&value.string()?, given.data, parser);
            }
            Arg::Value(value) if command.is_none() && value == "trace" => {
                return trace::parse(given.data.take(), parser);
            }
            Arg::Value(value) if command.is_none() && value == "mirror" => {
                return mirror_args::parse(parser, given.data.take());
            }
            Arg::Value(value) if command.is_none() && value == "session" => {
                return session::parse(parser, given.data.take());
            }
            Arg::Value(value) if command.is_none() && (value == "alias" || value == "rule") => {
                return filing_args::parse(&value.string()?, None, given.data, parser);
            }
            Arg::Value(value) if command.is_none() => {
                let word = value.string()?;
                if help::commands().all(|known| known != word) {
                    return Err(words::no_command("", &word, help::commands()));
                }
                command = Some(word);
            }
            Arg::Value(value) if command.as_deref() == Some("account") && action.is_none() => {
                let wanted = value.string()?;
                if ["alias", "vacation", "detail"].contains(&wanted.as_str()) {
                    return filing_args::parse("account", Some(wanted), given.data, parser);
                }
                if wanted != "help" && !help::actions("account").contains(&wanted.as_str()) {
                    let known = help::actions("account").iter().copied();
                    return Err(words::no_command("account ", &wanted, known));
                }
                action = Some(wanted);
            }
            Arg::Value(value) => given.values.push(value),
            arg => return Err(arg.unexpected()),
        }
    }
    wish(command.as_deref(), action.as_deref(), given)
}

/// The options of a command, `--data` and `--help` aside.
fn options(command: &str, action: Option<&str>) -> &'static [&'static str] {
    match (command, action) {
        ("serve", _) => &["bind", "port-offset", "read-only", "runtime"],
        // Options may stand before the action.
        ("account", Some("add")) => &["quota", "messages", "password-stdin", "password-hash-stdin"],
        ("account", None) => &[
            "quota",
            "messages",
            "password-stdin",
            "password-hash-stdin",
            "deleted",
            "mark-seen",
            "yes",
            "json",
            "forever",
            "removed",
            "as",
        ],
        ("account", Some("remove")) => &["yes", "forever"],
        ("account", Some("restore")) => &["as"],
        ("account", Some("pop3")) => &["deleted", "mark-seen"],
        ("account", Some("passwd")) => &["password-stdin"],
        ("account", Some("quota")) => &["messages"],
        ("import", _) => &["mailbox", "again"],
        ("export", _) => &["format"],
        ("account", Some("list")) => &["json", "removed"],
        ("check", _) => &["mend", "json"],
        ("account", Some("show")) | ("status", _) => &["json"],
        ("update", _) => &["discard-newer", "reboot"],
        ("undo", _) => &["discard-newer"],
        ("log", _) => &["lines"],
        _ => &[],
    }
}

fn wish(command: Option<&str>, action: Option<&str>, mut given: Given) -> Result<Wish, Error> {
    let command = command.unwrap_or("serve");
    let only_help = given.values.len() == 1 && given.values.first().is_some_and(|value| value == "help");
    if given.help || only_help && command != "help" || action == Some("help") {
        return Ok(Wish::Help(help::of(command)));
    }
    if command == "help" {
        return help_of(&given.values);
    }
    if let Some(wish) = machine(command, &mut given)? {
        let data = given.data.take();
        return nothing_left(command, &given).map(|()| Wish::Machine { data, wish });
    }
    let data = given.data.take().unwrap_or_else(|| PathBuf::from("pillarbox-data"));
    let wish = match command {
        "serve" => Wish::Serve(Serve {
            data,
            bind: given.bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            port_offset: given.port_offset.unwrap_or(10_000),
            read_only: given.read_only,
            runtime: given.runtime.take(),
        }),
        "account" => {
            let action = account(action, &mut given)?;
            let shows = matches!(action, Action::List { .. } | Action::Show { .. });
            words::only_where_shown(given.json, shows)?;
            Wish::Account { data, action, json: given.json }
        }
        "import" => {
            let address = given.next("ADDRESS")?;
            let paths: Vec<PathBuf> = given.values.drain(..).map(PathBuf::from).collect();
            if paths.is_empty() {
                return Err("import needs at least one PATH".into());
            }
            Wish::Import { data, wish: Import { address, mailbox: given.mailbox.take(), paths, again: given.again } }
        }
        "export" => Wish::Export {
            data,
            address: given.next("ADDRESS")?,
            folder: given.next_path("DIR")?,
            format: given.format,
        },
        "check" => Wish::Check { data, mend: given.mend, json: given.json },
        "compact" => Wish::Compact { data },
        "status" => Wish::Status { data, json: given.json },
        "version" => Wish::Version,
        other => return Err(words::no_command("", other, help::commands())),
    };
    nothing_left(command, &given).map(|()| wish)
}

/// `help`, `help COMMAND`, and `help COMMAND ACTION`.
fn help_of(words: &[OsString]) -> Result<Wish, Error> {
    let Some(word) = words.first() else { return Ok(Wish::Help(help::of(""))) };
    let word = word.to_string_lossy();
    if help::commands().all(|known| known != word) {
        return Err(words::no_command("", &word, help::commands()));
    }
    Ok(Wish::Help(help::of(&word)))
}

fn nothing_left(command: &str, given: &Given) -> Result<(), Error> {
    match given.values.first() {
        Some(value) => Err(words::too_much(command, &value.to_string_lossy())),
        None => Ok(()),
    }
}

/// The commands of the appliance.
fn machine(command: &str, given: &mut Given) -> Result<Option<Machine>, Error> {
    Ok(Some(match command {
        "update" => match given.next("FILE or URL, or one of status, undo, keep,")?.as_str() {
            "status" => Machine::UpdateStatus,
            "undo" => Machine::Undo { discard: given.discard },
            "keep" => Machine::Keep,
            source => Machine::Update { source: source.to_owned(), reboot: given.reboot },
        },
        "undo" => Machine::Undo { discard: given.discard },
        "log" => Machine::Log { lines: given.lines.unwrap_or(100) },
        "reboot" => Machine::Reboot,
        "poweroff" => Machine::Poweroff,
        _ => return Ok(None),
    }))
}

fn account(action: Option<&str>, given: &mut Given) -> Result<Action, Error> {
    Ok(match action {
        Some("add") => {
            let (password_stdin, hash_stdin) = (given.password_stdin, given.hash_stdin);
            if password_stdin && hash_stdin {
                return Err("account add takes one of --password-stdin and --password-hash-stdin".into());
            }
            let address = given.next("ADDRESS")?;
            Action::Add { address, bytes: given.quota, messages: given.messages, password_stdin, hash_stdin }
        }
        Some("list") => Action::List { removed: given.removed },
        Some("show") => Action::Show { address: given.next("ADDRESS")? },
        Some("passwd") => Action::Passwd { address: given.next("ADDRESS")?, password_stdin: given.password_stdin },
        Some("quota") => {
            let address = given.next("ADDRESS")?;
            // `2 GB` may be two words.
            let size: Vec<String> = given.values.drain(..).map(|word| word.to_string_lossy().into_owned()).collect();
            let bytes = if size.is_empty() { None } else { Some(size.join(" ").parse::<Limit>()?) };
            if bytes.is_none() && given.messages.is_none() {
                return Err("account quota needs a SIZE, `none`, or --messages N".into());
            }
            Action::Quota { address, bytes, messages: given.messages }
        }
        Some("pop3") => {
            let Given { deleted, mark_seen, .. } = *given;
            if deleted.is_none() && mark_seen.is_none() {
                return Err("account pop3 needs --deleted trash|hide|delete or --mark-seen yes|no".into());
            }
            Action::Pop3 { address: given.next("ADDRESS")?, deleted, mark_seen }
        }
        Some("remove") => Action::Remove { address: given.next("ADDRESS")?, yes: given.yes, forever: given.forever },
        Some("restore") => Action::Restore { which: given.next("ADDRESS")?, address: given.restored_as.take() },
        Some(other) => return Err(words::no_command("account ", other, help::actions("account").iter().copied())),
        None => return Err(help::needs("account")),
    })
}

/// The highest port is that of POP3 in TLS.
const MOST_OFFSET: u64 = 65_535 - 995;

fn bind(word: &str) -> Result<IpAddr, String> {
    let bare = word.trim_start_matches('[').trim_end_matches(']');
    bare.parse().map_err(|_| "it is no address, as in 192.0.2.1, 0.0.0.0 or ::".to_owned())
}

fn deleted(word: &str) -> Result<OnDelete, String> {
    match word {
        "trash" => Ok(OnDelete::Trash),
        "hide" => Ok(OnDelete::Hide),
        "delete" => Ok(OnDelete::Delete),
        _ => Err("it is one of trash, hide, delete".to_owned()),
    }
}

fn yes(word: &str) -> Result<bool, String> {
    match word {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("it is yes or no".to_owned()),
    }
}

fn format(word: &str) -> Result<Format, String> {
    match word {
        "maildir" => Ok(Format::Maildir),
        "mbox" => Ok(Format::Mbox),
        _ => Err("it is maildir or mbox".to_owned()),
    }
}

impl Given {
    fn next(&mut self, what: &str) -> Result<String, Error> {
        self.next_value(what)?.string()
    }

    fn next_path(&mut self, what: &str) -> Result<PathBuf, Error> {
        self.next_value(what).map(PathBuf::from)
    }

    fn next_value(&mut self, what: &str) -> Result<OsString, Error> {
        if self.values.is_empty() {
            return Err(format!("{what} is missing").into());
        }
        Ok(self.values.remove(0))
    }
}

#[cfg(test)]
mod tests;
