//! Mailboxes at providers, as their owner wants them.

use super::accounts::find;
use super::action::{Failure, Reply, Secret};
use crate::mail::{AccountId, MailboxName};
use crate::store::{
    Certificate, Outcome, Protocol, Provider, ProviderChange, ProviderId, ProviderState, Security, Snapshot, Store,
    Way, Write,
};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// Octets of a host, a user, or the name of a mailbox.
const WORD: usize = 1_000;
/// Mailboxes at providers of one account.
const MOST: usize = 32;
/// Seconds from one look to the next, where nothing else is wanted.
const EVERY: u32 = 300;
/// Seconds at least.
const OFTEN: u32 = 10;

/// What can be asked of mailboxes at providers. `which`: its number, or the address of an account that has one only.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum MirrorRequest {
    /// A new one.
    Add(MirrorWish),
    /// Another host, user or password of one that is there.
    Change { which: String, change: Box<MirrorChange> },
    /// All.
    List,
    /// One.
    Show { which: String },
    /// A look at once; `confirm`: what is held back is done.
    Run { which: String, confirm: bool },
    /// Nothing is done any more, or it is again.
    Pause { which: String, paused: bool },
    /// It is forgotten; mail stays where it is.
    Remove { which: String },
}

/// A mailbox at a provider as it is wanted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MirrorWish {
    /// Whose mail it is here.
    pub address: String,
    /// How it is talked to.
    pub protocol: Protocol,
    /// Its host.
    pub host: String,
    /// Its port; `None`: the usual one.
    pub port: Option<u16>,
    /// TLS.
    pub security: Security,
    /// Which certificate is believed.
    pub certificate: Certificate,
    /// The user there.
    pub user: String,
    /// The password there.
    pub password: Secret,
    /// Which way mail goes.
    pub way: Way,
    /// Seconds from one look to the next.
    pub every: Option<u32>,
}

/// What is other about a mailbox at a provider from now on; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorChange {
    /// Its host.
    pub host: Option<String>,
    /// Its port; with another way of TLS the usual one, where none is said.
    pub port: Option<u16>,
    /// TLS.
    pub security: Option<Security>,
    /// Which certificate is believed.
    pub certificate: Option<Certificate>,
    /// The user there.
    pub user: Option<String>,
    /// The password there.
    pub password: Option<Secret>,
    /// Seconds from one look to the next.
    pub every: Option<u32>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MirrorReply {
    /// Those that there are.
    Mirrors(Vec<MirrorShown>),
    /// One.
    Mirror(Box<MirrorShown>),
    /// The look will be done when the state's `done` is this.
    Asked(u64),
}

/// A mailbox at a provider, without its password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorShown {
    /// Its number.
    pub id: u32,
    /// Whose mail it is here.
    pub address: String,
    /// How it is talked to.
    pub protocol: Protocol,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS.
    pub security: Security,
    /// The user there.
    pub user: String,
    /// Which way mail goes.
    pub way: Way,
    /// Seconds from one look to the next.
    pub every: u32,
    /// Nothing is done.
    pub paused: bool,
    /// How it goes.
    pub state: ProviderState,
}

/// Does what is asked for.
pub(super) fn perform(store: &Store, request: MirrorRequest) -> Result<Reply, Failure> {
    Ok(match request {
        MirrorRequest::Add(wish) => {
            let id = add(store, wish)?;
            let shown = shown(&store.snapshot()?, id)?;
            Reply::Mirror(MirrorReply::Mirror(Box::new(shown)))
        }
        MirrorRequest::Change { which, change: wanted } => {
            let (id, provider) = named(&store.snapshot()?, &which)?;
            let provider = wanted.applied(provider)?;
            change(store, ProviderChange::Set { id, provider })?;
            Reply::Mirror(MirrorReply::Mirror(Box::new(shown(&store.snapshot()?, id)?)))
        }
        MirrorRequest::List => {
            let snapshot = store.snapshot()?;
            let all = snapshot.providers()?.into_iter().map(|(id, _)| shown(&snapshot, id));
            Reply::Mirror(MirrorReply::Mirrors(all.collect::<Result<_, _>>()?))
        }
        MirrorRequest::Show { which } => {
            let snapshot = store.snapshot()?;
            let (id, _) = named(&snapshot, &which)?;
            Reply::Mirror(MirrorReply::Mirror(Box::new(shown(&snapshot, id)?)))
        }
        MirrorRequest::Run { which, confirm } => {
            let (id, mut provider) = named(&store.snapshot()?, &which)?;
            if provider.paused {
                return Err(Failure::Refused("it is paused: `pillarbox mirror resume` first".to_owned()));
            }
            provider.asked = provider.asked.saturating_add(1);
            if confirm {
                provider.confirmed = provider.asked;
            }
            let asked = provider.asked;
            change(store, ProviderChange::Set { id, provider })?;
            Reply::Mirror(MirrorReply::Asked(asked))
        }
        MirrorRequest::Pause { which, paused } => {
            let (id, provider) = named(&store.snapshot()?, &which)?;
            change(store, ProviderChange::Set { id, provider: Provider { paused, ..provider } })?;
            Reply::Done
        }
        MirrorRequest::Remove { which } => {
            let (id, _) = named(&store.snapshot()?, &which)?;
            change(store, ProviderChange::Remove(id))?;
            Reply::Done
        }
    })
}

fn add(store: &Store, mut wish: MirrorWish) -> Result<ProviderId, Failure> {
    let refused = |why: &str| Failure::Refused(why.to_owned());
    let snapshot = store.snapshot()?;
    let (account, _) = find(&snapshot, &wish.address)?;
    check_words(&wish.host, &wish.user, &wish.password.0)?;
    if let Way::Collect { into, .. } = &mut wish.way {
        let name = MailboxName::settle(into).map_err(|bad| refused(&format!("{into:?} is no mailbox name: {bad}")))?;
        name.as_str().clone_into(into);
    }
    let both = wish.way == Way::Both;
    if wish.protocol == Protocol::Pop3 && both {
        return Err(refused("by POP3 mail can only be collected"));
    }
    let mut own = snapshot.providers()?;
    own.retain(|(_, provider)| provider.account == account);
    if own.len() >= MOST {
        return Err(refused("the account has too many mailboxes at providers"));
    }
    // Each would take the other's changes for its own.
    if both && own.iter().any(|(_, provider)| provider.way == Way::Both) {
        return Err(refused(
            "the account is the mirror of a mailbox already: `mirror change` puts that one right, and another one can only be \
             collected from",
        ));
    }
    let provider = wish.provider(account);
    match store.write_blocking(Write::Provider(Box::new(ProviderChange::Add(provider))))? {
        Outcome::Provider(id) => Ok(id),
        _ => Err(Failure::Fault("a new mailbox at a provider without number".to_owned())),
    }
}

fn check_words(host: &str, user: &str, password: &str) -> Result<(), Failure> {
    let is_word = |word: &str| !word.is_empty() && word.len() <= WORD && !word.contains(char::is_control);
    if !is_word(host) || host.contains(char::is_whitespace) {
        return Err(Failure::Refused(format!("{host:?} is no host")));
    }
    if !is_word(user) || !is_word(password) {
        return Err(Failure::Refused("a user or a password has one line, which is not empty".to_owned()));
    }
    Ok(())
}

fn usual_port(protocol: Protocol, security: Security) -> u16 {
    match (protocol, security) {
        (Protocol::Imap, Security::Tls) => 993,
        (Protocol::Imap, _) => 143,
        (Protocol::Pop3, Security::Tls) => 995,
        (Protocol::Pop3, _) => 110,
    }
}

impl MirrorWish {
    /// As it is kept for an account.
    #[must_use]
    pub fn provider(&self, account: AccountId) -> Provider {
        let MirrorWish { protocol, host, port, security, certificate, user, password, way, every, .. } = self.clone();
        Provider {
            account,
            protocol,
            host,
            port: port.unwrap_or(usual_port(protocol, security)),
            security,
            certificate,
            user,
            password: password.0,
            way,
            every: every.unwrap_or(EVERY).max(OFTEN),
            paused: false,
            asked: 0,
            confirmed: 0,
            made: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed()),
        }
    }
}

impl MirrorChange {
    fn applied(self, mut provider: Provider) -> Result<Provider, Failure> {
        let was_usual = provider.port == usual_port(provider.protocol, provider.security);
        provider.host = self.host.unwrap_or(provider.host);
        provider.security = self.security.unwrap_or(provider.security);
        if let Some(port) = self.port {
            provider.port = port;
        } else if was_usual {
            provider.port = usual_port(provider.protocol, provider.security);
        }
        provider.certificate = self.certificate.unwrap_or(provider.certificate);
        provider.user = self.user.unwrap_or(provider.user);
        provider.password = self.password.map_or(provider.password, |Secret(password)| password);
        provider.every = self.every.map_or(provider.every, |every| every.max(OFTEN));
        check_words(&provider.host, &provider.user, &provider.password)?;
        Ok(provider)
    }
}

/// The one that is meant.
fn named(snapshot: &Snapshot, which: &str) -> Result<(ProviderId, Provider), Failure> {
    let refused = |why: String| Failure::Refused(why);
    if let Ok(number) = which.parse() {
        let id = ProviderId(number);
        let provider = snapshot.provider(id)?;
        return provider.map(|provider| (id, provider)).ok_or_else(|| refused(format!("there is no mirror {which}")));
    }
    let (account, _) = find(snapshot, which)?;
    let mut own = snapshot.providers()?;
    own.retain(|(_, provider)| provider.account == account);
    match own.len() {
        0 => Err(refused(format!("{which} has no mailbox at a provider"))),
        1 => own.pop().ok_or_else(|| refused(format!("{which} has no mailbox at a provider"))),
        _ => Err(refused(format!("{which} has several: say its number, as in `pillarbox mirror list`"))),
    }
}

fn shown(snapshot: &Snapshot, id: ProviderId) -> Result<MirrorShown, Failure> {
    let gone = || Failure::Refused("it was removed meanwhile".to_owned());
    let provider = snapshot.provider(id)?.ok_or_else(gone)?;
    let address = snapshot.account(provider.account)?.ok_or_else(gone)?.address;
    let Provider { protocol, host, port, security, user, way, every, paused, .. } = provider;
    let state = snapshot.provider_state(id)?;
    Ok(MirrorShown { id: id.0, address, protocol, host, port, security, user, way, every, paused, state })
}

fn change(store: &Store, change: ProviderChange) -> Result<(), Failure> {
    store.write_blocking(Write::Provider(Box::new(change)))?;
    Ok(())
}
