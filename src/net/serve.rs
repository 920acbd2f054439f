//! The server: listeners, the threads that run everything, and an orderly end.

use super::guests::{Guest, Guests};
use super::local::{self, LocalSocket};
use super::logins::Logins;
use super::pages::{Pages, visit};
use super::peer::Peer;
use super::shares::Shares;
use super::stream::Stream;
use super::talk::{Door, Speaks, come_again, now, talk};
use super::tls::Identity;
use super::turns::Turns;
use crate::admin::socket::Place;
use crate::admin::{self, Gate};
use crate::dns::Lookup;
use crate::mail::limits;
use crate::session::pop3::Maildrops;
use crate::session::smtp::{Kind, Terms};
use crate::store::{Outcome, Store, Write};
use crate::sys::ledger::STRANGERS;
use crate::sys::pulse::PULSE;
use crate::sys::{descriptors, task, threads};
use async_executor::Executor;
use async_signal::{Signal, Signals};
use event_listener::Event;
use rustix::net::SendFlags;
use smol::future::FutureExt;
use smol::lock::Semaphore;
use smol::net::unix::UnixListener;
use smol::net::{TcpListener, TcpStream};
use smol::stream::StreamExt;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// IMAP in plain text (RFC 9051 §2.1) and in TLS (RFC 8314 §3.2).
const IMAP: u16 = 143;
const IMAPS: u16 = 993;
/// POP3 in plain text (RFC 1939 §3) and in TLS (RFC 8314 §3.1).
const POP3: u16 = 110;
const POP3S: u16 = 995;
/// SMTP (RFC 5321 §4.5.4.2), submission in TLS (RFC 8314 §3.3) and with STARTTLS (RFC 6409 §3.1), and LMTP, which has no
/// port of its own but must not have SMTP's (RFC 2033 §5).
const SMTP: u16 = 25;
const SUBMISSIONS: u16 = 465;
const SUBMISSION: u16 = 587;
const LMTP: u16 = 24;
/// Pages in plain text and in TLS (RFC 9110 §4.2).
const HTTP: u16 = 80;
const HTTPS: u16 = 443;
/// How often the certificate's files are looked at.
const REFRESH: Duration = Duration::from_secs(10);
/// How often mail that was deleted long ago is looked for.
const EXPIRY: Duration = Duration::from_hours(1);
/// How long sessions have to end when the server does.
const FAREWELL: Duration = Duration::from_secs(5);
/// Two unanswered questions after this and the connection is dead: a phone that left the Wi-Fi says nothing.
const KEEPALIVE: Duration = Duration::from_mins(10);

/// As which a conversation is counted that broke off: a fault in one must not be the end of all others.
const CONVERSATION: &str = "a conversation";

/// What goes on beside the sessions for as long as the server runs; it is dropped where it waits when the server ends,
/// and begun again where it breaks off by a defect.
pub struct Errand {
    name: &'static str,
    begin: Box<dyn FnMut() -> Work + Send>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is served, and where.
pub struct Serving<'a> {
    /// The mail.
    pub store: Arc<Store>,
    /// Who may come in.
    pub gate: Arc<Gate>,
    /// Who we are in TLS.
    pub identity: Arc<Identity>,
    /// Who reads which maildrop by POP3.
    pub maildrops: Arc<Maildrops>,
    /// What holds for mail that comes in.
    pub terms: Arc<Terms>,
    /// Who is asked for the names that a sender is checked by.
    pub lookup: Arc<dyn Lookup>,
    /// By which doors mail comes in.
    pub doors: Doors,
    /// Days that mail which POP3 clients deleted stays in the Trash; 0: for ever.
    pub trash_days: u32,
    /// What browsers are answered.
    pub pages: Option<Arc<dyn Pages>>,
    /// The address that we listen on.
    pub bind: IpAddr,
    /// Ports are the standard ones and this.
    pub port_offset: u16,
    /// Where the admin socket is; `None`: there is none.
    pub socket: Option<&'a Place>,
    /// Our host name.
    pub name: String,
    /// What else is to be done all the while.
    pub errands: Vec<Errand>,
}

/// By which doors mail comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doors {
    /// That of other servers.
    pub mx: bool,
    /// Those of mail programs.
    pub submission: bool,
    /// That of a mail server on this machine: a port, which only this machine reaches,
    pub lmtp: bool,
    /// and a socket.
    pub lmtp_socket: Option<LocalSocket>,
}

/// What all connections share.
pub(super) struct House {
    pub(super) store: Arc<Store>,
    pub(super) gate: Arc<Gate>,
    pub(super) identity: Arc<Identity>,
    pub(super) maildrops: Arc<Maildrops>,
    pub(super) terms: Arc<Terms>,
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) pages: Option<Arc<dyn Pages>>,
    pub(super) name: Arc<str>,
    pub(super) executor: Arc<Executor<'static>>,
    pub(super) stop: Event,
    stopping: AtomicBool,
    guests: Arc<Guests>,
    /// Who came in from where.
    pub(super) logins: Logins,
    /// What the sessions of each account hold.
    pub(super) shares: Shares,
    /// Whose turn it is.
    pub(super) turns: Turns,
    /// For those for whom much may wait in the kernel.
    pub(super) wide: Semaphore,
}

/// Sockets that have no address.
struct Sockets<'a> {
    admin: Option<&'a Place>,
    lmtp: Option<LocalSocket>,
}

/// What is behind a port.
#[derive(Clone, Copy, Debug)]
enum Entrance {
    Mail(Door),
    Pages { tls: bool },
}

impl Errand {
    /// By this name the owner reads of it where it broke off.
    pub fn new<F>(name: &'static str, mut begin: impl FnMut() -> F + Send + 'static) -> Errand
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Errand { name, begin: Box::new(move || Box::pin(begin())) }
    }

    async fn run(self) {
        task::steady(self.name, self.begin).await;
    }
}

impl House {
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// There is no room for one more. In plain text they are told so, as far as that costs no time.
    fn turn_away(&self, peer: impl fmt::Display, stream: impl AsFd, speaks: Option<Speaks>) {
        if let Some(speaks) = speaks {
            // Who goes before that need not be told.
            let _ = rustix::net::send(stream, come_again(speaks), SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        }
        // Who waits for nothing makes room for the next.
        STRANGERS.press();
        if let Some(count) = self.guests.note_turned_away(Instant::now()) {
            log::warn!("too many connections: {count} turned away, the last of them {peer}");
        }
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.stop.notify(usize::MAX);
    }
}

/// Serves until SIGINT or SIGTERM; `ready` runs when all listeners are bound, and hears whether those of pages are.
pub fn serve(serving: Serving<'_>, ready: impl FnOnce(bool)) -> io::Result<()> {
    let executor: Arc<Executor<'static>> = Arc::new(Executor::new());
    let mut errands = serving.errands;
    errands.extend([
        Errand::new("the clock of those who wait for a peer", || PULSE.run()),
        Errand::new("the renewal of certificates", {
            let identity = Arc::clone(&serving.identity);
            move || refresh(Arc::clone(&identity))
        }),
        Errand::new("the record of what came before", {
            let store = Arc::clone(&serving.store);
            move || forget(Arc::clone(&store))
        }),
        Errand::new("the emptying of the Trash", {
            let store = Arc::clone(&serving.store);
            move || expire(Arc::clone(&store), serving.trash_days)
        }),
    ]);
    let house = Arc::new(House {
        store: serving.store,
        gate: serving.gate,
        identity: serving.identity,
        maildrops: serving.maildrops,
        terms: serving.terms,
        lookup: serving.lookup,
        pages: serving.pages,
        name: serving.name.into(),
        executor: Arc::clone(&executor),
        stop: Event::new(),
        stopping: AtomicBool::new(false),
        guests: Arc::new(Guests::new(descriptors::connections())),
        logins: Logins::default(),
        shares: Shares::default(),
        turns: Turns::new(threads()),
        wide: Semaphore::new(limits::WIDE),
    });
    let doors = entrances(serving.bind, serving.port_offset, &serving.doors, house.pages.is_some())?;
    let sockets = Sockets { admin: serving.socket, lmtp: serving.doors.lmtp_socket.filter(|_| serving.doors.lmtp) };
    let (running, ended) = smol::channel::bounded::<()>(1);
    std::thread::scope(|scope| {
        for number in 1..threads() {
            let (executor, ended) = (Arc::clone(&executor), ended.clone());
            let named = std::thread::Builder::new().name(format!("worker-{number}"));
            named.spawn_scoped(scope, move || {
                threads::go_on("a worker", &mut || {
                    smol::block_on(executor.run(async {
                        // An error says that the server has ended.
                        let _ = ended.recv().await;
                    }));
                });
            })?;
        }
        let result = smol::block_on(executor.run(run(&executor, &house, &doors, &sockets, errands, ready)));
        drop(running);
        result
    })
}

/// Whether all that mail comes in by could be listened on: to be asked before anything is made for a server that then
/// could not run.
pub fn probe(bind: IpAddr, port_offset: u16, doors: &Doors) -> io::Result<()> {
    for (address, _) in entrances(bind, port_offset, doors, false)? {
        std::net::TcpListener::bind(address).map_err(|error| taken(address, &error))?;
    }
    Ok(())
}

fn taken(address: SocketAddr, error: &io::Error) -> io::Error {
    let (address, port) = (address.ip(), address.port());
    io::Error::new(error.kind(), format!("port {port} of {address} cannot be listened on: {error}"))
}

/// Where to listen, and for what.
fn entrances(bind: IpAddr, port_offset: u16, doors: &Doors, pages: bool) -> io::Result<Vec<(SocketAddr, Entrance)>> {
    let port_at = |bind: IpAddr, standard: u16| {
        let port = standard.checked_add(port_offset);
        port.map(|port| SocketAddr::new(bind, port))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the port offset is too large"))
    };
    let port = |standard: u16| port_at(bind, standard);
    let mail = |speaks, tls| Entrance::Mail(Door { speaks, tls });
    let mut entrances = vec![
        (port(IMAP)?, mail(Speaks::Imap, false)),
        (port(IMAPS)?, mail(Speaks::Imap, true)),
        (port(POP3)?, mail(Speaks::Pop3, false)),
        (port(POP3S)?, mail(Speaks::Pop3, true)),
    ];
    if doors.mx {
        entrances.push((port(SMTP)?, mail(Speaks::Smtp(Kind::Mx), false)));
    }
    if doors.submission {
        entrances.push((port(SUBMISSIONS)?, mail(Speaks::Smtp(Kind::Submission), true)));
        entrances.push((port(SUBMISSION)?, mail(Speaks::Smtp(Kind::Submission), false)));
    }
    if doors.lmtp {
        entrances.push((port_at(loopback(bind), LMTP)?, mail(Speaks::Smtp(Kind::Lmtp), false)));
    }
    if pages {
        entrances.push((port(HTTP)?, Entrance::Pages { tls: false }));
        entrances.push((port(HTTPS)?, Entrance::Pages { tls: true }));
    }
    Ok(entrances)
}

/// Threads that answer: as many as there are cores, and another one where there is a single core.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).max(2)
}

async fn run(
    executor: &Arc<Executor<'static>>,
    house: &Arc<House>,
    doors: &[(SocketAddr, Entrance)],
    sockets: &Sockets<'_>,
    errands: Vec<Errand>,
    ready: impl FnOnce(bool),
) -> io::Result<()> {
    let mut signals = Signals::new([Signal::Int, Signal::Term])?;
    let lmtp = sockets.lmtp.as_ref().and_then(local::bind);
    let has_lmtp_socket = lmtp.is_some();
    let admin = match sockets.admin.map(admin::socket::bind_where_possible).transpose() {
        Err(error) if house.store.is_read_only() => {
            log::error!("there is no admin socket, since nothing can be written: {error}");
            None
        }
        bound => bound?.flatten(),
    };
    // All are bound before one is answered at: who sees one port open may count on the others.
    let (mut listeners, mut pages) = (Vec::new(), house.pages.is_some());
    for (address, entrance) in doors {
        match (TcpListener::bind(address).await, entrance) {
            (Ok(listener), _) => listeners.push((listener, *entrance)),
            // Another program has pages of its own on this machine. Mail need not wait for it.
            (Err(error), Entrance::Pages { .. }) => {
                pages = false;
                log::warn!("no pages on port {}, which cannot be listened on: {error}", address.port());
            }
            (Err(error), Entrance::Mail(_)) => return Err(taken(*address, &error)),
        }
    }
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|(listener, entrance)| {
            let (executor, house) = (Arc::clone(executor), Arc::clone(house));
            let begin = move || accept(Arc::clone(&executor), Arc::clone(&house), listener.clone(), entrance);
            Errand::new("a port", begin)
        })
        .chain(admin.map(|admin| {
            let (executor, house) = (Arc::clone(executor), Arc::clone(house));
            Errand::new("the admin socket", move || {
                answer_owner(Arc::clone(&executor), Arc::clone(&house), admin.clone())
            })
        }))
        .chain(lmtp.map(|lmtp| {
            let (executor, house) = (Arc::clone(executor), Arc::clone(house));
            Errand::new("the LMTP socket", move || {
                accept_local(Arc::clone(&executor), Arc::clone(&house), lmtp.clone())
            })
        }))
        .chain(errands)
        .map(|errand| executor.spawn(errand.run()))
        .collect();
    threads::guarded("the start", || ready(pages));
    signals.next().await;
    log::info!("ending: sessions are told");
    drop(accepting);
    house.stop();
    let all_gone = async {
        while Arc::strong_count(house) > 1 {
            smol::Timer::after(Duration::from_millis(10)).await;
        }
    };
    let late = async {
        smol::Timer::after(FAREWELL).await;
    };
    all_gone.or(late).await;
    if let (Some(socket), true) = (&sockets.lmtp, has_lmtp_socket) {
        // One that is left is replaced at the next start.
        let _ = std::fs::remove_file(&socket.path);
    }
    Ok(())
}

/// Reads the certificate's files anew when they change.
async fn refresh(identity: Arc<Identity>) {
    loop {
        smol::Timer::after(REFRESH).await;
        identity.refresh();
    }
}

/// Empties the Trash of what POP3 clients deleted long ago.
async fn expire(store: Arc<Store>, days: u32) {
    if days == 0 {
        return;
    }
    loop {
        let store = Arc::clone(&store);
        match smol::unblock(move || admin::expire(&store, days)).await {
            Ok(0) => {}
            Ok(count) => log::info!("{count} messages that POP3 clients deleted long ago left the Trash"),
            Err(fault) => log::error!("the Trash could not be looked through: {fault}"),
        }
        smol::Timer::after(EXPIRY).await;
    }
}

/// Forgets what came in long ago: who would bring it again has done so.
async fn forget(store: Arc<Store>) {
    loop {
        if !store.is_read_only() {
            let closed = Arc::clone(&store);
            match smol::unblock(move || admin::age_removed(&closed, now())).await {
                Ok(0) => {}
                Ok(count) => log::info!("removed accounts that nobody wanted back are gone for good: {count}"),
                Err(fault) => log::error!("removed accounts could not be looked through: {fault}"),
            }
            match store.write(Write::ForgetMarks { now: now() }).await {
                Ok(Outcome::Expunged(count)) => {
                    log::debug!("{count} messages that came in are not known again any more");
                }
                Ok(_) => {}
                Err(error) => log::warn!("what came in long ago could not be forgotten: {error}"),
            }
        }
        smol::Timer::after(EXPIRY).await;
    }
}

/// The address by which only this machine reaches what listens on another.
fn loopback(bind: IpAddr) -> IpAddr {
    match bind {
        bind if bind.is_loopback() => bind,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

async fn accept_local(executor: Arc<Executor<'static>>, house: Arc<House>, listener: UnixListener) {
    let door = Door { speaks: Speaks::Smtp(Kind::Lmtp), tls: false };
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause(&house, &error).await;
                continue;
            }
        };
        let Some(guest) = house.guests.admit(Ipv4Addr::LOCALHOST.into()) else {
            house.turn_away("a local socket", &stream, Some(door.speaks));
            continue;
        };
        let house = Arc::clone(&house);
        executor
            .spawn(task::once(CONVERSATION, async move {
                let _guest: Guest = guest;
                talk(house, Stream::local(stream), Peer::Local, door).await;
            }))
            .detach();
    }
}

async fn answer_owner(executor: Arc<Executor<'static>>, house: Arc<House>, admin: UnixListener) {
    let here = Arc::new(());
    loop {
        match admin.accept().await {
            // Whoever sees the connection end knows that this was not done.
            Ok(_) if Arc::strong_count(&here) > limits::OWNERS => {}
            Ok((stream, _)) => {
                let here = Arc::clone(&here);
                let answer = admin::socket::answer(stream, Arc::clone(&house.store), Arc::clone(&house.gate));
                let answer = async move {
                    answer.await;
                    drop(here);
                };
                executor.spawn(task::once(CONVERSATION, answer)).detach();
            }
            Err(error) => pause(&house, &error).await,
        }
    }
}

async fn accept(executor: Arc<Executor<'static>>, house: Arc<House>, listener: TcpListener, entrance: Entrance) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                pause(&house, &error).await;
                continue;
            }
        };
        let Some(guest) = house.guests.admit(peer.ip()) else {
            match entrance {
                Entrance::Mail(Door { speaks, tls: false }) => house.turn_away(peer, &stream, Some(speaks)),
                _ => house.turn_away(peer, &stream, None),
            }
            continue;
        };
        if let Err(error) = prepare(&stream) {
            log::debug!("{peer}: {error}");
        }
        let house = Arc::clone(&house);
        executor
            .spawn(task::once(CONVERSATION, async move {
                let _guest: Guest = guest;
                match entrance {
                    Entrance::Mail(door) => talk(house, Stream::plain(stream), Peer::Address(peer), door).await,
                    Entrance::Pages { tls } => visit(house, Stream::plain(stream), peer, tls).await,
                }
            }))
            .detach();
    }
}

/// Out of file descriptors, mostly: trying again at once would only burn time, and so would a line for each time.
async fn pause(house: &House, error: &io::Error) {
    STRANGERS.press();
    if house.guests.note_turned_away(Instant::now()).is_some() {
        log::warn!("a connection could not be accepted: {error}");
    }
    smol::Timer::after(Duration::from_millis(100)).await;
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_keepalive(stream, true)?;
    rustix::net::sockopt::set_tcp_keepidle(stream, KEEPALIVE)?;
    rustix::net::sockopt::set_tcp_keepintvl(stream, KEEPALIVE / 10)?;
    Ok(())
}
