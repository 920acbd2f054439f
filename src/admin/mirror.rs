//! Mailboxes at providers, as their owner wants them.

use super::accounts::find;
use super::action::{Failure, Reply, Secret};
use crate::mail::MailboxName;
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

fn add(store: &Store, wish: MirrorWish) -> Result<ProviderId, Failure> {
    let refused = |why: &str| Failure::Refused(why.to_owned());
    let MirrorWish { address, protocol, host, port, security, certificate, user, password, way, every } = wish;
    let Secret(password) = password;
    let snapshot = store.snapshot()?;
    let (account, _) = find(&snapshot, &address)?;
    let is_word = |word: &str| !word.is_empty() && word.len() <= WORD && !word.contains(char::is_control);
    if !is_word(&host) || host.contains(char::is_whitespace) {
        return Err(refused("this is no host"));
    }
    if !is_word(&user) || !is_word(&password) {
        return Err(refused("a user or a password has one line, which is not empty"));
    }
    let mut way = way;
    if let Way::Collect { into, .. } = &mut way {
        let name = MailboxName::settle(into).map_err(|bad| refused(&format!("{into:?} is no mailbox name: {bad}")))?;
        name.as_str().clone_into(into);
    }
    if protocol == Protocol::Pop3 && way == Way::Both {
        return Err(refused("by POP3 mail can only be collected"));
    }
    let mut own = snapshot.providers()?;
    own.retain(|(_, provider)| provider.account == account);
    if own.len() >= MOST {
        return Err(refused("the account has too many mailboxes at providers"));
    }
    // Each would take the other's changes for its own.
    if way == Way::Both && own.iter().any(|(_, provider)| provider.way == Way::Both) {
        return Err(refused("the account is the mirror of a mailbox already: another one can only be collected from"));
    }
    let usual = match (protocol, security) {
        (Protocol::Imap, Security::Tls) => 993,
        (Protocol::Imap, _) => 143,
        (Protocol::Pop3, Security::Tls) => 995,
        (Protocol::Pop3, _) => 110,
    };
    let provider = Provider {
        account,
        protocol,
        host,
        port: port.unwrap_or(usual),
        security,
        certificate,
        user,
        password,
        way,
        every: every.unwrap_or(EVERY).max(OFTEN),
        paused: false,
        asked: 0,
        confirmed: 0,
        made: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed()),
    };
    match store.write_blocking(Write::Provider(Box::new(ProviderChange::Add(provider))))? {
        Outcome::Provider(id) => Ok(id),
        _ => Err(Failure::Fault("a new mailbox at a provider without number".to_owned())),
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
