//! The server that takes all mail that goes out: a provider's, mostly, since few take mail from a home.

use super::action::{Failure, Reply, Secret};
use super::trust::Trust;
use crate::store::{Fault, Snapshot, Space, Store, Write};
use serde::{Deserialize, Serialize};

/// What to do with the smarthost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum SmarthostRequest {
    /// All mail goes there.
    Set(Smarthost),
    /// Which one it is.
    Show,
    /// None: mail goes to the hosts of its domains.
    Remove,
}

/// Where mail that goes out is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smarthost {
    /// Its name, or its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How private the connection must be.
    pub privacy: SmarthostPrivacy,
    /// What its certificate must be.
    pub trust: Trust,
    /// Who we are there, and how we prove it.
    pub login: Option<(String, Secret)>,
}

/// How private a connection to a smarthost is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SmarthostPrivacy {
    /// TLS from the first octet.
    Tls,
    /// STARTTLS, without which nothing is said.
    StartTls,
    /// Plain text: for a server on this machine, or in this house.
    None,
}

/// Octets of a host name (RFC 1035 §2.3.4).
const HOST: usize = 253;

/// The smarthost, if there is one.
pub fn smarthost(snapshot: &Snapshot) -> Result<Option<Smarthost>, Fault> {
    let Some(kept) = snapshot.kept(Space::Smarthost, b"")? else { return Ok(None) };
    serde_json::from_slice(&kept).map(Some).map_err(|_| Fault::Corrupt("the smarthost"))
}

pub(super) fn perform(store: &Store, request: SmarthostRequest) -> Result<Reply, Failure> {
    let value = match request {
        SmarthostRequest::Show => {
            // Who may ask knows the password, or may set another.
            let shown = smarthost(&store.snapshot()?)?.map(|smarthost| {
                let login = smarthost.login.map(|(user, _)| (user, Secret(String::new())));
                Smarthost { login, ..smarthost }
            });
            return Ok(Reply::Smarthost(shown));
        }
        SmarthostRequest::Set(smarthost) => {
            let host = &smarthost.host;
            if host.is_empty() || host.len() > HOST || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
                return Err(Failure::Refused(format!("{host:?} is no host")));
            }
            let kept = serde_json::to_vec(&smarthost).map_err(|error| Failure::Fault(error.to_string()))?;
            Some(kept)
        }
        SmarthostRequest::Remove => None,
    };
    store.write_blocking(Write::Keep { space: Space::Smarthost, key: Vec::new(), value })?;
    // What waits may go now.
    super::queue::retry_all(store)?;
    Ok(Reply::Done)
}
