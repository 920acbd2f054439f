//! Mail that goes out, from acceptance to the end: a scripted server at the other end, and a clock that is set by hand.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/smtp_server.rs"]
mod smtp_server;

use folder::Folder;
use pillarbox::admin::{
    self, QueueRequest, Reply, Request, Secret, Smarthost, SmarthostPrivacy, SmarthostRequest, Strength, Trust, perform,
};
use pillarbox::courier::smtp::Patience;
use pillarbox::courier::{Clock, Courier, Schedule, Terms};
use pillarbox::delivery::Routing;
use pillarbox::dns::{Answer, DnsError, Lookup, Mx};
use pillarbox::mail::{AccountId, Span, Stamp};
use pillarbox::store::{
    Credentials, Delivery, Limits, NewAccount, Notify, Onward, OnwardRecipient, Options, Outcome, Posting, Progress,
    QueueId, Queued, Reading, Store, Write,
};
use smol::future::FutureExt;
use smtp_server::{Manner, Point, Server, Taken, Tls};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const HOUR: i64 = 3_600;
const USUAL: Schedule = Schedule { first: 60, longest: 4 * HOUR, warn_after: 4 * HOUR, give_up_after: 120 * HOUR };
const BEGAN: i64 = 1_700_000_000;
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
struct World {
    courier: Arc<Courier>,
    server: Server,
    store: Arc<Store>,
    ann: AccountId,
    clock: Arc<AtomicI64>,
    ca: PathBuf,
    _folder: Folder,
}

impl World {
    fn new(name: &str, manners: Vec<Manner>) -> World {
        World::at("127.0.0.2", name, manners)
    }

    /// The server is at this address.
    fn at(address: &str, name: &str, manners: Vec<Manner>) -> World {
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
        let courier = courier(&store, &server, &clock);
        World { courier, server, store, ann, clock, ca, _folder: folder }
    }

    fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    fn enqueue(&self, onward: Onward) {
        self.enqueue_content(onward, b"From: Ann <ann@example.org>\r\nSubject: Hello\r\n\r\nA line\r\n.\r\n.dot\r\n");
    }

    fn enqueue_content(&self, onward: Onward, content: &[u8]) {
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
    fn tend(&self) {
        let late = async {
            smol::Timer::after(BOUND).await;
            panic!("it did not end");
        };
        smol::block_on(Arc::clone(&self.courier).tend().or(late));
    }

    /// The same, later.
    fn tend_after(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
        self.tend();
    }

    fn queue(&self) -> Vec<(QueueId, Queued)> {
        self.store.snapshot().and_then(|snapshot| snapshot.queue(QueueId(0), 100)).expect("it can be read")
    }

    /// What became of each recipient of the only message.
    fn states(&self) -> Vec<Progress> {
        let queue = self.queue();
        let [(_, queued)] = queue.as_slice() else { panic!("{queue:?}") };
        queued.recipients.iter().map(|recipient| recipient.state.clone()).collect()
    }

    /// What Ann finds in her INBOX.
    fn inbox(&self) -> Vec<String> {
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

    fn smarthost(&self, privacy: SmarthostPrivacy, trust: Trust, password: &str) {
        let login = Some(("ann".to_owned(), Secret(password.to_owned())));
        let (host, port) = ("127.0.0.2".to_owned(), self.server.port);
        let request = SmarthostRequest::Set(Smarthost { host, port, privacy, trust, login });
        let strength = Strength { memory_kib: 8, passes: 1, lanes: 1 };
        assert_eq!(perform(&self.store, strength, Request::Smarthost(request)), Reply::Done);
    }

    fn assert_clean(&self) {
        assert_eq!(self.store.check().expect("it can be read").findings, []);
    }
}

fn courier(store: &Arc<Store>, server: &Server, clock: &Arc<AtomicI64>) -> Arc<Courier> {
    let clock: Clock = {
        let clock = Arc::clone(clock);
        Arc::new(move || clock.load(Ordering::SeqCst))
    };
    let short = Duration::from_secs(10);
    let patience = Patience { command: short, data: short, piece: short, verdict: short, quit: short };
    let terms = Terms { schedule: USUAL, deliveries: 4, per_destination: 2, port: server.port, patience };
    let routing = Routing { name: "mail.example.org".to_owned(), grace_percent: 10 };
    Arc::new(Courier::new(Arc::clone(store), routing, Arc::new(Names), terms, clock))
}

fn to(addresses: &[&str]) -> Onward {
    let recipient = |address: &&str| OnwardRecipient { address: (*address).to_owned(), ..OnwardRecipient::default() };
    let recipients = addresses.iter().map(recipient).collect();
    Onward { from: "ann@example.org".to_owned(), recipients, ..Onward::default() }
}

fn manner(change: impl FnOnce(&mut Manner)) -> Manner {
    let mut manner = Manner::default();
    change(&mut manner);
    manner
}

fn recipients(taken: &[Taken]) -> Vec<String> {
    taken.iter().flat_map(|taken| taken.rcpt.clone()).collect()
}

#[test]
fn mail_goes_out_as_it_came_in() {
    let world = World::new("plain", vec![Manner::default()]);
    world.enqueue_content(to(&["bob@example.net", "eve@example.net"]), b"Subject: x\n\n.a\nb\r\n..\nlast");
    world.tend();
    let taken = world.server.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].content, "Subject: x\r\n\r\n.a\r\nb\r\n..\r\nlast\r\n");
    assert_eq!(taken[0].mail, "MAIL FROM:<ann@example.org> SIZE=31");
    assert_eq!(taken[0].content.len(), 31);
    assert_eq!(taken[0].rcpt, ["RCPT TO:<bob@example.net>", "RCPT TO:<eve@example.net>"]);
    assert_eq!(world.queue(), []);
    assert_eq!(world.inbox(), [] as [String; 0]);
    world.assert_clean();
}

#[test]
fn what_cannot_be_taken_now_is_tried_again_when_it_is_time() {
    let busy = manner(|manner| manner.rcpt = vec![("", "451 4.7.1 Later")]);
    let world = World::new("later", vec![busy, Manner::default()]);
    world.enqueue(to(&["bob@example.net"]));
    world.tend();
    assert_eq!(world.states(), [Progress::Waiting { said: Some("mx.example.net: 451 4.7.1 Later".to_owned()) }]);
    world.tend_after(59);
    assert_eq!((world.server.taken().len(), world.server.connections()), (0, 1));
    world.tend_after(1);
    assert_eq!((world.server.taken().len(), world.server.connections()), (1, 2));
    assert_eq!(world.queue(), []);
    assert_eq!(world.inbox(), [] as [String; 0]);
}

#[test]
fn each_recipient_has_a_fate_of_its_own_and_the_sender_hears_of_the_lost_ones() {
    let mixed = manner(|manner| manner.rcpt = vec![("no@", "550 5.1.1 Nobody"), ("later@", "452 4.2.2 Full")]);
    let world = World::new("mixed", vec![mixed]);
    world.enqueue(to(&["yes@example.net", "no@example.net", "later@example.com"]));
    world.tend();
    let states = world.states();
    assert!(matches!(&states[0], Progress::Delivered { host, .. } if host == "mx.example.net"), "{states:?}");
    assert!(matches!(&states[1], Progress::Failed { said } if said.contains("550 5.1.1 Nobody")), "{states:?}");
    assert!(matches!(&states[2], Progress::Waiting { said: Some(_) }), "{states:?}");
    let inbox = world.inbox();
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    assert!(inbox[0].contains("Final-Recipient: rfc822; no@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n"));
    assert!(inbox[0].contains("Content-Type: text/rfc822-headers\r\n") && inbox[0].contains("\r\nSubject: Hello\r\n"));
    assert!(!inbox[0].contains("yes@example.net"), "{}", inbox[0]);
    world.server.behave(Manner::default());
    world.tend_after(60);
    assert_eq!(recipients(&world.server.taken()), ["RCPT TO:<yes@example.net>", "RCPT TO:<later@example.com>"]);
    assert_eq!((world.queue().len(), world.inbox().len()), (0, 1));
    world.assert_clean();
}

#[test]
fn wherever_a_server_goes_away_the_mail_arrives_and_twice_only_where_that_could_not_be_known() {
    use Point::{Body, Data, Dot, Ehlo, Greeting, Mail, Quit, Rcpt};
    for pipelined in [true, false] {
        for (point, attempts) in
            [(Greeting, 2), (Ehlo, 2), (Mail, 2), (Rcpt, 2), (Data, 2), (Body, 2), (Dot, 2), (Quit, 1)]
        {
            let offers = if pipelined { vec!["PIPELINING"] } else { vec![] };
            let leaves = manner(|manner| (manner.leaves, manner.offers) = (Some(point), offers));
            let world = World::new(&format!("leaves-{point:?}-{pipelined}"), vec![leaves, Manner::default()]);
            world.enqueue(to(&["bob@example.net"]));
            world.tend();
            world.tend_after(60);
            assert_eq!(world.server.connections(), attempts, "{point:?}");
            assert_eq!(world.server.taken().len(), 1, "{point:?}");
            assert_eq!((world.queue().len(), world.inbox().len()), (0, 0), "{point:?}");
        }
    }
}

#[test]
fn a_courier_that_is_stopped_anywhere_leaves_nothing_undone() {
    use Point::{Body, Data, Dot, Ehlo, Greeting, Mail, Rcpt};
    for point in [Greeting, Ehlo, Mail, Rcpt, Data, Body, Dot] {
        let stalls = manner(|manner| manner.stalls = Some(point));
        let world = World::new(&format!("stopped-{point:?}"), vec![stalls, Manner::default()]);
        world.enqueue(to(&["bob@example.net"]));
        let stopped = async {
            while world.server.connections() == 0 {
                smol::Timer::after(Duration::from_millis(5)).await;
            }
            smol::Timer::after(Duration::from_millis(50)).await;
        };
        smol::block_on(Arc::clone(&world.courier).tend().or(stopped));
        assert_eq!(world.queue().len(), 1, "{point:?}");
        let again = courier(&world.store, &world.server, &world.clock);
        smol::block_on(again.tend());
        assert_eq!((world.server.taken().len(), world.queue().len()), (1, 0), "{point:?}");
    }
}

#[test]
fn a_server_that_says_nothing_is_left_after_a_while() {
    let stalls = manner(|manner| manner.stalls = Some(Point::Mail));
    let mut world = World::new("slow", vec![stalls, Manner::default()]);
    let short = Duration::from_millis(50);
    let patience = Patience { command: short, data: short, piece: short, verdict: short, quit: short };
    let terms = Terms { schedule: USUAL, deliveries: 4, per_destination: 2, port: world.server.port, patience };
    let routing = Routing { name: "mail.example.org".to_owned(), grace_percent: 10 };
    let clock: Clock = Arc::new(|| BEGAN);
    world.courier = Arc::new(Courier::new(Arc::clone(&world.store), routing, Arc::new(Names), terms, clock));
    world.enqueue(to(&["bob@example.net"]));
    world.tend();
    let states = world.states();
    assert!(
        matches!(&states[0], Progress::Waiting { said: Some(said) } if said.starts_with("450 4.4.2 mx.example.net:")),
        "{states:?}"
    );
}

#[test]
fn tls_is_used_where_it_works_and_mail_goes_out_without_it_where_it_does_not() {
    for (tls, connections, is_tls) in
        [(Tls::None, 1, false), (Tls::Good, 1, true), (Tls::Refused, 2, false), (Tls::Broken, 2, false)]
    {
        let world = World::new(&format!("tls-{tls:?}"), vec![manner(|manner| manner.tls = tls)]);
        world.enqueue(to(&["bob@example.net"]));
        world.tend();
        let taken = world.server.taken();
        assert_eq!((taken.len(), world.server.connections()), (1, connections), "{tls:?}");
        assert_eq!(taken[0].tls, is_tls, "{tls:?}");
    }
}

#[test]
fn a_smarthost_takes_all_mail_once_it_knows_us() {
    for mechanism in ["PLAIN", "LOGIN"] {
        let manner = manner(|manner| {
            manner.tls = Tls::Good;
            manner.login = Some(("ann:open sesame", mechanism));
        });
        let world = World::new(&format!("smarthost-{mechanism}"), vec![manner]);
        world.smarthost(SmarthostPrivacy::StartTls, Trust::Authority(world.ca.clone()), "open sesame");
        world.enqueue(to(&["bob@example.net", "eve@nowhere.example"]));
        world.tend();
        let taken = world.server.taken();
        assert_eq!(taken.len(), 1, "{mechanism}: {:?}", world.queue());
        assert!(taken[0].tls && taken[0].login && taken[0].rcpt.len() == 2);
        assert_eq!(world.queue(), []);
    }
}

#[test]
fn no_password_is_said_to_a_smarthost_that_is_not_private_or_not_the_right_one() {
    for tls in [Tls::None, Tls::Refused, Tls::Broken, Tls::Injected, Tls::Good] {
        let manner = manner(|manner| {
            manner.tls = tls;
            manner.login = Some(("ann:open sesame", "PLAIN"));
        });
        let world = World::new(&format!("private-{tls:?}"), vec![manner]);
        // Only the last one has nothing wrong but its certificate.
        let trust = if tls == Tls::Good { Trust::Fingerprint([1; 32]) } else { Trust::Anyone };
        world.smarthost(SmarthostPrivacy::StartTls, trust, "open sesame");
        world.enqueue(to(&["bob@example.net"]));
        world.tend();
        assert_eq!(world.server.taken(), []);
        assert!(world.server.lines().iter().all(|line| !line.starts_with("AUTH")), "{tls:?}");
        let states = world.states();
        assert!(matches!(&states[0], Progress::Waiting { said: Some(_) }), "{tls:?}: {states:?}");
    }
}

#[test]
fn mail_waits_until_a_wrong_password_is_put_right() {
    let manner = manner(|manner| {
        manner.tls = Tls::Good;
        manner.login = Some(("ann:open sesame", "PLAIN"));
    });
    let world = World::new("password", vec![manner]);
    world.smarthost(SmarthostPrivacy::StartTls, Trust::Anyone, "open barley");
    world.enqueue(to(&["bob@example.net"]));
    world.tend();
    let states = world.states();
    assert!(matches!(&states[0], Progress::Waiting { said: Some(said) } if said.contains("535 5.7.8")), "{states:?}");
    // Set anew, it is tried at once: nobody waits for the next attempt.
    world.clock.fetch_add(1, Ordering::SeqCst);
    world.smarthost(SmarthostPrivacy::StartTls, Trust::Anyone, "open sesame");
    world.clock.store(i64::MAX / 2, Ordering::SeqCst);
    world.tend();
    assert_eq!((world.server.taken().len(), world.queue().len()), (1, 0));
    let shown = perform(
        &world.store,
        Strength { memory_kib: 8, passes: 1, lanes: 1 },
        Request::Smarthost(SmarthostRequest::Show),
    );
    assert!(!format!("{shown:?}").contains("sesame"));
}

#[test]
fn a_mail_that_nobody_takes_is_told_of_after_hours_and_given_up_after_days() {
    let world = World::new("expired", vec![manner(|manner| manner.mail = "451 4.3.0 Not now")]);
    world.enqueue(to(&["bob@example.net"]));
    let mut told = Vec::new();
    for _ in 0..100 {
        world.tend();
        if world.inbox().len() > told.len() {
            told.push(world.now() - BEGAN);
        }
        let queue = world.queue();
        let [(_, queued)] = queue.as_slice() else { break };
        world.clock.store(queued.next, Ordering::SeqCst);
    }
    assert_eq!(world.queue(), []);
    assert!(
        matches!(told[..], [first, last] if (4 * HOUR..9 * HOUR).contains(&first)
        && (120 * HOUR..124 * HOUR).contains(&last)),
        "{told:?}"
    );
    let inbox = world.inbox();
    assert!(inbox[0].contains("Action: delayed\r\nStatus: 4.3.0\r\n") && inbox[0].contains("Will-Retry-Until: "));
    assert!(inbox[1].contains("Action: failed\r\nStatus: 5.4.7\r\n"), "{}", inbox[1]);
    world.assert_clean();
}

#[test]
fn a_clock_that_jumps_gives_no_mail_up() {
    let world = World::new("jumps", vec![manner(|manner| manner.mail = "451 4.3.0 Not now")]);
    world.clock.store(0, Ordering::SeqCst);
    world.enqueue(to(&["bob@example.net"]));
    world.tend();
    // The network is there, and with it the time.
    world.clock.store(BEGAN, Ordering::SeqCst);
    world.tend();
    assert_eq!((world.queue().len(), world.inbox().len()), (1, 0));
    // And back, to before the next attempt by years.
    world.clock.store(1_000, Ordering::SeqCst);
    world.server.behave(Manner::default());
    world.tend();
    assert_eq!((world.queue().len(), world.server.taken().len()), (0, 1));
}

#[test]
fn what_can_never_arrive_is_told_at_once() {
    for (domain, status) in [("nowhere.example", "5.1.2"), ("null.example", "5.1.10"), ("circle.example", "5.4.6")] {
        let world = World::new(domain, vec![Manner::default()]);
        world.enqueue(to(&[&format!("bob@{domain}")]));
        world.tend();
        let inbox = world.inbox();
        assert!(inbox.len() == 1 && inbox[0].contains(&format!("\r\nStatus: {status}\r\n")), "{inbox:?}");
        assert_eq!((world.queue().len(), world.server.connections()), (0, 0));
    }
}

#[test]
fn the_next_host_takes_what_the_first_cannot() {
    let world = World::new("hosts", vec![Manner::default()]);
    world.enqueue(to(&["bob@two.example"]));
    world.enqueue(to(&["eve@down.example"]));
    world.tend();
    assert_eq!(recipients(&world.server.taken()), ["RCPT TO:<bob@two.example>"]);
    let states = world.states();
    assert!(
        matches!(&states[..], [Progress::Waiting { said: Some(said) }] if said.starts_with("450 4.4.1 down.example.net:")),
        "{states:?}"
    );
}

#[test]
fn an_owner_sees_what_waits_and_tries_it_or_takes_it_out() {
    let world = World::new("owner", vec![manner(|manner| manner.mail = "451 4.3.0 Not now")]);
    let ask = |request| perform(&world.store, Strength { memory_kib: 8, passes: 1, lanes: 1 }, Request::Queue(request));
    for _ in 0..3 {
        world.enqueue(to(&["bob@example.net"]));
    }
    world.tend();
    let Reply::Queue(lines) = ask(QueueRequest::List { from: 0 }) else { panic!("it is listed") };
    let [first, second, third] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((first.attempts, first.from.as_str(), first.next), (1, "ann@example.org", BEGAN + 60));
    assert_eq!(first.recipients[0].said, "mx.example.net: 451 4.3.0 Not now");
    assert_eq!(ask(QueueRequest::List { from: second.id }), Reply::Queue(lines[1..].to_vec()));
    assert_eq!(ask(QueueRequest::Show { id: third.id }), Reply::Queue(lines[2..].to_vec()));
    assert_eq!(ask(QueueRequest::Drop { id: second.id }), Reply::Done);
    assert!(matches!(ask(QueueRequest::Drop { id: second.id }), Reply::Failed(_)));
    assert!(matches!(ask(QueueRequest::Retry { id: Some(second.id) }), Reply::Failed(_)));
    assert_eq!(ask(QueueRequest::Retry { id: Some(first.id) }), Reply::Done);
    // The owner's clock is the machine's.
    world.clock.store(world.queue()[0].1.next, Ordering::SeqCst);
    world.server.behave(Manner::default());
    world.tend();
    assert_eq!((world.server.taken().len(), world.queue().len()), (2, 0));
    world.assert_clean();
}

#[test]
fn what_is_taken_out_while_it_is_carried_is_not_put_back() {
    let stalls = manner(|manner| manner.stalls = Some(Point::Rcpt));
    let world = World::new("dropped", vec![stalls]);
    world.enqueue(to(&["bob@example.net"]));
    let dropped = async {
        while !world.server.lines().iter().any(|line| line.starts_with("RCPT")) {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
        let (id, _) = world.queue()[0];
        let request = Request::Queue(QueueRequest::Drop { id: id.0 });
        let done = perform(&world.store, Strength { memory_kib: 8, passes: 1, lanes: 1 }, request);
        assert_eq!(done, Reply::Done);
        std::future::pending::<()>().await;
    };
    // The server is left after a while, and what it is said to have said is not written.
    smol::block_on(Arc::clone(&world.courier).tend().or(dropped));
    assert_eq!((world.queue().len(), world.inbox().len()), (0, 0));
    world.assert_clean();
}

#[test]
fn a_server_that_greets_us_with_our_own_name_is_ourselves() {
    let ourselves = manner(|manner| manner.greeting = "220 mail.example.org ESMTP");
    let world = World::new("ourselves", vec![ourselves]);
    world.enqueue(to(&["bob@example.net"]));
    world.tend();
    let inbox = world.inbox();
    assert!(inbox.len() == 1 && inbox[0].contains("\r\nStatus: 5.4.6\r\n"), "{inbox:?}");
    assert_eq!(world.server.taken(), []);
}

#[test]
fn a_host_at_our_own_address_is_ourselves_whatever_its_name() {
    let world = World::at("127.0.0.1", "here", vec![Manner::default()]);
    world.enqueue(to(&["bob@here.example"]));
    world.tend();
    let inbox = world.inbox();
    assert!(inbox.len() == 1 && inbox[0].contains("\r\nStatus: 5.4.6\r\n"), "{inbox:?}");
    assert_eq!(world.server.taken(), []);
}

#[test]
fn a_large_mail_that_comes_home_stays() {
    let world = World::new("large", vec![Manner::default()]);
    let mut content = b"Subject: large\r\n\r\n".to_vec();
    // What does not pack, so that most of it is staged before it is placed.
    let mut number = 1_u64;
    while content.len() < 12 << 20 {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        content.extend_from_slice(format!("{number:016x}{:016x}\r\n", number.rotate_left(17) ^ 0x5bd1_e995).as_bytes());
    }
    world.enqueue_content(to(&["ann@example.org"]), &content);
    world.tend();
    let sweep = || world.store.write_blocking(Write::Sweep).expect("it can be written");
    while let Outcome::Swept { more: true, .. } = sweep() {}
    let inbox = world.inbox();
    assert!(inbox.len() == 1 && inbox[0].as_bytes() == content, "{} mails", inbox.len());
    assert_eq!(world.queue(), []);
    world.assert_clean();
}

#[test]
fn what_has_no_sender_is_answered_by_nothing_and_a_report_goes_out_without_one() {
    let world = World::new("null", vec![manner(|manner| manner.rcpt = vec![("bob@", "550 5.1.1 Nobody")])]);
    world.enqueue(Onward { from: String::new(), ..to(&["bob@example.net"]) });
    world.tend();
    assert_eq!((world.queue().len(), world.inbox().len()), (0, 0));
    // A sender elsewhere is told by mail.
    world.enqueue(Onward { from: "carol@example.com".to_owned(), ..to(&["bob@example.net"]) });
    world.tend();
    let taken = world.server.taken();
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert!(taken[0].mail.starts_with("MAIL FROM:<> "), "{}", taken[0].mail);
    assert_eq!(taken[0].rcpt, ["RCPT TO:<carol@example.com>"]);
    assert!(taken[0].content.contains("Final-Recipient: rfc822; bob@example.net\r\nAction: failed\r\n"));
    assert_eq!((world.queue().len(), world.inbox().len()), (0, 0));
}

#[test]
fn what_the_sender_asked_for_is_passed_on_or_told() {
    let asked = |dsn: bool| {
        let manner = manner(|manner| manner.offers = if dsn { vec!["DSN", "8BITMIME"] } else { vec![] });
        let world = World::new(&format!("dsn-{dsn}"), vec![manner]);
        let notify = Notify { success: true, failure: true, delay: false };
        let orcpt = Some("rfc822;b+2Bob@example.net".to_owned());
        let recipients = vec![OnwardRecipient { address: "bob@example.net".to_owned(), orcpt, notify }];
        let (envid, from) = (Some("QQ314".to_owned()), "ann@example.org".to_owned());
        world.enqueue(Onward { from, recipients, envid, ret_full: true, body_8bit: true, ..Onward::default() });
        world.tend();
        (world.server.taken().remove(0), world.inbox())
    };
    let (taken, inbox) = asked(true);
    assert_eq!(taken.mail, "MAIL FROM:<ann@example.org> BODY=8BITMIME RET=FULL ENVID=QQ314");
    assert_eq!(taken.rcpt, ["RCPT TO:<bob@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+2Bob@example.net"]);
    assert_eq!(inbox, [] as [String; 0]);
    let (taken, inbox) = asked(false);
    assert_eq!(
        (taken.mail.as_str(), taken.rcpt[0].as_str()),
        ("MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.net>")
    );
    assert!(inbox.len() == 1 && inbox[0].contains("Action: relayed\r\nStatus: 2.0.0\r\n"), "{inbox:?}");
    assert!(inbox[0].contains("Original-Envelope-Id: QQ314\r\n"));
    assert!(inbox[0].contains("Original-Recipient: rfc822; b+ob@example.net\r\n"));
}

#[test]
fn what_a_server_cannot_take_is_not_sent_to_it() {
    let small = manner(|manner| manner.offers = vec!["SIZE 20"]);
    let world = World::new("too-large", vec![small]);
    world.enqueue(to(&["bob@example.net"]));
    world.enqueue(Onward { utf8: true, ..to(&["jürgen@example.net"]) });
    world.tend();
    assert_eq!(world.server.lines().iter().filter(|line| line.starts_with("MAIL")).count(), 0);
    let mut inbox = world.inbox();
    inbox.sort_by_key(|report| report.contains("jürgen"));
    assert_eq!(inbox.len(), 2, "{inbox:?}");
    assert!(
        inbox[0].contains("Status: 5.3.4\r\n") && inbox[1].contains("Final-Recipient: utf-8; jürgen@example.net\r\n")
    );
}

#[test]
fn who_is_here_after_all_gets_it_here() {
    let world = World::new("home", vec![Manner::default()]);
    let notify = Notify { success: true, failure: true, delay: false };
    let mut onward = to(&["ann@example.org", "nobody@example.org", "bob@example.net"]);
    onward.recipients[0].notify = notify;
    world.enqueue(onward);
    world.tend();
    let mut inbox = world.inbox();
    inbox.sort_by_key(|mail| (mail.contains("Action: "), mail.contains("Action: failed")));
    assert_eq!(inbox.len(), 3, "{inbox:?}");
    assert!(inbox[0].contains("Subject: Hello\r\n") && inbox[0].ends_with("A line\r\n.\r\n.dot\r\n"), "{}", inbox[0]);
    assert!(inbox[1].contains("Action: delivered\r\nStatus: 2.1.5\r\n"), "{}", inbox[1]);
    assert!(inbox[2].contains("nobody@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n"), "{}", inbox[2]);
    assert_eq!((world.server.taken().len(), world.queue().len()), (1, 0));
    world.assert_clean();
}

#[test]
fn mail_of_somebody_here_is_signed_by_both_keys_of_its_domain() {
    let world = World::new("signed", vec![Manner::default()]);
    world.enqueue(Onward { account: Some(world.ann), ..to(&["bob@example.net"]) });
    world.tend();
    let taken = world.server.taken();
    assert_eq!(taken[0].content.matches("DKIM-Signature: v=1;").count(), 2, "{}", taken[0].content);
    assert!(taken[0].content.contains("d=example.org;") && taken[0].content.ends_with("A line\r\n.\r\n.dot\r\n"));
    let size: usize = taken[0].mail.rsplit_once("SIZE=").expect("it is told").1.parse().expect("it is a number");
    assert_eq!(size, taken[0].content.len());
    let Ok(keys) = admin::keys::ensure(&world.store, "example.org") else { panic!("there are no keys") };
    assert_eq!(keys.len(), 2);
}

#[test]
fn a_busy_destination_keeps_no_other_waiting() {
    let stalls = manner(|manner| manner.stalls = Some(Point::Rcpt));
    let world = World::new("busy", vec![stalls.clone(), stalls, Manner::default()]);
    for _ in 0..6 {
        world.enqueue(to(&["bob@example.net"]));
    }
    let until_stalled = async {
        while world.server.connections() < 2 {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
        world.enqueue(to(&["eve@example.com"]));
        while world.server.taken().is_empty() {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
    };
    smol::block_on(Arc::clone(&world.courier).run().or(until_stalled));
    assert_eq!(recipients(&world.server.taken()), ["RCPT TO:<eve@example.com>"]);
    assert_eq!(world.server.connections(), 3, "two at a time go to one domain");
}

#[test]
fn hundreds_for_a_host_that_hangs_keep_no_other_waiting() {
    let stalls = manner(|manner| manner.stalls = Some(Point::Rcpt));
    let world = World::new("starving", vec![stalls.clone(), stalls, Manner::default()]);
    for _ in 0..520 {
        world.enqueue(to(&["bob@example.net"]));
    }
    world.clock.fetch_add(1, Ordering::SeqCst);
    world.enqueue(to(&["eve@example.com"]));
    let until_taken = async {
        while world.server.taken().is_empty() {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
    };
    let late = async {
        smol::Timer::after(Duration::from_secs(20)).await;
        panic!("it waits for the others");
    };
    smol::block_on(Arc::clone(&world.courier).run().or(until_taken).or(late));
    assert_eq!(recipients(&world.server.taken()), ["RCPT TO:<eve@example.com>"]);
}

#[test]
fn what_is_all_ascii_goes_to_those_who_know_nothing_else() {
    let plain = manner(|manner| manner.offers = vec!["PIPELINING"]);
    let world = World::new("ascii", vec![plain]);
    world.enqueue(Onward { utf8: true, ..to(&["bob@example.net", "jürgen@example.net"]) });
    world.enqueue_content(Onward { utf8: true, ..to(&["eve@example.net"]) }, "Subject: ü\r\n\r\nx".as_bytes());
    world.tend();
    let taken = world.server.taken();
    assert_eq!(recipients(&taken), ["RCPT TO:<bob@example.net>"]);
    assert_eq!(taken[0].mail, "MAIL FROM:<ann@example.org>");
    let inbox = world.inbox();
    assert_eq!(inbox.len(), 2, "{inbox:?}");
    assert!(inbox.iter().any(|report| report.contains("Status: 5.6.7\r\n") && !report.contains("bob@")), "{inbox:?}");
    assert!(inbox.iter().any(|report| report.contains("Status: 5.6.9\r\n")), "{inbox:?}");
}

#[test]
fn an_answer_to_something_else_is_not_believed_to_be_one_to_the_mail() {
    // One reply too many: from then on each is taken for an answer to the next command.
    let twice = manner(|manner| manner.rcpt = vec![("bob", "250 2.1.5 Ok\r\n250 2.1.5 Ok")]);
    let world = World::new("out-of-step", vec![twice]);
    world.enqueue(to(&["bob@example.net"]));
    world.tend();
    assert_eq!((world.server.taken().len(), world.queue().len()), (0, 1));
}

#[test]
fn who_refuses_a_sender_and_hangs_up_is_heard() {
    let hangs_up = manner(|manner| (manner.mail, manner.leaves) = ("550 5.7.1 Not you", Some(Point::Rcpt)));
    let world = World::new("hangs-up", vec![hangs_up]);
    world.enqueue(to(&["bob@example.net"]));
    world.tend();
    let inbox = world.inbox();
    assert!(inbox.len() == 1 && inbox[0].contains("Status: 5.7.1\r\n"), "{inbox:?}");
}
