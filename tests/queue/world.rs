//! What the tests of the queue play with: a box with one account, and a server elsewhere.

use super::folder::Folder;
use super::smtp_server::{Manner, Server, Taken};
use pillarbox::admin::{
    Reply, Request, Secret, Smarthost, SmarthostPrivacy, SmarthostRequest, Strength, Trust, perform,
};
use pillarbox::courier::smtp::Patience;
use pillarbox::courier::{Clock, Courier, Schedule, Terms};
use pillarbox::delivery::Routing;
use pillarbox::dns::{Answer, DnsError, Lookup, Mx};
use pillarbox::mail::{AccountId, Span, Stamp};
use pillarbox::store::{
    Credentials, Delivery, Limits, NewAccount, Onward, OnwardRecipient, Options, Outcome, Posting, Progress, QueueId,
    Queued, Reading, Store, Write,
};
use smol::future::FutureExt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub(super) const HOUR: i64 = 3_600;
pub(super) const USUAL: Schedule =
    Schedule { first: 60, longest: 4 * HOUR, warn_after: 4 * HOUR, give_up_after: 120 * HOUR };
pub(super) const BEGAN: i64 = 1_700_000_000;
/// What a server may take for a step, unless a test is about that.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// No test waits longer.
const BOUND: Duration = Duration::from_mins(1);

/// Knows one host, at which all servers of these tests are.
struct Names;

impl Lookup for Names {
    fn txt<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<Vec<u8>>> {
        Box::pin(async { Err(DnsError::NoData) })
    }

    fn ipv4<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Ipv4Addr>> {
        Box::pin(async move {
            match name {
                "mx.example.net" => Ok(vec![Ipv4Addr::new(127, 0, 0, 2)]),
                "here.example.net" => Ok(vec![Ipv4Addr::LOCALHOST]),
                "down.example.net" => Ok(vec![Ipv4Addr::new(127, 0, 0, 3)]),
                _ => Err(DnsError::NoSuchName),
            }
        })
    }

    fn ipv6<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<Ipv6Addr>> {
        Box::pin(async { Err(DnsError::NoData) })
    }

    fn mx<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Mx>> {
        let mx = |exchange: &str| Ok(vec![Mx { preference: 10, exchange: exchange.to_owned() }]);
        Box::pin(async move {
            match name {
                "example.net" | "example.com" => mx("mx.example.net"),
                "null.example" => mx(""),
                "two.example" => Ok(vec![
                    Mx { preference: 5, exchange: "gone.example.net".to_owned() },
                    Mx { preference: 10, exchange: "down.example.net".to_owned() },
                    Mx { preference: 20, exchange: "mx.example.net".to_owned() },
                ]),
                "here.example" => mx("here.example.net"),
                "down.example" => mx("down.example.net"),
                "circle.example" => mx("mail.example.org"),
                _ => Err(DnsError::NoSuchName),
            }
        })
    }

    fn ptr(&self, _: IpAddr) -> Answer<'_, Vec<String>> {
        Box::pin(async { Err(DnsError::NoData) })
    }
}

/// A box with one account, and a server elsewhere.
pub(super) struct World {
    pub(super) courier: Arc<Courier>,
    pub(super) server: Server,
    pub(super) store: Arc<Store>,
    pub(super) ann: AccountId,
    pub(super) clock: Arc<AtomicI64>,
    pub(super) ca: PathBuf,
    _folder: Folder,
}

impl World {
    pub(super) fn new(name: &str, manners: Vec<Manner>) -> World {
        World::at("127.0.0.2", name, manners)
    }

    /// The server is at this address.
    pub(super) fn at(address: &str, name: &str, manners: Vec<Manner>) -> World {
        let folder = Folder::new(&format!("queue-{name}"));
        let store = Arc::new(Store::open(&folder.0.join("data"), Options::default()).expect("it is new"));
        let new = NewAccount {
            address: "ann@example.org".to_owned(),
            credentials: Credentials::default(),
            limits: Limits::default(),
            now: 0,
        };
        let Ok(Outcome::Account(ann)) = store.write_blocking(Write::AddAccount(new)) else { panic!("no account") };
        let ca = folder.0.join("ca.pem");
        let server = Server::start(address, manners, &ca);
        let clock = Arc::new(AtomicI64::new(BEGAN));
        let courier = courier(&store, &server, &clock, PATIENCE);
        World { courier, server, store, ann, clock, ca, _folder: folder }
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    pub(super) fn enqueue(&self, onward: Onward) {
        self.enqueue_content(onward, b"From: Ann <ann@example.org>\r\nSubject: Hello\r\n\r\nA line\r\n.\r\n.dot\r\n");
    }

    pub(super) fn enqueue_content(&self, onward: Onward, content: &[u8]) {
        let mut packer = self.store.packer();
        packer.push(content).expect("it is small");
        let parcel = packer.finish().expect("it is small");
        let now = self.now();
        let posting =
            Posting { parcel, received: Stamp::utc(now), copies: Vec::new(), onward: vec![onward], once: None };
        let delivery = Delivery { messages: vec![posting], marks: Vec::new(), now };
        self.store.write_blocking(Write::Deliver(Box::new(delivery))).expect("there is room");
    }

    /// Carries all that is due now.
    pub(super) fn tend(&self) {
        let late = async {
            smol::Timer::after(BOUND).await;
            panic!("it did not end");
        };
        smol::block_on(Arc::clone(&self.courier).tend().or(late));
    }

    /// The same, later.
    pub(super) fn tend_after(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
        self.tend();
    }

    pub(super) fn queue(&self) -> Vec<(QueueId, Queued)> {
        self.store.snapshot().and_then(|snapshot| snapshot.queue(QueueId(0), 100)).expect("it can be read")
    }

    /// What became of each recipient of the only message.
    pub(super) fn states(&self) -> Vec<Progress> {
        let queue = self.queue();
        let [(_, queued)] = queue.as_slice() else { panic!("{queue:?}") };
        queued.recipients.iter().map(|recipient| recipient.state.clone()).collect()
    }

    /// What Ann finds in her INBOX.
    pub(super) fn inbox(&self) -> Vec<String> {
        let snapshot = self.store.snapshot().expect("it can be read");
        let inbox = snapshot.mailbox_named(self.ann, "INBOX").expect("it can be read").expect("it is there");
        let messages = snapshot.messages(inbox, 1, u32::MAX).expect("it can be read");
        messages
            .map(|row| {
                let (_, message) = row.expect("it can be read");
                let head = snapshot.head(message.blob).expect("it can be read").expect("it is there");
                let head = head.read().expect("it can be read");
                let mut octets = Vec::new();
                let mut reading = Reading { blob: message.blob, rest: Span { start: 0, end: head.size } };
                while !reading.read(&snapshot, &head, &mut octets, usize::MAX).expect("it can be read") {}
                String::from_utf8_lossy(&octets).into_owned()
            })
            .collect()
    }

    pub(super) fn smarthost(&self, privacy: SmarthostPrivacy, trust: Trust, password: &str) {
        let login = Some(("ann".to_owned(), Secret(password.to_owned())));
        let (host, port) = ("127.0.0.2".to_owned(), self.server.port);
        let request = SmarthostRequest::Set(Smarthost { host, port, privacy, trust, login });
        let strength = Strength { memory_kib: 8, passes: 1, lanes: 1 };
        assert_eq!(perform(&self.store, strength, Request::Smarthost(request)), Reply::Done);
    }

    pub(super) fn assert_clean(&self) {
        assert_eq!(self.store.check().expect("it can be read").findings, []);
    }
}

/// `wait`: how long any step at the server may take.
pub(super) fn courier(store: &Arc<Store>, server: &Server, clock: &Arc<AtomicI64>, wait: Duration) -> Arc<Courier> {
    let clock: Clock = {
        let clock = Arc::clone(clock);
        Arc::new(move || clock.load(Ordering::SeqCst))
    };
    let patience = Patience { command: wait, data: wait, piece: wait, verdict: wait, quit: wait };
    let terms = Terms { schedule: USUAL, deliveries: 4, per_destination: 2, port: server.port, patience };
    let routing = Routing { name: "mail.example.org".to_owned(), grace_percent: 10 };
    Arc::new(Courier::new(Arc::clone(store), routing, Arc::new(Names), terms, clock))
}

pub(super) fn to(addresses: &[&str]) -> Onward {
    let recipient = |address: &&str| OnwardRecipient { address: (*address).to_owned(), ..OnwardRecipient::default() };
    let recipients = addresses.iter().map(recipient).collect();
    Onward { from: "ann@example.org".to_owned(), recipients, ..Onward::default() }
}

pub(super) fn manner(change: impl FnOnce(&mut Manner)) -> Manner {
    let mut manner = Manner::default();
    change(&mut manner);
    manner
}

pub(super) fn recipients(taken: &[Taken]) -> Vec<String> {
    taken.iter().flat_map(|taken| taken.rcpt.clone()).collect()
}
