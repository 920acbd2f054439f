//! The store as a whole, on a file.

use super::*;
use crate::mail::{AccountId, MailboxId, MailboxName, Span, Stamp, Uid};

/// A folder that goes when the test ends.
pub(super) struct Folder(pub(super) std::path::PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("pillarbox-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }

    pub(super) fn store(&self) -> Store {
        Store::open(&self.0, Options::default()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn account(store: &Store, limits: Limits) -> (AccountId, MailboxId) {
    let new = NewAccount { address: "a@example.org".to_owned(), credentials: Credentials::default(), limits, now: 0 };
    let Outcome::Account(account) = store.write_blocking(Write::AddAccount(new)).unwrap() else { panic!() };
    (account, inbox(store, account))
}

fn inbox(store: &Store, account: AccountId) -> MailboxId {
    store.snapshot().unwrap().mailbox_named(account, "INBOX").unwrap().unwrap()
}

pub(super) fn message(store: &Store, octets: &[u8]) -> NewMessage {
    let mut packer = store.packer();
    packer.push(octets).unwrap();
    packed(packer)
}

fn packed(packer: Packer) -> NewMessage {
    NewMessage {
        parcel: packer.finish().unwrap(),
        flags: Vec::new(),
        received: Stamp::utc(0),
        now: 0,
        history: History::default(),
    }
}

pub(super) fn append(store: &Store, mailbox: MailboxId, octets: &[u8]) -> Result<Uid, StoreError> {
    match store.write_blocking(Write::Append { mailbox, message: message(store, octets) })? {
        Outcome::Appended { uid, .. } => Ok(uid),
        other => panic!("{other:?}"),
    }
}

pub(super) fn read(store: &Store, mailbox: MailboxId, uid: Uid) -> Vec<u8> {
    let snapshot = store.snapshot().unwrap();
    let message = snapshot.message(mailbox, uid).unwrap().unwrap();
    let stored = snapshot.head(message.blob).unwrap().unwrap();
    let head = stored.read().unwrap();
    let mut out = Vec::new();
    let mut reading = Reading { blob: message.blob, rest: Span { start: 0, end: head.size } };
    assert!(reading.read(&snapshot, &head, &mut out, usize::MAX).unwrap());
    out
}

pub(super) fn octets(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut octets = b"Subject: x\r\n\r\n".to_vec();
    while octets.len() < size {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        octets.push(b'a' + u8::try_from((state >> 40) % 23).unwrap());
    }
    octets
}

#[test]
fn a_message_comes_back_octet_for_octet_whatever_its_size() {
    let folder = Folder::new("octets");
    let store = folder.store();
    let (_, inbox) = account(&store, Limits::default());
    for size in [14, 100, 4_000, 4_090, 70_000, 131_032 + 14, 131_033 + 14, 400_000, 3_000_000] {
        let mail = octets(size, size as u64);
        let uid = append(&store, inbox, &mail).unwrap();
        assert_eq!(read(&store, inbox, uid), mail, "{size}");
    }
    assert_eq!(store.check().unwrap().findings, []);
}

#[test]
fn any_range_of_a_message_can_be_read_in_bufferfuls() {
    let folder = Folder::new("ranges");
    let store = folder.store();
    let (_, inbox) = account(&store, Limits::default());
    let mail = octets(400_000, 3);
    let uid = append(&store, inbox, &mail).unwrap();
    let snapshot = store.snapshot().unwrap();
    let blob = snapshot.message(inbox, uid).unwrap().unwrap().blob;
    let stored = snapshot.head(blob).unwrap().unwrap();
    let head = stored.read().unwrap();
    for (start, end) in
        [(0, 5), (3, 20), (14, 14), (10, 140_000), (131_046, 131_047), (131_045, 399_999), (399_999, 400_000)]
    {
        let mut reading = Reading { blob, rest: Span { start, end } };
        let mut out = Vec::new();
        loop {
            let mut piece = Vec::new();
            let ended = reading.read(&snapshot, &head, &mut piece, 1).unwrap();
            out.extend(piece);
            if ended {
                break;
            }
        }
        assert_eq!(out, &mail[start as usize..end as usize], "{start}..{end}");
    }
}

#[test]
fn a_large_upload_is_staged_and_one_that_is_given_up_is_swept() {
    let folder = Folder::new("staged");
    let store = folder.store();
    let (_, inbox) = account(&store, Limits::default());
    let mail = octets(2_000_000, 9);
    let mut packer = store.packer();
    packer.push(&mail[..1_000_000]).unwrap();
    assert!(packer.held() > 0);
    let stage = store.stage(&mut packer);
    store.write_blocking(stage).unwrap();
    packer.push(&mail[1_000_000..]).unwrap();
    let mut given_up = store.packer();
    given_up.push(&mail).unwrap();
    let stage = store.stage(&mut given_up);
    store.write_blocking(stage).unwrap();
    drop(given_up);
    let message = packed(packer);
    store.write_blocking(Write::Append { mailbox: inbox, message }).unwrap();
    let Outcome::Swept { removed, .. } = store.write_blocking(Write::Sweep).unwrap() else { panic!() };
    assert_eq!(removed, 1);
    assert_eq!(read(&store, inbox, Uid::FIRST), mail);
    assert_eq!(store.check().unwrap().findings, []);
}

#[test]
fn a_first_start_that_was_cut_off_is_made_again() {
    let folder = Folder::new("cut-off");
    std::fs::create_dir_all(&folder.0).unwrap();
    std::fs::write(folder.0.join("mail.redb.new"), [0; 8192]).unwrap();
    let store = folder.store();
    account(&store, Limits::default());
    assert!(!folder.0.join("mail.redb.new").exists());
    assert!(matches!(Store::open(&folder.0, Options::default()), Err(Fault::InUse)));
}

#[test]
fn a_file_that_is_no_store_is_neither_opened_nor_written_over() {
    let folder = Folder::new("no-store");
    std::fs::create_dir_all(&folder.0).unwrap();
    for octets in [vec![], vec![0; 100_000], b"something else".to_vec()] {
        std::fs::write(folder.0.join("mail.redb"), &octets).unwrap();
        assert!(Store::open(&folder.0, Options::default()).is_err());
        assert_eq!(std::fs::read(folder.0.join("mail.redb")).unwrap(), octets);
    }
}

#[test]
fn an_upload_that_lost_frames_when_the_store_was_opened_again_is_not_shown() {
    let folder = Folder::new("lost-frames");
    let store = folder.store();
    let (_, inbox) = account(&store, Limits::default());
    let watch = store.watch(inbox).unwrap().unwrap();
    let mail = octets(1_000_000, 5);
    let mut packer = store.packer();
    packer.push(&mail).unwrap();
    store.write_blocking(store.stage(&mut packer)).unwrap();
    store.shared.recover(true);
    let message = packed(packer);
    let cut_off = store.write_blocking(Write::Append { mailbox: inbox, message });
    assert!(matches!(cut_off, Err(StoreError::Fault(_))), "{cut_off:?}");
    append(&store, inbox, b"A: b\r\n\r\n").unwrap();
    assert_eq!(watch.now().rows.len(), 1);
    store.write_blocking(Write::Sweep).unwrap();
    assert_eq!(store.check().unwrap().findings, []);
}

#[test]
fn one_damaged_record_does_not_disturb_others_in_the_same_transaction() {
    let folder = Folder::new("neighbours");
    let store = folder.store();
    let (_, inbox) = account(&store, Limits::default());
    let other = NewAccount {
        address: "b@example.org".to_owned(),
        credentials: Credentials::default(),
        limits: Limits::default(),
        now: 0,
    };
    let Outcome::Account(other) = store.write_blocking(Write::AddAccount(other)).unwrap() else { panic!() };
    let sent = store.snapshot().unwrap().mailbox_named(other, "Sent").unwrap().unwrap();
    drop(store);
    {
        let database = redb::Database::open(folder.0.join("mail.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(schema::MAILBOX).unwrap().insert(sent.0, [9_u8, 9].as_slice()).unwrap();
        transaction.commit().unwrap();
    }
    let store = folder.store();
    let outcomes: Vec<_> = smol::block_on(async {
        let mut waiting = Vec::new();
        for number in 0..20_u64 {
            let mailbox = if number % 4 == 1 { sent } else { inbox };
            let message = message(&store, &octets(500, number));
            let mut write = Box::pin(store.write(Write::Append { mailbox, message }));
            let early = smol::future::poll_once(&mut write).await;
            waiting.push((early, write));
        }
        let mut outcomes = Vec::new();
        for (early, write) in waiting {
            outcomes.push(match early {
                Some(outcome) => outcome,
                None => write.await,
            });
        }
        outcomes
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 15);
    assert_eq!(store.snapshot().unwrap().messages(inbox, 1, u32::MAX).unwrap().count(), 15);
}

#[test]
fn the_writer_goes_on_after_a_panic_and_open_mailboxes_with_it() {
    let folder = Folder::new("panic");
    let store = folder.store();
    let (_, inbox) = account(&store, Limits::default());
    let watch = store.watch(inbox).unwrap().unwrap();
    append(&store, inbox, b"A: 1\r\n\r\n").unwrap();
    let broken = Write::Store {
        mailbox: inbox,
        uids: Uids(vec![(1, 1)]),
        change: FlagChange::Add(vec![write::PANIC.to_owned()]),
    };
    assert!(matches!(store.write_blocking(broken), Err(StoreError::Fault(Fault::Corrupt(_)))));
    append(&store, inbox, b"A: 2\r\n\r\n").unwrap();
    assert_eq!(watch.now().rows.len(), 2);
    assert_eq!(store.check().unwrap().findings, []);
}

#[test]
fn mail_survives_a_new_start_and_uids_and_blob_ids_go_on() {
    let folder = Folder::new("restart");
    let (first, inbox_id);
    {
        let store = folder.store();
        let (account, inbox) = account(&store, Limits::default());
        inbox_id = (account, inbox);
        first = append(&store, inbox, b"A: b\r\n\r\none\r\n").unwrap();
    }
    let store = folder.store();
    let (account, inbox) = inbox_id;
    assert_eq!(super::tests::inbox(&store, account), inbox);
    assert_eq!(read(&store, inbox, first), b"A: b\r\n\r\none\r\n");
    assert!(append(&store, inbox, b"A: b\r\n\r\ntwo\r\n").unwrap() > first);
    assert_eq!(store.check().unwrap().findings, []);
}

#[test]
fn the_quota_stops_append_and_copy_but_neither_move_nor_flags_nor_expunge() {
    let folder = Folder::new("quota");
    let store = folder.store();
    let (account, inbox) = account(&store, Limits { bytes: Some(100), messages: None });
    let trash = store.snapshot().unwrap().mailbox_named(account, "Trash").unwrap().unwrap();
    let uid = append(&store, inbox, &octets(60, 1)).unwrap();
    let over = |result: Result<Outcome, StoreError>| matches!(result, Err(StoreError::Refused(Refusal::OverQuota)));
    assert!(matches!(append(&store, inbox, &octets(60, 2)), Err(StoreError::Refused(Refusal::OverQuota))));
    assert!(over(store.write_blocking(Write::Copy { from: inbox, uids: Uids::one(uid), to: trash })));
    let change = FlagChange::Add(vec!["\\Deleted".to_owned()]);
    store.write_blocking(Write::Move { from: inbox, uids: Uids::one(uid), to: trash }).unwrap();
    store.write_blocking(Write::Store { mailbox: trash, uids: Uids::all(), change }).unwrap();
    assert_eq!(store.write_blocking(Write::Expunge { mailbox: trash, uids: None }).unwrap(), Outcome::Expunged(1));
    append(&store, inbox, &octets(60, 3)).unwrap();
    assert_eq!(store.check().unwrap().findings, []);
}

#[test]
fn a_copy_keeps_the_content_until_the_last_message_goes() {
    let folder = Folder::new("copies");
    let store = folder.store();
    let (account, inbox) = account(&store, Limits::default());
    let sent = store.snapshot().unwrap().mailbox_named(account, "Sent").unwrap().unwrap();
    let uid = append(&store, inbox, &octets(10_000, 1)).unwrap();
    store.write_blocking(Write::Copy { from: inbox, uids: Uids::one(uid), to: sent }).unwrap();
    for mailbox in [inbox, sent] {
        assert_eq!(read(&store, sent, Uid::FIRST), octets(10_000, 1));
        let change = FlagChange::Add(vec!["\\Deleted".to_owned(), "kept".to_owned()]);
        store.write_blocking(Write::Store { mailbox, uids: Uids::all(), change }).unwrap();
        store.write_blocking(Write::Expunge { mailbox, uids: None }).unwrap();
        store.write_blocking(Write::Sweep).unwrap();
        assert_eq!(store.check().unwrap().findings, []);
    }
    let table = store.snapshot().unwrap();
    assert_eq!(redb::ReadableTableMetadata::len(&table.table(schema::HEAD).unwrap()).unwrap(), 0);
    assert_eq!(redb::ReadableTableMetadata::len(&table.table(schema::BODY).unwrap()).unwrap(), 0);
}

#[test]
fn a_rename_takes_those_below_along_and_inbox_gives_its_mail() {
    let folder = Folder::new("rename");
    let store = folder.store();
    let (account, inbox) = account(&store, Limits::default());
    let create = |name: &str| {
        store.write_blocking(Write::CreateMailbox { account, name: MailboxName::nearest(name), special: None })
    };
    let rename = |from: &str, to: &str| {
        store.write_blocking(Write::RenameMailbox {
            account,
            from: MailboxName::nearest(from),
            to: MailboxName::nearest(to),
        })
    };
    create("a/b/c").unwrap();
    rename("a/b", "x/y").unwrap();
    append(&store, inbox, b"A: b\r\n\r\n").unwrap();
    rename("INBOX", "old").unwrap();
    let snapshot = store.snapshot().unwrap();
    let names: Vec<String> =
        snapshot.mailboxes(account).unwrap().into_iter().map(|(_, mailbox)| mailbox.name).collect();
    assert_eq!(names, ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash", "a", "old", "x", "x/y", "x/y/c"]);
    let old = snapshot.mailbox_named(account, "old").unwrap().unwrap();
    assert_eq!(snapshot.mailbox(old).unwrap().unwrap().messages, 1);
    assert_eq!(snapshot.mailbox(inbox).unwrap().unwrap().messages, 0);
    assert!(matches!(rename("x", "x/z"), Err(StoreError::Refused(Refusal::IntoItself))));
    assert!(matches!(create("x"), Err(StoreError::Refused(Refusal::MailboxExists))));
    assert_eq!(store.check().unwrap().findings, []);
}

#[test]
fn a_watch_sees_what_is_committed_and_hears_the_bell() {
    let folder = Folder::new("watch");
    let store = folder.store();
    let (_, inbox) = account(&store, Limits::default());
    let watch = store.watch(inbox).unwrap().unwrap();
    let bell = watch.listen();
    append(&store, inbox, b"A: b\r\n\r\n").unwrap();
    smol::block_on(bell);
    assert_eq!(watch.now().rows.len(), 1);
    assert_eq!(watch.claim_recent(2), 1);
    assert_eq!(watch.claim_recent(2), 2);
}

#[test]
fn a_wrong_counter_is_found_and_mended() {
    let folder = Folder::new("mend");
    let store = folder.store();
    let (_, inbox) = account(&store, Limits::default());
    append(&store, inbox, &octets(500, 1)).unwrap();
    let mut record = store.snapshot().unwrap().mailbox(inbox).unwrap().unwrap();
    record.unseen = 7;
    drop(store);
    {
        let database = redb::Database::open(folder.0.join("mail.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        let bytes = record::encode(&record).unwrap();
        transaction.open_table(schema::MAILBOX).unwrap().insert(inbox.0, bytes.as_slice()).unwrap();
        transaction.commit().unwrap();
    }
    let store = folder.store();
    let report = store.check().unwrap();
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    assert_eq!(store.mend(&report).unwrap(), 1);
    assert_eq!(store.check().unwrap().findings, []);
}
