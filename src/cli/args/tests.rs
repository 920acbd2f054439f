//! Which lines are understood, and what is said of the others.

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
    let wish = Wish::Account { data: "d".into(), action: add, json: false };
    assert_eq!(parsed("account add --quota 2G a@b --password-stdin --data d"), Ok(wish));
    let pop3 = Action::Pop3 { address: "a@b".to_owned(), deleted: Some(OnDelete::Hide), mark_seen: Some(false) };
    let wish = Wish::Account { data: "d".into(), action: pop3, json: false };
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
        "--bind 999",
        "--port-offset 64541",
        "sevre --bind ::",
        "acount list",
        "account lst",
        "account add a@b --json",
        "account quota a@b 10",
        "account quota a@b 2 GB more",
        "help sevre",
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
fn what_is_wrong_is_named_and_what_was_meant_is_offered() {
    let why = |line: &str| parsed(line).err().unwrap_or_default();
    for (line, word) in [
        ("sevre", "did you mean serve?"),
        ("acount", "did you mean account?"),
        ("account lst", "did you mean account list?"),
        ("alias ad a@b", "did you mean alias add?"),
        ("queue shwo 1", "did you mean queue show?"),
        ("smarthost sett h", "did you mean smarthost set?"),
        ("mirror lsit", "did you mean mirror list?"),
        ("serve --bnd ::", "did you mean --bind?"),
        ("account add a@b --quote 1G", "did you mean --quota?"),
        ("--bind 999", "--bind 999: "),
        ("--port-offset 65000", "from 0 to 64540"),
        ("account add a@b --quota 2 GB", "2 what? Write 2 MiB, or 2 GiB"),
        ("account add a@b --quota 10000 GB", "in one word"),
        ("account pop3 a@b --deleted burn", "--deleted burn: "),
        ("smarthost set h --port 0", "--port 0: "),
        ("mirror add a@b --imap h --every often", "--every often: "),
        ("account vacation a@b --text t --days x", "--days x: "),
    ] {
        assert!(why(line).contains(word), "{line}: {}", why(line));
    }
}

#[test]
fn a_size_may_be_two_words() {
    let quota = Action::Quota { address: "a@b".to_owned(), bytes: Some(Limit::Of(2 << 30)), messages: None };
    for line in ["account quota a@b 2 GB", "account quota a@b 2G", "account quota a@b 2GiB"] {
        let wish = Wish::Account { data: "pillarbox-data".into(), action: quota_of(&quota), json: false };
        assert_eq!(parsed(line), Ok(wish), "{line}");
    }
}

fn quota_of(quota: &Action) -> Action {
    let Action::Quota { address, bytes, messages } = quota else { panic!() };
    Action::Quota { address: address.clone(), bytes: *bytes, messages: *messages }
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
        "help account",
        "help account add",
        "account help",
        "alias help",
        "queue help",
        "mirror help",
        "status help",
        "serve help",
        "help update",
    ] {
        assert!(matches!(parsed(line), Ok(Wish::Help(_))), "{line}");
    }
}
