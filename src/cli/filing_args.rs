//! The arguments of `alias`, `rule`, and of `account alias|vacation|detail`.

use super::args::Wish;
use super::help;
use super::words::{self, Words};
use lexopt::{Error, Parser, ValueExt};
use pillarbox::admin::DeliveryRequest;
use pillarbox::store::{Action, Condition, Detail, Field, Rule, RuleEdit, Vacation};
use std::path::PathBuf;
use time::{Date, Month};

/// What to do about where mail goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Filing {
    /// Something that is asked for as it is.
    Ask(DeliveryRequest),
    /// Rules, vacation answer or detail of an account are shown.
    Show { account: String, what: Shown },
    /// A vacation answer whose text is on stdin.
    VacationFromStdin { account: String, vacation: Vacation },
}

/// What of an account's filing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Rules,
    Vacation,
    Detail,
}

/// All that any of these commands knows.
#[derive(Default)]
struct Given {
    values: Vec<String>,
    rule: Rule,
    at: Option<u32>,
    subject: Option<String>,
    text: Option<String>,
    text_stdin: bool,
    days: Option<u16>,
    begins: Option<i64>,
    ends: Option<i64>,
    off: bool,
    remove: bool,
}

const DAY: i64 = 24 * 60 * 60;

/// Reads the arguments after `command`, and after `action` where that was read already.
pub fn parse(command: &str, action: Option<String>, data: Option<PathBuf>, parser: Parser) -> Result<Wish, Error> {
    let mut given = Given::default();
    let read = words::read(action, data, parser, |action, name, parser| {
        Ok(options(command, action).contains(&name) && given.option(name, parser)?)
    })?;
    let Some(Words { data, action, values, json }) = read else { return Ok(Wish::Help(help::of(command))) };
    given.values = values;
    let wish = given.wish(command, action.as_deref())?;
    words::all_used(command, &given.values)?;
    let shows = matches!(wish, Filing::Show { .. } | Filing::Ask(DeliveryRequest::ListAliases { .. }));
    words::only_where_shown(json, shows)?;
    Ok(Wish::Filing { data, wish, json })
}

/// The options of a command, `--data` and `--help` aside.
fn options(command: &str, action: Option<&str>) -> &'static [&'static str] {
    match (command, action) {
        ("rule", Some("add")) => {
            &["from", "to", "subject", "header", "move", "flag", "forward", "discard", "stop", "at"]
        }
        ("account", Some("vacation")) => &["subject", "text", "text-stdin", "days", "begins", "ends", "off"],
        ("account", Some("alias")) => &["remove"],
        _ => &[],
    }
}

impl Given {
    /// Takes an option; false if it is none of these.
    fn option(&mut self, name: &str, parser: &mut Parser) -> Result<bool, Error> {
        match name {
            "discard" => self.rule.actions.push(Action::Discard),
            "stop" => self.rule.stop = true,
            "text-stdin" => self.text_stdin = true,
            "off" => self.off = true,
            "remove" => self.remove = true,
            "at" => self.at = Some(words::value(parser, name, words::number(1, 1_000))?),
            "days" => self.days = Some(words::value(parser, name, words::number(1, 365))?),
            "begins" => self.begins = Some(words::value(parser, name, day)?),
            // The last day is one of them.
            "ends" => self.ends = Some(words::value(parser, name, day)?.saturating_add(DAY)),
            "move" => self.rule.actions.push(Action::Move(parser.value()?.string()?)),
            "flag" => self.rule.actions.push(Action::Flag(parser.value()?.string()?)),
            "forward" => self.rule.actions.push(Action::Forward(parser.value()?.string()?)),
            "subject" => {
                let text = parser.value()?.string()?;
                self.rule.conditions.push(Condition { field: Field::Subject, text: text.clone() });
                self.subject = Some(text);
            }
            "text" => self.text = Some(parser.value()?.string()?),
            "from" | "to" => {
                let field = if name == "from" { Field::From } else { Field::To };
                self.rule.conditions.push(Condition { field, text: parser.value()?.string()? });
            }
            "header" => {
                let value = parser.value()?.string()?;
                let (name, text) = value.split_once(':').unwrap_or((&value, ""));
                let field = Field::Named(name.trim().to_owned());
                self.rule.conditions.push(Condition { field, text: text.trim().to_owned() });
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn wish(&mut self, command: &str, action: Option<&str>) -> Result<Filing, Error> {
        Ok(Filing::Ask(match (command, action) {
            ("alias", Some("add")) => {
                DeliveryRequest::AddAlias { alias: self.next("ADDRESS")?, targets: self.rest("TARGET")? }
            }
            ("alias", Some("list")) => DeliveryRequest::ListAliases { account: self.values.pop() },
            ("alias", Some("remove")) => {
                DeliveryRequest::RemoveAlias { alias: self.next("ADDRESS")?, targets: std::mem::take(&mut self.values) }
            }
            ("rule", Some("add")) => {
                let edit = RuleEdit::Add(std::mem::take(&mut self.rule), self.at);
                DeliveryRequest::EditRules { account: self.next("ADDRESS")?, edit }
            }
            ("rule", Some("list")) => return Ok(Filing::Show { account: self.next("ADDRESS")?, what: Shown::Rules }),
            ("rule", Some("remove")) => {
                let account = self.next("ADDRESS")?;
                DeliveryRequest::EditRules { account, edit: RuleEdit::Remove(self.number()?) }
            }
            ("rule", Some("move")) => {
                let account = self.next("ADDRESS")?;
                DeliveryRequest::EditRules { account, edit: RuleEdit::Move(self.number()?, self.number()?) }
            }
            ("account", Some("alias")) => return self.account_alias().map(Filing::Ask),
            ("account", Some("detail")) => {
                let account = self.next("ADDRESS")?;
                if self.values.is_empty() {
                    return Ok(Filing::Show { account, what: Shown::Detail });
                }
                let detail = match self.next("one of inbox, existing, make,")?.as_str() {
                    "inbox" => Detail::Inbox,
                    "existing" => Detail::Existing,
                    "make" => Detail::Make,
                    _ => return Err("account detail is one of inbox, existing, make".into()),
                };
                DeliveryRequest::SetDetail { account, detail }
            }
            ("account", Some("vacation")) => return self.vacation(),
            (_, Some(other)) => {
                let known = help::actions(command).iter().copied();
                return Err(words::no_command(&format!("{command} "), other, known));
            }
            (_, None) => return Err(help::needs(command)),
        }))
    }

    /// The same aliases, seen from where they lead to.
    fn account_alias(&mut self) -> Result<DeliveryRequest, Error> {
        let account = self.next("ADDRESS")?;
        if self.values.is_empty() {
            return Ok(DeliveryRequest::ListAliases { account: Some(account) });
        }
        let (alias, targets) = (self.next("ALIAS")?, vec![account]);
        Ok(if self.remove {
            DeliveryRequest::RemoveAlias { alias, targets }
        } else {
            DeliveryRequest::AddAlias { alias, targets }
        })
    }

    fn vacation(&mut self) -> Result<Filing, Error> {
        let account = self.next("ADDRESS")?;
        if self.off {
            return Ok(Filing::Ask(DeliveryRequest::SetVacation { account, vacation: None }));
        }
        let vacation = Vacation {
            subject: self.subject.take().unwrap_or_default(),
            text: self.text.take().unwrap_or_default(),
            days: self.days.unwrap_or(7),
            begins: self.begins,
            ends: self.ends,
        };
        if self.text_stdin {
            return Ok(Filing::VacationFromStdin { account, vacation });
        }
        if vacation.text.is_empty() {
            let nothing = vacation.subject.is_empty() && self.days.is_none() && self.begins.or(self.ends).is_none();
            if nothing {
                return Ok(Filing::Show { account, what: Shown::Vacation });
            }
            return Err("account vacation needs --text TEXT, --text-stdin or --off".into());
        }
        Ok(Filing::Ask(DeliveryRequest::SetVacation { account, vacation: Some(vacation) }))
    }

    fn next(&mut self, what: &str) -> Result<String, Error> {
        if self.values.is_empty() {
            return Err(format!("{what} is missing").into());
        }
        Ok(self.values.remove(0))
    }

    fn rest(&mut self, what: &str) -> Result<Vec<String>, Error> {
        if self.values.is_empty() {
            return Err(format!("{what} is missing").into());
        }
        Ok(std::mem::take(&mut self.values))
    }

    fn number(&mut self) -> Result<u32, Error> {
        self.next("NUMBER")?.parse().map_err(|_| "NUMBER is one of those that `rule list` shows".into())
    }
}

/// `2026-12-24`, as its first second since 1970, in UTC.
fn day(text: &str) -> Result<i64, String> {
    const WRONG: &str = "it is a day like 2026-12-24";
    let mut parts = text.splitn(3, '-');
    let mut part = || parts.next().filter(|part| part.bytes().all(|c| c.is_ascii_digit())).ok_or(WRONG);
    let (year, month, day) = (part()?, part()?, part()?);
    let month = month.parse::<u8>().ok().and_then(|month| Month::try_from(month).ok()).ok_or(WRONG)?;
    let (year, day) = (year.parse().map_err(|_| WRONG)?, day.parse().map_err(|_| WRONG)?);
    let date = Date::from_calendar_date(year, month, day).map_err(|_| WRONG)?;
    Ok(date.midnight().assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<String, String> {
        let wish = super::super::args::parse(Parser::from_args(line.split_whitespace()));
        match wish.map_err(|error| error.to_string())? {
            Wish::Filing { data, wish, json: _ } => {
                assert_eq!(data, PathBuf::from("d"));
                Ok(format!("{wish:?}"))
            }
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn each_command_says_what_it_wants() {
        let same = |line: &str, expected: DeliveryRequest| {
            assert_eq!(parsed(line), Ok(format!("{:?}", Filing::Ask(expected))), "{line}");
        };
        let own = |text: &str| text.to_owned();
        same(
            "alias --data d add info@x a@x b@y",
            DeliveryRequest::AddAlias { alias: own("info@x"), targets: vec![own("a@x"), own("b@y")] },
        );
        same("--data d alias list", DeliveryRequest::ListAliases { account: None });
        same("alias remove @x --data d", DeliveryRequest::RemoveAlias { alias: own("@x"), targets: vec![] });
        let (alias, targets) = (own("info@x"), vec![own("a@x")]);
        same(
            "account alias a@x info@x --data d",
            DeliveryRequest::AddAlias { alias: alias.clone(), targets: targets.clone() },
        );
        same("account --data d alias a@x info@x --remove", DeliveryRequest::RemoveAlias { alias, targets });
        same("account alias a@x --data d", DeliveryRequest::ListAliases { account: Some(own("a@x")) });
        same(
            "account detail a@x make --data d",
            DeliveryRequest::SetDetail { account: own("a@x"), detail: Detail::Make },
        );
        let rule = Rule {
            conditions: vec![
                Condition { field: Field::From, text: own("bob") },
                Condition { field: Field::Named(own("List-Id")), text: own("rust") },
            ],
            actions: vec![Action::Move(own("Lists")), Action::Flag(own("\\Seen"))],
            stop: true,
        };
        let edit = RuleEdit::Add(rule, Some(2));
        same(
            "rule add a@x --from bob --header List-Id:rust --move Lists --flag \\Seen --stop --at 2 --data d",
            DeliveryRequest::EditRules { account: own("a@x"), edit },
        );
        same(
            "rule move a@x 3 1 --data d",
            DeliveryRequest::EditRules { account: own("a@x"), edit: RuleEdit::Move(3, 1) },
        );
        let vacation =
            Vacation { subject: own("Away"), text: own("Gone"), days: 3, begins: Some(86_400), ends: Some(259_200) };
        same(
            "account vacation a@x --subject Away --text Gone --days 3 --begins 1970-01-02 --ends 1970-01-03 --data d",
            DeliveryRequest::SetVacation { account: own("a@x"), vacation: Some(vacation) },
        );
        same(
            "account vacation a@x --off --data d",
            DeliveryRequest::SetVacation { account: own("a@x"), vacation: None },
        );
        for (line, what) in [
            ("account vacation a@x --data d", Shown::Vacation),
            ("account detail a@x --data d", Shown::Detail),
            ("rule list a@x --data d --json", Shown::Rules),
        ] {
            assert_eq!(parsed(line), Ok(format!("{:?}", Filing::Show { account: own("a@x"), what })), "{line}");
        }
    }

    #[test]
    fn what_is_missing_or_too_much_is_said() {
        for line in [
            "alias",
            "alias add",
            "alias add a@x",
            "alias list a@x b@x",
            "alias add a@x b@x --from c",
            "rule",
            "rule add",
            "rule remove a@x",
            "rule remove a@x one",
            "rule move a@x 1",
            "account detail a@x maybe",
            "account vacation",
            "account vacation a@x --days 3",
            "account vacation a@x --text t --begins tomorrow",
            "rule list a@x --from b",
            "account vacation a@x --text t --ends 2026-02-30",
            "alias list -x",
            "alias remove a@x --json",
            "account vacation a@x --text t --days 0",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
