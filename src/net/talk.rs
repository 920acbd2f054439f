//! One connection's life: reads, hears, resumes, writes, waits. A session says what it needs; here it is done.

mod room;

use super::late::{attended, pressed, send};
use super::logins::{self, At, yes};
use super::peer::Peer;
use super::serve::House;
use super::stream::{self, Stream};
use super::suspect::judge;
use super::turns::{Place, Turn};
use crate::admin::{self, Ending, Entered, Seat};
use crate::events::Event;
use crate::mail::{AccountId, effort, limits};
use crate::session::imap::Imap;
use crate::session::pop3::Pop3;
use crate::session::smtp::{Kind, Smtp};
use crate::session::{Denied, Dismissal, Need, Privacy, Protocol};
use crate::store::{Grant, Outcome, Store, StoreError, Write};
use crate::sys::ledger::{Lease, Ledger, STRANGERS};
use crate::wire::Out;
use ring::rand::SecureRandom;
use smol::future::FutureExt;
use smol::lock::SemaphoreGuard;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time to log in.
const BEFORE_LOGIN: Duration = Duration::from_mins(2);
/// After so many turns what was made is sent, however little it is: some tens of milliseconds.
const UNSENT: u32 = 32;

/// How long the last words to one who may be here no more may take.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What a turn costs whatever is done in it, in octets looked at: many small commands at once are long work, too.
const CALL: u64 = 4_000;

/// What is spoken behind a port, and how a connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Door {
    pub(super) speaks: Speaks,
    /// In TLS from the first octet; else in plain text, with a command that begins it.
    pub(super) tls: bool,
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    Imap,
    Pop3,
    Smtp(Kind),
}

/// A connection with all it has.
struct Talk<'h> {
    house: &'h House,
    door: Door,
    /// What it counts for in memory: of strangers, or of people.
    lease: Lease<&'static Ledger>,
    /// The same of its account's share.
    own: Option<Lease<Arc<Ledger>>>,
    is_guest: bool,
    began: Instant,
    peer: Peer,
    stream: Stream,
    protocol: Box<dyn Protocol>,
    out: Out,
    /// Turns since something was sent.
    unsent: u32,
    /// What `out` changes places with while it is sent.
    spare: Out,
    turn: Turn<'h>,
    /// Work done since it waited or gave way.
    spent: u64,
    /// While it does long work.
    place: Option<Place<'h>>,
    /// The kernel may hold more for it than for others.
    wide: Option<SemaphoreGuard<'h>>,
    /// Its place among all who are here.
    seat: Arc<Seat>,
    /// Whom SCRAM keys were looked up for: good once the proof is right.
    looked_up: Option<Entered>,
    /// Octets are on their way that the client has not all of yet.
    sending: bool,
    /// More came than the command that is being answered.
    more: bool,
}

/// What a wait brought.
enum Woken {
    Octets(io::Result<usize>),
    Bell,
    Silence,
    /// Others need the room.
    Pressed,
    Stop,
}

/// Serves one connection to its end, and says so in one line.
pub(super) async fn talk(house: Arc<House>, stream: Stream, peer: Peer, door: Door) {
    let began = Instant::now();
    let privacy = match (door.tls, peer.is_here()) {
        (true, _) => Privacy::Tls,
        (false, true) => Privacy::Local,
        (false, false) => Privacy::None,
    };
    let name = Arc::clone(&house.name);
    let protocol: Box<dyn Protocol> = match door.speaks {
        Speaks::Imap => Box::new(Imap::new(name, privacy)),
        Speaks::Pop3 => Box::new(Pop3::new(name, privacy, Arc::clone(&house.maildrops))),
        Speaks::Smtp(kind) => Box::new(Smtp::new(Arc::clone(&house.terms), kind, privacy, peer.ip())),
    };
    let (out, spare) = (Out::new(limits::STRANGER_OUT), Out::new(limits::STRANGER_OUT));
    let turn = house.turns.begin();
    let lease = Lease::of(&STRANGERS);
    let seat = Arc::new(house.gate.sessions().enter(protocol.name(), peer.ip(), now()));
    let (looked_up, sending) = (None, false);
    let mut talk = Talk {
        house: &house,
        door,
        lease,
        own: None,
        is_guest: true,
        began,
        peer,
        stream,
        protocol,
        out,
        unsent: 0,
        spare,
        turn,
        spent: 0,
        place: None,
        wide: None,
        seat,
        looked_up,
        sending,
        more: false,
    };
    let end = talk.live(door).await;
    if let Some(write) = talk.protocol.farewell()
        && !house.store.is_read_only()
        && let Err(error) = write_as(&house.store, talk.seat.grant(), write).await
    {
        log::warn!("{peer}: what a connection left could not be written: {error}");
    }
    let at = talk.at();
    let Stream { read, written, .. } = talk.stream;
    let event = Event::new("session").with("protocol", at.protocol).with("tls", yes(at.tls));
    let event = event.with("address", at.address()).maybe("port", peer.port()).maybe("user", talk.protocol.address());
    let event = event.with("seconds", format_args!("{:.1}", began.elapsed().as_secs_f64()));
    event.with("in", read).with("out", written).maybe("error", end.err()).log_only();
}

impl Talk<'_> {
    /// Lives until it is over, or until it may be no more: then nothing is begun, and what is under way is left.
    async fn live(&mut self, door: Door) -> io::Result<()> {
        let seat = Arc::clone(&self.seat);
        let ended = async { Err(seat.ended().await) };
        let ran = async { Ok(self.run(door).await) };
        // The end is looked for first, each time that the connection goes on.
        match ended.or(ran).await {
            Ok(over) => over,
            Err(ending) => self.dismiss(ending).await,
        }
    }

    /// The last words to one who may be here no more, if they can be said.
    async fn dismiss(&mut self, ending: Ending) -> io::Result<()> {
        let (why, text) = match ending {
            Ending::Revoked => (Dismissal::Revoked, "the account was changed or removed"),
            Ending::Ended => (Dismissal::Ended, "ended by the owner"),
        };
        self.protocol.dismiss(why, &mut self.out);
        // Of what is on its way nobody knows how much has come: nothing that follows would be understood.
        if !self.sending {
            let said = async {
                self.flush().await?;
                self.stream.close().await?;
                self.seat.leave();
                self.stream.linger().await
            };
            let late = async {
                smol::Timer::after(LAST_WORDS).await;
                Ok(())
            };
            // A peer that is gone already need not be told.
            let _ = said.or(late).await;
        }
        Err(io::Error::other(text))
    }

    /// What comes once and is large is awaited in a box: each conversation would keep room for it otherwise.
    async fn run(&mut self, door: Door) -> io::Result<()> {
        self.claim().await?;
        if door.tls {
            Box::pin(self.stream.encrypt(&self.house.identity.acceptor())).await?;
        }
        self.protocol.greet(&mut self.out);
        let mut need = Need::Flush;
        loop {
            if self.spent >= limits::TURN {
                self.house.turns.look_around();
            }
            self.place = None;
            self.note();
            if self.seat.is_to_end() {
                // Who always has a next command never comes to where the end is looked for.
                smol::future::yield_now().await;
            }
            self.claim().await?;
            if let Some(reason) = self.protocol.turned_away() {
                logins::turned_away(self.at(), reason);
            }
            if self.spent >= limits::TURN {
                // Who has had a turn goes behind those who wait for one.
                self.place = self.house.turns.line_up().await;
                self.spent = 0;
            }
            if !matches!(need, Need::Input | Need::Flush) {
                self.place = None;
            }
            need = match need {
                Need::Input => self.hear().await?,
                Need::Flush => self.go_on().await?,
                Need::Write(write) => {
                    let outcome = write_as(&self.house.store, self.seat.grant(), write).await;
                    self.work(|protocol, store, out| protocol.done(outcome, store, now(), out))
                }
                Need::Password { user, password } => {
                    let asked = Box::pin(self.house.gate.verify(&user, &password, self.peer.ip()));
                    let Some(who) = attended(self.house, &self.stream, self.more, asked).await? else {
                        need = self.stop();
                        continue;
                    };
                    let who = self.let_in(who, &user);
                    smol::future::yield_now().await;
                    self.work(|protocol, store, out| protocol.entered(who, store, now(), out))
                }
                Need::ScramKeys(user) => {
                    let keys = match self.house.gate.scram_keys(user.as_bytes()) {
                        Ok((found, keys)) => {
                            let account = found.as_ref().map(|found| (found.account, found.address.clone()));
                            self.looked_up = found;
                            Ok((account, keys))
                        }
                        Err(fault) => {
                            log::error!("the keys of a user cannot be read: {fault}");
                            Err(Denied::Fault)
                        }
                    };
                    self.protocol.scram_keys(keys, &random(), &mut self.out)
                }
                Need::ScramDone { user, account } => {
                    // The proof was compared with those keys, and they with nothing else.
                    let found = self.looked_up.take().filter(|found| Some(found.account) == account.map(|(id, _)| id));
                    let asked = Box::pin(self.house.gate.prove(user.as_bytes(), found, self.peer.ip()));
                    let Some(who) = attended(self.house, &self.stream, self.more, asked).await? else {
                        need = self.stop();
                        continue;
                    };
                    let who = self.let_in(who, user.as_bytes());
                    smol::future::yield_now().await;
                    self.work(|protocol, store, out| protocol.entered(who, store, now(), out))
                }
                Need::LetIn(account, address) => {
                    self.work(|protocol, store, out| protocol.entered(Ok((account, address)), store, now(), out))
                }
                Need::Verdict(suspect) => {
                    self.flush().await?;
                    let verdict = Box::pin(judge(self.house, &suspect)).await;
                    self.work(|protocol, store, out| protocol.judged(verdict, *suspect, store, now(), out))
                }
                Need::Pause(span) => {
                    self.flush().await?;
                    smol::Timer::after(span).await;
                    self.work(|protocol, store, out| protocol.resume(store, now(), out))
                }
                Need::StartTls => {
                    self.flush().await?;
                    Box::pin(self.stream.encrypt(&self.house.identity.acceptor())).await?;
                    self.protocol.private();
                    Need::Input
                }
                Need::Close => {
                    self.flush().await?;
                    // A peer that is gone already need not be told.
                    let is_closed = self.stream.close().await.is_ok();
                    self.seat.leave();
                    if is_closed && !self.house.is_stopping() {
                        let _ = self.stream.linger().await;
                    }
                    return Ok(());
                }
            };
        }
    }

    /// Where somebody logs in here.
    fn at(&self) -> At {
        At { protocol: self.protocol.name(), tls: self.stream.is_tls(), peer: self.peer }
    }

    /// Somebody proved who they are, or did not; `user`: who they said to be. After it others have to have their turn:
    /// only then it is heard when the right ends that somebody came in with.
    fn let_in(&mut self, who: Result<Entered, admin::Denied>, user: &[u8]) -> Result<(AccountId, String), Denied> {
        match who {
            Ok(Entered { account, address, grant }) => {
                self.house.logins.succeeded(self.at(), account, &address);
                self.seat.log_in(&address, grant);
                Ok((account, address))
            }
            Err(why) => {
                logins::failed(self.at(), user, &why, &self.house.gate);
                Err(denied(why))
            }
        }
    }

    /// What the owner sees of it.
    fn note(&self) {
        let Stream { read, written, .. } = self.stream;
        self.seat.note(self.protocol.doing(), self.stream.is_tls(), read, written);
    }

    /// One turn of the session's.
    fn work<T>(&mut self, work: impl FnOnce(&mut dyn Protocol, &Store, &mut Out) -> T) -> T {
        let (protocol, store, out) = (&mut *self.protocol, &*self.house.store, &mut self.out);
        let (done, spent) = effort::turn(limits::TURN, || work(protocol, store, out));
        self.spent = self.spent.saturating_add(spent).saturating_add(CALL);
        done
    }

    /// The client's next words, waited for if need be.
    async fn hear(&mut self) -> io::Result<Need> {
        if let Some(need) = self.work(|protocol, store, out| protocol.hear(store, now(), out)) {
            return Ok(need);
        }
        self.flush().await?;
        self.place = None;
        self.out.shrink();
        self.spare.shrink();
        self.protocol.shrink();
        self.turn.end();
        self.note();
        self.settle();
        if self.protocol.bell().is_none() {
            self.house.turns.listen(&self.stream);
        }
        let woken = self.wait().await;
        self.spent = 0;
        self.turn.begin();
        match woken {
            Woken::Octets(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Woken::Octets(Ok(_)) => Ok(Need::Input),
            Woken::Octets(Err(error)) => Err(error),
            Woken::Bell => Ok(self.work(|protocol, store, out| protocol.resume(store, now(), out))),
            Woken::Silence => Ok(self.protocol.silence(&mut self.out)),
            Woken::Pressed => {
                self.out.put(come_again(self.door.speaks));
                Ok(Need::Close)
            }
            Woken::Stop => Ok(self.stop()),
        }
    }

    fn stop(&mut self) -> Need {
        self.protocol.stop(&mut self.out);
        Need::Close
    }

    /// Waits for the client, and for the bell where it is listened to.
    async fn wait(&mut self) -> Woken {
        let stop = self.house.stop.listen();
        if self.house.is_stopping() {
            return Woken::Stop;
        }
        let bell = self.protocol.bell().map(crate::store::Watch::listen);
        let alarm = self.protocol.alarm();
        // After listening: what rang before is seen here.
        if self.protocol.is_behind() {
            return Woken::Bell;
        }
        // Of all the time since the beginning: who says a little again and again keeps a place no longer.
        let patience = self.protocol.patience().unwrap_or_else(|| BEFORE_LOGIN.saturating_sub(self.began.elapsed()));
        // Who is in the midst of a message has a speed to keep; who holds nothing takes no room.
        let most = self.protocol.reads();
        let is_pressed = if self.is_guest { most < stream::READ } else { self.lease.octets() > limits::OUT / 4 };
        let (is_guest, own) = (self.is_guest, &self.own);
        let protocol = &mut self.protocol;
        let more = &mut self.more;
        let feed = |octets: &[u8]| {
            // No whole line was there before: of one that ends here nothing is left once it is heard.
            *more = octets.iter().position(|octet| *octet == b'\n') != octets.len().checked_sub(1);
            protocol.feed(octets);
        };
        let stream = &mut self.stream;
        let octets = async { Woken::Octets(stream.read(most, feed).await) };
        let pressed = async {
            if is_pressed {
                pressed(is_guest, own.as_ref().map(Lease::ledger)).await;
            } else {
                std::future::pending::<()>().await;
            }
            Woken::Pressed
        };
        let silence = async {
            smol::Timer::after(patience).await;
            Woken::Silence
        };
        let stop = async {
            stop.await;
            Woken::Stop
        };
        let bell = async {
            match bell {
                Some(bell) => bell.await,
                None => std::future::pending().await,
            }
            Woken::Bell
        };
        let alarm = async {
            match alarm {
                Some(alarm) => alarm.await,
                None => std::future::pending().await,
            }
            Woken::Bell
        };
        octets.or(bell).or(alarm).or(stop).or(pressed).or(silence).await
    }

    /// Sends when there is enough, and lets the session go on.
    async fn go_on(&mut self) -> io::Result<Need> {
        if self.out.is_full() {
            return self.send_and_go_on().await;
        }
        let need = self.work(|protocol, store, out| protocol.resume(store, now(), out));
        if matches!(need, Need::Flush) && !self.out.is_full() {
            // The turn was over before a bufferful was there. It is filled first, so that it can be sent while the next
            // one is made; but nobody is kept waiting long for what is done.
            self.unsent += 1;
            if self.unsent >= UNSENT {
                self.flush().await?;
            }
        }
        Ok(need)
    }

    /// A bufferful is sent while the next one is made.
    async fn send_and_go_on(&mut self) -> io::Result<Need> {
        self.sending = true;
        let limit = self.out.limit();
        let mut full = std::mem::replace(&mut self.out, std::mem::replace(&mut self.spare, Out::new(limit)));
        let is_guest = self.is_guest;
        let share = self.own.as_ref().map(Lease::share);
        let mut stream = std::mem::replace(&mut self.stream, Stream::nowhere());
        let sending = self.house.executor.spawn(async move {
            let sent = send(&mut stream, full.bytes(), is_guest, share.as_deref()).await;
            full.clear();
            (stream, full, sent)
        });
        let need = self.work(|protocol, store, out| protocol.resume(store, now(), out));
        self.place = None;
        let sent;
        (self.stream, self.spare, sent) = sending.await;
        sent?;
        self.sending = false;
        self.unsent = 0;
        Ok(need)
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            self.settle();
            self.place = None;
            let share = self.own.as_ref().map(Lease::ledger);
            self.sending = true;
            send(&mut self.stream, self.out.bytes(), self.is_guest, share).await?;
            self.sending = false;
            self.out.clear();
        }
        self.unsent = 0;
        Ok(())
    }
}

/// What one is told for whom there is no room now (RFC 9051 §7.1.5, RFC 5530 §3, RFC 3206 §4, RFC 5321 §3.8).
pub(super) fn come_again(speaks: Speaks) -> &'static [u8] {
    match speaks {
        Speaks::Imap => b"* BYE [UNAVAILABLE] Too many are here: come again later\r\n",
        Speaks::Pop3 => b"-ERR [SYS/TEMP] Too many are here: come again later\r\n",
        Speaks::Smtp(_) => b"421 4.3.2 Too many are here: come again later\r\n",
    }
}

/// Does a write by the right that somebody logged in with, where somebody did.
async fn write_as(store: &Store, grant: Option<&Grant>, write: Write) -> Result<Outcome, StoreError> {
    match grant {
        Some(grant) => store.write_as(grant, write).await,
        None => store.write(write).await,
    }
}

fn denied(denied: admin::Denied) -> Denied {
    match denied {
        admin::Denied::Wrong => Denied::Wrong,
        admin::Denied::Busy => Denied::Busy,
        admin::Denied::Fault(fault) => {
            log::error!("a log-in failed: {fault}");
            Denied::Fault
        }
    }
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed())
}

/// For a nonce. Without randomness a server that goes on would be worse than one that does not.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    let filled = ring::rand::SystemRandom::new().fill(&mut octets);
    filled.expect("the kernel gives random octets once it is up");
    octets
}
