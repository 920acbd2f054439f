//! Comparing the store with the model.

use crate::mail;
use crate::world::{Folder, Letter, World};
use pillarbox::mail::{AccountId, FlagSet, SystemFlag, Uid};
use pillarbox::store::{Action, Limits, MailboxRecord, Mirror, Snapshot, Store};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::rc::Rc;

#[expect(clippy::needless_pass_by_value, reason = "most are made for this call")]
pub fn same<T: PartialEq + Debug>(what: impl Fn() -> String, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{}: found {found:?}, expected {expected:?}", what())) }
}

/// Compares everything; contents only if asked, since they take longest.
pub fn compare(store: &Store, world: &mut World, contents: bool) -> Result<(), String> {
    let snapshot = store.snapshot().map_err(|fault| fault.to_string())?;
    let found: Vec<(AccountId, String, Limits, u32)> = snapshot
        .accounts()
        .map_err(|fault| fault.to_string())?
        .into_iter()
        .map(|(id, account)| (id, account.address, account.limits, account.next_mailbox))
        .collect();
    let owners = world.accounts.iter();
    let expected = owners.map(|(id, owner)| (*id, owner.address.clone(), owner.limits, owner.next_mailbox)).collect();
    same(|| "accounts".to_owned(), found, expected)?;
    let aliases = snapshot.aliases().map_err(|fault| fault.to_string())?;
    let aliases = aliases.into_iter().map(|(alias, found)| (alias, found.targets)).collect();
    same(|| "aliases".to_owned(), aliases, world.aliases.clone())?;
    for (id, owner) in &world.accounts {
        let at = owner.address.clone();
        let subscriptions = snapshot.subscriptions(*id).map_err(|fault| fault.to_string())?;
        same(|| format!("{at}: subscriptions"), subscriptions, owner.subscriptions.iter().cloned().collect())?;
        let filing = snapshot.filing(*id).map_err(|fault| fault.to_string())?;
        let rules = filing.rules.into_iter().flat_map(|rule| rule.actions).collect();
        let expected = owner.rules.iter().map(|mailbox| Action::Move(mailbox.clone())).collect::<Vec<_>>();
        same(|| format!("{at}: rules"), rules, expected)?;
        let usage = snapshot.usage(*id).map_err(|fault| fault.to_string())?;
        same(|| format!("{at}: usage"), (usage.bytes, usage.messages), owner.usage())?;
        let mailboxes = snapshot.mailboxes(*id).map_err(|fault| fault.to_string())?;
        let found: Vec<_> = mailboxes.iter().map(|(id, mailbox)| (*id, mailbox.name.clone())).collect();
        let expected = owner.mailboxes.iter().map(|(name, folder)| (folder.id, name.clone())).collect();
        same(|| format!("{at}: mailboxes"), found, expected)?;
        for ((_, record), folder) in mailboxes.iter().zip(owner.mailboxes.values()) {
            let at = format!("{at}: {}", record.name);
            counters(&at, record, folder)?;
            rows(&at, &snapshot, record, folder)?;
        }
    }
    if contents {
        compare_contents(&snapshot, world)?;
    }
    Ok(())
}

fn counters(at: &str, record: &MailboxRecord, folder: &Folder) -> Result<(), String> {
    let letters = || folder.messages.values();
    let size = |letter: &Letter| letter.octets.len() as u64;
    let deleted = |letter: &&Letter| letter.flags.contains(SystemFlag::Deleted.name());
    let found = (
        (record.uid_validity.0.get(), record.uid_next.map_or(0, Uid::number), record.modseq.0.get()),
        (record.messages, record.bytes, record.unseen, record.deleted, record.deleted_bytes),
        (record.special, record.keywords.clone()),
    );
    let expected = (
        (folder.uid_validity, folder.uid_next, folder.modseq),
        (
            letters().count() as u64,
            letters().map(size).sum(),
            letters().filter(|letter| !letter.flags.contains(SystemFlag::Seen.name())).count() as u64,
            letters().filter(deleted).count() as u64,
            letters().filter(deleted).map(size).sum(),
        ),
        (folder.special, folder.keywords.clone()),
    );
    same(|| format!("{at}: record"), found, expected)
}

fn rows(at: &str, snapshot: &Snapshot, record: &MailboxRecord, folder: &Folder) -> Result<(), String> {
    let mut found = Vec::new();
    for row in snapshot.messages(folder.id, 1, u32::MAX).map_err(|fault| fault.to_string())? {
        let (uid, message) = row.map_err(|fault| fault.to_string())?;
        let flags = flag_names(message.flags, &record.keywords);
        let dates = (message.received.seconds, message.saved);
        found.push((uid.number(), flags, message.modseq.0.get(), message.size as usize, dates));
    }
    let expected = folder.messages.iter().map(|(uid, letter)| {
        let dates = (letter.received, letter.saved);
        (*uid, letter.flags.clone(), letter.modseq, letter.octets.len(), dates)
    });
    same(|| format!("{at}: rows"), found, expected.collect())?;
    let mut vanished = Vec::new();
    for (modseq, uids) in snapshot.vanished(folder.id, 0).map_err(|fault| fault.to_string())? {
        vanished.push((modseq, uids.0.iter().flat_map(|&(low, high)| low..=high).collect::<Vec<_>>()));
    }
    same(|| format!("{at}: vanished"), vanished, folder.vanished.clone())?;
    let since = folder.vanished.get(folder.vanished.len() / 2).map_or(0, |(modseq, _)| *modseq);
    let later = snapshot.vanished(folder.id, since).map_err(|fault| fault.to_string())?.len();
    same(|| format!("{at}: vanished since {since}"), later, folder.vanished.iter().filter(|v| v.0 > since).count())
}

fn compare_contents(snapshot: &Snapshot, world: &mut World) -> Result<(), String> {
    for folder in world.accounts.values().flat_map(|owner| owner.mailboxes.values()) {
        for (uid, letter) in &folder.messages {
            let uid = Uid::new(*uid).ok_or("UID 0")?;
            let message = snapshot.message(folder.id, uid).map_err(|fault| fault.to_string())?.ok_or("no row")?;
            let octets = mail::content(snapshot, message.blob)?;
            if octets != *letter.octets {
                return Err(format!("message {uid} of {:?}: other octets than went in", folder.id));
            }
            let first = world.blobs.entry(message.blob).or_insert_with(|| Rc::clone(&letter.octets));
            if **first != octets {
                return Err(format!("blob {:?} is used a second time", message.blob));
            }
        }
    }
    Ok(())
}

/// A mirror against the model's mailbox; `None`: the mailbox is gone.
pub fn compare_mirror(mirror: &Mirror, folder: Option<&Folder>) -> Result<(), String> {
    let at = || format!("mirror of {:?}", mirror.mailbox);
    let Some(folder) = folder else { return same(at, mirror.gone, true) };
    let found = (
        mirror.gone,
        mirror.uid_next.map_or(0, Uid::number),
        mirror.modseq.0.get(),
        mirror.rows.len(),
        mirror.keywords.to_vec(),
    );
    same(at, found, (false, folder.uid_next, folder.modseq, folder.messages.len(), folder.keywords.clone()))?;
    let rows: Vec<_> = mirror
        .rows
        .iter()
        .map(|row| (row.uid.number(), flag_names(row.flags, &mirror.keywords), row.modseq.0.get()))
        .collect();
    let expected = folder.messages.iter().map(|(uid, letter)| (*uid, letter.flags.clone(), letter.modseq));
    same(at, rows, expected.collect())
}

fn flag_names(flags: FlagSet, keywords: &[String]) -> BTreeSet<String> {
    let system = SystemFlag::ALL.into_iter().filter(|flag| flags.is(*flag)).map(|flag| flag.name().to_owned());
    system.chain(flags.keywords().map(|at| keywords.get(at).map_or("?".to_owned(), Clone::clone))).collect()
}
