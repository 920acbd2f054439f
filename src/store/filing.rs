//! Where mail for an address goes, and what becomes of it there: aliases, domains, rules, vacation answers.

use serde::{Deserialize, Serialize};

/// An address that stands for others: `local@domain`, or `@domain` for all addresses of a domain that nobody has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Addresses, here or elsewhere, in the order in which they were added.
    pub targets: Vec<String>,
}

/// A domain whose mail is taken though perhaps nobody has an address in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// When it was added, in seconds since 1970.
    pub added: i64,
}

/// How an account wants its mail to be treated when it comes in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filing {
    /// What `local+detail@domain` means.
    pub detail: Detail,
    /// What is answered for the account's owner.
    pub vacation: Option<Vacation>,
    /// Each is tried in this order.
    pub rules: Vec<Rule>,
}

/// Where mail for `local+detail@domain` goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Detail {
    /// To INBOX, as all other mail.
    #[default]
    Inbox,
    /// To the mailbox of that name, compared without case, where there is one.
    Existing,
    /// To the mailbox of that name, which is made where there is none.
    Make,
}

/// What becomes of mail that is as described.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// All of them must hold; none at all hold for every mail.
    pub conditions: Vec<Condition>,
    /// What is done then, in this order.
    pub actions: Vec<Action>,
    /// The rules after this one are not tried then.
    pub stop: bool,
}

/// What a rule wants of a mail: that a text stands in a field, compared without case, encoded words decoded
/// (RFC 2047).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Where.
    pub field: Field,
    /// The text; an empty one stands in every field that is there.
    pub text: String,
}

/// A field of the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Field {
    /// From, or Sender.
    From,
    /// To, or Cc.
    To,
    /// Subject.
    Subject,
    /// Any field of this name.
    Named(String),
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Into this mailbox instead of INBOX; made where it is missing.
    Move(String),
    /// With this flag: a system flag with its backslash, or a keyword.
    Flag(String),
    /// To this address as well.
    Forward(String),
    /// Into no mailbox.
    Discard,
}

/// A change in the rules of an account. Rules are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleEdit {
    /// A new one with this number, or after all others.
    Add(Rule, Option<u32>),
    /// The one with this number goes.
    Remove(u32),
    /// The one with the first number gets the second one.
    Move(u32, u32),
}

/// An answer to who writes while the account's owner is away (RFC 3834).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vacation {
    /// The Subject; empty: one is made from the mail's own.
    pub subject: String,
    /// The text.
    pub text: String,
    /// Each sender is answered once in so many days.
    pub days: u16,
    /// From this second since 1970 on.
    pub begins: Option<i64>,
    /// Until before this second since 1970.
    pub ends: Option<i64>,
}

impl Rule {
    /// The rules after an edit; `None` where there is no rule of that number.
    pub(super) fn edited(mut rules: Vec<Rule>, edit: &RuleEdit) -> Option<Vec<Rule>> {
        let at = |number: u32| usize::try_from(number).ok()?.checked_sub(1);
        match edit {
            RuleEdit::Add(rule, None) => rules.push(rule.clone()),
            RuleEdit::Add(rule, Some(number)) => {
                let at = at(*number).filter(|at| *at <= rules.len())?;
                rules.insert(at, rule.clone());
            }
            RuleEdit::Remove(number) => {
                let at = at(*number).filter(|at| *at < rules.len())?;
                rules.remove(at);
            }
            RuleEdit::Move(from, to) => {
                let (from, to) = (at(*from)?, at(*to)?);
                if from >= rules.len() || to >= rules.len() {
                    return None;
                }
                let rule = rules.remove(from);
                rules.insert(to, rule);
            }
        }
        Some(rules)
    }
}

impl Vacation {
    /// Whether it is answered at this second since 1970.
    #[must_use]
    pub fn is_on(&self, now: i64) -> bool {
        self.begins.is_none_or(|begins| begins <= now) && self.ends.is_none_or(|ends| now < ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        Rule { actions: vec![Action::Move(text.to_owned())], ..Rule::default() }
    }

    fn edited(rules: &[&str], edit: &RuleEdit) -> Option<Vec<Rule>> {
        Rule::edited(rules.iter().map(|text| rule(text)).collect(), edit)
    }

    #[test]
    fn rules_are_counted_from_one() {
        let of = |rules: &[&str]| Some(rules.iter().map(|text| rule(text)).collect::<Vec<_>>());
        assert_eq!(edited(&["a", "b"], &RuleEdit::Add(rule("c"), None)), of(&["a", "b", "c"]));
        assert_eq!(edited(&["a", "b"], &RuleEdit::Add(rule("c"), Some(1))), of(&["c", "a", "b"]));
        assert_eq!(edited(&["a", "b"], &RuleEdit::Add(rule("c"), Some(3))), of(&["a", "b", "c"]));
        assert_eq!(edited(&["a", "b", "c"], &RuleEdit::Move(1, 3)), of(&["b", "c", "a"]));
        assert_eq!(edited(&["a", "b", "c"], &RuleEdit::Move(3, 1)), of(&["c", "a", "b"]));
        assert_eq!(edited(&["a", "b"], &RuleEdit::Remove(2)), of(&["a"]));
        for edit in [RuleEdit::Remove(0), RuleEdit::Remove(3), RuleEdit::Move(1, 3), RuleEdit::Add(rule("c"), Some(4))]
        {
            assert_eq!(edited(&["a", "b"], &edit), None, "{edit:?}");
        }
    }

    #[test]
    fn a_vacation_begins_with_its_first_second_and_ends_before_its_last() {
        let vacation =
            Vacation { subject: String::new(), text: String::new(), days: 7, begins: Some(10), ends: Some(20) };
        assert_eq!([9, 10, 19, 20].map(|now| vacation.is_on(now)), [false, true, true, false]);
        assert!(Vacation { begins: None, ends: None, ..vacation }.is_on(i64::MAX));
    }
}
