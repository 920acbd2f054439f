//! One connection's life: reads, hears, resumes, writes, waits. A session says what it needs; here it is done.

use super::logins::{self, At, yes};
use super::peer::Peer;
use super::serve::House;
use super::stream::Stream;
use super::suspect::judge;
use super::turns::Turn;
use crate::admin;
use crate::events::Event;
use crate::mail::limits;
use crate::session::imap::Imap;
use crate::session::pop3::Pop3;
use crate::session::smtp::{Kind, Smtp};
use crate::session::{Denied, Need, Privacy, Protocol};
use crate::wire::Out;
use ring::rand::SecureRandom;
use smol::future::FutureExt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time to log in.
const BEFORE_LOGIN: Duration = Duration::from_mins(2);

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
    began: Instant,
    peer: Peer,
    stream: Stream,
    protocol: Box<dyn Protocol>,
    out: Out,
    /// What `out` changes places with while it is sent.
    spare: Out,
    turn: Turn<'h>,
}

/// What a wait brought.
enum Woken {
    Octets(io::Result<usize>),
    Bell,
    Silence,
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
    let (out, spare) = (Out::new(limits::OUT), Out::new(limits::OUT));
    let turn = house.turns.begin();
    let mut talk = Talk { house: &house, began, peer, stream, protocol, out, spare, turn };
    let end = talk.run(door).await;
    if let Some(write) = talk.protocol.farewell()
        && !house.store.is_read_only()
        && let Err(error) = house.store.write(write).await
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
    async fn run(&mut self, door: Door) -> io::Result<()> {
        if door.tls {
            self.stream.encrypt(&self.house.identity.acceptor()).await?;
        }
        self.protocol.greet(&mut self.out);
        let mut need = Need::Flush;
        loop {
            if let Some(reason) = self.protocol.turned_away() {
                logins::turned_away(self.at(), reason);
            }
            need = match need {
                Need::Input => self.hear().await?,
                Need::Flush => self.go_on().await?,
                Need::Write(write) => {
                    let outcome = self.house.store.write(write).await;
                    self.protocol.done(outcome, &self.house.store, now(), &mut self.out)
                }
                Need::Password { user, password } => {
                    let who = self.house.gate.verify(&user, &password, self.peer.ip()).await;
                    let who = match who {
                        Ok(entered) => {
                            self.house.logins.succeeded(self.at(), entered.account, &entered.address);
                            Ok((entered.account, entered.address))
                        }
                        Err(why) => {
                            logins::failed(self.at(), &user, &why, &self.house.gate);
                            Err(denied(why))
                        }
                    };
                    self.protocol.entered(who, &self.house.store, now(), &mut self.out)
                }
                Need::ScramKeys(user) => {
                    let keys = self.house.gate.scram_keys(user.as_bytes()).map_err(|fault| {
                        log::error!("the keys of a user cannot be read: {fault}");
                        Denied::Fault
                    });
                    self.protocol.scram_keys(keys, &random(), &mut self.out)
                }
                Need::ScramDone { user, account } => {
                    self.house.gate.hold_back(user.as_bytes(), self.peer.ip()).await;
                    if let Some((id, address)) = &account {
                        self.house.gate.note_success(user.as_bytes(), self.peer.ip());
                        self.house.logins.succeeded(self.at(), *id, address);
                    } else {
                        logins::failed(self.at(), user.as_bytes(), &admin::Denied::Wrong, &self.house.gate);
                        let pause = self.house.gate.note_failure(user.as_bytes(), self.peer.ip());
                        smol::Timer::after(pause).await;
                    }
                    let who = account.ok_or(Denied::Wrong);
                    self.protocol.entered(who, &self.house.store, now(), &mut self.out)
                }
                Need::Verdict(suspect) => {
                    self.flush().await?;
                    // In memory of its own: every conversation would have to have room for it otherwise.
                    let verdict = Box::pin(judge(self.house, &suspect)).await;
                    self.protocol.judged(verdict, *suspect, &self.house.store, now(), &mut self.out)
                }
                Need::Pause(span) => {
                    self.flush().await?;
                    smol::Timer::after(span).await;
                    self.protocol.resume(&self.house.store, now(), &mut self.out)
                }
                Need::StartTls => {
                    self.flush().await?;
                    self.stream.encrypt(&self.house.identity.acceptor()).await?;
                    self.protocol.private();
                    Need::Input
                }
                Need::Close => {
                    self.flush().await?;
                    // A peer that is gone already need not be told.
                    if self.stream.close().await.is_ok() && !self.house.is_stopping() {
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

    /// The client's next words, waited for if need be.
    async fn hear(&mut self) -> io::Result<Need> {
        if let Some(need) = self.protocol.hear(&self.house.store, now(), &mut self.out) {
            return Ok(need);
        }
        self.flush().await?;
        self.out.shrink();
        self.spare.shrink();
        self.protocol.shrink();
        self.turn.end();
        if self.protocol.bell().is_none() {
            self.house.turns.listen(&self.stream);
        }
        let woken = self.wait().await;
        self.turn.begin();
        match woken {
            Woken::Octets(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Woken::Octets(Ok(_)) => Ok(Need::Input),
            Woken::Octets(Err(error)) => Err(error),
            Woken::Bell => Ok(self.protocol.resume(&self.house.store, now(), &mut self.out)),
            Woken::Silence => Ok(self.protocol.silence(&mut self.out)),
            Woken::Stop => {
                self.protocol.stop(&mut self.out);
                Ok(Need::Close)
            }
        }
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
        let protocol = &mut self.protocol;
        let stream = &mut self.stream;
        let octets = async { Woken::Octets(stream.read(|octets| protocol.feed(octets)).await) };
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
        octets.or(bell).or(alarm).or(stop).or(silence).await
    }

    /// Sends when there is enough, and lets the session go on.
    async fn go_on(&mut self) -> io::Result<Need> {
        if self.out.is_full() {
            return self.send_and_go_on().await;
        }
        let need = self.protocol.resume(&self.house.store, now(), &mut self.out);
        if matches!(need, Need::Flush) {
            // Long work: others get their turn, whether or not the socket makes us wait.
            self.flush().await?;
            smol::future::yield_now().await;
        }
        Ok(need)
    }

    /// A bufferful is sent while the next one is made.
    async fn send_and_go_on(&mut self) -> io::Result<Need> {
        let mut full = std::mem::replace(&mut self.out, std::mem::replace(&mut self.spare, Out::new(limits::OUT)));
        let mut stream = std::mem::replace(&mut self.stream, Stream::nowhere());
        let sending = self.house.executor.spawn(async move {
            let sent = stream.send(full.bytes()).await;
            full.clear();
            (stream, full, sent)
        });
        let need = self.protocol.resume(&self.house.store, now(), &mut self.out);
        let sent;
        (self.stream, self.spare, sent) = sending.await;
        sent?;
        Ok(need)
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            self.stream.send(self.out.bytes()).await?;
            self.out.clear();
        }
        Ok(())
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
