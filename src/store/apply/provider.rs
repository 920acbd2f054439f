//! Mailboxes at providers: what is known of them, and what is done here for their sake, in one commit.

use super::Batch;
use crate::mail::{AccountId, FlagSet, MailboxId, Uid};
use crate::store::error::{Fault, Refusal, StoreError};
use crate::store::provider::{
    Arrival, Arriving, Note, Pair, Provider, ProviderChange, ProviderId, ProviderState, Step, collected_key,
    folder_key, pair_key, provider_key, tag,
};
use crate::store::queue::Space;
use crate::store::record::{Message, decode, encode};
use crate::store::schema::{LAST_PROVIDER, kept_key, msg_key};
use crate::store::write::{Outcome, Uids};
use redb::ReadableTable;
use serde::Serialize;

impl Batch<'_> {
    pub(super) fn change_provider(&mut self, change: &ProviderChange) -> Result<Outcome, StoreError> {
        match change {
            ProviderChange::Add(provider) => {
                self.account_record(provider.account)?;
                let number = self.raise(LAST_PROVIDER, 1)?;
                let id = ProviderId(u32::try_from(number).map_err(|_| Fault::Corrupt("a provider's number"))?);
                self.put_record(&provider_key(tag::PROVIDER, id), provider)?;
                Ok(Outcome::Provider(id))
            }
            ProviderChange::Set { id, provider } => {
                self.check_provider(*id)?;
                self.put_record(&provider_key(tag::PROVIDER, *id), provider)?;
                Ok(Outcome::Done)
            }
            ProviderChange::State { id, state } => {
                self.check_provider(*id)?;
                self.put_record(&provider_key(tag::STATE, *id), state)?;
                Ok(Outcome::Done)
            }
            ProviderChange::Remove(id) => {
                self.check_provider(*id)?;
                self.remove_provider(*id)?;
                Ok(Outcome::Done)
            }
            ProviderChange::Steps { id, steps } => {
                self.check_provider(*id)?;
                let mut done = Vec::with_capacity(steps.len());
                for step in steps {
                    match self.step(*id, step) {
                        Ok(()) => done.push(true),
                        Err(StoreError::Refused(_)) => done.push(false),
                        Err(fault) => return Err(fault),
                    }
                }
                Ok(Outcome::Stepped(done))
            }
        }
    }

    /// A message from a provider, with the note that it came.
    pub(super) fn arrival(&mut self, arrival: &Arrival) -> Result<Outcome, StoreError> {
        let Arrival { provider, message, note } = arrival;
        self.check_provider(*provider)?;
        let key = match note {
            Note::Pair { folder, pair } => pair_key(*provider, *folder, pair.remote),
            Note::Collected(collected) => collected_key(*provider, &collected.name),
        };
        if self.tables.kept.get(key.as_slice())?.is_some() {
            return Err(Refusal::Changed.into());
        }
        let (outcome, mailbox, uid, blob) = match message {
            Arriving::Append { mailbox, message } => {
                let outcome = self.append(*mailbox, message)?;
                let Outcome::Appended { uid, .. } = outcome else {
                    return Err(Fault::Corrupt("a new message without UID").into());
                };
                (outcome, *mailbox, uid, message.parcel.blob)
            }
            Arriving::Deliver(delivery) => {
                let copies = self.deliver(delivery)?;
                let placed = copies.iter().find_map(|copy| copy.as_ref().ok()).copied();
                let Some(placed) = placed else {
                    let why = copies.into_iter().find_map(Result::err).unwrap_or(Refusal::NoMailbox);
                    return Err(why.into());
                };
                let blob = delivery.messages.first().map(|posting| posting.parcel.blob);
                let blob = blob.ok_or(Fault::Corrupt("a delivery of nothing"))?;
                (Outcome::Delivered(copies), placed.mailbox, placed.uid, blob)
            }
        };
        match note {
            Note::Pair { pair, .. } => {
                // One that was collected is known by its UID alone.
                let local = pair.local.is_some().then_some(uid);
                let agreed = self.one(mailbox, uid)?.flags;
                self.put_record(&key, &Pair { local, blob, agreed, ..*pair })?;
            }
            Note::Collected(collected) => self.put_record(&key, collected)?,
        }
        let key = provider_key(tag::STATE, *provider);
        let state = self.tables.kept.get(key.as_slice())?;
        let state = state.map(|state| decode(state.value(), "a mailbox at a provider")).transpose()?;
        let mut state: ProviderState = state.unwrap_or_default();
        state.fetched = state.fetched.saturating_add(1);
        self.put_record(&key, &state)?;
        Ok(outcome)
    }

    /// The mailboxes at providers of an account that is being removed.
    pub(super) fn remove_providers(&mut self, account: AccountId) -> Result<(), StoreError> {
        let prefix = kept_key(Space::Mirror, &[tag::PROVIDER]);
        let mut gone = Vec::new();
        for row in self.tables.kept.range(prefix.as_slice()..)? {
            let (key, record) = row?;
            if !key.value().starts_with(&prefix) {
                break;
            }
            let provider: Provider = decode(record.value(), "a mailbox at a provider")?;
            if let (true, Some(number)) = (provider.account == account, key.value().last_chunk::<4>()) {
                gone.push(ProviderId(u32::from_be_bytes(*number)));
            }
        }
        for id in gone {
            self.remove_provider(id)?;
        }
        Ok(())
    }

    fn remove_provider(&mut self, id: ProviderId) -> Result<(), StoreError> {
        for tag in tag::ALL {
            let key = provider_key(tag, id);
            self.drop_below(&key)?;
        }
        Ok(())
    }

    fn step(&mut self, id: ProviderId, step: &Step) -> Result<(), StoreError> {
        match step {
            Step::Folder { folder, now_is } => self.put_record(&folder_key(tag::FOLDER, id, *folder), now_is)?,
            Step::Forget(folder) => {
                self.drop_below(&folder_key(tag::FOLDER, id, *folder))?;
                self.drop_below(&folder_key(tag::PAIR, id, *folder))?;
            }
            Step::Pair { folder, pair } => self.put_record(&pair_key(id, *folder, pair.remote), pair)?,
            Step::Unpair { folder, remote } => self.drop_record(&pair_key(id, *folder, *remote))?,
            Step::Flag { folder, pair, mailbox, uid, add, remove } => {
                self.set_flags(*mailbox, *uid, *add, *remove)?;
                self.put_record(&pair_key(id, *folder, pair.remote), pair)?;
            }
            Step::Delete { folder, remote, mailbox, uid } => {
                self.mailbox(*mailbox)?;
                let messages = self.messages(*mailbox, &Uids::one(*uid))?;
                self.remove(*mailbox, &messages)?;
                self.drop_record(&pair_key(id, *folder, *remote))?;
            }
            Step::Move { from, pair, mailbox, into, to, now_is } => {
                let moved = self.carry(*mailbox, pair, *to)?;
                self.drop_record(&pair_key(id, *from, pair.remote))?;
                self.put_record(&pair_key(id, *into, *now_is), &Pair { remote: *now_is, ..moved })?;
            }
            Step::Moved { from, remote, into, pair } => {
                self.drop_record(&pair_key(id, *from, *remote))?;
                self.put_record(&pair_key(id, *into, pair.remote), pair)?;
            }
            Step::DropMailbox { mailbox } => {
                let record = self.mailbox(*mailbox)?;
                if record.messages > 0 {
                    return Err(Refusal::Changed.into());
                }
                let name = record.name.clone();
                self.delete_mailbox(mailbox.account(), &name)?;
                self.subscribe(mailbox.account(), &name, false)?;
            }
            Step::Uncollect { name } => self.drop_record(&collected_key(id, name))?,
        }
        Ok(())
    }

    /// Moves a message here, if it is to be elsewhere; its pair as it is then.
    fn carry(&mut self, mailbox: MailboxId, pair: &Pair, to: MailboxId) -> Result<Pair, StoreError> {
        let uid = pair.local.ok_or(Refusal::Changed)?;
        self.mailbox(mailbox)?;
        if mailbox == to {
            self.one(mailbox, uid)?;
            return Ok(*pair);
        }
        let message = self.one(mailbox, uid)?;
        // What was agreed on is in the numbers of the mailbox that it leaves.
        let both = [(uid, Message { flags: message.flags | pair.agreed, ..message })];
        let keywords = self.keywords_in(mailbox, &both, to)?;
        let system = FlagSet(pair.agreed.0 & 0xff);
        let agreed = pair
            .agreed
            .keywords()
            .fold(system, |flags, index| flags | keywords.get(index).copied().unwrap_or_default());
        let Outcome::Copied { to: moved, .. } = self.move_messages(mailbox, &Uids::one(uid), to)? else {
            return Err(Refusal::Changed.into());
        };
        let now = moved.first().ok_or(Refusal::Changed)?;
        Ok(Pair { local: Some(now), agreed, ..*pair })
    }

    /// A message that must be there.
    fn one(&self, mailbox: MailboxId, uid: Uid) -> Result<Message, StoreError> {
        let found = self.tables.msg.get(&msg_key(mailbox, uid))?;
        Ok(decode(found.ok_or(Refusal::Changed)?.value(), "message")?)
    }

    fn check_provider(&self, id: ProviderId) -> Result<(), StoreError> {
        let known = self.tables.kept.get(provider_key(tag::PROVIDER, id).as_slice())?.is_some();
        if known { Ok(()) } else { Err(Refusal::Changed.into()) }
    }

    fn put_record<T: Serialize>(&mut self, key: &[u8], record: &T) -> Result<(), Fault> {
        self.tables.kept.insert(key, encode(record)?.as_slice())?;
        self.touched = true;
        Ok(())
    }

    fn drop_record(&mut self, key: &[u8]) -> Result<(), Fault> {
        self.tables.kept.remove(key)?;
        self.touched = true;
        Ok(())
    }

    /// Removes all records whose keys begin so.
    pub(super) fn drop_below(&mut self, prefix: &[u8]) -> Result<(), Fault> {
        let mut end = prefix.to_vec();
        // Longer than any key: a UIDL has at most 70 octets.
        end.extend_from_slice(&[0xff; 256]);
        self.tables.kept.retain_in::<&[u8], _>(prefix..end.as_slice(), |_, _| false)?;
        self.touched = true;
        Ok(())
    }
}
