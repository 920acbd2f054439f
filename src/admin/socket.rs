//! The admin socket, `DIR/admin.sock`: one line of JSON asks, one line of JSON answers, as often as the owner likes.
//! Where nothing can be written to the data folder, it lies in a runtime folder instead, by a name that only this data
//! folder has.
//!
//! Who can open the file may do everything: it is readable by its owner only, and that is all the permission there is.

use super::accounts::{find, perform};
use super::action::{Failure, Reply, Request};
use super::downloads::{Portion, gather};
use super::gate::Gate;
use super::uploads::{Answer, Frame, PIECE};
use crate::keep::export::Walk;
use crate::keep::{Known, Uploads, open_mailbox};
use crate::store::Store;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smol::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use smol::net::unix::{UnixListener, UnixStream};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Octets of a line: a request is an address and a password at most.
const LINE: u64 = 64 << 10;
/// Verdicts that are out at a time: what two commits take.
const WAITING: usize = 128;
/// How long a server may take to let us in.
const CONNECT: Duration = Duration::from_secs(10);
/// The socket's name in the data folder.
const FILE: &str = "admin.sock";
/// The environment's word for the runtime folder.
const RUNTIME: &str = "PILLARBOX_RUNTIME";

/// Where a server's socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    folder: PathBuf,
    file: String,
    /// Mail is served without it as well.
    is_extra: bool,
}

impl Place {
    /// In the data folder.
    #[must_use]
    pub fn in_data(data: &Path) -> Place {
        Place { folder: data.to_owned(), file: FILE.to_owned(), is_extra: false }
    }

    /// In a runtime folder, which servers of several data folders may share.
    pub fn in_runtime(runtime: &Path, data: &Path) -> io::Result<Place> {
        let data = std::fs::metadata(data)?;
        let file = format!("admin-{:x}-{:x}.sock", data.dev(), data.ino());
        Ok(Place { folder: runtime.to_owned(), file, is_extra: true })
    }

    /// Removes the socket when its server ends.
    pub fn unbind(&self) {
        // One that is left behind is replaced at the next start.
        let _ = std::fs::remove_file(self.folder.join(&self.file));
    }

    fn connect(&self) -> io::Result<std::os::unix::net::UnixStream> {
        let (_open, folder) = short(&self.folder)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Where a server takes no connections, its queue is full some time, and the kernel would wait.
        socket.set_write_timeout(Some(CONNECT))?;
        socket.connect(&SockAddr::unix(folder.join(&self.file))?)?;
        socket.set_write_timeout(None)?;
        Ok(OwnedFd::from(socket).into())
    }
}

/// The runtime folder that the environment names.
#[must_use]
pub fn runtime() -> Option<PathBuf> {
    std::env::var_os(RUNTIME).filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// Binds the socket. One that nobody answers any more is replaced.
pub fn bind(place: &Place) -> io::Result<UnixListener> {
    let (_open, folder) = short(&place.folder)?;
    let path = folder.join(&place.file);
    if std::os::unix::net::UnixStream::connect(&path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server answers on the admin socket"));
    }
    // Made under another name, so that there is no moment in which others could open it.
    let new = folder.join(format!("{}.new", place.file));
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    std::fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    std::fs::rename(&new, &path)?;
    Ok(listener)
}

/// Binds the socket; one that mail is served without as well may be missing.
pub fn bind_where_possible(place: &Place) -> io::Result<Option<UnixListener>> {
    match bind(place) {
        Err(error) if place.is_extra => {
            log::warn!("there is no admin socket in {}: {error}", place.folder.display());
            Ok(None)
        }
        bound => bound.map(Some),
    }
}

/// Connects to the server of a data folder.
pub(super) fn connect(data: &Path) -> io::Result<std::os::unix::net::UnixStream> {
    connect_by(data, runtime().as_deref())
}

/// The same with a runtime folder that the environment need not name.
pub(super) fn connect_by(data: &Path, runtime: Option<&Path>) -> io::Result<std::os::unix::net::UnixStream> {
    Place::in_data(data).connect().or_else(|error| match runtime {
        Some(runtime) => Place::in_runtime(runtime, data)?.connect(),
        None => Err(error),
    })
}

/// Answers all that comes on one connection.
pub async fn answer(stream: UnixStream, store: Arc<Store>, gate: Arc<Gate>) {
    let mut wire = Wire { input: BufReader::with_capacity(32 << 10, stream.clone()), output: stream };
    if let Err(error) = converse(&mut wire, &store, &gate).await {
        log::debug!("admin socket: {error}");
    }
}

async fn converse(wire: &mut Wire, store: &Arc<Store>, gate: &Gate) -> io::Result<()> {
    while let Some(request) = wire.hear().await? {
        match request {
            Request::Import { address, mailbox, again } => import(wire, store, address, mailbox, again).await?,
            Request::Export { address } => export(wire, store, address).await?,
            Request::Session(request) => {
                wire.say(&gate.sessions().perform(&request).unwrap_or_else(Reply::Failed)).await?;
            }
            request => {
                let (store, strength) = (Arc::clone(store), gate.strength());
                let reply = smol::unblock(move || perform(&store, strength, request)).await;
                if let Reply::Failed(Failure::Fault(fault)) = &reply {
                    log::error!("admin socket: {fault}");
                }
                wire.say(&reply).await?;
            }
        }
    }
    Ok(())
}

/// Takes messages until the client is done. Verdicts go out while messages come in.
async fn import(wire: &mut Wire, store: &Arc<Store>, address: String, mailbox: String, again: bool) -> io::Result<()> {
    let opened = smol::unblock({
        let store = Arc::clone(store);
        move || {
            let (account, _) = find(&store.snapshot()?, &address)?;
            let mailbox = open_mailbox(&store, account, &mailbox)?;
            let known = if again { None } else { Some(Known::of(&store, mailbox)?) };
            Ok::<_, Failure>((mailbox, known))
        }
    });
    let (mailbox, known) = match opened.await {
        Ok(opened) => opened,
        Err(failure) => return wire.say(&Reply::Failed(failure)).await,
    };
    wire.say(&Reply::Done).await?;
    let mut uploads = Uploads::new(Arc::clone(store), mailbox, known);
    let mut octets = Vec::new();
    loop {
        // Octets have come, or the oldest message has its verdict: neither loses anything if the other is first.
        let verdict = if uploads.waiting() >= WAITING {
            uploads.verdict(true).await
        } else if let Some(verdict) = uploads.verdict(false).await {
            Some(verdict)
        } else if uploads.waiting() > 0 {
            smol::future::or(async { wire.input.fill_buf().await.map(|_| None) }, async {
                Ok(uploads.verdict(true).await)
            })
            .await?
        } else {
            None
        };
        if let Some(verdict) = verdict {
            wire.say(&Answer::Verdict(verdict)).await?;
            continue;
        }
        match wire.hear().await? {
            Some(Frame::Piece(length)) if length <= PIECE => {
                octets.resize(usize::try_from(length).unwrap_or_default(), 0);
                wire.input.read_exact(&mut octets).await?;
                uploads.push(&octets).await;
            }
            Some(Frame::Piece(_)) => return Err(io::Error::new(io::ErrorKind::InvalidData, "a piece is too long")),
            Some(Frame::End(meta)) => uploads.end(meta).await,
            Some(Frame::GiveUp) => uploads.give_up(),
            Some(Frame::Done) => break,
            None => return Ok(()),
        }
    }
    while let Some(verdict) = uploads.verdict(true).await {
        wire.say(&Answer::Verdict(verdict)).await?;
    }
    wire.say(&Answer::Done).await
}

/// Gives all mail of an account, as fast as the client takes it.
async fn export(wire: &mut Wire, store: &Arc<Store>, address: String) -> io::Result<()> {
    let opened = smol::unblock({
        let store = Arc::clone(store);
        move || {
            let snapshot = store.snapshot()?;
            let (account, _) = find(&snapshot, &address)?;
            Ok::<_, Failure>(Walk::new(&snapshot, account)?)
        }
    });
    let mut walk = match opened.await {
        Ok(walk) => walk,
        Err(failure) => return wire.say(&Reply::Failed(failure)).await,
    };
    wire.say(&Reply::Done).await?;
    let mut out = Vec::new();
    loop {
        let store = Arc::clone(store);
        let gathered = smol::unblock(move || {
            let gathered = gather(&mut walk, &store, &mut out);
            (gathered, walk, out)
        });
        let gathered = gathered.await;
        (walk, out) = (gathered.1, gathered.2);
        wire.output.write_all(&out).await?;
        out.clear();
        match gathered.0 {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(fault) => {
                log::error!("admin socket: export: {fault}");
                return wire.say(&Portion::Broken(fault.to_string())).await;
            }
        }
    }
}

/// Lines of JSON.
struct Wire {
    input: BufReader<UnixStream>,
    output: UnixStream,
}

impl Wire {
    /// What is said next; `None` where the client hangs up.
    async fn hear<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut line = Vec::new();
        (&mut self.input).take(LINE).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Ok(None);
        }
        match serde_json::from_slice(&line) {
            Ok(said) => Ok(Some(said)),
            Err(error) => {
                // Not the line itself: it may hold a password.
                self.say(&Reply::Failed(Failure::Refused("this is no request".to_owned()))).await?;
                Err(io::Error::new(io::ErrorKind::InvalidData, format!("no request ({:?})", error.classify())))
            }
        }
    }

    async fn say<T: Serialize>(&mut self, what: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        self.output.write_all(&line).await
    }
}

/// The same folder by a short name, since a socket's path has room for a hundred octets only.
fn short(folder: &Path) -> io::Result<(File, PathBuf)> {
    let open = File::open(folder)?;
    let path = if folder.as_os_str().len() > 80 {
        PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()))
    } else {
        folder.to_owned()
    };
    Ok((open, path))
}
