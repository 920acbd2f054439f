//! Stores to be damaged, and what is in them.

use crate::mail;
use crate::random::Random;
use pillarbox::mail::{AccountId, MailboxId, Stamp, SystemFlag};
use pillarbox::store::{
    Credentials, FORMAT, FlagChange, History, Limits, NewAccount, NewMessage, Options, Outcome, Store, Uids, Write,
};
use redb::{Database, TableDefinition};
use serde::{Deserialize, Serialize};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// How the store is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of today's format, closed well.
    Closed,
    /// Its process was killed, with changes that only the journal has.
    Killed,
    /// Of the first format,
    First,
    /// and of the second.
    Second,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Closed, Kind::Killed, Kind::First, Kind::Second];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Closed => "closed",
            Kind::Killed => "killed",
            Kind::First => "first",
            Kind::Second => "second",
        }
    }
}

/// What is in a store.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Truth {
    pub accounts: Vec<Owner>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Owner {
    pub id: u32,
    pub address: String,
    pub mailboxes: Vec<Mailbox>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Mailbox {
    pub id: u64,
    pub name: String,
    pub validity: u32,
    pub next: u32,
    pub messages: Vec<Mail>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Mail {
    pub uid: u32,
    pub seen: bool,
    pub size: usize,
    pub hash: u64,
}

impl Truth {
    pub fn read(base: &Path) -> Truth {
        let text = fs::read(base.join("truth")).expect("it was just written");
        serde_json::from_slice(&text).expect("it was just written")
    }

    fn of(store: &Store) -> Truth {
        let snapshot = store.snapshot().expect("it is well");
        let mut truth = Truth::default();
        for (id, account) in snapshot.accounts().expect("it is well") {
            let mut owner = Owner { id: id.0, address: account.address, mailboxes: Vec::new() };
            for (mailbox, record) in snapshot.mailboxes(id).expect("it is well") {
                let messages = snapshot.messages(mailbox, 1, u32::MAX).expect("it is well");
                let messages = messages.map(|row| {
                    let (uid, message) = row.expect("it is well");
                    let octets = mail::content(&snapshot, message.blob).expect("it is well");
                    let seen = message.flags.is(SystemFlag::Seen);
                    Mail { uid: uid.number(), seen, size: octets.len(), hash: hash(&octets) }
                });
                owner.mailboxes.push(Mailbox {
                    id: mailbox.0,
                    messages: messages.collect(),
                    name: record.name,
                    validity: record.uid_validity.0.get(),
                    next: record.uid_next.expect("there are some left").number(),
                });
            }
            truth.accounts.push(owner);
        }
        truth
    }
}

pub fn hash(octets: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    octets.hash(&mut hasher);
    hasher.finish()
}

/// The files of a store but its ballast and what the test keeps beside them.
pub fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).expect("there is room");
    for entry in fs::read_dir(from).expect("it is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
        if name == "mail.redb" || name.starts_with("journal") {
            fs::copy(&path, to.join(&name)).expect("there is room");
        }
    }
}

/// Makes a store, and a note of what is in it.
pub fn make(kind: Kind, base: &Path) {
    let growing = base.with_extension("growing");
    fs::create_dir_all(&growing).expect("there is room");
    let mut random = Random::new(kind as u64 + 3);
    let options = Options { cache: 4 << 20 };
    let mailboxes = {
        let store = Store::open(&growing, options).expect("an empty folder opens");
        let mailboxes = begin(&store);
        fill(&store, &mailboxes, 20, &mut random);
        mailboxes
    };
    let earlier_tables = fs::read(growing.join("mail.redb")).expect("it was closed well");
    let store = Store::open(&growing, options).expect("it was closed well");
    fill(&store, &mailboxes, 20, &mut random);
    store.write_blocking(Write::Sweep).expect("there is room");
    let truth = Truth::of(&store);
    if kind == Kind::Killed {
        copy(&growing, base);
    }
    drop(store);
    if kind != Kind::Killed {
        copy(&growing, base);
    }
    match kind {
        Kind::First => earlier(base, 1),
        Kind::Second => earlier(base, 2),
        Kind::Closed | Kind::Killed => {}
    }
    let _ = fs::remove_dir_all(&growing);
    fs::write(base.join("earlier.redb"), earlier_tables).expect("there is room");
    fs::write(base.join("truth"), serde_json::to_vec(&truth).expect("it is plain")).expect("there is room");
}

fn begin(store: &Store) -> Vec<MailboxId> {
    let mut all = Vec::new();
    for name in ["ann", "bob"] {
        let address = format!("{name}@example.org");
        let (credentials, limits) = (Credentials::default(), Limits::default());
        let new = Write::AddAccount(NewAccount { address, credentials, limits, now: 0 });
        let Ok(Outcome::Account(account)) = store.write_blocking(new) else { panic!("no account") };
        let targets = vec![format!("{name}@example.org")];
        store.write_blocking(Write::AddAlias { address: format!("{name}.x@example.org"), targets }).expect("it is new");
        let mailboxes = store.snapshot().and_then(|snapshot| snapshot.mailboxes(account)).expect("they were just made");
        all.extend(mailboxes.into_iter().take(3).map(|(mailbox, _)| mailbox));
    }
    all
}

fn fill(store: &Store, mailboxes: &[MailboxId], each: usize, random: &mut Random) {
    for mailbox in mailboxes {
        for _ in 0..each {
            let size = if random.once_in(10) { 150_000 } else { random.below(5_000) };
            // BODY[] has no NUL (RFC 9051 §4.3.1): of these it would have other octets than went in.
            let mut octets = random.mail(size);
            octets.iter_mut().filter(|octet| **octet == 0).for_each(|octet| *octet = b'n');
            append(store, *mailbox, &octets).expect("there is room");
        }
        let uid = 1 + u32::try_from(random.below(each)).expect("it is small");
        for (uids, flag) in [(Uids(vec![(uid, uid + 5)]), "\\Seen"), (Uids(vec![(uid, uid)]), "\\Deleted")] {
            let change = FlagChange::Add(vec![flag.to_owned()]);
            store.write_blocking(Write::Store { mailbox: *mailbox, uids, change }).expect("they are there");
        }
        store.write_blocking(Write::Expunge { mailbox: *mailbox, uids: None }).expect("they are there");
    }
}

pub fn append(store: &Store, mailbox: MailboxId, octets: &[u8]) -> Result<u32, String> {
    let parcel = mail::pack(store, octets, usize::MAX).map_err(|error| error.to_string())?;
    let (received, history) = (Stamp::utc(0), History::default());
    let message = NewMessage { parcel, flags: Vec::new(), received, now: 0, history };
    match store.write_blocking(Write::Append { mailbox, message }) {
        Ok(Outcome::Appended { uid, .. }) => Ok(uid.number()),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

/// A store as a program of an earlier format left it. The records are the same in all of them so far.
fn earlier(base: &Path, format: u32) {
    const CONFIG: TableDefinition<&str, u64> = TableDefinition::new("config");
    if format == FORMAT {
        return;
    }
    let database = Database::open(base.join("mail.redb")).expect("it was closed well");
    let mut transaction = database.begin_write().expect("nobody else writes");
    transaction.set_quick_repair(true);
    if format < 2 {
        for table in ["queue", "due", "kept", "alias", "domain", "filing"] {
            let table: TableDefinition<u64, &[u8]> = TableDefinition::new(table);
            transaction.delete_table(table).expect("it is there");
        }
    }
    {
        let mut config = transaction.open_table(CONFIG).expect("it is there");
        config.insert("format", u64::from(format)).expect("there is room");
        config.insert("journal-format", u64::from(format)).expect("there is room");
    }
    transaction.commit().expect("there is room");
    drop(database);
    let name = |format: u32| if format == 1 { "journal".to_owned() } else { format!("journal-{format}") };
    fs::rename(base.join(name(FORMAT)), base.join(name(format))).expect("it is there");
}

pub fn account(owner: &Owner) -> AccountId {
    AccountId(owner.id)
}
