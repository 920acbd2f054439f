//! A damaged file: it is told, or does no harm; it never hangs, and a writer that met it goes on or answers.
//! `PILLARBOX_DAMAGES` asks for more than what runs every time.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/mail.rs"]
mod mail;
#[path = "support/random.rs"]
mod random;

use folder::Folder;
use pillarbox::mail::{MailboxId, Stamp};
use pillarbox::store::{
    Credentials, FORMAT, FlagChange, History, Limits, NewAccount, NewMessage, Options, Outcome, Store, Uids, Write,
};
use random::Random;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

/// What one damaged file may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a damaged file was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Met {
    NotOpened,
    /// A read or `check` told of it.
    Found,
    /// A read panicked, which its connection contains.
    Panicked,
    /// It lies where nothing is, or in what is not verified.
    Unseen,
    /// A message is other than it was, and nothing told of it.
    Served,
}

#[test]
fn damage_is_found_or_harmless_and_never_hangs() {
    // What a contained panic prints is of no use here.
    std::panic::set_hook(Box::new(|_| {}));
    let done = catch_unwind(damage_and_meet);
    let _ = std::panic::take_hook();
    if let Err(panic) = done {
        let what =
            panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).into()));
        panic!("{}", what.unwrap_or_default());
    }
}

fn damage_and_meet() {
    let folder = Folder::new("damage");
    let messages = write_store(&folder.0);
    let path = folder.0.join("mail.redb");
    let whole = std::fs::read(&path).expect("it was just written");
    // The journal belongs to the file: one that went on with another damage would be applied to this one.
    let journal = std::fs::read(folder.0.join(format!("journal-{FORMAT}"))).expect("it was just written");
    let mut random = Random::new(11);
    let damages = std::env::var("PILLARBOX_DAMAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(250);
    let mut met = std::collections::BTreeMap::<Met, usize>::new();
    for number in 0..damages {
        let mut octets = whole.clone();
        let what = damage(&mut octets, &mut random);
        std::fs::write(&path, &octets).expect("there is room");
        std::fs::write(folder.0.join(format!("journal-{FORMAT}")), &journal).expect("there is room");
        let (tell, told) = mpsc::channel();
        let (folder, messages) = (folder.0.clone(), messages.clone());
        std::thread::spawn(move || tell.send(meet(&folder, &messages)));
        match told.recv_timeout(PATIENCE) {
            Ok(Met::Served) => panic!("damage {number} ({what}) is served"),
            Ok(how) => *met.entry(how).or_default() += 1,
            Err(error) => panic!("damage {number} ({what}) hangs or panics: {error}"),
        }
    }
    println!("{met:?}");
}

fn damage(octets: &mut Vec<u8>, random: &mut Random) -> String {
    let at = random.below(octets.len());
    let page = at / 4096 * 4096;
    match random.below(6) {
        0 => {
            octets.truncate(at);
            format!("cut at {at}")
        }
        1 => {
            let fill = *random.pick(&[0_u8, 1, 0xff]);
            octets.iter_mut().skip(page).take(4096).for_each(|octet| *octet = fill);
            format!("page at {page} is all {fill}")
        }
        2 => {
            let from = random.below(octets.len() / 4096) * 4096;
            let other: Vec<u8> = octets.iter().skip(from).take(4096).copied().collect();
            octets.iter_mut().skip(page).zip(other).for_each(|(octet, other)| *octet = other);
            format!("page at {page} is the one at {from}")
        }
        kind => {
            // Anywhere, or where the header and the first pages are.
            let bits = 1 + random.below(8);
            let span = if kind == 3 { 16_384.min(octets.len()) } else { octets.len() };
            for _ in 0..bits {
                let at = random.below(span);
                if let Some(octet) = octets.get_mut(at) {
                    *octet ^= 1 << random.below(8);
                }
            }
            format!("{bits} bits within {span}")
        }
    }
}

type Messages = Vec<(MailboxId, Vec<Vec<u8>>)>;

fn write_store(folder: &Path) -> Messages {
    let store = Store::open(folder, Options { cache: 4 << 20 }).expect("an empty folder opens");
    let mut random = Random::new(3);
    let mut all = Vec::new();
    for name in ["a", "b"] {
        let new = NewAccount {
            address: format!("{name}@example.org"),
            credentials: Credentials::default(),
            limits: Limits::default(),
            now: 0,
        };
        let Ok(Outcome::Account(account)) = store.write_blocking(Write::AddAccount(new)) else { panic!("no account") };
        let mailboxes = store.snapshot().and_then(|snapshot| snapshot.mailboxes(account)).expect("they were just made");
        for (mailbox, _) in mailboxes.into_iter().take(3) {
            let mut messages = Vec::new();
            for _ in 0..40 {
                let size = if random.once_in(10) { 150_000 } else { random.below(5_000) };
                let octets = random.mail(size);
                let parcel = mail::pack(&store, &octets, usize::MAX).expect("it is no larger than allowed");
                let message = NewMessage {
                    parcel,
                    flags: Vec::new(),
                    received: Stamp::utc(0),
                    now: 0,
                    history: History::default(),
                };
                store.write_blocking(Write::Append { mailbox, message }).expect("there is room");
                messages.push(octets);
            }
            all.push((mailbox, messages));
        }
    }
    all
}

/// Opens, reads everything, writes, checks.
fn meet(folder: &Path, messages: &Messages) -> Met {
    // Opening contains its own panics.
    let Ok(store) = Store::open(folder, Options { cache: 4 << 20 }) else { return Met::NotOpened };
    let found = store.check().map_or(true, |report| !report.findings.is_empty());
    // Sessions read inside a catch_unwind of their connection.
    let read = catch_unwind(AssertUnwindSafe(|| read_all(&store, messages)));
    for (mailbox, octets) in messages {
        let change = FlagChange::Add(vec!["\\Seen".to_owned(), "\\Deleted".to_owned()]);
        // Answered, one way or the other.
        let _ = store.write_blocking(Write::Store { mailbox: *mailbox, uids: Uids::all(), change });
        if let Some(octets) = octets.first()
            && let Ok(parcel) = mail::pack(&store, octets, usize::MAX)
        {
            let message =
                NewMessage { parcel, flags: Vec::new(), received: Stamp::utc(0), now: 0, history: History::default() };
            let _ = store.write_blocking(Write::Append { mailbox: *mailbox, message });
        }
        let _ = store.write_blocking(Write::Expunge { mailbox: *mailbox, uids: Some(Uids(vec![(1, 20)])) });
        let _ = store.write_blocking(Write::Sweep);
    }
    match read {
        Err(_) => Met::Panicked,
        Ok(Err(what)) if what == OTHER && !found => Met::Served,
        Ok(Err(_)) => Met::Found,
        Ok(Ok(())) if found => Met::Found,
        Ok(Ok(())) => Met::Unseen,
    }
}

const OTHER: &str = "other messages than went in";

/// `Err`: a read told of damage, or a message is not what it was, which `check` must tell.
fn read_all(store: &Store, messages: &Messages) -> Result<(), String> {
    let text = |fault: pillarbox::store::Fault| fault.to_string();
    let snapshot = store.snapshot().map_err(text)?;
    for (mailbox, expected) in messages {
        let watch = store.watch(*mailbox).map_err(text)?.ok_or("a mailbox is gone")?;
        let mut found = Vec::new();
        for row in snapshot.messages(*mailbox, 1, u32::MAX).map_err(text)? {
            let (uid, message) = row.map_err(text)?;
            found.push((uid, mail::content(&snapshot, message.blob)?));
        }
        if watch.now().rows.len() != found.len() {
            return Err("the mirror has other rows".to_owned());
        }
        if found.iter().map(|(_, octets)| octets).ne(expected) {
            return Err(OTHER.to_owned());
        }
    }
    Ok(())
}
