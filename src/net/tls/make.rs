//! Making our own authority and our own certificate.

use super::TlsFault;
use async_rustls::pki_types::pem::PemObject;
use async_rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use async_rustls::rustls::RootCertStore;
use async_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use async_rustls::rustls::crypto::ring::default_provider;
use async_rustls::rustls::server::ParsedCertificate;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

/// Apple's clients refuse certificates that are good for more than 825 days, also under an authority of one's own.
const GOOD_FOR: Duration = Duration::from_hours(800 * 24);
/// Renewed when less than this is left: clients that are switched on once a month still see no gap.
const RENEW: Duration = Duration::from_hours(60 * 24);
/// Clients' clocks may be behind ours.
const BEFORE: Duration = Duration::from_hours(24);
/// 2026-11-01 in days since 1970. No clock that shows an earlier day is right: a board without one starts in 1970.
pub(super) const BUILT: Duration = Duration::from_hours(20_758 * 24);

/// Names and addresses that clients may know us by; the host name first. `bind`: the address that we listen on.
pub(super) fn names(host: &str, bind: IpAddr) -> Vec<String> {
    let mut names = vec![host.to_owned()];
    let short = host.split('.').next().unwrap_or(host);
    names.extend([format!("{short}.local"), short.to_owned(), "localhost".to_owned()]);
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let bound = (!bind.is_unspecified()).then_some(bind);
    names.extend(addresses.into_iter().chain(bound).chain(outward_addresses()).map(|address| address.to_string()));
    let mut known = std::collections::HashSet::new();
    names.retain(|name| known.insert(name.clone()));
    names
}

/// The addresses by which this machine is seen from its network, of each kind one.
#[must_use]
pub fn outward_addresses() -> Vec<IpAddr> {
    // To connect a datagram socket sends nothing, but finds the address that would be sent from. Both are for
    // documentation (RFC 5737, RFC 3849): whatever leads out leads there.
    let ways = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    let outward = ways.iter().filter_map(|(from, to)| {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    outward.collect()
}

/// Makes what is missing in the folder; returns the authority.
pub(super) fn ensure(folder: &Path, names: &[String], now: SystemTime) -> Result<CertificateDer<'static>, TlsFault> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| in_file(folder, &error))?;
    let (certificate, key) = (folder.join("ca.pem"), folder.join("ca.key"));
    if !certificate.exists() && !key.exists() {
        let (authority, authority_key) = new_authority(names.first().map_or("", String::as_str)).map_err(made)?;
        // The key first: an authority without its key would have to be thrown away.
        write(&key, &authority_key.serialize_pem(), 0o600)?;
        write(&certificate, &authority, 0o644)?;
    }
    let authority = CertificateDer::from_pem_file(&certificate).map_err(|error| in_file(&certificate, &error))?;
    ensure_leaf(folder, &authority, names, names.len(), now)?;
    Ok(authority)
}

/// Makes a new certificate where the one in the folder does not serve any more: where a client that trusts the authority
/// would refuse it for one of the first `needed` names, or would in two months.
pub(super) fn ensure_leaf(
    folder: &Path,
    authority: &CertificateDer<'_>,
    names: &[String],
    needed: usize,
    now: SystemTime,
) -> Result<(), TlsFault> {
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let now = now.max(UNIX_EPOCH + BUILT);
    let names_needed = names.get(..needed).unwrap_or(names);
    if key.exists()
        && let Ok(leaf) = CertificateDer::from_pem_file(&certificate)
        && serves(&leaf, authority, names_needed, now + RENEW)
    {
        return Ok(());
    }
    let authority_key = folder.join("ca.key");
    let authority_key = std::fs::read_to_string(&authority_key).map_err(|error| in_file(&authority_key, &error))?;
    let issuer =
        KeyPair::from_pem(&authority_key).and_then(|key| Issuer::from_ca_cert_der(authority, key)).map_err(made)?;
    let (leaf, leaf_key) = new_leaf(&issuer, names, now).map_err(made)?;
    write(&key, &leaf_key.serialize_pem(), 0o600)?;
    write(&certificate, &leaf, 0o644)
}

/// A certificate in memory only.
pub(super) struct Made {
    pub(super) authority: CertificateDer<'static>,
    pub(super) leaf: CertificateDer<'static>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// Makes a certificate in memory where there is none at hand, or one that does not serve any more; `None`: it is to be
/// used. It is made by the authority in the folder. Without that one, an old certificate is as good as one that nobody
/// trusts; and where there is none, a new authority makes it.
pub(super) fn in_memory(
    folder: &Path,
    names: &[String],
    leaf: Option<&CertificateDer<'_>>,
    now: SystemTime,
) -> Result<Option<Made>, TlsFault> {
    let now = now.max(UNIX_EPOCH + BUILT);
    let authority = CertificateDer::from_pem_file(folder.join("ca.pem")).ok();
    let first = names.get(..1).unwrap_or(names);
    let kept = authority.and_then(|authority| {
        let key = std::fs::read_to_string(folder.join("ca.key")).ok()?;
        Some((authority, KeyPair::from_pem(&key).ok()?))
    });
    let (authority, authority_key) = match (kept, leaf) {
        (Some((authority, _)), Some(leaf)) if serves(leaf, &authority, first, now) => return Ok(None),
        (None, Some(_)) => return Ok(None),
        (Some(kept), _) => kept,
        (None, None) => {
            let (authority, key) = new_authority(names.first().map_or("", String::as_str)).map_err(made)?;
            (in_pem(&authority)?, key)
        }
    };
    let issuer = Issuer::from_ca_cert_der(&authority, authority_key).map_err(made)?;
    let (leaf, key) = new_leaf(&issuer, names, now).map_err(made)?;
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())
        .map_err(|error| TlsFault(format!("a key cannot be made: {error}")))?;
    Ok(Some(Made { leaf: in_pem(&leaf)?, authority: authority.clone(), key }))
}

fn in_pem(certificate: &str) -> Result<CertificateDer<'static>, TlsFault> {
    CertificateDer::from_pem_slice(certificate.as_bytes())
        .map_err(|error| TlsFault(format!("a certificate cannot be made: {error}")))
}

/// Whether a client with this authority takes the certificate at a moment for all these names.
fn serves(leaf: &CertificateDer<'_>, authority: &CertificateDer<'_>, names: &[String], at: SystemTime) -> bool {
    let Ok(parsed) = ParsedCertificate::try_from(leaf) else { return false };
    let mut roots = RootCertStore::empty();
    let at = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).unwrap_or_default());
    let algorithms = default_provider().signature_verification_algorithms.all;
    roots.add(authority.clone().into_owned()).is_ok()
        && verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], at, algorithms).is_ok()
        && names.iter().all(|name| {
            ServerName::try_from(name.as_str()).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok())
        })
}

fn new_authority(name: &str) -> Result<(String, KeyPair), rcgen::Error> {
    let mut params = CertificateParams::default();
    // Good at any time that a board without a clock may take for now, and longer than the board lives.
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2050, 1, 1);
    params.distinguished_name = called(&format!("Pillarbox of {name}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    Ok((params.self_signed(&key)?.pem(), key))
}

fn new_leaf(
    issuer: &Issuer<'_, KeyPair>,
    names: &[String],
    now: SystemTime,
) -> Result<(String, KeyPair), rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.not_before = OffsetDateTime::from(now - BEFORE);
    params.not_after = OffsetDateTime::from(now - BEFORE + GOOD_FOR);
    params.distinguished_name = called(names.first().map_or("", String::as_str));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    Ok((params.signed_by(&key, issuer)?.pem(), key))
}

fn called(name: &str) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    // RFC 5280 A.1: a common name has 64 characters.
    called.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    called
}

/// Writes a file whole or not at all.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsFault> {
    let new = path.with_extension("new");
    let written = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    };
    written().map_err(|error| in_file(path, &error))
}

fn in_file(path: &Path, error: &dyn std::fmt::Display) -> TlsFault {
    TlsFault(format!("{}: {error}", path.display()))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn made(error: rcgen::Error) -> TlsFault {
    TlsFault(format!("a certificate cannot be made: {error}"))
}
