//! The records. Each is stored as a version octet and its fields in postcard; records only gain fields, at their end.

use super::error::Fault;
use crate::mail::{BlobId, FlagSet, MailboxName, ModSeq, Span, Stamp, Uid, UidValidity, UniqueId, effort};
use serde::{Deserialize, Serialize};

/// What an octet of an outline costs to read, in octets looked at: it is made into many small pieces.
const DECODING: usize = 12;

/// An account, and the ways in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// `local@domain`, lower case.
    pub address: String,
    /// How a password is verified.
    pub credentials: Credentials,
    /// What it may store.
    pub limits: Limits,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// The number of the next mailbox.
    pub next_mailbox: u32,
    /// How POP3 treats its mail.
    pub pop3: Pop3,
}

/// How POP3 treats an account's mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pop3 {
    /// What DELE does, once the session ends with QUIT.
    pub on_delete: OnDelete,
    /// RETR sets `\Seen`.
    pub marks_seen: bool,
}

/// What becomes of mail that a POP3 client deletes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnDelete {
    /// It is moved to the account's Trash, where it stays for some time.
    #[default]
    Trash,
    /// It stays where it is; only POP3 shows it no more.
    Hide,
    /// It is gone.
    Delete,
}

/// What POP3 did to a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retired {
    /// Nothing.
    #[default]
    No,
    /// Deleted there, and kept: POP3 does not show it any more.
    Hidden,
    /// Deleted there, and moved to the Trash, which it leaves after some days.
    Trashed,
}

/// What is kept of a password: enough to verify it, nothing to read it from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Argon2id in the PHC string format, or until the first log-in what another system made; empty: no log-in.
    pub argon2: String,
    /// SCRAM-SHA-256 (RFC 5802 §3): the salt,
    pub scram_salt: Vec<u8>,
    /// the iteration count,
    pub scram_iterations: u32,
    /// `StoredKey`,
    pub scram_stored: Vec<u8>,
    /// and `ServerKey`.
    pub scram_server: Vec<u8>,
}

/// The limits of an account; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Octets of mail, copies counted each.
    pub bytes: Option<u64>,
    /// Messages.
    pub messages: Option<u64>,
}

/// What an account stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Octets.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

/// A role that a mailbox plays (RFC 6154).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpecialUse {
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

/// A mailbox with its counters, which change in the same transaction as what they count.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MailboxRecord {
    /// The full name, levels separated by `/`.
    pub name: String,
    /// The generation of its UIDs.
    pub uid_validity: UidValidity,
    /// The next UID; `None` when they are used up.
    pub uid_next: Option<Uid>,
    /// The modification sequence of the last change.
    pub modseq: ModSeq,
    /// Messages.
    pub messages: u64,
    /// Octets of all messages.
    pub bytes: u64,
    /// Messages without `\Seen`.
    pub unseen: u64,
    /// Messages with `\Deleted`.
    pub deleted: u64,
    /// Octets of messages with `\Deleted`.
    pub deleted_bytes: u64,
    /// UIDs from here on have not been told to any session yet: they are `\Recent` (RFC 3501 §2.3.2).
    pub recent_from: u32,
    /// Its role.
    pub special: Option<SpecialUse>,
    /// Keyword names; a keyword's number is its place.
    pub keywords: Vec<String>,
    /// Rows of UIDs below this lie next to each other on the disk, as far as they came in together.
    pub gathered_below: u32,
}

/// A message in a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its content.
    pub blob: BlobId,
    /// RFC822.SIZE.
    pub size: u32,
    /// Its flags.
    pub flags: FlagSet,
    /// The change that it was touched by last.
    pub modseq: ModSeq,
    /// INTERNALDATE.
    pub received: Stamp,
    /// When it came into this mailbox, in seconds since 1970 (RFC 8514).
    pub saved: i64,
    /// The thread (RFC 8474 THREADID); 0 until threads are kept.
    pub thread: u64,
    /// Its name in POP3.
    pub unique: UniqueId,
    /// Octets that it has more where every line ends with CRLF, as POP3 sends it.
    pub line_ends: u32,
    /// What POP3 did to it.
    pub retired: Retired,
}

/// How a [`Message`] begins: what a mailbox's rows in memory are made of. Records are read from their start, so the rest of
/// each need not be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct MessageStart {
    /// As of the message.
    pub(super) blob: BlobId,
    _size: u32,
    /// As of the message.
    pub(super) flags: FlagSet,
    /// As of the message.
    pub(super) modseq: ModSeq,
}

/// The content of a message, but for its body.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head<'a> {
    /// Octets of the message.
    pub size: u32,
    /// The first half of the SHA-256 of the message.
    pub hash: [u8; 16],
    /// How the top is stored.
    pub top: Frame,
    /// How the rest is stored: frames of `schema::FRAME` raw octets, the last one shorter.
    pub frames: Vec<Frame>,
    /// The envelope in postcard; see [`Head::envelope`].
    #[serde(borrow, with = "serde_bytes")]
    pub(super) envelope: &'a [u8],
    /// The outline in postcard; see [`Head::outline`].
    #[serde(borrow, with = "serde_bytes")]
    pub(super) outline: &'a [u8],
    /// The first octets of the message as stored: its header, up to a bound.
    #[serde(borrow, with = "serde_bytes")]
    pub(super) top_bytes: &'a [u8],
}

/// A run of octets as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Octets as served.
    pub raw: u32,
    /// Octets as stored.
    pub stored: u32,
    /// How.
    pub codec: Codec,
}

/// How a frame is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Codec {
    /// As it is.
    Raw,
    /// zstd.
    Zstd,
    /// zstd with the built-in dictionary number 1. Both are read only: format 1 wrote them.
    ZstdDict1,
    /// An LZ4 block.
    Lz4,
    /// An LZ4 block after the built-in dictionary number 1.
    Lz4Dict1,
}

/// A stored record's version octet.
const VERSION: u8 = 1;

pub(super) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, Fault> {
    encode_into(record, Vec::with_capacity(96))
}

pub(super) fn encode_into<T: Serialize>(record: &T, mut bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
    bytes.clear();
    bytes.push(VERSION);
    postcard::to_extend(record, bytes).map_err(|_| Fault::Corrupt("a record does not encode"))
}

pub(super) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &'static str) -> Result<T, Fault> {
    match bytes.split_first() {
        Some((&VERSION, fields)) => postcard::from_bytes(fields).map_err(|_| Fault::Corrupt(what)),
        _ => Err(Fault::Corrupt(what)),
    }
}

/// By which rules a message was read: an octet after its envelope, and one after its outline. Format 2 began without.
const RULES: u8 = 1;

/// An envelope or an outline, with the mark of the rules by which it was read.
pub(super) fn encode_read<T: Serialize>(record: &T) -> Result<Vec<u8>, Fault> {
    let mut bytes = encode(record)?;
    bytes.push(RULES);
    Ok(bytes)
}

/// The same back; `None` if it was read by other rules. Records without the mark end within a field where its last octet
/// happens to be the mark's: what is left of that does not decode, and an outline always ends with a 0.
fn decode_read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    let record = bytes.strip_suffix(&[RULES])?;
    decode(record, "what was read of a message").ok()
}

/// Where the header and the body of a message are: what its outline begins with.
#[derive(Deserialize)]
struct OutlineStart {
    header: Span,
    body: Span,
}

impl<'a> Head<'a> {
    /// The envelope, if it was read by the rules of today; else see [`super::Snapshot::envelope`].
    pub(super) fn envelope_of_today(&self) -> Option<crate::mail::Envelope<'a>> {
        effort::spend_on(self.envelope.len());
        decode_read(self.envelope)
    }

    /// The outline, if it was read by the rules of today; else see [`super::Snapshot::outline`].
    pub(super) fn outline_of_today(&self) -> Option<crate::mail::Part<'a>> {
        effort::spend_on(DECODING * self.outline.len());
        decode_read(self.outline)
    }

    /// Where its header and its body are, if that was found by the rules of today; else see [`super::Snapshot::halves`].
    pub(super) fn halves_of_today(&self) -> Option<(Span, Span)> {
        let OutlineStart { header, body } = decode_read(self.outline)?;
        Some((header, body))
    }

    /// The envelope, read when the message came in.
    pub fn envelope(&self) -> Result<crate::mail::Envelope<'a>, Fault> {
        effort::spend_on(self.envelope.len());
        decode(self.envelope, "envelope")
    }

    /// The MIME tree, read when the message came in.
    pub fn outline(&self) -> Result<crate::mail::Part<'a>, Fault> {
        effort::spend_on(DECODING * self.outline.len());
        decode(self.outline, "outline")
    }
}

impl Default for Pop3 {
    fn default() -> Self {
        Pop3 { on_delete: OnDelete::Trash, marks_seen: true }
    }
}

impl Message {
    /// Octets of the message as POP3 sends it, before dots are stuffed.
    #[must_use]
    pub fn pop3_size(&self) -> u64 {
        u64::from(self.size) + u64::from(self.line_ends)
    }
}

impl SpecialUse {
    /// All, in the order in which an account's mailboxes are made.
    pub const ALL: [SpecialUse; 5] =
        [SpecialUse::Sent, SpecialUse::Drafts, SpecialUse::Trash, SpecialUse::Junk, SpecialUse::Archive];

    /// The mailbox name that a new account has for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SpecialUse::Archive => "Archive",
            SpecialUse::Drafts => "Drafts",
            SpecialUse::Junk => "Junk",
            SpecialUse::Sent => "Sent",
            SpecialUse::Trash => "Trash",
        }
    }

    /// The same as a mailbox's name.
    #[must_use]
    pub fn mailbox(self) -> MailboxName {
        MailboxName::nearest(self.name())
    }

    /// The attribute, as in LIST (RFC 6154 §2).
    #[must_use]
    pub fn attribute(self) -> &'static str {
        match self {
            SpecialUse::Archive => "\\Archive",
            SpecialUse::Drafts => "\\Drafts",
            SpecialUse::Junk => "\\Junk",
            SpecialUse::Sent => "\\Sent",
            SpecialUse::Trash => "\\Trash",
        }
    }
}

impl MailboxRecord {
    /// A new, empty mailbox.
    pub(super) fn new(name: &str, uid_validity: UidValidity, special: Option<SpecialUse>) -> MailboxRecord {
        MailboxRecord {
            name: name.to_owned(),
            uid_validity,
            uid_next: Some(Uid::FIRST),
            modseq: ModSeq::FIRST,
            messages: 0,
            bytes: 0,
            unseen: 0,
            deleted: 0,
            deleted_bytes: 0,
            recent_from: 1,
            special,
            keywords: Vec::new(),
            gathered_below: 1,
        }
    }

    /// Counts a message in.
    pub(super) fn count(&mut self, size: u32, flags: FlagSet) {
        self.messages = self.messages.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::from(size));
        self.count_flags(size, flags, 1);
    }

    /// Counts a message out. Saturating here and above: a wrong counter is `check`'s to find, not a reason to fall over.
    pub(super) fn discount(&mut self, size: u32, flags: FlagSet) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(u64::from(size));
        self.count_flags(size, flags, -1);
    }

    /// Counts a message's flags from `old` to `new`.
    pub(super) fn recount(&mut self, size: u32, old: FlagSet, new: FlagSet) {
        self.count_flags(size, old, -1);
        self.count_flags(size, new, 1);
    }

    fn count_flags(&mut self, size: u32, flags: FlagSet, by: i64) {
        use crate::mail::SystemFlag::{Deleted, Seen};
        if !flags.is(Seen) {
            self.unseen = self.unseen.saturating_add_signed(by);
        }
        if flags.is(Deleted) {
            self.deleted = self.deleted.saturating_add_signed(by);
            self.deleted_bytes = self.deleted_bytes.saturating_add_signed(by * i64::from(size));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_begins_as_its_rows_are_read() {
        let message = Message {
            blob: BlobId(7),
            size: 300,
            flags: FlagSet(1 << 100 | 3),
            modseq: ModSeq::FIRST.next(),
            received: Stamp::utc(-1),
            saved: 2,
            thread: 0,
            unique: UniqueId(u64::MAX),
            line_ends: 4,
            retired: Retired::Hidden,
        };
        let start: MessageStart = decode(&encode(&message).unwrap(), "message").unwrap();
        assert_eq!((start.flags, start.modseq), (message.flags, message.modseq));
    }
}
