//! Each kind of finding, made by a hand that writes around the store.

use super::record::{self, MailboxRecord, Message};
use super::tests::{Folder, account, append, message, octets};
use super::*;
use crate::mail::{BlobId, FlagSet, MailboxId, ModSeq, Uid, UidValidity};
use redb::{ReadableTable, WriteTransaction};
use std::num::{NonZeroU32, NonZeroU64};

/// What there is to damage.
struct Scene {
    account: crate::mail::AccountId,
    inbox: MailboxId,
    record: MailboxRecord,
    /// The first of two messages; the second was expunged.
    message: Message,
}

/// Makes a store, damages it, and returns what `check` says and how many findings can be mended.
fn found(name: &str, damage: impl FnOnce(&WriteTransaction, &Scene)) -> (Vec<String>, usize) {
    let folder = Folder::new(&format!("check-{name}"));
    let scene = {
        let store = folder.store();
        let (account, inbox) = account(&store, Limits::default());
        append(&store, inbox, &octets(100_000, 1)).unwrap();
        append(&store, inbox, &octets(300, 2)).unwrap();
        let change = FlagChange::Add(vec!["\\Deleted".to_owned()]);
        store.write_blocking(Write::Store { mailbox: inbox, uids: Uids(vec![(2, 2)]), change }).unwrap();
        store.write_blocking(Write::Expunge { mailbox: inbox, uids: None }).unwrap();
        store.write_blocking(Write::Sweep).unwrap();
        assert_eq!(store.check().unwrap().findings, []);
        let snapshot = store.snapshot().unwrap();
        let message = snapshot.message(inbox, Uid::FIRST).unwrap().unwrap();
        Scene { account, inbox, record: snapshot.mailbox(inbox).unwrap().unwrap(), message }
    };
    {
        let database = redb::Database::open(folder.0.join("mail.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        damage(&transaction, &scene);
        transaction.commit().unwrap();
    }
    let store = folder.store();
    let report = store.check().unwrap();
    let mended = store.mend(&report).unwrap();
    while store.write_blocking(Write::Sweep).unwrap() != (Outcome::Swept { removed: 0, more: false }) {}
    let after = store.check().unwrap().findings;
    assert_eq!(after.len(), report.findings.len() - mended, "{after:?}");
    (report.findings.into_iter().map(|finding| finding.what).collect(), mended)
}

fn assert_found(name: &str, says: &str, mendable: usize, damage: impl FnOnce(&WriteTransaction, &Scene)) {
    let (found, mended) = found(name, damage);
    assert!(found.iter().any(|what| what.contains(says)), "{says:?} is not in {found:?}");
    assert_eq!(mended, mendable, "{found:?}");
}

fn put_mailbox(transaction: &WriteTransaction, scene: &Scene, change: impl FnOnce(&mut MailboxRecord)) {
    let mut record = scene.record.clone();
    change(&mut record);
    let bytes = record::encode(&record).unwrap();
    transaction.open_table(schema::MAILBOX).unwrap().insert(scene.inbox.0, bytes.as_slice()).unwrap();
}

fn put_message(transaction: &WriteTransaction, scene: &Scene, uid: u32, change: impl FnOnce(&mut Message)) {
    let mut message = scene.message;
    change(&mut message);
    let key = schema::msg_key(scene.inbox, Uid::new(uid).unwrap());
    let bytes = record::encode(&message).unwrap();
    transaction.open_table(schema::MSG).unwrap().insert(&key, bytes.as_slice()).unwrap();
}

#[test]
fn check_finds_what_is_wrong_with_accounts() {
    assert_found("address", "its address leads elsewhere", 0, |t, s| {
        let mut table = t.open_table(schema::ADDRESS).unwrap();
        table.insert("a@example.org", s.account.0 + 5).unwrap();
    });
    assert_found("address-nowhere", "leads to no account", 0, |t, _| {
        t.open_table(schema::ADDRESS).unwrap().insert("x@example.org", 77).unwrap();
    });
    assert_found("account-record", "damaged record: account", 0, |t, s| {
        t.open_table(schema::ACCOUNT).unwrap().insert(s.account.0, [1_u8, 200].as_slice()).unwrap();
    });
    assert_found("account-number", "given out again", 0, |t, _| {
        t.open_table(schema::CONFIG).unwrap().insert(schema::LAST_ACCOUNT, 0).unwrap();
    });
    assert_found("subscription", "of no account", 0, |t, _| {
        let key = schema::name_key(crate::mail::AccountId(9), "x");
        t.open_table(schema::SUBSCRIPTION).unwrap().insert(key.as_slice(), ()).unwrap();
    });
    assert_found("inbox", "no INBOX", 0, |t, s| {
        let key = schema::name_key(s.account, "INBOX");
        t.open_table(schema::NAME).unwrap().remove(key.as_slice()).unwrap();
    });
}

#[test]
fn check_finds_what_is_wrong_with_mailboxes() {
    assert_found("name-nowhere", "leads to no mailbox", 0, |t, s| {
        let key = schema::name_key(s.account, "ghost");
        t.open_table(schema::NAME).unwrap().insert(key.as_slice(), 99).unwrap();
    });
    assert_found("name-second", "leads to a mailbox named INBOX", 0, |t, s| {
        let key = schema::name_key(s.account, "second");
        t.open_table(schema::NAME).unwrap().insert(key.as_slice(), s.inbox.0).unwrap();
    });
    assert_found("name-else", "its name leads elsewhere", 0, |t, s| put_mailbox(t, s, |m| m.name = "x".to_owned()));
    assert_found("validity", "UIDVALIDITY is not its own", 0, |t, s| {
        put_mailbox(t, s, |m| m.uid_validity = UidValidity(NonZeroU32::MAX));
    });
    assert_found("counters", "counts (", 1, |t, s| put_mailbox(t, s, |m| m.bytes += 1));
    assert_found("unseen", "counts (", 1, |t, s| put_mailbox(t, s, |m| m.unseen = u64::MAX));
    assert_found("unknown-owner", "its account does not know it", 0, |t, s| {
        let bytes = record::encode(&MailboxRecord::new("y", s.record.uid_validity, None)).unwrap();
        let id = MailboxId::new(s.account, 500);
        t.open_table(schema::MAILBOX).unwrap().insert(id.0, bytes.as_slice()).unwrap();
    });
    assert_found("mailbox-record", "damaged record: mailbox", 0, |t, s| {
        t.open_table(schema::MAILBOX).unwrap().insert(s.inbox.0, [7_u8].as_slice()).unwrap();
    });
}

#[test]
fn check_finds_what_is_wrong_with_messages() {
    assert_found("uid-next", "not below UIDNEXT", 2, |t, s| put_message(t, s, 50, |m| m.blob = BlobId(1)));
    assert_found("modseq", "modseq above", 0, |t, s| {
        put_message(t, s, 1, |m| m.modseq = ModSeq(NonZeroU64::MAX));
    });
    assert_found("keyword", "a keyword without name", 0, |t, s| {
        put_message(t, s, 1, |m| m.flags = FlagSet::keyword(3));
    });
    assert_found("flag", "a flag that is none", 0, |t, s| put_message(t, s, 1, |m| m.flags = FlagSet(1 << 6)));
    assert_found("size", "its messages say", 1, |t, s| put_message(t, s, 1, |m| m.size += 1));
    assert_found("vanished-there", "is there", 0, |t, s| {
        let bytes = record::encode(&Uids(vec![(1, 1)])).unwrap();
        let key = schema::vanished_key(s.inbox, 2);
        t.open_table(schema::VANISHED).unwrap().insert(&key, bytes.as_slice()).unwrap();
    });
    assert_found("vanished-above", "is not below UIDNEXT", 0, |t, s| {
        let bytes = record::encode(&Uids(vec![(70, 80)])).unwrap();
        let key = schema::vanished_key(s.inbox, 2);
        t.open_table(schema::VANISHED).unwrap().insert(&key, bytes.as_slice()).unwrap();
    });
    assert_found("vanished-record", "damaged record: expunge log", 0, |t, s| {
        let key = schema::vanished_key(s.inbox, 2);
        t.open_table(schema::VANISHED).unwrap().insert(&key, [1_u8, 255].as_slice()).unwrap();
    });
    assert_found("vanished-modseq", "expunge log of INBOX: modseq above", 0, |t, s| {
        let bytes = record::encode(&Uids(vec![])).unwrap();
        let key = schema::vanished_key(s.inbox, 9_999);
        t.open_table(schema::VANISHED).unwrap().insert(&key, bytes.as_slice()).unwrap();
    });
    assert_found("message-nowhere", "does not exist", 1, |t, s| {
        let bytes = record::encode(&s.message).unwrap();
        let key = schema::msg_key(MailboxId(77), Uid::FIRST);
        t.open_table(schema::MSG).unwrap().insert(&key, bytes.as_slice()).unwrap();
    });
}

#[test]
fn check_finds_what_is_wrong_with_contents() {
    assert_found("lost", "shown by a message, but not there", 0, |t, s| {
        t.open_table(schema::HEAD).unwrap().remove(s.message.blob.0).unwrap();
    });
    assert_found("pieces-shown", "pieces without a head, shown", 0, |t, s| {
        t.open_table(schema::HEAD).unwrap().remove(s.message.blob.0).unwrap();
    });
    assert_found("pieces", "pieces without a head", 1, |t, _| {
        let key = schema::body_key(BlobId(3_000), 0, 0);
        t.open_table(schema::BODY).unwrap().insert(&key, [1_u8].as_slice()).unwrap();
    });
    assert_found("extra-piece", "its head knows", 0, |t, s| {
        let key = schema::body_key(s.message.blob, 9, 0);
        t.open_table(schema::BODY).unwrap().insert(&key, [1_u8].as_slice()).unwrap();
    });
    assert_found("missing-piece", "is missing", 0, |t, s| {
        let key = schema::body_key(s.message.blob, 0, 0);
        t.open_table(schema::BODY).unwrap().remove(&key).unwrap();
    });
    assert_found("other-octets", "blob ", 0, |t, s| {
        let mut table = t.open_table(schema::BODY).unwrap();
        let key = schema::body_key(s.message.blob, 0, 0);
        let mut piece = table.get(&key).unwrap().unwrap().value().to_vec();
        piece[3_000] ^= 1;
        table.insert(&key, piece.as_slice()).unwrap();
    });
    assert_found("refs", "counts 4 messages", 1, |t, s| {
        t.open_table(schema::REFS).unwrap().insert(s.message.blob.0, 4).unwrap();
    });
    assert_found("refs-nowhere", "counted, but not there", 1, |t, _| {
        t.open_table(schema::REFS).unwrap().insert(3_000, 2).unwrap();
    });
    assert_found("ceiling", "not below the ceiling", 0, |t, _| {
        t.open_table(schema::CONFIG).unwrap().insert(schema::BLOB_CEILING, 0).unwrap();
    });
    assert_found("unshown", "no message shows it", 2, |t, s| {
        let key = schema::msg_key(s.inbox, Uid::FIRST);
        t.open_table(schema::MSG).unwrap().remove(&key).unwrap();
    });
}

#[test]
fn a_ceiling_that_was_lost_gives_no_blob_id_out_twice() {
    let folder = Folder::new("check-ceiling-lost");
    let first = octets(2_000, 1);
    let inbox = {
        let store = folder.store();
        let (_, inbox) = account(&store, Limits::default());
        append(&store, inbox, &first).unwrap();
        inbox
    };
    {
        let database = redb::Database::open(folder.0.join("mail.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(schema::CONFIG).unwrap().remove(schema::BLOB_CEILING).unwrap();
        transaction.commit().unwrap();
    }
    let store = folder.store();
    let message = message(&store, &octets(2_000, 2));
    store.write_blocking(Write::Append { mailbox: inbox, message }).unwrap();
    assert_eq!(super::tests::read(&store, inbox, Uid::FIRST), first);
    assert_eq!(store.check().unwrap().findings, []);
}
