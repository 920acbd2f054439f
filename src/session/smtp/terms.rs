//! What holds for all sessions of a server.

use super::repeats::Repeats;
use super::spool::Spools;
use crate::delivery::Routing;
use crate::mail::Network;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// What is spoken, and with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With other servers, who bring mail for people here and for nobody else (RFC 5321).
    Mx,
    /// With mail programs of people here, who log in (RFC 6409).
    Submission,
    /// With a mail server of this machine, which wants to know of each recipient (RFC 2033).
    Lmtp,
}

/// What an owner chose.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Our host name.
    pub name: Arc<str>,
    /// Where mail goes.
    pub routing: Routing,
    /// Recipients of one message.
    pub recipients: usize,
    /// Octets of one message.
    pub message: u64,
    /// Whose mail is not checked: what they bring was sent by others, who cannot be known any more.
    pub trusted: Vec<Network>,
}

/// The rules, and what sessions share.
#[derive(Debug)]
pub struct Terms {
    pub(super) rules: Rules,
    pub(super) spools: Arc<Spools>,
    pub(super) repeats: Repeats,
}

impl Terms {
    /// `folder`: where what comes in may wait in files.
    #[must_use]
    pub fn new(rules: Rules, folder: Option<&Path>) -> Terms {
        Terms { rules, spools: Arc::new(Spools::new(folder)), repeats: Repeats::default() }
    }

    /// Whether what this one brings is checked.
    pub(super) fn checks(&self, peer: IpAddr) -> bool {
        !self.rules.trusted.iter().any(|network| network.holds(peer))
    }
}
