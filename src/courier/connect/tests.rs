use super::*;
use crate::courier::names::Found;
use async_rustls::TlsAcceptor;
use async_rustls::pki_types::pem::PemObject;
use async_rustls::pki_types::{CertificateDer, PrivateKeyDer};
use async_rustls::rustls::ServerConfig;
use async_rustls::rustls::crypto::ring::default_provider;
use rcgen::{CertificateParams, KeyPair};
use smol::io::AsyncReadExt;
use smol::net::TcpListener;
use std::path::PathBuf;

const SOON: Duration = Duration::from_secs(10);

/// Knows of these addresses, whatever the host.
struct Known(Vec<&'static str>);

impl Places for Known {
    fn places<'a>(&'a self, host: &'a str) -> Found<'a> {
        Box::pin(async move {
            if host == "nowhere.example" {
                return Err(NoAddress::Never("there is no such host".to_owned()));
            }
            Ok(self.0.iter().filter_map(|address| address.parse().ok()).collect())
        })
    }
}

fn connector(known: &[&'static str]) -> Connector {
    Connector::new(Arc::new(Known(known.to_vec())))
}

fn target(host: &str, port: u16, tls: bool, trust: Trust) -> Target {
    Target { host: host.to_owned(), port, tls, trust }
}

/// A certificate of a server, in a file of its own.
struct Shown {
    file: PathBuf,
    certificate: CertificateDer<'static>,
    acceptor: TlsAcceptor,
}

impl Shown {
    fn new(name: &str) -> Shown {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(vec!["mail.example.org".to_owned()]).unwrap().self_signed(&key).unwrap();
        let file = std::env::temp_dir().join(format!("pillarbox-{name}-{}.pem", std::process::id()));
        std::fs::write(&file, made.pem()).unwrap();
        let certificate = CertificateDer::from_pem_file(&file).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        Shown { file, certificate, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    fn sha256(&self) -> [u8; 32] {
        ring::digest::digest(&ring::digest::SHA256, &self.certificate).as_ref().try_into().unwrap()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Says back what it hears, once, in TLS.
async fn echo(listener: TcpListener, shown: &Shown) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let Ok(mut stream) = shown.acceptor.accept(stream).await else { continue };
        let mut heard = [0; 5];
        if stream.read_exact(&mut heard).await.is_ok() {
            let _ = stream.write_all(&heard).await;
            let _ = stream.close().await;
        }
    }
}

async fn exchange(connector: &Connector, target: &Target) -> io::Result<()> {
    let mut connection = connector.connect(target).await?;
    connection.send(b"hello", SOON).await?;
    let mut heard = Vec::new();
    while connection.read(&mut heard, SOON).await? > 0 {}
    assert_eq!(heard, b"hello");
    connection.close().await;
    Ok(())
}

#[test]
fn a_certificate_is_believed_as_far_as_the_owner_does() {
    let shown = Shown::new("connect");
    smol::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connector = connector(&["127.0.0.1"]);
        let exchanges = async {
            let named = |trust| target("mail.example.org", port, true, trust);
            exchange(&connector, &named(Trust::Authority(shown.file.clone()))).await.unwrap();
            exchange(&connector, &named(Trust::Fingerprint(shown.sha256()))).await.unwrap();
            exchange(&connector, &named(Trust::Anyone)).await.unwrap();
            exchange(&connector, &named(Trust::Public)).await.unwrap_err();
            exchange(&connector, &named(Trust::Fingerprint([7; 32]))).await.unwrap_err();
            let other = target("other.example.org", port, true, Trust::Authority(shown.file.clone()));
            exchange(&connector, &other).await.unwrap_err();
            let missing = named(Trust::Authority("/nowhere/none.pem".into()));
            assert!(exchange(&connector, &missing).await.unwrap_err().to_string().contains("none.pem"));
        };
        exchanges.or(echo(listener, &shown)).await;
    });
}

#[test]
fn tls_begins_later_where_it_is_asked_for() {
    let shown = Shown::new("later");
    smol::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = target("127.0.0.1", listener.local_addr().unwrap().port(), false, Trust::Anyone);
        let connector = connector(&[]);
        let exchange = async {
            let mut connection = connector.connect(&target).await.unwrap();
            assert!(!connection.is_tls());
            connector.encrypt(&mut connection, &target).await.unwrap();
            assert!(connection.is_tls());
            connection.send(b"hello", SOON).await.unwrap();
            let mut heard = Vec::new();
            connection.read(&mut heard, SOON).await.unwrap();
            assert_eq!(heard, b"hello");
        };
        exchange.or(echo(listener, &shown)).await;
    });
}

#[test]
fn the_address_that_answers_is_taken_wherever_it_stands() {
    smol::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Nobody listens at the first two; the kernel says so at once.
        let connector = connector(&["127.9.9.9", "127.9.9.8", "127.0.0.1"]);
        let connection = connector.connect(&target("a.example", port, false, Trust::Anyone)).await.unwrap();
        assert_eq!(connection.peer(), listener.local_addr().unwrap());
    });
}

#[test]
fn it_is_told_apart_whether_a_host_is_not_there_or_does_not_answer() {
    smol::block_on(async {
        let connector = connector(&["127.9.9.9"]);
        let to = |host| target(host, 1, false, Trust::Anyone);
        assert_eq!(connector.connect(&to("nowhere.example")).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(connector.connect(&to("a.example")).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn who_says_nothing_is_not_waited_for_without_end() {
    smol::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = target("localhost", listener.local_addr().unwrap().port(), false, Trust::Anyone);
        let mut connection = connector(&[]).connect(&target).await.unwrap();
        let silence = connection.read(&mut Vec::new(), Duration::from_millis(20)).await;
        assert_eq!(silence.unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}
