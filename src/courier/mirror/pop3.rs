//! A POP3 client: what collecting mail needs of the protocol, over any connection (RFC 1939, RFC 2449, RFC 2595).

use super::error::Error;
use super::line::{Io, Lines};
use super::mail::Download;
use crate::wire::pop3::Undot;

/// Octets of a line of an answer: RFC 2449 §4 allows 512.
const LINE: usize = 4 << 10;
/// Messages in one maildrop that are listed.
const MESSAGES: usize = 500_000;
/// Octets of a UIDL: RFC 1939 §7 allows 70.
const NAME: usize = 200;

/// A connection to a POP3 server.
pub struct Pop3<S> {
    lines: Lines<S>,
}

/// A message in the maildrop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub number: u32,
    /// UIDL
    pub name: Vec<u8>,
}

impl<S: Io> Pop3<S> {
    /// On a connection that was just made: hears the greeting.
    pub async fn greet(stream: S) -> Result<Pop3<S>, Error> {
        let mut pop3 = Pop3 { lines: Lines::new(stream) };
        pop3.status().await?;
        Ok(pop3)
    }

    /// Asks for TLS; the handshake is the caller's, on what comes back.
    pub async fn start_tls(&mut self) -> Result<&mut S, Error> {
        self.command("STLS").await?;
        Ok(self.lines.bare())
    }

    /// Logs in.
    pub async fn log_in(&mut self, user: &str, password: &str) -> Result<(), Error> {
        if [user, password].iter().any(|word| word.contains(['\r', '\n', '\0'])) {
            return Err(Error::Login("a user or a password has only one line".to_owned()));
        }
        for command in [format!("USER {user}"), format!("PASS {password}")] {
            match self.command(&command).await {
                // RFC 3206: it is not the password's fault, and passes.
                Err(Error::Refused { code, text })
                    if matches!(code.as_str(), "SYS/TEMP" | "IN-USE" | "LOGIN-DELAY") =>
                {
                    return Err(Error::Connection(text));
                }
                Err(Error::Refused { text, .. }) => return Err(Error::Login(text)),
                done => done?,
            };
        }
        Ok(())
    }

    /// All messages with their names.
    pub async fn list(&mut self) -> Result<Vec<Listed>, Error> {
        match self.command("UIDL").await {
            Err(error) if error.is_refusal() => {
                return Err(Error::Unable("the provider does not name its messages (UIDL)".to_owned()));
            }
            listed => listed?,
        };
        let mut listed = Vec::new();
        loop {
            let line = self.line().await?;
            if line == b"." {
                return Ok(listed);
            }
            let text = line.trim_ascii();
            let space = memchr::memchr(b' ', text).ok_or_else(|| Error::protocol("a line of UIDL"))?;
            let (number, name) = text.split_at(space);
            let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
            let (Some(number), name) = (number, name.trim_ascii()) else {
                return Err(Error::protocol("a line of UIDL"));
            };
            if name.is_empty() || name.len() > NAME || listed.len() >= MESSAGES {
                return Err(Error::protocol("more of UIDL than there can be"));
            }
            listed.push(Listed { number, name: name.to_vec() });
        }
    }

    /// A message's content, as it streams in.
    pub async fn fetch(&mut self, number: u32, into: &mut Download) -> Result<(), Error> {
        self.command(&format!("RETR {number}")).await?;
        let mut undot = Undot::default();
        let mut content = Vec::new();
        loop {
            let (end, length) = {
                let some = self.lines.some(u64::MAX).await?;
                (undot.take(some, &mut content), some.len())
            };
            into.push(&content).await?;
            content.clear();
            if let Some(end) = end {
                self.lines.give_back(length - end);
                return Ok(());
            }
        }
    }

    /// Marks a message for deletion, which happens with QUIT.
    pub async fn delete(&mut self, number: u32) -> Result<(), Error> {
        self.command(&format!("DELE {number}")).await.map(|_| ())
    }

    /// Ends the session; what was marked is deleted if this succeeds.
    pub async fn quit(mut self) -> Result<(), Error> {
        self.command("QUIT").await.map(|_| ())
    }

    async fn command(&mut self, command: &str) -> Result<String, Error> {
        self.lines.send(format!("{command}\r\n").as_bytes()).await?;
        self.status().await
    }

    /// `+OK text` or `-ERR [CODE] text`
    async fn status(&mut self) -> Result<String, Error> {
        let line = self.line().await?;
        let text = |from: usize| {
            let text = line.get(from..).unwrap_or_default();
            let text = text.get(..400).unwrap_or(text).trim_ascii();
            String::from_utf8_lossy(text).replace(char::is_control, " ")
        };
        if line.starts_with(b"+OK") {
            return Ok(text(3));
        }
        if !line.starts_with(b"-ERR") {
            return Err(Error::protocol("neither +OK nor -ERR"));
        }
        let text = text(4);
        let code =
            text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(code, _)| code.to_ascii_uppercase());
        Err(Error::Refused { code: code.unwrap_or_default(), text })
    }

    async fn line(&mut self) -> Result<Vec<u8>, Error> {
        let mut line = Vec::new();
        self.lines.line(&mut line, LINE).await?;
        Ok(line)
    }
}
