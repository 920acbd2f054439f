//! A program of a later format takes the store over, and an earlier one goes back: with files, and with cuts between.

use super::layout::{Layout, Step};
use super::tests::{Folder, account, append, octets, read};
use super::*;
use crate::mail::{AccountId, MailboxId, Uid};
use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, WriteTransaction};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

const NEW: TableDefinition<&str, u64> = TableDefinition::new("new-in-2");

/// Brings something new, and writes records in another way: where POP3 left mail unseen, it marks it now.
fn to_2(transaction: &WriteTransaction) -> Result<(), Fault> {
    transaction.open_table(NEW)?.insert("is it there?", 2)?;
    let mut table = transaction.open_table(schema::ACCOUNT)?;
    let mut accounts = Vec::new();
    for row in table.iter()? {
        let (id, record) = row?;
        accounts.push((id.value(), record::decode::<Account>(record.value(), "account")?));
    }
    for (id, mut account) in accounts {
        account.pop3.marks_seen ^= true;
        table.insert(id, record::encode(&account)?.as_slice())?;
    }
    Ok(())
}

fn to_3(transaction: &WriteTransaction) -> Result<(), Fault> {
    transaction.open_table(NEW)?.insert("is it there?", 3)?;
    Ok(())
}

fn to_2_but_fails(transaction: &WriteTransaction) -> Result<(), Fault> {
    to_2(transaction)?;
    Err(Fault::Corrupt("what the step needs"))
}

fn to_2_but_panics(transaction: &WriteTransaction) -> Result<(), Fault> {
    to_2(transaction)?;
    panic!("a step that panics")
}

const STEP_1: Step = Step { from: 1, tables: to_2, journal: journal::decode };
const STEP_2: Step = Step { from: 2, tables: to_3, journal: journal::decode };
static ONE: Layout = Layout { format: 1, steps: &[] };
static TWO: Layout = Layout { format: 2, steps: &[STEP_1] };
static THREE: Layout = Layout { format: 3, steps: &[STEP_1, STEP_2] };
static FAILS: Layout =
    Layout { format: 2, steps: &[Step { from: 1, tables: to_2_but_fails, journal: journal::decode }] };
static PANICS: Layout =
    Layout { format: 2, steps: &[Step { from: 1, tables: to_2_but_panics, journal: journal::decode }] };

fn open(folder: &Folder, layout: &'static Layout) -> Result<Store, Fault> {
    Store::open_as(&folder.0, Options::default(), layout)
}

fn mark(folder: &Folder, how: &str) {
    fs::write(folder.0.join("restore-format"), how).unwrap();
}

fn marker(folder: &Folder) -> bool {
    folder.0.join("restore-format").exists()
}

/// A store of format 1 with some mail.
fn first(folder: &Folder) -> (AccountId, MailboxId) {
    let store = open(folder, &ONE).unwrap();
    let made = account(&store, Limits::default());
    for number in 0..20 {
        append(&store, made.1, &octets(5_000, number)).unwrap();
    }
    made
}

fn count(store: &Store, mailbox: MailboxId) -> usize {
    store.snapshot().unwrap().messages(mailbox, 1, u32::MAX).unwrap().count()
}

fn marks_seen(store: &Store, account: AccountId) -> bool {
    store.snapshot().unwrap().account(account).unwrap().unwrap().pop3.marks_seen
}

fn validity(store: &Store, mailbox: MailboxId) -> u32 {
    store.snapshot().unwrap().mailbox(mailbox).unwrap().unwrap().uid_validity.0.get()
}

fn assert_clean(store: &Store) {
    assert_eq!(store.check().unwrap().findings, []);
}

#[test]
fn a_newer_format_is_given_up_for_the_state_before_it() {
    let folder = Folder::new("format");
    let (account, inbox) = first(&folder);
    let sent;
    let seen;
    let before;
    {
        let store = open(&folder, &ONE).unwrap();
        (seen, before) = (marks_seen(&store, account), validity(&store, inbox));
        sent = store.snapshot().unwrap().mailbox_named(account, "Sent").unwrap().unwrap();
        assert_eq!(store.way_back().unwrap(), None);
    }
    let sent_before = {
        let store = open(&folder, &TWO).unwrap();
        assert_eq!(marks_seen(&store, account), !seen, "the step was done");
        let way_back = store.way_back().unwrap().unwrap();
        assert_eq!((way_back.format, way_back.messages), (1, 0));
        for number in 20..25 {
            append(&store, inbox, &octets(5_000, number)).unwrap();
        }
        assert_eq!(store.way_back().unwrap().unwrap().messages, 5);
        assert_clean(&store);
        validity(&store, sent)
    };
    {
        // Its second start finds it as it was.
        let store = open(&folder, &TWO).unwrap();
        assert_eq!((count(&store, inbox), marks_seen(&store, account)), (25, !seen));
        assert_eq!(store.way_back().unwrap().unwrap().messages, 5);
    }
    assert!(matches!(open(&folder, &ONE), Err(Fault::TooNew(2))), "not without being told");
    mark(&folder, "unharmed");
    assert!(matches!(open(&folder, &ONE), Err(Fault::TooNew(2))), "five messages would be lost");
    ask_to_restore(&folder.0).unwrap();
    let store = open(&folder, &ONE).unwrap();
    assert!(!marker(&folder));
    assert_eq!((count(&store, inbox), marks_seen(&store, account)), (20, seen));
    assert_eq!(read(&store, inbox, Uid::FIRST), octets(5_000, 0));
    assert_clean(&store);
    assert!(validity(&store, inbox) > before, "UIDs from 21 on had other messages");
    assert_eq!(validity(&store, sent), sent_before, "nothing happened there");
    assert_eq!(store.way_back().unwrap(), None);
    append(&store, inbox, &octets(5_000, 99)).unwrap();
    assert_clean(&store);
    drop(store);
    let database = Database::open(folder.0.join("mail.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    assert_eq!(transaction.list_persistent_savepoints().unwrap().count(), 0);
    assert!(database.begin_read().unwrap().open_table(NEW).is_err());
    transaction.abort().unwrap();
}

#[test]
fn a_newer_version_that_took_no_mail_is_left_by_itself() {
    let folder = Folder::new("format-unharmed");
    let (_, inbox) = first(&folder);
    drop(open(&folder, &TWO).unwrap());
    mark(&folder, "unharmed");
    let store = open(&folder, &ONE).unwrap();
    assert_eq!(count(&store, inbox), 20);
    assert_clean(&store);
}

#[test]
fn word_to_go_back_is_nothing_to_a_version_of_the_same_format() {
    let folder = Folder::new("format-same");
    let (_, inbox) = first(&folder);
    {
        let store = open(&folder, &TWO).unwrap();
        append(&store, inbox, &octets(5_000, 20)).unwrap();
    }
    mark(&folder, "discard");
    let store = open(&folder, &TWO).unwrap();
    assert!(!marker(&folder), "or the next update would go back by itself");
    assert_eq!(count(&store, inbox), 21);
}

#[test]
fn forward_again_after_the_way_back_takes_over_all_that_came_in_since() {
    let folder = Folder::new("format-again");
    let (account, inbox) = first(&folder);
    let seen = marks_seen(&open(&folder, &ONE).unwrap(), account);
    for round in 0..3 {
        {
            let store = open(&folder, &TWO).unwrap();
            assert_eq!(count(&store, inbox), 20 + round);
            append(&store, inbox, b"Subject: to be lost\r\n\r\n").unwrap();
            assert_clean(&store);
        }
        ask_to_restore(&folder.0).unwrap();
        let store = open(&folder, &ONE).unwrap();
        assert_eq!(marks_seen(&store, account), seen);
        append(&store, inbox, b"Subject: kept\r\n\r\n").unwrap();
        assert_clean(&store);
    }
}

#[test]
fn over_two_formats_the_way_back_is_to_the_last_one() {
    let folder = Folder::new("format-three");
    let (_, inbox) = first(&folder);
    append(&open(&folder, &TWO).unwrap(), inbox, b"Subject: in 2\r\n\r\n").unwrap();
    append(&open(&folder, &THREE).unwrap(), inbox, b"Subject: in 3\r\n\r\n").unwrap();
    ask_to_restore(&folder.0).unwrap();
    assert!(matches!(open(&folder, &ONE), Err(Fault::TooNew(3))), "what format 1 was is not kept");
    let store = open(&folder, &TWO).unwrap();
    assert_eq!(count(&store, inbox), 21);
    assert_eq!(store.way_back().unwrap(), None, "its own was given up for the newer one");
    assert_clean(&store);
    drop(store);
    assert!(matches!(open(&folder, &ONE), Err(Fault::TooNew(2))));
    // At once from 1 to 3, and back.
    let folder = Folder::new("format-three-at-once");
    let (_, inbox) = first(&folder);
    append(&open(&folder, &THREE).unwrap(), inbox, b"Subject: in 3\r\n\r\n").unwrap();
    ask_to_restore(&folder.0).unwrap();
    let store = open(&folder, &TWO).unwrap();
    assert_eq!(store.way_back().unwrap().map(|way_back| way_back.format), Some(1), "back to 1, and on to 2");
    assert_eq!(count(&store, inbox), 20);
    assert_clean(&store);
}

#[test]
fn what_cannot_be_written_is_read_in_its_own_format_only() {
    let folder = Folder::new("format-frozen");
    let (_, inbox) = first(&folder);
    drop(open(&folder, &TWO).unwrap());
    ask_to_restore(&folder.0).unwrap();
    assert!(matches!(Store::open_read_only_as(&folder.0, Options::default(), &ONE), Err(Fault::TooNew(2))));
    assert!(marker(&folder), "it is for the next start that can write");
    let store = open(&folder, &ONE).unwrap();
    drop(store);
    let store = Store::open_read_only_as(&folder.0, Options::default(), &ONE).unwrap();
    assert_eq!(count(&store, inbox), 20);
}

#[test]
fn a_step_that_fails_or_panics_changes_nothing() {
    for (name, layout) in [("fails", &FAILS), ("panics", &PANICS)] {
        let folder = Folder::new(&format!("format-{name}"));
        let (account, inbox) = first(&folder);
        let seen = marks_seen(&open(&folder, &ONE).unwrap(), account);
        assert!(open(&folder, layout).is_err());
        assert!(open(&folder, layout).is_err());
        let store = open(&folder, &ONE).unwrap();
        assert_eq!((count(&store, inbox), marks_seen(&store, account)), (20, seen));
        assert_eq!(store.way_back().unwrap(), None);
        assert_clean(&store);
    }
}

#[test]
fn a_format_without_a_step_is_not_opened() {
    static GAP: Layout = Layout { format: 3, steps: &[STEP_2] };
    let folder = Folder::new("format-gap");
    first(&folder);
    assert!(matches!(open(&folder, &GAP), Err(Fault::Corrupt(_))));
    assert!(open(&folder, &ONE).is_ok());
}

#[test]
fn the_way_back_is_let_go_when_the_owner_says_so() {
    let folder = Folder::new("format-keep");
    let (_, inbox) = first(&folder);
    {
        let store = open(&folder, &TWO).unwrap();
        append(&store, inbox, &octets(5_000, 20)).unwrap();
        assert!(folder.0.join("journal").exists(), "the earlier version would want it");
        store.write_blocking(Write::KeepFormat).unwrap();
        assert_eq!(store.way_back().unwrap(), None);
        assert!(!folder.0.join("journal").exists());
        store.write_blocking(Write::KeepFormat).unwrap();
    }
    ask_to_restore(&folder.0).unwrap();
    assert!(matches!(open(&folder, &ONE), Err(Fault::TooNew(2))), "there is none");
    let store = open(&folder, &TWO).unwrap();
    assert_eq!(count(&store, inbox), 21);
    assert_clean(&store);
    drop(store);
    let database = Database::open(folder.0.join("mail.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    assert_eq!(transaction.list_persistent_savepoints().unwrap().count(), 0);
    transaction.abort().unwrap();
}

#[test]
fn the_way_back_is_let_go_after_its_days() {
    let folder = Folder::new("format-days");
    let (_, inbox) = first(&folder);
    drop(open(&folder, &TWO).unwrap());
    {
        let database = Database::open(folder.0.join("mail.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(schema::CONFIG).unwrap().insert(schema::SAVEPOINT_TIME, 1_000).unwrap();
        let mut lived = lived::Lived::default();
        lived.observe(1_000, 0);
        lived.observe(1_000 + 31 * 24 * 60 * 60, 31 * 24 * 60 * 60);
        // And then the clock was put right.
        let now = medium::system_time();
        lived.observe(now - 25 * 60 * 60, 31 * 24 * 60 * 60);
        lived.observe(now, 31 * 24 * 60 * 60 + 25 * 60 * 60);
        let key = schema::kept_key(queue::Space::Lived, &[]);
        let written = lived.written().unwrap();
        transaction.open_table(schema::KEPT).unwrap().insert(key.as_slice(), written.as_slice()).unwrap();
        transaction.commit().unwrap();
    }
    {
        let store = open(&folder, &TWO).unwrap();
        append(&store, inbox, &octets(5_000, 20)).unwrap();
        // The checkpoint at its end lets go.
    }
    let store = open(&folder, &TWO).unwrap();
    assert_eq!(store.way_back().unwrap(), None);
    assert_eq!(count(&store, inbox), 21);
}

/// The files as they are while a store is open: what is left when the power goes.
fn cut(from: &Folder, to: &Folder) {
    fs::create_dir_all(&to.0).unwrap();
    for entry in fs::read_dir(&from.0).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name != "ballast" {
            fs::copy(&path, to.0.join(name)).unwrap();
        }
    }
}

#[test]
fn mail_that_only_the_journal_has_is_taken_over_and_comes_back() {
    let (whole, folder) = (Folder::new("format-journal"), Folder::new("format-journal-cut"));
    let (_, inbox) = first(&whole);
    {
        let store = open(&whole, &ONE).unwrap();
        for number in 0..3 {
            append(&store, inbox, &octets(2_000, 100 + number)).unwrap();
        }
        // Acknowledged, and in no table that is durable.
        cut(&whole, &folder);
    }
    {
        let store = open(&folder, &TWO).unwrap();
        assert_eq!(count(&store, inbox), 23);
        assert_eq!(read(&store, inbox, Uid::new(23).unwrap()), octets(2_000, 102));
        append(&store, inbox, b"Subject: in 2\r\n\r\n").unwrap();
        assert_clean(&store);
    }
    assert_eq!(count(&open(&folder, &TWO).unwrap(), inbox), 24, "and not taken over twice");
    ask_to_restore(&folder.0).unwrap();
    {
        let store = open(&folder, &ONE).unwrap();
        assert_eq!(count(&store, inbox), 23, "the journal of format 1 is as it was");
        assert_eq!(read(&store, inbox, Uid::new(23).unwrap()), octets(2_000, 102));
        append(&store, inbox, b"Subject: in 1\r\n\r\n").unwrap();
        assert_clean(&store);
    }
    assert_eq!(count(&open(&folder, &ONE).unwrap(), inbox), 24);
}

#[test]
fn a_cut_between_the_tables_and_the_journal_takes_over_the_rest_later() {
    let (whole, folder) = (Folder::new("format-between"), Folder::new("format-between-cut"));
    let (_, inbox) = first(&whole);
    let store = open(&whole, &ONE).unwrap();
    append(&store, inbox, &octets(2_000, 100)).unwrap();
    cut(&whole, &folder);
    drop(store);
    {
        let database = Database::open(folder.0.join("mail.redb")).unwrap();
        way_back::settle(&database, &TWO, Some(&folder.0), 1_000).unwrap();
    }
    let store = open(&folder, &TWO).unwrap();
    assert_eq!(count(&store, inbox), 21);
    assert_clean(&store);
}

#[test]
fn a_journal_of_before_format_3_is_taken_over_at_the_moment_of_its_newest_write() {
    static BEFORE: Layout = Layout { format: 2, steps: &[] };
    let folder = Folder::new("format-journal-2");
    let store = open(&folder, &BEFORE).unwrap();
    let (account, inbox) = account(&store, Limits::default());
    append(&store, inbox, &octets(2_000, 1)).unwrap();
    let sent = store.snapshot().unwrap().mailbox_named(account, "Sent").unwrap().unwrap();
    let mut packer = store.packer();
    packer.push(b"Subject: in the journal\r\n\r\n").unwrap();
    let message = NewMessage {
        parcel: packer.finish().unwrap(),
        flags: Vec::new(),
        received: crate::mail::Stamp::utc(900),
        now: 1_000,
        history: History::default(),
    };
    drop(store);
    let database = Database::open(folder.0.join("mail.redb")).unwrap();
    let config = database.begin_read().unwrap().open_table(schema::CONFIG).unwrap();
    let noted = config.get(schema::JOURNAL).unwrap().map_or(0, |noted| noted.value());
    drop(database);
    let records: [Vec<Write>; 2] = [
        vec![
            Write::Append { mailbox: inbox, message },
            Write::Copy { from: inbox, uids: Uids::one(Uid::FIRST), to: sent },
        ],
        vec![Write::Copy { from: inbox, uids: Uids::one(Uid::FIRST), to: sent }],
    ];
    let mut file = Vec::new();
    for (number, writes) in (noted + 1..).zip(&records) {
        file.extend(journal::frame(number, &postcard::to_allocvec(writes).unwrap()).unwrap());
    }
    fs::write(folder.0.join("journal-2"), file).unwrap();
    let began = medium::system_time();
    let store = open(&folder, &layout::TODAY).unwrap();
    let snapshot = store.snapshot().unwrap();
    let saved = |mailbox, uid| snapshot.message(mailbox, Uid::new(uid).unwrap()).unwrap().unwrap().saved;
    assert_eq!((count(&store, inbox), count(&store, sent)), (2, 2));
    assert_eq!((saved(inbox, 2), saved(sent, 1)), (1_000, 1_000));
    assert!(saved(sent, 2) >= began, "a record without any date is of the day of the update");
    assert_clean(&store);
}

#[test]
fn mail_in_a_newer_journal_counts_as_come_in() {
    let (whole, folder) = (Folder::new("format-newer-journal"), Folder::new("format-newer-journal-cut"));
    let (_, inbox) = first(&whole);
    let before;
    {
        let store = open(&whole, &TWO).unwrap();
        before = validity(&store, inbox);
        append(&store, inbox, &octets(2_000, 20)).unwrap();
        cut(&whole, &folder);
    }
    mark(&folder, "unharmed");
    assert!(matches!(open(&folder, &ONE), Err(Fault::TooNew(2))));
    mark(&folder, "discard");
    let store = open(&folder, &ONE).unwrap();
    assert_eq!(count(&store, inbox), 20);
    assert!(validity(&store, inbox) > before, "UID 21 was shown with another message");
    assert!(!folder.0.join("journal-2").exists());
    assert_clean(&store);
}

#[test]
fn a_cut_after_the_way_back_and_before_its_word_is_gone_does_no_harm() {
    let folder = Folder::new("format-twice");
    let (_, inbox) = first(&folder);
    append(&open(&folder, &TWO).unwrap(), inbox, b"Subject: in 2\r\n\r\n").unwrap();
    ask_to_restore(&folder.0).unwrap();
    append(&open(&folder, &ONE).unwrap(), inbox, b"Subject: in 1\r\n\r\n").unwrap();
    ask_to_restore(&folder.0).unwrap();
    let store = open(&folder, &ONE).unwrap();
    assert_eq!(count(&store, inbox), 21);
    assert!(!marker(&folder));
}

#[test]
fn uploads_and_expunges_go_on_with_a_way_back_and_without_it() {
    let folder = Folder::new("format-busy");
    let (_, inbox) = first(&folder);
    let store = open(&folder, &TWO).unwrap();
    let large = octets(2_000_000, 7);
    let mut packer = store.packer();
    packer.push(&large).unwrap();
    store.write_blocking(store.stage(&mut packer)).unwrap();
    let uid = append(&store, inbox, &large).unwrap();
    let change = FlagChange::Add(vec!["\\Deleted".to_owned()]);
    store.write_blocking(Write::Store { mailbox: inbox, uids: Uids(vec![(1, 10)]), change }).unwrap();
    store.write_blocking(Write::Expunge { mailbox: inbox, uids: None }).unwrap();
    drop(packer);
    while store.write_blocking(Write::Sweep).unwrap() != (Outcome::Swept { removed: 0, more: false }) {}
    assert_eq!(read(&store, inbox, uid), large);
    assert_clean(&store);
    store.write_blocking(Write::KeepFormat).unwrap();
    append(&store, inbox, &octets(100, 1)).unwrap();
    assert_clean(&store);
    drop(store);
    assert_clean(&open(&folder, &TWO).unwrap());
}

/// A disk whose power goes after so many writes and syncs: what was not synced by then is lost.
#[derive(Clone, Debug)]
struct Plug(Arc<Mutex<Plugged>>);

#[derive(Debug)]
struct Plugged {
    now: Vec<u8>,
    durable: Vec<u8>,
    left: usize,
}

impl Plug {
    fn new(content: Vec<u8>, left: usize) -> Plug {
        Plug(Arc::new(Mutex::new(Plugged { now: content.clone(), durable: content, left })))
    }

    fn change(&self, change: impl FnOnce(&mut Plugged)) -> std::io::Result<()> {
        let mut plugged = self.0.lock().unwrap();
        if plugged.left == 0 {
            return Err(std::io::Error::other("no power"));
        }
        plugged.left -= 1;
        change(&mut plugged);
        Ok(())
    }
}

impl StorageBackend for Plug {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.0.lock().unwrap().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.0.lock().unwrap().now[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.change(|plugged| plugged.now.resize(usize::try_from(len).unwrap(), 0))
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.change(|plugged| plugged.durable.clone_from(&plugged.now))
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.change(|plugged| plugged.now[offset..offset + data.len()].copy_from_slice(data))
    }
}

/// Runs something on the file with the power going at each moment, and looks at what is left each time.
fn with_cuts(file: &Path, work: impl Fn(&Database) -> Result<(), Fault>, look: impl Fn(&Database, bool)) {
    let content = fs::read(file).unwrap();
    for left in 0.. {
        let plug = Plug::new(content.clone(), left);
        let opened = Database::builder().create_with_backend(plug.clone());
        let done = opened.is_ok_and(|database| work(&database).is_ok());
        let (now, durable) = {
            let plugged = plug.0.lock().unwrap();
            (plugged.now.clone(), plugged.durable.clone())
        };
        for image in [durable, now] {
            let database = Database::builder().create_with_backend(Plug::new(image, usize::MAX)).unwrap();
            look(&database, done);
        }
        if done {
            assert!(left > 5, "the power went at some time");
            return;
        }
    }
}

fn format_of(database: &Database) -> (u64, usize, bool) {
    let snapshot = database.begin_read().unwrap();
    let format = snapshot.open_table(schema::CONFIG).unwrap().get(schema::FORMAT_KEY).unwrap().unwrap().value();
    let new = snapshot.open_table(NEW).is_ok();
    drop(snapshot);
    let transaction = database.begin_write().unwrap();
    let savepoints = transaction.list_persistent_savepoints().unwrap().count();
    transaction.abort().unwrap();
    (format, savepoints, new)
}

#[test]
fn power_that_goes_at_any_moment_leaves_one_format_or_the_other_with_its_way_back() {
    let folder = Folder::new("format-power");
    first(&folder);
    let file = folder.0.join("mail.redb");
    with_cuts(
        &file,
        |database| way_back::settle(database, &TWO, None, 1_000),
        |database, done| {
            let found = format_of(database);
            assert!(found == (2, 1, true) || (!done && found == (1, 0, false)), "{found:?}");
        },
    );
    drop(open(&folder, &TWO).unwrap());
    mark(&folder, "discard");
    let marker = folder.0.join("restore-format");
    let work = |database: &Database| {
        fs::write(&marker, "discard").unwrap();
        way_back::settle(database, &ONE, Some(&folder.0), 1_000)
    };
    with_cuts(&file, work, |database, done| {
        let found = format_of(database);
        assert!(found == (1, 0, false) || (!done && found == (2, 1, true)), "{found:?}");
    });
}
