//! Messages that are known already: the same new on both sides, and what is missing in one folder and new in another.

use super::error::Error;
use super::line::Io;
use super::mail::{header_hash, stored_header_hash, stored_key};
use super::pass::Pass;
use super::scan::{Found, NewHere, NewThere};
use crate::mail::BlobId;
use crate::store::{Pair, Step};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A message that one that is new there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    blob: BlobId,
    key: u64,
    /// What the provider may say of its size: as it is here, and with CRLF everywhere.
    sizes: [u32; 2],
}

impl<S: Io> Pass<'_, S> {
    /// The same message is new on both sides of a folder: what was brought before the connection broke, what a mirror
    /// that was made anew finds on both sides.
    pub(super) async fn recognise(&mut self, found: &mut [Found]) -> Result<(), Error> {
        for folder in found {
            let Some(remote) = folder.far.remote.clone() else { continue };
            if folder.new_there.is_empty() || folder.new_here.is_empty() {
                continue;
            }
            let new_here = folder.new_here.clone();
            let candidates = self
                .read(move |snapshot| {
                    let candidate = |new: &NewHere| {
                        let message = &new.message;
                        let sizes = [message.size, message.size.saturating_add(message.line_ends)];
                        Ok(Candidate { blob: message.blob, key: stored_key(snapshot, message.blob)?, sizes })
                    };
                    new_here.iter().map(candidate).collect::<Result<Vec<_>, Error>>()
                })
                .await?;
            let same = self.same(&remote, &folder.new_there, candidates).await?;
            let mut steps = Vec::new();
            for &(there, here) in &same {
                let (Some(there), Some(here)) = (folder.new_there.get(there), folder.new_here.get(here)) else {
                    continue;
                };
                // Without anything agreed on before: flags of both sides come together.
                let agreed = here.message.flags & there.flags;
                let pair = Pair {
                    remote: there.uid,
                    local: Some(here.uid),
                    blob: here.message.blob,
                    key: there.key,
                    size: there.size,
                    agreed,
                    since: self.now,
                };
                steps.push(Step::Pair { folder: folder.id, pair });
            }
            if !steps.is_empty() {
                self.steps(steps).await?;
                // Their flags are settled in the next look.
                folder.left = true;
                self.tally.again = true;
            }
            drop_places(&mut folder.new_there, same.iter().map(|(there, _)| *there));
            drop_places(&mut folder.new_here, same.iter().map(|(_, here)| *here));
        }
        Ok(())
    }

    /// What was moved here is moved there.
    pub(super) async fn move_there(&mut self, found: &mut [Found]) -> Result<(), Error> {
        // By content, which goes along with a message wherever it is moved.
        let mut new: HashMap<BlobId, Vec<(usize, NewHere)>> = HashMap::new();
        for (at, folder) in found.iter().enumerate().filter(|(_, folder)| folder.far.remote.is_some()) {
            for one in &folder.new_here {
                new.entry(one.message.blob).or_default().push((at, *one));
            }
        }
        let mut moves: BTreeMap<(usize, usize), Vec<(Pair, NewHere)>> = BTreeMap::new();
        for (from, folder) in found.iter().enumerate().filter(|(_, folder)| folder.far.remote.is_some()) {
            for pair in &folder.gone_here {
                if let Some((to, one)) = new.get_mut(&pair.blob).and_then(Vec::pop) {
                    moves.entry((from, to)).or_default().push((*pair, one));
                }
            }
        }
        for ((from, to), moved) in moves {
            self.move_some_there(found, from, to, moved).await?;
        }
        Ok(())
    }

    async fn move_some_there(
        &mut self,
        found: &mut [Found],
        from: usize,
        to: usize,
        moved: Vec<(Pair, NewHere)>,
    ) -> Result<(), Error> {
        let (Some(source), Some(goal)) = (found.get(from), found.get(to)) else { return Ok(()) };
        let (Some(remote), Some(goal_remote)) = (source.far.remote.clone(), goal.far.remote.clone()) else {
            return Ok(());
        };
        let uids: Vec<u32> = moved.iter().map(|(pair, _)| pair.remote).collect();
        let now_at: HashMap<u32, u32> = if from == to {
            uids.iter().map(|uid| (*uid, *uid)).collect()
        } else {
            self.imap.need(&remote).await?;
            match self.imap.move_to(&uids, &goal_remote).await {
                Ok(copied) => copied.into_iter().collect(),
                // It is brought there instead, and deleted where it was.
                Err(error) if error.is_refusal() => return Ok(()),
                Err(error) => return Err(error),
            }
        };
        log::debug!("moved from {} to {} there: {uids:?}, now {now_at:?}", source.far.name, goal.far.name);
        let steps = moved.iter().map(|(pair, here)| match now_at.get(&pair.remote) {
            Some(now) => Step::Moved {
                from: source.id,
                remote: pair.remote,
                into: goal.id,
                pair: Pair {
                    remote: *now,
                    local: Some(here.uid),
                    agreed: source.names.translated(pair.agreed, &goal.names),
                    ..*pair
                },
            },
            // Where the server does not say its new UID, the next look recognises it.
            None => Step::Unpair { folder: source.id, remote: pair.remote },
        });
        let steps = steps.collect();
        self.steps(steps).await?;
        let gone: HashSet<u32> = uids.into_iter().collect();
        let placed: HashSet<_> = moved.iter().map(|(_, here)| here.uid).collect();
        if let Some(source) = found.get_mut(from) {
            source.gone_here.retain(|pair| !gone.contains(&pair.remote));
        }
        if let Some(goal) = found.get_mut(to) {
            goal.new_here.retain(|new| !placed.contains(&new.uid));
            goal.left = true;
        }
        self.tally.again = true;
        Ok(())
    }

    /// What was moved there is moved here; and what only has another UID there is found again.
    pub(super) async fn move_here(&mut self, found: &mut [Found]) -> Result<(), Error> {
        for to in 0..found.len() {
            let gone: Vec<(usize, Pair)> = found
                .iter()
                .enumerate()
                .filter(|(_, folder)| folder.far.local.is_some())
                .flat_map(|(from, folder)| folder.gone_there.iter().map(move |pair| (from, *pair)))
                .collect();
            let Some(goal) = found.get(to) else { continue };
            let (Some(remote), Some(mailbox)) = (goal.far.remote.clone(), goal.far.local) else { continue };
            if gone.is_empty() || goal.new_there.is_empty() {
                continue;
            }
            let candidates = gone.iter().map(|(_, pair)| Candidate {
                blob: pair.blob,
                key: pair.key,
                sizes: [pair.size, pair.size],
            });
            let same = self.same(&remote, &goal.new_there.clone(), candidates.collect()).await?;
            let mut steps = Vec::new();
            for &(there, here) in &same {
                let (Some(there), Some((from, pair))) = (goal.new_there.get(there), gone.get(here)) else { continue };
                let Some(source) = found.get(*from) else { continue };
                let Some(local) = source.far.local else { continue };
                steps.push(Step::Move {
                    from: source.id,
                    pair: *pair,
                    mailbox: local,
                    into: goal.id,
                    to: mailbox,
                    now_is: there.uid,
                });
            }
            if steps.is_empty() {
                continue;
            }
            log::debug!("{} messages were moved to {} there, and are here", steps.len(), goal.far.name);
            self.steps(steps).await?;
            for &(_, here) in &same {
                if let Some((from, pair)) = gone.get(here)
                    && let Some(source) = found.get_mut(*from)
                {
                    source.gone_there.retain(|other| other.remote != pair.remote);
                }
            }
            if let Some(goal) = found.get_mut(to) {
                drop_places(&mut goal.new_there, same.iter().map(|(there, _)| *there));
                goal.left = true;
            }
            self.tally.again = true;
        }
        Ok(())
    }

    /// What was moved on both sides, each to another folder, is moved on there: where it was moved to here, it stays. What
    /// is on neither side any more is forgotten.
    pub(super) async fn move_on(&mut self, found: &mut [Found]) -> Result<(), Error> {
        let mut moved: Vec<(usize, Pair, usize, NewHere)> = Vec::new();
        for (from, folder) in found.iter().enumerate() {
            for pair in &folder.gone_both {
                let here = found.iter().enumerate().find_map(|(to, goal)| {
                    let taken = |uid| moved.iter().any(|(_, _, other, here)| *other == to && here.uid == uid);
                    let mut new = goal.new_here.iter().filter(|new| new.message.blob == pair.blob);
                    new.find(|new| !taken(new.uid)).map(|new| (to, *new))
                });
                moved.extend(here.map(|(to, new)| (from, *pair, to, new)));
            }
        }
        for at in 0..found.len() {
            let Some(folder) = found.get(at).filter(|folder| !folder.new_there.is_empty()) else { continue };
            let Some(remote) = folder.far.remote.clone().filter(|_| !moved.is_empty()) else { continue };
            let new_there = folder.new_there.clone();
            let candidates = moved.iter().map(|(_, pair, _, _)| Candidate {
                blob: pair.blob,
                key: pair.key,
                sizes: [pair.size, pair.size],
            });
            let same = self.same(&remote, &new_there, candidates.collect()).await?;
            let mut onward: BTreeMap<usize, Vec<(Pair, NewHere)>> = BTreeMap::new();
            for &(there, which) in &same {
                let (Some(there), Some(&(from, pair, to, here))) = (new_there.get(there), moved.get(which)) else {
                    continue;
                };
                let (Some(source), Some(folder)) = (found.get(from), found.get(at)) else { continue };
                let agreed = source.names.translated(pair.agreed, &folder.names);
                onward.entry(to).or_default().push((Pair { remote: there.uid, agreed, ..pair }, here));
            }
            for (to, some) in onward {
                self.move_some_there(found, at, to, some).await?;
            }
            if let Some(folder) = found.get_mut(at) {
                drop_places(&mut folder.new_there, same.iter().map(|(there, _)| *there));
                folder.left |= !same.is_empty();
            }
            drop_places(&mut moved, same.iter().map(|(_, which)| *which));
        }
        for folder in found {
            let gone = std::mem::take(&mut folder.gone_both).into_iter();
            self.steps(gone.map(|pair| Step::Unpair { folder: folder.id, remote: pair.remote }).collect()).await?;
        }
        Ok(())
    }

    /// Which of the messages that are new there are which of the candidates: by Message-ID and size, and by the hash of
    /// the whole header.
    async fn same(
        &mut self,
        remote: &[u8],
        new: &[NewThere],
        candidates: Vec<Candidate>,
    ) -> Result<Vec<(usize, usize)>, Error> {
        let likely = likely(new, &candidates);
        if likely.is_empty() {
            return Ok(Vec::new());
        }
        self.imap.need(remote).await?;
        let uids: Vec<u32> = likely.iter().filter_map(|(there, _)| new.get(*there)).map(|new| new.uid).collect();
        let mut far: HashMap<u32, [u8; 32]> = HashMap::new();
        self.imap
            .headers(&uids, &mut |uid, header| {
                far.insert(uid, header_hash(header));
            })
            .await?;
        let blobs: HashSet<BlobId> = likely
            .iter()
            .flat_map(|(_, those)| those)
            .filter_map(|at| candidates.get(*at))
            .map(|one| one.blob)
            .collect();
        let near = self
            .read(move |snapshot| {
                let hash = |blob: BlobId| Ok((blob, stored_header_hash(snapshot, blob)?));
                blobs.into_iter().map(hash).collect::<Result<HashMap<_, _>, Error>>()
            })
            .await?;
        let mut taken = HashSet::new();
        let mut same = Vec::new();
        for (there, those) in likely {
            let Some(hash) = new.get(there).and_then(|new| far.get(&new.uid)) else { continue };
            let fits = |at: &usize| {
                let blob = candidates.get(*at).map(|one| one.blob);
                blob.and_then(|blob| near.get(&blob).copied().flatten()).as_ref() == Some(hash)
            };
            if let Some(at) = those.into_iter().find(|at| !taken.contains(at) && fits(at)) {
                taken.insert(at);
                same.push((there, at));
            }
        }
        Ok(same)
    }
}

/// For each new message those candidates that have its Message-ID and its size.
fn likely(new: &[NewThere], candidates: &[Candidate]) -> Vec<(usize, Vec<usize>)> {
    let mut known: HashMap<(u64, u32), Vec<usize>> = HashMap::new();
    for (at, candidate) in candidates.iter().enumerate() {
        let [one, other] = candidate.sizes;
        known.entry((candidate.key, one)).or_default().push(at);
        if other != one {
            known.entry((candidate.key, other)).or_default().push(at);
        }
    }
    let those = |(at, new): (usize, &NewThere)| known.get(&(new.key, new.size)).map(|those| (at, those.clone()));
    new.iter().enumerate().filter_map(those).collect()
}

/// Takes out what is at these places.
fn drop_places<T>(all: &mut Vec<T>, places: impl Iterator<Item = usize>) {
    let places: HashSet<usize> = places.collect();
    let mut at = 0;
    all.retain(|_| {
        at += 1;
        !places.contains(&(at - 1))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{FlagSet, Stamp};

    #[test]
    fn only_what_has_the_same_message_id_and_size_is_compared() {
        let new = |uid, key, size| NewThere { uid, key, size, flags: FlagSet::NONE, received: Stamp::utc(0) };
        let known = |blob, key, one, other| Candidate { blob: BlobId(blob), key, sizes: [one, other] };
        let candidates = [known(1, 7, 100, 110), known(2, 7, 100, 100), known(3, 8, 100, 100)];
        let found = likely(&[new(1, 7, 100), new(2, 7, 110), new(3, 9, 100), new(4, 8, 99)], &candidates);
        assert_eq!(found, [(0, vec![0, 1]), (1, vec![0])]);
    }

    #[test]
    fn places_go_whatever_their_order() {
        let mut all = vec!["a", "b", "c", "d"];
        drop_places(&mut all, [3, 0].into_iter());
        assert_eq!(all, ["b", "c"]);
    }
}
