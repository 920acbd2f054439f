//! A file system that goes read-only after an error, as a card's does that wears out: mail is still read from it, by the
//! process that had it open and by others, and all of it is there when it can be written again.

#[path = "support/mail.rs"]
mod mail;
#[path = "support/random.rs"]
#[expect(dead_code, reason = "it needs only mail and numbers")]
mod random;

use pillarbox::mail::{MailboxId, Stamp, Uid};
use pillarbox::store::{
    Credentials, Fault, Health, History, Limits, NewAccount, NewMessage, Options, Outcome, Refusal, Store, StoreError,
    Write,
};
use random::Random;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A card: a file with a file system in it, mounted.
struct Card {
    folder: PathBuf,
    image: PathBuf,
    mounted: PathBuf,
}

impl Card {
    /// `None` where mounting is not permitted.
    fn new(name: &str) -> Option<Card> {
        let folder = std::env::temp_dir().join(format!("pillarbox-{name}-{}", std::process::id()));
        let (image, mounted) = (folder.join("image"), folder.join("mounted"));
        std::fs::create_dir_all(&mounted).ok()?;
        let card = Card { folder, image, mounted };
        std::fs::File::create(&card.image).and_then(|file| file.set_len(256 << 20)).expect("there is room");
        let made = Command::new("mke2fs").args(["-q", "-F", "-t", "ext4"]).arg(&card.image).output();
        let made = made.is_ok_and(|made| made.status.success());
        let mounted = if made { card.mount() } else { Err("mke2fs is missing, or failed".to_owned()) };
        if let Err(why) = mounted {
            println!("SKIPPED: a file system in a file cannot be mounted, which needs root: {why}");
            return None;
        }
        Some(card)
    }

    fn mount(&self) -> Result<(), String> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "ext4", "-o", "loop,errors=remount-ro"]).arg(&self.image).arg(&self.mounted);
        let mounted = mount.output().map_err(|error| error.to_string())?;
        if mounted.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned()) }
    }

    fn unmount(&self) {
        let done = Command::new("umount").arg(&self.mounted).status();
        assert!(done.is_ok_and(|done| done.success()), "somebody still has a file open");
    }

    /// The kernel finds an error in the file system. `false` where it cannot be told to.
    fn fails(&self) -> bool {
        let source = Command::new("findmnt").args(["-n", "-o", "SOURCE"]).arg(&self.mounted).output();
        let source = source.map(|found| String::from_utf8_lossy(&found.stdout).trim().to_owned()).unwrap_or_default();
        let device = source.trim_start_matches("/dev/");
        let told = std::fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "a test wants it");
        if let Err(error) = &told {
            println!("SKIPPED: the kernel cannot be told that the file system has an error: {error}");
        }
        told.is_ok()
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-q").arg(&self.mounted).status();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn open(folder: &Path) -> Store {
    Store::open(folder, Options { cache: 4 << 20 }).expect("it opens")
}

fn inbox_of(store: &Store) -> MailboxId {
    let new = NewAccount {
        address: "a@example.org".to_owned(),
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

fn compare(store: &Store, inbox: MailboxId, mails: &[(Uid, Vec<u8>)]) {
    let snapshot = store.snapshot().expect("it can be read");
    for (uid, octets) in mails {
        let message = snapshot.message(inbox, *uid).ok().flatten().expect("it was acknowledged");
        assert!(mail::content(&snapshot, message.blob).as_ref() == Ok(octets), "message {uid} has other octets");
    }
    assert_eq!(store.check().expect("it can be read").findings, []);
}

#[test]
fn a_file_system_that_went_read_only_is_read_and_is_whole_when_it_can_be_written_again() {
    let Some(card) = Card::new("read-only") else { return };
    let data = card.mounted.join("data");
    let store = open(&data);
    let inbox = inbox_of(&store);
    let mut random = Random::new(5);
    let mut mails = Vec::new();
    for number in 0..60 {
        let octets = random.mail(if number % 15 == 0 { 900_000 } else { 6_000 });
        mails.push((append(&store, inbox, &octets).expect("there is room"), octets));
    }
    if !card.fails() {
        return;
    }
    // The first one may meet the error; from then on nobody tries.
    let first = append(&store, inbox, b"A: b\r\n\r\n");
    assert!(first.is_err(), "{first:?}");
    let second = append(&store, inbox, b"A: b\r\n\r\n");
    assert!(matches!(second, Err(StoreError::Refused(Refusal::ReadOnly))), "{second:?}");
    assert_eq!(store.health(), Health::ReadOnly);
    compare(&store, inbox, &mails);
    drop(store);

    // A program that is started now.
    assert!(!Store::can_be_written(&data));
    let store = Store::open(&data, Options::default()).expect("what cannot be written is read");
    assert!(store.is_read_only());
    compare(&store, inbox, &mails);
    drop(store);
    let store = Store::open_read_only(&data, Options { cache: 4 << 20 }).expect("it can be read");
    let other = Store::open_read_only(&data, Options { cache: 4 << 20 }).expect("others may read it, too");
    compare(&store, inbox, &mails);
    compare(&other, inbox, &mails);
    let refused = append(&store, inbox, b"A: b\r\n\r\n");
    assert!(matches!(refused, Err(StoreError::Refused(Refusal::ReadOnly))), "{refused:?}");
    drop((store, other));

    card.unmount();
    card.mount().expect("a file system with an error noted in it can be mounted");
    let store = open(&data);
    compare(&store, inbox, &mails);
    let octets = random.mail(5_000);
    mails.push((append(&store, inbox, &octets).expect("it can be written again"), octets));
    compare(&store, inbox, &mails);
}

#[test]
fn a_card_that_is_pulled_is_told_of_and_read_again_when_it_is_back() {
    let Some(card) = Card::new("pulled") else { return };
    let data = card.mounted.join("data");
    let store = Store::open(&data, Options { cache: 256 << 10 }).expect("it opens");
    let inbox = inbox_of(&store);
    let mut random = Random::new(6);
    let mut mails = Vec::new();
    for _ in 0..80 {
        let octets: Vec<u8> = (0..400_000).map(|_| u8::try_from(random.below(256)).unwrap_or(0)).collect();
        mails.push((append(&store, inbox, &octets).expect("there is room"), octets));
    }
    // What is on the card, and in no memory.
    drop(store);
    card.unmount();
    card.mount().expect("it was mounted before");
    let store = Store::open(&data, Options { cache: 256 << 10 }).expect("it opens");
    store.write_blocking(Write::Sweep).expect("the writer is ready");
    let whole = std::fs::read(&card.image).expect("it is a file");
    let image = std::fs::File::options().write(true).open(&card.image).expect("it is a file");
    image.set_len(0).expect("it can be cut");
    let file = std::fs::File::open(data.join("mail.redb")).expect("it is there");
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("it is a file");
    drop(file);
    let text = |fault: Fault| fault.to_string();
    let read_all = || -> Result<(), String> {
        let snapshot = store.snapshot().map_err(text)?;
        for (uid, octets) in &mails {
            let message = snapshot.message(inbox, *uid).map_err(text)?.ok_or("a message is gone")?;
            assert!(mail::content(&snapshot, message.blob)? == *octets, "message {uid} has other octets");
        }
        Ok(())
    };
    let told = read_all();
    assert!(told.is_err(), "what is not there cannot be read");
    assert_eq!(store.health(), Health::Failing);
    // Back again, with what was on it. Nobody writes: a reader is enough for the store to find out.
    std::os::unix::fs::FileExt::write_all_at(&image, &whole, 0).expect("there is room");
    let began = std::time::Instant::now();
    while let Err(error) = read_all() {
        assert!(began.elapsed() < std::time::Duration::from_mins(1), "{error}");
    }
}
