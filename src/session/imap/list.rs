//! LIST, LSUB, STATUS (RFC 9051 §6.3.9, §6.3.11; RFC 3501 §6.3.9; RFC 5258, RFC 5819, RFC 6154).

use super::pattern::Pattern;
use super::refusal::No;
use super::session::Session;
use super::work::Work;
use crate::mail::{MailboxId, MailboxName, ancestors, effort, limits};
use crate::session::Need;
use crate::store::{MailboxRecord, Refusal, Snapshot, SpecialUse, Store};
use crate::wire::Out;
use crate::wire::imap::reply::{self, ListAttribute, ListReply, StatusReply};
use crate::wire::imap::{ListCommand, ListPattern, ListReturn, ListSelect, Mailbox, StatusItem};
use std::collections::{BTreeMap, BTreeSet};

/// A list on its way to the client.
#[derive(Debug)]
pub(super) struct Listing {
    tag: Box<str>,
    /// What is still to be matched, before there are lines.
    matching: Option<Matching>,
    lines: std::iter::Peekable<std::vec::IntoIter<Line>>,
    status: Vec<StatusItem>,
    /// Of the next line's mailbox: its recent messages that were counted, and the UID from which on the others are.
    counted: Option<(u64, u32)>,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    List,
    Lsub,
    /// Only the status of one mailbox.
    Status,
}

/// Names on their way through patterns.
#[derive(Debug)]
struct Matching {
    entries: Vec<(String, Entry)>,
    patterns: std::vec::IntoIter<ListPattern>,
    /// The pattern at hand, and the next name for it.
    pattern: Option<Pattern>,
    at: usize,
    select: Vec<ListSelect>,
    tell_subscribed: bool,
    /// LSUB's pattern ended with `%`.
    percent: bool,
}

#[derive(Debug)]
struct Line {
    name: String,
    attributes: Vec<ListAttribute>,
    subscribed_children: bool,
    mailbox: Option<MailboxId>,
}

/// A name that LIST may show.
#[derive(Debug, Default)]
struct Entry {
    /// A pattern matches it.
    matches: bool,
    mailbox: Option<MailboxId>,
    special: Option<SpecialUse>,
    subscribed: bool,
    has_children: bool,
    has_subscribed_descendants: bool,
}

impl Session {
    pub(super) fn list(&mut self, tag: &str, command: ListCommand, store: &Store, out: &mut Out) -> Result<Need, No> {
        let ListCommand { select, patterns, returns, extended } = command;
        if let ([ListPattern { pattern, .. }], false) = (patterns.as_slice(), extended)
            && pattern.is_empty()
        {
            // What separates levels (RFC 9051 §6.3.9).
            let attributes = [ListAttribute::NoSelect];
            let line = ListReply {
                attributes: &attributes,
                delimiter: Some('/'),
                mailbox: "",
                subscribed_children: false,
                old_name: None,
            };
            reply::list(out, &line, self.dialect);
            return Ok(self.finish(tag, true, "LIST done", out));
        }
        for returned in &returns {
            if let ListReturn::Status(items) = returned {
                offered(items)?;
            }
        }
        let tell_subscribed = select.contains(&ListSelect::Subscribed) || returns.contains(&ListReturn::Subscribed);
        let status = returns.into_iter().find_map(|option| match option {
            ListReturn::Status(items) => Some(items),
            _ => None,
        });
        let matching = Matching::new(self.entries(&store.snapshot()?)?, patterns, select, tell_subscribed);
        let listing = Listing::new(tag, Some(matching), Vec::new(), status.unwrap_or_default(), What::List);
        Ok(self.go_on_listing(Box::new(listing), store, out))
    }

    pub(super) fn lsub(&mut self, tag: &str, pattern: ListPattern, store: &Store, out: &mut Out) -> Result<Need, No> {
        let percent = pattern.pattern.ends_with('%');
        let matching = Matching::new(self.entries(&store.snapshot()?)?, vec![pattern], Vec::new(), false);
        let matching = Matching { percent, ..matching };
        let listing = Listing::new(tag, Some(matching), Vec::new(), Vec::new(), What::Lsub);
        Ok(self.go_on_listing(Box::new(listing), store, out))
    }

    pub(super) fn status(
        &mut self,
        tag: &str,
        mailbox: &Mailbox,
        items: &[StatusItem],
        store: &Store,
        out: &mut Out,
    ) -> Result<Need, No> {
        offered(items)?;
        let snapshot = store.snapshot()?;
        let id = self.find_mailbox(&snapshot, mailbox)?;
        let record = snapshot.mailbox(id)?.ok_or(Refusal::NoMailbox)?;
        drop(snapshot);
        let line = Line { name: record.name, attributes: Vec::new(), subscribed_children: false, mailbox: Some(id) };
        let listing = Listing::new(tag, None, vec![line], items.to_vec(), What::Status);
        Ok(self.go_on_listing(Box::new(listing), store, out))
    }

    pub(super) fn go_on_listing(&mut self, mut listing: Box<Listing>, store: &Store, out: &mut Out) -> Need {
        if let Some(matching) = &mut listing.matching {
            if !matching.go_on() {
                self.work = Work::List(listing);
                return Need::Flush;
            }
            listing.tell();
        }
        let snapshot = match store.snapshot() {
            Ok(snapshot) => snapshot,
            Err(fault) => {
                No::from(fault).reply(out, &listing.tag);
                return Need::Flush;
            }
        };
        while !out.is_full() {
            let Some(line) = listing.lines.peek() else {
                let text = match listing.what {
                    What::List => "LIST done",
                    What::Lsub => "LSUB done",
                    What::Status => "STATUS done",
                };
                return self.finish(&listing.tag, true, text, out);
            };
            effort::spend(effort::ROW);
            // A mailbox that was deleted in between, or cannot be read, has no status: RFC 5819 §2 allows that.
            let record = line.mailbox.filter(|_| !listing.status.is_empty());
            let record = record.and_then(|id| Some((id, snapshot.mailbox(id).ok().flatten()?)));
            let mut recent = 0;
            if let Some((id, record)) = &record
                && listing.status.contains(&StatusItem::Recent)
            {
                let from = store.recent_from(*id).unwrap_or(record.recent_from);
                let (counted, from) = listing.counted.take().unwrap_or((0, from));
                match count(&snapshot, *id, counted, from) {
                    Ok(all) => recent = all,
                    Err(rest) => {
                        listing.counted = Some(rest);
                        break;
                    }
                }
            }
            let Some(line) = listing.lines.next() else { continue };
            let reply = ListReply {
                attributes: &line.attributes,
                delimiter: Some('/'),
                mailbox: &line.name,
                subscribed_children: line.subscribed_children,
                old_name: None,
            };
            match listing.what {
                What::List => reply::list(out, &reply, self.dialect),
                What::Lsub => reply::lsub(out, &reply, self.dialect),
                What::Status => {}
            }
            if let Some((_, record)) = record {
                self.tell_status(&line.name, &record, recent, &listing.status, out);
            }
            if effort::is_spent() {
                break;
            }
        }
        self.work = Work::List(listing);
        Need::Flush
    }

    /// The LIST line that `IMAP4rev2` wants in the answer to SELECT (RFC 9051 §6.3.2).
    pub(super) fn list_selected(&self, mailbox: &Mailbox, store: &Store, out: &mut Out) -> Result<(), No> {
        let name = MailboxName::settle(&mailbox.0)?;
        self.list_one(&name, Some(&mailbox.0), store, out)
    }

    /// A mailbox that was made under a name that is spelled otherwise than the client did is told by its own
    /// (RFC 9051 §6.3.9.7): it would look for it in vain.
    pub(super) fn announce(&self, given: &str, store: &Store, out: &mut Out) -> Result<(), No> {
        let name = MailboxName::settle(given)?;
        // Whoever writes INBOX in small letters knows that it is INBOX (RFC 3501 §5.1).
        let is_known = !self.is_rev2() && name.as_str().eq_ignore_ascii_case(given);
        if name.as_str() != given && !is_known {
            self.list_one(&name, Some(given), store, out)?;
        }
        Ok(())
    }

    fn list_one(&self, name: &MailboxName, given: Option<&str>, store: &Store, out: &mut Out) -> Result<(), No> {
        let mut entries = self.entries(&store.snapshot()?)?;
        if let Some(entry) = entries.remove(name.as_str()) {
            let attributes = entry.attributes(true);
            let line = ListReply {
                attributes: &attributes,
                delimiter: Some('/'),
                mailbox: name.as_str(),
                subscribed_children: false,
                // Clients of rev1 know nothing of it.
                old_name: given.filter(|given| self.is_rev2() && *given != name.as_str()),
            };
            reply::list(out, &line, self.dialect);
        }
        Ok(())
    }

    fn tell_status(&self, name: &str, record: &MailboxRecord, recent: u64, items: &[StatusItem], out: &mut Out) {
        let mut status = StatusReply::begin(out, name, self.dialect);
        for item in items {
            let value = match item {
                StatusItem::Messages => record.messages,
                StatusItem::Recent => recent,
                StatusItem::UidNext => u64::from(record.uid_next.map_or(u32::MAX, crate::mail::Uid::number)),
                StatusItem::UidValidity => u64::from(record.uid_validity.0.get()),
                StatusItem::Unseen => record.unseen,
                StatusItem::Deleted => record.deleted,
                StatusItem::DeletedStorage => record.deleted_bytes.div_ceil(1024),
                StatusItem::Size => record.bytes,
                StatusItem::AppendLimit => u64::from(limits::MESSAGE),
                StatusItem::HighestModSeq => record.modseq.0.get(),
            };
            status.item(*item, value);
        }
        status.end();
    }

    /// All names: mailboxes, what is above them, and what is subscribed, in order.
    fn entries(&self, snapshot: &Snapshot) -> Result<BTreeMap<String, Entry>, No> {
        let account = self.account()?;
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        let mut above: BTreeSet<String> = BTreeSet::new();
        let mut above_subscribed: BTreeSet<String> = BTreeSet::new();
        for (mailbox, record) in snapshot.mailboxes(account)? {
            effort::spend(effort::RECORD);
            above.extend(ancestors(&record.name).map(str::to_owned));
            entries.insert(record.name, Entry { mailbox: Some(mailbox), special: record.special, ..Entry::default() });
        }
        for name in snapshot.subscriptions(account)? {
            effort::spend(effort::RECORD);
            above_subscribed.extend(ancestors(&name).map(str::to_owned));
            entries.entry(name).or_default().subscribed = true;
        }
        for name in above {
            entries.entry(name).or_default().has_children = true;
        }
        for name in above_subscribed {
            entries.entry(name).or_default().has_subscribed_descendants = true;
        }
        Ok(entries)
    }
}

/// Whether what is asked for is offered: CONDSTORE (RFC 7162) is not, neither here nor in FETCH.
fn offered(items: &[StatusItem]) -> Result<(), No> {
    if items.contains(&StatusItem::HighestModSeq) {
        return Err(No::Cannot("MODSEQ is not offered"));
    }
    Ok(())
}

/// Counts messages from a UID on; where the turn is over first, how many, and from where to go on.
fn count(snapshot: &Snapshot, mailbox: MailboxId, counted: u64, from: u32) -> Result<u64, (u64, u32)> {
    let mut count = counted;
    let Ok(rows) = snapshot.messages(mailbox, from, u32::MAX) else { return Ok(count) };
    for row in rows {
        let Ok((uid, _)) = row else { break };
        count += 1;
        if effort::is_spent()
            && let Some(next) = uid.next()
        {
            return Err((count, next.number()));
        }
    }
    Ok(count)
}

impl Listing {
    fn new(tag: &str, matching: Option<Matching>, lines: Vec<Line>, status: Vec<StatusItem>, what: What) -> Listing {
        Listing { tag: tag.into(), matching, lines: lines.into_iter().peekable(), status, counted: None, what }
    }

    /// All names are matched: the lines are made.
    fn tell(&mut self) {
        let Some(matching) = self.matching.take() else { return };
        let lines = if self.what == What::Lsub { matching.lsub_lines() } else { matching.lines() };
        self.lines = lines.into_iter().peekable();
    }
}

impl Matching {
    fn new(
        entries: BTreeMap<String, Entry>,
        patterns: Vec<ListPattern>,
        select: Vec<ListSelect>,
        tell_subscribed: bool,
    ) -> Matching {
        Matching {
            entries: entries.into_iter().collect(),
            patterns: patterns.into_iter(),
            pattern: None,
            at: 0,
            select,
            tell_subscribed,
            percent: false,
        }
    }

    /// Matches on; false when the turn is over before all is matched.
    fn go_on(&mut self) -> bool {
        loop {
            let Some(pattern) = &self.pattern else {
                let Some(next) = self.patterns.next() else { return true };
                self.pattern = Pattern::new(&next);
                self.at = 0;
                continue;
            };
            while let Some((name, entry)) = self.entries.get_mut(self.at) {
                self.at += 1;
                if !entry.matches {
                    entry.matches = pattern.matches(name);
                    if effort::is_spent() {
                        return false;
                    }
                }
            }
            self.pattern = None;
        }
    }

    fn lines(self) -> Vec<Line> {
        let subscribed = self.select.contains(&ListSelect::Subscribed);
        let special = self.select.contains(&ListSelect::SpecialUse);
        let recursive = self.select.contains(&ListSelect::RecursiveMatch);
        // Above what is subscribed, but not listed itself: a name that does not match the selection is listed for
        // these only (RFC 9051 §6.3.9.6).
        let hidden = self.entries.iter().filter(|(_, entry)| recursive && entry.subscribed && !entry.matches);
        let above: BTreeSet<String> = hidden.flat_map(|(name, _)| ancestors(name)).map(str::to_owned).collect();
        let tell_subscribed = self.tell_subscribed;
        let listed = self.entries.into_iter().filter(|(name, entry)| {
            // Names that are only subscribed are no mailboxes and no parents of any.
            let there = entry.mailbox.is_some() || entry.has_children;
            let chosen = !subscribed || entry.subscribed || above.contains(name);
            let chosen = chosen && (!special || entry.special.is_some());
            entry.matches && (there || (subscribed && (entry.subscribed || recursive))) && chosen
        });
        let line = |(name, entry): (String, Entry)| {
            let subscribed_children = recursive && entry.has_subscribed_descendants;
            Line { attributes: entry.attributes(tell_subscribed), name, subscribed_children, mailbox: entry.mailbox }
        };
        listed.map(line).collect()
    }

    fn lsub_lines(self) -> Vec<Line> {
        let percent = self.percent;
        // RFC 3501 §6.3.9: with `%`, a parent that is not subscribed stands for what is below it.
        let listed = self
            .entries
            .into_iter()
            .filter(|(_, entry)| entry.matches && (entry.subscribed || (percent && entry.has_subscribed_descendants)));
        let line = |(name, entry): (String, Entry)| {
            let mut attributes = entry.attributes(false);
            if !entry.subscribed {
                attributes.retain(|attribute| *attribute != ListAttribute::NoSelect);
                attributes.insert(0, ListAttribute::NoSelect);
            }
            attributes.retain(|attribute| *attribute != ListAttribute::NonExistent);
            Line { name, attributes, subscribed_children: false, mailbox: None }
        };
        listed.map(line).collect()
    }
}

impl Entry {
    fn attributes(&self, tell_subscribed: bool) -> Vec<ListAttribute> {
        let mut attributes = Vec::with_capacity(3);
        if self.mailbox.is_none() {
            // Clients of rev1 know only the second.
            attributes.extend([ListAttribute::NonExistent, ListAttribute::NoSelect]);
        }
        attributes.push(if self.has_children { ListAttribute::HasChildren } else { ListAttribute::HasNoChildren });
        if tell_subscribed && self.subscribed {
            attributes.push(ListAttribute::Subscribed);
        }
        attributes.extend(self.special.map(|special| match special {
            SpecialUse::Archive => ListAttribute::Archive,
            SpecialUse::Drafts => ListAttribute::Drafts,
            SpecialUse::Junk => ListAttribute::Junk,
            SpecialUse::Sent => ListAttribute::Sent,
            SpecialUse::Trash => ListAttribute::Trash,
        }));
        attributes
    }
}
