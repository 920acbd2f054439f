//! Choosing operations by chance, and doing them in bursts, so that the writer has many in one transaction.

use crate::mail;
use crate::random::Random;
use crate::states::{self, same};
use crate::world::{Answer, Expected, How, Ranges, World};
use pillarbox::mail::{AccountId, MailboxId, MailboxName, Stamp, Uid};
use pillarbox::store::{
    Action, Credentials, Fault, FlagChange, History, Limits, NewAccount, NewMessage, Outcome, Rule, RuleEdit, Store,
    StoreError, Uids, Watch, Write,
};
use std::pin::Pin;
use std::rc::Rc;

type Answering<'s> = Pin<Box<dyn Future<Output = Result<Outcome, StoreError>> + 's>>;

/// Mailboxes watched at a time.
const WATCHED: usize = 6;
/// So much packed mail is held before it is staged.
const HELD: usize = 60_000;

/// So far the store's clock is ahead of that of who hands mail over.
const AHEAD: i64 = 7;

/// Where the store lies, and the clock that it goes by.
pub trait Place {
    fn open(&self) -> Result<Store, Fault>;
    fn set_clock(&self, now: i64);
}

pub struct Play {
    random: Random,
    at_once: usize,
    place: Box<dyn Place>,
    store: Option<Store>,
    world: World,
    watches: Vec<(MailboxId, Watch)>,
    /// The clock of who hands mail over.
    clock: i64,
}

/// Why a burst ended before its end.
#[derive(Debug)]
pub enum Trouble {
    /// The store and the model disagree.
    Wrong(String),
    /// The store failed. It may hold any of these worlds: what was acknowledged is in all of them.
    Fault(String, Vec<World>),
}

impl Play {
    /// Plays with at most so many operations under way at once.
    pub fn new(seed: u64, at_once: usize, world: World, place: Box<dyn Place>) -> Result<Play, String> {
        let store = place.open().map_err(|fault| fault.to_string())?;
        // Each begins at another moment, mostly a later one.
        let clock = 1_600_000_000 + i64::try_from(seed % 20_000).unwrap_or(0) * 5_000;
        Ok(Play { random: Random::new(seed), at_once, place, store: Some(store), world, watches: Vec::new(), clock })
    }

    /// The store as it is between two bursts.
    pub fn store(&self) -> Result<&Store, String> {
        self.store.as_ref().ok_or_else(|| "no store".to_owned())
    }

    pub fn world(&self) -> &World {
        &self.world
    }

    /// Some operations, handed over together and answered in their order.
    pub fn burst(&mut self) -> Result<(), Trouble> {
        if self.random.once_in(40) {
            self.reopen()?;
        }
        if self.random.once_in(3) {
            self.watch()?;
        }
        // Now and then it is set back.
        self.clock += if self.random.once_in(20) { -3_000 } else { i64::try_from(self.random.below(400)).unwrap_or(0) };
        self.world.now = self.clock + AHEAD;
        self.place.set_clock(self.world.now);
        let store = self.store.take().ok_or_else(|| "no store".to_owned())?;
        let done = self.play(&store);
        self.store = Some(store);
        done
    }

    /// Whether opening it again failed.
    pub fn is_closed(&self) -> bool {
        self.store.is_none()
    }

    pub fn into_world(self) -> World {
        self.world
    }

    pub fn compare(&mut self, contents: bool) -> Result<(), String> {
        let store = self.store.as_ref().ok_or("no store")?;
        states::compare(store, &mut self.world, contents)?;
        for (mailbox, watch) in &self.watches {
            states::compare_mirror(&watch.now(), self.world.folder(*mailbox).map(|folder| &*folder))?;
        }
        if contents {
            let report = store.check().map_err(|fault| fault.to_string())?;
            same(|| "check".to_owned(), report.findings, Vec::new())?;
        }
        Ok(())
    }

    fn play(&mut self, store: &Store) -> Result<(), Trouble> {
        let mut answers: Vec<(String, Expected, Answering<'_>)> = Vec::new();
        let mut worlds = vec![self.world.clone()];
        let mut failed = None;
        for _ in 0..=self.random.below(self.at_once) {
            let (write, expected) = match self.operation(store) {
                Ok(operation) => operation,
                Err(what) => {
                    failed = Some(what);
                    break;
                }
            };
            worlds.push(self.world.clone());
            let mut text = format!("{write:?}");
            text.truncate(text.char_indices().nth(300).map_or(text.len(), |(at, _)| at));
            let mut answer: Answering<'_> = Box::pin(store.write(write));
            // The first poll hands it over.
            if let Some(outcome) = smol::block_on(smol::future::poll_once(&mut answer)) {
                answer = Box::pin(std::future::ready(outcome));
            }
            answers.push((text, expected, answer));
        }
        for (acknowledged, (text, expected, answer)) in answers.into_iter().enumerate() {
            let found = match smol::block_on(answer) {
                Ok(outcome) => Ok(answer_of(outcome)),
                Err(StoreError::Refused(refusal)) => Err(refusal),
                Err(StoreError::Fault(fault)) => {
                    return Err(Trouble::Fault(format!("{text}: {fault}"), worlds.split_off(acknowledged)));
                }
            };
            same(|| text.clone(), found, expected)?;
        }
        match failed {
            Some(what) => Err(Trouble::Fault(what, worlds.split_off(worlds.len() - 1))),
            None => Ok(()),
        }
    }

    fn reopen(&mut self) -> Result<(), String> {
        self.watches.clear();
        drop(self.store.take());
        self.store = Some(self.place.open().map_err(|fault| fault.to_string())?);
        Ok(())
    }

    fn watch(&mut self) -> Result<(), Trouble> {
        let Some(mailbox) = self.mailbox() else { return Ok(()) };
        let store = self.store.as_ref().ok_or_else(|| "no store".to_owned())?;
        let fault = |fault: Fault| Trouble::Fault(fault.to_string(), vec![self.world.clone()]);
        let watch = store.watch(mailbox).map_err(fault)?;
        same(|| format!("watch of {mailbox:?}"), watch.is_some(), self.world.folder(mailbox).is_some())?;
        self.watches.extend(watch.map(|watch| (mailbox, watch)));
        if self.watches.len() > WATCHED {
            self.watches.remove(0);
        }
        Ok(())
    }

    fn operation(&mut self, store: &Store) -> Result<(Write, Expected), String> {
        let kind = self.random.below(100);
        Ok(match kind {
            0 => self.add_account(),
            1 if self.random.once_in(8) => {
                let account = self.account();
                (Write::RemoveAccount(account), self.world.remove_account(account))
            }
            2 | 3 => {
                let (account, limits) = (self.account(), self.limits());
                (Write::SetLimits { account, limits }, self.world.set_limits(account, limits))
            }
            4..=10 => {
                let (account, name) = (self.account(), self.name());
                let expected = self.world.create(account, name.as_str());
                (Write::CreateMailbox { account, name, special: None }, expected)
            }
            11..=13 => {
                let (account, name) = (self.account(), self.name());
                let expected = self.world.delete(account, name.as_str());
                (Write::DeleteMailbox { account, name }, expected)
            }
            14..=18 => {
                let (account, from, to) = (self.account(), self.name(), self.name());
                let expected = self.world.rename(account, from.as_str(), to.as_str());
                (Write::RenameMailbox { account, from, to }, expected)
            }
            19 if self.random.once_in(2) => self.on_addresses(),
            19 | 20 => {
                let (account, name, on) = (self.account(), self.name(), self.random.once_in(2));
                let expected = self.world.subscribe(account, name.as_str(), on);
                (Write::Subscribe { account, name, on }, expected)
            }
            21..=22 => (Write::Sweep, Ok(Answer::Swept)),
            _ => {
                let Some(mailbox) = self.mailbox() else { return Ok(self.add_account()) };
                self.on_mailbox(store, kind, mailbox)?
            }
        })
    }

    fn on_addresses(&mut self) -> (Write, Expected) {
        const NAMES: [&str; 6] = ["a", "b", "c", "d", "info", "all"];
        let address = format!("{}@example.org", self.random.pick(&NAMES));
        let target = format!("{}@example.org", self.random.pick(&NAMES));
        let account = self.account();
        match self.random.below(7) {
            0..3 => {
                let expected = self.world.add_alias(&address, &target);
                (Write::AddAlias { address, targets: vec![target] }, expected)
            }
            3 => {
                let target = self.random.once_in(2).then_some(target);
                let expected = self.world.remove_alias(&address, target.as_deref());
                (Write::RemoveAlias { address, targets: target.into_iter().collect() }, expected)
            }
            4 | 5 => {
                let (mailbox, first) = (self.name(), self.random.once_in(2));
                let expected = self.world.add_rule(account, mailbox.as_str(), first);
                let rule = Rule { actions: vec![Action::Move(mailbox.as_str().to_owned())], ..Rule::default() };
                (Write::EditRules { account, edit: RuleEdit::Add(rule, first.then_some(1)) }, expected)
            }
            _ => {
                let number = self.random.below(4);
                let expected = self.world.remove_rule(account, number);
                let edit = RuleEdit::Remove(u32::try_from(number).unwrap_or(0));
                (Write::EditRules { account, edit }, expected)
            }
        }
    }

    fn on_mailbox(&mut self, store: &Store, kind: usize, mailbox: MailboxId) -> Result<(Write, Expected), String> {
        Ok(match kind {
            23..=54 => self.append(store, mailbox)?,
            55..=74 => {
                let (uids, names) = (self.uids(mailbox), self.flags());
                let (how, change) = match self.random.below(3) {
                    0 => (How::Replace, FlagChange::Replace(names.clone())),
                    1 => (How::Add, FlagChange::Add(names.clone())),
                    _ => (How::Remove, FlagChange::Remove(names.clone())),
                };
                let expected = self.world.store(mailbox, &uids, how, &names);
                (Write::Store { mailbox, uids: Uids(uids), change }, expected)
            }
            75..=90 => {
                let uids = self.uids(mailbox);
                let to = if self.random.once_in(4) { mailbox } else { self.mailbox().unwrap_or(mailbox) };
                if kind < 82 {
                    let expected = self.world.copy(mailbox, &uids, to);
                    (Write::Copy { from: mailbox, uids: Uids(uids), to }, expected)
                } else {
                    let expected = self.world.move_letters(mailbox, &uids, to);
                    (Write::Move { from: mailbox, uids: Uids(uids), to }, expected)
                }
            }
            _ => {
                let uids = self.random.once_in(2).then(|| self.uids(mailbox));
                let expected = self.world.expunge(mailbox, uids.as_ref());
                (Write::Expunge { mailbox, uids: uids.map(Uids) }, expected)
            }
        })
    }

    fn append(&mut self, store: &Store, mailbox: MailboxId) -> Result<(Write, Expected), String> {
        let size = match self.random.below(40) {
            0 => 300_000 + self.random.below(200_000),
            1..=3 => self.random.below(140_000),
            _ => self.random.below(3_000),
        };
        let octets = Rc::new(self.random.mail(size));
        let parcel = mail::pack(store, &octets, HELD).map_err(|error| error.to_string())?;
        if self.random.once_in(20) {
            // Another upload that comes to nothing.
            drop(mail::begin(store, &octets, HELD).map_err(|error| error.to_string())?);
        }
        let flags = if self.random.once_in(3) { self.flags() } else { Vec::new() };
        let expected = self.world.append(mailbox, &octets, &flags, self.clock);
        let message = NewMessage {
            parcel,
            flags,
            received: Stamp::utc(self.clock - 5),
            now: self.clock,
            history: History::default(),
        };
        Ok((Write::Append { mailbox, message }, expected))
    }

    fn add_account(&mut self) -> (Write, Expected) {
        let address = format!("{}@example.org", self.random.pick(&["a", "b", "c", "d"]));
        let limits = self.limits();
        let expected = self.world.add_account(&address, limits);
        (
            Write::AddAccount(NewAccount { address, credentials: Credentials::default(), limits, now: self.clock }),
            expected,
        )
    }

    fn limits(&mut self) -> Limits {
        let mut limit =
            |low: usize, high: usize| (!self.random.once_in(3)).then(|| (low + self.random.below(high - low)) as u64);
        Limits { bytes: limit(1_000, 3_000_000), messages: limit(0, 400) }
    }

    /// Mostly one that is there.
    fn account(&mut self) -> AccountId {
        let known: Vec<AccountId> = self.world.accounts.keys().copied().collect();
        if known.is_empty() || self.random.once_in(30) {
            return AccountId(u32::try_from(self.random.below(20)).unwrap_or(0));
        }
        *self.random.pick(&known)
    }

    /// Mostly one that is there.
    fn mailbox(&mut self) -> Option<MailboxId> {
        let account = self.account();
        let owner = self.world.accounts.get(&account)?;
        if self.random.once_in(40) {
            return Some(MailboxId::new(account, u32::try_from(self.random.below(40)).unwrap_or(0)));
        }
        // Few, so that they fill.
        let first: Vec<MailboxId> = owner.mailboxes.values().take(9).map(|folder| folder.id).collect();
        Some(*self.random.pick(&first))
    }

    fn name(&mut self) -> MailboxName {
        const LEVELS: [&str; 8] = ["a", "b", "ab", "INBOX", "Inbox", "Trash", "ü", "u\u{308}"];
        let levels: Vec<&str> = (0..=self.random.below(3)).map(|_| *self.random.pick(&LEVELS)).collect();
        MailboxName::settle(&levels.join("/")).expect("these are names")
    }

    fn uids(&mut self, mailbox: MailboxId) -> Ranges {
        if self.random.once_in(5) {
            return vec![(1, u32::MAX)];
        }
        let next = self.world.folder(mailbox).map_or(5, |folder| folder.uid_next) as usize;
        let mut ends: Vec<u32> = (0..2 * (1 + self.random.below(3)))
            .map(|_| u32::try_from(1 + self.random.below(next + 2)).unwrap_or(1))
            .collect();
        ends.sort_unstable();
        ends.dedup();
        if ends.len() % 2 == 1 {
            ends.push(ends.last().map_or(1, |last| last + 3));
        }
        ends.chunks(2).filter_map(|pair| pair.first().copied().zip(pair.last().copied())).collect()
    }

    fn flags(&mut self) -> Vec<String> {
        const SYSTEM: [&str; 7] =
            ["\\Seen", "\\DELETED", "\\Deleted", "\\Flagged", "\\Answered", "\\draft", "\\Unknown"];
        let mut names = Vec::new();
        for _ in 0..self.random.below(4) {
            names.push(match self.random.below(4) {
                0 => format!("Key{}", self.random.below(150)),
                1 => format!("kEY{}", self.random.below(6)),
                _ => (*self.random.pick(&SYSTEM)).to_owned(),
            });
        }
        if self.random.once_in(60) {
            names.extend((0..130).map(|number| format!("many{number}")));
        }
        if self.random.once_in(60) {
            names.push("x".repeat(65));
        }
        names
    }
}

impl From<String> for Trouble {
    fn from(what: String) -> Trouble {
        Trouble::Wrong(what)
    }
}

fn answer_of(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Done => Answer::Done,
        Outcome::Account(account) => Answer::Account(account),
        Outcome::Mailbox(mailbox) => Answer::Mailbox(mailbox),
        Outcome::Appended { uid, .. } => Answer::Appended(uid.number()),
        Outcome::Copied { from, to, .. } => Answer::Copied {
            from: from.0.iter().flat_map(|&(low, high)| low..=high).collect(),
            first: to.first().map_or(0, Uid::number),
        },
        Outcome::Stored(modseq) => Answer::Stored(modseq.0.get()),
        Outcome::Expunged(count) => Answer::Expunged(count),
        Outcome::Swept { .. } => Answer::Swept,
        Outcome::Delivered(_) => unreachable!("the model delivers nothing"),
        Outcome::Provider(_) | Outcome::Stepped(_) => unreachable!("the model knows no providers"),
    }
}
