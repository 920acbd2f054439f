//! Trying what is to be set, before it is: whether a provider lets us in.

use super::Failed;
use super::serve::servers;
use super::size::counted;
use pillarbox::admin::{MirrorWish, Settings, Smarthost};
use pillarbox::courier::{self, Connector, Names, mirror};
use pillarbox::dns::Resolver;
use pillarbox::mail::AccountId;
use pillarbox::store::Protocol;
use smol::future::FutureExt;
use std::sync::Arc;
use std::time::Duration;

/// How long all of it may take: a person waits.
const PATIENCE: Duration = Duration::from_mins(1);

/// Tries a smarthost; what was found.
pub fn smarthost(settings: &Settings, smarthost: &Smarthost) -> Result<String, Failed> {
    let (connector, name) = (connector(settings), settings.name());
    let place = format!("{}:{}", smarthost.host, smarthost.port);
    within(courier::attempt(&connector, smarthost, &name)).map_err(|why| refused(&place, &why))?;
    let user = smarthost.login.as_ref().map_or_else(String::new, |(user, _)| format!(", and lets {user} in"));
    Ok(format!("{place} answers{user}.\n"))
}

/// Tries a mailbox at a provider; what was found.
pub fn mailbox(settings: &Settings, wish: &MirrorWish) -> Result<String, Failed> {
    // Whose it is here is of no account there.
    let provider = wish.provider(AccountId(0));
    let place = format!("{}:{}", provider.host, provider.port);
    let count = within(mirror::attempt(&connector(settings), &provider)).map_err(|why| refused(&place, &why))?;
    let found = match provider.protocol {
        Protocol::Imap => counted(count as u64, "folder", "folders"),
        Protocol::Pop3 => counted(count as u64, "message", "messages"),
    };
    Ok(format!("{place} lets {} in, and has {found}.\n", provider.user))
}

fn connector(settings: &Settings) -> Connector {
    Connector::new(Arc::new(Names(Arc::new(Resolver::new(servers(settings))))))
}

fn within<T>(attempt: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = async {
        smol::Timer::after(PATIENCE).await;
        Err("it took too long".to_owned())
    };
    smol::block_on(attempt.or(late))
}

fn refused(place: &str, why: &str) -> Failed {
    Failed::because(format!("{place} was tried, and nothing is set: {why}\n--no-check sets it without trying"))
}
