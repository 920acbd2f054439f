//! The way to a Pillarbox's data: through the server that has it open, or straight to the store.

use super::accounts::{find, perform};
use super::action::{Failure, Reply, Request};
use super::downloads::Portion;
use super::password::Strength;
use super::settings::{Settings, SettingsError};
use super::socket;
use super::uploads::{Answer, Frame, PIECE};
use crate::keep::export::{self, Origin, Part};
use crate::keep::{Broken, Destination, Direct, Intake, Meta, Verdict};
use crate::store::{Fault, Options, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a server may take to answer at all.
const KNOCK: Duration = Duration::from_secs(10);

/// An open way to the data.
#[derive(Debug)]
pub enum Door {
    /// A server runs, and does what it is asked.
    Running(Client),
    /// No server runs: this process has the store.
    Direct(Arc<Store>, Strength),
}

/// A connection to the server.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    input: BufReader<UnixStream>,
}

/// There is no way to the data.
#[derive(Debug)]
pub enum DoorError {
    /// The settings file.
    Settings(SettingsError),
    /// The store.
    Store(Fault),
    /// A server has it open, and does not answer.
    Silent(io::Error),
    /// The socket or the files are another user's.
    Denied,
}

impl Door {
    /// The way to the data in a folder.
    pub fn open(folder: &Path) -> Result<Door, DoorError> {
        match socket::connect(folder) {
            Ok(stream) => {
                let mut client = Client::of(stream).map_err(DoorError::Silent)?;
                client.knock().map_err(DoorError::Silent)?;
                return Ok(Door::Running(client));
            }
            Err(error) if is_late(&error) => return Err(DoorError::Silent(error)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(DoorError::Denied),
            // No server runs.
            Err(_) => {}
        }
        let unread = std::fs::File::open(folder.join("mail.redb")).err();
        if unread.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
            return Err(DoorError::Denied);
        }
        let settings = Settings::read(folder).map_err(DoorError::Settings)?;
        let options = Options { cache: settings.cache() };
        let store = match Store::open(folder, options) {
            // What can be read is shown; what would have to be written is refused.
            Err(Fault::Io(_)) if !Store::can_be_written(folder) => Store::open_read_only(folder, options),
            opened => opened,
        };
        let store = store.map_err(DoorError::Store)?;
        Ok(Door::Direct(Arc::new(store), settings.password.strength()))
    }

    /// The way to the data through the server that has it open, and no other. No answer takes longer than `patience`.
    pub fn of_server(folder: &Path, runtime: &Path, patience: Duration) -> io::Result<Door> {
        let stream = socket::connect_by(folder, Some(runtime))?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Door::Running(Client::of(stream)?))
    }

    /// Whether a server runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self, Door::Running(_))
    }

    /// Asks for something and waits until it is done.
    pub fn ask(&mut self, request: Request) -> Result<Reply, Failure> {
        let reply = match self {
            Door::Direct(store, strength) => perform(store, *strength, request),
            Door::Running(client) => client.ask(&request)?,
        };
        match reply {
            Reply::Failed(failure) => Err(failure),
            reply => Ok(reply),
        }
    }

    /// The account of an address, to bring mail to.
    /// `again`: what a mailbox has already is stored once more.
    pub fn account(&mut self, address: &str, again: bool) -> Result<Box<dyn Destination + '_>, Failure> {
        match self {
            Door::Direct(store, _) => {
                let (account, _) = find(&store.snapshot()?, address)?;
                Ok(Box::new(Direct { store: Arc::clone(store), account, again }))
            }
            Door::Running(client) => {
                client.expect_done(&Request::ShowAccount { address: address.to_owned() })?;
                Ok(Box::new(Remote { client, address: address.to_owned(), again }))
            }
        }
    }

    /// The account of an address, to take its mail from.
    pub fn mail(&mut self, address: &str) -> Result<Box<dyn Origin + '_>, Failure> {
        match self {
            Door::Direct(store, _) => {
                let (account, _) = find(&store.snapshot()?, address)?;
                Ok(Box::new(export::Direct::new(Arc::clone(store), account)?))
            }
            Door::Running(client) => {
                client.expect_done(&Request::Export { address: address.to_owned() })?;
                Ok(Box::new(Receiving { input: &mut client.input }))
            }
        }
    }
}

impl Client {
    fn of(stream: UnixStream) -> io::Result<Client> {
        let input = BufReader::new(stream.try_clone()?);
        Ok(Client { stream, input })
    }

    /// Asks what takes no time, to see that somebody answers; what is asked next may take as long as it does.
    fn knock(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(KNOCK))?;
        self.stream.set_write_timeout(Some(KNOCK))?;
        say(&mut self.stream, &Request::WayBack)?;
        // Whatever it says to that.
        hear::<Reply>(&mut self.input)?;
        self.stream.set_read_timeout(None)?;
        self.stream.set_write_timeout(None)
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, Failure> {
        let lost = |error: io::Error| Failure::Fault(format!("the server does not answer: {error}"));
        say(&mut self.stream, request).map_err(lost)?;
        hear(&mut self.input).map_err(lost)
    }

    fn expect_done(&mut self, request: &Request) -> Result<(), Failure> {
        match self.ask(request)? {
            Reply::Failed(failure) => Err(failure),
            _ => Ok(()),
        }
    }
}

/// An account of a running server.
struct Remote<'d> {
    client: &'d mut Client,
    address: String,
    again: bool,
}

impl Destination for Remote<'_> {
    fn open(&mut self, mailbox: &str) -> Result<Box<dyn Intake + '_>, Broken> {
        let request = Request::Import { address: self.address.clone(), mailbox: mailbox.to_owned(), again: self.again };
        self.client.expect_done(&request).map_err(|failure| Broken(format!("mailbox {mailbox}: {failure}")))?;
        let output = self.client.stream.try_clone().map_err(|error| lost(&error))?;
        // The server says nothing but these answers until the import is over: no octet is read that is not one of them.
        let mut input = BufReader::new(self.client.stream.try_clone().map_err(|error| lost(&error))?);
        let (sender, verdicts) = mpsc::channel();
        let reader = std::thread::Builder::new().name("verdicts".to_owned()).spawn(move || {
            while let Ok(Answer::Verdict(verdict)) = hear(&mut input) {
                if sender.send(verdict).is_err() {
                    return;
                }
            }
        });
        let reader = Some(reader.map_err(|error| lost(&error))?);
        Ok(Box::new(Sending { output: BufWriter::with_capacity(128 << 10, output), verdicts, reader }))
    }
}

/// An import under way.
struct Sending {
    output: BufWriter<UnixStream>,
    verdicts: Receiver<Verdict>,
    reader: Option<JoinHandle<()>>,
}

impl Intake for Sending {
    fn push(&mut self, octets: &[u8]) -> Result<(), Broken> {
        for piece in octets.chunks(usize::try_from(PIECE).unwrap_or(usize::MAX)) {
            let length = u32::try_from(piece.len()).unwrap_or(PIECE);
            let sent = say(&mut self.output, &Frame::Piece(length)).and_then(|()| self.output.write_all(piece));
            sent.map_err(|error| lost(&error))?;
        }
        Ok(())
    }

    fn end(&mut self, meta: Meta) -> Result<(), Broken> {
        say(&mut self.output, &Frame::End(meta)).map_err(|error| lost(&error))
    }

    fn give_up(&mut self) -> Result<(), Broken> {
        say(&mut self.output, &Frame::GiveUp).map_err(|error| lost(&error))
    }

    fn verdict(&mut self, wait: bool) -> Result<Option<Verdict>, Broken> {
        if !wait {
            return match self.verdicts.try_recv() {
                Err(mpsc::TryRecvError::Disconnected) => Err(Broken("the server hung up".to_owned())),
                verdict => Ok(verdict.ok()),
            };
        }
        self.output.flush().map_err(|error| lost(&error))?;
        self.verdicts.recv().map(Some).map_err(|_| Broken("the server hung up".to_owned()))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let over = say(&mut self.output, &Frame::Done).and_then(|()| self.output.flush());
        if let Some(reader) = self.reader.take()
            && over.is_ok()
        {
            // It ends with the server's last answer; what it could say of a panic is said already.
            let _ = reader.join();
        }
    }
}

/// An export under way.
struct Receiving<'d> {
    input: &'d mut BufReader<UnixStream>,
}

impl Origin for Receiving<'_> {
    fn next(&mut self, octets: &mut Vec<u8>) -> Result<Part, Broken> {
        let part = match hear(self.input).map_err(|error| lost(&error))? {
            Portion::Part(part) => part,
            Portion::Broken(why) => return Err(Broken(why)),
        };
        if let Part::Octets(length) = part {
            let read = self.input.take(u64::from(length)).read_to_end(octets).map_err(|error| lost(&error))?;
            if read as u64 != u64::from(length) {
                return Err(Broken("the server hung up".to_owned()));
            }
        }
        Ok(part)
    }
}

impl fmt::Display for DoorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DoorError::Settings(error) => error.fmt(f),
            DoorError::Store(fault) => fault.fmt(f),
            DoorError::Silent(error) if is_late(error) => {
                write!(f, "the server does not answer: it has said nothing for {} seconds", KNOCK.as_secs())
            }
            DoorError::Silent(error) => write!(f, "the server does not answer: {error}"),
            DoorError::Denied => f.write_str("permission denied"),
        }
    }
}

impl std::error::Error for DoorError {}

fn say<T: Serialize>(output: &mut impl Write, what: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    output.write_all(&line)
}

fn hear<T: DeserializeOwned>(input: &mut impl BufRead) -> io::Result<T> {
    let mut line = Vec::new();
    // Lists of accounts are long, and come from our own server.
    if input.read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&line)?)
}

/// Whether nothing came for as long as was waited.
fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn lost(error: &io::Error) -> Broken {
    Broken(format!("the connection to the server is lost: {error}"))
}
