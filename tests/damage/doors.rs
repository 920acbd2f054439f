//! Every door of a damaged store: what comes out of each is what went in, or is told not to be all.

use crate::client::{Client, Gate};
use crate::stores::{Mailbox, Owner, Truth, account, append, hash};
use pillarbox::keep::export::{Part, Walk};
use pillarbox::mail::MailboxId;
use pillarbox::session::Privacy;
use pillarbox::session::pop3::{Maildrops, Terms};
use pillarbox::store::{Health, Options, Store};
use pillarbox::verdict::Disposition;
use pillarbox::wire::sasl::ScramKeys;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

const OUT: usize = pillarbox::mail::limits::OUT;
const OPTIONS: Options = Options { cache: 2 << 20 };
const NEW: &[u8] = b"Subject: new\r\n\r\ncame in after the damage\r\n";

/// What was met: a word for the tally, or what is wrong.
/// `lost_journal`: what only the journal had may be gone.
pub fn walk(folder: &Path, truth: &Truth, lost_journal: bool) -> Result<String, String> {
    let store = match Store::open(folder, OPTIONS) {
        Ok(store) => store,
        Err(fault) => match Store::open_read_only(folder, OPTIONS) {
            Ok(store) => store,
            Err(_) => return Ok(format!("not started: {}", fault.to_string().chars().take(60).collect::<String>())),
        },
    };
    // What was lost with the end of the journal cannot be had back: then it is told from the first moment on.
    let told_at_start = store.health() != Health::Good;
    let mut seen = Seen::default();
    match read(&store, truth, &mut seen) {
        Err(_) if lost_journal && told_at_start => return Ok("the end of the journal is lost, and told".to_owned()),
        done => done?,
    }
    let findings = store.check().map_or(1, |report| report.findings.len());
    if seen.refused > 0 && findings == 0 {
        return Err("something was refused, and check says that all is well".to_owned());
    }
    if seen.refused > 0 && store.health() == Health::Good {
        return Err("something was refused, and the status is good".to_owned());
    }
    let mut came = Vec::new();
    for owner in &truth.accounts {
        for mailbox in &owner.mailboxes {
            match append(&store, MailboxId(mailbox.id), NEW) {
                Ok(uid) if uid < mailbox.next => return Err(format!("UID {uid} is given out twice")),
                Ok(uid) => came.push((mailbox.id, uid)),
                Err(error) => {
                    seen.refused += 1;
                    seen.failed.push((mailbox.id, error));
                }
            }
        }
    }
    seen.came = came;
    read(&store, truth, &mut seen)?;
    drop(store);
    if let Ok(store) = Store::open(folder, OPTIONS) {
        read(&store, truth, &mut seen)?;
    }
    Ok(match (seen.refused, findings) {
        (0, 0) => "as it was",
        (0, _) => "as it was, check tells",
        (_, _) if told_at_start => "told at the start, and refused",
        _ => "refused",
    }
    .to_owned())
}

#[derive(Default)]
struct Seen {
    /// Doors that said that not all is well.
    refused: usize,
    /// Mail that came in since.
    came: Vec<(u64, u32)>,
    /// Mail that was not taken since, and why.
    failed: Vec<(u64, String)>,
}

fn read(store: &Store, truth: &Truth, seen: &mut Seen) -> Result<(), String> {
    for owner in &truth.accounts {
        imap(store, owner, seen).map_err(|wrong| format!("IMAP, {}: {wrong}", owner.address))?;
        pop3(store, owner, seen).map_err(|wrong| format!("POP3, {}: {wrong}", owner.address))?;
        export(store, owner, seen).map_err(|wrong| format!("export, {}: {wrong}", owner.address))?;
        address(store, owner, seen)?;
    }
    Ok(())
}

/// Where mail goes.
fn address(store: &Store, owner: &Owner, seen: &mut Seen) -> Result<(), String> {
    match store.snapshot().and_then(|snapshot| snapshot.account_of(&owner.address)) {
        Ok(Some(id)) if id == account(owner) => Ok(()),
        Ok(other) => Err(format!("{} leads to {other:?}", owner.address)),
        Err(_) => {
            seen.refused += 1;
            Ok(())
        }
    }
}

fn gate(owner: &Owner) -> Gate {
    Gate {
        account: account(owner),
        address: owner.address.clone(),
        password: "secret".to_owned(),
        keys: ScramKeys::derive("secret", *b"sixteen octets !", NonZeroU32::MIN),
        denied: None,
        disposition: Disposition::None,
    }
}

/// A client of one protocol.
struct Door<'s> {
    store: &'s Store,
    gate: Gate,
    client: Client,
}

impl Door<'_> {
    fn say(&mut self, line: &str) -> Result<Vec<u8>, String> {
        self.client.feed(format!("{line}\r\n").as_bytes(), 0);
        self.client.run(self.store, &self.gate, 0)?;
        Ok(std::mem::take(&mut self.client.heard))
    }
}

/// What was appended to a mailbox since.
fn came<'s>(seen: &'s Seen, mailbox: &'s Mailbox) -> impl Iterator<Item = u32> + 's {
    seen.came.iter().filter(|(id, _)| *id == mailbox.id).map(|(_, uid)| *uid)
}

fn imap(store: &Store, owner: &Owner, seen: &mut Seen) -> Result<(), String> {
    let client = Client::imap(Privacy::Tls, OUT, 0);
    let mut door = Door { store, gate: gate(owner), client };
    door.client.run(store, &door.gate, 0)?;
    door.client.heard.clear();
    if !is_ok(&door.say(&format!("a LOGIN {} secret", owner.address))?) {
        seen.refused += 1;
        return Ok(());
    }
    let listed = door.say("a LIST \"\" *")?;
    if is_ok(&listed) {
        let count = lines(&listed).filter(|line| line.starts_with(b"* LIST ")).count();
        if count != owner.mailboxes.len() {
            return Err(format!("LIST says OK to {count} of {}", owner.mailboxes.len()));
        }
    } else {
        seen.refused += 1;
    }
    for mailbox in &owner.mailboxes {
        one_mailbox(&mut door, mailbox, seen).map_err(|wrong| format!("{}: {wrong}", mailbox.name))?;
    }
    Ok(())
}

fn one_mailbox(door: &mut Door<'_>, mailbox: &Mailbox, seen: &mut Seen) -> Result<(), String> {
    let status = door.say(&format!("a STATUS {} (MESSAGES UIDNEXT UIDVALIDITY)", mailbox.name))?;
    // What broke off within its commit may be there all the same: its sender was not told that it is.
    let broke_off = seen.failed.iter().position(|(id, why)| *id == mailbox.id && why.contains("damaged"));
    let more = format!("(MESSAGES {} UIDNEXT {} ", mailbox.messages.len() + 1, mailbox.next + 1);
    if let Some(at) = broke_off
        && memchr::memmem::find(&status, more.as_bytes()).is_some()
    {
        seen.failed.remove(at);
        seen.came.push((mailbox.id, mailbox.next));
    }
    let came: Vec<u32> = came(seen, mailbox).collect();
    let count = mailbox.messages.len() + came.len();
    if is_ok(&status) {
        let next = came.iter().max().map_or(mailbox.next, |last| last + 1);
        let expected = format!("(MESSAGES {count} UIDNEXT {next} UIDVALIDITY {})", mailbox.validity);
        if memchr::memmem::find(&status, expected.as_bytes()).is_none() {
            return Err(format!("STATUS is not {expected}: {}", String::from_utf8_lossy(&status)));
        }
    } else {
        seen.refused += 1;
    }
    let opened = door.say(&format!("a SELECT {}", mailbox.name))?;
    if !is_ok(&opened) {
        seen.refused += 1;
        return Ok(());
    }
    if memchr::memmem::find(&opened, format!("* {count} EXISTS").as_bytes()).is_none() {
        return Err(format!("there are not {count} messages: {}", String::from_utf8_lossy(&opened)));
    }
    for search in ["a UID SEARCH ALL", "a UID SEARCH SUBJECT n"] {
        let found = door.say(search)?;
        if !is_ok(&found) {
            seen.refused += 1;
        } else if numbers(&found) != count {
            return Err(format!("{search} says OK to {} of {count}", numbers(&found)));
        }
    }
    let fetched = door.say("a UID FETCH 1:* (FLAGS BODY.PEEK[])")?;
    let served = bodies(&fetched);
    for (uid, is_seen, octets) in &served {
        if came.contains(uid) {
            if octets != NEW {
                return Err(format!("UID {uid}, which is new, has other octets"));
            }
            continue;
        }
        let Some(mail) = mailbox.messages.iter().find(|mail| mail.uid == *uid) else {
            return Err(format!("UID {uid} comes from nowhere"));
        };
        if (mail.size, mail.hash, mail.seen) != (octets.len(), hash(octets), *is_seen) {
            return Err(format!("UID {uid} has other octets or flags"));
        }
    }
    if !is_ok(&fetched) {
        seen.refused += 1;
        if !door.client.closed && memchr::memmem::find(&fetched, b"a NO ").is_none() {
            return Err("a FETCH has no end".to_owned());
        }
    } else if served.len() != count {
        return Err(format!("FETCH says OK to {} of {count}", served.len()));
    }
    if door.client.closed {
        return Err("the connection was closed".to_owned());
    }
    Ok(())
}

fn pop3(store: &Store, owner: &Owner, seen: &mut Seen) -> Result<(), String> {
    let Some(inbox) = owner.mailboxes.iter().find(|mailbox| mailbox.name == "INBOX") else { return Ok(()) };
    let maildrops = Arc::new(Maildrops::new(Terms { exclusive: true, login_delay: 0 }));
    let client = Client::pop3(Privacy::Tls, &maildrops, OUT, 0);
    let mut door = Door { store, gate: gate(owner), client };
    door.client.run(store, &door.gate, 0)?;
    door.say(&format!("USER {}", owner.address))?;
    if !door.say("PASS secret")?.starts_with(b"+OK") {
        seen.refused += 1;
        return Ok(());
    }
    let listed = door.say("UIDL")?;
    if !listed.starts_with(b"+OK") {
        seen.refused += 1;
        return Ok(());
    }
    let count = lines(&listed).count().saturating_sub(2);
    let came = came(seen, inbox).count();
    if count != inbox.messages.len() + came {
        return Err(format!("UIDL says +OK to {count} of {}", inbox.messages.len() + came));
    }
    for (number, mail) in inbox.messages.iter().enumerate() {
        let got = door.say(&format!("RETR {}", number + 1))?;
        if !got.starts_with(b"+OK") {
            seen.refused += 1;
            continue;
        }
        if door.client.closed {
            // Broken off, which is told by there being no end.
            seen.refused += 1;
            return Ok(());
        }
        // With its line ends made whole and its dots stuffed it is at least as long.
        if got.len() < mail.size || !got.ends_with(b".\r\n") {
            return Err(format!("message {} is shorter than it was", number + 1));
        }
    }
    Ok(())
}

fn export(store: &Store, owner: &Owner, seen: &mut Seen) -> Result<(), String> {
    let whole: usize = owner.mailboxes.iter().map(|mailbox| mailbox.messages.len()).sum();
    let came = seen.came.iter().filter(|(id, _)| owner.mailboxes.iter().any(|mailbox| mailbox.id == *id)).count();
    let Ok(snapshot) = store.snapshot() else {
        seen.refused += 1;
        return Ok(());
    };
    let Ok(mut walk) = Walk::new(&snapshot, account(owner)) else {
        seen.refused += 1;
        return Ok(());
    };
    let (mut messages, mut lacks, mut mailbox, mut open) = (0, 0, None, None::<(u32, u32, Vec<u8>)>);
    loop {
        let mut octets = Vec::new();
        let Ok(part) = walk.next(store, &snapshot, &mut octets) else {
            lacks += 1;
            break;
        };
        match part {
            Part::Mailbox(name) => mailbox = owner.mailboxes.iter().find(|mailbox| mailbox.name == name),
            Part::Message(item) => {
                messages += 1;
                open = Some((item.uid, item.size, Vec::new()));
            }
            Part::Octets(_) => {
                if let Some((_, _, whole)) = &mut open {
                    whole.extend_from_slice(&octets);
                }
            }
            Part::Unreadable(..) => lacks += 1,
            Part::Account { .. } => {}
            Part::End => break,
        }
        let ended = open.take_if(|(_, size, whole)| whole.len() == *size as usize);
        if let (Some((uid, _, whole)), Some(mailbox)) = (ended, mailbox)
            && let Some(mail) = mailbox.messages.iter().find(|mail| mail.uid == uid)
            && hash(&whole) != mail.hash
        {
            return Err(format!("UID {uid} of {} has other octets", mailbox.name));
        }
    }
    if lacks == 0 && messages != whole + came {
        return Err(format!("{messages} of {} messages, and nothing is said to be missing", whole + came));
    }
    seen.refused += lacks;
    Ok(())
}

fn lines(heard: &[u8]) -> impl Iterator<Item = &[u8]> {
    heard.split(|octet| *octet == b'\n').filter(|line| !line.is_empty())
}

fn is_ok(heard: &[u8]) -> bool {
    lines(heard).last().is_some_and(|line| line.starts_with(b"a OK"))
}

/// How many numbers a search found.
fn numbers(heard: &[u8]) -> usize {
    let found = lines(heard).find_map(|line| line.strip_prefix(b"* SEARCH"));
    found.map_or(0, |found| {
        found.split(|octet| *octet == b' ').filter(|word| !word.is_empty() && *word != b"\r").count()
    })
}

/// UID, `\Seen` and octets of each message that was fetched.
fn bodies(heard: &[u8]) -> Vec<(u32, bool, Vec<u8>)> {
    let (mut bodies, mut rest) = (Vec::new(), heard);
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, after) = rest.split_at(end + 1);
        rest = after;
        let text = String::from_utf8_lossy(line);
        let number = |after: &str| {
            let digits = text.split_once(after)?.1;
            digits.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok()
        };
        if !text.contains(" FETCH (") {
            continue;
        }
        let Some(uid) = number("UID ").and_then(|uid| u32::try_from(uid).ok()) else { continue };
        let size = text.rfind('{').and_then(|_| number("{")).unwrap_or(0);
        if size > rest.len() {
            // Broken off, which nobody takes for a message.
            break;
        }
        let (octets, after) = rest.split_at(size);
        rest = after;
        bodies.push((uid, text.contains("\\Seen"), octets.to_vec()));
    }
    bodies
}
