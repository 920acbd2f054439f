//! One connection's life: reads, hears, resumes, writes, waits. A session says what it needs; here it is done.

use super::serve::House;
use super::stream::Stream;
use crate::admin;
use crate::mail::limits;
use crate::session::imap::{Denied, Need, Privacy, Session};
use crate::wire::Out;
use crate::wire::imap::{Event, Framer};
use ring::rand::SecureRandom;
use smol::future::FutureExt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time to log in.
const BEFORE_LOGIN: Duration = Duration::from_mins(2);
/// RFC 9051 §5.4: at least 30 minutes.
const SILENCE: Duration = Duration::from_mins(31);
/// RFC 9051 §5.4 lets 30 minutes pass in IDLE; home NATs forget a connection after 5, so we speak at 4.
const STILL_HERE: Duration = Duration::from_mins(4);

/// How a connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// In plain text, with STARTTLS.
    Plain,
    /// In TLS.
    Tls,
}

/// A connection with all it has.
struct Talk<'h> {
    house: &'h House,
    began: Instant,
    peer: SocketAddr,
    stream: Stream,
    session: Session,
    framer: Framer,
    out: Out,
    /// What `out` changes places with while it is sent.
    spare: Out,
}

/// What a wait brought.
enum Woken {
    Octets(io::Result<usize>),
    Bell,
    Silence,
    Stop,
}

/// Serves one connection to its end, and says so in one line.
pub(super) async fn talk(house: Arc<House>, stream: Stream, peer: SocketAddr, door: Door) {
    let began = Instant::now();
    let local = peer.ip().is_loopback();
    let privacy = match (door, local) {
        (Door::Tls, _) => Privacy::Tls,
        (Door::Plain, true) => Privacy::Local,
        (Door::Plain, false) => Privacy::None,
    };
    let mut talk = Talk {
        house: &house,
        began,
        peer,
        stream,
        session: Session::new(Arc::clone(&house.name), privacy),
        framer: Framer::new(),
        out: Out::new(limits::OUT),
        spare: Out::new(limits::OUT),
    };
    let end = talk.run(door).await;
    let who = talk.session.address().map_or_else(|| "nobody".to_owned(), str::to_owned);
    let how = if talk.stream.is_tls() { "imap+tls" } else { "imap" };
    let Stream { read, written, .. } = talk.stream;
    let reason = match end {
        Ok(()) => String::new(),
        Err(error) => format!(" ({error})"),
    };
    log::info!("{how} {peer} {who}: {:.1} s, {read} in, {written} out{reason}", began.elapsed().as_secs_f64());
}

impl Talk<'_> {
    async fn run(&mut self, door: Door) -> io::Result<()> {
        if door == Door::Tls {
            self.stream.encrypt(&self.house.identity.acceptor()).await?;
        }
        self.session.greet(&mut self.out);
        let mut need = Need::Flush;
        loop {
            need = match need {
                Need::Input => self.hear().await?,
                Need::Flush => self.go_on().await?,
                Need::Write(write) => {
                    let outcome = self.house.store.write(write).await;
                    self.session.done(outcome, &self.house.store, now(), &mut self.out)
                }
                Need::Message => self.take_message().await?,
                Need::Password { user, password } => {
                    let who = self.house.gate.verify(&user, &password, Some(self.peer.ip())).await;
                    let who = who.map(|entered| (entered.account, entered.address)).map_err(denied);
                    self.session.entered(who, &mut self.out)
                }
                Need::ScramKeys(user) => {
                    let keys = self.house.gate.scram_keys(user.as_bytes()).map_err(|fault| {
                        log::error!("the keys of a user cannot be read: {fault}");
                        Denied::Fault
                    });
                    self.session.scram_keys(keys, &random(), &mut self.out)
                }
                Need::ScramDone { user, account } => {
                    self.house.gate.hold_back(user.as_bytes(), Some(self.peer.ip())).await;
                    if account.is_some() {
                        self.house.gate.note_success(user.as_bytes(), Some(self.peer.ip()));
                    } else {
                        let pause = self.house.gate.note_failure(user.as_bytes(), Some(self.peer.ip()));
                        smol::Timer::after(pause).await;
                    }
                    self.session.entered(account.ok_or(Denied::Wrong), &mut self.out)
                }
                Need::StartTls => {
                    self.flush().await?;
                    // Whatever came with the command came in plain text, and must not pass for protected.
                    self.framer.discard();
                    self.stream.encrypt(&self.house.identity.acceptor()).await?;
                    self.session.private();
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

    /// The client's next words, waited for if need be.
    async fn hear(&mut self) -> io::Result<Need> {
        if self.session.expects_line() {
            self.framer.expect_line();
        }
        self.framer.be_wary(self.session.address().is_none());
        match self.framer.next_event() {
            Event::More => {}
            event => {
                let offered = matches!(event, Event::Append { .. });
                let need = self.session.hear(event, &self.house.store, now(), &mut self.out);
                if offered {
                    if self.session.is_uploading() { self.framer.accept() } else { self.framer.refuse() }
                }
                return Ok(need);
            }
        }
        self.flush().await?;
        self.out.shrink();
        self.spare.shrink();
        self.framer.shrink();
        match self.wait().await {
            Woken::Octets(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Woken::Octets(Ok(_)) => Ok(Need::Input),
            Woken::Octets(Err(error)) => Err(error),
            Woken::Bell => Ok(self.session.resume(&self.house.store, now(), &mut self.out)),
            Woken::Silence if self.session.is_idling() => {
                self.session.still_here(&mut self.out);
                Ok(Need::Input)
            }
            Woken::Silence => {
                self.session.bye(&mut self.out, "Nothing was said for too long");
                Ok(Need::Close)
            }
            Woken::Stop => {
                self.session.bye(&mut self.out, "The server is shutting down");
                Ok(Need::Close)
            }
        }
    }

    /// Waits for the client, in IDLE also for the bell.
    async fn wait(&mut self) -> Woken {
        let stop = self.house.stop.listen();
        if self.house.is_stopping() {
            return Woken::Stop;
        }
        let idling = self.session.is_idling();
        let bell = self.session.watch().filter(|_| idling).map(crate::store::Watch::listen);
        // After listening: what rang before is seen here.
        if idling && self.session.is_behind() {
            return Woken::Bell;
        }
        let patience = match (idling, self.session.address()) {
            (true, _) => STILL_HERE,
            (false, Some(_)) => SILENCE,
            // Of all the time since the beginning: who says a little again and again keeps a place no longer.
            (false, None) => BEFORE_LOGIN.saturating_sub(self.began.elapsed()),
        };
        let framer = &mut self.framer;
        let stream = &mut self.stream;
        let octets = async { Woken::Octets(stream.read(|octets| framer.feed(octets)).await) };
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
        octets.or(bell).or(stop).or(silence).await
    }

    /// Sends when there is enough, and lets the session go on.
    async fn go_on(&mut self) -> io::Result<Need> {
        if self.out.is_full() {
            return self.send_and_go_on().await;
        }
        let need = self.session.resume(&self.house.store, now(), &mut self.out);
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
        let need = self.session.resume(&self.house.store, now(), &mut self.out);
        let sent;
        (self.stream, self.spare, sent) = sending.await;
        sent?;
        Ok(need)
    }

    /// The message literal of an APPEND.
    async fn take_message(&mut self) -> io::Result<Need> {
        loop {
            let piece = self.framer.take(limits::OUT);
            if !piece.is_empty() {
                self.session.upload(piece);
                if let Some(write) = self.session.stage(&self.house.store) {
                    let outcome = self.house.store.write(write).await;
                    return Ok(self.session.done(outcome, &self.house.store, now(), &mut self.out));
                }
                continue;
            }
            if self.framer.left() == 0 {
                return Ok(Need::Input);
            }
            self.flush().await?;
            match self.wait().await {
                Woken::Octets(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Woken::Octets(Err(error)) => return Err(error),
                Woken::Octets(Ok(_)) | Woken::Bell => {}
                Woken::Silence | Woken::Stop => {
                    self.session.bye(&mut self.out, "The message did not come to its end");
                    return Ok(Need::Close);
                }
            }
        }
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
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed())
}

/// For a nonce. Without randomness a server that goes on would be worse than one that does not.
fn random() -> [u8; 18] {
    let mut octets = [0; 18];
    let filled = ring::rand::SystemRandom::new().fill(&mut octets);
    filled.expect("the kernel gives random octets once it is up");
    octets
}
