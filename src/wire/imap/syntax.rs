//! What was wrong with a command: the client's fault, answered with BAD (or NO, see [`Reason`]).

/// A command that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syntax {
    /// The command's tag, to answer under; without one the answer is untagged.
    pub tag: Option<Box<str>>,
    /// Why.
    pub reason: Reason,
}

/// Why a command cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An empty line, or a line that does not begin with a tag.
    NoTag,
    /// A tag, and nothing after it.
    NoCommand,
    /// No command of this name.
    UnknownCommand,
    /// The arguments are not what the command takes.
    BadArguments(&'static str),
    /// The mailbox name is not valid in the client's dialect, or too long. May be answered NO.
    BadMailbox(&'static str),
    /// SEARCH in a charset that we do not read: `NO [BADCHARSET]` (RFC 9051 §6.4.4).
    BadCharset {
        /// Its result was to be saved: there is none now (RFC 5182 §2.1).
        saves: bool,
    },
    /// Parentheses, NOT or OR nested too deep.
    TooDeep,
    /// More of something than we take.
    TooMany(&'static str),
}

impl Reason {
    /// For the client: never what it sent.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Reason::NoTag => "A command begins with a tag",
            Reason::NoCommand => "The command is missing",
            Reason::UnknownCommand => "Unknown command",
            Reason::BadArguments(text) | Reason::BadMailbox(text) | Reason::TooMany(text) => text,
            Reason::BadCharset { .. } => "This charset is not supported",
            Reason::TooDeep => "Nested too deep",
        }
    }
}
