//! `pillarbox alias …`, `pillarbox rule …`, `pillarbox account alias|vacation|detail …`

use super::filing_args::Filing;
use super::{Failed, ask, terminal, unexpected};
use pillarbox::admin::{DeliveryReply, DeliveryRequest, Reply, Request};
use pillarbox::delivery::date;
use pillarbox::mail::limits;
use pillarbox::store::{Action, Condition, Detail, Field, Rule, Vacation};
use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

/// Does it, and says what was done.
pub fn run(data: &Path, wish: Filing) -> Result<ExitCode, Failed> {
    let request = match wish {
        Filing::Ask(request) => request,
        Filing::VacationFromStdin { account, vacation } => {
            let mut text = String::new();
            // One more than may be, so that what is too long is told, not cut.
            std::io::stdin().lock().take(limits::VACATION_TEXT as u64 + 1).read_to_string(&mut text)?;
            DeliveryRequest::SetVacation { account, vacation: Some(Vacation { text, ..vacation }) }
        }
    };
    let text = match ask(data, Request::Delivery(request))? {
        Reply::Done => "Done.\n".to_owned(),
        Reply::Delivery(DeliveryReply::Aliases(aliases)) => table(&aliases),
        Reply::Delivery(DeliveryReply::Filing(found)) => filing(&found),
        _ => return Err(unexpected()),
    };
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}

fn table(aliases: &[(String, Vec<String>)]) -> String {
    let width = aliases.iter().map(|(alias, _)| alias.chars().count()).max().unwrap_or(0);
    aliases.iter().fold(String::new(), |mut table, (alias, targets)| {
        let _ = writeln!(table, "{alias:width$}  {}", targets.join(" "));
        table
    })
}

fn filing(found: &pillarbox::store::Filing) -> String {
    let mut text = String::new();
    for (number, rule) in (1..).zip(&found.rules) {
        let _ = writeln!(text, "{number:>3}  {}", one(rule));
    }
    let detail = match found.detail {
        Detail::Inbox => "to INBOX",
        Detail::Existing => "to the mailbox of that name, where there is one",
        Detail::Make => "to the mailbox of that name, which is made where there is none",
    };
    let _ = writeln!(text, "mail with +detail goes {detail}");
    if let Some(Vacation { subject, text: says, days, begins, ends }) = &found.vacation {
        let from = begins.map_or_else(String::new, |begins| format!(" from {}", date(begins)));
        let until = ends.map_or_else(String::new, |ends| format!(" until {}", date(ends)));
        let subject = if subject.is_empty() { String::new() } else { format!(" with {subject:?}") };
        let _ = writeln!(text, "answers each sender once in {days} days{subject}{from}{until}:");
        for line in says.lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
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
