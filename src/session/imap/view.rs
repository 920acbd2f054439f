//! What the client knows of its mailbox: its sequence numbers, and the flags it was told last.

use crate::mail::Uid;
use crate::store::{Mirror, Row, Rows};
use std::sync::Arc;

/// Changed flags that are gathered before they are told.
const AT_ONCE: usize = 1_024;

/// The client's picture. Message numbers are places in `rows`, counted from 1.
#[derive(Debug)]
pub(super) struct View {
    rows: Rows,
    /// The state that the picture was last brought up to, wholly.
    known: Option<Arc<Mirror>>,
    keywords: Arc<[String]>,
    /// UID ranges, half open, that are `\Recent` in this session.
    recent: Vec<(u32, u32)>,
}

/// What the client has to be told, one thing at a time, in this order: removals, flags, arrivals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The mailbox knows other keywords: FLAGS and PERMANENTFLAGS.
    Keywords,
    /// EXPUNGE of this message number.
    Expunge(u32),
    /// FETCH of this message number's flags, and whether it is `\Recent`.
    Flags(u32, Row, bool),
    /// EXISTS, with so many messages.
    Exists(u32),
}

impl View {
    pub(super) fn of(mirror: Arc<Mirror>) -> View {
        let rows = if mirror.gone { Rows::default() } else { mirror.rows.clone() };
        View { rows, keywords: Arc::clone(&mirror.keywords), known: Some(mirror), recent: Vec::new() }
    }

    /// What the client takes for the mailbox's messages.
    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// How many messages the client knows.
    pub(super) fn exists(&self) -> u32 {
        number(self.rows.len())
    }

    /// The keyword names that the client was told.
    pub(super) fn keywords(&self) -> &Arc<[String]> {
        &self.keywords
    }

    /// The client was told these keywords.
    pub(super) fn learn(&mut self, keywords: &Arc<[String]>) {
        self.keywords = Arc::clone(keywords);
    }

    /// UIDs from `from` on and below `below` are recent in this session.
    pub(super) fn add_recent(&mut self, from: u32, below: u32) {
        if from < below {
            self.recent.push((from, below));
        }
    }

    pub(super) fn is_recent(&self, uid: Uid) -> bool {
        self.recent.iter().any(|&(from, below)| (from..below).contains(&uid.number()))
    }

    /// How many of the messages that the client knows are recent.
    pub(super) fn recent(&self) -> u32 {
        let place = |uid| self.rows.lower_bound(uid);
        number(self.recent.iter().map(|&(from, below)| place(below).saturating_sub(place(from))).sum())
    }

    /// Whether there may be anything to tell.
    pub(super) fn is_behind(&self, now: &Arc<Mirror>) -> bool {
        !self.known.as_ref().is_some_and(|known| Arc::ptr_eq(known, now))
    }

    /// What the client was told between two UIDs is kept in memory once, where it is as in `now`.
    pub(super) fn share(&mut self, now: &Mirror, first: Uid, last: Uid) {
        self.rows.share(&now.rows, first, last);
    }

    /// The client was told this row, or expects it.
    pub(super) fn told(&mut self, row: Row) {
        self.rows.replace(row);
    }

    /// Brings the picture up to `now`, telling each difference; stops as soon as `tell` says so, and then returns
    /// false: what was told is in the picture, and the next call goes on from there. Without `expunge` the client goes
    /// on seeing what is gone (RFC 9051 §7.5.1).
    pub(super) fn catch_up(&mut self, now: &Arc<Mirror>, expunge: bool, mut tell: impl FnMut(News) -> bool) -> bool {
        if !self.is_behind(now) {
            return true;
        }
        if self.keywords != now.keywords {
            self.keywords = Arc::clone(&now.keywords);
            tell(News::Keywords);
        }
        let empty = Rows::default();
        let new = if now.gone { &empty } else { &now.rows };
        let mut going_on = true;
        let mut removed = Vec::new();
        let mut kept = false;
        differences(&self.rows, new, Uid::FIRST, |index, old, row| {
            match row {
                None if expunge => {
                    going_on = tell(News::Expunge(number(index - removed.len() + 1)));
                    removed.push(old.uid);
                }
                None => kept = true,
                Some(_) => {}
            }
            going_on
        });
        if !removed.is_empty() {
            self.rows.remove(&crate::store::Uids::from_ascending(removed.iter().copied()));
        }
        if !going_on {
            return false;
        }
        // The flags are told by the numbers after the removals, some at a time: all may have changed.
        let mut next = Some(Uid::FIRST);
        while let Some(from) = next.take() {
            let mut changed = Vec::new();
            differences(&self.rows, new, from, |index, old, row| {
                changed.extend(row.filter(|row| row.flags != old.flags).map(|row| (index, row)));
                changed.len() < AT_ONCE
            });
            let mut told = None;
            for (index, row) in &changed {
                told = Some(row.uid);
                going_on = tell(News::Flags(number(index + 1), *row, self.is_recent(row.uid)));
                self.rows.replace(*row);
                if !going_on {
                    break;
                }
            }
            if let Some((first, last)) = changed.first().map(|(_, row)| row.uid).zip(told) {
                self.rows.share(new, first, last);
                next = last.next().filter(|_| changed.len() == AT_ONCE);
            }
            if !going_on {
                return false;
            }
        }
        let before = self.rows.len();
        let last = self.rows.last().map_or(0, |row| row.uid.number());
        for row in new.from(new.lower_bound(last.saturating_add(1))) {
            self.rows.push(row);
        }
        if self.rows.len() > before {
            tell(News::Exists(self.exists()));
        }
        if !kept {
            // From here on the chunks are shared with everybody else's.
            self.rows = new.clone();
            self.known = Some(Arc::clone(now));
        }
        true
    }
}

/// Walks old rows from a UID on and tells for each that is gone (`None`) or not the same any more what it is now; chunks that both
/// share are skipped. Stops when told to.
fn differences(old: &Rows, new: &Rows, from: Uid, mut differs: impl FnMut(usize, Row, Option<Row>) -> bool) {
    let (first, mut base) = old.chunk_of(from);
    let (mut at, _) = new.chunk_of(from);
    let mut place = 0;
    for chunk in old.chunks().get(first..).unwrap_or_default() {
        // Where both lists are at the beginning of the same chunk, nothing in it has changed.
        if place == 0 && new.chunks().get(at).is_some_and(|other| Arc::ptr_eq(chunk, other)) {
            at += 1;
            base += chunk.len();
            continue;
        }
        for (offset, row) in chunk.iter().enumerate() {
            let found = loop {
                let Some(other) = new.chunks().get(at) else { break None };
                match other.get(place) {
                    None => (at, place) = (at + 1, 0),
                    Some(candidate) if candidate.uid < row.uid => place += 1,
                    Some(candidate) if candidate.uid == row.uid => {
                        let candidate = *candidate;
                        place += 1;
                        break Some(candidate);
                    }
                    Some(_) => break None,
                }
            };
            if row.uid >= from && found != Some(*row) && !differs(base + offset, *row, found) {
                return;
            }
        }
        base += chunk.len();
        if new.chunks().get(at).is_some_and(|other| place >= other.len()) {
            (at, place) = (at + 1, 0);
        }
    }
}

/// A mailbox has no more messages than there are UIDs.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{FlagSet, MailboxId, ModSeq, UidValidity};
    use crate::store::Uids;
    use std::num::NonZeroU32;

    fn row(uid: u32, flags: u128) -> Row {
        Row { uid: Uid::new(uid).unwrap_or(Uid::FIRST), modseq: ModSeq::FIRST, flags: FlagSet(flags) }
    }

    fn mirror(rows: Rows) -> Arc<Mirror> {
        Arc::new(Mirror {
            mailbox: MailboxId(1),
            uid_validity: UidValidity(NonZeroU32::MIN),
            uid_next: None,
            modseq: ModSeq::FIRST,
            keywords: Arc::from([]),
            rows,
            gone: false,
        })
    }

    fn news(view: &mut View, now: &Arc<Mirror>, expunge: bool) -> Vec<News> {
        let mut news = Vec::new();
        assert!(view.catch_up(now, expunge, |item| {
            news.push(item);
            true
        }));
        news
    }

    #[test]
    fn removals_are_told_before_flags_before_arrivals_by_numbers_that_hold_at_that_moment() {
        let mut view = View::of(mirror((1..=5).map(|uid| row(uid, 0)).collect()));
        let now = mirror([row(2, 0), row(4, 1), row(5, 0), row(9, 0)].into_iter().collect());
        let expected = [News::Expunge(1), News::Expunge(2), News::Flags(2, row(4, 1), false), News::Exists(4)];
        assert_eq!(news(&mut view, &now, true), expected);
        assert_eq!(news(&mut view, &now, true), []);
    }

    #[test]
    fn without_leave_to_expunge_the_client_goes_on_seeing_what_is_gone() {
        let mut view = View::of(mirror((1..=3).map(|uid| row(uid, 0)).collect()));
        let now = mirror([row(1, 0), row(3, 4), row(7, 0)].into_iter().collect());
        assert_eq!(news(&mut view, &now, false), [News::Flags(3, row(3, 4), false), News::Exists(4)]);
        assert_eq!(view.exists(), 4);
        assert_eq!(news(&mut view, &now, true), [News::Expunge(2)]);
        assert_eq!(view.exists(), 3);
    }

    #[test]
    fn telling_can_stop_anywhere_and_go_on() {
        let old: Rows = (1..=2000).map(|uid| row(uid, 0)).collect();
        let mut new = old.clone();
        new.remove(&Uids(vec![(5, 900)]));
        for uid in 1500..1700 {
            new.replace(row(uid, 8));
        }
        new.push(row(3000, 0));
        let now = mirror(new);
        let mut whole = View::of(mirror(old.clone()));
        let expected = news(&mut whole, &now, true);
        for step in [1, 2, 7, 100] {
            let mut view = View::of(mirror(old.clone()));
            let mut told = Vec::new();
            for _ in 0..5000 {
                let mut left = step;
                let done = view.catch_up(&now, true, |item| {
                    told.push(item);
                    left -= 1;
                    left > 0
                });
                if done {
                    break;
                }
            }
            assert_eq!(told, expected, "{step} at a time");
        }
    }

    #[test]
    fn a_deleted_mailbox_is_told_as_an_empty_one() {
        let mut view = View::of(mirror((1..=2).map(|uid| row(uid, 0)).collect()));
        let gone = Arc::new(Mirror { gone: true, ..(*mirror(Rows::default())).clone() });
        assert_eq!(news(&mut view, &gone, true), [News::Expunge(1), News::Expunge(1)]);
        assert_eq!(view.exists(), 0);
    }
}
