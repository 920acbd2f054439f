//! The envelope of a message: its header fields, parsed but not decoded, as IMAP shows them (RFC 9051 §7.5.2).

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Raw, unfolded header values; encoded words stay encoded. Read once, at delivery, and kept in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<'a> {
    /// The Date field as written.
    #[serde(borrow, with = "serde_bytes")]
    pub date: Option<Cow<'a, [u8]>>,
    /// The Subject field, unfolded.
    #[serde(borrow, with = "serde_bytes")]
    pub subject: Option<Cow<'a, [u8]>>,
    /// From.
    #[serde(borrow)]
    pub from: Vec<Address<'a>>,
    /// Sender; empty here where the field is absent or empty (who shows it falls back to From).
    #[serde(borrow)]
    pub sender: Vec<Address<'a>>,
    /// Reply-To; empty here where the field is absent or empty (who shows it falls back to From).
    #[serde(borrow)]
    pub reply_to: Vec<Address<'a>>,
    /// To.
    #[serde(borrow)]
    pub to: Vec<Address<'a>>,
    /// Cc.
    #[serde(borrow)]
    pub cc: Vec<Address<'a>>,
    /// Bcc.
    #[serde(borrow)]
    pub bcc: Vec<Address<'a>>,
    /// In-Reply-To, unfolded.
    #[serde(borrow, with = "serde_bytes")]
    pub in_reply_to: Option<Cow<'a, [u8]>>,
    /// Message-ID, unfolded and trimmed.
    #[serde(borrow, with = "serde_bytes")]
    pub message_id: Option<Cow<'a, [u8]>>,
}

/// One address, or the begin or end of a group (RFC 9051 §7.5.2: host NIL; a start has its name in `mailbox`,
/// an end has no mailbox either).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address<'a> {
    /// The display name, quotes removed, encoded words kept.
    #[serde(borrow, with = "serde_bytes")]
    pub name: Option<Cow<'a, [u8]>>,
    /// The obsolete source route (`@a,@b`).
    #[serde(borrow, with = "serde_bytes")]
    pub route: Option<Cow<'a, [u8]>>,
    /// The local part, or a group's name.
    #[serde(borrow, with = "serde_bytes")]
    pub mailbox: Option<Cow<'a, [u8]>>,
    /// The domain.
    #[serde(borrow, with = "serde_bytes")]
    pub host: Option<Cow<'a, [u8]>>,
}
