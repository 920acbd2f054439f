//! The model: what the store should hold, in maps, without a thought for how it is kept.

use pillarbox::mail::{AccountId, BlobId, MailboxId, SystemFlag, limits};
use pillarbox::store::{Limits, Refusal, SpecialUse};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

#[derive(Clone, Debug, Default)]
pub struct World {
    pub accounts: BTreeMap<AccountId, Owner>,
    pub last_account: u32,
    /// The highest UIDVALIDITY that was given out.
    pub uid_validity: u32,
    /// What the store's clock says, in seconds since 1970.
    pub now: i64,
    /// Contents by the blob that was found to hold them; never may a blob hold another.
    pub blobs: BTreeMap<BlobId, Rc<Vec<u8>>>,
    /// What aliases lead to.
    pub aliases: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug)]
pub struct Owner {
    pub address: String,
    pub limits: Limits,
    pub next_mailbox: u32,
    pub mailboxes: BTreeMap<String, Folder>,
    pub subscriptions: BTreeSet<String>,
    /// The mailboxes that its rules move mail to, in their order.
    pub rules: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Folder {
    pub id: MailboxId,
    pub uid_validity: u32,
    pub uid_next: u32,
    pub modseq: u64,
    pub special: Option<SpecialUse>,
    pub keywords: Vec<String>,
    pub messages: BTreeMap<u32, Letter>,
    pub vanished: Vec<(u64, Vec<u32>)>,
}

#[derive(Clone, Debug)]
pub struct Letter {
    pub octets: Rc<Vec<u8>>,
    /// System flags by their names, keywords as the mailbox first heard of them.
    pub flags: BTreeSet<String>,
    pub modseq: u64,
    pub received: i64,
    /// When it came into this mailbox.
    pub saved: i64,
}

/// From what the generations of new mailboxes follow.
struct Clock {
    now: i64,
    uid_validity: u32,
}

/// What an operation should answer.
pub type Expected = Result<Answer, Refusal>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    Account(AccountId),
    Mailbox(MailboxId),
    Appended(u32),
    Copied { from: Vec<u32>, first: u32 },
    Stored(u64),
    Expunged(u64),
    Swept,
}

#[derive(Clone, Copy, Debug)]
pub enum How {
    Replace,
    Add,
    Remove,
}

/// UIDs as ranges.
pub type Ranges = Vec<(u32, u32)>;

fn holds(ranges: &Ranges, uid: u32) -> bool {
    ranges.iter().any(|&(low, high)| (low..=high).contains(&uid))
}

/// What lies below a mailbox that is renamed may come to lie too deep.
fn good_name(name: &str) -> bool {
    name.split('/').count() <= 32
}

impl World {
    pub fn add_account(&mut self, address: &str, limits: Limits) -> Expected {
        if self.accounts.values().any(|owner| owner.address == address) || self.aliases.contains_key(address) {
            return Err(Refusal::AddressTaken);
        }
        self.last_account += 1;
        let id = AccountId(self.last_account);
        let mut owner = Owner {
            address: address.to_owned(),
            limits,
            next_mailbox: 1,
            mailboxes: BTreeMap::new(),
            subscriptions: BTreeSet::new(),
            rules: Vec::new(),
        };
        let mut clock = self.clock();
        owner.make(id, "INBOX", None, &mut clock);
        owner.subscriptions.insert("INBOX".to_owned());
        for special in SpecialUse::ALL {
            owner.make(id, special.name(), Some(special), &mut clock);
            owner.subscriptions.insert(special.name().to_owned());
        }
        self.accounts.insert(id, owner);
        self.uid_validity = clock.uid_validity;
        Ok(Answer::Account(id))
    }

    pub fn remove_account(&mut self, account: AccountId) -> Expected {
        let mut gone = vec![self.accounts.remove(&account).ok_or(Refusal::NoAccount)?.address];
        while let Some(address) = gone.pop() {
            for targets in self.aliases.values_mut() {
                targets.retain(|target| *target != address);
            }
            let empty = self.aliases.iter().filter(|(_, targets)| targets.is_empty()).map(|(alias, _)| alias.clone());
            let empty: Vec<String> = empty.collect();
            self.aliases.retain(|_, targets| !targets.is_empty());
            gone.extend(empty);
        }
        Ok(Answer::Done)
    }

    pub fn add_alias(&mut self, address: &str, target: &str) -> Expected {
        if self.accounts.values().any(|owner| owner.address == address) {
            return Err(Refusal::AddressTaken);
        }
        let targets = self.aliases.entry(address.to_owned()).or_default();
        if !targets.iter().any(|known| known == target) {
            targets.push(target.to_owned());
        }
        Ok(Answer::Done)
    }

    pub fn remove_alias(&mut self, address: &str, target: Option<&str>) -> Expected {
        let targets = self.aliases.get_mut(address).ok_or(Refusal::NotThere)?;
        match target {
            Some(target) if !targets.iter().any(|known| known == target) => return Err(Refusal::NotThere),
            Some(target) => targets.retain(|known| known != target),
            None => targets.clear(),
        }
        if targets.is_empty() {
            self.aliases.remove(address);
        }
        Ok(Answer::Done)
    }

    pub fn add_rule(&mut self, account: AccountId, mailbox: &str, first: bool) -> Expected {
        let rules = &mut self.accounts.get_mut(&account).ok_or(Refusal::NoAccount)?.rules;
        if rules.len() == limits::RULES {
            return Err(Refusal::TooMany);
        }
        rules.insert(if first { 0 } else { rules.len() }, mailbox.to_owned());
        Ok(Answer::Done)
    }

    pub fn remove_rule(&mut self, account: AccountId, number: usize) -> Expected {
        let rules = &mut self.accounts.get_mut(&account).ok_or(Refusal::NoAccount)?.rules;
        if !(1..=rules.len()).contains(&number) {
            return Err(Refusal::NotThere);
        }
        rules.remove(number - 1);
        Ok(Answer::Done)
    }

    pub fn set_limits(&mut self, account: AccountId, limits: Limits) -> Expected {
        self.accounts.get_mut(&account).ok_or(Refusal::NoAccount)?.limits = limits;
        Ok(Answer::Done)
    }

    pub fn create(&mut self, account: AccountId, name: &str) -> Expected {
        let mut clock = self.clock();
        let owner = self.accounts.get_mut(&account).ok_or(Refusal::NoAccount)?;
        if owner.mailboxes.contains_key(name) {
            return Err(Refusal::MailboxExists);
        }
        owner.make_above(account, name, &mut clock);
        let made = owner.make(account, name, None, &mut clock);
        self.uid_validity = clock.uid_validity;
        Ok(Answer::Mailbox(made))
    }

    pub fn delete(&mut self, account: AccountId, name: &str) -> Expected {
        if name == "INBOX" {
            return Err(Refusal::Inbox);
        }
        let Some(owner) = self.accounts.get_mut(&account) else { return Err(Refusal::NoMailbox) };
        if owner.mailboxes.remove(name).is_some() {
            return Ok(Answer::Done);
        }
        let below = format!("{name}/");
        let children = owner.mailboxes.keys().any(|other| other.starts_with(&below));
        Err(if children { Refusal::HasChildren } else { Refusal::NoMailbox })
    }

    pub fn rename(&mut self, account: AccountId, from: &str, to: &str) -> Expected {
        let below = format!("{from}/");
        let into_itself = from != "INBOX" && to.starts_with(&below);
        let mut clock = self.clock();
        let Some(owner) = self.accounts.get_mut(&account) else {
            return Err(if into_itself { Refusal::IntoItself } else { Refusal::NoMailbox });
        };
        if owner.mailboxes.contains_key(to) {
            return Err(Refusal::MailboxExists);
        }
        if from == "INBOX" {
            owner.make_above(account, to, &mut clock);
            let id = owner.make(account, to, None, &mut clock);
            self.uid_validity = clock.uid_validity;
            let inbox = owner.mailboxes.get("INBOX").expect("it cannot be deleted").id;
            return self.move_letters(inbox, &vec![(1, u32::MAX)], id).map(|_| Answer::Done);
        }
        if into_itself {
            return Err(Refusal::IntoItself);
        }
        let moving: Vec<String> =
            owner.mailboxes.keys().filter(|name| *name == from || name.starts_with(&below)).cloned().collect();
        if moving.is_empty() {
            return Err(Refusal::NoMailbox);
        }
        let new = |old: &str| format!("{to}{}", old.get(from.len()..).expect("it begins with the old name"));
        if moving.iter().any(|old| !good_name(&new(old))) {
            return Err(Refusal::BadName);
        }
        if moving.iter().any(|old| owner.mailboxes.contains_key(&new(old))) {
            return Err(Refusal::MailboxExists);
        }
        owner.make_above(account, to, &mut clock);
        self.uid_validity = clock.uid_validity;
        for old in moving {
            let folder = owner.mailboxes.remove(&old).expect("it was just listed");
            owner.mailboxes.insert(new(&old), folder);
        }
        Ok(Answer::Done)
    }

    pub fn subscribe(&mut self, account: AccountId, name: &str, on: bool) -> Expected {
        let owner = self.accounts.get_mut(&account).ok_or(Refusal::NoAccount)?;
        if on {
            owner.subscriptions.insert(name.to_owned());
        } else {
            owner.subscriptions.remove(name);
        }
        Ok(Answer::Done)
    }

    pub fn append(&mut self, mailbox: MailboxId, octets: &Rc<Vec<u8>>, flags: &[String], now: i64) -> Expected {
        self.folder(mailbox).ok_or(Refusal::NoMailbox)?;
        self.owner(mailbox)?.admit(octets.len() as u64, 1)?;
        let folder = self.folder(mailbox).ok_or(Refusal::NoMailbox)?;
        let flags = folder.names(flags, true);
        folder.modseq += 1;
        let uid = folder.uid_next;
        let letter = Letter { octets: Rc::clone(octets), flags, modseq: folder.modseq, received: now - 5, saved: now };
        folder.messages.insert(uid, letter);
        folder.uid_next += 1;
        Ok(Answer::Appended(uid))
    }

    pub fn store(&mut self, mailbox: MailboxId, uids: &Ranges, how: How, names: &[String]) -> Expected {
        let folder = self.folder(mailbox).ok_or(Refusal::NoMailbox)?;
        let named = folder.names(names, !matches!(how, How::Remove));
        let next = folder.modseq + 1;
        let mut changed = false;
        for (_, letter) in folder.messages.iter_mut().filter(|(uid, _)| holds(uids, **uid)) {
            let flags: BTreeSet<String> = match how {
                How::Replace => named.clone(),
                How::Add => letter.flags.union(&named).cloned().collect(),
                How::Remove => letter.flags.difference(&named).cloned().collect(),
            };
            if flags != letter.flags {
                letter.flags = flags;
                letter.modseq = next;
                changed = true;
            }
        }
        folder.modseq += u64::from(changed);
        Ok(Answer::Stored(folder.modseq))
    }

    pub fn copy(&mut self, from: MailboxId, uids: &Ranges, to: MailboxId) -> Expected {
        let letters = self.letters(from, uids, to)?;
        if !letters.is_empty() {
            let bytes = letters.iter().map(|(_, letter)| letter.octets.len() as u64).sum();
            self.owner(to)?.admit(bytes, letters.len() as u64)?;
        }
        self.put(from, &letters, to)
    }

    pub fn move_letters(&mut self, from: MailboxId, uids: &Ranges, to: MailboxId) -> Expected {
        let letters = self.letters(from, uids, to)?;
        let answer = self.put(from, &letters, to)?;
        self.folder(from).ok_or(Refusal::NoMailbox)?.take_out(letters.iter().map(|(uid, _)| *uid).collect());
        Ok(answer)
    }

    pub fn expunge(&mut self, mailbox: MailboxId, uids: Option<&Ranges>) -> Expected {
        let folder = self.folder(mailbox).ok_or(Refusal::NoMailbox)?;
        let deleted = SystemFlag::Deleted.name();
        let going: Vec<u32> = folder
            .messages
            .iter()
            .filter(|(uid, letter)| letter.flags.contains(deleted) && uids.is_none_or(|uids| holds(uids, **uid)))
            .map(|(uid, _)| *uid)
            .collect();
        let count = going.len() as u64;
        folder.take_out(going);
        Ok(Answer::Expunged(count))
    }

    pub fn folder(&mut self, mailbox: MailboxId) -> Option<&mut Folder> {
        let owner = self.accounts.get_mut(&mailbox.account())?;
        owner.mailboxes.values_mut().find(|folder| folder.id == mailbox)
    }

    fn clock(&self) -> Clock {
        Clock { now: self.now, uid_validity: self.uid_validity }
    }

    fn owner(&self, mailbox: MailboxId) -> Result<&Owner, Refusal> {
        self.accounts.get(&mailbox.account()).ok_or(Refusal::NoAccount)
    }

    fn letters(&mut self, from: MailboxId, uids: &Ranges, to: MailboxId) -> Result<Vec<(u32, Letter)>, Refusal> {
        self.folder(to).ok_or(Refusal::NoMailbox)?;
        let folder = self.folder(from).ok_or(Refusal::NoMailbox)?;
        let letters = folder.messages.iter().filter(|(uid, _)| holds(uids, **uid));
        let letters = letters.map(|(uid, letter)| (*uid, letter.clone())).collect();
        if from.account() == to.account() { Ok(letters) } else { Err(Refusal::NoMailbox) }
    }

    fn put(&mut self, from: MailboxId, letters: &[(u32, Letter)], to: MailboxId) -> Expected {
        let saved = self.now;
        // New names are learned in the order in which the mailbox that they come from knows them.
        let known = self.folder(from).ok_or(Refusal::NoMailbox)?.keywords.clone();
        let used: Vec<String> =
            known.into_iter().filter(|name| letters.iter().any(|(_, letter)| letter.flags.contains(name))).collect();
        let folder = self.folder(to).ok_or(Refusal::NoMailbox)?;
        for name in &used {
            folder.names(std::slice::from_ref(name), true);
        }
        let first = if letters.is_empty() { 0 } else { folder.uid_next };
        folder.modseq += u64::from(!letters.is_empty());
        for (_, letter) in letters {
            let names: Vec<String> = letter.flags.iter().cloned().collect();
            let flags = folder.names(&names, false);
            let letter = Letter { flags, modseq: folder.modseq, saved, ..letter.clone() };
            folder.messages.insert(folder.uid_next, letter);
            folder.uid_next += 1;
        }
        Ok(Answer::Copied { from: letters.iter().map(|(uid, _)| *uid).collect(), first })
    }
}

impl Owner {
    pub fn usage(&self) -> (u64, u64) {
        let letters = || self.mailboxes.values().flat_map(|folder| folder.messages.values());
        (letters().map(|letter| letter.octets.len() as u64).sum(), letters().count() as u64)
    }

    fn admit(&self, bytes: u64, messages: u64) -> Result<(), Refusal> {
        let (used_bytes, used_messages) = self.usage();
        let over = self.limits.bytes.is_some_and(|limit| used_bytes + bytes > limit)
            || self.limits.messages.is_some_and(|limit| used_messages + messages > limit);
        if over { Err(Refusal::OverQuota) } else { Ok(()) }
    }

    fn make_above(&mut self, account: AccountId, name: &str, clock: &mut Clock) {
        for (at, _) in name.match_indices('/') {
            let above = name.get(..at).expect("a match lies on a boundary");
            if !self.mailboxes.contains_key(above) {
                self.make(account, above, None, clock);
            }
        }
    }

    fn make(&mut self, account: AccountId, name: &str, special: Option<SpecialUse>, clock: &mut Clock) -> MailboxId {
        let id = MailboxId::new(account, self.next_mailbox);
        self.next_mailbox += 1;
        // The moment, where no number of this one was given out yet.
        let moment = u32::try_from(clock.now).expect("the tests play before 2072");
        clock.uid_validity = moment.max(clock.uid_validity + 1);
        let folder = Folder {
            id,
            uid_validity: clock.uid_validity,
            uid_next: 1,
            modseq: 1,
            special,
            keywords: Vec::new(),
            messages: BTreeMap::new(),
            vanished: Vec::new(),
        };
        self.mailboxes.insert(name.to_owned(), folder);
        id
    }
}

impl Folder {
    /// The flags of these names as this mailbox spells them.
    fn names(&mut self, names: &[String], learn: bool) -> BTreeSet<String> {
        let mut flags = BTreeSet::new();
        for name in names {
            if let Some(system) = SystemFlag::ALL.into_iter().find(|flag| flag.name().eq_ignore_ascii_case(name)) {
                flags.insert(system.name().to_owned());
            } else if let Some(known) = self.keywords.iter().find(|known| known.eq_ignore_ascii_case(name)) {
                flags.insert(known.clone());
            } else if learn && !name.starts_with('\\') && self.keywords.len() < 120 && name.len() <= 64 {
                self.keywords.push(name.clone());
                flags.insert(name.clone());
            }
        }
        flags
    }

    fn take_out(&mut self, uids: Vec<u32>) {
        if uids.is_empty() {
            return;
        }
        self.modseq += 1;
        for uid in &uids {
            self.messages.remove(uid);
        }
        self.vanished.push((self.modseq, uids));
    }
}
