//! What is announced, and when.

use super::session::Session;
use crate::mail::limits;
use crate::session::Privacy;
use crate::wire::Out;
use crate::wire::imap::reply;
use std::sync::LazyLock;

/// Before log-in.
const BEFORE: [&str; 5] = ["IMAP4rev1", "IMAP4rev2", "LITERAL+", "ID", "ENABLE"];

/// After log-in. APPENDLIMIT with a value holds for all mailboxes (RFC 7889 §2).
const AFTER: [&str; 23] = [
    "IMAP4rev1",
    "IMAP4rev2",
    "LITERAL+",
    "ID",
    "ENABLE",
    "IDLE",
    "NAMESPACE",
    "UNSELECT",
    "CHILDREN",
    "UIDPLUS",
    "MOVE",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "STATUS=SIZE",
    "ESEARCH",
    "SEARCHRES",
    "WITHIN",
    "BINARY",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "QUOTA=RES-MESSAGE",
];

static APPEND_LIMIT: LazyLock<String> = LazyLock::new(|| format!("APPENDLIMIT={}", limits::MESSAGE));

impl Session {
    /// The capabilities of this moment.
    pub(super) fn capabilities(&self) -> Vec<&'static str> {
        if self.user().is_some() {
            return AFTER.into_iter().chain([APPEND_LIMIT.as_str()]).collect();
        }
        let mut names = BEFORE.to_vec();
        match self.privacy() {
            Privacy::Tls => names.extend(["SASL-IR", "AUTH=PLAIN", "AUTH=SCRAM-SHA-256"]),
            Privacy::Local => names.extend(["STARTTLS", "SASL-IR", "AUTH=PLAIN", "AUTH=SCRAM-SHA-256"]),
            Privacy::None => names.extend(["STARTTLS", "LOGINDISABLED"]),
        }
        names
    }

    pub(super) fn tell_capabilities(&self, out: &mut Out) {
        reply::capability(out, &self.capabilities());
    }
}
