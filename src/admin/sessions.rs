//! Who is here: a seat for each connection that speaks a mail protocol, and the bell that ends it.

use super::action::{Failure, Reply};
use crate::store::Grant;
use event_listener::{Event, EventListener};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;

/// What an owner wants to know of sessions, or to have done with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionRequest {
    /// All that are here.
    List,
    /// Ends the one of this number, or all of this address.
    End {
        /// A number as `List` tells it, or the address of an account.
        whom: String,
    },
}

/// A session as an owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLine {
    /// Its number; none is given twice while the server runs.
    pub id: u64,
    /// What is spoken: `imap`, `pop3`, `smtp`, `submission`, `lmtp`.
    pub protocol: String,
    /// Whether in TLS.
    pub tls: bool,
    /// Where it comes from; `None`: from a socket of this machine that has no addresses.
    pub from: Option<IpAddr>,
    /// The account that was logged in to.
    pub user: Option<String>,
    /// When it began, in seconds since 1970.
    pub since: i64,
    /// What it does: a command, or what is waited for.
    pub doing: String,
    /// Octets that came,
    pub read: u64,
    /// and that went.
    pub written: u64,
}

/// All sessions of a server.
#[derive(Debug, Default)]
pub struct Sessions {
    seats: Mutex<BTreeMap<u64, Arc<Seated>>>,
    last: AtomicU64,
    /// Rung when one is to end: each that hears it looks whether it is meant.
    bell: Event,
}

/// One connection, for as long as this lives.
#[derive(Debug)]
pub struct Seat {
    sessions: Arc<Sessions>,
    seated: Arc<Seated>,
}

/// Why a session ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The account was changed or removed.
    Revoked,
    /// The owner ended it.
    Ended,
}

#[derive(Debug)]
struct Seated {
    id: u64,
    protocol: &'static str,
    from: Option<IpAddr>,
    /// In seconds since 1970.
    since: i64,
    login: OnceLock<(String, Grant)>,
    ended: AtomicBool,
    now: Mutex<Now>,
}

/// What changes all the time.
#[derive(Clone, Copy, Debug)]
struct Now {
    doing: &'static str,
    tls: bool,
    read: u64,
    written: u64,
}

impl Sessions {
    /// Somebody is here; `now` in seconds since 1970.
    pub fn enter(self: &Arc<Self>, protocol: &'static str, from: Option<IpAddr>, now: i64) -> Seat {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let seated = Arc::new(Seated {
            id,
            protocol,
            from: from.map(|from| from.to_canonical()),
            since: now,
            login: OnceLock::new(),
            ended: AtomicBool::new(false),
            now: Mutex::new(Now { doing: "connecting", tls: false, read: 0, written: 0 }),
        });
        self.seats().insert(id, Arc::clone(&seated));
        Seat { sessions: Arc::clone(self), seated }
    }

    /// Does what is asked for.
    pub(super) fn perform(&self, request: &SessionRequest) -> Result<Reply, Failure> {
        let SessionRequest::End { whom } = request else {
            return Ok(Reply::Sessions(self.seats().values().map(|seated| seated.line()).collect()));
        };
        let address = whom.to_lowercase();
        let meant: Vec<Arc<Seated>> = match whom.parse() {
            Ok(id) => self.seats().get(&id).cloned().into_iter().collect(),
            Err(_) => self.seats().values().filter(|seated| seated.user() == Some(&address)).cloned().collect(),
        };
        if meant.is_empty() {
            return Err(Failure::Refused(format!("no such session: {whom}")));
        }
        for seated in &meant {
            seated.ended.store(true, Ordering::SeqCst);
        }
        self.bell.notify(usize::MAX);
        Ok(Reply::Sessions(meant.iter().map(|seated| seated.line()).collect()))
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Seated>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Somebody logged in here, once.
    pub fn log_in(&self, user: &str, grant: Grant) {
        // A second time would be a session's defect; the first grant stays the one that is looked at.
        let _ = self.seated.login.set((user.to_owned(), grant));
    }

    /// By what right the session acts; `None` while nobody has logged in.
    #[must_use]
    pub fn grant(&self) -> Option<&Grant> {
        self.seated.login.get().map(|(_, grant)| grant)
    }

    /// Whether the session is to end.
    #[must_use]
    pub fn is_to_end(&self) -> bool {
        self.seated.ending().is_some()
    }

    /// What the session does now, and what came and went.
    pub fn note(&self, doing: &'static str, tls: bool, read: u64, written: u64) {
        *self.seated.now() = Now { doing, tls, read, written };
    }

    /// Waits until the session is to end. To be polled before what it does, each time that goes on: so nothing is begun
    /// any more once it is to end. What logs somebody in is to be polled again after it, so that the end of the right is
    /// heard of.
    pub async fn ended(&self) -> Ending {
        let (mut called, mut revoked) = (None::<EventListener>, None::<EventListener>);
        poll_fn(|context| {
            loop {
                // Listening comes before looking: what rings in between is heard.
                let called_now = called.get_or_insert_with(|| self.sessions.bell.listen());
                if revoked.is_none() {
                    revoked = self.grant().map(Grant::listen);
                }
                if let Some(ending) = self.seated.ending() {
                    return Poll::Ready(ending);
                }
                if Pin::new(called_now).poll(context).is_ready() {
                    called = None;
                } else if revoked.as_mut().is_some_and(|revoked| Pin::new(revoked).poll(context).is_ready()) {
                    revoked = None;
                } else {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}

impl Seat {
    /// The last word was said, and only the peer's end is waited for: it is listed no more.
    pub fn leave(&self) {
        self.sessions.seats().remove(&self.seated.id);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Seated {
    fn user(&self) -> Option<&String> {
        self.login.get().map(|(user, _)| user)
    }

    fn ending(&self) -> Option<Ending> {
        if self.login.get().is_some_and(|(_, grant)| grant.is_over()) {
            return Some(Ending::Revoked);
        }
        self.ended.load(Ordering::SeqCst).then_some(Ending::Ended)
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self) -> SessionLine {
        let Now { doing, tls, read, written } = *self.now();
        SessionLine {
            id: self.id,
            protocol: self.protocol.to_owned(),
            tls,
            from: self.from,
            user: self.user().cloned(),
            since: self.since,
            doing: doing.to_owned(),
            read,
            written,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use crate::mail::AccountId;
    use crate::store::Write;
    use smol::future::{FutureExt, block_on};

    fn list(sessions: &Sessions) -> Vec<SessionLine> {
        let Ok(Reply::Sessions(lines)) = sessions.perform(&SessionRequest::List) else { panic!("no list") };
        lines
    }

    fn end(sessions: &Sessions, whom: &str) -> Result<usize, Failure> {
        match sessions.perform(&SessionRequest::End { whom: whom.to_owned() }) {
            Ok(Reply::Sessions(lines)) => Ok(lines.len()),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => Err(failure),
        }
    }

    fn is_over(seat: &Seat) -> Option<Ending> {
        block_on(async { Some(seat.ended().await) }.or(async { None }))
    }

    #[test]
    fn a_session_is_listed_while_it_lasts_and_ended_by_its_number_or_its_user() {
        let world = World::with_accounts("sessions-listed");
        let sessions = Arc::new(Sessions::default());
        let from = Some(IpAddr::from([192, 0, 2, 7]));
        let seats: Vec<Seat> = (0..4).map(|_| sessions.enter("imap", from, 5)).collect();
        let [a, b, c, stranger] = &seats[..] else { panic!("four") };
        for (seat, user) in [(a, "ann@example.org"), (b, "ann@example.org"), (c, "bob@example.org")] {
            seat.log_in(user, world.store.grant(AccountId(1)));
        }
        a.note("FETCH", true, 10, 2_000);
        let lines = list(&sessions);
        assert_eq!(lines.iter().map(|line| line.id).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!((lines[0].user.as_deref(), lines[3].user.as_deref()), (Some("ann@example.org"), None));
        assert_eq!((&*lines[0].doing, lines[0].tls, lines[0].read, lines[0].written), ("FETCH", true, 10, 2_000));
        for unknown in ["9", "zoe@example.org", "", "ann"] {
            let Err(Failure::Refused(why)) = end(&sessions, unknown) else { panic!("{unknown}") };
            assert_eq!(why, format!("no such session: {unknown}"));
        }
        assert_eq!(end(&sessions, "Ann@example.org").unwrap(), 2);
        assert_eq!([a, b, c, stranger].map(is_over), [Some(Ending::Ended), Some(Ending::Ended), None, None]);
        assert_eq!(end(&sessions, "4").unwrap(), 1);
        assert_eq!(is_over(stranger), Some(Ending::Ended));
        drop(seats);
        assert!(list(&sessions).is_empty());
    }

    #[test]
    fn a_grant_that_comes_while_one_waits_is_heard_when_it_is_over() {
        let world = World::with_accounts("sessions-revoked");
        let account = world.store.snapshot().unwrap().account_of("a@b.example").unwrap().unwrap();
        let sessions = Arc::new(Sessions::default());
        let seat = sessions.enter("pop3", None, 0);
        let mut ended = std::pin::pin!(seat.ended());
        assert_eq!(block_on(async { Some((&mut ended).await) }.or(async { None })), None);
        seat.log_in("a@b.example", world.store.grant(account));
        assert_eq!(block_on(async { Some((&mut ended).await) }.or(async { None })), None);
        let remove = async { world.store.write(Write::RemoveAccount(account)).await };
        let (ending, removed) = block_on(smol::future::zip(ended, remove));
        assert!(removed.is_ok());
        assert_eq!(ending, Ending::Revoked);
    }
}
