//! Arguments to wishes.

use super::filing_args::{self, Filing};
use super::help;
use super::import::Import;
use super::mirror_args::{self, MirrorAction};
use super::outgoing_args::{self, Outgoing};
use super::session;
use super::size;
use super::trace::{self, Trace};
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
    },
    /// Aliases, rules, answers.
    Filing {
        data: PathBuf,
        wish: Filing,
    },
    /// The queue, the smarthost, what is published.
    Outgoing {
        data: PathBuf,
        wish: Outgoing,
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
    },
    Status {
        data: PathBuf,
        json: bool,
    },
    Mirror {
        data: PathBuf,
        action: MirrorAction,
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
    List,
    Show { address: String },
    Passwd { address: String, password_stdin: bool },
    Quota { address: String, bytes: Option<Limit>, messages: Option<Limit> },
    Pop3 { address: String, deleted: Option<OnDelete>, mark_seen: Option<bool> },
    Remove { address: String, yes: bool },
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
            Arg::Long(name) if !allowed.contains(&name) => return Err(arg.unexpected()),
            Arg::Long("bind") => given.bind = Some(parser.value()?.parse()?),
            Arg::Long("port-offset") => given.port_offset = Some(parser.value()?.parse()?),
            Arg::Long("read-only") => given.read_only = true,
            Arg::Long("runtime") => given.runtime = Some(parser.value()?.into()),
            Arg::Long("quota") => given.quota = Some(parser.value()?.parse_with(str::parse)?),
            Arg::Long("messages") => given.messages = Some(parser.value()?.parse_with(size::parse_count)?),
            Arg::Long("again") => given.again = true,
            Arg::Long("mailbox") => given.mailbox = Some(parser.value()?.string()?),
            Arg::Long("deleted") => given.deleted = Some(parser.value()?.parse_with(deleted)?),
            Arg::Long("mark-seen") => given.mark_seen = Some(parser.value()?.parse_with(yes)?),
            Arg::Long("format") => given.format = parser.value()?.parse_with(format)?,
            Arg::Long("password-stdin") => given.password_stdin = true,
            Arg::Long("password-hash-stdin") => given.hash_stdin = true,
            Arg::Long("yes") => given.yes = true,
            Arg::Long("mend") => given.mend = true,
            Arg::Long("json") => given.json = true,
            Arg::Long("discard-newer") => given.discard = true,
            Arg::Long("reboot") => given.reboot = true,
            Arg::Long("lines") => given.lines = Some(parser.value()?.parse()?),
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
            Arg::Value(value) if command.is_none() => command = Some(value.string()?),
            Arg::Value(value) if command.as_deref() == Some("account") && action.is_none() => {
                let wanted = value.string()?;
                if ["alias", "vacation", "detail"].contains(&wanted.as_str()) {
                    return filing_args::parse("account", Some(wanted), given.data, parser);
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
        ("account", None) => {
            &["quota", "messages", "password-stdin", "password-hash-stdin", "deleted", "mark-seen", "yes"]
        }
        ("account", Some("remove")) => &["yes"],
        ("account", Some("pop3")) => &["deleted", "mark-seen"],
        ("account", Some("passwd")) => &["password-stdin"],
        ("account", Some("quota")) => &["messages"],
        ("import", _) => &["mailbox", "again"],
        ("export", _) => &["format"],
        ("check", _) => &["mend"],
        ("status", _) => &["json"],
        ("update", _) => &["discard-newer", "reboot"],
        ("undo", _) => &["discard-newer"],
        ("log", _) => &["lines"],
        _ => &[],
    }
}

fn wish(command: Option<&str>, action: Option<&str>, mut given: Given) -> Result<Wish, Error> {
    let command = command.unwrap_or("serve");
    if given.help || command == "help" {
        return Ok(Wish::Help(help::of(command)));
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
        "account" => Wish::Account { data, action: account(action, &mut given)? },
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
        "check" => Wish::Check { data, mend: given.mend },
        "status" => Wish::Status { data, json: given.json },
        "version" => Wish::Version,
        other => return Err(format!("there is no command {other:?}").into()),
    };
    nothing_left(command, &given).map(|()| wish)
}

fn nothing_left(command: &str, given: &Given) -> Result<(), Error> {
    match given.values.first() {
        Some(value) => Err(format!("{command} takes no argument {}", value.display()).into()),
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
        Some("list") => Action::List,
        Some("show") => Action::Show { address: given.next("ADDRESS")? },
        Some("passwd") => Action::Passwd { address: given.next("ADDRESS")?, password_stdin: given.password_stdin },
        Some("quota") => {
            let address = given.next("ADDRESS")?;
            let bytes = if given.values.is_empty() { None } else { Some(given.next("SIZE")?.parse::<Limit>()?) };
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
        Some("remove") => Action::Remove { address: given.next("ADDRESS")?, yes: given.yes },
        Some(other) => return Err(format!("there is no command account {other:?}").into()),
        None => {
            return Err(
                "account needs one of add, list, show, passwd, quota, pop3, alias, vacation, detail, remove".into()
            );
        }
    })
}

fn deleted(word: &str) -> Result<OnDelete, &'static str> {
    match word {
        "trash" => Ok(OnDelete::Trash),
        "hide" => Ok(OnDelete::Hide),
        "delete" => Ok(OnDelete::Delete),
        _ => Err("it is one of trash, hide, delete"),
    }
}

fn yes(word: &str) -> Result<bool, &'static str> {
    match word {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("it is yes or no"),
    }
}

fn format(word: &str) -> Result<Format, &'static str> {
    match word {
        "maildir" => Ok(Format::Maildir),
        "mbox" => Ok(Format::Mbox),
        _ => Err("it is maildir or mbox"),
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
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Wish, String> {
        parse(Parser::from_args(line.split_whitespace())).map_err(|error| error.to_string())
    }

    #[test]
    fn no_arguments_serve_on_this_machine_only() {
        let serve = |data: &str, bind: &str, port_offset| {
            let (data, bind) = (data.into(), bind.parse().unwrap());
            Wish::Serve(Serve { data, bind, port_offset, read_only: false, runtime: None })
        };
        assert_eq!(parsed(""), Ok(serve("pillarbox-data", "127.0.0.1", 10_000)));
        assert_eq!(parsed("serve --data /srv --bind :: --port-offset 0"), Ok(serve("/srv", "::", 0)));
        assert_eq!(parsed("--port-offset=1"), Ok(serve("pillarbox-data", "127.0.0.1", 1)));
        let Ok(Wish::Serve(frozen)) = parsed("serve --read-only --runtime /run/mail") else { panic!() };
        assert!(frozen.read_only && frozen.runtime == Some("/run/mail".into()));
    }

    #[test]
    fn what_is_confined_keeps_its_own_words() {
        let words = ["serve", "--bind", "::", "--read-only"].map(OsString::from).to_vec();
        assert_eq!(parsed("confine serve --bind :: --read-only"), Ok(Wish::Confine { words }));
    }

    #[test]
    fn options_may_stand_anywhere_after_their_command() {
        let add = Action::Add {
            address: "a@b".to_owned(),
            bytes: Some(Limit::Of(2 << 30)),
            messages: None,
            password_stdin: true,
            hash_stdin: false,
        };
        let wish = Wish::Account { data: "d".into(), action: add };
        assert_eq!(parsed("account add --quota 2G a@b --password-stdin --data d"), Ok(wish));
        let pop3 = Action::Pop3 { address: "a@b".to_owned(), deleted: Some(OnDelete::Hide), mark_seen: Some(false) };
        let wish = Wish::Account { data: "d".into(), action: pop3 };
        assert_eq!(parsed("account pop3 --deleted hide a@b --mark-seen no --data d"), Ok(wish));
        let import = Wish::Import {
            data: "d".into(),
            wish: Import {
                address: "a@b".to_owned(),
                mailbox: Some("Old".to_owned()),
                paths: vec!["x".into(), "y".into()],
                again: true,
            },
        };
        assert_eq!(parsed("--data d import a@b x --mailbox Old y --again"), Ok(import));
        let export = |format| Wish::Export {
            data: "pillarbox-data".into(),
            address: "a@b".to_owned(),
            folder: "dir".into(),
            format,
        };
        assert_eq!(parsed("export a@b dir"), Ok(export(Format::Maildir)));
        assert_eq!(parsed("export --format mbox a@b dir"), Ok(export(Format::Mbox)));
    }

    #[test]
    fn the_machine_s_commands_need_no_folder() {
        let machine = |wish| Ok(Wish::Machine { data: None, wish });
        let update = Machine::Update { source: "http://x/y.update".to_owned(), reboot: true };
        assert_eq!(parsed("update http://x/y.update --reboot"), machine(update));
        assert_eq!(parsed("update status"), machine(Machine::UpdateStatus));
        assert_eq!(parsed("update undo --discard-newer"), machine(Machine::Undo { discard: true }));
        assert_eq!(parsed("undo"), machine(Machine::Undo { discard: false }));
        assert_eq!(parsed("log --lines 5"), machine(Machine::Log { lines: 5 }));
        assert_eq!(parsed("reboot"), machine(Machine::Reboot));
        let keep = Wish::Machine { data: Some("d".into()), wish: Machine::Keep };
        assert_eq!(parsed("update keep --data d"), Ok(keep));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            "backup now",
            "check extra",
            "import a@b",
            "account add a@b --password-stdin --password-hash-stdin",
            "account passwd a@b --password-hash-stdin",
            "export a@b",
            "export a@b x y",
            "export a@b x --format zip",
            "import a@b x --format mbox",
            "account",
            "account add",
            "account quota a@b",
            "account pop3 a@b",
            "account pop3 a@b --deleted burn",
            "account list --mark-seen no",
            "status --mend",
            "status --read-only",
            "serve --json",
            "account quota a@b lots",
            "--bind x",
            "import --mailbox",
            "update",
            "update a b",
            "reboot now",
            "log --lines many",
            "undo --reboot",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn help_is_there_for_every_command() {
        for line in [
            "--help",
            "serve -h",
            "account --help",
            "account add --help",
            "import --help",
            "export --help",
            "check -h",
            "status -h",
            "update --help",
            "help",
        ] {
            assert!(matches!(parsed(line), Ok(Wish::Help(_))), "{line}");
        }
    }
}
