//! Looking at one folder: what is new, what is missing, and which flags changed, on both sides.

use super::error::Error;
use super::imap::Selected;
use super::line::Io;
use super::mail::key_of;
use super::merge::{Names, merged};
use super::pass::{Entry, Pass};
use crate::mail::{FlagSet, MailboxId, Stamp, Uid};
use crate::store::{FarFolder, FlagChange, FolderId, Message, Pair, Step, Uids, Write};
use crate::wire::imap::answer::{Answer, Fetched};
use std::collections::{HashMap, HashSet};

/// New messages of one folder that are looked at in one go, on each side; others follow in the next look.
const NEW: usize = if cfg!(test) { 10 } else { 10_000 };

/// What was found in a folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) id: FolderId,
    pub(super) far: FarFolder,
    pub(super) selected: Selected,
    pub(super) names: Names,
    /// What the provider keeps of flags.
    pub(super) kept: FlagSet,
    /// The mailbox's modification sequence here when it was looked at.
    pub(super) local_modseq: u64,
    /// All was compared, not only what changed.
    pub(super) compared_all: bool,
    /// How many messages were on both sides.
    pub(super) agreed: usize,
    /// New there.
    pub(super) new_there: Vec<NewThere>,
    /// New here.
    pub(super) new_here: Vec<NewHere>,
    /// On both sides once, and not there any more.
    pub(super) gone_there: Vec<Pair>,
    /// On both sides once, and not here any more.
    pub(super) gone_here: Vec<Pair>,
    /// On both sides once, and on neither any more.
    pub(super) gone_both: Vec<Pair>,
    /// Not all was settled in this look.
    pub(super) left: bool,
    /// There are more new messages there than were looked at.
    pub(super) more_there: bool,
    /// So many missing messages are held back: missing there, and missing here.
    pub(super) held: (usize, usize),
}

/// A message that is new there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewThere {
    pub(super) uid: u32,
    pub(super) key: u64,
    pub(super) size: u32,
    pub(super) flags: FlagSet,
    pub(super) received: Stamp,
}

/// A message that is new here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewHere {
    pub(super) uid: Uid,
    pub(super) message: Message,
}

/// A mailbox here as it was read.
struct Here {
    pairs: Vec<Pair>,
    messages: HashMap<Uid, Message>,
    /// Messages whose pair is with a folder that this mailbox had before.
    elsewhere: HashSet<Uid>,
    keywords: Vec<String>,
    modseq: u64,
}

/// What the provider said of a folder.
#[derive(Default)]
struct There {
    flags: HashMap<u32, FlagSet>,
    new: Vec<u32>,
    gone: HashSet<u32>,
    /// So many messages are there of which it said nothing: none is gone for that.
    untold: u64,
}

impl Found {
    /// Whether all of it is as both sides want it.
    pub(super) fn is_clean(&self) -> bool {
        !self.left && self.held == (0, 0)
    }

    fn selected_name(&self) -> String {
        String::from_utf8_lossy(&self.selected.name).into_owned()
    }

    pub(super) fn missing_there(&self, now: i64) -> Option<i64> {
        (self.held.0 > 0).then(|| self.far.missing_there.unwrap_or(now))
    }

    pub(super) fn missing_here(&self, now: i64) -> Option<i64> {
        (self.held.1 > 0).then(|| self.far.missing_here.unwrap_or(now))
    }
}

impl<S: Io> Pass<'_, S> {
    /// Looks at a folder, and settles flags.
    pub(super) async fn look(&mut self, entry: Entry) -> Result<Found, Error> {
        let Entry { id, far, .. } = entry;
        let here = self.here(id, far.local).await?;
        let mut found = Found {
            id,
            names: Names::new(here.keywords.clone()),
            local_modseq: here.modseq,
            agreed: here.pairs.len(),
            ..Found::default()
        };
        let there = match &far.remote {
            Some(remote) => {
                found.selected = self.imap.select(remote).await?;
                if found.selected.uid_validity != far.uid_validity {
                    // Just now. The next look sees it from the beginning.
                    return Err(Error::Connection("the provider renumbered a folder".to_owned()));
                }
                let since = self.by_changes(&far).then_some(far.remote_modseq);
                found.compared_all = since.is_none();
                let there = self.there(since, &here, found.selected.messages, &mut found.names).await?;
                if there.untold > 0 {
                    found.left = true;
                    let why = "nothing that is missing there is deleted here";
                    self.tally.held.push(format!("{} of {} messages are not told of: {why}", there.untold, far.name));
                }
                there
            }
            None => There { gone: here.pairs.iter().map(|pair| pair.remote).collect(), ..There::default() },
        };
        found.kept = found.names.kept(found.selected.kept.as_ref());
        if let (Some(_), Some(local)) = (&far.remote, far.local) {
            self.describe(&there.new, &mut found).await?;
            self.learn(local, &found.names).await?;
            self.settle_flags(local, &here, &there, &mut found).await?;
        }
        let mut paired = HashSet::with_capacity(here.pairs.len());
        for pair in &here.pairs {
            paired.extend(pair.local);
            let is_here = pair.local.is_some_and(|uid| here.messages.contains_key(&uid));
            match (is_here, there.gone.contains(&pair.remote)) {
                (true, true) => found.gone_there.push(*pair),
                (false, false) => found.gone_here.push(*pair),
                (false, true) => found.gone_both.push(*pair),
                (true, false) => {}
            }
        }
        if far.remote.is_some() && far.local.is_some() {
            let new = here.messages.iter().filter(|(uid, _)| !paired.contains(uid) && !here.elsewhere.contains(uid));
            found.new_here = new.map(|(uid, message)| NewHere { uid: *uid, message: *message }).collect();
            found.new_here.sort_by_key(|new| new.uid);
            if found.new_here.len() > NEW {
                found.new_here.truncate(NEW);
                found.left = true;
                self.tally.again = true;
            }
        }
        found.far = far;
        Ok(found)
    }

    async fn here(&self, folder: FolderId, local: Option<MailboxId>) -> Result<Here, Error> {
        let id = self.id;
        self.read(move |snapshot| {
            let pairs = snapshot.pairs(id, folder)?;
            let record = match local {
                Some(local) => snapshot.mailbox(local)?.map(|record| (local, record)),
                None => None,
            };
            let Some((local, record)) = record else {
                let (messages, elsewhere) = (HashMap::new(), HashSet::new());
                return Ok(Here { pairs, messages, elsewhere, keywords: Vec::new(), modseq: 0 });
            };
            let messages: Result<_, _> = snapshot.messages(local, 1, u32::MAX)?.collect();
            let mut elsewhere = HashSet::new();
            for (other, far) in snapshot.far_folders(id)? {
                if other != folder && far.local == Some(local) {
                    elsewhere.extend(snapshot.pairs(id, other)?.into_iter().filter_map(|pair| pair.local));
                }
            }
            let modseq = record.modseq.0.get();
            Ok(Here { pairs, messages: messages?, elsewhere, keywords: record.keywords, modseq })
        })
        .await
    }

    /// Asks the provider; `since`: for what changed after that. `messages`: so many are there, it said.
    async fn there(
        &mut self,
        since: Option<u64>,
        here: &Here,
        messages: u32,
        names: &mut Names,
    ) -> Result<There, Error> {
        let known: HashSet<u32> = here.pairs.iter().map(|pair| pair.remote).collect();
        let mut there = There::default();
        let mut present = HashSet::new();
        let mut went = 0_u64;
        let told_of_gone = since.is_some() && self.imap.resyncs();
        self.imap
            .scan(since, &mut |answer| {
                match answer {
                    Answer::Fetch(Fetched { uid: Some(uid), flags, .. }) => {
                        if since.is_none() {
                            present.insert(uid);
                        }
                        if !known.contains(&uid) {
                            there.new.push(uid);
                        } else if let Some(flags) = flags {
                            there.flags.insert(uid, names.set(&flags));
                        }
                    }
                    Answer::Expunge(_) => went += 1,
                    Answer::Vanished { uids, .. } => {
                        went += uids.iter().map(|&(from, to)| u64::from(from.abs_diff(to)) + 1).sum::<u64>();
                        let is_gone =
                            |uid: &u32| uids.iter().any(|&(from, to)| from.min(to) <= *uid && *uid <= from.max(to));
                        there.gone.extend(known.iter().filter(|uid| is_gone(uid)));
                        there.new.retain(|uid| !is_gone(uid));
                    }
                    _ => {}
                }
                Ok(())
            })
            .await?;
        if !told_of_gone {
            if since.is_some() {
                went = self.imap.uids(&mut present).await?;
            }
            // A list that lacks what SELECT counted says nothing of what it lacks.
            there.untold = u64::from(messages).saturating_sub(present.len() as u64 + went);
            if there.untold == 0 {
                there.gone.extend(known.iter().filter(|uid| !present.contains(uid)));
            }
        }
        // A server may say a message twice.
        there.new.sort_unstable();
        there.new.dedup();
        Ok(there)
    }

    /// Asks what there is to know of new messages.
    async fn describe(&mut self, new: &[u32], found: &mut Found) -> Result<(), Error> {
        let some = new.get(..NEW.min(new.len())).unwrap_or_default();
        if some.len() < new.len() {
            (found.left, found.more_there) = (true, true);
            self.tally.again = true;
        }
        let (names, new_there) = (&mut found.names, &mut found.new_there);
        self.imap
            .describe(some, &mut |fetched| {
                if let Fetched { uid: Some(uid), size: Some(size), flags: Some(flags), received, header, .. } = fetched
                    && some.binary_search(&uid).is_ok()
                    && new_there.last().is_none_or(|last: &NewThere| last.uid != uid)
                {
                    let key = key_of(header.as_deref().unwrap_or_default());
                    let received = received.unwrap_or_default();
                    new_there.push(NewThere { uid, key, size, flags: names.set(&flags), received });
                }
                Ok(())
            })
            .await
    }

    /// The mailbox learns the keywords that came up, and it must give them the numbers that we did.
    async fn learn(&self, local: MailboxId, names: &Names) -> Result<(), Error> {
        if names.learned().is_empty() {
            return Ok(());
        }
        let change = FlagChange::Add(names.learned().to_vec());
        self.store.write(Write::Store { mailbox: local, uids: Uids(Vec::new()), change }).await?;
        let keywords = self.read(move |snapshot| Ok(snapshot.mailbox(local)?.map(|record| record.keywords))).await?;
        if keywords.is_some_and(|keywords| names.agrees(&keywords)) {
            return Ok(());
        }
        Err(Error::Connection("others gave the mailbox new keywords at the same moment".to_owned()))
    }

    /// Makes flags the same on both sides.
    async fn settle_flags(
        &mut self,
        local: MailboxId,
        here: &Here,
        there: &There,
        found: &mut Found,
    ) -> Result<(), Error> {
        let mut to_set: HashMap<(bool, u32), Vec<u32>> = HashMap::new();
        let mut steps = Vec::new();
        for pair in &here.pairs {
            let Some((uid, message)) = pair.local.and_then(|uid| here.messages.get(&uid).map(|message| (uid, message)))
            else {
                continue;
            };
            if there.gone.contains(&pair.remote) {
                continue;
            }
            let said = there.flags.get(&pair.remote).copied().unwrap_or(pair.agreed);
            // What the provider cannot keep, it did not unset.
            let said = (said & found.kept) | (pair.agreed & !found.kept);
            let both = merged(pair.agreed, message.flags, said);
            if both == pair.agreed && both == message.flags && both == said {
                continue;
            }
            for (on, flags) in [(true, both & !said & found.kept), (false, said & !both & found.kept)] {
                for bit in (0..u128::BITS).filter(|bit| flags.0 >> bit & 1 == 1) {
                    to_set.entry((on, bit)).or_default().push(pair.remote);
                }
            }
            let (add, remove) = (both & !message.flags, message.flags & !both);
            let pair = Pair { agreed: both, ..*pair };
            steps.push(if add == FlagSet::NONE && remove == FlagSet::NONE {
                Step::Pair { folder: found.id, pair }
            } else {
                Step::Flag { folder: found.id, pair, mailbox: local, uid, add, remove }
            });
        }
        // There first: what breaks off in between is settled again, and comes to the same.
        for ((on, bit), uids) in to_set {
            let names = found.names.names(FlagSet(1 << bit));
            match self.imap.flag(&uids, on, &names).await {
                Err(error) if error.is_refusal() => {
                    found.left = true;
                    self.tally
                        .held
                        .push(format!("the provider does not take flags in {}: {error}", found.selected_name()));
                    return Ok(());
                }
                flagged => flagged?,
            }
        }
        self.steps(steps).await.map(|_| ())
    }
}
