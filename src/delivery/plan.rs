//! All that becomes of one mail, as one delivery: copies here, what is sent on, what is answered.

use super::away::Away;
use super::fields::Fields;
use super::forward::{is_circling, of_alias, of_rule};
use super::resolve::{Onwards, Reached, resolve};
use super::route::{Route, Routing, grace, has_room, judge, shared_grace};
use super::rules::{Wanted, apply};
use crate::mail::{AccountId, BadName, MailboxName, Stamp, limits};
use crate::store::{
    Account, Delivery, Detail, Filing, Grace, LocalCopy, Notify, Onward, OnwardRecipient, Parcel, Place, Placed,
    Posting, Refusal, Snapshot, SpecialUse, Store, StoreError,
};
use std::collections::{HashMap, HashSet};

/// A mail that came in, and what came with it.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'a> {
    /// The reverse path; empty where nobody is to be answered.
    pub from: &'a str,
    /// Who it is for.
    pub recipients: &'a [Recipient<'a>],
    /// Its header, as it is stored.
    pub header: &'a [u8],
    /// Its octets.
    pub size: u64,
    /// It goes to Junk, and nowhere else.
    pub quarantine: bool,
    /// Who sent it, where they logged in: only then it may go to anywhere.
    pub sender: Option<AccountId>,
    /// Whoever plans this tells senders that it was delivered where they want to know (RFC 3461 §4.1, SUCCESS). Else such
    /// recipients go by way of the queue, which does.
    pub tells_success: bool,
    /// Its reverse path is whose it says, as far as that can be known: only then is it written to by the box itself.
    pub vouched: bool,
    /// SMTPUTF8.
    pub utf8: bool,
    /// BODY=8BITMIME.
    pub body_8bit: bool,
    /// RET=FULL.
    pub ret_full: bool,
    /// ENVID.
    pub envid: Option<&'a str>,
    /// INTERNALDATE.
    pub received: Stamp,
    /// Now, in seconds since 1970.
    pub now: i64,
}

/// Who a mail is for.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// The forward path.
    pub address: &'a str,
    /// NOTIFY.
    pub notify: Notify,
    /// ORCPT.
    pub orcpt: Option<&'a str>,
}

/// What is to be written, and how each recipient is answered then.
#[derive(Debug)]
pub struct Plan {
    /// All of it. The first of its messages is the mail itself; answers to it may follow.
    pub delivery: Delivery,
    /// One for each recipient, in their order.
    pub fates: Vec<Fate>,
    /// What the rules of each account that was reached made of it, for the log.
    pub ruled: Vec<Ruled>,
}

/// What the rules of an account made of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruled {
    /// Whose rules.
    pub account: AccountId,
    /// Those that it met, counted from 1.
    pub rules: Vec<usize>,
    /// The account keeps no copy.
    pub discarded: bool,
}

/// What becomes of a mail for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is taken if all of these copies of the first message are placed; there may be none.
    Taken {
        /// Places in the copies of the first message.
        copies: Vec<usize>,
        /// It goes into the queue, too.
        onward: bool,
    },
    /// It is not, for this reason: never [`Route::Here`].
    Not(Route),
}

impl Fate {
    /// Why the recipient is refused after all; `placed`: what became of the copies of the first message, in order.
    #[must_use]
    pub fn refusal(&self, placed: &[Result<Placed, Refusal>]) -> Option<Refusal> {
        match self {
            Fate::Taken { copies, .. } => copies.iter().find_map(|at| placed.get(*at)?.as_ref().err().copied()),
            Fate::Not(Route::OverQuota) => Some(Refusal::OverQuota),
            Fate::Not(_) => Some(Refusal::NoAccount),
        }
    }
}

/// Plans what becomes of a mail.
pub fn plan(
    store: &Store,
    snapshot: &Snapshot,
    routing: &Routing,
    mail: &Mail<'_>,
    parcel: Parcel,
) -> Result<Plan, StoreError> {
    let fields = Fields::of(mail.header);
    let circling = is_circling(&fields, &routing.name);
    let mut planning = Planning {
        store,
        snapshot,
        routing,
        mail,
        fields: &fields,
        circling,
        copies: Vec::new(),
        accounts: HashMap::new(),
        outside: HashSet::new(),
        onward: Vec::new(),
        answers: Vec::new(),
        ruled: Vec::new(),
    };
    let fates = mail.recipients.iter().map(|recipient| planning.recipient(recipient)).collect::<Result<_, _>>()?;
    let Planning { copies, onward, answers, ruled, .. } = planning;
    let itself = Posting { parcel, received: mail.received, copies, onward, once: None };
    let messages = std::iter::once(itself).chain(answers).collect();
    Ok(Plan { delivery: Delivery { messages, now: mail.now, ..Delivery::default() }, fates, ruled })
}

struct Planning<'p> {
    store: &'p Store,
    snapshot: &'p Snapshot,
    routing: &'p Routing,
    mail: &'p Mail<'p>,
    fields: &'p Fields<'p>,
    /// It is sent on to nobody any more.
    circling: bool,
    copies: Vec<LocalCopy>,
    /// How far each account is that was reached.
    accounts: HashMap<AccountId, Filed>,
    /// Addresses elsewhere that it goes to already, in lower case.
    outside: HashSet<String>,
    onward: Vec<Onward>,
    answers: Vec<Posting>,
    ruled: Vec<Ruled>,
}

/// How far an account is.
#[derive(Clone, Debug)]
enum Filed {
    /// Its rules are being done.
    Now,
    /// The mail is in these copies.
    In(Vec<usize>),
}

impl Planning<'_> {
    fn recipient(&mut self, recipient: &Recipient<'_>) -> Result<Fate, StoreError> {
        let reached = resolve(self.snapshot, self.routing, recipient.address)?;
        if reached.is_outside {
            if self.mail.sender.is_none() {
                return Ok(Fate::Not(Route::Outside));
            }
            self.send_on(self.mail.from.to_owned(), None, recipient.address, recipient);
            return Ok(Fate::Taken { copies: Vec::new(), onward: true });
        }
        match judge(self.snapshot, self.routing, &reached, Some(self.mail.size))? {
            Route::Here => {}
            other => return Ok(Fate::Not(other)),
        }
        let wants_success = recipient.notify.success && !self.mail.from.is_empty();
        if wants_success && !self.mail.tells_success && !self.mail.quarantine && reached.outside.is_empty() {
            self.send_on(self.mail.from.to_owned(), None, recipient.address, recipient);
            return Ok(Fate::Taken { copies: Vec::new(), onward: true });
        }
        if self.circling && reached.accounts.is_empty() {
            return Ok(Fate::Not(Route::Loop));
        }
        let grace = grace(self.routing, &reached);
        let mut copies = Vec::new();
        for (account, detail) in &reached.accounts {
            for at in self.file(*account, detail.as_deref(), grace)?.unwrap_or_default() {
                if !copies.contains(&at) {
                    copies.push(at);
                }
            }
        }
        let onward = !self.circling && !reached.outside.is_empty();
        if onward {
            for to in &reached.outside {
                self.alias(to, recipient);
            }
        }
        Ok(Fate::Taken { copies, onward })
    }

    /// Does what an account wants for its mail; returns the copies that it is in, `None` while that is being done.
    fn file(&mut self, id: AccountId, detail: Option<&str>, grace: Grace) -> Result<Option<Vec<usize>>, StoreError> {
        match self.accounts.get(&id) {
            Some(Filed::Now) => return Ok(None),
            Some(Filed::In(copies)) => return Ok(Some(copies.clone())),
            None => {}
        }
        let Some(account) = self.snapshot.account(id)? else { return Ok(Some(Vec::new())) };
        self.accounts.insert(id, Filed::Now);
        let filing = self.snapshot.filing(id)?;
        let wanted = apply(&filing.rules, self.fields);
        let (forwarded, whole) = self.forward(&account, id, &wanted)?;
        // What was to go elsewhere only, and did not or may have come back from there, is kept.
        let is_bounce = self.mail.from.is_empty();
        let discard = wanted.discard && whole && (wanted.forwards.is_empty() || !is_bounce);
        self.ruled.push(Ruled { account: id, rules: wanted.met.clone(), discarded: discard });
        let copies = if discard {
            forwarded
        } else {
            let place = self.place(id, &filing, &wanted, detail)?;
            self.copies.push(LocalCopy { account: id, place, flags: wanted.flags, grace });
            vec![self.copies.len() - 1]
        };
        self.accounts.insert(id, Filed::In(copies.clone()));
        if let Some(vacation) = &filing.vacation
            && !self.mail.quarantine
            && !(discard && wanted.forwards.is_empty())
        {
            let Planning { snapshot, routing, mail, fields, .. } = *self;
            let away = Away { snapshot, routing, id, account: &account, vacation, mail, fields };
            self.answers.extend(away.answer(self.store.unique_id(), self.store.packer())?);
        }
        Ok(Some(copies))
    }

    /// The mailbox that it goes to.
    fn place(
        &self,
        id: AccountId,
        filing: &Filing,
        wanted: &Wanted<'_>,
        detail: Option<&str>,
    ) -> Result<Place, StoreError> {
        if self.mail.quarantine {
            return Ok(Place::Special(SpecialUse::Junk));
        }
        if let Some(mailbox) = wanted.place {
            return Ok(match MailboxName::settle(mailbox) {
                Ok(name) => Place::of(name),
                // A rule of an earlier version: its mailbox was given this name at a start.
                Err(BadName::Invisible(_)) => Place::of(MailboxName::nearest(mailbox)),
                Err(_) => Place::Inbox,
            });
        }
        let Some(detail) = detail.filter(|_| filing.detail != Detail::Inbox) else { return Ok(Place::Inbox) };
        let Ok(name) = MailboxName::settle(detail) else { return Ok(Place::Inbox) };
        let wished = name.as_str().to_lowercase();
        let mailboxes = self.snapshot.mailboxes(id)?;
        for (_, mailbox) in &mailboxes {
            // Who writes to an address does not choose to be taken for sent, or thrown away.
            if mailbox.special.is_none() && mailbox.name.to_lowercase() == wished {
                return Ok(Place::of(MailboxName::nearest(&mailbox.name)));
            }
        }
        let is_taken = mailboxes.iter().any(|(_, mailbox)| mailbox.name.to_lowercase() == wished);
        let good = detail.len() <= DETAIL && !detail.contains(['/', '\\', '"']) && mailboxes.len() < MADE;
        if filing.detail == Detail::Make && good && !is_taken {
            return Ok(Place::of(name));
        }
        Ok(Place::Inbox)
    }

    /// Sends it on as the rules of an account want. Returns copies for others here, and whether it went to all.
    fn forward(
        &mut self,
        account: &Account,
        id: AccountId,
        wanted: &Wanted<'_>,
    ) -> Result<(Vec<usize>, bool), StoreError> {
        let (mut copies, mut whole) = (Vec::new(), true);
        for to in &wanted.forwards {
            let reached = resolve(self.snapshot, self.routing, to)?;
            let lost = self.mail.quarantine || self.circling;
            if lost || (reached.is_nobody() && !reached.is_outside) || !self.has_room_for(&reached)? {
                whole = false;
                continue;
            }
            let from = of_rule(self.mail.from, &account.address);
            if reached.is_outside {
                self.rule(from, id, to);
                continue;
            }
            for (other, detail) in &reached.accounts {
                match self.file(*other, detail.as_deref(), shared_grace(self.routing))? {
                    Some(filed) => copies.extend(filed),
                    None => whole = false,
                }
            }
            for other in &reached.outside {
                self.rule(from.clone(), id, &other.address);
            }
        }
        copies.sort_unstable();
        copies.dedup();
        Ok((copies, whole))
    }

    fn has_room_for(&self, reached: &Reached) -> Result<bool, StoreError> {
        for (account, _) in &reached.accounts {
            let Some(record) = self.snapshot.account(*account)? else { continue };
            let size = Some(self.mail.size);
            if !has_room(self.snapshot, *account, &record, size, shared_grace(self.routing))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn alias(&mut self, to: &Onwards, recipient: &Recipient<'_>) {
        let from = of_alias(self.mail.from, self.mail.sender.is_some(), to);
        self.send_on(from, None, &to.address, recipient);
    }

    fn rule(&mut self, from: String, account: AccountId, to: &str) {
        let recipient = Recipient { address: to, notify: Notify::default(), orcpt: None };
        self.send_on(from, Some(account), to, &recipient);
    }

    /// Into the queue, unless it goes to this address already.
    fn send_on(&mut self, from: String, account: Option<AccountId>, to: &str, recipient: &Recipient<'_>) {
        if !self.outside.insert(to.to_lowercase()) {
            return;
        }
        let mail = self.mail;
        let one = OnwardRecipient {
            address: to.to_owned(),
            orcpt: recipient.orcpt.map(str::to_owned),
            notify: recipient.notify,
        };
        let account = account.or(mail.sender);
        let utf8 = mail.utf8 || !to.is_ascii() || !from.is_ascii();
        if let Some(onward) = self.onward.iter_mut().find(|onward| (&onward.from, onward.account) == (&from, account)) {
            onward.recipients.push(one);
            onward.utf8 |= utf8;
            return;
        }
        // ENVID and RET are between us and who gave them: not for another reverse path.
        let own = from == mail.from;
        self.onward.push(Onward {
            from,
            recipients: vec![one],
            envid: mail.envid.filter(|_| own).map(str::to_owned),
            ret_full: mail.ret_full && own,
            body_8bit: mail.body_8bit,
            utf8,
            account,
        });
    }
}

/// Octets of a detail that a mailbox is made for, and how many mailboxes an account has when no more are made so: who
/// writes to an address must not fill the account with them.
const DETAIL: usize = 64;
const MADE: usize = 200;
const _: () = assert!(MADE < limits::MAILBOXES && DETAIL < limits::MAILBOX_NAME);
