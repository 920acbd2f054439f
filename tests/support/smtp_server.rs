//! A server that takes mail as a test wants it: says what it is told to say, and goes away where it is told to.

use async_rustls::TlsAcceptor;
use async_rustls::pki_types::PrivateKeyDer;
use async_rustls::pki_types::pem::PemObject;
use async_rustls::rustls::ServerConfig;
use async_rustls::rustls::crypto::ring::default_provider;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};
use smol::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use smol::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Where a server goes away, or says nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    Greeting,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    /// In the middle of the mail.
    Body,
    /// After the whole mail, before the answer to it.
    Dot,
    /// After the answer to it.
    Quit,
}

/// What it does about TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    None,
    Good,
    /// It offers it, and then will not.
    Refused,
    /// It offers it, and then talks nonsense.
    Broken,
    /// Somebody in between says more behind its answer, in plain text.
    Injected,
}

/// How a server behaves on one connection.
#[derive(Clone, Debug)]
pub struct Manner {
    pub greeting: &'static str,
    pub offers: Vec<&'static str>,
    pub mail: &'static str,
    /// The answers to recipients whose address begins so; 250 for the others.
    pub rcpt: Vec<(&'static str, &'static str)>,
    pub verdict: &'static str,
    pub leaves: Option<Point>,
    pub stalls: Option<Point>,
    pub tls: Tls,
    /// Who may send here, and the mechanism; nobody else may then.
    pub login: Option<(&'static str, &'static str)>,
}

/// A mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub mail: String,
    pub rcpt: Vec<String>,
    pub content: String,
    pub tls: bool,
    pub login: bool,
}

/// What a server saw.
#[derive(Default, Debug)]
pub struct Seen {
    pub taken: Vec<Taken>,
    pub lines: Vec<String>,
    pub connections: usize,
}

pub struct Server {
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
    manners: Arc<Mutex<Vec<Manner>>>,
    _task: smol::Task<()>,
}

impl Default for Manner {
    fn default() -> Self {
        Manner {
            greeting: "220 mx.example.net ready",
            offers: vec!["PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"],
            mail: "250 2.1.0 Ok",
            rcpt: Vec::new(),
            verdict: "250 2.0.0 Taken",
            leaves: None,
            stalls: None,
            tls: Tls::None,
            login: None,
        }
    }
}

impl Server {
    /// Behaves so on each connection in turn, and in the last manner on all further ones. `ca`: where its certificate
    /// is put.
    pub fn start(address: &str, manners: Vec<Manner>, ca: &Path) -> Server {
        let listener = smol::block_on(TcpListener::bind((address, 0))).expect("loopback can be listened on");
        let port = listener.local_addr().expect("it is bound").port();
        let (seen, manners) = (Arc::new(Mutex::new(Seen::default())), Arc::new(Mutex::new(manners)));
        let acceptor = acceptor(ca);
        let task = smol::spawn({
            let (seen, manners) = (Arc::clone(&seen), Arc::clone(&manners));
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    seen.lock().expect("no test panicked here").connections += 1;
                    let manner = {
                        let mut manners = manners.lock().expect("no test panicked here");
                        let now = manners.first().cloned().unwrap_or_default();
                        if manners.len() > 1 {
                            manners.remove(0);
                        }
                        now
                    };
                    let (seen, acceptor) = (Arc::clone(&seen), acceptor.clone());
                    smol::spawn(async move {
                        let mut talk = Talk { manner, seen, tls: false, login: false, input: Vec::new() };
                        // However it ends: what was seen is what counts.
                        let _ = talk.run(stream, &acceptor).await;
                    })
                    .detach();
                }
            }
        });
        Server { port, seen, manners, _task: task }
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.seen.lock().expect("no test panicked here").taken.clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen.lock().expect("no test panicked here").lines.clone()
    }

    pub fn connections(&self) -> usize {
        self.seen.lock().expect("no test panicked here").connections
    }

    /// From now on.
    pub fn behave(&self, manner: Manner) {
        *self.manners.lock().expect("no test panicked here") = vec![manner];
    }
}

fn acceptor(ca: &Path) -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key can be made");
    let names = vec!["mx.example.net".to_owned(), "127.0.0.2".to_owned()];
    let made = CertificateParams::new(names).expect("these are names").self_signed(&key).expect("it can be signed");
    std::fs::write(ca, made.pem()).expect("the folder can be written");
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("that is a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("there are some")
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], key)
        .expect("they fit");
    TlsAcceptor::from(Arc::new(config))
}

struct Talk {
    manner: Manner,
    seen: Arc<Mutex<Seen>>,
    tls: bool,
    login: bool,
    input: Vec<u8>,
}

/// The conversation is over.
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Over
    }
}

impl Talk {
    async fn run(&mut self, mut stream: smol::net::TcpStream, acceptor: &TlsAcceptor) -> Result<(), Over> {
        self.at(Point::Greeting).await?;
        let greeting = self.manner.greeting;
        say(&mut stream, greeting).await?;
        if self.serve(&mut stream).await? {
            if self.manner.tls == Tls::Broken {
                stream.write_all(b"this is no TLS at all\r\n").await?;
                return Err(Over);
            }
            let mut stream = acceptor.accept(stream).await?;
            self.tls = true;
            self.input.clear();
            self.serve(&mut stream).await?;
        }
        Ok(())
    }

    /// What it does at a point of the conversation.
    async fn at(&self, point: Point) -> Result<(), Over> {
        if self.manner.stalls == Some(point) {
            std::future::pending::<()>().await;
        }
        if self.manner.leaves == Some(point) { Err(Over) } else { Ok(()) }
    }

    /// Talks until the end, or until TLS begins.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut S) -> Result<bool, Over> {
        let (mut mail, mut rcpt) = (String::new(), Vec::new());
        loop {
            let line = self.line(stream).await?;
            self.seen.lock().expect("no test panicked here").lines.push(line.clone());
            let upper = line.to_ascii_uppercase();
            let answer = if upper.starts_with("EHLO") {
                self.at(Point::Ehlo).await?;
                let mut lines: Vec<String> = vec!["mx.example.net".to_owned()];
                lines.extend(self.manner.offers.iter().map(|&offer| offer.to_owned()));
                if self.manner.tls != Tls::None && !self.tls {
                    lines.push("STARTTLS".to_owned());
                }
                if let Some((_, mechanism)) = self.manner.login {
                    lines.push(format!("AUTH {mechanism}"));
                }
                let last = lines.len() - 1;
                let line = |(at, line): (usize, &String)| format!("250{}{line}", if at == last { ' ' } else { '-' });
                lines.iter().enumerate().map(line).collect::<Vec<_>>().join("\r\n")
            } else if upper == "STARTTLS" {
                if self.manner.tls == Tls::Refused {
                    "454 4.7.0 TLS not available".to_owned()
                } else {
                    let more = if self.manner.tls == Tls::Injected { "\r\n250 AUTH PLAIN" } else { "" };
                    say(stream, &format!("220 2.0.0 Go ahead{more}")).await?;
                    return Ok(true);
                }
            } else if upper.starts_with("AUTH ") {
                self.log_in(stream, &line).await?
            } else if upper.starts_with("MAIL") {
                self.at(Point::Mail).await?;
                mail = line.clone();
                rcpt.clear();
                if self.manner.login.is_some() && !self.login {
                    "530 5.7.0 Log in first".to_owned()
                } else {
                    self.manner.mail.to_owned()
                }
            } else if upper.starts_with("RCPT") {
                self.at(Point::Rcpt).await?;
                let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                let found = self.manner.rcpt.iter().find(|(start, _)| address.starts_with(start));
                let answer = found.map_or("250 2.1.5 Ok", |(_, answer)| answer);
                if answer.starts_with("250") {
                    rcpt.push(line.clone());
                }
                answer.to_owned()
            } else if upper == "DATA" {
                self.at(Point::Data).await?;
                say(stream, "354 Go on").await?;
                let content = self.content(stream).await?;
                self.at(Point::Dot).await?;
                if self.manner.verdict.starts_with("250") {
                    let (tls, login) = (self.tls, self.login);
                    let taken = Taken { mail: mail.clone(), rcpt: rcpt.clone(), content, tls, login };
                    self.seen.lock().expect("no test panicked here").taken.push(taken);
                }
                let verdict = self.manner.verdict;
                say(stream, verdict).await?;
                self.at(Point::Quit).await?;
                continue;
            } else if upper == "QUIT" {
                say(stream, "221 2.0.0 Bye").await?;
                return Err(Over);
            } else {
                "250 2.0.0 Ok".to_owned()
            };
            say(stream, &answer).await?;
        }
    }

    async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut S, line: &str) -> Result<String, Over> {
        let Some((expected, mechanism)) = self.manner.login else { return Ok("502 5.5.1 No".to_owned()) };
        let mut words = line.split(' ').skip(1);
        let (asked, initial) = (words.next().unwrap_or_default(), words.next());
        if !asked.eq_ignore_ascii_case(mechanism) {
            return Ok("504 5.5.4 No".to_owned());
        }
        let decoded = |text: &str| STANDARD.decode(text).unwrap_or_default();
        let said = match mechanism {
            "PLAIN" => decoded(initial.unwrap_or_default()),
            "LOGIN" => {
                say(stream, "334 VXNlcm5hbWU6").await?;
                let user = decoded(&self.line(stream).await?);
                say(stream, "334 UGFzc3dvcmQ6").await?;
                [&b"\0"[..], &user, b"\0", &decoded(&self.line(stream).await?)].concat()
            }
            _ => return Ok("504 5.5.4 No".to_owned()),
        };
        self.login = said == format!("\0{expected}").replace(':', "\0").as_bytes();
        Ok(if self.login { "235 2.7.0 In".to_owned() } else { "535 5.7.8 Wrong".to_owned() })
    }

    async fn content<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> Result<String, Over> {
        let mut content = String::new();
        loop {
            let line = self.line(stream).await?;
            self.at(Point::Body).await?;
            if line == "." {
                return Ok(content);
            }
            content.push_str(line.strip_prefix('.').unwrap_or(&line));
            content.push_str("\r\n");
        }
    }

    async fn line<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> Result<String, Over> {
        loop {
            if let Some(at) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                let rest = self.input.split_off(at + 2);
                let line = std::mem::replace(&mut self.input, rest);
                return Ok(String::from_utf8_lossy(line.get(..at).unwrap_or_default()).into_owned());
            }
            let mut octets = vec![0; 4096];
            let count = stream.read(&mut octets).await?;
            if count == 0 {
                return Err(Over);
            }
            self.input.extend_from_slice(octets.get(..count).unwrap_or_default());
        }
    }
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, line: &str) -> Result<(), Over> {
    // At once: what stands behind an answer is there when it is read.
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await?;
    Ok(())
}
