//! Deliveries to many places, and the queue.

use super::tests::{Folder, append, octets, read};
use super::*;
use crate::mail::{AccountId, MailboxId, MailboxName, Stamp, Uid, limits};
use event_listener::Listener;

fn account(store: &Store, address: &str, bytes: Option<u64>) -> (AccountId, MailboxId) {
    let limits = Limits { bytes, messages: None };
    let new = NewAccount { address: address.to_owned(), credentials: Credentials::default(), limits, now: 0 };
    let Outcome::Account(account) = store.write_blocking(Write::AddAccount(new)).unwrap() else { panic!() };
    (account, named(store, account, "INBOX"))
}

fn named(store: &Store, account: AccountId, name: &str) -> MailboxId {
    store.snapshot().unwrap().mailbox_named(account, name).unwrap().unwrap()
}

fn copy(account: AccountId, place: Place, grace: Grace) -> LocalCopy {
    LocalCopy { account, place, flags: Vec::new(), grace }
}

fn parcel(store: &Store, content: &[u8]) -> Parcel {
    let mut packer = store.packer();
    packer.push(content).unwrap();
    packer.finish().unwrap()
}

fn posting(store: &Store, content: &[u8], copies: Vec<LocalCopy>, onward: Option<Onward>) -> Posting {
    Posting {
        parcel: parcel(store, content),
        received: Stamp::utc(0),
        copies,
        onward: onward.into_iter().collect(),
        once: None,
    }
}

fn deliver(store: &Store, messages: Vec<Posting>) -> Vec<Result<Placed, Refusal>> {
    match store
        .write_blocking(Write::Deliver(Box::new(Delivery { messages, now: 100, ..Delivery::default() })))
        .unwrap()
    {
        Outcome::Delivered(copies) => copies,
        other => panic!("{other:?}"),
    }
}

fn onward(to: &[&str]) -> Onward {
    let recipients = to.iter().map(|to| OnwardRecipient { address: (*to).to_owned(), ..OnwardRecipient::default() });
    Onward { from: "a@example.org".to_owned(), recipients: recipients.collect(), ..Onward::default() }
}

fn queue(store: &Store) -> Vec<(QueueId, Queued)> {
    store.snapshot().unwrap().queue(QueueId(0), 100).unwrap()
}

fn requeue(
    store: &Store,
    id: QueueId,
    revision: u64,
    now_is: Option<Queued>,
    told: Option<Delivery>,
) -> Result<Outcome, StoreError> {
    store.write_blocking(Write::Queue { id, revision, now_is: now_is.map(Box::new), told: told.map(Box::new) })
}

fn sweep(store: &Store) {
    while let Outcome::Swept { more: true, .. } = store.write_blocking(Write::Sweep).unwrap() {}
}

fn assert_clean(store: &Store) {
    assert_eq!(store.check().unwrap().findings, []);
}

#[test]
fn one_content_in_many_places_is_stored_once_and_goes_with_the_last() {
    let folder = Folder::new("deliver-many");
    let store = folder.store();
    let (anna, inbox) = account(&store, "anna@example.org", None);
    let (bert, _) = account(&store, "bert@example.org", None);
    let content = octets(400_000, 1);
    let copies = vec![
        copy(anna, Place::Inbox, Grace::None),
        copy(bert, Place::Special(SpecialUse::Junk), Grace::None),
        copy(bert, Place::of(MailboxName::nearest("Lists/Rust")), Grace::None),
    ];
    let file = |store: &Store| store.check().unwrap().blobs;
    let placed = deliver(&store, vec![posting(&store, &content, copies, Some(onward(&["out@example.net"])))]);
    let placed: Vec<Placed> = placed.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        placed.iter().map(|at| at.mailbox).collect::<Vec<_>>(),
        [inbox, named(&store, bert, "Junk"), named(&store, bert, "Lists/Rust")]
    );
    for at in &placed {
        assert_eq!(read(&store, at.mailbox, at.uid), content);
    }
    assert_eq!(file(&store), 1);
    assert_clean(&store);
    for at in &placed {
        let (mailbox, uids) = (at.mailbox, Uids::one(at.uid));
        let change = FlagChange::Add(vec!["\\Deleted".to_owned()]);
        store.write_blocking(Write::Store { mailbox, uids: uids.clone(), change }).unwrap();
        store.write_blocking(Write::Expunge { mailbox, uids: Some(uids) }).unwrap();
    }
    sweep(&store);
    assert_eq!(file(&store), 1, "the queue still shows it");
    let [(id, queued)] = queue(&store).try_into().unwrap();
    requeue(&store, id, queued.revision, None, None).unwrap();
    sweep(&store);
    assert_eq!(file(&store), 0);
    assert_clean(&store);
}

#[test]
fn a_copy_over_quota_is_refused_for_itself_and_grace_goes_some_way() {
    let folder = Folder::new("deliver-quota");
    let store = folder.store();
    let (full, inbox) = account(&store, "full@example.org", Some(10_000));
    let (other, _) = account(&store, "other@example.org", None);
    append(&store, inbox, &octets(9_500, 1)).unwrap();
    let to = |grace| vec![copy(full, Place::Inbox, grace), copy(other, Place::Inbox, Grace::None)];
    let first = deliver(&store, vec![posting(&store, &octets(1_000, 2), to(Grace::None), None)]);
    assert!(matches!(first[..], [Err(Refusal::OverQuota), Ok(_)]), "{first:?}");
    let second = deliver(&store, vec![posting(&store, &octets(1_000, 3), to(Grace::Percent(10)), None)]);
    assert!(matches!(second[..], [Ok(_), Ok(_)]), "{second:?}");
    let third = deliver(&store, vec![posting(&store, &octets(1_000, 4), to(Grace::Percent(10)), None)]);
    assert!(matches!(third[..], [Err(Refusal::OverQuota), Ok(_)]), "{third:?}");
    let alone = vec![copy(full, Place::Inbox, Grace::None)];
    deliver(&store, vec![posting(&store, &octets(500_000, 5), alone, None)]);
    sweep(&store);
    assert_clean(&store);
}

#[test]
fn what_cannot_have_its_folder_goes_to_inbox() {
    let folder = Folder::new("deliver-folder");
    let store = folder.store();
    let (anna, inbox) = account(&store, "anna@example.org", None);
    for number in 0.. {
        // As many as there may be.
        let name = MailboxName::nearest(&format!("{number}{}", "/x".repeat(limits::MAILBOX_DEPTH - 1)));
        match store.write_blocking(Write::CreateMailbox { account: anna, name, special: None }) {
            Err(StoreError::Refused(Refusal::TooManyMailboxes)) => break,
            made => made.unwrap(),
        };
    }
    let place = Place::of(MailboxName::nearest(&["y"; limits::MAILBOX_DEPTH].join("/")));
    let placed = deliver(&store, vec![posting(&store, b"A: b\r\n\r\nc", vec![copy(anna, place, Grace::None)], None)]);
    assert_eq!(placed, [Ok(Placed { mailbox: inbox, uid: Uid::FIRST })]);
    let gone = vec![copy(AccountId(77), Place::Inbox, Grace::Unlimited)];
    assert_eq!(deliver(&store, vec![posting(&store, b"A: b\r\n\r\nc", gone, None)]), [Err(Refusal::NoAccount)]);
    assert_clean(&store);
}

#[test]
fn the_queue_changes_by_whoever_knows_how_it_is() {
    let folder = Folder::new("queue");
    let content = octets(3_000, 9);
    let id = {
        let store = folder.store();
        let (anna, _) = account(&store, "anna@example.org", None);
        let bell = store.queue_changes();
        deliver(&store, vec![posting(&store, &content, Vec::new(), Some(onward(&["x@example.net", "y@example.net"])))]);
        bell.wait();
        let [(id, queued)] = queue(&store).try_into().unwrap();
        assert_eq!((queued.made, queued.next, queued.size, queued.recipients.len()), (100, 100, 3_000, 2));
        assert_eq!(store.snapshot().unwrap().due(9).unwrap(), [(100, id)]);
        let mut later = Queued { next: 700, attempts: 1, ..queued.clone() };
        later.recipients[0].state = Progress::Failed { said: "550 no".to_owned() };
        let told = posting(&store, b"Subject: no\r\n\r\n", vec![copy(anna, Place::Inbox, Grace::Unlimited)], None);
        requeue(
            &store,
            id,
            0,
            Some(later.clone()),
            Some(Delivery { messages: vec![told], now: 101, ..Delivery::default() }),
        )
        .unwrap();
        assert_eq!(store.snapshot().unwrap().due(9).unwrap(), [(700, id)]);
        let late = requeue(&store, id, 0, None, None);
        assert!(matches!(late, Err(StoreError::Refused(Refusal::Changed))), "{late:?}");
        id
    };
    let store = folder.store();
    let [(found, queued)] = queue(&store).try_into().unwrap();
    assert_eq!((found, queued.revision, queued.attempts), (id, 1, 1));
    assert_eq!(queued.recipients[0].state, Progress::Failed { said: "550 no".to_owned() });
    assert_clean(&store);
}

#[test]
fn what_is_kept_is_found_below_its_key_and_in_its_space_only() {
    let folder = Folder::new("kept");
    let store = folder.store();
    let keep = |space, key: &[u8], value: Option<&[u8]>| {
        let write = Write::Keep { space, key: key.to_vec(), value: value.map(<[u8]>::to_vec) };
        store.write_blocking(write).unwrap();
    };
    keep(Space::Dkim, b"a/1", Some(b"one"));
    keep(Space::Dkim, b"a/2", Some(b"two"));
    keep(Space::Dkim, b"b/1", Some(b"three"));
    keep(Space::Answered, b"a/1", Some(b"four"));
    keep(Space::Dkim, b"a/1", None);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.all_kept(Space::Dkim, b"a/", 9).unwrap(), [(b"a/2".to_vec(), b"two".to_vec())]);
    assert_eq!(snapshot.all_kept(Space::Dkim, b"", 9).unwrap().len(), 2);
    assert_eq!(snapshot.kept(Space::Answered, b"a/1").unwrap(), Some(b"four".to_vec()));
    assert_eq!(snapshot.kept(Space::Dkim, b"a/1").unwrap(), None);
}

#[test]
fn what_was_taken_is_known_again_for_a_while_and_not_taken_twice() {
    let folder = Folder::new("marks");
    let store = Store::open(&folder.0, Options::default()).unwrap();
    let (ann, inbox) = account(&store, "ann@example.org", None);
    let (ben, _) = account(&store, "ben@example.org", Some(1));
    let marks = vec![
        Mark { key: [1; 16], copies: vec![0], anew: false },
        Mark { key: [2; 16], copies: vec![1], anew: false },
        Mark { key: [3; 16], copies: vec![], anew: false },
        Mark { key: [4; 16], copies: vec![0, 1], anew: false },
    ];
    let deliver = |now| {
        let copies = [ann, ben].map(|account| copy(account, Place::Inbox, Grace::None)).to_vec();
        let messages = vec![posting(&store, b"A: 1\r\n\r\nhello\r\n", copies, None)];
        store.write_blocking(Write::Deliver(Box::new(Delivery { messages, marks: marks.clone(), now })))
    };
    let taken = |key: u8, now| store.snapshot().unwrap().was_taken(&[key; 16], now).unwrap();
    assert!(!taken(1, 100));
    deliver(100).unwrap();
    // Ben has no room: for him it may come again.
    assert_eq!([1, 2, 3, 4].map(|key| taken(key, 100)), [true, false, true, false]);
    assert!(matches!(deliver(101), Err(StoreError::Refused(Refusal::Changed))));
    assert_eq!(store.snapshot().unwrap().mailbox(inbox).unwrap().unwrap().messages, 1);
    let later = 100 + Mark::GOOD_FOR;
    assert_eq!([taken(1, later - 1), taken(1, later)], [true, false]);
    let forget = |now| store.write_blocking(Write::ForgetMarks { now }).unwrap();
    assert_eq!([forget(later - 1), forget(later), forget(later)], [0, 2, 0].map(Outcome::Expunged));
    deliver(later).unwrap();
    assert_eq!(store.snapshot().unwrap().mailbox(inbox).unwrap().unwrap().messages, 2);
}
