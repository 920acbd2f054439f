//! A connection to another server, up to where mail can be sent.

use super::said::{Said, Trouble};
use crate::admin::Secret;
use crate::courier::connect::{Connection, Connector, Target};
use crate::courier::sasl::Exchange;
use crate::wire::sasl::{Answer, Mechanism};
use crate::wire::smtp::reply::{Heard, Replies, Reply};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SecureRandom;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// Challenges of one log-in: SCRAM has two.
const CHALLENGES: usize = 6;

/// A server that mail is given to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it is.
    pub target: Target,
    /// How private the connection must be.
    pub security: Security,
    /// Who we are there.
    pub login: Option<(String, Secret)>,
    /// It is another one than we are: what greets us with our own name is ourselves, and mail would go in circles.
    pub is_other: bool,
}

/// How private a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first octet (RFC 8314 §3.3).
    Tls,
    /// STARTTLS, or nothing is said.
    StartTls,
    /// STARTTLS where it is offered, and works.
    Opportunistic,
    /// Plain text.
    None,
}

/// How long is waited (RFC 5321 §4.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the greeting, and each command.
    pub command: Duration,
    /// For the answer to DATA.
    pub data: Duration,
    /// For a piece of the mail to be taken.
    pub piece: Duration,
    /// For the answer to the mail: the server may look at it before it answers.
    pub verdict: Duration,
    /// For the answer to QUIT, on which nothing depends.
    pub quit: Duration,
}

/// A connection on which mail can be sent.
pub struct Session {
    connection: Connection,
    replies: Replies,
    pub(super) host: String,
    pub(super) offers: Offers,
    pub(super) patience: Patience,
    /// Nothing more can be said on it.
    broken: bool,
}

/// What a server says it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    /// Octets of the largest mail that it takes (RFC 1870).
    pub(super) size: Option<u64>,
    pub(super) pipelining: bool,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    pub(super) dsn: bool,
    tls: bool,
    mechanisms: Vec<Mechanism>,
}

impl Default for Patience {
    fn default() -> Self {
        let minutes = Duration::from_mins;
        Patience {
            command: minutes(5),
            data: minutes(2),
            piece: minutes(3),
            verdict: minutes(10),
            quit: Duration::from_secs(5),
        }
    }
}

impl Session {
    /// Connects, greets, begins TLS and logs in. `name`: ours.
    pub async fn open(
        connector: &Connector,
        server: &Server,
        name: &str,
        patience: Patience,
    ) -> Result<Session, Trouble> {
        match Session::greet(connector, server, name, patience, server.security).await {
            // A server that offers what it cannot do is heard in plain text, as one that does not offer it would be
            // (RFC 7435 §4.1).
            Err(Failed::Handshake(why)) if server.security == Security::Opportunistic => {
                log::debug!("{}: mail goes out without TLS ({})", server.target.host, why.said());
                Session::greet(connector, server, name, patience, Security::None).await.map_err(Failed::trouble)
            }
            opened => opened.map_err(Failed::trouble),
        }
    }

    async fn greet(
        connector: &Connector,
        server: &Server,
        name: &str,
        patience: Patience,
        security: Security,
    ) -> Result<Session, Failed> {
        let Server { target, .. } = server;
        let host = target.host.trim_end_matches('.').to_owned();
        let target = Target { tls: security == Security::Tls, ..target.clone() };
        let connection = connector.connect(&target).await.map_err(|error| match error.kind() {
            // The owner's own smarthost may have a name again tomorrow.
            io::ErrorKind::NotFound if server.is_other => Trouble::Never(Said::of(&host, "550 5.4.4", error)),
            _ => Trouble::Later(Said::of(&host, "450 4.4.1", error)),
        })?;
        if server.is_other && connection.local().is_ok_and(|local| local.ip() == connection.peer().ip()) {
            return Err(loops(&host).into());
        }
        let replies = Replies::default();
        let offers = Offers::default();
        let mut session = Session { connection, replies, host, offers, patience, broken: false };
        let greeting = session.hear(patience.command).await?;
        if server.is_other && greeting.lines.first().is_some_and(|line| first_word(line).eq_ignore_ascii_case(name)) {
            return Err(loops(&session.host).into());
        }
        session.welcome(&greeting)?;
        session.hello(name).await?;
        let begins = match security {
            Security::Tls | Security::None => false,
            Security::Opportunistic => session.offers.tls,
            Security::StartTls if session.offers.tls => true,
            Security::StartTls => {
                let why = Said::of(&session.host, "450 4.7.4", "it does not offer STARTTLS");
                session.quit().await;
                return Err(Trouble::Later(why).into());
            }
        };
        if begins {
            session.encrypt(connector, &target).await?;
            session.hello(name).await?;
        }
        if let Some((user, password)) = &server.login {
            session.log_in(user, password).await?;
        }
        Ok(session)
    }

    /// Whether more mail can be sent on it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.broken
    }

    /// Says good-bye. Whatever is to be kept of what was said must have been kept before: this may take a moment.
    pub async fn quit(mut self) {
        if !self.broken && self.say("QUIT\r\n").await.is_ok() {
            let _ = self.hear(self.patience.quit).await;
        }
        self.connection.close().await;
    }

    fn welcome(&self, greeting: &Reply) -> Result<(), Trouble> {
        match greeting.code {
            220 => Ok(()),
            // RFC 7504: no mail here, ever.
            521 | 556 => Err(Trouble::Never(Said::by(&self.host, greeting))),
            // Whatever else it says, it says of this moment or of this connection.
            _ => Err(Trouble::Later(Said::by(&self.host, greeting))),
        }
    }

    /// EHLO, and HELO for who has not heard of it (RFC 5321 §3.2).
    async fn hello(&mut self, name: &str) -> Result<(), Trouble> {
        let reply = self.ask(&format!("EHLO {name}\r\n")).await?;
        if reply.is_positive() {
            self.offers = Offers::of(&reply);
            return Ok(());
        }
        if reply.is_transient() {
            return Err(Trouble::Later(Said::by(&self.host, &reply)));
        }
        self.offers = Offers::default();
        let reply = self.ask(&format!("HELO {name}\r\n")).await?;
        if reply.is_positive() { Ok(()) } else { Err(Trouble::Later(Said::by(&self.host, &reply))) }
    }

    async fn encrypt(&mut self, connector: &Connector, target: &Target) -> Result<(), Failed> {
        let reply = self.ask("STARTTLS\r\n").await?;
        if reply.code != 220 {
            return Err(Failed::Handshake(Trouble::Later(Said::by(&self.host, &reply))));
        }
        // What stands behind the answer was said in plain text, by anybody.
        let is_clean = self.replies.is_empty();
        self.replies.discard();
        let failed = |why: &dyn fmt::Display| {
            Failed::Handshake(Trouble::Later(Said::of(&self.host, "450 4.7.5", format!("TLS does not begin: {why}"))))
        };
        if !is_clean {
            return Err(failed(&"it speaks before it is asked"));
        }
        connector.encrypt(&mut self.connection, target).await.map_err(|error| failed(&error))
    }

    /// AUTH (RFC 4954). The password is said where nobody else hears it only, or on this machine.
    async fn log_in(&mut self, user: &str, Secret(password): &Secret) -> Result<(), Trouble> {
        let later = |why: &str| Trouble::Later(Said::of(&self.host, "450 4.7.8", why));
        let best = [Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login];
        let is_private = self.connection.is_tls() || self.connection.peer().ip().is_loopback();
        let fits = |mechanism: &Mechanism| {
            self.offers.mechanisms.contains(mechanism) && (is_private || *mechanism == Mechanism::ScramSha256)
        };
        let mechanism = best.into_iter().find(fits).ok_or_else(|| later("it offers no way to log in that we take"))?;
        let mut nonce = [0; 18];
        ring::rand::SystemRandom::new().fill(&mut nonce).map_err(|_| later("there is no randomness for a log-in"))?;
        let mut exchange = Exchange::new(mechanism, user, password, nonce);
        let initial = exchange.initial().map_or_else(String::new, |initial| format!(" {}", STANDARD.encode(initial)));
        let mut reply = self.ask(&format!("AUTH {}{initial}\r\n", mechanism.name())).await?;
        for _ in 0..CHALLENGES {
            if !reply.is_intermediate() {
                break;
            }
            let asked = reply.lines.first().map(String::as_str).unwrap_or_default();
            let answer = match Answer::decode(asked.as_bytes()) {
                Ok(Answer::Response(asked)) => exchange.answer(&asked),
                _ => Err("its challenge is no base64"),
            };
            match answer {
                Ok(answer) => reply = self.ask(&format!("{}\r\n", STANDARD.encode(answer))).await?,
                Err(why) => {
                    let _ = self.ask("*\r\n").await;
                    return Err(Trouble::Later(Said::of(&self.host, "450 4.7.8", why)));
                }
            }
        }
        match reply.code {
            235 if exchange.is_over() => Ok(()),
            235 => Err(Trouble::Later(Said::of(&self.host, "450 4.7.8", "it lets us in without knowing the password"))),
            // A wrong password is the owner's to put right: the mail waits for that.
            _ => Err(Trouble::Later(Said::by(&self.host, &reply))),
        }
    }

    /// Nothing more is to be said on it, not even good-bye.
    pub(super) fn give_up(&mut self) {
        self.broken = true;
    }

    /// Says a command, and hears its answer.
    pub(super) async fn ask(&mut self, command: &str) -> Result<Reply, Trouble> {
        self.say(command).await?;
        self.hear(self.patience.command).await
    }

    /// Says something.
    pub(super) async fn say(&mut self, words: &str) -> Result<(), Trouble> {
        self.send(words.as_bytes()).await
    }

    pub(super) async fn send(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        let sent = self.connection.send(octets, self.patience.piece).await;
        sent.map_err(|error| self.lost(&error))
    }

    /// The next answer, all of which comes in that time: one that comes octet by octet would keep us for hours.
    pub(super) async fn hear(&mut self, patience: Duration) -> Result<Reply, Trouble> {
        let until = Instant::now() + patience;
        let mut octets = Vec::new();
        loop {
            match self.replies.next_reply() {
                Heard::Reply(reply) => {
                    // It closes the connection after this (RFC 5321 §3.8).
                    self.broken |= reply.code == 421;
                    return Ok(reply);
                }
                Heard::Broken(why) => return Err(self.lost(&why)),
                Heard::More => {}
            }
            octets.clear();
            let rest = until.saturating_duration_since(Instant::now());
            match self.connection.read(&mut octets, rest).await {
                Ok(0) => return Err(self.lost(&"it closed the connection")),
                Ok(_) => self.replies.feed(&octets),
                Err(error) => return Err(self.lost(&error)),
            }
        }
    }

    pub(super) fn lost(&mut self, why: &dyn fmt::Display) -> Trouble {
        self.broken = true;
        Trouble::Later(Said::of(&self.host, "450 4.4.2", why))
    }
}

/// Why a session did not begin.
enum Failed {
    /// TLS did not.
    Handshake(Trouble),
    Other(Trouble),
}

impl Failed {
    fn trouble(self) -> Trouble {
        let (Failed::Handshake(trouble) | Failed::Other(trouble)) = self;
        trouble
    }
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Failed::Other(trouble)
    }
}

impl Offers {
    fn of(reply: &Reply) -> Offers {
        let has = |keyword| reply.extension(keyword).is_some();
        let mut mechanisms = Vec::new();
        for (keyword, parameters) in reply.extensions() {
            if keyword.eq_ignore_ascii_case("AUTH") {
                mechanisms.extend(parameters.split_ascii_whitespace().filter_map(Mechanism::from_name));
            }
        }
        Offers {
            // 0: there is no limit (RFC 1870 §4).
            size: reply.extension("SIZE").and_then(|size| size.trim().parse().ok()).filter(|size| *size > 0),
            pipelining: has("PIPELINING"),
            eight_bit: has("8BITMIME"),
            utf8: has("SMTPUTF8"),
            dsn: has("DSN"),
            tls: has("STARTTLS"),
            mechanisms,
        }
    }
}

fn loops(host: &str) -> Trouble {
    Trouble::Never(Said::of(host, "554 5.4.6", "this is ourselves: mail for there would go in circles"))
}

fn first_word(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("host", &self.host)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
