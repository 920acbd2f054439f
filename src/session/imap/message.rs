//! EXPUNGE, CLOSE, COPY, MOVE (RFC 9051 §6.4), and what all commands on messages share: which messages are meant.

use super::finish::{Last, coded};
use super::refusal::No;
use super::select::{Access, Selected};
use super::session::Session;
use super::work::{After, Work};
use crate::mail::{Bound, FlagSet, SequenceSet};
use crate::session::Need;
use crate::store::{Outcome, Refusal, Store, Uids, Write};
use crate::wire::Out;
use crate::wire::imap::Mailbox;
use crate::wire::imap::reply::{self, Code, Condition};

/// Places in the view, as ascending, disjoint ranges whose end is excluded.
pub(super) type Places = Vec<(usize, usize)>;

impl Selected {
    /// Which messages of the view a set means. UIDs that are not there mean nothing (RFC 9051 §6.4.9).
    pub(super) fn places(&self, uid: bool, set: &SequenceSet) -> Result<Places, No> {
        let rows = self.view.rows();
        let by_uid = |ranges: &[(u32, u32)]| -> Places {
            let end = |high: u32| high.checked_add(1).map_or(rows.len(), |after| rows.lower_bound(after));
            let places = ranges.iter().map(|&(low, high)| (rows.lower_bound(low), end(high)));
            places.filter(|(from, to)| from < to).collect()
        };
        match set {
            SequenceSet::Saved => Ok(by_uid(&self.saved.0)),
            SequenceSet::Ranges(_) if uid => Ok(by_uid(&set.resolve(rows.last().map(|row| row.uid.0)))),
            SequenceSet::Ranges(ranges) => {
                let exists = self.view.exists();
                let unknown = |bound: &Bound| matches!(bound, Bound::Number(number) if number.get() > exists);
                // RFC 9051 §9 has BAD for `*` in an empty mailbox, too; clients that open one and ask for `1:*` are
                // better served by nothing, which is what they mean.
                let star = std::num::NonZeroU32::new(exists);
                let empty = |(a, b): &(Bound, Bound)| star.is_none() && (*a == Bound::Star || *b == Bound::Star);
                if ranges.iter().any(|range| !empty(range) && (unknown(&range.0) || unknown(&range.1))) {
                    return Err(No::BadNumber);
                }
                let places = set.resolve(star).into_iter().map(|(low, high)| (low as usize - 1, high as usize));
                Ok(places.collect())
            }
        }
    }

    /// The keywords of the messages at these places.
    fn keywords_at(&self, places: &[(usize, usize)]) -> Vec<String> {
        let rows = self.view.rows();
        let rows = places.iter().flat_map(|&(from, to)| rows.from(from).take(to - from));
        let used = rows.fold(FlagSet::NONE, |used, row| used | row.flags);
        let now = self.watch.now();
        used.keywords().filter_map(|keyword| now.keywords.get(keyword).cloned()).collect()
    }

    /// The UIDs at these places. Between two of the view there are none that the client does not know: new ones are
    /// higher than all.
    pub(super) fn uids(&self, places: &[(usize, usize)]) -> Uids {
        let rows = self.view.rows();
        let uid = |place: usize| rows.get(place).map(|row| row.uid.number());
        Uids(places.iter().filter_map(|&(from, to)| uid(from).zip(uid(to.checked_sub(1)?))).collect())
    }

    /// Whether some of the messages that the client knows are gone.
    pub(super) fn lacks_messages(&self) -> bool {
        let all = [(0, self.view.rows().len())];
        !self.are_there(&all, &self.uids(&all))
    }

    /// Whether the messages at these places, with these UIDs, are all still in the mailbox.
    fn are_there(&self, places: &[(usize, usize)], uids: &Uids) -> bool {
        let now = self.watch.now();
        let upto = |uid: u32| uid.checked_add(1).map_or(now.rows.len(), |after| now.rows.lower_bound(after));
        let asked: usize = places.iter().map(|(from, to)| to - from).sum();
        let there: usize = uids.0.iter().map(|&(low, high)| upto(high) - now.rows.lower_bound(low)).sum();
        asked == 0 || (!now.gone && asked == there)
    }
}

impl Session {
    pub(super) fn expunge(&mut self, tag: &str, set: Option<&SequenceSet>, out: &mut Out) -> Result<Need, No> {
        let selected = self.writable()?;
        let mailbox = selected.mailbox;
        let uids = match set {
            Some(set) => {
                let uids = selected.uids(&selected.places(true, set)?);
                if uids.0.is_empty() {
                    return Ok(self.finish(tag, true, "EXPUNGE done", out));
                }
                Some(uids)
            }
            None => None,
        };
        Ok(self.write(tag, "EXPUNGE done", Write::Expunge { mailbox, uids }))
    }

    /// CLOSE removes silently (RFC 9051 §6.4.1).
    pub(super) fn close(&mut self, tag: &str, out: &mut Out) -> Result<Need, No> {
        let selected = self.selected().ok_or(Refusal::NoMailbox)?;
        if selected.is_read_only() {
            // In a mailbox that is only read, nothing is removed.
            self.leave_mailbox();
            return Ok(self.finish(tag, false, "CLOSE done", out));
        }
        let write = Write::Expunge { mailbox: selected.mailbox, uids: None };
        self.work = Work::Waiting(Box::new(After::Closed { tag: tag.into() }));
        Ok(Need::Write(write))
    }

    #[expect(clippy::too_many_arguments, reason = "the command's own")]
    pub(super) fn copy(
        &mut self,
        tag: &str,
        uid: bool,
        set: &SequenceSet,
        mailbox: &Mailbox,
        moves: bool,
        store: &Store,
        out: &mut Out,
    ) -> Result<Need, No> {
        let selected = if moves { self.writable()? } else { self.selected().ok_or(Refusal::NoMailbox)? };
        let places = selected.places(uid, set)?;
        let uids = selected.uids(&places);
        let complete = uid || selected.are_there(&places, &uids);
        let from = selected.mailbox;
        let to = self.find_target(&store.snapshot()?, mailbox)?;
        if uids.0.is_empty() {
            return Ok(self.finish(tag, true, if moves { "MOVE done" } else { "COPY done" }, out));
        }
        if !complete {
            // All or nothing (RFC 9051 §6.4.7): who names messages by number means each of them.
            return Ok(self.finish_with(tag, true, Last::No(No::ExpungeIssued), out));
        }
        let keywords = selected.keywords_at(&places);
        if !FlagSet::has_room(&store.snapshot()?.mailbox(to)?.ok_or(No::TargetMissing)?.keywords, &keywords) {
            return Err(No::TooManyKeywords);
        }
        self.work = Work::Waiting(Box::new(After::Copied { tag: tag.into(), moved: moves }));
        Ok(Need::Write(if moves { Write::Move { from, uids, to } } else { Write::Copy { from, uids, to } }))
    }

    pub(super) fn copied(&mut self, tag: &str, moved: bool, outcome: Outcome, out: &mut Out) -> Need {
        let text = if moved { "MOVE done" } else { "COPY done" };
        let Outcome::Copied { uid_validity, from, to } = outcome else {
            return self.finish(tag, true, text, out);
        };
        if from.0.is_empty() {
            return self.finish(tag, true, text, out);
        }
        let code = Code::CopyUid { validity: uid_validity, from: &from.0, to: &to.0 };
        if moved {
            // Before the EXPUNGEs (RFC 6851 §3.3).
            reply::untagged(out, Condition::Ok, Some(code), "Moved");
            return self.finish(tag, true, text, out);
        }
        let last: Last = coded(tag, code, text);
        self.finish_with(tag, true, last, out)
    }

    /// The selected mailbox, where it may be changed.
    pub(super) fn writable(&self) -> Result<&Selected, No> {
        let selected = self.selected().ok_or(Refusal::NoMailbox)?;
        match selected.access {
            Access::Change => Ok(selected),
            Access::Examine => Err(No::ReadOnly),
            Access::Frozen => Err(Refusal::ReadOnly.into()),
        }
    }
}
