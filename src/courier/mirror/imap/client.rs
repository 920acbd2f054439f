//! Commands and answers: the log-in, and how one command follows the other.

use crate::courier::mirror::error::Error;
use crate::courier::mirror::line::{Io, Lines};
use crate::wire::imap::answer::{Answer, Code, How, State, announces_body, literal, quoted};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

/// Octets of one response, what it says of a message's header included, the message itself not.
const RESPONSE: usize = 4 << 20;
/// Octets of a literal that is none of a message.
const LITERAL: u64 = 1 << 20;
/// Literals in one response.
const LITERALS: usize = 64;

/// What the server can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// RFC 4315
    pub uid_plus: bool,
    /// RFC 6851
    pub moves: bool,
    /// RFC 2177
    pub idle: bool,
    /// RFC 7162
    pub cond_store: bool,
    /// RFC 7162
    pub q_resync: bool,
    /// RFC 5161
    pub enable: bool,
    /// RFC 2342
    pub namespace: bool,
    /// RFC 4959
    pub sasl_ir: bool,
    /// RFC 7888
    pub literal_plus: bool,
    /// RFC 2971
    pub id: bool,
    /// RFC 3501 §6.2.1
    pub start_tls: bool,
    pub login_disabled: bool,
    pub auth_plain: bool,
}

/// A mailbox that was selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    /// Its name as the protocol spells it.
    pub name: Vec<u8>,
    /// UIDVALIDITY; 0 where the server has none.
    pub uid_validity: u32,
    /// UIDNEXT; 0 where it was not said.
    pub uid_next: u32,
    /// HIGHESTMODSEQ; 0 where there is none.
    pub highest_modseq: u64,
    /// How many messages there are.
    pub messages: u32,
    /// The flags that are kept, and whether any keyword is.
    pub kept: Option<(Vec<String>, bool)>,
    /// Nothing can be changed.
    pub read_only: bool,
}

/// A connection to an IMAP server.
pub struct Imap<S> {
    pub(super) lines: Lines<S>,
    pub(super) abilities: Abilities,
    pub(super) selected: Option<Selected>,
    /// QRESYNC was switched on.
    pub(super) resyncs: bool,
    known: bool,
    tag: u32,
}

/// What came from the server.
pub(super) enum Heard {
    /// A whole response.
    Answer(Answer),
    /// A response that a message is part of, up to the message: so many octets are to be taken now.
    Body(u64),
}

/// A response that is being read.
#[derive(Default)]
pub(super) struct Reading {
    octets: Vec<u8>,
    literals: usize,
}

impl<S: Io> Imap<S> {
    /// On a connection that was just made: hears the greeting.
    pub async fn greet(stream: S) -> Result<(Imap<S>, bool), Error> {
        let mut imap = Imap {
            lines: Lines::new(stream),
            abilities: Abilities::default(),
            selected: None,
            resyncs: false,
            known: false,
            tag: 0,
        };
        match imap.answer().await? {
            Answer::State(state) => match state.how {
                How::Ok | How::PreAuth => {
                    imap.learn(&state.code);
                    Ok((imap, state.how == How::PreAuth))
                }
                _ => Err(Error::Connection(format!("the provider turned us away: {}", state.text))),
            },
            _ => Err(Error::protocol("there is no greeting")),
        }
    }

    /// What the server can do.
    pub fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// Whether it tells of messages that are gone when it is asked for changes.
    pub fn resyncs(&self) -> bool {
        self.resyncs
    }

    /// Asks for TLS. The handshake is the caller's, on what `bare` gives; what the server said it can do is void then
    /// (RFC 9051 §6.2.1).
    pub async fn start_tls(&mut self) -> Result<&mut S, Error> {
        self.command(b"STARTTLS").await?;
        self.known = false;
        Ok(self.lines.bare())
    }

    /// Logs in, and switches on what helps.
    pub async fn log_in(&mut self, user: &str, password: &str) -> Result<(), Error> {
        self.ask_abilities().await?;
        let entered = if self.abilities.auth_plain {
            self.authenticate(user, password).await
        } else if self.abilities.login_disabled {
            return Err(Error::Login("it takes no password on this connection".to_owned()));
        } else {
            self.login(user, password).await
        };
        match entered {
            Err(Error::Refused { code, text }) if code == "UNAVAILABLE" => {
                return Err(Error::Connection(format!("not available: {text}")));
            }
            Err(Error::Refused { text, .. }) => return Err(Error::Login(text)),
            entered => entered?,
        }
        Ok(())
    }

    /// Switches on what helps, after the log-in.
    pub async fn prepare(&mut self) -> Result<(), Error> {
        self.ask_abilities().await?;
        if self.abilities.enable && self.abilities.q_resync {
            // A server that says it can and then does not is used as if it could not.
            match self.command(b"ENABLE QRESYNC").await {
                Ok(_) => self.resyncs = true,
                Err(error) if error.is_refusal() => {}
                Err(error) => return Err(error),
            }
        }
        if self.abilities.id {
            // RFC 2971 §3.1: for statistics and bug reports. Some providers want it before anything else.
            match self.command(b"ID (\"name\" \"Pillarbox\")").await {
                Err(error) if !error.is_refusal() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits for something to happen in the selected mailbox, for so long; whether it did. What else is waited for may
    /// end the wait: give it as `other`.
    pub async fn idle(&mut self, patience: Duration, other: impl Future<Output = ()>) -> Result<bool, Error> {
        let tag = self.say(b"IDLE").await?;
        loop {
            match self.answer().await? {
                Answer::Continue(_) => break,
                Answer::Tagged(_, state) => return Err(refused(state)),
                _ => {}
            }
        }
        let mut happened = false;
        {
            use smol::future::FutureExt;
            let waiting = async { self.lines.wait(patience).await };
            let other = async {
                other.await;
                Ok(false)
            };
            if waiting.or(other).await? {
                happened = true;
            }
        }
        self.lines.send(b"DONE\r\n").await?;
        self.finish(&tag, &mut |answer| {
            happened |=
                matches!(answer, Answer::Exists(_) | Answer::Expunge(_) | Answer::Vanished { .. } | Answer::Fetch(_));
            Ok(())
        })
        .await?;
        Ok(happened)
    }

    async fn ask_abilities(&mut self) -> Result<(), Error> {
        if self.known {
            return Ok(());
        }
        let mut words = Vec::new();
        self.ask(b"CAPABILITY", &mut |answer| {
            if let Answer::Capability(said) = answer {
                words = said;
            }
            Ok(())
        })
        .await?;
        self.learn(&Code::Capability(words));
        Ok(())
    }

    pub(super) fn learn(&mut self, code: &Code) {
        let Code::Capability(words) = code else { return };
        let has = |word: &str| words.iter().any(|said| said == word);
        self.known = true;
        let rev2 = has("IMAP4REV2");
        self.abilities = Abilities {
            uid_plus: rev2 || has("UIDPLUS"),
            moves: rev2 || has("MOVE"),
            idle: rev2 || has("IDLE"),
            cond_store: has("CONDSTORE") || has("QRESYNC"),
            q_resync: has("QRESYNC"),
            enable: rev2 || has("ENABLE"),
            namespace: rev2 || has("NAMESPACE"),
            sasl_ir: rev2 || has("SASL-IR"),
            literal_plus: has("LITERAL+"),
            id: has("ID"),
            start_tls: has("STARTTLS"),
            login_disabled: has("LOGINDISABLED"),
            auth_plain: has("AUTH=PLAIN"),
        };
    }

    async fn login(&mut self, user: &str, password: &str) -> Result<(), Error> {
        let tag = self.next_tag();
        let begin = format!("{tag} LOGIN ");
        self.lines.send(begin.as_bytes()).await?;
        self.string(user.as_bytes()).await?;
        self.lines.send(b" ").await?;
        self.string(password.as_bytes()).await?;
        self.lines.send(b"\r\n").await?;
        // What was known before is void after the log-in; a server may say at once what holds now.
        self.known = false;
        self.finish(tag.as_bytes(), &mut |_| Ok(())).await?;
        Ok(())
    }

    async fn authenticate(&mut self, user: &str, password: &str) -> Result<(), Error> {
        let response = STANDARD.encode(format!("\0{user}\0{password}"));
        let begin = if self.abilities.sasl_ir {
            format!("AUTHENTICATE PLAIN {response}")
        } else {
            "AUTHENTICATE PLAIN".to_owned()
        };
        let at_once = self.abilities.sasl_ir;
        let tag = self.say(begin.as_bytes()).await?;
        self.known = false;
        if !at_once {
            loop {
                match self.answer().await? {
                    Answer::Continue(_) => break,
                    Answer::Tagged(_, state) => return Err(refused(state)),
                    Answer::State(state) if state.how == How::Bye => return Err(Error::Connection(state.text)),
                    _ => {}
                }
            }
            self.lines.send(format!("{response}\r\n").as_bytes()).await?;
        }
        self.finish(&tag, &mut |_| Ok(())).await?;
        Ok(())
    }

    /// Sends a string in a command: quoted, or as a literal that the server has agreed to.
    pub(super) async fn string(&mut self, text: &[u8]) -> Result<(), Error> {
        if let Some(quoted) = quoted(text) {
            return self.lines.send(&quoted).await;
        }
        self.announce(text.len() as u64).await?;
        self.lines.send(text).await
    }

    /// Announces a literal and waits until the server wants it.
    pub(super) async fn announce(&mut self, length: u64) -> Result<(), Error> {
        self.lines.send(format!("{{{length}}}\r\n").as_bytes()).await?;
        loop {
            match self.answer().await? {
                Answer::Continue(_) => return Ok(()),
                Answer::Tagged(_, state) => return Err(refused(state)),
                Answer::State(state) if state.how == How::Bye => return Err(Error::Connection(state.text)),
                _ => {}
            }
        }
    }

    /// A command of one line, of whose answers only the end counts.
    pub(super) async fn command(&mut self, command: &[u8]) -> Result<State, Error> {
        self.ask(command, &mut |_| Ok(())).await
    }

    /// A command of one line, and what comes before its end.
    pub(super) async fn ask(
        &mut self,
        command: &[u8],
        hear: &mut (dyn FnMut(Answer) -> Result<(), Error> + Send),
    ) -> Result<State, Error> {
        let tag = self.say(command).await?;
        self.finish(&tag, hear).await
    }

    pub(super) fn next_tag(&mut self) -> String {
        self.tag = self.tag.wrapping_add(1);
        format!("p{}", self.tag)
    }

    pub(super) async fn say(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let tag = self.next_tag().into_bytes();
        let mut line = tag.clone();
        line.push(b' ');
        line.extend_from_slice(command);
        line.extend_from_slice(b"\r\n");
        self.lines.send(&line).await?;
        Ok(tag)
    }

    /// Hears all up to the end of a command.
    pub(super) async fn finish(
        &mut self,
        tag: &[u8],
        hear: &mut (dyn FnMut(Answer) -> Result<(), Error> + Send),
    ) -> Result<State, Error> {
        loop {
            match self.answer().await? {
                Answer::Tagged(named, state) if named == tag => {
                    self.learn(&state.code);
                    return if state.how == How::Ok { Ok(state) } else { Err(refused(state)) };
                }
                Answer::Tagged(..) => return Err(Error::protocol("an answer to what was not asked")),
                Answer::State(state) if state.how == How::Bye => return Err(Error::Connection(state.text)),
                Answer::State(state) => {
                    self.learn(&state.code);
                    hear(Answer::State(state))?;
                }
                Answer::Capability(words) => {
                    self.learn(&Code::Capability(words.clone()));
                    hear(Answer::Capability(words))?;
                }
                answer => hear(answer)?,
            }
        }
    }

    /// The next whole response, of which no message is part.
    pub(super) async fn answer(&mut self) -> Result<Answer, Error> {
        let mut reading = Reading::default();
        match self.hear(&mut reading).await? {
            Heard::Answer(answer) => Ok(answer),
            Heard::Body(length) => {
                // Nobody asked for it: it is passed over.
                self.skip(length).await?;
                loop {
                    match self.hear(&mut reading).await? {
                        Heard::Answer(answer) => return Ok(answer),
                        Heard::Body(length) => self.skip(length).await?,
                    }
                }
            }
        }
    }

    /// Reads on in a response, up to its end or to a message in it.
    pub(super) async fn hear(&mut self, reading: &mut Reading) -> Result<Heard, Error> {
        loop {
            let before = reading.octets.len();
            self.lines.line(&mut reading.octets, RESPONSE).await?;
            if reading.octets.len() > RESPONSE {
                return Err(Error::protocol("a response has no end"));
            }
            let line = reading.octets.get(before..).unwrap_or_default();
            let Some(length) = literal(line) else {
                let answer = Answer::parse(&reading.octets);
                return answer.map(Heard::Answer).ok_or_else(|| {
                    let start = reading.octets.get(..60).unwrap_or(&reading.octets);
                    Error::protocol(format!("what is {:?}?", start.escape_ascii().to_string()))
                });
            };
            reading.literals += 1;
            if reading.literals > LITERALS {
                return Err(Error::protocol("too many literals in one response"));
            }
            if announces_body(line) {
                // In its place an empty string, which says that there was one.
                let open = memchr::memrchr(b'{', &reading.octets).unwrap_or(before);
                reading.octets.truncate(open);
                if reading.octets.last() == Some(&b'~') {
                    reading.octets.pop();
                }
                reading.octets.extend_from_slice(b"\"\"");
                return Ok(Heard::Body(length));
            }
            if length > LITERAL {
                return Err(Error::protocol("a literal is too large"));
            }
            reading.octets.extend_from_slice(b"\r\n");
            let mut left = length;
            while left > 0 {
                let some = self.lines.some(left).await?;
                left -= some.len() as u64;
                reading.octets.extend_from_slice(some);
            }
        }
    }

    pub(super) async fn skip(&mut self, mut left: u64) -> Result<(), Error> {
        while left > 0 {
            left -= self.lines.some(left).await?.len() as u64;
        }
        Ok(())
    }
}

/// What NO and BAD mean to us.
pub(super) fn refused(state: State) -> Error {
    match state.how {
        // Some say it of one message that they cannot take or give: of others they need not.
        How::Bad => Error::Refused { code: "BAD".to_owned(), text: format!("it says BAD: {}", state.text) },
        How::Bye => Error::Connection(state.text),
        _ => {
            let code = if let Code::Word(word) = state.code { word } else { String::new() };
            Error::Refused { code, text: state.text }
        }
    }
}
