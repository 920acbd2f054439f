//! Where an update comes from: a file, or a server that has it.

use super::error::UpdateError;
use super::signature;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{StatusCode, Uri, header};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body};

/// How a name becomes addresses: the C library's way does not exist in a static binary.
pub(in crate::host) type Resolve = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// A server that is not reached by then is not there,
const CONNECT: Duration = Duration::from_secs(20);
/// and one that says nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(30);
/// How often a transfer that broke off is taken up again without having come any further.
const TRIES: u32 = 4;
/// How long it is left alone, more each time.
const PAUSE: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_secs(2) };
/// How often the server may send us elsewhere.
const REDIRECTS: u32 = 5;
/// How often the progress is told.
const STEP: u64 = 1 << 20;

/// Whether this is to be fetched.
pub(super) fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// The signature's address: beside the file, whatever the query.
fn beside(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (path, rest) = url.split_at(end);
    format!("{path}.minisig{rest}")
}

/// The signature that lies beside a file.
pub(super) fn signature_of(file: &Path) -> Result<Vec<u8>, UpdateError> {
    let mut path = file.as_os_str().to_owned();
    path.push(".minisig");
    let none = |error: io::Error| UpdateError::NoSignature(format!("{}: {error}", Path::new(&path).display()));
    let mut octets = Vec::new();
    File::open(&path).map_err(none)?.take(signature::MOST).read_to_end(&mut octets).map_err(none)?;
    Ok(octets)
}

/// What is on a server.
pub(super) struct Remote {
    agent: Agent,
    url: String,
}

impl Remote {
    pub(super) fn new(url: &str, resolve: Resolve) -> Remote {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Whoever asks for TLS is not led away from it.
            .https_only(url.starts_with("https://"))
            .max_redirects(REDIRECTS)
            .proxy(None)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("pillarbox/", env!("CARGO_PKG_VERSION")))
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::new(), Names(resolve));
        Remote { agent, url: url.to_owned() }
    }

    /// The signature, which comes first: without one, nothing else is wanted.
    pub(super) fn signature(&self) -> Result<Vec<u8>, UpdateError> {
        let url = beside(&self.url);
        let none = |why: String| UpdateError::NoSignature(format!("{url}: {why}"));
        let response = self.agent.get(&url).call().map_err(|error| none(error.to_string()))?;
        if response.status() != StatusCode::OK {
            return Err(none(response.status().to_string()));
        }
        let mut octets = Vec::new();
        let read = response.into_body().into_reader().take(signature::MOST).read_to_end(&mut octets);
        read.map_err(|error| none(error.to_string()))?;
        Ok(octets)
    }

    /// Fetches the file to this path. A transfer that breaks off goes on where it was, if the server can do that.
    pub(super) fn fetch(&self, path: &Path, most: u64, progress: &mut dyn FnMut(String)) -> Result<File, UpdateError> {
        let stored = |error: io::Error| UpdateError::Disk(path.display().to_string(), error);
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(path).map_err(stored)?;
        let mut transfer = Transfer { at: 0, tag: None };
        let mut tries = 0;
        loop {
            let before = transfer.at;
            match self.go_on(&mut file, &mut transfer, most, progress) {
                Ok(()) => break,
                Err(Broken::Surely(error)) => return Err(error),
                Err(Broken::Perhaps(why)) => {
                    tries = if transfer.at > before { 1 } else { tries + 1 };
                    if tries >= TRIES {
                        return Err(UpdateError::Fetch(why));
                    }
                    log::info!("fetching {} broke off at {} octets: {why}", self.url, transfer.at);
                    std::thread::sleep(PAUSE * tries);
                }
            }
        }
        file.sync_all().map_err(stored)?;
        Ok(file)
    }

    fn go_on(
        &self,
        file: &mut File,
        transfer: &mut Transfer,
        most: u64,
        progress: &mut dyn FnMut(String),
    ) -> Result<(), Broken> {
        let mut request = self.agent.get(&self.url);
        if let (true, Some(tag)) = (transfer.at > 0, &transfer.tag) {
            request = request.header(header::RANGE, format!("bytes={}-", transfer.at)).header(header::IF_RANGE, tag);
        }
        let response = request.call().map_err(|error| match error {
            ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => {
                Broken::Perhaps(error.to_string())
            }
            error => Broken::Surely(UpdateError::Fetch(error.to_string())),
        })?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if begins_at(&response, transfer.at) => {}
            // From the start, the first time and where the server does not know how to go on, or has another file now.
            StatusCode::OK => {
                let restart = io::Seek::rewind(file).and_then(|()| file.set_len(0));
                restart.map_err(|error| Broken::Surely(UpdateError::Disk("incoming".to_owned(), error)))?;
                transfer.at = 0;
                transfer.tag = tag(&response);
            }
            status if status.is_server_error() => return Err(Broken::Perhaps(status.to_string())),
            status => return Err(Broken::Surely(UpdateError::Fetch(format!("the server says {status}")))),
        }
        let whole = response.body().content_length().map(|rest| rest + transfer.at);
        if whole.is_some_and(|whole| whole > most) {
            return Err(Broken::Surely(UpdateError::TooLarge));
        }
        let mut body = response.into_body().into_reader();
        let mut piece = vec![0; 64 << 10];
        loop {
            let count = body.read(&mut piece).map_err(|error| Broken::Perhaps(error.to_string()))?;
            if count == 0 {
                break;
            }
            let written = file.write_all(piece.get(..count).unwrap_or_default());
            written
                .map_err(|error| Broken::Surely(UpdateError::Disk("the update cannot be kept".to_owned(), error)))?;
            let before = transfer.at;
            transfer.at += count as u64;
            if transfer.at > most {
                return Err(Broken::Surely(UpdateError::TooLarge));
            }
            if before / STEP != transfer.at / STEP {
                progress(fetched(transfer.at, whole));
            }
        }
        // A server that says how long it is and ends before has broken off, whatever it calls it.
        if whole.is_some_and(|whole| whole > transfer.at) {
            return Err(Broken::Perhaps("the transfer ended too early".to_owned()));
        }
        Ok(())
    }
}

/// How far a transfer has come, and what says that the file on the server is still the same one.
struct Transfer {
    at: u64,
    tag: Option<String>,
}

/// Whether it is worth trying again.
enum Broken {
    Perhaps(String),
    Surely(UpdateError),
}

fn begins_at(response: &ureq::http::Response<Body>, at: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {at}-")))
}

fn tag(response: &ureq::http::Response<Body>) -> Option<String> {
    let strong = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
    strong.filter(|tag| !tag.starts_with("W/")).map(str::to_owned)
}

fn fetched(at: u64, whole: Option<u64>) -> String {
    match whole {
        Some(whole) => format!("{} of {} MiB", at >> 20, whole.div_ceil(1 << 20)),
        None => format!("{} MiB", at >> 20),
    }
}

/// Names by the appliance's own look-up.
struct Names(Resolve);

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names")
    }
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, _: &ureq::config::Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let name = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let literal = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let addresses = match literal {
            Ok(address) => vec![address],
            Err(_) => (self.0)(name)?,
        };
        let mut found = self.empty();
        for address in addresses.into_iter().take(8) {
            found.push(SocketAddr::new(address, port));
        }
        if found.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(found) }
    }
}

/// Opens a file that the owner named.
pub(super) fn open(path: &Path) -> Result<File, UpdateError> {
    let cannot = |error: io::Error| UpdateError::Fetch(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(cannot)?;
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(UpdateError::Fetch(format!("{} is no file", path.display())));
    }
    Ok(file)
}

/// Removes what was fetched.
pub(super) fn forget(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => log::warn!("{}: {error}", path.display()),
        _ => {}
    }
}
