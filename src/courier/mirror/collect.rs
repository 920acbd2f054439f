//! Collecting: mail comes from a provider into a mailbox here, once each, and may be deleted there some days later.

use super::error::Error;
use super::imap::Imap;
use super::line::Io;
use super::mail::{Download, key_of};
use super::merge::is_bulk;
use super::pass::{Tally, read_apart};
use super::pop3::{Listed, Pop3};
use crate::mail::{AccountId, BlobId, FlagSet, MailboxName, Stamp, limits};
use crate::store::{
    Arrival, Arriving, Collected, Delivery, FarFolder, FolderId, Grace, LocalCopy, Note, Pair, Parcel, Place, Posting,
    ProviderChange, ProviderId, Refusal, Snapshot, Step, Store, StoreError, Write,
};
use crate::wire::imap::answer::{Answer, Fetched};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

const DAY: i64 = 24 * 3_600;
/// Messages that are deleted at the provider with one command.
const SOME: usize = 100;

/// What is collected, and for whom.
pub struct Collect {
    pub store: Arc<Store>,
    pub id: ProviderId,
    pub account: AccountId,
    /// The mailbox here.
    pub into: String,
    /// Days that what came stays there; `None`: for ever.
    pub delete_after: Option<u32>,
    pub now: i64,
    pub tally: Tally,
}

impl Collect {
    /// By POP3. Ends the session.
    pub async fn by_pop3<S: Io>(&mut self, mut pop3: Pop3<S>) -> Result<(), Error> {
        let listed = pop3.list().await?;
        let id = self.id;
        let known: HashMap<Vec<u8>, i64> = self
            .read(move |snapshot| {
                let collected = snapshot.collected(id)?.into_iter();
                Ok(collected.map(|Collected { name, since }| (name, since)).collect())
            })
            .await?;
        self.forget(&listed, &known).await?;
        let mut seen = HashSet::new();
        for Listed { number, name } in &listed {
            // RFC 1939 §7 lets copies of one message have one name.
            if !seen.insert(name) {
                continue;
            }
            let since = match known.get(name) {
                Some(since) => *since,
                None => match self.fetch_by_pop3(&mut pop3, *number, name).await {
                    Ok(true) => self.now,
                    Ok(false) => continue,
                    Err(error) if error.is_full() => {
                        self.tally.held.push(format!("nothing more is fetched: {error}"));
                        break;
                    }
                    Err(error) => return Err(error),
                },
            };
            if self.is_over(since) {
                match pop3.delete(*number).await {
                    Err(error) if error.is_refusal() => self.tally.held.push(error.to_string()),
                    deleted => deleted?,
                }
            }
        }
        pop3.quit().await
    }

    /// Fetches one message; whether it was taken.
    async fn fetch_by_pop3<S: Io>(&mut self, pop3: &mut Pop3<S>, number: u32, name: &[u8]) -> Result<bool, Error> {
        let mut download = Download::new(&self.store);
        match pop3.fetch(number, &mut download).await {
            Err(error) if error.is_refusal() => {
                self.tally.held.push(format!("a message is not given out by the provider: {error}"));
                return Ok(false);
            }
            fetched => fetched?,
        }
        let Some(parcel) = download.finish()? else {
            self.tally.held.push("a message is larger than any that is taken".to_owned());
            return Ok(false);
        };
        let note = Note::Collected(Collected { name: name.to_vec(), since: self.now });
        self.deliver(parcel, Stamp::utc(self.now), Vec::new(), note).await?;
        Ok(true)
    }

    /// What is not in the maildrop any more need not be known any more: unless so much is missing that the provider may
    /// only have a bad day. It would all come again.
    async fn forget(&self, listed: &[Listed], known: &HashMap<Vec<u8>, i64>) -> Result<(), Error> {
        let there: HashSet<&[u8]> = listed.iter().map(|listed| listed.name.as_slice()).collect();
        let missing: Vec<&Vec<u8>> = known.keys().filter(|name| !there.contains(name.as_slice())).collect();
        if is_bulk(missing.len(), known.len()) || listed.is_empty() {
            return Ok(());
        }
        self.steps(missing.into_iter().map(|name| Step::Uncollect { name: name.clone() }).collect()).await
    }

    /// By IMAP, from INBOX.
    pub async fn by_imap<S: Io>(&mut self, imap: &mut Imap<S>) -> Result<(), Error> {
        let selected = imap.select(b"INBOX").await?;
        let (folder, mut pairs, void) = self.inbox(selected.uid_validity).await?;
        let known: HashSet<u32> = pairs.iter().map(|pair| pair.remote).collect();
        let (mut new, mut present) = (Vec::new(), HashSet::new());
        imap.scan(None, &mut |answer| {
            if let Answer::Fetch(Fetched { uid: Some(uid), .. }) = answer
                && present.insert(uid)
                && !known.contains(&uid)
            {
                new.push(uid);
            }
            Ok(())
        })
        .await?;
        let missing: Vec<&Pair> = pairs.iter().filter(|pair| !present.contains(&pair.remote)).collect();
        if !is_bulk(missing.len(), pairs.len()) {
            self.steps(missing.iter().map(|pair| Step::Unpair { folder, remote: pair.remote }).collect()).await?;
        }
        pairs.retain(|pair| present.contains(&pair.remote));
        let mut described = Vec::new();
        imap.describe(&new, &mut |fetched| {
            described.push(fetched);
            Ok(())
        })
        .await?;
        let mut void: HashMap<(u64, u32), Vec<(FolderId, Pair)>> =
            void.into_iter().fold(HashMap::new(), |mut all, (id, pair)| {
                all.entry((pair.key, pair.size)).or_default().push((id, pair));
                all
            });
        for fetched in described {
            let (Some(remote), Some(size)) = (fetched.uid, fetched.size) else { continue };
            let key = key_of(fetched.header.as_deref().unwrap_or_default());
            let pair = Pair { remote, local: None, blob: BlobId(0), key, size, agreed: FlagSet::NONE, since: self.now };
            // It was collected when it had another UID.
            if let Some((before, old)) = void.get_mut(&(key, size)).filter(|_| key != 0).and_then(Vec::pop) {
                let pair = Pair { since: old.since, blob: old.blob, ..pair };
                self.steps(vec![Step::Moved { from: before, remote: old.remote, into: folder, pair }]).await?;
                pairs.push(pair);
                continue;
            }
            match self.fetch_by_imap(imap, folder, pair, fetched).await {
                Ok(true) => pairs.push(pair),
                Ok(false) => {}
                Err(error) if error.is_full() => {
                    self.tally.held.push(format!("nothing more is fetched: {error}"));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let over: Vec<u32> = pairs.iter().filter(|pair| self.is_over(pair.since)).map(|pair| pair.remote).collect();
        for some in over.chunks(SOME) {
            imap.need(b"INBOX").await?;
            match imap.expunge(some).await {
                Err(error) if error.is_refusal() => {
                    // They stay, and stay known: what is forgotten comes again.
                    self.tally.held.push(error.to_string());
                    break;
                }
                expunged => expunged?,
            }
            self.steps(some.iter().map(|remote| Step::Unpair { folder, remote: *remote }).collect()).await?;
        }
        Ok(())
    }

    /// Fetches one message; whether it was taken.
    async fn fetch_by_imap<S: Io>(
        &mut self,
        imap: &mut Imap<S>,
        folder: FolderId,
        pair: Pair,
        fetched: Fetched,
    ) -> Result<bool, Error> {
        if pair.size > limits::MESSAGE {
            self.tally.held.push("a message is larger than any that is taken".to_owned());
            return Ok(false);
        }
        let mut download = Download::new(&self.store);
        match imap.fetch(pair.remote, &mut download).await {
            Err(error) if error.is_refusal() => {
                self.tally.held.push(format!("a message is not given out by the provider: {error}"));
                return Ok(false);
            }
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => return Err(error),
        }
        let Some(parcel) = download.finish()? else {
            self.tally.held.push("a message is larger than any that is taken".to_owned());
            return Ok(false);
        };
        let mut flags = fetched.flags.unwrap_or_default();
        flags.retain(|name| !name.eq_ignore_ascii_case("\\Deleted"));
        let received = fetched.received.unwrap_or(Stamp::utc(self.now));
        self.deliver(parcel, received, flags, Note::Pair { folder, pair }).await?;
        Ok(true)
    }

    /// The INBOX of this generation, what was collected from it, and what was collected from it in earlier generations.
    async fn inbox(&self, uid_validity: u32) -> Result<(FolderId, Vec<Pair>, Vec<(FolderId, Pair)>), Error> {
        let id = self.id;
        let folders = self.read(move |snapshot| Ok(snapshot.far_folders(id)?)).await?;
        let now = folders.iter().find(|(_, far)| far.uid_validity == uid_validity).map(|(folder, _)| *folder);
        let folder = if let Some(folder) = now {
            folder
        } else {
            let next = folders.iter().map(|(folder, _)| folder.0).max().unwrap_or(0).saturating_add(1);
            let (remote, name) = (Some(b"INBOX".to_vec()), "INBOX".to_owned());
            let now_is = FarFolder { remote, name, uid_validity, ..FarFolder::default() };
            self.steps(vec![Step::Folder { folder: FolderId(next), now_is }]).await?;
            FolderId(next)
        };
        self.read(move |snapshot| {
            let pairs = snapshot.pairs(id, folder)?;
            let mut void = Vec::new();
            for (other, _) in folders.into_iter().filter(|(other, _)| *other != folder) {
                void.extend(snapshot.pairs(id, other)?.into_iter().map(|pair| (other, pair)));
            }
            Ok((folder, pairs, void))
        })
        .await
    }

    async fn deliver(&mut self, parcel: Parcel, received: Stamp, flags: Vec<String>, note: Note) -> Result<(), Error> {
        let place = Place::of(MailboxName::nearest(&self.into));
        let copy = LocalCopy { account: self.account, place, flags, grace: Grace::None };
        let posting = Posting { parcel, received, copies: vec![copy], onward: Vec::new(), once: None };
        let delivery = Delivery { messages: vec![posting], marks: Vec::new(), now: self.now };
        let arrival = Arrival { provider: self.id, message: Arriving::Deliver(delivery), note };
        match self.store.write(Write::Arrive(Box::new(arrival))).await {
            // It came already: a look before this one was cut off after it was stored.
            Err(StoreError::Refused(Refusal::Changed)) if self.is_wanted().await? => return Ok(()),
            stored => stored?,
        };
        Ok(())
    }

    async fn is_wanted(&self) -> Result<bool, Error> {
        let id = self.id;
        self.read(move |snapshot| Ok(snapshot.provider(id)?.is_some())).await
    }

    fn is_over(&self, since: i64) -> bool {
        // At once is at once; days are days that passed here.
        self.delete_after.is_some_and(|days| days == 0 || self.store.is_over(since, i64::from(days) * DAY))
    }

    async fn steps(&self, steps: Vec<Step>) -> Result<(), Error> {
        if !steps.is_empty() {
            let change = ProviderChange::Steps { id: self.id, steps };
            self.store.write(Write::Provider(Box::new(change))).await?;
        }
        Ok(())
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        read_apart(&self.store, read).await
    }
}
