//! Aliases, domains, rules, warnings: what is kept, and what goes with what.

use super::tests::{Folder, octets};
use super::*;
use crate::mail::{AccountId, Stamp, limits};
use std::collections::BTreeMap;

fn account(store: &Store, address: &str) -> Result<AccountId, StoreError> {
    let (credentials, limits) = (Credentials::default(), Limits::default());
    let new = NewAccount { address: address.to_owned(), credentials, limits, now: 0 };
    match store.write_blocking(Write::AddAccount(new))? {
        Outcome::Account(account) => Ok(account),
        other => panic!("{other:?}"),
    }
}

fn add(store: &Store, address: &str, targets: &[&str]) -> Result<Outcome, StoreError> {
    let targets = targets.iter().map(|target| (*target).to_owned()).collect();
    store.write_blocking(Write::AddAlias { address: address.to_owned(), targets })
}

fn remove(store: &Store, address: &str, targets: &[&str]) -> Result<Outcome, StoreError> {
    let targets = targets.iter().map(|target| (*target).to_owned()).collect();
    store.write_blocking(Write::RemoveAlias { address: address.to_owned(), targets })
}

fn targets(store: &Store, address: &str) -> Vec<String> {
    store.snapshot().unwrap().alias(address).unwrap().unwrap_or_default().targets
}

fn rule(mailbox: &str) -> Rule {
    Rule { conditions: Vec::new(), actions: vec![Action::Move(mailbox.to_owned())], stop: false }
}

fn posting(store: &Store, account: AccountId, once: Option<Once>) -> Posting {
    let mut packer = store.packer();
    packer.push(&octets(500, 1)).unwrap();
    let copy = LocalCopy { account, place: Place::Inbox, flags: Vec::new(), grace: Grace::Unlimited };
    let parcel = packer.finish().unwrap();
    Posting { parcel, received: Stamp::utc(0), copies: vec![copy], onward: Vec::new(), once }
}

fn assert_clean(store: &Store) {
    assert_eq!(store.check().unwrap().findings, []);
}

macro_rules! assert_refused {
    ($done:expr, $refusal:ident) => {
        let done = $done;
        assert!(matches!(done, Err(StoreError::Refused(Refusal::$refusal))), "{done:?}");
    };
}

#[test]
fn an_address_is_found_by_either_spelling_of_its_domain_and_is_one() {
    let folder = Folder::new("alias-idn");
    let store = folder.store();
    let ann = account(&store, "ann@m\u{fc}nchen.example").unwrap();
    let bob = account(&store, "bob@xn--bcher-kva.example").unwrap();
    add(&store, "info@m\u{fc}nchen.example", &["ann@m\u{fc}nchen.example"]).unwrap();
    let snapshot = store.snapshot().unwrap();
    for (address, account) in [
        ("ann@m\u{fc}nchen.example", ann),
        ("ann@xn--mnchen-3ya.example", ann),
        ("bob@b\u{fc}cher.example", bob),
        ("bob@xn--bcher-kva.example", bob),
    ] {
        assert_eq!(snapshot.account_of(address).unwrap(), Some(account), "{address}");
    }
    assert_eq!(targets(&store, "info@xn--mnchen-3ya.example"), ["ann@m\u{fc}nchen.example"]);
    for domain in ["m\u{fc}nchen.example", "xn--mnchen-3ya.example", "b\u{fc}cher.example"] {
        assert!(snapshot.has_domain(domain).unwrap(), "{domain}");
    }
    assert!(!snapshot.has_domain("xn--bcher-kva.example.org").unwrap());
    for taken in ["ann@xn--mnchen-3ya.example", "bob@b\u{fc}cher.example", "info@xn--mnchen-3ya.example"] {
        assert!(matches!(account(&store, taken), Err(StoreError::Refused(Refusal::AddressTaken))), "{taken}");
    }
    assert_refused!(add(&store, "ann@xn--mnchen-3ya.example", &["x@example.net"]), AddressTaken);
    assert_clean(&store);
}

#[test]
fn an_address_is_an_account_s_or_an_alias_s() {
    let folder = Folder::new("alias-taken");
    let store = folder.store();
    account(&store, "anna@example.org").unwrap();
    assert_refused!(add(&store, "anna@example.org", &["x@example.net"]), AddressTaken);
    add(&store, "info@example.org", &["anna@example.org"]).unwrap();
    assert_refused!(account(&store, "info@example.org"), AddressTaken);
    assert_refused!(add(&store, "none@example.org", &[]), NotThere);
    assert_clean(&store);
}

#[test]
fn targets_come_and_go_and_the_alias_goes_with_the_last() {
    let folder = Folder::new("alias-targets");
    {
        let store = folder.store();
        add(&store, "all@example.org", &["a@x", "b@x"]).unwrap();
        add(&store, "all@example.org", &["b@x", "c@x"]).unwrap();
        assert_eq!(targets(&store, "all@example.org"), ["a@x", "b@x", "c@x"]);
        assert_refused!(remove(&store, "all@example.org", &["a@x", "d@x"]), NotThere);
        remove(&store, "all@example.org", &["a@x"]).unwrap();
    }
    let store = folder.store();
    assert_eq!(targets(&store, "all@example.org"), ["b@x", "c@x"]);
    remove(&store, "all@example.org", &["c@x", "b@x"]).unwrap();
    assert_refused!(remove(&store, "all@example.org", &[]), NotThere);
    let many: Vec<String> = (0..=limits::ALIAS_TARGETS).map(|number| format!("{number}@x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_refused!(add(&store, "many@example.org", &many), TooMany);
    assert_eq!(store.snapshot().unwrap().aliases().unwrap(), []);
}

#[test]
fn domains_are_those_of_addresses_and_those_that_were_added() {
    let folder = Folder::new("domains");
    let store = folder.store();
    account(&store, "anna@one.example").unwrap();
    add(&store, "@two.example", &["anna@one.example"]).unwrap();
    store.write_blocking(Write::AddDomain { domain: "three.example".to_owned(), now: 1 }).unwrap();
    store.write_blocking(Write::AddDomain { domain: "one.example".to_owned(), now: 1 }).unwrap();
    let snapshot = store.snapshot().unwrap();
    let all = [("one.example", true), ("three.example", true), ("two.example", false)];
    assert_eq!(snapshot.domains().unwrap(), all.map(|(name, added)| (name.to_owned(), added)).into());
    let has = ["one.example", "two.example", "three.example", "four.example", "example"];
    assert_eq!(has.map(|domain| snapshot.has_domain(domain).unwrap()), [true, true, true, false, false]);
    drop(snapshot);
    for domain in ["three.example", "one.example"] {
        store.write_blocking(Write::RemoveDomain { domain: domain.to_owned() }).unwrap();
    }
    assert_refused!(store.write_blocking(Write::RemoveDomain { domain: "one.example".to_owned() }), NotThere);
    let all: BTreeMap<String, bool> = [("one.example".to_owned(), false), ("two.example".to_owned(), false)].into();
    assert_eq!(store.snapshot().unwrap().domains().unwrap(), all);
    assert_clean(&store);
}

#[test]
fn an_account_takes_along_what_was_only_for_it() {
    let folder = Folder::new("alias-removed");
    let store = folder.store();
    let (anna, bert) = (account(&store, "anna@x").unwrap(), account(&store, "bert@x").unwrap());
    add(&store, "a@x", &["anna@x"]).unwrap();
    add(&store, "aa@x", &["a@x"]).unwrap();
    add(&store, "both@x", &["bert@x", "aa@x", "anna@x"]).unwrap();
    for account in [anna, bert] {
        store.write_blocking(Write::EditRules { account, edit: RuleEdit::Add(rule("A"), None) }).unwrap();
        let kept = |space| Write::Keep { space, key: account.0.to_be_bytes().to_vec(), value: Some(vec![80]) };
        store.write_blocking(kept(Space::Warned)).unwrap();
        store.write_blocking(kept(Space::Answered)).unwrap();
    }
    store.write_blocking(Write::RemoveAccount(anna)).unwrap();
    let snapshot = store.snapshot().unwrap();
    let left = vec![("both@x".to_owned(), Alias { targets: vec!["bert@x".to_owned()] })];
    assert_eq!(snapshot.aliases().unwrap(), left);
    assert_eq!(snapshot.filing(anna).unwrap(), Filing::default());
    assert_eq!(snapshot.filing(bert).unwrap().rules.len(), 1);
    for space in [Space::Warned, Space::Answered] {
        let kept = snapshot.all_kept(space, &[], 9).unwrap();
        assert_eq!(kept.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [bert.0.to_be_bytes()]);
    }
    assert_refused!(store.write_blocking(Write::SetDetail { account: anna, detail: Detail::Make }), NoAccount);
    assert_clean(&store);
}

#[test]
fn rules_are_kept_in_their_order_and_bounded() {
    let folder = Folder::new("rules");
    let anna = {
        let store = folder.store();
        let anna = account(&store, "anna@x").unwrap();
        let edit = |edit| store.write_blocking(Write::EditRules { account: anna, edit });
        for number in 0..limits::RULES {
            edit(RuleEdit::Add(rule(&number.to_string()), None)).unwrap();
        }
        assert_refused!(edit(RuleEdit::Add(rule("more"), Some(1))), TooMany);
        assert_refused!(edit(RuleEdit::Remove(101)), NotThere);
        edit(RuleEdit::Move(100, 1)).unwrap();
        edit(RuleEdit::Remove(2)).unwrap();
        anna
    };
    let store = folder.store();
    let filing = store.snapshot().unwrap().filing(anna).unwrap();
    assert_eq!((filing.rules.len(), &filing.rules[..2]), (99, &[rule("99"), rule("1")][..]));
    store.write_blocking(Write::SetDetail { account: anna, detail: Detail::Existing }).unwrap();
    assert_eq!(store.snapshot().unwrap().filing(anna).unwrap(), Filing { detail: Detail::Existing, ..filing });
    assert_clean(&store);
}

#[test]
fn what_is_done_once_is_done_again_only_when_its_time_is_over_also_after_a_start() {
    let folder = Folder::new("once");
    let anna = account(&folder.store(), "anna@x").unwrap();
    let mut done = Vec::new();
    for now in [100, 100, 149, 150] {
        let store = folder.store();
        let once = Once { space: Space::Answered, key: b"k".to_vec(), until: now + 50 };
        let delivery = Delivery { messages: vec![posting(&store, anna, Some(once))], now, ..Delivery::default() };
        match store.write_blocking(Write::Deliver(Box::new(delivery))).unwrap() {
            Outcome::Delivered(copies) => done.push(copies.iter().all(Result::is_ok)),
            other => panic!("{other:?}"),
        }
        assert_clean(&store);
    }
    assert_eq!(done, [true, false, false, true]);
}

#[test]
fn a_warning_and_that_it_was_told_are_one_and_sessions_hear_of_it() {
    let folder = Folder::new("warn");
    let anna = {
        let store = folder.store();
        let anna = account(&store, "anna@x").unwrap();
        let mut alarm = store.alarm(anna);
        let told =
            Some(Box::new(Delivery { messages: vec![posting(&store, anna, None)], now: 5, ..Delivery::default() }));
        store.write_blocking(Write::Warn { account: anna, level: 95, told }).unwrap();
        assert_eq!(alarm.hear(), Some(95));
        store.write_blocking(Write::Warn { account: anna, level: 80, told: None }).unwrap();
        assert_eq!(alarm.hear(), None, "that there is more room again is told to nobody");
        anna
    };
    let store = folder.store();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.kept(Space::Warned, &anna.0.to_be_bytes()).unwrap(), Some(vec![80]));
    assert_eq!(snapshot.usage(anna).unwrap().messages, 1);
    drop(snapshot);
    store.write_blocking(Write::Warn { account: anna, level: 0, told: None }).unwrap();
    assert_eq!(store.snapshot().unwrap().kept(Space::Warned, &anna.0.to_be_bytes()).unwrap(), None);
}

#[test]
fn whose_usage_or_limits_changed_is_told() {
    let folder = Folder::new("weighed");
    let store = folder.store();
    let (anna, bert) = (account(&store, "anna@x").unwrap(), account(&store, "bert@x").unwrap());
    let _ = store.take_weighed();
    let delivery = Delivery { messages: vec![posting(&store, anna, None)], now: 5, ..Delivery::default() };
    store.write_blocking(Write::Deliver(Box::new(delivery))).unwrap();
    assert_eq!(store.take_weighed(), [anna].into());
    store.write_blocking(Write::SetLimits { account: bert, limits: Limits::default() }).unwrap();
    assert_eq!(store.take_weighed(), [bert].into());
    assert_eq!(store.take_weighed(), [].into());
}
