//! Coming in at a provider: a connection, TLS where it is wanted, and the log-in.

use super::error::Error;
use super::imap::Imap;
use super::pop3::Pop3;
use crate::courier::{Connection, Connector, Target, Trust};
use crate::store::{Certificate, Protocol, Provider, Security};

/// A connection by IMAP that is logged in.
pub(super) async fn imap(connector: &Connector, provider: &Provider) -> Result<Imap<Connection>, Error> {
    let target = target(provider);
    let connection = connector.connect(&target).await?;
    let (mut imap, mut inside) = Imap::greet(connection).await?;
    if provider.security == Security::StartTls {
        // Who is greeted as one who is logged in cannot begin TLS, and must not go on without.
        if inside {
            return Err(Error::Unable("the provider does not begin TLS".to_owned()));
        }
        connector.encrypt(imap.start_tls().await?, &target).await?;
        inside = false;
    }
    if !inside {
        imap.log_in(&provider.user, &provider.password).await?;
    }
    imap.prepare().await?;
    Ok(imap)
}

/// The same by POP3.
pub(super) async fn pop3(connector: &Connector, provider: &Provider) -> Result<Pop3<Connection>, Error> {
    let target = target(provider);
    let mut pop3 = Pop3::greet(connector.connect(&target).await?).await?;
    if provider.security == Security::StartTls {
        connector.encrypt(pop3.start_tls().await?, &target).await?;
    }
    pop3.log_in(&provider.user, &provider.password).await?;
    Ok(pop3)
}

/// Comes in once, and goes again: how many folders, or by POP3 messages, there are. The error is for the owner.
pub async fn attempt(connector: &Connector, provider: &Provider) -> Result<usize, String> {
    let counted = async {
        match provider.protocol {
            Protocol::Imap => Ok::<_, Error>(imap(connector, provider).await?.list().await?.len()),
            Protocol::Pop3 => {
                let mut pop3 = pop3(connector, provider).await?;
                let listed = pop3.list().await?.len();
                pop3.quit().await?;
                Ok(listed)
            }
        }
    };
    counted.await.map_err(|error| error.to_string())
}

fn target(provider: &Provider) -> Target {
    let trust = match &provider.certificate {
        Certificate::Public => Trust::Public,
        Certificate::Anyone => Trust::Anyone,
        Certificate::Authority(path) => Trust::Authority(path.into()),
        Certificate::Fingerprint(fingerprint) => Trust::Fingerprint(*fingerprint),
    };
    let tls = provider.security == Security::Tls;
    Target { host: provider.host.clone(), port: provider.port, tls, trust }
}
