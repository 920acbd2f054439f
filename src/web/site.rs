//! What is answered to what: a page for who sets the box up, a page for who uses it, and a word for who watches it.
//!
//! A password is taken in TLS only, or from the machine itself, as on the mail ports. In plain text there is a page that
//! says why, with the way to the other one: a browser must be told once that it may trust the box, and it is better that
//! a person does that knowingly than that everybody in the house can read the first password.

use super::answer::{self, Answer, html, kept_for_back, later, only, see, text};
use super::claim::{Code, Guess, Guesses};
use super::connection::Visit;
use super::line::{Lines, PATIENCE};
use super::page::{self, Entry, Html, bad, button, form, good, page, paragraph};
use super::welcomes::Welcomes;
use crate::admin::{Failure, Limit, Quota, Reply, Request, Secret, Strength, check_password, perform};
use crate::events::Event;
use crate::store::{Fault, Health, Store};
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use smol::future::FutureExt;
use smol::lock::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the store has to answer when somebody asks for our health.
const HEALTHY: Duration = Duration::from_secs(5);

/// How long one who waits for a guess looks away.
const NAP: Duration = Duration::from_millis(200);

/// Below it is the page that whoever set the box up is led to.
const WELCOME: &str = "/welcome/";

/// Where the server is found, as pages tell it.
pub struct Found {
    /// Our host name, which is the domain of who enters a name alone.
    pub name: String,
    /// The names and addresses by which this box is reached, the best one first.
    pub names: Vec<String>,
    /// The ports of IMAP, of IMAP in TLS, of POP3, and of POP3 in TLS.
    pub mail: [u16; 4],
    /// The ports that mail programs give their mail to, without TLS at first and in TLS, if there are any.
    pub submission: Option<[u16; 2]>,
    /// The ports of pages, in plain text
    pub http: u16,
    /// and in TLS.
    pub https: u16,
    /// The file with our own authority; `None` with the owner's certificate.
    pub authority: Option<PathBuf>,
    /// The SHA-256 fingerprints of the certificate that programs are shown, and of our own authority.
    pub fingerprints: Box<dyn Fn() -> (String, Option<String>) + Send + Sync>,
}

/// All pages.
pub struct Site {
    store: Arc<Store>,
    strength: Strength,
    found: Found,
    /// The code, until there is an account.
    claim: Mutex<Option<(Code, Guesses)>>,
    /// Who waits for a guess.
    lines: Lines,
    welcomes: Welcomes,
    welcome: Box<dyn Fn(&str) + Send + Sync>,
}

/// What is asked for.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) host: Option<String>,
    pub(super) form: Bytes,
    pub(super) visit: Visit,
}

/// What was entered.
#[derive(Default)]
struct Entries {
    code: String,
    name: String,
    password: String,
    again: String,
    quota: String,
}

impl Site {
    /// The pages for the accounts of a store. With a `code` the first account can be made by who knows it; `welcome` is
    /// then told its address.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        strength: Strength,
        found: Found,
        code: Option<Code>,
        welcome: Box<dyn Fn(&str) + Send + Sync>,
    ) -> Site {
        let claim = Mutex::new(code.map(|code| (code, Guesses::new(Instant::now()))));
        Site { store, strength, found, claim, lines: Lines::default(), welcomes: Welcomes::default(), welcome }
    }

    pub(super) async fn answer(self: &Arc<Self>, asked: Asked) -> Answer {
        let reads = matches!(asked.method, Method::GET | Method::HEAD);
        match asked.path.as_str() {
            // /claim: somebody came back to the page that a form led to.
            "/" | "/claim" if reads => self.front(&asked).await,
            "/claim" if asked.method == Method::POST => self.claim(&asked).await,
            "/health" if reads => self.health().await,
            "/ca.pem" if reads => self.authority().await,
            path if reads && path.starts_with(WELCOME) => self.welcome(&asked),
            "/" | "/health" | "/ca.pem" => only("GET, HEAD"),
            "/claim" => only("GET, HEAD, POST"),
            _ => text(StatusCode::NOT_FOUND, "There is nothing here.\n"),
        }
    }

    /// The first page: what there is to do.
    async fn front(self: &Arc<Self>, asked: &Asked) -> Answer {
        match self.is_settled().await {
            Ok(true) => {
                let content = self.trouble().map(bad).into_iter().chain([self.program(asked, None)]);
                html(StatusCode::OK, page("Mail is served here", content))
            }
            Ok(false) if self.claim.lock().await.is_none() => html(
                StatusCode::OK,
                page(
                    "There is no account yet",
                    [paragraph("Make the first one on the box itself: pillarbox account add ADDRESS")],
                ),
            ),
            Ok(false) if asked.is_private() => html(StatusCode::OK, self.set_up(None, &Entries::default())),
            Ok(false) => html(StatusCode::OK, page("Set up this mailbox", self.elsewhere(asked))),
            Err(fault) => broken(&fault),
        }
    }

    /// Makes the first account.
    async fn claim(self: &Arc<Self>, asked: &Asked) -> Answer {
        if !asked.is_private() {
            return html(StatusCode::FORBIDDEN, page("Set up this mailbox", self.elsewhere(asked)));
        }
        let entries = Entries::of(&asked.form);
        let from = asked.visit.from;
        // Whoever comes too early waits, before what all others need is theirs alone.
        let Some(place) = self.lines.enter(from) else { return self.too_many(&entries) };
        let late = Instant::now() + PATIENCE;
        // One at a time: the first account is one, and guesses cannot be made side by side.
        let mut claim = loop {
            let mut claim = self.claim.lock().await;
            let now = Instant::now();
            let is_early = |guesses: &mut Guesses| !place.is_first() || !guesses.may(from, now);
            if !claim.as_mut().is_some_and(|(_, guesses)| is_early(guesses)) {
                break claim;
            }
            drop(claim);
            if now >= late {
                return self.too_many(&entries);
            }
            smol::Timer::after(NAP).await;
        };
        match self.is_settled().await {
            Ok(false) => {}
            Ok(true) => *claim = None,
            Err(fault) => return broken(&fault),
        }
        let Some((code, guesses)) = claim.as_mut() else {
            let content = [bad("This box is set up already."), self.program(asked, None)];
            return html(StatusCode::CONFLICT, page("Mail is served here", content));
        };
        let guess = guesses.weigh(code, &entries.code, from, Instant::now());
        drop(place);
        match guess {
            Guess::Right => {}
            Guess::Wrong => {
                let login = Event::new("login").with("result", "failed").with("protocol", "web").with("tls", "yes");
                login.with("address", asked.visit.from.to_canonical()).with("reason", "wrong-code").log();
                let why = Some((Entry::Code, "This is not the code."));
                return kept_for_back(html(StatusCode::FORBIDDEN, self.set_up(why, &entries)));
            }
            Guess::TooMany => return self.too_many(&entries),
        }
        let wrong =
            |entry, why: &str| kept_for_back(html(StatusCode::BAD_REQUEST, self.set_up(Some((entry, why)), &entries)));
        let address = if entries.name.contains('@') {
            entries.name.clone()
        } else {
            format!("{}@{}", entries.name, self.found.name)
        };
        if let Err(weak) = check_password(&entries.password, &address) {
            return wrong(Entry::Password, &sentence(&weak.to_string()));
        }
        if entries.password != entries.again {
            return wrong(Entry::Again, "These were two different passwords.");
        }
        let bytes = match entries.quota.parse() {
            _ if entries.quota.is_empty() => Limit::Lifted,
            Ok(limit) => limit,
            Err(why) => return wrong(Entry::Quota, &sentence(&why)),
        };
        let add = Request::AddAccount {
            address,
            password: Some(Secret(entries.password.clone())),
            quota: Quota { bytes: Some(bytes), messages: None },
        };
        let site = Arc::clone(self);
        let reply = smol::unblock(move || {
            let reply = perform(&site.store, site.strength, add);
            if let Reply::Password { address, .. } = &reply {
                (site.welcome)(address);
            }
            reply
        });
        match reply.await {
            Reply::Password { address, .. } => {
                log::info!("{}: this box was set up, for {address}", asked.visit.from);
                *claim = None;
                match self.welcomes.add(address, Instant::now()) {
                    Some(token) => see(&format!("{WELCOME}{token}")),
                    None => see("/"),
                }
            }
            Reply::Failed(Failure::Refused(why)) => wrong(Entry::Name, &sentence(&why)),
            Reply::Failed(Failure::Fault(why)) => broken(&Fault::Io(why)),
            _ => broken(&Fault::Corrupt("an answer that does not fit its question")),
        }
    }

    /// What whoever set the box up sees then, for as long as the page may be loaded again; others see the first page.
    fn welcome(&self, asked: &Asked) -> Answer {
        let token = asked.path.strip_prefix(WELCOME).unwrap_or_default();
        let address = self.welcomes.find(token, Instant::now()).filter(|_| asked.is_private());
        let Some(address) = address else { return see("/") };
        let done = [good("The box is set up. Your first mail is waiting."), self.program(asked, Some(&address))];
        html(StatusCode::OK, page("Welcome", done))
    }

    async fn health(self: &Arc<Self>) -> Answer {
        let answering = async { self.is_settled().await.is_ok() };
        let late = async {
            smol::Timer::after(HEALTHY).await;
            false
        };
        let answers = answering.or(late).await;
        match self.store.health() {
            Health::Good if answers => text(StatusCode::OK, "ok\n"),
            Health::Full if answers => text(StatusCode::OK, "ok, but the disk is full\n"),
            Health::ReadOnly if answers => text(StatusCode::OK, "ok, but nothing can be written\n"),
            Health::Damaged if answers => text(StatusCode::OK, "ok, but some of the mail is damaged\n"),
            _ => text(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n"),
        }
    }

    /// What people should know who find their mail program stubborn.
    fn trouble(&self) -> Option<&'static str> {
        match self.store.health() {
            Health::Good => None,
            Health::Full => Some("The disk is full: no new mail can be kept until some is deleted."),
            Health::ReadOnly => Some("The disk cannot be written: mail can be read, and nothing can be changed."),
            Health::Damaged => Some("Some of the mail is damaged and cannot be read."),
            Health::Failing => Some("The disk cannot be read as it should."),
        }
    }

    async fn authority(&self) -> Answer {
        let Some(path) = self.found.authority.clone() else {
            return text(StatusCode::NOT_FOUND, "This box shows its owner's certificate.\n");
        };
        match smol::unblock(move || std::fs::read(path)).await {
            Ok(pem) => answer::of(StatusCode::OK, "application/x-x509-ca-cert", pem),
            Err(error) => {
                log::error!("the certificate authority cannot be read: {error}");
                text(StatusCode::SERVICE_UNAVAILABLE, "It cannot be read.\n")
            }
        }
    }

    /// Whether there is an account.
    async fn is_settled(self: &Arc<Self>) -> Result<bool, Fault> {
        let site = Arc::clone(self);
        smol::unblock(move || Ok(!site.store.snapshot()?.accounts()?.is_empty())).await
    }

    fn too_many(&self, entries: &Entries) -> Answer {
        let wait = "There were too many wrong codes. Please wait a minute, then try again.";
        let page = self.set_up(Some((Entry::Code, wait)), entries);
        later(kept_for_back(html(StatusCode::TOO_MANY_REQUESTS, page)))
    }

    fn set_up(&self, wrong: Option<(Entry, &str)>, entries: &Entries) -> String {
        let intro = paragraph("Choose who you are here, and this box is yours.");
        let form = form(&self.found.name, &entries.name, &entries.quota, wrong.map(|(entry, _)| entry));
        let content = Html::join(wrong.map(|(_, why)| bad(why)).into_iter().chain([intro, form]));
        // A screen reader says the title first.
        page(if wrong.is_some() { "Not set up yet" } else { "Set up this mailbox" }, [content])
    }

    /// The way to where a password may be entered.
    fn elsewhere(&self, asked: &Asked) -> [Html; 3] {
        let to = encrypted(asked.host.as_deref(), &self.found);
        [
            paragraph(
                "This page came without encryption, so no password is asked for here: others in this network could \
                 read it.",
            ),
            paragraph(
                "The next page is encrypted. The browser will warn of it, since it does not know this box yet. That is \
                 expected: choose \u{201c}advanced\u{201d} or \u{201c}details\u{201d}, and go on to the page.",
            ),
            // No fingerprint here: who could change this page could change it as well.
            button(&to, "Go on, encrypted"),
        ]
    }

    fn program(&self, asked: &Asked, user: Option<&str>) -> Html {
        let anybody = format!("your whole address, as in name@{}", self.found.name);
        let trust = if asked.is_private() {
            let (certificate, authority) = (self.found.fingerprints)();
            page::trust(&certificate, authority.as_deref())
        } else {
            let to = encrypted(asked.host.as_deref(), &self.found);
            let why = "What a program needs to trust the certificate is on the encrypted page only: here it could have \
                       been changed on its way.";
            Html::join([paragraph(why), button(&to, "Open it")])
        };
        page::program(
            self.found.server(asked.host.as_deref()),
            self.found.mail,
            self.found.submission,
            user.unwrap_or(&anybody),
            trust,
        )
    }
}

impl Found {
    /// What a mail program calls this box: as the browser does where that is one of our names, else the best of them.
    fn server(&self, asked: Option<&str>) -> &str {
        let (host, _) = host_and_port(asked.unwrap_or_default());
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let known = |name: &&String| name.eq_ignore_ascii_case(bare);
        self.names.iter().find(known).or(self.names.first()).unwrap_or(&self.name)
    }
}

impl Asked {
    /// Nobody else can read what is sent.
    fn is_private(&self) -> bool {
        self.visit.tls || self.visit.from.to_canonical().is_loopback()
    }
}

impl Entries {
    fn of(form: &[u8]) -> Entries {
        let mut entries = Entries::default();
        for (name, value) in form_urlencoded::parse(form) {
            match name.as_ref() {
                "code" => entries.code = value.into_owned(),
                "name" => value.trim().clone_into(&mut entries.name),
                "password" => entries.password = value.into_owned(),
                "again" => entries.again = value.into_owned(),
                "quota" => value.trim().clone_into(&mut entries.quota),
                _ => {}
            }
        }
        entries
    }
}

/// Where the encrypted page is, from where somebody asked: the same host, and as far from our port as the port that was
/// asked for is, since whoever forwards one port forwards the other likewise. What is no host, or was not said, is our own
/// name.
fn encrypted(asked: Option<&str>, found: &Found) -> String {
    let asked = asked.unwrap_or_default();
    let (host, port) = host_and_port(asked);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
    let is_host =
        !bare.is_empty() && bare.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-.:".contains(&octet));
    let port = match port.map(str::parse::<u16>) {
        _ if !is_host => found.https,
        None => found.https,
        Some(port) => {
            let away = i32::from(port.unwrap_or(found.http)) - i32::from(found.http);
            u16::try_from(i32::from(found.https) + away).unwrap_or(found.https)
        }
    };
    let own = found.names.first().unwrap_or(&found.name);
    let own = if own.contains(':') { format!("[{own}]") } else { own.clone() };
    let host = if is_host { host } else { own };
    if port == 443 { format!("https://{host}/") } else { format!("https://{host}:{port}/") }
}

/// The parts of what a Host field says (RFC 9110 §7.2).
fn host_and_port(asked: &str) -> (String, Option<&str>) {
    match asked.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
        Some((v6, port)) => (format!("[{v6}]"), port.strip_prefix(':')),
        None => asked.split_once(':').map_or((asked.to_owned(), None), |(host, port)| (host.to_owned(), Some(port))),
    }
}

/// A reason as people read it on a page.
fn sentence(why: &str) -> String {
    let mut letters = why.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}

/// Our fault; the cause is in the log.
fn broken(fault: &Fault) -> Answer {
    log::error!("a page: {fault}");
    let content = [paragraph("The mail store does not answer. The console and the log say more.")];
    html(StatusCode::SERVICE_UNAVAILABLE, page("Something is wrong", content))
}

#[cfg(test)]
mod tests;
