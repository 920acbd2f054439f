//! Responses about mailboxes: LIST, LSUB, STATUS, NAMESPACE, QUOTA.

use super::string::{astring, mailbox, quoted};
use crate::wire::Out;
use crate::wire::imap::{Dialect, QuotaResource, StatusItem};

/// A mailbox attribute (RFC 9051 §7.3.1, RFC 6154 §2, RFC 8457).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListAttribute {
    /// `\Noselect`
    NoSelect,
    /// `\NonExistent`
    NonExistent,
    /// `\Noinferiors`
    NoInferiors,
    /// `\HasChildren`
    HasChildren,
    /// `\HasNoChildren`
    HasNoChildren,
    /// `\Marked`
    Marked,
    /// `\Unmarked`
    Unmarked,
    /// `\Subscribed`
    Subscribed,
    /// `\Remote`
    Remote,
    /// `\All`
    All,
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Flagged`
    Flagged,
    /// `\Important`
    Important,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

impl ListAttribute {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ListAttribute::NoSelect => "\\Noselect",
            ListAttribute::NonExistent => "\\NonExistent",
            ListAttribute::NoInferiors => "\\Noinferiors",
            ListAttribute::HasChildren => "\\HasChildren",
            ListAttribute::HasNoChildren => "\\HasNoChildren",
            ListAttribute::Marked => "\\Marked",
            ListAttribute::Unmarked => "\\Unmarked",
            ListAttribute::Subscribed => "\\Subscribed",
            ListAttribute::Remote => "\\Remote",
            ListAttribute::All => "\\All",
            ListAttribute::Archive => "\\Archive",
            ListAttribute::Drafts => "\\Drafts",
            ListAttribute::Flagged => "\\Flagged",
            ListAttribute::Important => "\\Important",
            ListAttribute::Junk => "\\Junk",
            ListAttribute::Sent => "\\Sent",
            ListAttribute::Trash => "\\Trash",
        }
    }
}

/// One line of LIST or LSUB.
#[derive(Clone, Copy, Debug)]
pub struct ListReply<'a> {
    /// In the order in which they are written.
    pub attributes: &'a [ListAttribute],
    /// The hierarchy separator; none for a flat name.
    pub delimiter: Option<char>,
    /// The name in UTF-8; empty in the answer to `LIST "" ""`.
    pub mailbox: &'a str,
    /// Whether children match the selection that this mailbox itself does not: CHILDINFO ("SUBSCRIBED")
    /// (RFC 9051 §6.3.9.6).
    pub subscribed_children: bool,
    /// The name the client used, when this is another: OLDNAME (RFC 9051 §6.3.9.7).
    pub old_name: Option<&'a str>,
}

/// `* LIST (…) "/" name …`
pub fn list(out: &mut Out, reply: &ListReply<'_>, dialect: Dialect) {
    line(out, b"* LIST (", reply, dialect);
    match (reply.subscribed_children, reply.old_name) {
        (false, None) => {}
        (true, None) => out.put(b" (\"CHILDINFO\" (\"SUBSCRIBED\"))"),
        (children, Some(old_name)) => {
            out.put(if children { b" (\"CHILDINFO\" (\"SUBSCRIBED\") " } else { b" (" });
            out.put(b"\"OLDNAME\" (");
            mailbox(out, old_name, dialect);
            out.put(b"))");
        }
    }
    out.put(b"\r\n");
}

/// `* LSUB (…) "/" name` (RFC 3501 §7.2.3)
pub fn lsub(out: &mut Out, reply: &ListReply<'_>, dialect: Dialect) {
    line(out, b"* LSUB (", reply, dialect);
    out.put(b"\r\n");
}

fn line(out: &mut Out, begin: &[u8], reply: &ListReply<'_>, dialect: Dialect) {
    out.put(begin);
    for (index, attribute) in reply.attributes.iter().enumerate() {
        if index > 0 {
            out.byte(b' ');
        }
        out.put(attribute.name().as_bytes());
    }
    out.put(b") ");
    delimiter(out, reply.delimiter);
    out.byte(b' ');
    mailbox(out, reply.mailbox, dialect);
}

fn delimiter(out: &mut Out, delimiter: Option<char>) {
    match delimiter {
        Some(delimiter) => quoted(out, delimiter.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.put(b"NIL"),
    }
}

/// `* STATUS name (…)`
#[derive(Debug)]
pub struct StatusReply<'o> {
    out: &'o mut Out,
    first: bool,
}

impl<'o> StatusReply<'o> {
    /// Begins the response.
    pub fn begin(out: &'o mut Out, name: &str, dialect: Dialect) -> StatusReply<'o> {
        out.put(b"* STATUS ");
        mailbox(out, name, dialect);
        out.put(b" (");
        StatusReply { out, first: true }
    }

    /// An item and its value.
    pub fn item(&mut self, item: StatusItem, value: u64) {
        if !self.first {
            self.out.byte(b' ');
        }
        self.first = false;
        self.out.put(match item {
            StatusItem::Messages => b"MESSAGES ",
            StatusItem::Recent => b"RECENT ",
            StatusItem::UidNext => b"UIDNEXT ",
            StatusItem::UidValidity => b"UIDVALIDITY ",
            StatusItem::Unseen => b"UNSEEN ",
            StatusItem::Deleted => b"DELETED ",
            StatusItem::DeletedStorage => b"DELETED-STORAGE ",
            StatusItem::Size => b"SIZE ",
            StatusItem::AppendLimit => b"APPENDLIMIT ",
            StatusItem::HighestModSeq => b"HIGHESTMODSEQ ",
        });
        self.out.number(value);
    }

    /// Ends the response.
    pub fn end(self) {
        self.out.put(b")\r\n");
    }
}

/// A namespace: its prefix and its separator (RFC 9051 §6.3.10).
#[derive(Clone, Copy, Debug)]
pub struct NamespaceEntry<'a> {
    /// With its separator at the end, if it is not empty.
    pub prefix: &'a str,
    /// The hierarchy separator.
    pub delimiter: Option<char>,
}

/// `* NAMESPACE personal other shared`; an empty list is NIL
pub fn namespace(
    out: &mut Out,
    personal: &[NamespaceEntry<'_>],
    other: &[NamespaceEntry<'_>],
    shared: &[NamespaceEntry<'_>],
    dialect: Dialect,
) {
    out.put(b"* NAMESPACE");
    for entries in [personal, other, shared] {
        if entries.is_empty() {
            out.put(b" NIL");
            continue;
        }
        out.put(b" (");
        for entry in entries {
            out.byte(b'(');
            mailbox(out, entry.prefix, dialect);
            out.byte(b' ');
            delimiter(out, entry.delimiter);
            out.byte(b')');
        }
        out.byte(b')');
    }
    out.put(b"\r\n");
}

/// Use and limit of a quota resource, in its own unit (RFC 9208 §5).
#[derive(Clone, Copy, Debug)]
pub struct QuotaUsage {
    /// Of what.
    pub resource: QuotaResource,
    /// In use.
    pub usage: u64,
    /// Allowed.
    pub limit: u64,
}

/// `* QUOTA root (…)` (RFC 9208 §4.2.1)
pub fn quota(out: &mut Out, root: &str, usages: &[QuotaUsage], dialect: Dialect) {
    out.put(b"* QUOTA ");
    astring(out, root.as_bytes(), dialect);
    out.put(b" (");
    for (index, usage) in usages.iter().enumerate() {
        if index > 0 {
            out.byte(b' ');
        }
        out.put(match usage.resource {
            QuotaResource::Storage => b"STORAGE ",
            QuotaResource::Message => b"MESSAGE ",
        });
        out.number(usage.usage);
        out.byte(b' ');
        out.number(usage.limit);
    }
    out.put(b")\r\n");
}

/// `* QUOTAROOT name root …` (RFC 9208 §4.2.2)
pub fn quota_root(out: &mut Out, name: &str, roots: &[&str], dialect: Dialect) {
    out.put(b"* QUOTAROOT ");
    mailbox(out, name, dialect);
    for root in roots {
        out.byte(b' ');
        astring(out, root.as_bytes(), dialect);
    }
    out.put(b"\r\n");
}
