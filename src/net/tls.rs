//! Who we are in TLS: a certificate of our own making, or the owner's, taken anew when it changes.
//!
//! At the first start a certificate authority is made, and by it a certificate for the host's names and addresses. The
//! authority is what a client is told to trust once: the certificate is renewed under it without anybody's doing.

mod make;

pub use make::outward_addresses;

use async_rustls::TlsAcceptor;
use async_rustls::pki_types::pem::PemObject;
use async_rustls::pki_types::{CertificateDer, PrivateKeyDer};
use async_rustls::rustls::crypto::{CryptoProvider, ring as provider};
use async_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use async_rustls::rustls::sign::CertifiedKey;
use async_rustls::rustls::{ServerConfig, version};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

/// Our certificate, and what serves it.
#[derive(Debug)]
pub struct Identity {
    files: OwnersFiles,
    /// Where our own authority lies; `None` with the owner's files.
    own: Option<Own>,
    shown: Arc<Shown>,
    /// Nothing is written, and what is shown may be in memory only: it stays as it is.
    frozen: bool,
    config: Arc<ServerConfig>,
    seen: Mutex<[Option<(SystemTime, u64)>; 2]>,
}

/// PEM files: the owner's, or those that we made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnersFiles {
    /// The certificate and its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// There is no certificate to serve; the text is for the owner.
#[derive(Debug)]
pub struct TlsFault(String);

#[derive(Debug)]
struct Own {
    folder: PathBuf,
    names: Vec<String>,
    authority: CertificateDer<'static>,
}

/// The certificate that new sessions are shown. Sessions that have begun do not ask again.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl Identity {
    /// The identity of a data folder, made where there is none. `name`: our host name; `bind`: the address that we listen
    /// on, which is one of the certificate's names as well.
    pub fn open(data: &Path, name: &str, bind: IpAddr, owners: Option<OwnersFiles>) -> Result<Identity, TlsFault> {
        let (files, own) = if let Some(files) = owners {
            (files, None)
        } else {
            let folder = data.join("tls");
            let names = make::names(name, bind);
            let authority = make::ensure(&folder, &names, SystemTime::now())?;
            let files = OwnersFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
            (files, Some(Own { folder, names, authority }))
        };
        let key = load(&files, own.as_ref().map(|own| &own.authority))?;
        Identity::of(key, files, own, false)
    }

    fn of(key: CertifiedKey, files: OwnersFiles, own: Option<Own>, frozen: bool) -> Result<Identity, TlsFault> {
        let seen = stamps(&files);
        let shown = Arc::new(Shown(RwLock::new(Arc::new(key))));
        let config = ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| TlsFault(error.to_string()))?;
        let mut config =
            config.with_no_client_auth().with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        // Phones come back all day: what a session needs to go on is kept by them, not in our memory.
        config.ticketer = provider::Ticketer::new().map_err(|error| TlsFault(error.to_string()))?;
        config.send_tls13_tickets = 1;
        Ok(Identity { files, own, shown, frozen, config: Arc::new(config), seen: Mutex::new(seen) })
    }

    /// The identity of a data folder that nothing is written to. What is there is used; what is missing, or cannot be
    /// used any more, is made, and kept in memory: a certificate that must be trusted anew is better than no mail.
    pub fn open_read_only(
        data: &Path,
        name: &str,
        bind: IpAddr,
        owners: Option<OwnersFiles>,
    ) -> Result<Identity, TlsFault> {
        let owns = owners.is_none();
        let folder = data.join("tls");
        let files =
            owners.unwrap_or_else(|| OwnersFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") });
        let names = make::names(name, bind);
        let lying = CertificateDer::from_pem_file(folder.join("ca.pem")).ok().filter(|_| owns);
        let found = load(&files, lying.as_ref());
        let kept = match &found {
            // The owner's certificate is the owner's affair, expired or not.
            Ok(_) if !owns => None,
            Ok(key) => make::in_memory(&folder, &names, key.cert.first(), SystemTime::now())?,
            Err(fault) => {
                log::warn!("{fault}");
                make::in_memory(&folder, &names, None, SystemTime::now())?
            }
        };
        let (key, authority) = match kept {
            None => (found?, None),
            Some(made) => {
                log::warn!("a certificate was made that lasts until the server ends");
                let chain = vec![made.leaf, made.authority.clone()];
                (certified(chain, made.key, &"the new key")?, Some(made.authority))
            }
        };
        let own = authority.or(lying).map(|authority| Own { folder, names, authority });
        Identity::of(key, files, own, true)
    }

    /// Renews our own certificate when its end is near, and takes files that changed. Sessions go on; files that cannot
    /// be used are told of once, and the certificate stays what it was.
    pub fn refresh(&self) {
        if self.frozen {
            return;
        }
        if let Some(own) = &self.own
            // Addresses that changed since the start are no reason: a new certificate at each network would be noise.
            && let Err(fault) = make::ensure_leaf(&own.folder, &own.authority, &own.names, 1, SystemTime::now())
        {
            log::error!("the certificate cannot be renewed: {fault}");
        }
        let now = stamps(&self.files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return;
        }
        *seen = now;
        match load(&self.files, self.own.as_ref().map(|own| &own.authority)) {
            Ok(key) => {
                *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
                log::info!("the certificate changed: new sessions are shown the new one");
            }
            Err(fault) => log::error!("the changed certificate is not used: {fault}"),
        }
    }

    /// What accepts TLS.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }

    /// The SHA-256 fingerprint of the certificate that new sessions are shown, in hexadecimal with colons: what programs
    /// and browsers show for comparison.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.shown.now().cert.first().map(fingerprint).unwrap_or_default()
    }

    /// That of our own authority; `None` with the owner's certificate.
    #[must_use]
    pub fn authority_fingerprint(&self) -> Option<String> {
        self.own.as_ref().map(|own| fingerprint(&own.authority))
    }

    /// The file with what a client is to trust, where that is our own authority.
    #[must_use]
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.own.as_ref().map(|own| own.folder.join("ca.pem"))
    }
}

impl Shown {
    fn now(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for TlsFault {}

/// Reads a certificate with its key; they must fit. Our own `authority` is sent along: who pins it, or takes it over at
/// the first visit, then finds it in the handshake.
fn load(files: &OwnersFiles, authority: Option<&CertificateDer<'static>>) -> Result<CertifiedKey, TlsFault> {
    let mut chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| TlsFault(format!("{}: {error}", files.certificate.display())))?;
    if chain.is_empty() {
        return Err(TlsFault(format!("{}: there is no certificate in it", files.certificate.display())));
    }
    if let Some(authority) = authority.filter(|authority| !chain.contains(authority)) {
        chain.push(authority.clone());
    }
    let in_key = |error: &dyn fmt::Display| TlsFault(format!("{}: {error}", files.key.display()));
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| in_key(&error))?;
    certified(chain, key, &files.key.display())
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    from: &dyn fmt::Display,
) -> Result<CertifiedKey, TlsFault> {
    let provider: CryptoProvider = provider::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|error| TlsFault(format!("{from}: {error}")))
}

/// When the files were changed, and their sizes.
fn stamps(files: &OwnersFiles) -> [Option<(SystemTime, u64)>; 2] {
    [&files.certificate, &files.key].map(|path| {
        let metadata = path.metadata().ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
    let octets: Vec<String> = digest.as_ref().iter().map(|octet| format!("{octet:02X}")).collect();
    octets.join(":")
}

#[cfg(test)]
mod tests;
