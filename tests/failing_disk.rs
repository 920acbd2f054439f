//! A disk that fails while the store is in use, and is back a while later: everything is answered, nothing hangs, and
//! what was acknowledged is there. `PILLARBOX_SEEDS` asks for more than what runs every time.

#[path = "support/mail.rs"]
mod mail;
#[path = "support/memory.rs"]
mod memory;
#[path = "support/random.rs"]
mod random;

use memory::Memory;
use pillarbox::mail::{MailboxId, Stamp, Uid};
use pillarbox::store::{
    Credentials, Health, History, Limits, NewAccount, NewMessage, Options, Outcome, Refusal, Store, StoreError, Write,
};
use random::Random;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// What one round may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// A cache that holds next to nothing: what is read is read from the disk.
const OPTIONS: Options = Options { cache: 128 << 10 };

fn open(disk: &Memory) -> Store {
    Store::open_on(disk.clone(), OPTIONS).expect("an empty disk opens")
}

fn inbox_of(store: &Store, name: &str) -> MailboxId {
    let new = NewAccount {
        address: format!("{name}@example.org"),
        credentials: Credentials::default(),
        limits: Limits::default(),
        now: 0,
    };
    let Ok(Outcome::Account(account)) = store.write_blocking(Write::AddAccount(new)) else { panic!("no account") };
    let found = store.snapshot().and_then(|snapshot| snapshot.mailbox_named(account, "INBOX"));
    found.ok().flatten().expect("an account has an INBOX")
}

fn append(store: &Store, mailbox: MailboxId, octets: &[u8]) -> Result<Uid, StoreError> {
    let parcel = mail::pack(store, octets, 400_000)?;
    let message =
        NewMessage { parcel, flags: Vec::new(), received: Stamp::utc(0), now: 0, history: History::default() };
    match store.write_blocking(Write::Append { mailbox, message })? {
        Outcome::Appended { uid, .. } => Ok(uid),
        other => panic!("{other:?}"),
    }
}

fn read(store: &Store, mailbox: MailboxId, uid: Uid) -> Result<Vec<u8>, String> {
    let snapshot = store.snapshot().map_err(|fault| fault.to_string())?;
    let message = snapshot.message(mailbox, uid).map_err(|fault| fault.to_string())?.ok_or("it is gone")?;
    mail::content(&snapshot, message.blob)
}

/// Tries until it works: a store that comes back does so within moments.
fn until_done<T, E: std::fmt::Display>(what: &str, mut attempt: impl FnMut() -> Result<T, E>) -> T {
    let began = Instant::now();
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{what}: {error}"),
        }
    }
}

#[test]
fn a_disk_that_cannot_be_written_any_more_is_read_and_written_again_once_it_can_be() {
    let disk = Memory::default();
    let store = open(&disk);
    let inbox = inbox_of(&store, "a");
    let mut random = Random::new(1);
    let mails: Vec<_> = (0..40).map(|_| random.mail(20_000)).collect();
    let uids: Vec<_> = mails.iter().map(|octets| append(&store, inbox, octets).expect("all is well")).collect();
    assert_eq!(store.health(), Health::Good);
    disk.become_such(true, false);
    assert!(matches!(append(&store, inbox, b"A: b\r\n\r\n"), Err(StoreError::Fault(_))));
    assert_eq!(store.health(), Health::ReadOnly);
    for _ in 0..3 {
        let refused = append(&store, inbox, b"A: b\r\n\r\n");
        assert!(matches!(refused, Err(StoreError::Refused(Refusal::ReadOnly))), "{refused:?}");
        for (uid, octets) in uids.iter().zip(&mails) {
            assert!(read(&store, inbox, *uid).as_ref() == Ok(octets), "{uid}");
        }
    }
    disk.become_such(true, true);
    append(&store, inbox, b"A: b\r\n\r\n").expect("it can be written again");
    assert_eq!(store.health(), Health::Good);
    assert_eq!(store.check().expect("it can be read").findings, []);
}

#[test]
fn a_disk_that_is_gone_is_told_and_is_read_again_once_it_is_back_though_nobody_writes() {
    let disk = Memory::default();
    let store = open(&disk);
    let inbox = inbox_of(&store, "a");
    let mut random = Random::new(2);
    let mails: Vec<_> = (0..30).map(|_| random.mail(200_000)).collect();
    let uids: Vec<_> = mails.iter().map(|octets| append(&store, inbox, octets).expect("all is well")).collect();
    let read_all = || -> Result<(), String> {
        for (uid, octets) in uids.iter().zip(&mails) {
            assert!(read(&store, inbox, *uid)? == *octets, "message {uid} has other octets");
        }
        Ok(())
    };
    let watch = store.watch(inbox).expect("it can be read").expect("it is there");
    disk.become_such(false, false);
    assert!(read_all().is_err(), "not all of it is in memory");
    assert_eq!(store.health(), Health::Failing);
    assert!(matches!(append(&store, inbox, b"A: b\r\n\r\n"), Err(StoreError::Fault(_))));
    assert!(store.check().is_err());
    assert_eq!(store.health(), Health::Failing);
    disk.become_such(true, true);
    until_done("it is back", read_all);
    assert_eq!(store.health(), Health::Good);
    assert_eq!(watch.now().rows.len(), uids.len());
}

#[test]
fn whatever_the_disk_does_everybody_is_answered_and_what_was_acknowledged_is_there() {
    let seeds = std::env::var("PILLARBOX_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    for seed in 1..=seeds {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || tell.send(mingle(seed)));
        match told.recv_timeout(PATIENCE) {
            Ok(facts) => println!("seed {seed}: {facts}"),
            Err(error) => panic!("seed {seed} hangs or panics: {error}"),
        }
    }
}

/// Writers and readers at once, while the disk comes and goes.
fn mingle(seed: u64) -> String {
    let disk = Memory::default();
    let store = Arc::new(open(&disk));
    let over = AtomicBool::new(false);
    let inboxes: Vec<_> = ["a", "b", "c"].iter().map(|name| inbox_of(&store, name)).collect();
    let (kept, refused, read_well, read_badly) = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..)
            .zip(&inboxes)
            .map(|(number, inbox)| {
                let (store, disk, inbox) = (&store, &disk, *inbox);
                scope.spawn(move || write(store, disk, inbox, Random::new(seed * 10 + number)))
            })
            .collect();
        let readers: Vec<_> = inboxes
            .iter()
            .map(|inbox| {
                let (store, over, inbox) = (&store, &over, *inbox);
                scope.spawn(move || go_through(store, over, inbox))
            })
            .collect();
        let mut kept = Vec::new();
        let mut refused = 0;
        for writer in writers {
            let (mine, no) = writer.join().expect("a writer is answered");
            kept.push(mine);
            refused += no;
        }
        over.store(true, Ordering::SeqCst);
        let read: Vec<_> = readers.into_iter().map(|reader| reader.join().expect("a reader is answered")).collect();
        let sum = |of: fn(&(usize, usize)) -> usize| read.iter().map(of).sum::<usize>();
        (kept, refused, sum(|read| read.0), sum(|read| read.1))
    });
    disk.become_such(true, true);
    let compare = |store: &Store| {
        for (inbox, mails) in inboxes.iter().zip(&kept) {
            for (uid, octets) in mails {
                assert!(read(store, *inbox, *uid).as_ref() == Ok(octets), "seed {seed}: {uid} of {inbox:?}");
            }
        }
        assert_eq!(store.check().expect("it can be read").findings, [], "seed {seed}");
    };
    for inbox in &inboxes {
        until_done("it can be written again", || append(&store, *inbox, b"A: b\r\n\r\n"));
    }
    until_done("it is sound again", || match store.health() {
        Health::Good => Ok(()),
        other => store.snapshot().map(|_| ()).map_err(|fault| fault.to_string()).and(Err(format!("{other:?}"))),
    });
    compare(&store);
    drop(store);
    compare(&open(&disk));
    let acknowledged: usize = kept.iter().map(BTreeMap::len).sum();
    format!("{acknowledged} acknowledged, {refused} not; {read_well} reads went well, {read_badly} did not")
}

fn write(store: &Store, disk: &Memory, inbox: MailboxId, mut random: Random) -> (BTreeMap<Uid, Vec<u8>>, usize) {
    let mut kept = BTreeMap::new();
    let mut refused = 0;
    for _ in 0..120 {
        if random.once_in(12) {
            let (readable, writable) = *random.pick(&[(true, true), (true, true), (true, false), (false, false)]);
            disk.become_such(readable, writable);
        }
        let size = if random.once_in(20) { 300_000 } else { random.below(9_000) };
        let octets = random.mail(size);
        match append(store, inbox, &octets) {
            Ok(uid) => _ = kept.insert(uid, octets),
            Err(StoreError::Fault(_) | StoreError::Refused(Refusal::ReadOnly)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    (kept, refused)
}

/// Reads all mail of a mailbox again and again; how often that went well, and how often not.
fn go_through(store: &Store, over: &AtomicBool, inbox: MailboxId) -> (usize, usize) {
    let (mut well, mut badly) = (0, 0);
    let pass = || -> Result<(), String> {
        let text = |fault: pillarbox::store::Fault| fault.to_string();
        let snapshot = store.snapshot().map_err(text)?;
        for row in snapshot.messages(inbox, 1, u32::MAX).map_err(text)? {
            let (_, message) = row.map_err(text)?;
            mail::content(&snapshot, message.blob)?;
        }
        store.watch(inbox).map_err(text)?.ok_or("the mailbox is gone")?;
        Ok(())
    };
    while !over.load(Ordering::SeqCst) {
        match pass() {
            Ok(()) => well += 1,
            Err(_) => badly += 1,
        }
    }
    (well, badly)
}
