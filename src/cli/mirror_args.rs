//! The arguments of `pillarbox mirror …`

use super::args::Wish;
use super::help;
use super::words;
use lexopt::{Arg, Error, Parser, ValueExt};
use pillarbox::admin::MirrorChange;
use pillarbox::store::{Certificate, Protocol, Security, Way};
use std::path::PathBuf;

/// What to do with mailboxes at providers.
#[derive(Debug, PartialEq, Eq)]
pub enum MirrorAction {
    Add(Box<MirrorAdd>),
    /// Another host, user, or the like; and whether another password is on stdin, or asked for.
    Change {
        which: String,
        change: Box<MirrorChange>,
        password: Password,
    },
    List,
    Show {
        which: String,
    },
    Run {
        which: String,
        confirm: bool,
    },
    Pause {
        which: String,
        paused: bool,
    },
    Remove {
        which: String,
    },
}

/// Whether there is another password, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    Same,
    Asked,
    FromStdin,
}

/// A mailbox at a provider, but for its password.
#[derive(Debug, PartialEq, Eq)]
pub struct MirrorAdd {
    pub address: String,
    pub protocol: Protocol,
    pub host: String,
    pub port: Option<u16>,
    pub security: Security,
    pub certificate: Certificate,
    pub user: String,
    pub way: Way,
    pub every: Option<u32>,
    pub password_stdin: bool,
    /// It is not tried whether it lets us in.
    pub unchecked: bool,
}

#[derive(Default)]
struct Given {
    values: Vec<String>,
    server: Option<(Protocol, String)>,
    port: Option<u16>,
    security: Option<Security>,
    certificate: Option<Certificate>,
    host: Option<String>,
    password: bool,
    unchecked: bool,
    user: Option<String>,
    collect: bool,
    into: Option<String>,
    delete_after: Option<u32>,
    every: Option<u32>,
    password_stdin: bool,
    confirm: bool,
    /// The options that are `add`'s alone.
    of_add: bool,
}

/// Reads what follows `mirror`.
pub fn parse(mut parser: Parser, data: Option<PathBuf>) -> Result<Wish, Error> {
    let (mut data, mut given, mut json) = (data, Given::default(), false);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("help") | Arg::Short('h') => return Ok(Wish::Help(help::of("mirror"))),
            Arg::Long("data") => data = Some(parser.value()?.into()),
            Arg::Long("confirm") => given.confirm = true,
            Arg::Long("json") => json = true,
            Arg::Value(value) if given.values.is_empty() && value == "help" => {
                return Ok(Wish::Help(help::of("mirror")));
            }
            Arg::Value(value) => given.values.push(value.string()?),
            Arg::Long(name) => {
                let name = name.to_owned();
                given.option(&name, &mut parser)?;
                given.of_add = true;
            }
            arg @ Arg::Short(_) => return Err(arg.unexpected()),
        }
    }
    let data = data.unwrap_or_else(|| PathBuf::from("pillarbox-data"));
    let action = given.action()?;
    words::only_where_shown(json, matches!(action, MirrorAction::List | MirrorAction::Show { .. }))?;
    Ok(Wish::Mirror { data, action, json })
}

impl Given {
    fn option(&mut self, name: &str, parser: &mut Parser) -> Result<(), Error> {
        match name {
            "imap" => self.serve(Protocol::Imap, parser.value()?.string()?)?,
            "pop3" => self.serve(Protocol::Pop3, parser.value()?.string()?)?,
            "port" => self.port = Some(words::value(parser, name, words::port)?),
            "starttls" => self.security = Some(Security::StartTls),
            "plain" => self.security = Some(Security::Plain),
            "tls" => self.security = Some(Security::Tls),
            "host" => self.host = Some(parser.value()?.string()?),
            "password" => self.password = true,
            "no-check" => self.unchecked = true,
            "certificate" => {
                let read = |word: &str| certificate(word).map_err(str::to_owned);
                self.certificate = Some(words::value(parser, name, read)?);
            }
            "user" => self.user = Some(parser.value()?.string()?),
            "collect" => self.collect = true,
            "into" => self.into = Some(parser.value()?.string()?),
            "delete-after" => self.delete_after = Some(words::value(parser, name, words::number(0, 36_500))?),
            "every" => self.every = Some(words::value(parser, name, words::number(1, u32::MAX.into()))?),
            "password-stdin" => self.password_stdin = true,
            other => return Err(words::no_option(other)),
        }
        Ok(())
    }

    fn serve(&mut self, protocol: Protocol, host: String) -> Result<(), Error> {
        if self.server.is_some() {
            return Err("mirror add takes one of --imap HOST and --pop3 HOST".into());
        }
        self.server = Some((protocol, host));
        Ok(())
    }

    fn action(mut self) -> Result<MirrorAction, Error> {
        let mut values = std::mem::take(&mut self.values).into_iter();
        let Some(action) = values.next() else {
            return Err(help::needs("mirror"));
        };
        if !help::actions("mirror").contains(&action.as_str()) {
            return Err(words::no_command("mirror ", &action, help::actions("mirror").iter().copied()));
        }
        let which = values.next();
        if let Some(value) = values.next() {
            return Err(words::too_much(&format!("mirror {action}"), &value));
        }
        if self.of_add && action != "add" && action != "change" {
            return Err(format!("mirror {action} takes none of these options").into());
        }
        if action == "add" && (self.host.is_some() || self.password) {
            return Err("--host and --password are for mirror change".into());
        }
        if self.confirm && action != "run" {
            return Err("--confirm is for mirror run".into());
        }
        let missing = || Error::from("ADDRESS or NUMBER is missing");
        Ok(match action.as_str() {
            "list" if which.is_none() => MirrorAction::List,
            "add" => MirrorAction::Add(Box::new(self.add(which.ok_or("ADDRESS is missing")?)?)),
            "change" => self.change(which.ok_or_else(missing)?)?,
            "show" => MirrorAction::Show { which: which.ok_or_else(missing)? },
            "run" => MirrorAction::Run { which: which.ok_or_else(missing)?, confirm: self.confirm },
            "pause" => MirrorAction::Pause { which: which.ok_or_else(missing)?, paused: true },
            "resume" => MirrorAction::Pause { which: which.ok_or_else(missing)?, paused: false },
            "remove" => MirrorAction::Remove { which: which.ok_or_else(missing)? },
            other => return Err(words::too_much(&format!("mirror {other}"), &which.unwrap_or_default())),
        })
    }

    fn add(self, address: String) -> Result<MirrorAdd, Error> {
        let Some((protocol, host)) = self.server else {
            return Err("mirror add needs --imap HOST or --pop3 HOST".into());
        };
        let user = self.user.unwrap_or_else(|| address.clone());
        let collects = self.collect || protocol == Protocol::Pop3;
        if !collects && (self.into.is_some() || self.delete_after.is_some()) {
            return Err("--into and --delete-after are for mail that is collected: with --collect or --pop3".into());
        }
        let into = self.into.unwrap_or_else(|| "INBOX".to_owned());
        let way = if collects { Way::Collect { into, delete_after: self.delete_after } } else { Way::Both };
        Ok(MirrorAdd {
            address,
            protocol,
            host,
            port: self.port,
            security: self.security.unwrap_or(Security::Tls),
            certificate: self.certificate.unwrap_or_default(),
            user,
            way,
            every: self.every,
            password_stdin: self.password_stdin,
            unchecked: self.unchecked,
        })
    }

    fn change(self, which: String) -> Result<MirrorAction, Error> {
        if self.collect || self.into.is_some() || self.delete_after.is_some() || self.unchecked {
            return Err("mirror change takes another host, port, user, password, certificate, or --every".into());
        }
        let password = match (self.password_stdin, self.password) {
            (true, _) => Password::FromStdin,
            (false, true) => Password::Asked,
            (false, false) => Password::Same,
        };
        // `--imap HOST` says the host as well.
        let change = MirrorChange {
            host: self.host.or(self.server.map(|(_, host)| host)),
            port: self.port,
            security: self.security,
            certificate: self.certificate,
            user: self.user,
            password: None,
            every: self.every,
        };
        if change == MirrorChange::default() && password == Password::Same {
            return Err("mirror change needs what is to change: --host, --port, --user, --password, --every ...".into());
        }
        Ok(MirrorAction::Change { which, change: Box::new(change), password })
    }
}

/// `any`, a SHA-256 in hexadecimal, or a file of authorities.
fn certificate(word: &str) -> Result<Certificate, &'static str> {
    if word == "any" {
        return Ok(Certificate::Anyone);
    }
    let digits: Vec<u8> = word.bytes().filter(|octet| *octet != b':').collect();
    let mut fingerprint = [0; 32];
    if digits.len() == 64 && digits.iter().all(u8::is_ascii_hexdigit) {
        for (octet, pair) in fingerprint.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| "it is no fingerprint")?;
            *octet = u8::from_str_radix(pair, 16).map_err(|_| "it is no fingerprint")?;
        }
        return Ok(Certificate::Fingerprint(fingerprint));
    }
    let path = std::path::absolute(word).map_err(|_| "it is no file")?;
    if !path.is_file() {
        return Err("it is `any`, the SHA-256 of a certificate, or a file of certificates in PEM");
    }
    path.to_str().map(|path| Certificate::Authority(path.to_owned())).ok_or("the file's name is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<MirrorAction, String> {
        match parse(Parser::from_args(line.split_whitespace()), None) {
            Ok(Wish::Mirror { action, .. }) => Ok(action),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_mirror_goes_both_ways_in_tls_unless_it_is_said() {
        let Ok(MirrorAction::Add(add)) = parsed("add a@b --imap mail.example.net --user u") else { panic!() };
        assert_eq!((add.protocol, add.security, add.way), (Protocol::Imap, Security::Tls, Way::Both));
        let Ok(MirrorAction::Add(add)) =
            parsed("add a@b --pop3 h --starttls --delete-after 7 --into Old --certificate any --password-stdin")
        else {
            panic!()
        };
        assert_eq!(add.way, Way::Collect { into: "Old".to_owned(), delete_after: Some(7) });
        assert_eq!((add.user.as_str(), add.certificate, add.password_stdin), ("a@b", Certificate::Anyone, true));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for wrong in [
            "",
            "add",
            "add a@b",
            "add a@b --imap h --pop3 h",
            "add a@b --imap h --delete-after 3",
            "add a@b --imap h --certificate nowhere.pem",
            "show",
            "show a@b --user x",
            "list x",
            "pause a@b --confirm",
            "mend a@b",
            "run a@b c",
            "change",
            "change a@b",
            "change a@b --collect",
            "add a@b --imap h --host x",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parsed("run 3 --confirm"), Ok(MirrorAction::Run { which: "3".to_owned(), confirm: true }));
        let changed = parsed("change a@b --host h --port 7 --tls --password-stdin");
        let Ok(MirrorAction::Change { which, change, password }) = changed else { panic!("{changed:?}") };
        assert_eq!((which.as_str(), change.host.as_deref(), change.port), ("a@b", Some("h"), Some(7)));
        assert_eq!((change.security, password), (Some(Security::Tls), Password::FromStdin));
        let Ok(MirrorAction::Add(add)) = parsed("add a@b --imap h --no-check") else { panic!() };
        assert!(add.unchecked);
        assert_eq!(parsed("resume a@b"), Ok(MirrorAction::Pause { which: "a@b".to_owned(), paused: false }));
    }
}
