//! Large changes: one to whoever asks, whole in each message whatever cuts them off.

use super::queue::Space;
use super::steps::ROWS_AT_ONCE;
use super::tests::{Folder, account, append};
use super::*;
use crate::mail::{AccountId, MailboxId, MailboxName, SystemFlag, Uid};

/// A store with an INBOX that holds more messages than are changed at once, all with the same content.
fn crowded(name: &str, limits: Limits) -> (Folder, Store, AccountId, MailboxId, u64) {
    let folder = Folder::new(name);
    let store = folder.store();
    let (account, inbox) = account(&store, limits);
    append(&store, inbox, b"Subject: one of many\r\n\r\nbody\r\n").unwrap();
    let mut count = 1;
    while count <= 2 * ROWS_AT_ONCE {
        store.write_blocking(Write::Copy { from: inbox, uids: Uids::all(), to: inbox }).unwrap();
        count *= 2;
    }
    (folder, store, account, inbox, count)
}

fn mailbox(store: &Store, account: AccountId, name: &str) -> MailboxId {
    store.snapshot().unwrap().mailbox_named(account, name).unwrap().unwrap()
}

fn messages(store: &Store, mailbox: MailboxId) -> u64 {
    let snapshot = store.snapshot().unwrap();
    let rows = snapshot.messages(mailbox, 1, u32::MAX).unwrap().map(Result::unwrap).count() as u64;
    assert_eq!(snapshot.mailbox(mailbox).unwrap().map_or(0, |record| record.messages), rows, "the counter is right");
    rows
}

fn assert_sound(store: &Store) {
    assert_eq!(store.check().unwrap().findings, []);
}

fn name(name: &str) -> MailboxName {
    MailboxName::settle(name).unwrap()
}

fn add(flag: SystemFlag) -> FlagChange {
    FlagChange::Add(vec![flag.name().to_owned()])
}

#[test]
fn a_large_change_is_one_to_whoever_asks_for_it() {
    let (_folder, store, account, inbox, count) = crowded("large", Limits::default());
    let all = u32::try_from(count).unwrap();
    let archive = mailbox(&store, account, "Archive");
    let stored =
        store.write_blocking(Write::Store { mailbox: inbox, uids: Uids::all(), change: add(SystemFlag::Seen) });
    assert!(matches!(stored, Ok(Outcome::Stored(_))));
    assert_eq!(store.snapshot().unwrap().mailbox(inbox).unwrap().unwrap().unseen, 0);
    let Ok(Outcome::Copied { from, to, .. }) =
        store.write_blocking(Write::Copy { from: inbox, uids: Uids::all(), to: archive })
    else {
        panic!("it is a copy")
    };
    assert_eq!((from, to), (Uids(vec![(1, all)]), Uids(vec![(1, all)])));
    let Ok(Outcome::Copied { from, to, .. }) =
        store.write_blocking(Write::Move { from: inbox, uids: Uids(vec![(2, all)]), to: archive })
    else {
        panic!("it is a move")
    };
    assert_eq!((from, to), (Uids(vec![(2, all)]), Uids(vec![(all + 1, 2 * all - 1)])));
    assert_eq!((messages(&store, inbox), messages(&store, archive)), (1, 2 * count - 1));
    store
        .write_blocking(Write::Store { mailbox: archive, uids: Uids::all(), change: add(SystemFlag::Deleted) })
        .unwrap();
    let expunged = store.write_blocking(Write::Expunge { mailbox: archive, uids: None }).unwrap();
    assert_eq!(expunged, Outcome::Expunged(2 * count - 1));
    assert_eq!(messages(&store, archive), 0);
    assert_sound(&store);
    assert!(store.snapshot().unwrap().all_kept(Space::Copies, &[], 1).unwrap().is_empty(), "nothing is noted any more");
}

#[test]
fn what_pop3_deletes_and_what_expires_goes_in_steps_too() {
    let (_folder, store, account, inbox, count) = crowded("retired", Limits::default());
    let trash = mailbox(&store, account, "Trash");
    let retire = Write::Retire { mailbox: inbox, uids: Uids::all(), how: OnDelete::Trash };
    assert_eq!(store.write_blocking(retire).unwrap(), Outcome::Done);
    assert_eq!((messages(&store, inbox), messages(&store, trash)), (0, count));
    let expire = Write::Expire { mailbox: trash, uids: Uids::all(), before: i64::MAX };
    assert_eq!(store.write_blocking(expire).unwrap(), Outcome::Expunged(count));
    assert_eq!(messages(&store, trash), 0);
    assert_sound(&store);
}

#[test]
fn a_large_copy_without_room_for_all_of_it_brings_nothing() {
    let limits = Limits { messages: Some(2 * ROWS_AT_ONCE), ..Limits::default() };
    let folder = Folder::new("no-room");
    let store = folder.store();
    let (account, inbox) = account(&store, Limits::default());
    append(&store, inbox, b"Subject: x\r\n\r\n").unwrap();
    while messages(&store, inbox) <= ROWS_AT_ONCE {
        store.write_blocking(Write::Copy { from: inbox, uids: Uids::all(), to: inbox }).unwrap();
    }
    store.write_blocking(Write::SetLimits { account, limits }).unwrap();
    let archive = mailbox(&store, account, "Archive");
    let refused = store.write_blocking(Write::Copy { from: inbox, uids: Uids::all(), to: archive });
    assert!(matches!(refused, Err(StoreError::Refused(Refusal::OverQuota))), "{refused:?}");
    assert_eq!(messages(&store, archive), 0);
    assert_sound(&store);
}

#[test]
fn a_large_copy_that_is_cut_off_is_taken_out_again() {
    let (folder, store, account, inbox, count) = crowded("cut-off", Limits::default());
    let archive = mailbox(&store, account, "Archive");
    append(&store, archive, b"Subject: from before\r\n\r\n").unwrap();
    let copy = CopyId { to: archive, first: Uid::new(2).unwrap() };
    let total = Some(Total { messages: count, bytes: 0 });
    let step = |uids, total| Write::CopyStep { copy, from: inbox, uids, total, last: false };
    store.write_blocking(step(Uids(vec![(1, 9)]), total)).unwrap();
    append(&store, archive, b"Subject: meanwhile\r\n\r\n").unwrap();
    store.write_blocking(step(Uids(vec![(10, 120)]), None)).unwrap();
    assert_eq!(messages(&store, archive), 122);
    drop(store);
    let store = folder.store();
    // Each write lets a step go after it.
    for _ in 0..10 {
        store.write_blocking(Write::Subscribe { account, name: name("Archive"), on: true }).unwrap();
    }
    let left: Vec<u32> = {
        let snapshot = store.snapshot().unwrap();
        let uids = snapshot.messages(archive, 1, u32::MAX).unwrap().map(|row| row.unwrap().0.number()).collect();
        assert!(snapshot.all_kept(Space::Copies, &[], 1).unwrap().is_empty());
        uids
    };
    assert_eq!(left, [1, 11], "what else is there stays");
    assert_eq!(messages(&store, inbox), count);
    assert_sound(&store);
}

#[test]
fn a_step_of_a_copy_that_was_undone_is_refused() {
    let (_folder, store, account, inbox, count) = crowded("undone", Limits::default());
    let archive = mailbox(&store, account, "Archive");
    let copy = CopyId { to: archive, first: Uid::FIRST };
    let total = Some(Total { messages: count, bytes: 0 });
    let step = |total, last| Write::CopyStep { copy, from: inbox, uids: Uids(vec![(1, 10)]), total, last };
    store.write_blocking(step(total, false)).unwrap();
    store.write_blocking(Write::Uncopy { copy, uids: Uids::all(), last: true }).unwrap();
    assert!(store.write_blocking(step(None, true)).is_err());
    assert_eq!(messages(&store, archive), 0);
    assert_sound(&store);
}

#[test]
fn a_large_mailbox_is_removed_at_once_and_swept_later() {
    let (folder, store, account, inbox, count) = crowded("leaving", Limits::default());
    store.write_blocking(Write::CreateMailbox { account, name: name("Big"), special: None }).unwrap();
    let big = mailbox(&store, account, "Big");
    store.write_blocking(Write::Move { from: inbox, uids: Uids::all(), to: big }).unwrap();
    append(&store, inbox, b"Subject: stays\r\n\r\n").unwrap();
    store.write_blocking(Write::DeleteMailbox { account, name: name("Big") }).unwrap();
    assert_eq!(store.snapshot().unwrap().mailbox_named(account, "Big").unwrap(), None);
    assert_eq!(store.snapshot().unwrap().usage(account).unwrap().messages, 1);
    assert_sound(&store);
    drop(store);
    let store = folder.store();
    let mut sweeps = 0;
    while let Ok(Outcome::Swept { more: true, .. }) = store.write_blocking(Write::Sweep) {
        sweeps += 1;
        assert!(sweeps < count, "it comes to an end");
    }
    let left = store.snapshot().unwrap().messages(big, 1, u32::MAX).unwrap().count();
    assert_eq!((left, messages(&store, inbox)), (0, 1));
    assert!(store.snapshot().unwrap().all_kept(Space::Leaving, &[], 1).unwrap().is_empty());
    assert_sound(&store);
}

#[test]
fn a_large_inbox_is_renamed_and_stays_empty() {
    let (_folder, store, account, inbox, count) = crowded("renamed", Limits::default());
    let rename = |to: &str| Write::RenameMailbox { account, from: name("INBOX"), to: name(to) };
    assert!(store.write_blocking(rename("Archive")).is_err());
    assert_eq!(store.write_blocking(rename("Old/mail")).unwrap(), Outcome::Done);
    assert_eq!((messages(&store, inbox), messages(&store, mailbox(&store, account, "Old/mail"))), (0, count));
    assert_sound(&store);
}
