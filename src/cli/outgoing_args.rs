//! The arguments of `queue`, `smarthost` and `domain`.

use super::args::Wish;
use super::help;
use super::words::{self, Words};
use lexopt::{Error, Parser, ValueExt};
use pillarbox::admin::{DeliveryRequest, QueueRequest, Smarthost, SmarthostPrivacy, Trust};
use std::path::PathBuf;

/// What to do about mail that goes out.
#[derive(Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// All that waits.
    List,
    /// Something about a message, or all of them.
    Queue(Message),
    /// All mail goes there; whether the password is on stdin.
    SetSmarthost {
        smarthost: Smarthost,
        user: Option<String>,
        password_stdin: bool,
        /// It is not tried whether it lets us in.
        unchecked: bool,
    },
    ShowSmarthost,
    RemoveSmarthost,
    /// All that is to be published; with ports that are not those that are served.
    Dns {
        domain: String,
        port_offset: Option<u16>,
    },
    /// The keys alone.
    Keys {
        domain: String,
    },
    /// Which domains are ours.
    Domains(DeliveryRequest),
}

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    Show(u64),
    Retry(Option<u64>),
    Drop(u64),
}

/// All that any of these commands knows.
#[derive(Default)]
struct Given {
    values: Vec<String>,
    port: Option<u16>,
    privacy: Option<SmarthostPrivacy>,
    trust: Option<Trust>,
    user: Option<String>,
    password_stdin: bool,
    unchecked: bool,
    port_offset: Option<u16>,
}

/// Submission in TLS (RFC 8314 §3.3), with STARTTLS (RFC 6409 §3.1), and relaying.
const SUBMISSIONS: u16 = 465;
const SUBMISSION: u16 = 587;
const SMTP: u16 = 25;

/// Reads the arguments after `command`.
pub fn parse(command: &str, data: Option<PathBuf>, parser: Parser) -> Result<Wish, Error> {
    let mut given = Given::default();
    let read = words::read(None, data, parser, |action, name, parser| match (command, action, name) {
        ("domain", Some("dns"), "port-offset") => {
            given.port_offset = Some(words::value(parser, name, words::number(0, 64_540))?);
            Ok(true)
        }
        ("smarthost", Some("set"), _) => given.option(name, parser),
        _ => Ok(false),
    })?;
    let Some(Words { data, action, values, json }) = read else { return Ok(Wish::Help(help::of(command))) };
    given.values = values;
    let wish = given.wish(command, action.as_deref())?;
    words::all_used(command, &given.values)?;
    let shows = matches!(
        wish,
        Outgoing::List
            | Outgoing::Queue(Message::Show(_))
            | Outgoing::ShowSmarthost
            | Outgoing::Dns { .. }
            | Outgoing::Keys { .. }
            | Outgoing::Domains(DeliveryRequest::ListDomains)
    );
    words::only_where_shown(json, shows)?;
    Ok(Wish::Outgoing { data, wish, json })
}

impl Given {
    /// Takes an option; false if it is none of these.
    fn option(&mut self, name: &str, parser: &mut Parser) -> Result<bool, Error> {
        match name {
            "port" => self.port = Some(words::value(parser, name, words::port)?),
            "tls" => self.privacy = Some(SmarthostPrivacy::Tls),
            "starttls" => self.privacy = Some(SmarthostPrivacy::StartTls),
            "plain" => self.privacy = Some(SmarthostPrivacy::None),
            "insecure" => self.trust = Some(Trust::Anyone),
            "ca" => {
                let file = PathBuf::from(parser.value()?);
                // The server may run in another folder.
                self.trust = Some(Trust::Authority(std::path::absolute(&file).unwrap_or(file)));
            }
            "fingerprint" => {
                let value = parser.value()?.string()?;
                let pinned = Trust::fingerprint(&value);
                self.trust = Some(pinned.ok_or("--fingerprint is a SHA-256: 64 hexadecimal digits")?);
            }
            "user" => self.user = Some(parser.value()?.string()?),
            "password-stdin" => self.password_stdin = true,
            "no-check" => self.unchecked = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn wish(&mut self, command: &str, action: Option<&str>) -> Result<Outgoing, Error> {
        Ok(match (command, action) {
            ("queue", None | Some("list")) => Outgoing::List,
            ("queue", Some("show")) => Outgoing::Queue(Message::Show(self.number()?)),
            ("queue", Some("retry")) => {
                if self.values.first().is_some_and(|first| first == "all") {
                    self.values.remove(0);
                    Outgoing::Queue(Message::Retry(None))
                } else {
                    Outgoing::Queue(Message::Retry(Some(self.number()?)))
                }
            }
            ("queue", Some("drop")) => Outgoing::Queue(Message::Drop(self.number()?)),
            ("smarthost", Some("set")) => self.smarthost()?,
            ("smarthost", Some("show")) => Outgoing::ShowSmarthost,
            ("smarthost", Some("remove")) => Outgoing::RemoveSmarthost,
            ("domain", Some("dns")) => Outgoing::Dns { domain: self.next("DOMAIN")?, port_offset: self.port_offset },
            ("domain", Some("keys")) => Outgoing::Keys { domain: self.next("DOMAIN")? },
            ("domain", Some("add")) => Outgoing::Domains(DeliveryRequest::AddDomain { domain: self.next("DOMAIN")? }),
            ("domain", Some("remove")) => {
                Outgoing::Domains(DeliveryRequest::RemoveDomain { domain: self.next("DOMAIN")? })
            }
            ("domain", Some("list")) => Outgoing::Domains(DeliveryRequest::ListDomains),
            (_, Some(other)) => {
                let known = help::actions(command).iter().copied();
                return Err(words::no_command(&format!("{command} "), other, known));
            }
            (_, None) => return Err(help::needs(command)),
        })
    }

    fn smarthost(&mut self) -> Result<Outgoing, Error> {
        let host = self.next("HOST")?;
        let privacy = self.privacy.unwrap_or(match self.port {
            Some(SUBMISSIONS) => SmarthostPrivacy::Tls,
            _ => SmarthostPrivacy::StartTls,
        });
        let port = self.port.unwrap_or(match privacy {
            SmarthostPrivacy::Tls => SUBMISSIONS,
            SmarthostPrivacy::StartTls => SUBMISSION,
            SmarthostPrivacy::None => SMTP,
        });
        if self.password_stdin && self.user.is_none() {
            return Err("--password-stdin needs --user".into());
        }
        let smarthost = Smarthost { host, port, privacy, trust: self.trust.take().unwrap_or_default(), login: None };
        let (user, password_stdin, unchecked) = (self.user.take(), self.password_stdin, self.unchecked);
        Ok(Outgoing::SetSmarthost { smarthost, user, password_stdin, unchecked })
    }

    fn number(&mut self) -> Result<u64, Error> {
        let value = self.next("the message's number")?;
        value.parse().map_err(|_| format!("{value:?} is no number of a message").into())
    }

    fn next(&mut self, what: &str) -> Result<String, Error> {
        if self.values.is_empty() {
            return Err(format!("{what} is missing").into());
        }
        Ok(self.values.remove(0))
    }
}

impl Message {
    /// As it is asked for.
    pub fn request(self) -> QueueRequest {
        match self {
            Message::Show(id) => QueueRequest::Show { id },
            Message::Retry(id) => QueueRequest::Retry { id },
            Message::Drop(id) => QueueRequest::Drop { id },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Outgoing, String> {
        let mut words = line.split_whitespace();
        let command = words.next().unwrap_or_default();
        match parse(command, None, Parser::from_args(words)) {
            Ok(Wish::Outgoing { wish, .. }) => Ok(wish),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_queue_s_commands_are_read() {
        assert_eq!(parsed("queue"), Ok(Outgoing::List));
        assert_eq!(parsed("queue list --data d --json"), Ok(Outgoing::List));
        assert_eq!(parsed("queue show 7"), Ok(Outgoing::Queue(Message::Show(7))));
        assert_eq!(parsed("queue retry 7"), Ok(Outgoing::Queue(Message::Retry(Some(7)))));
        assert_eq!(parsed("queue retry all"), Ok(Outgoing::Queue(Message::Retry(None))));
        assert_eq!(parsed("queue drop 7"), Ok(Outgoing::Queue(Message::Drop(7))));
    }

    #[test]
    fn domains_come_and_go() {
        let domain = "x.example".to_owned();
        let add = DeliveryRequest::AddDomain { domain: domain.clone() };
        assert_eq!(parsed("domain add x.example"), Ok(Outgoing::Domains(add)));
        assert_eq!(parsed("domain remove x.example"), Ok(Outgoing::Domains(DeliveryRequest::RemoveDomain { domain })));
        assert_eq!(parsed("domain list"), Ok(Outgoing::Domains(DeliveryRequest::ListDomains)));
    }

    #[test]
    fn a_smarthost_has_the_port_of_its_kind() {
        let set = |line: &str| match parsed(&format!("smarthost set mail.example.net {line}")) {
            Ok(Outgoing::SetSmarthost { smarthost, .. }) => (smarthost.port, smarthost.privacy, smarthost.trust),
            other => panic!("{other:?}"),
        };
        assert_eq!(set(""), (587, SmarthostPrivacy::StartTls, Trust::Public));
        assert_eq!(set("--tls"), (465, SmarthostPrivacy::Tls, Trust::Public));
        assert_eq!(set("--port 465 --insecure"), (465, SmarthostPrivacy::Tls, Trust::Anyone));
        assert_eq!(set("--port 2525 --ca /a/b"), (2525, SmarthostPrivacy::StartTls, Trust::Authority("/a/b".into())));
        assert_eq!(set("--plain"), (25, SmarthostPrivacy::None, Trust::Public));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            "queue flush",
            "queue show",
            "queue show x",
            "queue show 1 2",
            "queue drop all",
            "queue list --port 3",
            "smarthost",
            "smarthost set",
            "smarthost set h --password-stdin",
            "smarthost set h --fingerprint 12",
            "smarthost show --port 3",
            "domain",
            "domain dns",
            "domain add",
            "domain list a",
            "domain keys a b",
            "domain add a.b --json",
            "domain list --port-offset 3",
            "smarthost set h --port 70000",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
        assert!(matches!(parse("queue", None, Parser::from_args(["--help"])), Ok(Wish::Help(_))));
    }
}
