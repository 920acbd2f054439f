//! What a server says, as a client hears it (RFC 9051 §7): values of one whole response.
//!
//! A response is given with its literals in place. The octets of a message are not among them: where `BODY[]` announces
//! them, the caller takes them from the connection and leaves an empty string.

mod cursor;
mod parse;
#[cfg(test)]
mod tests;

use crate::mail::Stamp;

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `+ text`: the server waits for more of the command.
    Continue(Vec<u8>),
    /// The end of a command: its tag and how it went.
    Tagged(Vec<u8>, State),
    /// `OK`, `NO`, `BAD`, `BYE` or `PREAUTH` by itself.
    State(State),
    /// What the server can do, in upper case.
    Capability(Vec<String>),
    /// A mailbox of a LIST.
    List(Listed),
    /// What a STATUS was asked for.
    Status(Status),
    /// Numbers of a SEARCH.
    Search(Vec<u32>),
    /// What is known of a message.
    Fetch(Fetched),
    /// UIDs that are gone; `earlier`: before the mailbox was selected.
    #[expect(missing_docs, reason = "the fields are what the line above says")]
    Vanished { earlier: bool, uids: Vec<(u32, u32)> },
    /// A message is gone, by its number.
    Expunge(u32),
    /// How many messages there are.
    Exists(u32),
    /// The first personal namespace: its prefix and its separator.
    #[expect(missing_docs, reason = "the fields are what the line above says")]
    Namespace { prefix: Vec<u8>, separator: Option<u8> },
    /// ENABLED: what is on now, in upper case.
    Enabled(Vec<String>),
    /// Anything else: not asked for, or not understood.
    Other,
}

/// How something went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// How.
    pub how: How,
    /// What the server says of it for programs,
    pub code: Code,
    /// and for people.
    pub text: String,
}

/// The word of a [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are the protocol's")]
pub enum How {
    Ok,
    No,
    Bad,
    Bye,
    PreAuth,
}

/// A response code (RFC 9051 §7.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the codes are the protocol's")]
pub enum Code {
    #[default]
    None,
    Capability(Vec<String>),
    UidValidity(u32),
    UidNext(u32),
    HighestModSeq(u64),
    NoModSeq,
    /// The flags that are kept, and whether any keyword is.
    PermanentFlags {
        flags: Vec<String>,
        any: bool,
    },
    AppendUid {
        uid_validity: u32,
        uid: u32,
    },
    CopyUid {
        uid_validity: u32,
        from: Vec<(u32, u32)>,
        to: Vec<(u32, u32)>,
    },
    /// Another one, in upper case: `OVERQUOTA`, `TRYCREATE`, `NONEXISTENT`…
    Word(String),
}

/// A mailbox in a LIST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name as the protocol spells it.
    pub name: Vec<u8>,
    /// What separates its levels; `None`: there are none.
    pub separator: Option<u8>,
    /// Its attributes, in lower case with their backslash.
    pub attributes: Vec<String>,
}

/// What a STATUS says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The mailbox as the protocol spells it.
    pub name: Vec<u8>,
    /// MESSAGES
    pub messages: Option<u32>,
    /// UIDNEXT
    pub uid_next: Option<u32>,
    /// UIDVALIDITY
    pub uid_validity: Option<u32>,
    /// HIGHESTMODSEQ
    pub highest_modseq: Option<u64>,
}

/// What a FETCH says of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Its number.
    pub number: u32,
    /// UID
    pub uid: Option<u32>,
    /// FLAGS, but `\Recent`.
    pub flags: Option<Vec<String>>,
    /// INTERNALDATE
    pub received: Option<Stamp>,
    /// RFC822.SIZE
    pub size: Option<u32>,
    /// MODSEQ
    pub modseq: Option<u64>,
    /// Some of its header.
    pub header: Option<Vec<u8>>,
    /// `BODY[]`, as far as it was not taken from the connection.
    pub body: Option<Vec<u8>>,
}

impl Answer {
    /// From one whole response, without its last line end. `None` is nothing that a server may say.
    #[must_use]
    pub fn parse(response: &[u8]) -> Option<Answer> {
        parse::answer(response)
    }
}

/// Whether this line ends with a literal, and of how many octets: `{123}`, `{123+}` and `~{123}` (RFC 3516) are.
#[must_use]
pub fn literal(line: &[u8]) -> Option<u64> {
    let inner = line.strip_suffix(b"}")?;
    let open = memchr::memrchr(b'{', inner)?;
    let digits = inner.get(open + 1..)?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether the literal at the end of this line is a whole message.
#[must_use]
pub fn announces_body(line: &[u8]) -> bool {
    let Some(open) = memchr::memrchr(b'{', line) else { return false };
    let before = line.get(..open).unwrap_or_default();
    let before = before.strip_suffix(b"~").unwrap_or(before).trim_ascii_end();
    let at = before.len().saturating_sub(6);
    before.get(at..).is_some_and(|item| item.eq_ignore_ascii_case(b"BODY[]"))
}

/// A string as a command says it, where no literal is needed; `None` where one is.
#[must_use]
pub fn quoted(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > 1_000 || !text.iter().all(|octet| matches!(octet, 0x20..=0x7e)) {
        return None;
    }
    let mut said = Vec::with_capacity(text.len() + 2);
    said.push(b'"');
    for &octet in text {
        if matches!(octet, b'"' | b'\\') {
            said.push(b'\\');
        }
        said.push(octet);
    }
    said.push(b'"');
    Some(said)
}
