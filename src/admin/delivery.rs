//! Where mail goes, as the owner says: aliases, domains, rules, vacation answers.

use super::accounts::{find, now};
use super::action::{Failure, Reply};
use crate::delivery::{self, AddressError, BadRule, Pattern, Routing};
use crate::mail::AccountId;
use crate::store::{Detail, Filing, Refusal, Rule, RuleEdit, Store, StoreError, Vacation, Write};
use serde::{Deserialize, Serialize};

/// A wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum DeliveryRequest {
    /// Addresses that an alias leads to, besides others: `local@domain`, or `@domain` for the rest of a domain.
    AddAlias { alias: String, targets: Vec<String> },
    /// Addresses that it leads to no more; without any, the whole alias.
    RemoveAlias { alias: String, targets: Vec<String> },
    /// All aliases, or those that lead to an account.
    ListAliases { account: Option<String> },
    /// A domain that is ours without an address in it yet.
    AddDomain { domain: String },
    /// Not any more.
    RemoveDomain { domain: String },
    /// All domains that are ours.
    ListDomains,
    /// Another rule, one less, or another order; counted from 1.
    EditRules { account: String, edit: RuleEdit },
    /// What is answered for an account's owner.
    SetVacation { account: String, vacation: Option<Vacation> },
    /// What `local+detail@domain` means for an account.
    SetDetail { account: String, detail: Detail },
    /// Rules, vacation answer and detail of an account.
    ShowFiling { account: String },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryReply {
    /// Aliases, by address, and what each leads to.
    Aliases(Vec<(String, Vec<String>)>),
    /// Domains, by name, and whether each was added by itself.
    Domains(Vec<(String, bool)>),
    /// How an account's mail is treated.
    Filing(Filing),
}

pub(super) fn perform(store: &Store, request: DeliveryRequest) -> Result<Reply, Failure> {
    let write = match request {
        DeliveryRequest::AddAlias { alias, targets } => {
            let (address, targets) = (delivery::alias(&alias)?.kept(), own(store, targets)?);
            if targets.is_empty() {
                return Err(Failure::Refused("an alias leads to at least one address".to_owned()));
            }
            if targets.contains(&address) {
                return Err(Failure::Refused(format!("{address} cannot lead to itself")));
            }
            if let Some(nowhere) = delivery::check_alias(&store.snapshot()?, &address, &targets)? {
                return Err(Failure::Refused(nowhere.to_string()));
            }
            Write::AddAlias { address, targets }
        }
        DeliveryRequest::RemoveAlias { alias, targets } => {
            Write::RemoveAlias { address: delivery::alias(&alias)?.kept(), targets: own(store, targets)? }
        }
        DeliveryRequest::ListAliases { account } => return aliases(store, account.as_deref()),
        DeliveryRequest::AddDomain { domain } => Write::AddDomain { domain: domain_of(&domain)?, now: now() },
        DeliveryRequest::RemoveDomain { domain } => Write::RemoveDomain { domain: domain_of(&domain)? },
        DeliveryRequest::ListDomains => {
            let domains = store.snapshot()?.domains()?.into_iter().collect();
            return Ok(Reply::Delivery(DeliveryReply::Domains(domains)));
        }
        DeliveryRequest::EditRules { account, edit } => {
            let edit = match edit {
                RuleEdit::Add(rule, at) => RuleEdit::Add(kept_rule(store, rule)?, at),
                other => other,
            };
            Write::EditRules { account: find(&store.snapshot()?, &account)?.0, edit }
        }
        DeliveryRequest::SetVacation { account, vacation } => {
            vacation.as_ref().map_or(Ok(()), delivery::check_vacation)?;
            Write::SetVacation { account: find(&store.snapshot()?, &account)?.0, vacation }
        }
        DeliveryRequest::SetDetail { account, detail } => {
            Write::SetDetail { account: find(&store.snapshot()?, &account)?.0, detail }
        }
        DeliveryRequest::ShowFiling { account } => {
            let snapshot = store.snapshot()?;
            let filing = snapshot.filing(find(&snapshot, &account)?.0)?;
            return Ok(Reply::Delivery(DeliveryReply::Filing(filing)));
        }
    };
    let named = Named::of(&write);
    match store.write_blocking(write) {
        Ok(_) => Ok(Reply::Done),
        Err(StoreError::Refused(Refusal::NotThere)) => Err(Failure::Refused(named.missing(store)?)),
        Err(StoreError::Refused(Refusal::AddressTaken)) => {
            Err(Failure::Refused("an account has this address: a rule can forward its mail".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// What a wish names, so that it can be said what of it is not there.
enum Named {
    Alias(String, Vec<String>),
    Domain(String),
    Rule(AccountId, Vec<u32>),
    Nothing,
}

impl Named {
    fn of(write: &Write) -> Named {
        match write {
            Write::RemoveAlias { address, targets } => Named::Alias(address.clone(), targets.clone()),
            Write::RemoveDomain { domain } => Named::Domain(domain.clone()),
            Write::EditRules { account, edit } => Named::Rule(
                *account,
                match edit {
                    RuleEdit::Add(_, at) => at.iter().copied().collect(),
                    RuleEdit::Remove(number) => vec![*number],
                    RuleEdit::Move(from, to) => vec![*from, *to],
                },
            ),
            _ => Named::Nothing,
        }
    }

    fn missing(&self, store: &Store) -> Result<String, Failure> {
        let snapshot = store.snapshot()?;
        Ok(match self {
            Named::Alias(alias, targets) => match snapshot.alias(alias)? {
                None => format!("there is no alias {alias}"),
                Some(found) => {
                    let leads = |target: &&String| found.targets.iter().any(|known| known.eq_ignore_ascii_case(target));
                    let other = targets.iter().find(|target| !leads(target));
                    format!("the alias {alias} does not lead to {}", other.map_or("it", String::as_str))
                }
            },
            Named::Domain(domain) if snapshot.has_domain(domain)? => {
                format!("{domain} was not added: it is ours by its addresses")
            }
            Named::Domain(domain) => format!("there is no domain {domain}"),
            Named::Rule(account, numbers) => {
                let there = snapshot.filing(*account)?.rules.len();
                let missing = numbers.iter().find(|number| **number == 0 || **number as usize > there);
                let number = missing.or(numbers.first()).copied().unwrap_or_default();
                match there {
                    0 => format!("there is no rule {number}: there are none"),
                    1 => format!("there is no rule {number}: there is one"),
                    some => format!("there is no rule {number}: there are {some}"),
                }
            }
            Named::Nothing => Refusal::NotThere.to_string(),
        })
    }
}

fn aliases(store: &Store, account: Option<&str>) -> Result<Reply, Failure> {
    let snapshot = store.snapshot()?;
    let mut aliases = snapshot.aliases()?;
    if let Some(account) = account {
        let routing = Routing { name: String::new(), grace_percent: 0 };
        let leading = delivery::leads_to(&snapshot, &routing, find(&snapshot, account)?.0)?;
        aliases.retain(|(alias, _)| leading.contains(alias));
    }
    let aliases = aliases.into_iter().map(|(alias, found)| (alias, found.targets)).collect();
    Ok(Reply::Delivery(DeliveryReply::Aliases(aliases)))
}

/// Addresses that an alias leads to, as they are kept: those in our domains in lower case, as accounts are.
fn own(store: &Store, targets: Vec<String>) -> Result<Vec<String>, Failure> {
    let snapshot = store.snapshot()?;
    let mut kept = Vec::new();
    for text in targets {
        let target = delivery::target(&text)?;
        let (_, domain) = target.rsplit_once('@').unwrap_or_default();
        let target = if snapshot.has_domain(domain)? { target.to_lowercase() } else { target };
        if !kept.contains(&target) {
            kept.push(target);
        }
    }
    Ok(kept)
}

fn kept_rule(store: &Store, rule: Rule) -> Result<Rule, Failure> {
    use crate::store::Action;
    let mut rule = delivery::check_rule(rule)?;
    for action in &mut rule.actions {
        if let Action::Forward(to) = action {
            *to = own(store, vec![to.clone()])?.pop().unwrap_or_default();
        }
    }
    Ok(rule)
}

/// A domain, in lower case.
fn domain_of(text: &str) -> Result<String, Failure> {
    match delivery::alias(&format!("@{text}"))? {
        Pattern::Rest(domain) => Ok(domain),
        Pattern::One(_) => Err(Failure::Refused(format!("{text:?} is no domain"))),
    }
}

impl From<AddressError> for Failure {
    fn from(bad: AddressError) -> Self {
        Failure::Refused(bad.to_string())
    }
}

impl From<BadRule> for Failure {
    fn from(bad: BadRule) -> Self {
        Failure::Refused(bad.to_string())
    }
}
