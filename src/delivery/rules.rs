//! The rules of an account: what they find in a mail, and what they make of it.

use super::address::target;
use super::fields::Fields;
use crate::mail::search::Needle;
use crate::mail::{MailboxName, SystemFlag, is_keyword, limits};
use crate::store::{Action, Condition, Field, Rule, Vacation};
use std::fmt;

/// What the rules of an account want for one mail.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted<'r> {
    /// The mailbox.
    pub(super) place: Option<&'r str>,
    pub(super) flags: Vec<String>,
    pub(super) forwards: Vec<&'r str>,
    pub(super) discard: bool,
    /// The rules that it met, counted from 1 as their owner sees them.
    pub(super) met: Vec<usize>,
}

/// A rule, or a vacation answer, that cannot be; the text is for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRule(String);

/// Tries the rules in their order.
pub(super) fn apply<'r>(rules: &'r [Rule], fields: &Fields<'_>) -> Wanted<'r> {
    let mut wanted = Wanted::default();
    for (number, rule) in (1..).zip(rules) {
        if !rule.conditions.iter().all(|condition| holds(condition, fields)) {
            continue;
        }
        wanted.met.push(number);
        for action in &rule.actions {
            match action {
                // A later one has the last word, as if it were done by hand; what was thrown away stays so.
                Action::Move(mailbox) => wanted.place = Some(mailbox),
                Action::Flag(flag) if !wanted.flags.contains(flag) => wanted.flags.push(flag.clone()),
                Action::Forward(to) => {
                    let is_new = wanted.forwards.iter().all(|other| !other.eq_ignore_ascii_case(to));
                    if is_new && wanted.forwards.len() < limits::FORWARDS {
                        wanted.forwards.push(to);
                    }
                }
                Action::Discard => wanted.discard = true,
                Action::Flag(_) => {}
            }
        }
        if rule.stop {
            break;
        }
    }
    wanted
}

fn holds(condition: &Condition, fields: &Fields<'_>) -> bool {
    let needle = Needle::new(&condition.text);
    let stands_in = |name: &str| fields.folded(name).any(|text| needle.is_in(text));
    match &condition.field {
        Field::From => stands_in("from") || stands_in("sender"),
        Field::To => stands_in("to") || stands_in("cc"),
        Field::Subject => stands_in("subject"),
        Field::Named(name) => stands_in(name),
    }
}

/// Checks a rule, and writes what is in it as it is kept.
pub fn check_rule(rule: Rule) -> Result<Rule, BadRule> {
    if rule.actions.is_empty() {
        return Err(BadRule("a rule has to do something".to_owned()));
    }
    if rule.conditions.len() > limits::RULE_PARTS || rule.actions.len() > limits::RULE_PARTS {
        return Err(BadRule(format!("a rule has at most {} conditions and as many actions", limits::RULE_PARTS)));
    }
    for condition in &rule.conditions {
        check_text(&condition.text)?;
        if let Field::Named(name) = &condition.field
            && (name.is_empty()
                || name.len() > limits::KEYWORD
                || !name.bytes().all(|c| matches!(c, 33..=126) && c != b':'))
        {
            return Err(BadRule(format!("{name:?} cannot be the name of a header field")));
        }
    }
    let actions = rule.actions.into_iter().map(check_action).collect::<Result<Vec<_>, _>>()?;
    Ok(Rule { actions, ..rule })
}

fn check_action(action: Action) -> Result<Action, BadRule> {
    match action {
        Action::Move(mailbox) => {
            let bad = |bad| BadRule(format!("{mailbox:?} cannot be the name of a mailbox: {bad}"));
            MailboxName::settle(&mailbox).map(|name| Action::Move(name.as_str().to_owned())).map_err(bad)
        }
        Action::Flag(flag) => {
            // What everybody calls so is meant so, with its backslash or without.
            let named = if flag.starts_with('\\') { flag.clone() } else { format!("\\{flag}") };
            if let Some(system) = SystemFlag::from_name(&named) {
                return Ok(Action::Flag(system.name().to_owned()));
            }
            if !is_keyword(&flag) {
                return Err(BadRule(format!("{flag:?} cannot be a flag")));
            }
            Ok(Action::Flag(flag))
        }
        Action::Forward(to) => target(&to).map(Action::Forward).map_err(|bad| BadRule(format!("{to:?}: {bad}"))),
        Action::Discard => Ok(Action::Discard),
    }
}

/// Checks what is to be answered.
pub fn check_vacation(vacation: &Vacation) -> Result<(), BadRule> {
    check_text(&vacation.subject)?;
    if vacation.text.trim().is_empty() || vacation.text.len() > limits::VACATION_TEXT {
        return Err(BadRule(format!("the text has 1 to {} octets", limits::VACATION_TEXT)));
    }
    if !(1..=365).contains(&vacation.days) {
        return Err(BadRule("each sender is answered once in 1 to 365 days".to_owned()));
    }
    if let (Some(begins), Some(ends)) = (vacation.begins, vacation.ends)
        && ends <= begins
    {
        return Err(BadRule("it ends before it begins".to_owned()));
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), BadRule> {
    if text.len() > limits::RULE_TEXT || text.chars().any(char::is_control) {
        return Err(BadRule(format!("a text has at most {} octets, on one line", limits::RULE_TEXT)));
    }
    Ok(())
}

impl fmt::Display for BadRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for BadRule {}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(conditions: &[(Field, &str)], actions: &[Action], stop: bool) -> Rule {
        let conditions =
            conditions.iter().map(|(field, text)| Condition { field: field.clone(), text: (*text).to_owned() });
        Rule { conditions: conditions.collect(), actions: actions.to_vec(), stop }
    }

    fn to(mailbox: &str) -> Action {
        Action::Move(mailbox.to_owned())
    }

    const HEADER: &[u8] =
        b"From: =?utf-8?q?J=C3=B6rg?= <joerg@example.net>\r\nTo: a@x\r\nCc: Team <team@example.org>\r\n\
        Subject: Die\r\n Rechnung\r\nList-Id: <rust.example.org>\r\n\r\n";

    #[test]
    fn all_conditions_of_a_rule_must_hold_and_case_does_not_count() {
        let fields = Fields::of(HEADER);
        let holds =
            |conditions: &[(Field, &str)]| apply(&[rule(conditions, &[Action::Discard], false)], &fields).discard;
        assert!(holds(&[]));
        assert!(holds(&[(Field::From, "JÖRG"), (Field::To, "team@"), (Field::Subject, "die rechnung")]));
        assert!(holds(&[(Field::Named("list-ID".to_owned()), "RUST.")]));
        assert!(holds(&[(Field::Named("list-id".to_owned()), "")]));
        assert!(!holds(&[(Field::Named("list-post".to_owned()), "")]));
        assert!(!holds(&[(Field::From, "jörg"), (Field::Subject, "Mahnung")]));
        assert!(!holds(&[(Field::From, "team")]));
    }

    #[test]
    fn rules_go_in_order_the_last_folder_counts_and_stop_ends() {
        let flag = |flag: &str| Action::Flag(flag.to_owned());
        let rules = [
            rule(&[], &[to("A"), flag("\\Seen")], false),
            rule(&[(Field::Subject, "nothing like it")], &[to("B")], true),
            rule(&[], &[to("C"), flag("\\Seen"), flag("Work")], true),
            rule(&[], &[to("D"), Action::Discard], false),
        ];
        let wanted = apply(&rules, &Fields::of(HEADER));
        assert_eq!(
            (wanted.place, wanted.flags.as_slice(), wanted.discard),
            (Some("C"), &["\\Seen".to_owned(), "Work".to_owned()][..], false)
        );
    }

    #[test]
    fn what_one_rule_throws_away_no_later_one_brings_back() {
        let rules = [rule(&[], &[Action::Discard], false), rule(&[], &[to("A")], false)];
        assert!(apply(&rules, &Fields::of(HEADER)).discard);
    }

    #[test]
    fn what_cannot_be_done_is_no_rule() {
        let checked = |action: Action| check_rule(rule(&[], &[action], false)).map(|rule| rule.actions);
        assert_eq!(checked(Action::Flag("seen".to_owned())), Ok(vec![Action::Flag("\\Seen".to_owned())]));
        assert_eq!(checked(Action::Flag("Work".to_owned())), Ok(vec![Action::Flag("Work".to_owned())]));
        for bad in [
            Action::Flag("\\Nonsense".to_owned()),
            Action::Flag("a b".to_owned()),
            Action::Flag(String::new()),
            to(""),
            to("a//b"),
            to("a*"),
            to("a\n"),
            Action::Forward("nobody".to_owned()),
            Action::Forward("a@x\r\nRCPT TO:<b@y>".to_owned()),
        ] {
            assert!(checked(bad.clone()).is_err(), "{bad:?}");
        }
        assert!(check_rule(Rule::default()).is_err());
        assert!(check_rule(rule(&[(Field::Named("a b".to_owned()), "x")], &[to("A")], false)).is_err());
        assert!(check_rule(rule(&vec![(Field::From, "x"); 21], &[to("A")], false)).is_err());
    }
}
