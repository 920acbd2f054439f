//! A disk that is full: mail is refused before anything breaks, making room works, and room that was made is used.

#[path = "support/mail.rs"]
mod mail;
#[path = "support/random.rs"]
#[expect(dead_code, reason = "it needs only numbers")]
mod random;

use pillarbox::mail::{MailboxId, Stamp, Uid};
use pillarbox::store::{
    Credentials, FlagChange, History, Limits, NewAccount, NewMessage, Options, Outcome, Refusal, Store, StoreError,
    Uids, Write,
};
use random::Random;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A small disk of its own.
struct Disk(PathBuf);

impl Disk {
    /// `None` where mounting is not permitted.
    fn mount(name: &str, size: &str) -> Option<Disk> {
        let path = std::env::temp_dir().join(format!("pillarbox-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).ok()?;
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(&path).output().ok()?;
        if !mount.status.success() {
            println!("SKIPPED: a disk of 64 MB cannot be mounted: {}", String::from_utf8_lossy(&mount.stderr).trim());
            let _ = std::fs::remove_dir(&path);
            return None;
        }
        Some(Disk(path))
    }

    /// Another program takes all that is free.
    fn hog(&self) -> PathBuf {
        let path = self.0.join("hog");
        let mut file = std::fs::File::create(&path).expect("there is room for a name");
        let block = vec![7; 4096];
        while file.write_all(&block).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// The store, and every message that it has acknowledged.
struct Kept {
    store: Store,
    inbox: MailboxId,
    random: Random,
    messages: BTreeMap<Uid, Vec<u8>>,
}

impl Kept {
    fn open(folder: &Path) -> Kept {
        let store = Store::open(folder, Options { cache: 4 << 20 }).expect("an empty disk opens");
        let new = NewAccount {
            address: "a@example.org".to_owned(),
            credentials: Credentials::default(),
            limits: Limits::default(),
            now: 0,
        };
        let Ok(Outcome::Account(account)) = store.write_blocking(Write::AddAccount(new)) else {
            panic!("no account can be added")
        };
        let inbox = store.snapshot().and_then(|snapshot| snapshot.mailbox_named(account, "INBOX"));
        let inbox = inbox.ok().flatten().expect("an account has an INBOX");
        Kept { store, inbox, random: Random::new(1), messages: BTreeMap::new() }
    }

    fn append(&mut self, size: usize) -> Result<(), StoreError> {
        let octets: Vec<u8> = (0..size).map(|_| u8::try_from(self.random.below(256)).unwrap_or(0)).collect();
        let parcel = mail::pack(&self.store, &octets, 400_000)?;
        let message =
            NewMessage { parcel, flags: Vec::new(), received: Stamp::utc(0), now: 0, history: History::default() };
        match self.store.write_blocking(Write::Append { mailbox: self.inbox, message })? {
            Outcome::Appended { uid, .. } => self.messages.insert(uid, octets),
            other => panic!("{other:?}"),
        };
        Ok(())
    }

    /// Appends until it is refused, which must be for the disk; how many went in.
    fn fill(&mut self, size: usize) -> usize {
        for count in 0..100_000 {
            match self.append(size) {
                Ok(()) => {}
                Err(StoreError::Refused(Refusal::DiskFull)) => return count,
                Err(other) => panic!("after {count} messages: {other}"),
            }
        }
        panic!("the disk never fills")
    }

    /// Removes every message whose UID this holds of, and sweeps.
    fn remove(&mut self, which: impl Fn(u32) -> bool) -> Result<(), StoreError> {
        let going: Vec<Uid> = self.messages.keys().copied().filter(|uid| which(uid.number())).collect();
        let uids = Uids::from_ascending(going.iter().copied());
        let change = FlagChange::Add(vec!["\\Deleted".to_owned()]);
        self.store.write_blocking(Write::Store { mailbox: self.inbox, uids, change })?;
        self.store.write_blocking(Write::Expunge { mailbox: self.inbox, uids: None })?;
        for uid in going {
            self.messages.remove(&uid);
        }
        while let Outcome::Swept { more: true, .. } = self.store.write_blocking(Write::Sweep)? {}
        Ok(())
    }

    fn compare(&self) {
        let snapshot = self.store.snapshot().expect("it can be read");
        let found: Vec<Uid> = snapshot
            .messages(self.inbox, 1, u32::MAX)
            .expect("it can be read")
            .map(|row| row.expect("it can be read").0)
            .collect();
        assert_eq!(found, self.messages.keys().copied().collect::<Vec<_>>());
        for (uid, octets) in &self.messages {
            let message = snapshot.message(self.inbox, *uid).ok().flatten().expect("it was just listed");
            assert!(mail::content(&snapshot, message.blob).as_ref() == Ok(octets), "message {uid} has other octets");
        }
        assert_eq!(self.store.check().expect("it can be read").findings, []);
    }
}

#[test]
fn a_full_disk_refuses_mail_loses_none_and_takes_it_again_when_there_is_room() {
    let Some(disk) = Disk::mount("full", "size=64m") else { return };
    let mut kept = Kept::open(&disk.0);
    for size in [40_000, 3_000, 1_200_000] {
        let count = kept.fill(size);
        println!("{size} octets: {count} messages until the disk is full");
        kept.compare();
        // What makes no room, but takes none either, goes on.
        let (mailbox, change) = (kept.inbox, FlagChange::Add(vec!["\\Seen".to_owned()]));
        kept.store.write_blocking(Write::Store { mailbox, uids: Uids::all(), change }).expect("flags need no room");
        let whole = kept.messages.len();
        kept.remove(|uid| uid % 2 == 0).expect("removing needs no room");
        println!("{} of {whole} removed", whole - kept.messages.len());
        let again = kept.fill(size);
        println!("{again} messages more");
        assert!(again > 0, "room was made, and none is used");
        kept.compare();
        kept.remove(|uid| uid % 8 != 0).expect("removing needs no room");
    }
    // Another program takes the reserve, and more.
    kept.fill(40_000);
    let hog = disk.hog();
    let full = kept.append(40_000);
    assert!(matches!(full, Err(StoreError::Refused(Refusal::DiskFull))), "{full:?}");
    // A commit may fail for want of a page; then the ballast goes, and the next one works.
    let tries = (1..=5).find(|tries| {
        let removed = kept.remove(|uid| uid % 3 == 0);
        println!("removing on a disk without a free octet, try {tries}: {removed:?}");
        removed.is_ok()
    });
    assert!(tries.is_some(), "nothing can be removed any more");
    kept.compare();
    std::fs::remove_file(hog).expect("what was made can be removed");
    let began = Instant::now();
    while let Err(error) = kept.append(40_000) {
        assert!(began.elapsed() < Duration::from_secs(5), "{error}");
    }
    kept.compare();
    drop(kept.store);
    kept.store = Store::open(&disk.0, Options::default()).expect("it opens again");
    kept.compare();
}

#[test]
fn a_start_on_a_full_disk_reads_what_is_there_and_writes_again_once_there_is_room() {
    let Some(disk) = Disk::mount("full-start", "size=64m") else { return };
    let folder = disk.0.join("data");
    let mut kept = Kept::open(&folder);
    for size in [3_000, 200_000, 60_000] {
        kept.append(size).expect("there is room");
    }
    // As a crash leaves it: not closed well, some of it in the journal only, the ballast gone, and no free octet.
    let crashed = disk.0.join("crashed");
    std::fs::create_dir(&crashed).expect("there is room");
    for entry in std::fs::read_dir(&folder).expect("it was just made").flatten() {
        if entry.file_name() != "ballast" {
            std::fs::copy(entry.path(), crashed.join(entry.file_name())).expect("there is room");
        }
    }
    let Kept { store, inbox, random, messages } = kept;
    drop(store);
    std::fs::remove_dir_all(&folder).expect("what was made can be removed");
    let hog = disk.hog();
    let store = Store::open(&crashed, Options { cache: 4 << 20 }).expect("what is there can be read");
    let mut kept = Kept { store, inbox, random, messages };
    kept.compare();
    let refused = kept.append(3_000);
    assert!(matches!(refused, Err(StoreError::Refused(Refusal::DiskFull | Refusal::ReadOnly))), "{refused:?}");
    kept.compare();
    std::fs::remove_file(hog).expect("what was made can be removed");
    let began = Instant::now();
    while let Err(error) = kept.append(3_000) {
        assert!(began.elapsed() < Duration::from_secs(30), "{error}");
    }
    assert!(!kept.store.is_read_only());
    kept.compare();
}
