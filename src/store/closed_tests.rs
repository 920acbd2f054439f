//! Accounts that were removed, and can be had back.

use super::tests::{Folder, octets};
use super::*;
use crate::mail::{AccountId, Stamp};

const DAY: i64 = 24 * 60 * 60;

fn add(store: &Store, address: &str) -> AccountId {
    let limits = Limits { bytes: Some(1 << 30), messages: None };
    let new = NewAccount { address: address.to_owned(), credentials: Credentials::default(), limits, now: 0 };
    match store.write_blocking(Write::AddAccount(new)).unwrap() {
        Outcome::Account(account) => account,
        other => panic!("{other:?}"),
    }
}

fn alias(store: &Store, address: &str, targets: &[&str]) {
    let targets = targets.iter().map(|target| (*target).to_owned()).collect();
    store.write_blocking(Write::AddAlias { address: address.to_owned(), targets }).unwrap();
}

fn leads(store: &Store, address: &str) -> Option<Vec<String>> {
    store.snapshot().unwrap().alias(address).unwrap().map(|alias| alias.targets)
}

fn append(store: &Store, account: AccountId) -> Result<Outcome, StoreError> {
    let mailbox = crate::mail::MailboxId::new(account, 1);
    let mut packer = store.packer();
    packer.push(&octets(500, 1)).unwrap();
    let parcel = packer.finish().unwrap();
    let message =
        NewMessage { parcel, flags: Vec::new(), received: Stamp::utc(0), now: 0, history: History::default() };
    store.write_blocking(Write::Append { mailbox, message })
}

fn close(store: &Store, account: AccountId, now: i64) {
    store.write_blocking(Write::CloseAccount { account, now }).unwrap();
}

fn reopen(store: &Store, account: AccountId, address: &str) -> Result<Outcome, Refusal> {
    match store.write_blocking(Write::ReopenAccount { account, address: address.to_owned() }) {
        Ok(outcome) => Ok(outcome),
        Err(StoreError::Refused(refusal)) => Err(refusal),
        Err(fault) => panic!("{fault}"),
    }
}

fn age(store: &Store, now: i64) -> u64 {
    match store.write_blocking(Write::AgeClosed { now }).unwrap() {
        Outcome::Expunged(gone) => gone,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_removed_account_is_nobody_s_at_once_and_comes_back_with_all_that_was_its() {
    let folder = Folder::new("closed");
    let store = folder.store();
    let (ann, bea) = (add(&store, "ann@x.example"), add(&store, "bea@x.example"));
    append(&store, ann).unwrap();
    alias(&store, "info@x.example", &["ann@x.example"]);
    alias(&store, "all@x.example", &["bea@x.example", "info@x.example"]);
    let rule = Rule { actions: vec![Action::Move("Lists".to_owned())], ..Rule::default() };
    let edit = RuleEdit::Add(rule.clone(), None);
    store.write_blocking(Write::EditRules { account: ann, edit }).unwrap();

    close(&store, ann, 5);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.account_of("ann@x.example").unwrap(), None);
    assert!(snapshot.account(ann).unwrap().is_none() && snapshot.mailbox_named(ann, "INBOX").unwrap().is_none());
    assert_eq!(snapshot.accounts().unwrap().len(), 1);
    assert_eq!(
        (leads(&store, "info@x.example"), leads(&store, "all@x.example")),
        (None, Some(vec!["bea@x.example".to_owned()]))
    );
    // Who is still there from before can write nothing.
    assert!(matches!(append(&store, ann), Err(StoreError::Refused(_))));
    assert!(matches!(store.write_blocking(Write::CloseAccount { account: ann, now: 6 }), Err(StoreError::Refused(_))));
    assert_eq!(store.check().unwrap().findings, []);
    drop(snapshot);
    drop(store);

    // Also after a start.
    let store = folder.store();
    assert_eq!(reopen(&store, ann, "bea@x.example"), Err(Refusal::AddressTaken));
    assert_eq!(reopen(&store, ann, "ann@x.example"), Ok(Outcome::Account(ann)));
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.account_of("ann@x.example").unwrap(), Some(ann));
    assert_eq!(snapshot.account(ann).unwrap().unwrap().limits.bytes, Some(1 << 30));
    assert_eq!(snapshot.usage(ann).unwrap().messages, 1);
    assert_eq!(snapshot.filing(ann).unwrap().rules, [rule]);
    assert_eq!(leads(&store, "info@x.example"), Some(vec!["ann@x.example".to_owned()]));
    let all = ["bea@x.example", "info@x.example"].map(str::to_owned).to_vec();
    assert_eq!(leads(&store, "all@x.example"), Some(all));
    assert!(snapshot.closed_accounts().unwrap().is_empty());
    append(&store, ann).unwrap();
    assert!(reopen(&store, ann, "ann@x.example").is_err() && reopen(&store, bea, "new@x.example").is_err());
    assert_eq!(store.check().unwrap().findings, []);
}

#[test]
fn another_account_may_have_the_address_and_the_first_one_comes_back_by_another() {
    let folder = Folder::new("closed-again");
    let store = folder.store();
    let first = add(&store, "ann@x.example");
    append(&store, first).unwrap();
    alias(&store, "info@x.example", &["ann@x.example"]);
    close(&store, first, 5);
    let second = add(&store, "ann@x.example");
    assert_eq!(store.snapshot().unwrap().usage(second).unwrap().messages, 0);
    assert_eq!(reopen(&store, first, "ann@x.example"), Err(Refusal::AddressTaken));
    assert_eq!(reopen(&store, first, "old@x.example"), Ok(Outcome::Account(first)));
    assert_eq!(leads(&store, "info@x.example"), Some(vec!["old@x.example".to_owned()]));
    assert_eq!(store.snapshot().unwrap().account_of("ann@x.example").unwrap(), Some(second));
    assert_eq!(store.check().unwrap().findings, []);
}

#[test]
fn it_goes_for_good_after_thirty_days_that_were_lived_through_and_a_leap_is_one() {
    let folder = Folder::new("closed-days");
    let store = folder.store();
    let account = add(&store, "ann@x.example");
    append(&store, account).unwrap();
    close(&store, account, 0);
    let days = || store.snapshot().unwrap().closed_accounts().unwrap().first().map(|(_, closed)| closed.days);
    assert_eq!((age(&store, DAY - 1), days()), (0, Some(0)));
    // Ten years ahead, and back again.
    let mut now = 3_650 * DAY;
    assert_eq!((age(&store, now), days()), (0, Some(1)));
    now = DAY;
    assert_eq!((age(&store, now), days()), (0, Some(1)));
    for day in 2..30 {
        now += DAY;
        assert_eq!((age(&store, now), days()), (0, Some(day)));
        // Several looks in a day are one day.
        assert_eq!((age(&store, now + 60), days()), (0, Some(day)));
    }
    assert_eq!(age(&store, now + DAY), 1);
    assert_eq!(days(), None);
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.mailboxes(account).unwrap().is_empty());
    assert_eq!(store.check().unwrap().findings, []);
}

#[test]
fn the_file_is_made_as_small_as_what_is_in_it() {
    let folder = Folder::new("compact");
    let store = folder.store();
    let (gone, stays) = (add(&store, "ann@x.example"), add(&store, "bea@x.example"));
    for seed in 0..60 {
        let mut packer = store.packer();
        packer.push(&octets(200_000, seed)).unwrap();
        let parcel = packer.finish().unwrap();
        let mailbox = crate::mail::MailboxId::new(if seed % 20 == 0 { stays } else { gone }, 1);
        let message =
            NewMessage { parcel, flags: Vec::new(), received: Stamp::utc(0), now: 0, history: History::default() };
        store.write_blocking(Write::Append { mailbox, message }).unwrap();
    }
    assert!(matches!(Store::compact(&folder.0, Options::default()), Err(Fault::InUse)));
    store.write_blocking(Write::RemoveAccount(gone)).unwrap();
    drop(store);
    let (before, after) = Store::compact(&folder.0, Options::default()).unwrap();
    assert!(after < before / 2, "{before} octets became {after}");
    let store = folder.store();
    assert_eq!(store.snapshot().unwrap().usage(stays).unwrap().messages, 3);
    assert_eq!(store.check().unwrap().findings, []);
    append(&store, stays).unwrap();
}

#[test]
fn one_that_shall_go_at_once_does_and_leaves_another_of_its_address_alone() {
    let folder = Folder::new("closed-erased");
    let store = folder.store();
    let first = add(&store, "ann@x.example");
    append(&store, first).unwrap();
    close(&store, first, 5);
    let second = add(&store, "ann@x.example");
    store.write_blocking(Write::EraseClosed(first)).unwrap();
    assert!(store.snapshot().unwrap().closed_accounts().unwrap().is_empty());
    assert_eq!(store.snapshot().unwrap().account_of("ann@x.example").unwrap(), Some(second));
    assert!(store.write_blocking(Write::EraseClosed(second)).is_err());
    assert_eq!(store.check().unwrap().findings, []);
}
