//! Stores that have mailboxes by names that no door lets in any more.

use super::tests::{Folder, append};
use super::*;
use crate::mail::{AccountId, MailboxId, MailboxName, Stamp, UidValidity};

fn account(store: &Store) -> AccountId {
    let new = NewAccount {
        address: "ann@example.org".to_owned(),
        credentials: Credentials::default(),
        limits: Limits::default(),
        now: 0,
    };
    let Outcome::Account(account) = store.write_blocking(Write::AddAccount(new)).unwrap() else { panic!() };
    account
}

/// As an earlier version made it, at a door that looked at nothing.
fn make(store: &Store, account: AccountId, name: &str, subject: &str) -> MailboxId {
    let name = MailboxName::unsettled(name);
    let create = Write::CreateMailbox { account, name: name.clone(), special: None };
    let Outcome::Mailbox(mailbox) = store.write_blocking(create).unwrap() else { panic!() };
    store.write_blocking(Write::Subscribe { account, name, on: true }).unwrap();
    append(store, mailbox, format!("Subject: {subject}\r\n\r\n").as_bytes()).unwrap();
    mailbox
}

/// Its name, its UIDVALIDITY and its UIDs.
type Shown = (String, UidValidity, Vec<u32>);

fn shown(store: &Store, account: AccountId) -> Vec<Shown> {
    let snapshot = store.snapshot().unwrap();
    let mailboxes = snapshot.mailboxes(account).unwrap().into_iter();
    let shown = mailboxes.map(|(id, record)| {
        let uids = snapshot.messages(id, 1, u32::MAX).unwrap().map(|row| row.unwrap().0.number()).collect();
        (record.name, record.uid_validity, uids)
    });
    shown.filter(|(name, ..)| !["Archive", "Drafts", "Junk", "Sent", "Trash"].contains(&name.as_str())).collect()
}

fn validity(store: &Store, mailbox: MailboxId) -> UidValidity {
    store.snapshot().unwrap().mailbox(mailbox).unwrap().unwrap().uid_validity
}

#[test]
fn names_that_no_door_lets_in_are_settled_at_a_start_and_no_message_is_lost() {
    let folder = Folder::new("settle");
    let (ann, kid, cafe, inbox, twice);
    {
        let store = folder.store();
        ann = account(&store);
        inbox = store.snapshot().unwrap().mailbox_named(ann, "INBOX").unwrap().unwrap();
        append(&store, inbox, b"A: b\r\n\r\n").unwrap();
        // With what is above it, `inbox`, which nobody could open.
        let below = make(&store, ann, "inbox/Kid", "kid");
        kid = validity(&store, below);
        let above = store.snapshot().unwrap().mailbox_kept_as(ann, "inbox").unwrap().unwrap();
        append(&store, above, b"A: lost\r\n\r\n").unwrap();
        let composed = make(&store, ann, "Caf\u{e9}", "composed");
        cafe = validity(&store, composed);
        make(&store, ann, "Cafe\u{301}", "decomposed");
        twice = make(&store, ann, "zero\u{200b}width/a\u{202e}b", "unseen");
    }
    let store = folder.store();
    let settled = shown(&store, ann);
    assert_eq!(
        settled,
        [
            ("Caf\u{e9}".to_owned(), cafe, vec![1, 2]),
            ("INBOX".to_owned(), validity(&store, inbox), vec![1, 2]),
            ("INBOX/Kid".to_owned(), kid, vec![1]),
            ("zerowidth".to_owned(), settled[3].1, vec![]),
            ("zerowidth/ab".to_owned(), validity(&store, twice), vec![1]),
        ]
    );
    let snapshot = store.snapshot().unwrap();
    let subscribed = snapshot.subscriptions(ann).unwrap();
    assert!(subscribed.iter().all(|name| MailboxName::is_settled(name)), "{subscribed:?}");
    assert!(subscribed.iter().any(|name| name == "INBOX/Kid"));
    for spelling in ["Cafe\u{301}", "inbox/Kid", "InBox/Kid"] {
        assert!(snapshot.mailbox_named(ann, spelling).unwrap().is_some(), "{spelling}");
    }
    assert_eq!(snapshot.usage(ann).unwrap().messages, 6);
    drop(snapshot);
    assert_eq!(store.check().unwrap().findings, []);
    drop(store);
    assert_eq!(shown(&folder.store(), ann), settled, "a second start has nothing to do");
}

#[test]
fn what_a_provider_has_of_a_mailbox_goes_with_its_name_and_is_not_taken_for_deleted() {
    let folder = Folder::new("settle-provider");
    let (ann, provider);
    {
        let store = folder.store();
        ann = account(&store);
        let far = |local, name: &str| FarFolder {
            remote: Some(name.as_bytes().to_vec()),
            local: Some(local),
            name: name.to_owned(),
            ..FarFolder::default()
        };
        let (renamed, merged) = (make(&store, ann, "Inbox/Projects", "a"), make(&store, ann, "e\u{301}", "b"));
        make(&store, ann, "\u{e9}", "c");
        let wish = Provider {
            account: ann,
            protocol: Protocol::Imap,
            host: "h".to_owned(),
            port: 143,
            security: Security::Plain,
            certificate: Certificate::Public,
            user: "u".to_owned(),
            password: "p".to_owned(),
            way: Way::Both,
            every: 60,
            paused: false,
            asked: 0,
            confirmed: 0,
            made: 0,
        };
        let add = Write::Provider(Box::new(ProviderChange::Add(wish)));
        let Outcome::Provider(id) = store.write_blocking(add).unwrap() else { panic!() };
        provider = id;
        let steps = vec![
            Step::Folder { folder: FolderId(1), now_is: far(renamed, "Inbox/Projects") },
            Step::Folder { folder: FolderId(2), now_is: far(merged, "e\u{301}") },
        ];
        store.write_blocking(Write::Provider(Box::new(ProviderChange::Steps { id, steps }))).unwrap();
    }
    let store = folder.store();
    let snapshot = store.snapshot().unwrap();
    let folders = snapshot.far_folders(provider).unwrap();
    let [(FolderId(1), far)] = folders.as_slice() else { panic!("{folders:?}") };
    assert_eq!(far.name, "INBOX/Projects");
    assert_eq!(far.remote.as_deref(), Some(&b"Inbox/Projects"[..]));
}

#[test]
fn a_delivery_finds_the_mailbox_that_is_meant_however_it_is_spelled() {
    let folder = Folder::new("settle-deliver");
    let store = folder.store();
    let ann = account(&store);
    for (spelling, name) in [("inbox", "INBOX"), ("InBox/Kid", "INBOX/Kid"), ("Cafe\u{301}", "Caf\u{e9}")] {
        let mut packer = store.packer();
        packer.push(b"A: b\r\n\r\n").unwrap();
        let place = Place::of(MailboxName::settle(spelling).unwrap());
        let copy = LocalCopy { account: ann, place, flags: Vec::new(), grace: Grace::None };
        let posting = Posting {
            parcel: packer.finish().unwrap(),
            received: Stamp::default(),
            copies: vec![copy],
            onward: Vec::new(),
            once: None,
        };
        let delivery = Delivery { messages: vec![posting], marks: Vec::new(), now: 0 };
        let Outcome::Delivered(placed) = store.write_blocking(Write::Deliver(Box::new(delivery))).unwrap() else {
            panic!()
        };
        let mailbox = placed[0].unwrap().mailbox;
        assert_eq!(store.snapshot().unwrap().mailbox(mailbox).unwrap().unwrap().name, name);
    }
}
