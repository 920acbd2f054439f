//! What a session is in the middle of.

use super::append::Upload;
use super::fetch::Fetching;
use super::finish::Finish;
use super::list::Listing;
use super::login::Exchange;
use super::search::Searching;
use super::store::Echo;
use crate::session::sasl::Proved;
use crate::store::SpecialUse;

/// One piece of work at a time. Each variant owns what exists only while it is done.
#[derive(Debug, Default)]
pub(super) enum Work {
    /// Nothing: the next command may come.
    #[default]
    None,
    /// An answer to `+ ` is awaited.
    Sasl(Box<Exchange>),
    Idle {
        tag: Box<str>,
    },
    Upload(Box<Upload>),
    /// A write, a password check or the like is being done outside.
    Waiting(Box<After>),
    Fetch(Box<Fetching>),
    Search(Box<Searching>),
    List(Box<Listing>),
    Echo(Box<Echo>),
    Finish(Finish),
}

/// What is to be done when the outside has done its part.
#[derive(Debug)]
pub(super) enum After {
    /// The tagged OK.
    Done {
        tag: Box<str>,
        name: &'static str,
    },
    /// CREATE or RENAME gave a mailbox a name, which the client spelled so.
    Named {
        tag: Box<str>,
        name: &'static str,
        given: Box<str>,
    },
    /// CLOSE leaves the mailbox.
    Closed {
        tag: Box<str>,
    },
    Appended {
        tag: Box<str>,
    },
    Copied {
        tag: Box<str>,
        moved: bool,
    },
    Stored(Box<Echo>),
    /// \Seen was set: the FETCH may begin.
    Seen(Box<Fetching>),
    /// A password check.
    Entered {
        tag: Box<str>,
        /// By a right proof, which is answered once it may be.
        proved: Option<Proved>,
    },
    /// SCRAM keys.
    Scram(Box<Exchange>),
}

impl After {
    /// What is being done outside, in a word.
    pub(super) fn doing(&self) -> &'static str {
        match self {
            After::Done { name, .. } | After::Named { name, .. } => name.split(' ').next().unwrap_or_default(),
            After::Closed { .. } => "CLOSE",
            After::Appended { .. } => "APPEND",
            After::Copied { moved: false, .. } => "COPY",
            After::Copied { moved: true, .. } => "MOVE",
            After::Stored(_) => "STORE",
            After::Seen(_) => "FETCH",
            After::Entered { .. } | After::Scram(_) => "logging in",
        }
    }
}

/// The special use that an attribute names, in any case.
pub(super) fn special_use(attribute: &str) -> Option<SpecialUse> {
    SpecialUse::ALL.into_iter().find(|special| special.attribute().eq_ignore_ascii_case(attribute))
}
