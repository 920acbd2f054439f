//! A large mailbox: what it costs in memory, and that it costs no more. Alone in its process, since it looks at the peak.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/mail.rs"]
#[expect(dead_code, reason = "nothing is read back")]
mod mail;

use folder::Folder;
use pillarbox::mail::{AccountId, MailboxId, MailboxName, Stamp};
use pillarbox::store::{
    Credentials, FlagChange, History, Limits, NewAccount, NewMessage, Options, Outcome, Store, Uids, Write,
};
use std::path::Path;
use std::time::Instant;

const ADDRESS: &str = "a@example.org";

fn open(folder: &Path) -> Store {
    Store::open(folder, Options::default()).expect("it opens")
}

fn write(store: &Store, what: &str, write: Write) -> Outcome {
    let began = Instant::now();
    let outcome = store.write_blocking(write).expect("there is room");
    if !what.is_empty() {
        println!("{what}: {:?}, peak {} MB", began.elapsed(), peak());
    }
    outcome
}

fn account(store: &Store) -> (AccountId, MailboxId) {
    let new = NewAccount {
        address: ADDRESS.to_owned(),
        credentials: Credentials::default(),
        limits: Limits::default(),
        now: 0,
    };
    let Outcome::Account(account) = write(store, "", Write::AddAccount(new)) else { panic!("no account") };
    let inbox = store.snapshot().and_then(|snapshot| snapshot.mailbox_named(account, "INBOX"));
    (account, inbox.ok().flatten().expect("an account has an INBOX"))
}

fn append(store: &Store, mailbox: MailboxId, octets: &[u8]) {
    let parcel = mail::pack(store, octets, 1 << 20).expect("it is no larger than allowed");
    let message =
        NewMessage { parcel, flags: Vec::new(), received: Stamp::utc(0), now: 0, history: History::default() };
    write(store, "", Write::Append { mailbox, message });
}

/// The most memory that this process ever had, in MB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).map_or(0, |kb| kb >> 10)
}

#[test]
fn a_hundred_thousand_messages_are_changed_copied_and_removed_in_one_write_each() {
    let folder = Folder::new("hundred-thousand");
    let store = open(&folder.0);
    let (account, inbox) = account(&store);
    let sent = store.snapshot().and_then(|snapshot| snapshot.mailbox_named(account, "Sent")).ok().flatten();
    let sent = sent.expect("an account has a Sent");
    for number in 0..1_000 {
        append(&store, inbox, format!("Subject: {number}\r\n\r\nbody {number}\r\n").as_bytes());
    }
    for _ in 0..99 {
        write(&store, "", Write::Copy { from: inbox, uids: Uids(vec![(1, 1_000)]), to: inbox });
    }
    println!("100,000 messages, peak {} MB", peak());
    let watch = store.watch(inbox).ok().flatten().expect("it is there");
    println!("watched, peak {} MB", peak());
    write(&store, "copy", Write::Copy { from: inbox, uids: Uids::all(), to: sent });
    let change = FlagChange::Add(vec!["\\Deleted".to_owned()]);
    write(&store, "flags", Write::Store { mailbox: inbox, uids: Uids::all(), change });
    write(&store, "expunge of one", Write::Expunge { mailbox: inbox, uids: Some(Uids(vec![(50_000, 50_000)])) });
    write(&store, "expunge", Write::Expunge { mailbox: inbox, uids: None });
    assert!(watch.now().rows.is_empty());
    write(&store, "move", Write::Move { from: sent, uids: Uids::all(), to: inbox });
    write(&store, "delete", Write::DeleteMailbox { account, name: MailboxName::nearest("Sent") });
    write(&store, "remove", Write::RemoveAccount(account));
    assert_eq!(store.check().expect("it can be read").findings, []);
    assert!(peak() < 64, "{} MB", peak());
}
