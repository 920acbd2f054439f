//! `pillarbox alias …`, `pillarbox rule …`, `pillarbox account alias|vacation|detail …`

use super::filing_args::{Filing, Shown};
use super::list::{List, json};
use super::{Failed, ask, terminal, unexpected};
use pillarbox::admin::{DeliveryReply, DeliveryRequest, Reply, Request};
use pillarbox::delivery::date;
use pillarbox::mail::limits;
use pillarbox::store::{Action, Condition, Detail, Field, Rule, Vacation};
use serde_json::json;
use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

/// Does it, and says what was done.
pub fn run(data: &Path, wish: Filing, as_json: bool) -> Result<ExitCode, Failed> {
    let mut what = Shown::Rules;
    let request = match wish {
        Filing::Ask(request) => request,
        Filing::Show { account, what: wanted } => {
            what = wanted;
            DeliveryRequest::ShowFiling { account }
        }
        Filing::VacationFromStdin { account, vacation } => {
            let mut text = String::new();
            // One more than may be, so that what is too long is told, not cut.
            std::io::stdin().lock().take(limits::VACATION_TEXT as u64 + 1).read_to_string(&mut text)?;
            DeliveryRequest::SetVacation { account, vacation: Some(Vacation { text, ..vacation }) }
        }
    };
    let text = match (ask(data, Request::Delivery(request))?, as_json) {
        (Reply::Done, _) => "Done.\n".to_owned(),
        (Reply::Delivery(DeliveryReply::Aliases(aliases)), true) => {
            let one = |(alias, targets): &(String, Vec<String>)| json!({ "alias": alias, "targets": targets });
            json(&aliases.iter().map(one).collect::<Vec<_>>())?
        }
        (Reply::Delivery(DeliveryReply::Aliases(aliases)), false) => table(&aliases),
        (Reply::Delivery(DeliveryReply::Filing(found)), true) => match what {
            Shown::Rules => json(&found.rules)?,
            Shown::Vacation => json(&found.vacation)?,
            Shown::Detail => json(&found.detail)?,
        },
        (Reply::Delivery(DeliveryReply::Filing(found)), false) => match what {
            Shown::Rules => rules(&found),
            Shown::Vacation => vacation(found.vacation.as_ref()),
            Shown::Detail => detail(found.detail),
        },
        _ => return Err(unexpected()),
    };
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}

fn table(aliases: &[(String, Vec<String>)]) -> String {
    let mut list = List::new(["alias", "leads to"]);
    for (alias, targets) in aliases {
        list.row([alias.clone(), targets.join(" ")]);
    }
    list.text("There are no aliases.")
}

/// The rules, and besides them what else is done with mail, where that is anything.
fn rules(found: &pillarbox::store::Filing) -> String {
    let mut list = List::new(["no", "rule"]);
    for (number, rule) in (1..).zip(&found.rules) {
        list.row([format!("{number:>3}"), one(rule)]);
    }
    let mut text = list.text("There are no rules.");
    if found.detail != Detail::default() {
        text += &detail(found.detail);
    }
    if found.vacation.is_some() {
        text += &vacation(found.vacation.as_ref());
    }
    text
}

fn detail(detail: Detail) -> String {
    let place = match detail {
        Detail::Inbox => "to INBOX",
        Detail::Existing => "to the mailbox of that name, where there is one",
        Detail::Make => "to the mailbox of that name, which is made where there is none",
    };
    format!("mail with +detail goes {place}\n")
}

fn vacation(vacation: Option<&Vacation>) -> String {
    let Some(Vacation { subject, text: says, days, begins, ends }) = vacation else {
        return "There is no vacation answer.\n".to_owned();
    };
    let from = begins.map_or_else(String::new, |begins| format!(" from {}", day(begins)));
    // The last second of it is in the last day.
    let until = ends.map_or_else(String::new, |ends| format!(" until {}", day(ends.saturating_sub(1))));
    let subject = if subject.is_empty() { String::new() } else { format!(" with {subject:?}") };
    let often = if *days == 1 { "a day".to_owned() } else { format!("in {days} days") };
    let mut text = format!("answers each sender once {often}{subject}{from}{until}:\n");
    for line in says.lines() {
        let _ = writeln!(text, "    {line}");
    }
    text
}

/// `Thu, 24 Dec 2026`
fn day(moment: i64) -> String {
    date(moment).split(' ').take(4).collect::<Vec<_>>().join(" ")
}

/// A rule, as it would be added.
fn one(rule: &Rule) -> String {
    let mut text = String::new();
    for Condition { field, text: wanted } in &rule.conditions {
        let _ = match field {
            Field::From => write!(text, "--from {wanted:?} "),
            Field::To => write!(text, "--to {wanted:?} "),
            Field::Subject => write!(text, "--subject {wanted:?} "),
            Field::Named(name) => write!(text, "--header {:?} ", format!("{name}: {wanted}")),
        };
    }
    for action in &rule.actions {
        let _ = match action {
            Action::Move(mailbox) => write!(text, "--move {mailbox:?} "),
            Action::Flag(flag) => write!(text, "--flag '{flag}' "),
            Action::Forward(to) => write!(text, "--forward {to} "),
            Action::Discard => write!(text, "--discard "),
        };
    }
    if rule.stop {
        text.push_str("--stop");
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pillarbox::store::Filing;

    #[test]
    fn what_there_is_none_of_is_said() {
        assert_eq!(rules(&Filing::default()), "There are no rules.\n");
        assert_eq!(vacation(None), "There is no vacation answer.\n");
        assert_eq!(table(&[]), "There are no aliases.\n");
        assert_eq!(detail(Detail::Inbox), "mail with +detail goes to INBOX\n");
    }

    #[test]
    fn the_last_day_of_a_vacation_is_one_of_it() {
        let away = Vacation {
            subject: String::new(),
            text: "Gone".to_owned(),
            days: 1,
            begins: Some(1_766_448_000),
            ends: Some(1_766_620_800),
        };
        let expected = "answers each sender once a day from Tue, 23 Dec 2025 until Wed, 24 Dec 2025:\n    Gone\n";
        assert_eq!(vacation(Some(&away)), expected);
    }
}
