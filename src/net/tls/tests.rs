use super::*;
use async_rustls::TlsConnector;
use async_rustls::pki_types::ServerName;
use async_rustls::rustls::{ClientConfig, RootCertStore};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use std::time::Duration;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("pillarbox-tls-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }

    fn leaf(&self) -> Vec<u8> {
        std::fs::read(self.0.join("tls/cert.pem")).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A client that trusts this file's certificates.
fn client(authority: &Path) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(provider::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    TlsConnector::from(Arc::new(config.with_no_client_auth()))
}

/// Whether a client that knows the server by this name comes through.
fn talks(identity: &Identity, authority: &Path, name: &str) -> bool {
    let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
    let (here, there) = (smol::Async::new(here).unwrap(), smol::Async::new(there).unwrap());
    let (name, connector, acceptor) =
        (ServerName::try_from(name.to_owned()).unwrap(), client(authority), identity.acceptor());
    let server = async move {
        let mut stream = acceptor.accept(there).await?;
        stream.write_all(b"hello").await?;
        stream.close().await
    };
    let client = async move {
        let mut stream = connector.connect(name, here).await?;
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.map(|_| heard == b"hello")
    };
    let (_, heard) = smol::block_on(smol::future::zip(server, client));
    heard.unwrap_or(false)
}

#[test]
fn a_client_that_trusts_our_authority_comes_through_by_all_names() {
    let folder = Folder::new("names");
    let identity = Identity::open(&folder.0, "mail.example.org", HERE, None).unwrap();
    let authority = identity.ca_file().unwrap();
    for name in ["mail.example.org", "mail.local", "localhost", "127.0.0.1", "::1"] {
        assert!(talks(&identity, &authority, name), "{name}");
    }
    assert!(!talks(&identity, &authority, "elsewhere.example.org"));
    assert!(!talks(&identity, &authority, "127.0.0.5"));
    let bound = Identity::open(&folder.0, "mail.example.org", "127.0.0.5".parse().unwrap(), None).unwrap();
    assert!(talks(&bound, &authority, "127.0.0.5") && talks(&bound, &authority, "localhost"));
    assert_eq!(identity.fingerprint().len(), 32 * 3 - 1);
}

#[test]
fn keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("mode");
    Identity::open(&folder.0, "a.example", HERE, None).unwrap();
    for key in ["ca.key", "key.pem"] {
        let mode = folder.0.join("tls").join(key).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
}

#[test]
fn a_second_start_keeps_everything_and_a_new_name_only_the_authority() {
    let folder = Folder::new("again");
    let first = Identity::open(&folder.0, "a.example", HERE, None).unwrap().authority_fingerprint();
    let leaf = folder.leaf();
    assert_eq!(Identity::open(&folder.0, "a.example", HERE, None).unwrap().authority_fingerprint(), first);
    assert_eq!(folder.leaf(), leaf);
    let renamed = Identity::open(&folder.0, "b.example", HERE, None).unwrap();
    assert_eq!(renamed.authority_fingerprint(), first);
    assert_ne!(folder.leaf(), leaf);
    assert!(talks(&renamed, &renamed.ca_file().unwrap(), "b.example"));
}

#[test]
fn a_certificate_is_renewed_two_months_before_its_end() {
    let folder = Folder::new("renew");
    Identity::open(&folder.0, "a.example", HERE, None).unwrap();
    let (leaf, tls, names) = (folder.leaf(), folder.0.join("tls"), make::names("a.example", HERE));
    let day = Duration::from_hours(24);
    let made = SystemTime::now().max(SystemTime::UNIX_EPOCH + make::BUILT);
    make::ensure(&tls, &names, made + 735 * day).unwrap();
    assert_eq!(folder.leaf(), leaf);
    make::ensure(&tls, &names, made + 741 * day).unwrap();
    assert_ne!(folder.leaf(), leaf);
}

#[test]
fn changed_files_are_shown_to_new_sessions_and_broken_ones_are_not() {
    let [served, other] = ["served", "other"].map(Folder::new);
    let identity = Identity::open(&served.0, "a.example", HERE, None).unwrap();
    let old_authority = served.0.join("old.pem");
    std::fs::copy(identity.ca_file().unwrap(), &old_authority).unwrap();
    let other_authority = Identity::open(&other.0, "other.example", HERE, None).unwrap().ca_file().unwrap();
    let owners = OwnersFiles { certificate: served.0.join("tls/cert.pem"), key: served.0.join("tls/key.pem") };
    let identity = Identity::open(&served.0, "a.example", HERE, Some(owners.clone())).unwrap();
    // The certificate alone does not fit the key: the old pair is shown until the key has come, too.
    std::fs::copy(other.0.join("tls/cert.pem"), &owners.certificate).unwrap();
    identity.refresh();
    assert!(talks(&identity, &old_authority, "a.example"));
    std::fs::copy(other.0.join("tls/key.pem"), &owners.key).unwrap();
    identity.refresh();
    assert!(talks(&identity, &other_authority, "other.example"));
    std::fs::write(&owners.certificate, "nothing").unwrap();
    identity.refresh();
    assert!(talks(&identity, &other_authority, "other.example"));
    assert!(Identity::open(&served.0, "a.example", HERE, Some(owners)).is_err());
}

/// The certificates that a client is sent.
fn sent(identity: &Identity, authority: &Path) -> Vec<CertificateDer<'static>> {
    let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
    let (here, there) = (smol::Async::new(here).unwrap(), smol::Async::new(there).unwrap());
    let (connector, acceptor) = (client(authority), identity.acceptor());
    let server = async move { acceptor.accept(there).await.map(drop) };
    let client = async move {
        let stream = connector.connect(ServerName::try_from("localhost").unwrap(), here).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap().iter().map(|one| one.clone().into_owned()).collect()
    };
    smol::block_on(smol::future::zip(server, client)).1
}

#[test]
fn what_is_told_is_the_fingerprint_of_what_is_shown_and_the_authority_comes_with_it() {
    let folder = Folder::new("chain");
    let identity = Identity::open(&folder.0, "a.example", HERE, None).unwrap();
    let authority = identity.ca_file().unwrap();
    let read = |identity: &Identity| {
        let told = [Some(identity.fingerprint()), identity.authority_fingerprint()];
        let sent = sent(identity, &authority);
        assert_eq!(sent.len(), 2, "the leaf and the authority");
        assert_eq!(sent.iter().map(|one| Some(fingerprint(one))).collect::<Vec<_>>(), told);
        sent
    };
    let first = read(&identity);
    assert_eq!(first[0], CertificateDer::from_pem_file(folder.0.join("tls/cert.pem")).unwrap());
    assert_eq!(first[1], CertificateDer::from_pem_file(&authority).unwrap());
    // As well from a disk that cannot be written, and after files changed.
    let frozen = Identity::open_read_only(&folder.0, "a.example", HERE, None).unwrap();
    assert_eq!(read(&frozen), first);
    std::fs::remove_file(folder.0.join("tls/key.pem")).unwrap();
    Identity::open(&folder.0, "a.example", HERE, None).unwrap();
    identity.refresh();
    assert_ne!(read(&identity)[0], first[0]);
    assert_eq!(read(&identity)[1], first[1]);
    std::fs::remove_file(folder.0.join("tls/key.pem")).unwrap();
    read(&Identity::open_read_only(&folder.0, "a.example", HERE, None).unwrap());
}
