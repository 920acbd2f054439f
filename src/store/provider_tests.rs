//! Mailboxes at providers: mail and the note that it came are one; steps that do not fit any more are left out.

use super::tests::{Folder, append, octets};
use super::*;
use crate::mail::{AccountId, BlobId, FlagSet, MailboxId, Stamp, SystemFlag, Uid};

fn account(store: &Store) -> (AccountId, MailboxId) {
    let new = NewAccount {
        address: "ann@example.org".to_owned(),
        credentials: Credentials::default(),
        limits: Limits::default(),
        now: 0,
    };
    let Outcome::Account(account) = store.write_blocking(Write::AddAccount(new)).unwrap() else { panic!() };
    (account, mailbox(store, account, "INBOX"))
}

fn mailbox(store: &Store, account: AccountId, name: &str) -> MailboxId {
    store.snapshot().unwrap().mailbox_named(account, name).unwrap().unwrap()
}

fn provider(account: AccountId) -> Provider {
    Provider {
        account,
        protocol: Protocol::Imap,
        host: "mail.example.net".to_owned(),
        port: 993,
        security: Security::Tls,
        certificate: Certificate::Public,
        user: "ann".to_owned(),
        password: "secret words".to_owned(),
        way: Way::Both,
        every: 300,
        paused: false,
        asked: 0,
        confirmed: 0,
        made: 0,
    }
}

fn change(store: &Store, change: ProviderChange) -> Result<Outcome, StoreError> {
    store.write_blocking(Write::Provider(Box::new(change)))
}

fn added(store: &Store, account: AccountId) -> ProviderId {
    let Outcome::Provider(id) = change(store, ProviderChange::Add(provider(account))).unwrap() else { panic!() };
    id
}

fn pair(remote: u32, local: Uid) -> Pair {
    Pair { remote, local: Some(local), blob: BlobId(1), key: 7, size: 100, agreed: FlagSet::NONE, since: 0 }
}

fn parcel(store: &Store, content: &[u8]) -> Parcel {
    let mut packer = store.packer();
    packer.push(content).unwrap();
    packer.finish().unwrap()
}

fn arrive(store: &Store, id: ProviderId, mailbox: MailboxId, remote: u32) -> Result<Outcome, StoreError> {
    let message = NewMessage {
        parcel: parcel(store, &octets(3_000, u64::from(remote))),
        flags: vec!["\\Seen".to_owned(), "work".to_owned()],
        received: Stamp::utc(5),
        now: 9,
        history: History::default(),
    };
    let note = Note::Pair { folder: FolderId(1), pair: pair(remote, Uid::FIRST) };
    let message = Arriving::Append { mailbox, message };
    store.write_blocking(Write::Arrive(Box::new(Arrival { provider: id, message, note })))
}

fn pairs(store: &Store, id: ProviderId) -> Vec<Pair> {
    store.snapshot().unwrap().pairs(id, FolderId(1)).unwrap()
}

fn steps(store: &Store, id: ProviderId, steps: Vec<Step>) -> Vec<bool> {
    match change(store, ProviderChange::Steps { id, steps }).unwrap() {
        Outcome::Stepped(done) => done,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_and_the_note_that_it_came_are_one_and_it_comes_once() {
    let folder = Folder::new("provider-arrival");
    let store = folder.store();
    let (account, inbox) = account(&store);
    let id = added(&store, account);
    arrive(&store, id, inbox, 40).unwrap();
    assert!(matches!(arrive(&store, id, inbox, 40), Err(StoreError::Refused(Refusal::Changed))));
    let [one] = pairs(&store, id)[..] else { panic!() };
    let snapshot = store.snapshot().unwrap();
    let message = snapshot.message(inbox, one.local.unwrap()).unwrap().unwrap();
    assert_eq!((one.blob, one.agreed), (message.blob, message.flags));
    assert!(one.agreed.is(SystemFlag::Seen) && one.agreed.has(FlagSet::keyword(0)));
    assert_eq!(snapshot.mailbox(inbox).unwrap().unwrap().messages, 1);
    drop((snapshot, store));
    // And after a crash, which the journal has to bring it through.
    let store = folder.store();
    assert_eq!(pairs(&store, id).len(), 1);
    assert_eq!(store.check().unwrap().findings, []);
}

#[test]
fn what_the_quota_does_not_let_in_is_not_noted_either() {
    let folder = Folder::new("provider-quota");
    let store = folder.store();
    let (account, inbox) = account(&store);
    let id = added(&store, account);
    let limits = Limits { bytes: Some(1_000), messages: None };
    store.write_blocking(Write::SetLimits { account, limits }).unwrap();
    assert!(matches!(arrive(&store, id, inbox, 1), Err(StoreError::Refused(Refusal::OverQuota))));
    let copy = LocalCopy { account, place: Place::Inbox, flags: Vec::new(), grace: Grace::None };
    let posting = Posting {
        parcel: parcel(&store, &octets(3_000, 1)),
        received: Stamp::utc(0),
        copies: vec![copy],
        onward: Vec::new(),
        once: None,
    };
    let arrival = Arrival {
        provider: id,
        message: Arriving::Deliver(Delivery { messages: vec![posting], marks: Vec::new(), now: 0 }),
        note: Note::Collected(Collected { name: b"uidl-1".to_vec(), since: 0 }),
    };
    let refused = store.write_blocking(Write::Arrive(Box::new(arrival)));
    assert!(matches!(refused, Err(StoreError::Refused(Refusal::OverQuota))));
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.pairs(id, FolderId(1)).unwrap().is_empty() && snapshot.collected(id).unwrap().is_empty());
}

#[test]
fn steps_that_do_not_fit_any_more_are_left_out() {
    let folder = Folder::new("provider-steps");
    let store = folder.store();
    let (account, inbox) = account(&store);
    let id = added(&store, account);
    arrive(&store, id, inbox, 1).unwrap();
    arrive(&store, id, inbox, 2).unwrap();
    let [one, two] = pairs(&store, id)[..] else { panic!() };
    let (first, second) = (one.local.unwrap(), two.local.unwrap());
    let gone = Uid::new(99).unwrap();
    let archive = mailbox(&store, account, "Archive");
    let flagged = SystemFlag::Flagged.set();
    let flag = |pair: Pair, uid: Uid| Step::Flag {
        folder: FolderId(1),
        pair: Pair { agreed: pair.agreed | flagged, ..pair },
        mailbox: inbox,
        uid,
        add: flagged,
        remove: FlagSet::NONE,
    };
    let moved = |pair: Pair, now_is| Step::Move {
        from: FolderId(1),
        pair,
        mailbox: inbox,
        into: FolderId(2),
        to: archive,
        now_is,
    };
    let done = steps(
        &store,
        id,
        vec![
            flag(one, first),
            flag(pair(3, gone), gone),
            moved(two, 50),
            moved(pair(4, gone), 51),
            Step::DropMailbox { mailbox: inbox },
            Step::DropMailbox { mailbox: archive },
        ],
    );
    assert_eq!(done, [true, false, true, false, false, false]);
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.message(inbox, first).unwrap().unwrap().flags.is(SystemFlag::Flagged));
    assert!(snapshot.message(inbox, second).unwrap().is_none());
    let [there] = snapshot.pairs(id, FolderId(2)).unwrap()[..] else { panic!() };
    let message = snapshot.message(archive, there.local.unwrap()).unwrap().unwrap();
    // The keyword has the number that the other mailbox gives it.
    assert_eq!((there.remote, there.agreed, there.blob), (50, message.flags, message.blob));
    drop(snapshot);
    let delete = |remote, uid| Step::Delete { folder: FolderId(1), remote, mailbox: inbox, uid };
    assert_eq!(steps(&store, id, vec![delete(1, first), delete(77, gone)]), [true, true]);
    assert!(pairs(&store, id).is_empty());
    assert_eq!(store.check().unwrap().findings, []);
}

#[test]
fn nothing_is_left_of_one_that_is_removed_and_no_number_comes_again() {
    let folder = Folder::new("provider-remove");
    let store = folder.store();
    let (account, inbox) = account(&store);
    let (id, other) = (added(&store, account), added(&store, account));
    arrive(&store, id, inbox, 1).unwrap();
    arrive(&store, other, inbox, 1).unwrap();
    change(&store, ProviderChange::State { id, state: ProviderState::default() }).unwrap();
    change(&store, ProviderChange::Remove(id)).unwrap();
    assert!(matches!(arrive(&store, id, inbox, 2), Err(StoreError::Refused(Refusal::Changed))));
    let refused = change(&store, ProviderChange::Steps { id, steps: Vec::new() });
    assert!(matches!(refused, Err(StoreError::Refused(Refusal::Changed))));
    assert!(pairs(&store, id).is_empty());
    assert_eq!((pairs(&store, other).len(), store.snapshot().unwrap().providers().unwrap().len()), (1, 1));
    assert!(added(&store, account) > other);
    store.write_blocking(Write::RemoveAccount(account)).unwrap();
    assert!(store.snapshot().unwrap().providers().unwrap().is_empty() && pairs(&store, other).is_empty());
}

#[test]
fn a_password_is_not_shown() {
    assert!(!format!("{:?}", provider(AccountId(1))).contains("secret"));
}

#[test]
fn who_listens_hears_of_each_commit() {
    use event_listener::Listener;
    let folder = Folder::new("provider-bell");
    let store = folder.store();
    let (_, inbox) = account(&store);
    let heard = store.changes();
    append(&store, inbox, &octets(100, 1)).unwrap();
    heard.wait();
}
