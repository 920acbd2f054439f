//! What a client can say: one value per command.

use crate::mail::{Section, SequenceSet, Stamp, search};

/// How names and strings are to be read, as negotiated so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// After ENABLE `IMAP4rev2` (or UTF8=ACCEPT): mailbox names are UTF-8, not modified UTF-7 (RFC 3501 §5.1.3).
    pub utf8: bool,
}

/// A command with its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The client's tag, repeated in the answer.
    pub tag: Box<str>,
    /// What is asked.
    pub body: Body,
}

/// A mailbox name in UTF-8, as the client gave it, decoded by the dialect. What it means is for
/// [`crate::mail::MailboxName`] to say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mailbox(pub String);

/// The commands of RFC 3501 and RFC 9051 and of the extensions that are announced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the line of a variant tells its fields")]
pub enum Body {
    /// CAPABILITY
    Capability,
    /// NOOP
    Noop,
    /// LOGOUT
    Logout,
    /// STARTTLS
    StartTls,
    /// AUTHENTICATE, the mechanism in upper case, the initial response decoded (`=` is an empty one; RFC 4959).
    Authenticate { mechanism: String, initial: Option<Vec<u8>> },
    /// LOGIN
    Login { user: Vec<u8>, password: Vec<u8> },
    /// ENABLE, capability names in upper case
    Enable(Vec<String>),
    /// ID: field names and values, or NIL (RFC 2971)
    Id(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    /// NAMESPACE
    Namespace,
    /// SELECT
    Select(Mailbox),
    /// EXAMINE
    Examine(Mailbox),
    /// CREATE, with the attributes of `(USE (…))` as written (RFC 6154 §3)
    Create { mailbox: Mailbox, uses: Vec<String> },
    /// DELETE
    Delete(Mailbox),
    /// RENAME
    Rename { from: Mailbox, to: Mailbox },
    /// SUBSCRIBE
    Subscribe(Mailbox),
    /// UNSUBSCRIBE
    Unsubscribe(Mailbox),
    /// LIST in all its forms
    List(ListCommand),
    /// LSUB: reference and pattern
    Lsub(ListPattern),
    /// STATUS
    Status { mailbox: Mailbox, items: Vec<StatusItem> },
    /// APPEND up to its message literal; the literal's octets follow as a stream
    Append(Append),
    /// IDLE; its end is the line `DONE`, which is no command
    Idle,
    /// CHECK (RFC 3501 only)
    Check,
    /// CLOSE
    Close,
    /// UNSELECT
    Unselect,
    /// EXPUNGE, or UID EXPUNGE of a set (RFC 4315)
    Expunge(Option<SequenceSet>),
    /// SEARCH or UID SEARCH
    Search { uid: bool, search: SearchCommand },
    /// FETCH or UID FETCH; macros are expanded
    Fetch { uid: bool, set: SequenceSet, items: Vec<FetchItem> },
    /// STORE or UID STORE; flags as written (`\Seen`, `$Forwarded`)
    Store { uid: bool, set: SequenceSet, mode: StoreMode, silent: bool, flags: Vec<String> },
    /// COPY or UID COPY
    Copy { uid: bool, set: SequenceSet, mailbox: Mailbox },
    /// MOVE or UID MOVE
    Move { uid: bool, set: SequenceSet, mailbox: Mailbox },
    /// GETQUOTA of a quota root
    GetQuota(String),
    /// GETQUOTAROOT of a mailbox
    GetQuotaRoot(Mailbox),
    /// SETQUOTA (RFC 9208 §4.1.3)
    SetQuota { root: String, limits: Vec<(String, u64)> },
}

/// The head of an APPEND.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub mailbox: Mailbox,
    /// Flags as written.
    pub flags: Vec<String>,
    /// INTERNALDATE, if given.
    pub date: Option<Stamp>,
    /// Octets of the literal that follows. May be more than we accept; the session answers that.
    pub size: u64,
    /// `~{…}`: a literal8, which may hold NUL (RFC 3516 §4.4, RFC 9051 §4.3).
    pub binary: bool,
}

/// LIST, basic or extended (RFC 9051 §6.3.9, RFC 5258).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListCommand {
    /// Selection options.
    pub select: Vec<ListSelect>,
    /// The reference and the patterns: at least one pattern.
    pub patterns: Vec<ListPattern>,
    /// Return options.
    pub returns: Vec<ListReturn>,
    /// Whether any part of the extended syntax was used (selection, several patterns, RETURN).
    pub extended: bool,
}

/// Reference and pattern, decoded like mailbox names; `*` and `%` are wildcards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPattern {
    /// The reference name.
    pub reference: String,
    /// The pattern.
    pub pattern: String,
}

/// Selection options of LIST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListSelect {
    /// SUBSCRIBED
    Subscribed,
    /// REMOTE (nothing is remote here)
    Remote,
    /// RECURSIVEMATCH; not the only one (the parser refuses that: RFC 9051 §6.3.9.1)
    RecursiveMatch,
    /// SPECIAL-USE (RFC 6154)
    SpecialUse,
}

/// Return options of LIST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListReturn {
    /// SUBSCRIBED
    Subscribed,
    /// CHILDREN
    Children,
    /// SPECIAL-USE
    SpecialUse,
    /// STATUS (…) (RFC 5819)
    Status(Vec<StatusItem>),
}

/// What STATUS can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusItem {
    /// MESSAGES
    Messages,
    /// RECENT (RFC 3501 only)
    Recent,
    /// UIDNEXT
    UidNext,
    /// UIDVALIDITY
    UidValidity,
    /// UNSEEN
    Unseen,
    /// DELETED (RFC 9051)
    Deleted,
    /// DELETED-STORAGE (RFC 9208)
    DeletedStorage,
    /// SIZE (RFC 8438)
    Size,
    /// APPENDLIMIT (RFC 7889)
    AppendLimit,
    /// HIGHESTMODSEQ (RFC 7162; read already, answered when CONDSTORE is announced)
    HighestModSeq,
}

/// SEARCH with its result options (RFC 9051 §6.4.4, RFC 4731, RFC 5182).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchCommand {
    /// `None` without RETURN; `RETURN ()` is `[All]`.
    pub returns: Option<Vec<ReturnOption>>,
    /// The charset named, in upper case, when it is one we read (the parser refuses others by `Syntax::BadCharset`).
    pub charset: Option<String>,
    /// The keys; several are `And`.
    pub key: search::Key,
}

/// Result options of SEARCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnOption {
    /// MIN
    Min,
    /// MAX
    Max,
    /// ALL
    All,
    /// COUNT
    Count,
    /// SAVE
    Save,
}

/// How STORE changes flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreMode {
    /// FLAGS
    Replace,
    /// +FLAGS
    Add,
    /// -FLAGS
    Remove,
}

/// What FETCH asks of each message (RFC 9051 §6.4.5, RFC 3516).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the line of a variant tells its fields")]
pub enum FetchItem {
    /// UID
    Uid,
    /// FLAGS
    Flags,
    /// INTERNALDATE
    InternalDate,
    /// RFC822.SIZE
    Size,
    /// ENVELOPE
    Envelope,
    /// BODY: the structure without extension data
    Body,
    /// BODYSTRUCTURE
    BodyStructure,
    /// BODY[…] and BODY.PEEK[…]; `partial` is offset and length
    Section { section: Section, peek: bool, partial: Option<(u32, u32)> },
    /// RFC822, RFC822.HEADER, RFC822.TEXT: answered under the old name (RFC 3501 §6.4.5)
    Rfc822,
    /// RFC822.HEADER
    Rfc822Header,
    /// RFC822.TEXT
    Rfc822Text,
    /// BINARY[…] and BINARY.PEEK[…]
    Binary { path: Vec<u32>, peek: bool, partial: Option<(u32, u32)> },
    /// BINARY.SIZE[…]
    BinarySize(Vec<u32>),
    /// MODSEQ (RFC 7162; refused until CONDSTORE is announced)
    ModSeq,
}

/// A quota resource (RFC 9208 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaResource {
    /// STORAGE, in units of 1024 octets
    Storage,
    /// MESSAGE
    Message,
}
