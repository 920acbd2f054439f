//! LIST, LSUB, STATUS (RFC 9051 §6.3.9, §6.3.11; RFC 3501 §6.3.9; RFC 5258, RFC 5819, RFC 6154).

use super::refusal::No;
use super::session::Session;
use super::work::Work;
use crate::mail::{MailboxId, MailboxName, ancestors, limits, normal};
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
    lines: std::vec::IntoIter<Line>,
    status: Vec<StatusItem>,
    lsub: bool,
}

#[derive(Debug)]
struct Line {
    name: String,
    attributes: Vec<ListAttribute>,
    subscribed_children: bool,
    mailbox: Option<MailboxId>,
}

/// A name that LIST may show.
#[derive(Default)]
struct Entry {
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
        let subscribed = select.contains(&ListSelect::Subscribed);
        let special = select.contains(&ListSelect::SpecialUse);
        let recursive = select.contains(&ListSelect::RecursiveMatch);
        let tell_subscribed = subscribed || returns.contains(&ListReturn::Subscribed);
        let patterns: Vec<Pattern> = patterns.iter().map(Pattern::new).collect();
        let entries = self.entries(&store.snapshot()?)?;
        let matches = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
        // Above what is subscribed, but not listed itself: a name that does not match the selection is listed for
        // these only (RFC 9051 §6.3.9.6).
        let subscribed_names = entries.iter().filter(|(name, entry)| recursive && entry.subscribed && !matches(name));
        let above: BTreeSet<String> =
            subscribed_names.flat_map(|(name, _)| ancestors(name)).map(str::to_owned).collect();
        let lines: Vec<Line> = entries
            .into_iter()
            .filter(|(name, _)| matches(name))
            .filter(|(name, entry)| {
                // Names that are only subscribed are no mailboxes and no parents of any.
                let there = entry.mailbox.is_some() || entry.has_children;
                let chosen = !subscribed || entry.subscribed || above.contains(name);
                (there || (subscribed && (entry.subscribed || recursive)))
                    && chosen
                    && (!special || entry.special.is_some())
            })
            .map(|(name, entry)| {
                let subscribed_children = recursive && entry.has_subscribed_descendants;
                Line {
                    attributes: entry.attributes(tell_subscribed),
                    name,
                    subscribed_children,
                    mailbox: entry.mailbox,
                }
            })
            .collect();
        let status = returns.into_iter().find_map(|option| match option {
            ListReturn::Status(items) => Some(items),
            _ => None,
        });
        let listing =
            Listing { tag: tag.into(), lines: lines.into_iter(), status: status.unwrap_or_default(), lsub: false };
        Ok(self.go_on_listing(Box::new(listing), store, out))
    }

    pub(super) fn lsub(&mut self, tag: &str, pattern: &ListPattern, store: &Store, out: &mut Out) -> Result<Need, No> {
        let percent = pattern.pattern.ends_with('%');
        let pattern = Pattern::new(pattern);
        let entries = self.entries(&store.snapshot()?)?;
        let lines: Vec<Line> = entries
            .into_iter()
            // RFC 3501 §6.3.9: with `%`, a parent that is not subscribed stands for what is below it.
            .filter(|(_, entry)| entry.subscribed || (percent && entry.has_subscribed_descendants))
            .filter(|(name, _)| pattern.matches(name))
            .map(|(name, entry)| {
                let mut attributes = entry.attributes(false);
                if !entry.subscribed {
                    attributes.retain(|attribute| *attribute != ListAttribute::NoSelect);
                    attributes.insert(0, ListAttribute::NoSelect);
                }
                attributes.retain(|attribute| *attribute != ListAttribute::NonExistent);
                Line { name, attributes, subscribed_children: false, mailbox: None }
            })
            .collect();
        let listing = Listing { tag: tag.into(), lines: lines.into_iter(), status: Vec::new(), lsub: true };
        Ok(self.go_on_listing(Box::new(listing), store, out))
    }

    pub(super) fn go_on_listing(&mut self, mut listing: Box<Listing>, store: &Store, out: &mut Out) -> Need {
        let snapshot = match store.snapshot() {
            Ok(snapshot) => snapshot,
            Err(fault) => {
                No::from(fault).reply(out, &listing.tag);
                return Need::Flush;
            }
        };
        while !out.is_full() {
            let Some(line) = listing.lines.next() else {
                let text = if listing.lsub { "LSUB done" } else { "LIST done" };
                return self.finish(&listing.tag, true, text, out);
            };
            let reply = ListReply {
                attributes: &line.attributes,
                delimiter: Some('/'),
                mailbox: &line.name,
                subscribed_children: line.subscribed_children,
                old_name: None,
            };
            if listing.lsub {
                reply::lsub(out, &reply, self.dialect);
            } else {
                reply::list(out, &reply, self.dialect);
            }
            if let (Some(mailbox), false) = (line.mailbox, listing.status.is_empty()) {
                // A mailbox that was deleted in between, or cannot be read, has no status: RFC 5819 §2 allows that.
                if let Ok(Some(record)) = snapshot.mailbox(mailbox) {
                    self.tell_status(&line.name, mailbox, &record, &listing.status, store, &snapshot, out);
                }
            }
        }
        self.work = Work::List(listing);
        Need::Flush
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
        self.tell_status(&record.name, id, &record, items, store, &snapshot, out);
        drop(snapshot);
        Ok(self.finish(tag, true, "STATUS done", out))
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

    #[expect(clippy::too_many_arguments, reason = "all of it is in the reply")]
    fn tell_status(
        &self,
        name: &str,
        mailbox: MailboxId,
        record: &MailboxRecord,
        items: &[StatusItem],
        store: &Store,
        snapshot: &Snapshot,
        out: &mut Out,
    ) {
        let mut status = StatusReply::begin(out, name, self.dialect);
        for item in items {
            let value = match item {
                StatusItem::Messages => record.messages,
                StatusItem::Recent => {
                    let from = store.recent_from(mailbox).unwrap_or(record.recent_from);
                    snapshot
                        .messages(mailbox, from, u32::MAX)
                        .map_or(0, |rows| rows.take_while(Result::is_ok).count() as u64)
                }
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
            above.extend(ancestors(&record.name).map(str::to_owned));
            entries.insert(record.name, Entry { mailbox: Some(mailbox), special: record.special, ..Entry::default() });
        }
        for name in snapshot.subscriptions(account)? {
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

/// A pattern with wildcards: `*` is anything, `%` is anything within a level (RFC 9051 §6.3.9).
struct Pattern(Vec<char>);

impl Pattern {
    fn new(pattern: &ListPattern) -> Pattern {
        let mut chars: Vec<char> = Vec::new();
        // Composed as names are: an accent would not be found else.
        let whole = format!("{}{}", pattern.reference, pattern.pattern);
        for c in normal(&whole).chars() {
            // Wildcards in a row are one: the weaker adds nothing to the stronger.
            match (chars.last(), c) {
                (Some('*'), '*' | '%') | (Some('%'), '%') => {}
                (Some('%'), '*') => {
                    chars.pop();
                    chars.push('*');
                }
                _ => chars.push(c),
            }
        }
        Pattern(chars)
    }

    /// Follows all ways through the pattern at once, so that no pattern takes long.
    fn matches(&self, name: &str) -> bool {
        if self.0 == ['*'] {
            return true;
        }
        let inbox = name == "INBOX" || name.starts_with("INBOX/");
        let mut here = vec![false; self.0.len() + 1];
        let mut next = here.clone();
        if let Some(first) = here.first_mut() {
            *first = true;
        }
        self.skip_wildcards(&mut here);
        for (at, c) in name.chars().enumerate() {
            next.fill(false);
            for (place, wanted) in self.0.iter().enumerate() {
                if here.get(place) != Some(&true) {
                    continue;
                }
                let stays = *wanted == '*' || (*wanted == '%' && c != '/');
                // INBOX is the same in any case.
                let same = *wanted == c || (inbox && at < 5 && wanted.eq_ignore_ascii_case(&c));
                let to = match (stays, same) {
                    (true, _) => place,
                    (false, true) => place + 1,
                    (false, false) => continue,
                };
                if let Some(state) = next.get_mut(to) {
                    *state = true;
                }
            }
            self.skip_wildcards(&mut next);
            std::mem::swap(&mut here, &mut next);
        }
        here.last() == Some(&true)
    }

    /// A wildcard may stand for nothing.
    fn skip_wildcards(&self, states: &mut [bool]) {
        for (place, wanted) in self.0.iter().enumerate() {
            if matches!(wanted, '*' | '%')
                && states.get(place) == Some(&true)
                && let Some(after) = states.get_mut(place + 1)
            {
                *after = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(&ListPattern { reference: String::new(), pattern: pattern.to_owned() }).matches(name)
    }

    #[test]
    fn a_star_goes_through_levels_and_a_percent_does_not() {
        assert!(matches("*", "a/b/c") && matches("a*", "a/b") && matches("*c", "a/b/c") && matches("a/*/c", "a/b/c"));
        assert!(matches("%", "a") && !matches("%", "a/b") && matches("a/%", "a/b") && !matches("a/%", "a/b/c"));
        assert!(matches("%/%", "a/b") && matches("%*%", "a/b/c") && !matches("a", "b") && !matches("", "a"));
    }

    #[test]
    fn inbox_is_found_in_any_case_and_others_are_not() {
        assert!(matches("inbox", "INBOX") && matches("InBo%", "INBOX") && matches("inbox/x", "INBOX/x"));
        assert!(!matches("sent", "Sent") && !matches("inbox/X", "INBOX/x"));
    }

    #[test]
    fn a_pattern_made_to_take_long_does_not() {
        let pattern = "*a".repeat(400);
        assert!(!matches(&pattern, &"a".repeat(390)));
    }
}
