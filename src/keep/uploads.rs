//! Messages on their way into a mailbox, many at a time, so that they share commits.

use super::import::{Broken, Destination, Intake, Meta, Verdict};
use super::known::Known;
use crate::mail::{AccountId, MailboxId, MailboxName};
use crate::store::{Fault, NewMessage, Outcome, Packer, Parcel, Refusal, Store, StoreError, Write};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Packed octets of a message that are held before they are staged.
const HELD: usize = 1 << 20;
/// Packed octets of all messages that wait for their commit: what one transaction takes.
const IN_FLIGHT: usize = 4 << 20;

/// Takes messages in pieces and gives each to the writer without waiting for the ones before.
pub struct Uploads {
    store: Arc<Store>,
    mailbox: MailboxId,
    /// What it has already; shared with the thread that looks something up.
    known: Option<Known>,
    message: State,
    waiting: VecDeque<Waiting>,
    octets: usize,
}

/// The message that is coming in.
enum State {
    None,
    Packing(Box<Packer>),
    /// Already decided: what still comes of it is not looked at.
    Decided(Verdict),
}

/// A message that is with the writer, or decided without it.
enum Waiting {
    Commit { outcome: Pin<Box<dyn Future<Output = Verdict> + Send>>, octets: usize },
    Decided(Verdict),
}

impl Uploads {
    /// Into this mailbox; `known`: what it has already and need not have again.
    #[must_use]
    pub fn new(store: Arc<Store>, mailbox: MailboxId, known: Option<Known>) -> Uploads {
        Uploads { store, mailbox, known, message: State::None, waiting: VecDeque::new(), octets: 0 }
    }

    /// The next octets of the message.
    pub async fn push(&mut self, octets: &[u8]) {
        if let State::None = self.message {
            self.message = State::Packing(Box::new(self.store.packer()));
        }
        let State::Packing(packer) = &mut self.message else { return };
        let pushed = match packer.push(octets) {
            Ok(()) if packer.held() <= HELD => return,
            Ok(()) => {
                let stage = self.store.stage(packer);
                self.store.write(stage).await.map(|_| ())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = pushed {
            self.message = State::Decided(verdict(error));
        }
    }

    /// The message is complete; its verdict comes in its turn.
    pub async fn end(&mut self, meta: Meta) {
        let waiting = match std::mem::replace(&mut self.message, State::None) {
            State::None => Waiting::Decided(Verdict::Refused("the message is empty".to_owned())),
            State::Decided(verdict) => Waiting::Decided(verdict),
            State::Packing(packer) => {
                let held = packer.held();
                match self.finish(*packer).await {
                    Ok(None) => Waiting::Decided(Verdict::Known),
                    Ok(Some(parcel)) => {
                        let octets = held + usize::try_from(parcel.size()).unwrap_or(usize::MAX).min(1 << 17);
                        let Meta { flags, received, history } = meta;
                        let message = NewMessage { parcel, flags, received, now: now(), history };
                        let write = Write::Append { mailbox: self.mailbox, message };
                        let store = Arc::clone(&self.store);
                        let outcome = async move { store.write(write).await.map_or_else(verdict, |_| Verdict::Taken) };
                        let mut outcome: Pin<Box<dyn Future<Output = Verdict> + Send>> = Box::pin(outcome);
                        // Polled once, it is with the writer.
                        match smol::future::poll_once(&mut outcome).await {
                            Some(verdict) => Waiting::Decided(verdict),
                            None => Waiting::Commit { outcome, octets },
                        }
                    }
                    Err(error) => Waiting::Decided(verdict(error)),
                }
            }
        };
        if let Waiting::Commit { octets, .. } = &waiting {
            self.octets += octets;
        }
        self.waiting.push_back(waiting);
    }

    /// The packed message, unless the mailbox has it already.
    async fn finish(&mut self, packer: Packer) -> Result<Option<Parcel>, StoreError> {
        let parcel = packer.finish()?;
        let Some(mut known) = self.known.take() else { return Ok(Some(parcel)) };
        if !known.has_size(parcel.size()) {
            self.known = Some(known);
            return Ok(Some(parcel));
        }
        let store = Arc::clone(&self.store);
        let looked = smol::unblock(move || {
            let is_known = known.take(&store, &parcel);
            (is_known, known, parcel)
        });
        let (is_known, known, parcel) = looked.await;
        self.known = Some(known);
        Ok(if is_known? { None } else { Some(parcel) })
    }

    /// What came in of the message is thrown away.
    pub fn give_up(&mut self) {
        self.message = State::None;
    }

    /// How many messages wait for their verdict.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The verdict on the oldest message that has none yet; waits for it if asked to, or if too much is under way.
    pub async fn verdict(&mut self, wait: bool) -> Option<Verdict> {
        let verdict = match self.waiting.front_mut()? {
            Waiting::Decided(verdict) => verdict.clone(),
            Waiting::Commit { outcome, .. } if wait || self.octets > IN_FLIGHT => outcome.await,
            Waiting::Commit { outcome, .. } => smol::future::poll_once(outcome).await?,
        };
        if let Some(Waiting::Commit { octets, .. }) = self.waiting.pop_front() {
            self.octets = self.octets.saturating_sub(octets);
        }
        Some(verdict)
    }
}

impl std::fmt::Debug for Uploads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uploads").field("mailbox", &self.mailbox).finish_non_exhaustive()
    }
}

impl Intake for Uploads {
    fn push(&mut self, octets: &[u8]) -> Result<(), Broken> {
        smol::block_on(Uploads::push(self, octets));
        Ok(())
    }

    fn end(&mut self, meta: Meta) -> Result<(), Broken> {
        smol::block_on(Uploads::end(self, meta));
        Ok(())
    }

    fn give_up(&mut self) -> Result<(), Broken> {
        Uploads::give_up(self);
        Ok(())
    }

    fn verdict(&mut self, wait: bool) -> Result<Option<Verdict>, Broken> {
        Ok(smol::block_on(Uploads::verdict(self, wait)))
    }
}

/// An account of a store that this process has open.
#[derive(Debug)]
pub struct Direct {
    /// The store.
    pub store: Arc<Store>,
    /// The account.
    pub account: AccountId,
    /// A message that a mailbox has already is stored once more.
    pub again: bool,
}

impl Destination for Direct {
    fn open(&mut self, name: &str) -> Result<Box<dyn Intake + '_>, Broken> {
        let broken = |error: StoreError| Broken(format!("mailbox {name}: {error}"));
        let mailbox = open_mailbox(&self.store, self.account, name).map_err(broken)?;
        let known = if self.again { Ok(None) } else { Known::of(&self.store, mailbox).map(Some) };
        let known = known.map_err(|fault| broken(fault.into()))?;
        Ok(Box::new(Uploads::new(Arc::clone(&self.store), mailbox, known)))
    }
}

/// A mailbox by its name; made, and subscribed, where there is none. May wait for the disk.
pub fn open_mailbox(store: &Store, account: AccountId, name: &str) -> Result<MailboxId, StoreError> {
    let name = MailboxName::settle(name).map_err(|_| Refusal::BadName)?;
    let found = || store.snapshot()?.mailbox_named(account, name.as_str());
    if let Some(mailbox) = found()? {
        return Ok(mailbox);
    }
    match store.write_blocking(Write::CreateMailbox { account, name: name.clone(), special: None }) {
        Ok(Outcome::Mailbox(mailbox)) => {
            store.write_blocking(Write::Subscribe { account, name, on: true })?;
            Ok(mailbox)
        }
        // A client was quicker.
        Err(StoreError::Refused(Refusal::MailboxExists)) => Ok(found()?.ok_or(Refusal::NoMailbox)?),
        Ok(_) => Err(Fault::Corrupt("a new mailbox without id").into()),
        Err(error) => Err(error),
    }
}

fn verdict(error: StoreError) -> Verdict {
    match error {
        StoreError::Refused(
            refusal @ (Refusal::OverQuota | Refusal::DiskFull | Refusal::UidsUsedUp | Refusal::ReadOnly),
        ) => Verdict::Full(refusal.to_string()),
        StoreError::Refused(refusal @ (Refusal::NoMailbox | Refusal::NoAccount)) => {
            Verdict::Broken(refusal.to_string())
        }
        StoreError::Refused(refusal) => Verdict::Refused(refusal.to_string()),
        StoreError::Fault(fault) => Verdict::Broken(fault.to_string()),
    }
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
