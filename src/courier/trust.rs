//! Whom we believe to be the server that we meant.

use crate::admin::Trust;
use async_rustls::pki_types::pem::PemObject;
use async_rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use async_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use async_rustls::rustls::crypto::{CryptoProvider, ring as provider, verify_tls12_signature, verify_tls13_signature};
use async_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, version,
};
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// The authorities that the machine trusts, where it has any: its owner may have added one.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What is kept from connection to connection: a list of some 150 authorities is not read each time.
#[derive(Debug, Default)]
pub(super) struct Configs {
    public: OnceLock<Arc<ClientConfig>>,
    anyone: OnceLock<Arc<ClientConfig>>,
}

/// Believes everybody, or one certificate.
#[derive(Debug)]
struct Pinned {
    /// `None`: any will do.
    fingerprint: Option<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl Configs {
    /// How TLS is begun with a server that is trusted so.
    pub(super) fn of(&self, trust: &Trust) -> io::Result<Arc<ClientConfig>> {
        let cached = match trust {
            Trust::Public => &self.public,
            Trust::Anyone => &self.anyone,
            Trust::Authority(_) | Trust::Fingerprint(_) => return make(trust),
        };
        if let Some(config) = cached.get() {
            return Ok(Arc::clone(config));
        }
        let config = make(trust)?;
        Ok(Arc::clone(cached.get_or_init(|| config)))
    }
}

fn make(trust: &Trust) -> io::Result<Arc<ClientConfig>> {
    let provider = Arc::new(provider::default_provider());
    let begun = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(io::Error::other)?;
    let pinned = |fingerprint| Arc::new(Pinned { fingerprint, provider: Arc::clone(&provider) });
    let checked = match trust {
        Trust::Public => begun.with_root_certificates(public()),
        Trust::Authority(file) => begun.with_root_certificates(authorities(file)?),
        Trust::Anyone => begun.dangerous().with_custom_certificate_verifier(pinned(None)),
        Trust::Fingerprint(one) => begun.dangerous().with_custom_certificate_verifier(pinned(Some(*one))),
    };
    Ok(Arc::new(checked.with_no_client_auth()))
}

/// The machine's authorities; on an appliance, which has none, those that Mozilla trusts.
fn public() -> RootCertStore {
    match authorities(Path::new(SYSTEM)) {
        Ok(found) => found,
        Err(_) => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    }
}

fn authorities(file: &Path) -> io::Result<RootCertStore> {
    let broken =
        |why: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", file.display()));
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.map_err(|error| broken(&error))?);
    if taken == 0 {
        return Err(broken(&"there is no certificate in it"));
    }
    Ok(roots)
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = ring::digest::digest(&ring::digest::SHA256, end_entity);
        match self.fingerprint {
            Some(pinned) if shown.as_ref() != pinned => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.fingerprint.is_none() {
            // A certificate that proves nothing need not be one that we can read.
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.fingerprint.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
