//! What became of a message, told in the log: one line for each recipient and place.

use super::answers;
use super::arrive::Incoming;
use super::envelope::Transaction;
use super::session::Smtp;
use crate::delivery::{Fate, Plan, Ruled};
use crate::events::Event;
use crate::mail::AccountId;
use crate::store::{Placed, Refusal, Snapshot, Store};
use crate::verdict::{Disposition, Verdict};
use crate::wire::smtp::{Address, Answer, Recipient, Sender};
use std::fmt::Write;

/// What is to be told of a message once it is stored.
#[derive(Debug)]
pub(super) struct Outlook {
    /// What becomes of each recipient for whom it was not taken already.
    pub(super) fates: Vec<Fate>,
    /// Whose each copy of the message is.
    copies: Vec<AccountId>,
    ruled: Vec<Ruled>,
    /// The reverse and forward path of each one that it goes on to.
    onward: Vec<(String, String)>,
    /// Who is told that somebody is away.
    answered: Vec<String>,
    size: u32,
    verdict: Option<String>,
}

impl Outlook {
    /// Before the plan is handed to the store.
    pub(super) fn of(plan: &Plan, verdict: Option<String>) -> Outlook {
        let mut messages = plan.delivery.messages.iter();
        let itself = messages.next();
        let onward = itself.into_iter().flat_map(|itself| &itself.onward);
        let onward =
            onward.flat_map(|onward| onward.recipients.iter().map(|to| (onward.from.clone(), to.address.clone())));
        let answered = messages.flat_map(|answer| &answer.onward).flat_map(|onward| &onward.recipients);
        Outlook {
            fates: plan.fates.clone(),
            copies: itself.map_or_else(Vec::new, |itself| itself.copies.iter().map(|copy| copy.account).collect()),
            ruled: plan.ruled.clone(),
            onward: onward.collect(),
            answered: answered.map(|to| to.address.clone()).collect(),
            size: itself.map_or(0, |itself| itself.parcel.size()),
            verdict,
        }
    }

    fn rules_of(&self, account: AccountId) -> Option<String> {
        numbers(self.ruled.iter().filter(|ruled| ruled.account == account).flat_map(|ruled| &ruled.rules))
    }

    fn rules_that_discarded(&self) -> Option<String> {
        numbers(self.ruled.iter().filter(|ruled| ruled.discarded).flat_map(|ruled| &ruled.rules))
    }
}

impl Smtp {
    /// A sender who may not send.
    pub(super) fn log_sender_refused(&self, sender: &Sender, answer: &Answer) {
        let Some(reason) = reason(answer) else { return };
        let event = self.peer_of(Event::new("mail").with("event", "refused")).with("from", path(sender));
        event.maybe("size", sender.size).with("stage", "mail").with("reason", reason).with("reply", said(answer)).log();
    }

    /// A recipient who does not get it.
    pub(super) fn log_recipient_refused(&self, recipient: &Recipient, answer: &Answer) {
        if let (Some(transaction), Some(reason)) = (&self.transaction, reason(answer)) {
            self.refused(transaction, recipient, "rcpt", reason, answer);
        }
    }

    /// A message that nobody gets.
    pub(super) fn log_message_refused(&self, transaction: &Transaction, answer: &Answer) {
        let Some(reason) = reason(answer) else { return };
        for recipient in &transaction.recipients {
            self.refused(transaction, recipient, "data", reason, answer);
        }
    }

    fn refused(&self, transaction: &Transaction, to: &Recipient, stage: &str, reason: &str, answer: &Answer) {
        let event = self.event("refused", transaction).with("to", &to.address).maybe("size", transaction.sender.size);
        event.with("stage", stage).with("reason", reason).with("reply", said(answer)).log();
    }

    /// A message for recipients who have it already.
    pub(super) fn log_repeated<'r>(&self, transaction: &Transaction, to: impl Iterator<Item = &'r Recipient>) {
        for recipient in to {
            self.event("repeated", transaction).with("to", &recipient.address).log();
        }
    }

    /// A message that was stored: where it is, for each recipient, and what was refused after all.
    pub(super) fn log_stored(
        &self,
        incoming: &Incoming,
        outlook: &Outlook,
        placed: &[Result<Placed, Refusal>],
        answers: &[Answer],
        store: &Store,
    ) {
        let transaction = incoming.transaction();
        // Names are only said: a store that cannot be read now takes nothing from what was done.
        let snapshot = store.snapshot().ok();
        let mut fates = outlook.fates.iter();
        for ((recipient, repeated), answer) in transaction.recipients.iter().zip(incoming.repeated()).zip(answers) {
            if *repeated {
                self.log_repeated(transaction, std::iter::once(recipient));
                continue;
            }
            let Some(fate) = fates.next() else { continue };
            match fate {
                Fate::Taken { copies, onward } if answer.is_positive() => {
                    for at in copies {
                        let event = self.event("delivered", transaction).with("to", &recipient.address);
                        delivered(event, outlook, placed, *at, snapshot.as_ref()).log();
                    }
                    if copies.is_empty() && !onward {
                        let event = self.event("discarded", transaction).with("to", &recipient.address);
                        let event = event.maybe("rule", outlook.rules_that_discarded());
                        event.maybe("verdict", outlook.verdict.as_ref()).with("size", outlook.size).log();
                    }
                }
                _ => self.refused(transaction, recipient, "data", reason(answer).unwrap_or("policy"), answer),
            }
        }
        for (from, to) in &outlook.onward {
            let event = self.begun("queued", transaction).with("from", from).with("to", to);
            event.maybe("verdict", outlook.verdict.as_ref()).with("size", outlook.size).log();
        }
        for to in &outlook.answered {
            Event::new("mail")
                .with("event", "answered")
                .with("id", transaction.id)
                .with("from", "")
                .with("to", to)
                .log();
        }
    }

    fn event(&self, event: &'static str, transaction: &Transaction) -> Event {
        self.begun(event, transaction).with("from", path(&transaction.sender))
    }

    fn begun(&self, event: &'static str, transaction: &Transaction) -> Event {
        let begun = Event::new("mail").with("event", event).with("id", transaction.id);
        self.peer_of(begun).maybe("message-id", transaction.message_id.as_ref())
    }

    fn peer_of(&self, event: Event) -> Event {
        let helo = self.client.as_ref().map(|hello| &hello.name);
        let event =
            event.with("protocol", self.protocol_name()).maybe("address", self.peer.map(|peer| peer.to_canonical()));
        event.maybe("helo", helo).maybe("user", self.login.as_ref().map(|(_, user)| user))
    }
}

/// A copy with its mailbox.
fn delivered(
    event: Event,
    outlook: &Outlook,
    placed: &[Result<Placed, Refusal>],
    at: usize,
    snapshot: Option<&Snapshot>,
) -> Event {
    let whose = outlook.copies.get(at).copied();
    let account = whose.and_then(|id| snapshot?.account(id).ok()?);
    let place = placed.get(at).and_then(|placed| placed.as_ref().ok());
    let mailbox = place.and_then(|place| snapshot?.mailbox(place.mailbox).ok()?);
    event
        .maybe("account", account.map(|account| account.address))
        .maybe("mailbox", mailbox.map(|mailbox| mailbox.name))
        .maybe("uid", place.map(|place| place.uid))
        .maybe("rule", whose.and_then(|account| outlook.rules_of(account)))
        .maybe("verdict", outlook.verdict.as_ref())
        .with("size", outlook.size)
}

/// What was thought of the sender, in one word for each question: `spf=pass,dkim=none,dmarc=fail,quarantine`.
pub(super) fn verdict_in_short(verdict: &Verdict) -> String {
    let mut short = format!("spf={}", verdict.spf.result);
    let dkim = verdict.dkim.iter().map(|one| one.result.name());
    // One that passed says more than others that did not.
    let dkim = dkim.clone().find(|result| *result == "pass").or_else(|| dkim.clone().next()).unwrap_or("none");
    let _ = write!(short, ",dkim={dkim}");
    for one in verdict.dmarc.iter().take(3) {
        let _ = write!(short, ",dmarc={}", one.result.name());
    }
    if verdict.disposition == Disposition::Quarantine {
        short.push_str(",quarantine");
    }
    short
}

fn numbers<'r>(rules: impl Iterator<Item = &'r usize>) -> Option<String> {
    let numbers: Vec<String> = rules.map(ToString::to_string).collect();
    (!numbers.is_empty()).then(|| numbers.join(","))
}

fn path(sender: &Sender) -> &str {
    sender.address.as_ref().map_or("", Address::as_str)
}

/// A reply as the client reads it, on one line.
fn said(answer: &Answer) -> String {
    let enhanced = answer.enhanced.map(|enhanced| format!(" {enhanced}")).unwrap_or_default();
    format!("{}{enhanced} {}", answer.code, answer.text)
}

/// Why somebody is refused, in a word to look for; `None` for what only breaks the protocol's order.
fn reason(answer: &Answer) -> Option<&'static str> {
    let reasons: [(&[Answer], &'static str); 15] = [
        (&[answers::NO_RELAY], "relay-denied"),
        (&[answers::NOBODY], "unknown-user"),
        (&[answers::OVER_QUOTA], "mailbox-full"),
        (&[answers::DISK_FULL], "disk-full"),
        (&[answers::BUSY], "busy"),
        (&[answers::TOO_LARGE, answers::HEADER_TOO_LARGE], "too-large"),
        (&[answers::TOO_MANY], "too-many-recipients"),
        (&[answers::LOOP], "loop"),
        (&[answers::NOT_YOURS, answers::NOT_YOURS_WITHIN], "not-your-address"),
        (&[answers::TLS_FIRST, answers::LOG_IN_FIRST], "not-logged-in"),
        (&[answers::READ_ONLY], "read-only"),
        (&[answers::UNCHECKED], "sender-unchecked"),
        (&[answers::LONE_LINE_ENDS], "lone-line-end"),
        (&[answers::BEING_TAKEN], "being-taken"),
        (&[answers::NOT_NOW, answers::NOT_ALL], "store-not-available"),
    ];
    let is = |one: &Answer| one.code == answer.code && one.enhanced == answer.enhanced && one.text == answer.text;
    let found = reasons.iter().find(|(answers, _)| answers.iter().any(is)).map(|(_, reason)| *reason);
    // Its text is the domain's that wants it.
    let rejected = || (answer.code, answer.enhanced) == (answers::REJECTED.code, answers::REJECTED.enhanced);
    found.or_else(|| rejected().then_some("policy"))
}
