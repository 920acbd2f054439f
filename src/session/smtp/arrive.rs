//! From the last octet of a message to its answer: what speaks against it, what is put before it, where it goes.

use super::answers;
use super::content::Whole;
use super::envelope::Transaction;
use super::events::{Outlook, verdict_in_short};
use super::header::{self, Trace};
use super::repeats::{Key, key};
use super::session::{Smtp, Work};
use super::spool::Spool;
use super::terms::Kind;
use crate::delivery::{self, Fate, Mail, Plan, Route, is_local_domain, may_send_as, plan};
use crate::mail::header::{Field, fields, first};
use crate::mail::{Envelope, Stamp, limits};
use crate::session::{Need, Suspect};
use crate::store::{Mark, Notify, Outcome, Packer, Placed, Refusal, Store, StoreError, Write};
use crate::verdict::{Disposition, Verdict};
use crate::wire::Out;
use crate::wire::smtp::{Address, Answer, Recipient};
use std::ops::Range;

/// A whole message, and what is known of it.
#[derive(Debug)]
pub(super) struct Incoming {
    transaction: Box<Transaction>,
    /// By what it is known again, for each recipient; empty where it cannot be.
    keys: Vec<Key>,
    /// For whom it was taken already, for each recipient.
    repeated: Vec<bool>,
    /// For whom the same was taken, and this is another.
    anew: Vec<bool>,
    /// As it came; empty while it is being checked, and once it is as it is stored.
    header: Vec<u8>,
}

/// A message whose sender is being checked.
#[derive(Debug)]
pub(super) struct Judging(Incoming);

/// A message on its way into the store.
#[derive(Debug)]
pub(super) struct Arriving {
    incoming: Incoming,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Packing(Box<Packing>),
    /// What becomes of it, and is told in the log.
    Delivering(Box<Outlook>),
}

/// A message that is being packed.
#[derive(Debug)]
struct Packing {
    spool: Spool,
    packer: Packer,
    /// Up to where it was packed.
    at: u64,
    /// What is left out, ascending.
    drops: Vec<Range<u64>>,
    /// The header as it is stored.
    header: Vec<u8>,
    quarantine: bool,
    /// Its sender is who it says, and may be told that it was delivered, or that nobody is there to read it.
    tells: bool,
    /// What was thought of its sender, for the log.
    verdict: Option<String>,
}

impl Incoming {
    pub(super) fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    pub(super) fn repeated(&self) -> &[bool] {
        &self.repeated
    }
}

impl Smtp {
    /// A message is here, and nothing of its form speaks against it.
    pub(super) fn arrive(&mut self, whole: Whole, store: &Store, out: &mut Out) -> Need {
        let Some(transaction) = self.transaction.take() else {
            return self.refuse_message(&answers::MAIL_FIRST, out);
        };
        let incoming = match self.look_at(&whole, transaction, store) {
            Ok(incoming) => incoming,
            Err((transaction, answer)) => {
                self.transaction = Some(transaction);
                return self.refuse_message(&answer, out);
            }
        };
        if !incoming.repeated.contains(&false) {
            self.log_repeated(&incoming.transaction, incoming.transaction.recipients.iter());
            let answers = vec![answers::TAKEN; incoming.repeated.len()];
            return self.answer_message(&incoming, &answers, out);
        }
        match self.peer.filter(|peer| self.kind == Kind::Mx && self.terms.checks(*peer)) {
            Some(client) => {
                let helo = self.client.as_ref().map(|hello| hello.name.clone()).unwrap_or_default();
                let from = incoming.transaction.sender.address.as_ref();
                let from = from.map_or_else(String::new, |from| from.as_str().to_owned());
                // Names may take long to be answered, and many may wait for them: meanwhile it is in the spool only.
                let incoming = Incoming { header: Vec::new(), ..incoming };
                self.work = Work::Judging(Box::new(Judging(incoming)));
                Need::Verdict(Box::new(Suspect { client, helo, from, content: whole.spool }))
            }
            None => self.prepare(incoming, whole.spool, None, store, out),
        }
    }

    /// What can be known before anybody is asked.
    fn look_at(
        &self,
        whole: &Whole,
        mut transaction: Box<Transaction>,
        store: &Store,
    ) -> Result<Incoming, (Box<Transaction>, Answer)> {
        let head = match head_of(&whole.spool) {
            Ok(head) => head,
            Err(answer) => return Err((transaction, answer)),
        };
        transaction.message_id = message_id(&head);
        // What stands further down could not be left out, as a Bcc has to be, and results that somebody made up.
        if self.kind != Kind::Lmtp && header::is_cut(&head, whole.spool.len()) {
            return Err((transaction, answers::HEADER_TOO_LARGE));
        }
        if header::hops(&head) > limits::RECEIVED {
            return Err((transaction, answers::LOOP));
        }
        // What is not read of it could name others as its author, or tell who got it blindly.
        if self.login.is_some() && head.len() >= limits::HEADER && !header::is_missing(&head) {
            return Err((transaction, answers::HEADER_TOO_LARGE));
        }
        if let Err(answer) = self.may_say_from(&head, store) {
            return Err((transaction, answer));
        }
        // What has neither was made by a hand or a small device: the same twice may well be meant.
        let is_known_again = first(&head, b"Message-ID").is_some() || first(&head, b"Received").is_some();
        let from = transaction.sender.address.as_ref();
        let to = transaction.recipients.iter().filter(|_| is_known_again);
        let keys: Vec<Key> = to.map(|to| key(from, &to.address, &whole.digest)).collect();
        let anew: Vec<bool> = keys.iter().map(|key| self.terms.repeats.knows(key)).collect();
        let mut repeated = vec![false; transaction.recipients.len()];
        if !keys.is_empty() {
            let found = store.snapshot().and_then(|snapshot| {
                for ((key, anew), repeated) in keys.iter().zip(&anew).zip(&mut repeated) {
                    *repeated = !anew && snapshot.was_taken(key, self.now)?;
                }
                Ok(())
            });
            if let Err(fault) = found {
                return Err((transaction, answers::broken(&fault)));
            }
        }
        Ok(Incoming { transaction, keys, repeated, anew, header: head })
    }

    /// Whoever logged in writes as themselves, as far as the addresses are ours to give out.
    fn may_say_from(&self, head: &[u8], store: &Store) -> Result<(), Answer> {
        let Some((account, _)) = &self.login else { return Ok(()) };
        let check = || -> Result<bool, StoreError> {
            let snapshot = store.snapshot()?;
            let is_from = |field: &Field<'_>| field.name.eq_ignore_ascii_case(b"From");
            let authors = fields(head).filter(is_from).map(|field| (field, Envelope::read(field.whole).from));
            for (field, addresses) in authors {
                // Only so much of it is read.
                if field.value.len() > limits::HEADER_VALUE || addresses.len() >= limits::ADDRESSES {
                    return Ok(false);
                }
                for address in addresses {
                    let (Some(local), Some(host)) = (&address.mailbox, &address.host) else { continue };
                    let (local, host) = (String::from_utf8_lossy(local), String::from_utf8_lossy(host));
                    if is_local_domain(&snapshot, &self.terms.rules.routing, &host)?
                        && !may_send_as(&snapshot, *account, &format!("{local}@{host}"))?
                    {
                        return Ok(false);
                    }
                }
            }
            Ok(true)
        };
        match check() {
            Ok(true) => Ok(()),
            Ok(false) => Err(answers::NOT_YOURS_WITHIN),
            Err(error) => Err(answers::store(&error)),
        }
    }

    /// The sender was checked.
    pub(super) fn weigh(
        &mut self,
        judging: Judging,
        verdict: Verdict,
        suspect: Suspect,
        store: &Store,
        out: &mut Out,
    ) -> Need {
        let incoming = judging.0;
        let answer = match &verdict.disposition {
            Disposition::None | Disposition::Quarantine => match head_of(&suspect.content) {
                Ok(header) => {
                    let incoming = Incoming { header, ..incoming };
                    return self.prepare(incoming, suspect.content, Some(verdict), store, out);
                }
                Err(answer) => answer,
            },
            Disposition::Reject { text } => answers::REJECTED.saying(text.replace(char::is_control, " ")),
            Disposition::TryLater => answers::UNCHECKED,
        };
        self.transaction = Some(incoming.transaction);
        self.refuse_message(&answer, out)
    }

    /// Puts before the message what belongs there, and begins to pack it.
    fn prepare(
        &mut self,
        mut incoming: Incoming,
        spool: Spool,
        verdict: Option<Verdict>,
        store: &Store,
        out: &mut Out,
    ) -> Need {
        let Incoming { transaction, header: came, .. } = &incoming;
        let id = transaction.id;
        let host = &*self.terms.rules.name;
        let recipient = match transaction.recipients.as_slice() {
            [only] => Some(&only.address),
            _ => None,
        };
        let hello = self.client.as_ref();
        let trace = Trace {
            kind: self.kind,
            client: hello.map_or("", |hello| &hello.name),
            extended: hello.is_some_and(|hello| hello.extended),
            peer: self.peer,
            privacy: self.privacy,
            logged_in: self.login.is_some(),
            sender: &transaction.sender,
            recipient,
            host,
            id,
            now: self.now,
        };
        let mut header = if self.arrives(transaction, store) { trace.return_path() } else { String::new() };
        header.push_str(verdict.as_ref().map_or("", |verdict| &verdict.header));
        header.push_str(&trace.received());
        let drops = match self.kind {
            Kind::Mx => header::dropped(came, |field| header::is_ours(field, host)),
            // Who gave it to us may well have our name.
            Kind::Lmtp => header::dropped(came, |field| field.name.eq_ignore_ascii_case(b"Return-Path")),
            Kind::Submission => {
                header.push_str(&header::missing(came, host, id, self.now));
                header::dropped(came, header::is_not_told)
            }
        };
        if header::is_missing(came) {
            header.push_str("\r\n");
        }
        let in_short = verdict.as_ref().map(verdict_in_short);
        let quarantine = verdict.as_ref().is_some_and(|verdict| verdict.disposition == Disposition::Quarantine);
        // Whoever writes under another's name must not make us write to them.
        let from = transaction.sender.address.as_ref().filter(|_| !quarantine);
        // Of what is not checked, another server of the owner's is to know.
        let vouches = |from: &Address| verdict.is_none_or(|verdict| verdict.vouches_for(from.as_str(), came));
        let tells = from.is_some_and(vouches);
        let mut packer = store.packer();
        if let Err(error) = packer.push(header.as_bytes()) {
            return self.not_stored(incoming, &error, out);
        }
        let mut header = header.into_bytes();
        header::without(came, &drops, &mut header);
        incoming.header = Vec::new();
        let packing = Packing { spool, packer, at: 0, drops, header, quarantine, tells, verdict: in_short };
        self.pack(incoming, Box::new(packing), store, out)
    }

    /// Whether this is the end of its way: what leaves us has no Return-Path (RFC 5321 §4.4).
    fn arrives(&self, transaction: &Transaction, store: &Store) -> bool {
        let is_here = |recipient: &Recipient| -> Result<bool, StoreError> {
            is_local_domain(&store.snapshot()?, &self.terms.rules.routing, recipient.address.domain())
        };
        self.kind != Kind::Submission
            || transaction.recipients.iter().all(|recipient| is_here(recipient).unwrap_or(false))
    }

    /// Packs on.
    fn pack(&mut self, incoming: Incoming, mut packing: Box<Packing>, store: &Store, out: &mut Out) -> Need {
        match packing.go_on() {
            Ok(false) => {
                let write = store.stage(&mut packing.packer);
                self.work = Work::Arriving(Box::new(Arriving { incoming, step: Step::Packing(packing) }));
                Need::Write(write)
            }
            Ok(true) => self.place(incoming, *packing, store, out),
            Err(error) => self.not_stored(incoming, &error, out),
        }
    }

    /// All of it is packed: where it goes.
    fn place(&mut self, incoming: Incoming, packing: Packing, store: &Store, out: &mut Out) -> Need {
        let mut packing = packing;
        let verdict = packing.verdict.take();
        match self.planned(&incoming, packing, store) {
            Ok(plan) => {
                let outlook = Outlook::of(&plan, verdict);
                let Plan { mut delivery, fates, .. } = plan;
                delivery.marks = marks(&incoming, &fates);
                let step = Step::Delivering(Box::new(outlook));
                self.work = Work::Arriving(Box::new(Arriving { incoming, step }));
                Need::Write(Write::Deliver(Box::new(delivery)))
            }
            Err(error) => self.not_stored(incoming, &error, out),
        }
    }

    fn planned(&self, incoming: &Incoming, packing: Packing, store: &Store) -> Result<Plan, StoreError> {
        let Packing { packer, header, quarantine, tells, .. } = packing;
        let parcel = packer.finish()?;
        let snapshot = store.snapshot()?;
        let Transaction { sender, recipients, .. } = &*incoming.transaction;
        let new = recipients.iter().zip(&incoming.repeated).filter(|(_, repeated)| !**repeated);
        let recipients: Vec<delivery::Recipient<'_>> = new.map(|(recipient, _)| of_recipient(recipient)).collect();
        let mail = Mail {
            from: sender.address.as_ref().map_or("", Address::as_str),
            recipients: &recipients,
            header: &header,
            size: u64::from(parcel.size()),
            quarantine,
            // Who must not be told by us is as good as told already.
            tells_success: !tells,
            vouched: tells,
            sender: self.login.as_ref().map(|(account, _)| *account),
            utf8: sender.utf8,
            body_8bit: sender.body_8bit,
            ret_full: sender.ret_full,
            envid: sender.envid.as_deref(),
            received: Stamp::utc(self.now),
            now: self.now,
        };
        plan(store, &snapshot, &self.terms.rules.routing, &mail, parcel)
    }

    /// Something was written, or not.
    pub(super) fn arrived(
        &mut self,
        arriving: Arriving,
        outcome: Result<Outcome, StoreError>,
        store: &Store,
        out: &mut Out,
    ) -> Need {
        let Arriving { incoming, step } = arriving;
        match (outcome, step) {
            (Err(error), _) => self.not_stored(incoming, &error, out),
            (Ok(_), Step::Packing(packing)) => self.pack(incoming, packing, store, out),
            (Ok(Outcome::Delivered(copies)), Step::Delivering(outlook)) => {
                let mut fates = outlook.fates.iter();
                let mut answer = |repeated: &bool| {
                    let fate = if *repeated { None } else { fates.next() };
                    fate.map_or(answers::TAKEN, |fate| told(fate, &copies))
                };
                let answers = incoming.repeated.iter().map(&mut answer);
                let answers: Vec<Answer> = answers.collect();
                self.log_stored(&incoming, &outlook, &copies, &answers, store);
                self.answer_message(&incoming, &answers, out)
            }
            (Ok(_), Step::Delivering(_)) => {
                log::error!("SMTP: a delivery came to something else");
                self.transaction = Some(incoming.transaction);
                self.refuse_message(&answers::NOT_NOW, out)
            }
        }
    }

    fn not_stored(&mut self, incoming: Incoming, error: &StoreError, out: &mut Out) -> Need {
        self.transaction = Some(incoming.transaction);
        self.refuse_message(&answers::store(error), out)
    }

    /// One answer for each recipient, or one that holds for all.
    fn answer_message(&mut self, incoming: &Incoming, answers: &[Answer], out: &mut Out) -> Need {
        let taken = answers.iter().filter(|answer| answer.is_positive()).count();
        let (of, id) = (answers.len(), incoming.transaction.id);
        if self.kind == Kind::Lmtp {
            for (answer, recipient) in answers.iter().zip(&incoming.transaction.recipients) {
                answer.saying(format!("<{}> {}", recipient.address, answer.text)).put(out);
            }
        } else {
            let answer = for_all(answers);
            let answer = if answer.is_positive() { answer.saying(format!("Taken as {id}")) } else { answer };
            self.answer(&answer, out);
        }
        if taken > 0 {
            self.since = self.now;
        }
        self.terms.repeats.forget(&incoming.keys);
        // What was sent before our answer says nothing about whether that was heard.
        if taken == of && self.input.is_empty() {
            self.unheard.clone_from(&incoming.keys);
        }
        Need::Flush
    }

    /// The same for each recipient: no.
    pub(super) fn refuse_message(&mut self, answer: &Answer, out: &mut Out) -> Need {
        let transaction = self.transaction.take();
        if let Some(transaction) = &transaction {
            self.log_message_refused(transaction, answer);
        }
        let recipients = transaction.map_or_else(Vec::new, |transaction| transaction.recipients);
        if self.kind == Kind::Lmtp && !recipients.is_empty() {
            for recipient in &recipients {
                answer.saying(format!("<{}> {}", recipient.address, answer.text)).put(out);
            }
            return Need::Flush;
        }
        self.refuse(answer, out)
    }
}

impl Packing {
    /// Packs until there is enough to put into the store; true when all is packed.
    fn go_on(&mut self) -> Result<bool, StoreError> {
        let mut buffer = Vec::new();
        loop {
            while let Some(drop) = self.drops.first().filter(|drop| drop.start <= self.at) {
                self.at = self.at.max(drop.end);
                self.drops.remove(0);
            }
            let piece = self.spool.read(self.at, &mut buffer).map_err(|error| {
                StoreError::Fault(crate::store::Fault::Io(format!("a message that came in cannot be read: {error}")))
            })?;
            let until = self.drops.first().map_or(u64::MAX, |drop| drop.start - self.at);
            let piece = piece.get(..usize::try_from(until).unwrap_or(usize::MAX)).unwrap_or(piece);
            if piece.is_empty() {
                return Ok(true);
            }
            self.packer.push(piece)?;
            self.at += piece.len() as u64;
            if self.packer.held() >= limits::UPLOAD {
                return Ok(false);
            }
        }
    }
}

/// The header of a message that waits.
fn head_of(spool: &Spool) -> Result<Vec<u8>, Answer> {
    spool.head(limits::HEADER).map(header::of).map_err(|error| {
        log::error!("a message that came in cannot be read again: {error}");
        answers::NOT_NOW
    })
}

/// `Message-ID` as it stands in a header, without what is folded around it.
fn message_id(head: &[u8]) -> Option<String> {
    let value = first(head, b"Message-ID")?.trim_ascii();
    (!value.is_empty()).then(|| String::from_utf8_lossy(value.get(..limits::ADDRESS).unwrap_or(value)).into_owned())
}

fn of_recipient(recipient: &Recipient) -> delivery::Recipient<'_> {
    let notify = recipient.notify.map_or_else(Notify::default, |notify| Notify {
        success: notify.success,
        failure: notify.failure,
        delay: notify.delay,
    });
    delivery::Recipient { address: recipient.address.as_str(), notify, orcpt: recipient.orcpt.as_deref() }
}

/// By what it will be known again for those for whom it is taken now.
fn marks(incoming: &Incoming, fates: &[Fate]) -> Vec<Mark> {
    let known = incoming.keys.iter().zip(&incoming.anew).zip(&incoming.repeated);
    let new = known.clone().filter(|(_, repeated)| !**repeated).map(|((key, anew), _)| (*key, *anew));
    let mark = |((key, anew), fate): ((Key, bool), &Fate)| match fate {
        Fate::Taken { copies, .. } => {
            let copies = copies.iter().filter_map(|at| u32::try_from(*at).ok()).collect();
            Some(Mark { key, copies, anew })
        }
        Fate::Not(_) => None,
    };
    // Who comes again for others comes once more, as long as those are not served: what was taken stays known meanwhile.
    let again = known.filter(|(_, repeated)| **repeated).map(|((key, _), _)| (*key, true));
    let again = again.map(|(key, anew)| Mark { key, copies: Vec::new(), anew });
    new.zip(fates).filter_map(mark).chain(again).collect()
}

/// What a recipient is answered for.
fn told(fate: &Fate, copies: &[Result<Placed, Refusal>]) -> Answer {
    match fate {
        Fate::Not(Route::Loop) => answers::LOOP,
        Fate::Not(Route::Outside) => answers::NO_RELAY,
        fate => fate.refusal(copies).map_or(answers::TAKEN, answers::refused),
    }
}

/// One answer that holds for all recipients. Where only some could be served the peer comes again, and is told then of
/// each; for whom it was taken is remembered.
fn for_all(answers: &[Answer]) -> Answer {
    let refused = || answers.iter().filter(|answer| !answer.is_positive());
    match refused().next() {
        None => answers::TAKEN,
        Some(first) if refused().count() == answers.len() => first.clone(),
        Some(first) => {
            let later = refused().find(|answer| answer.code < 500).cloned();
            later.unwrap_or_else(|| answers::NOT_ALL.saying(format!("{}: {}", answers::NOT_ALL.text, first.text)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_holds_for_all_recipients() {
        assert_eq!(for_all(&[answers::TAKEN, answers::TAKEN]), answers::TAKEN);
        assert_eq!(for_all(&[answers::LOOP, answers::LOOP]), answers::LOOP);
        assert_eq!(for_all(&[answers::LOOP, answers::TAKEN, answers::OVER_QUOTA]), answers::OVER_QUOTA);
        // The peer comes again, and whoever sent it reads at last why.
        let some = for_all(&[answers::TAKEN, answers::LOOP]);
        assert_eq!((some.code, &*some.text), (451, "Not for all recipients: The mail goes in circles"));
    }
}
