//! What the framer says.

#[cfg(doc)]
use super::Framer;

/// What the framer has to say. Bytes are borrowed from its buffer and are consumed with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing is whole yet: read more.
    More,
    /// A complete command without its last line end; literals stand in it as they came (`{3}` CRLF `abc`).
    /// An empty line is an empty command.
    Command {
        /// For `Command::parse`.
        bytes: &'a [u8],
    },
    /// The client waits for `+ ` before it sends the literal it announced.
    Continue,
    /// The message literal of an APPEND was announced. Call [`Framer::accept`] or [`Framer::refuse`].
    Append {
        /// The command up to the literal's header, for `Append::parse`.
        bytes: &'a [u8],
        /// Octets announced; what does not fit into 64 bits is the largest number.
        size: u64,
        /// The client waits for `+ `.
        sync: bool,
        /// `~{…}`: a literal8.
        binary: bool,
    },
    /// The line of the APPEND ended after its message: it may be carried out.
    AppendEnd,
    /// Something followed the message of the APPEND and was skipped up to its line end: BAD.
    AppendBroken,
    /// The line asked for by [`Framer::expect_line`], without its line end.
    Line {
        /// As it came.
        bytes: &'a [u8],
    },
    /// A line was too long, or the literals too many; it has been skipped up to its end: BAD.
    TooLong {
        /// The command's tag, if one could be read.
        tag: Option<&'a str>,
    },
    /// A literal was too large, and has been skipped where it came regardless: `BAD [TOOBIG]`, without `+ `.
    TooBig {
        /// The command's tag, if one could be read.
        tag: Option<&'a str>,
    },
    /// The client sends more than is worth skipping (RFC 7888 §4): BYE, and close. Nothing comes after this.
    Fatal,
}
