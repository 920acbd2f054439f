//! `/run/pillarbox/host.sock`, PID 1's own door: a line of JSON asks, lines of JSON answer. For root only.

use super::update::State;
use crate::sys::threads;
use rustix::net::sockopt::socket_peercred;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where it is.
pub const PATH: &str = "/run/pillarbox/host.sock";
/// Octets of a line that asks.
const LINE: u64 = 8 << 10;
/// Who is answered at a time: an update under way must not keep others from asking how it is.
const GUESTS: usize = 8;

/// What can be asked of PID 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum Ask {
    /// How the machine is doing.
    Status,
    /// The last lines of the log.
    Log { lines: usize },
    /// An update from a file or an address.
    Update { source: String },
    /// Back to what ran before. `discard`: also where mail is lost by it.
    Undo { discard: bool },
    /// A restart, in good order.
    Reboot,
    /// The end, in good order.
    Poweroff,
}

/// What it answers: any number of `Progress`, then one of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "say")]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum Say {
    /// How far it is.
    Progress { text: String },
    /// The status block, as the console has it, and the slots.
    Status { lines: Vec<String>, update: State },
    /// The log, oldest line first.
    Log { lines: Vec<String> },
    /// Done; the text is for the owner.
    Done { text: String },
    /// Not done, and why.
    Failed { why: String },
}

/// Who does what is asked. Called from a thread for each guest.
pub(super) trait Host: Send + Sync + 'static {
    /// The answer; `progress` may be told something on the way.
    fn answer(&self, ask: Ask, progress: &mut dyn FnMut(String)) -> Say;
}

/// Opens the door, and answers from threads of its own as long as the process lives.
pub(super) fn open(path: &Path, host: Arc<dyn Host>) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Made under another name, so that there is no moment in which others could open it.
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    fs::rename(&new, path)?;
    threads::steady("door", move || receive(&listener, &host))?;
    Ok(())
}

fn receive(listener: &UnixListener, host: &Arc<dyn Host>) {
    let guests = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else {
            // Out of descriptors, at worst: not to be asked again at once.
            std::thread::sleep(std::time::Duration::from_millis(100));
            continue;
        };
        if !is_ours(&stream) {
            continue;
        }
        let guest = Guest::count(&guests);
        if guest.number > GUESTS {
            // Whoever does not hear it sees that the line is closed.
            let _ = say(&mut stream, &Say::Failed { why: "too many are asking at once".to_owned() });
            continue;
        }
        let host = Arc::clone(host);
        let thread = std::thread::Builder::new().name("guest".to_owned()).spawn(move || {
            let _counted = guest;
            if let Err(error) = converse(stream, &*host) {
                log::debug!("host.sock: {error}");
            }
        });
        if let Err(error) = thread {
            log::warn!("host.sock: {error}");
        }
    }
}

/// One who asks, counted as long as he is there.
struct Guest {
    all: Arc<AtomicUsize>,
    number: usize,
}

impl Guest {
    fn count(all: &Arc<AtomicUsize>) -> Guest {
        Guest { all: Arc::clone(all), number: all.fetch_add(1, Ordering::SeqCst) + 1 }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The file's mode says the same; but a folder above may have been opened to others.
fn is_ours(stream: &UnixStream) -> bool {
    socket_peercred(stream).is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}

fn converse(mut stream: UnixStream, host: &dyn Host) -> io::Result<()> {
    let mut input = BufReader::new(stream.try_clone()?);
    while let Some(ask) = hear(&mut input, LINE)? {
        // The update goes on when whoever asked for it has gone: the answer alone is lost.
        let answer = host.answer(ask, &mut |text| {
            let _ = say(&mut stream, &Say::Progress { text });
        });
        say(&mut stream, &answer)?;
    }
    Ok(())
}

/// The way in, for the command line.
#[derive(Debug)]
pub struct Caller {
    stream: UnixStream,
    input: BufReader<UnixStream>,
}

impl Caller {
    /// Knocks; an error where there is no PID 1 of ours.
    pub fn connect(path: &Path) -> io::Result<Caller> {
        let stream = UnixStream::connect(path)?;
        let input = BufReader::new(stream.try_clone()?);
        Ok(Caller { stream, input })
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, ask: &Ask, mut progress: impl FnMut(String)) -> io::Result<Say> {
        say(&mut self.stream, ask)?;
        loop {
            match hear(&mut self.input, u64::MAX)? {
                Some(Say::Progress { text }) => progress(text),
                Some(answer) => return Ok(answer),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}

fn say(stream: &mut UnixStream, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// What is said next; `None` where the other hangs up.
fn hear<T: DeserializeOwned>(input: &mut impl BufRead, most: u64) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    input.take(most).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Host for Echo {
        fn answer(&self, ask: Ask, progress: &mut dyn FnMut(String)) -> Say {
            progress("looking".to_owned());
            progress("found".to_owned());
            Say::Done { text: format!("{ask:?}") }
        }
    }

    #[test]
    fn what_is_asked_is_answered_with_progress_before() {
        let folder = std::env::temp_dir().join(format!("pillarbox-door-{}", std::process::id()));
        let path = folder.join("host.sock");
        open(&path, Arc::new(Echo)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut caller = Caller::connect(&path).unwrap();
        for ask in [Ask::Update { source: "/usb/x".to_owned() }, Ask::Undo { discard: true }, Ask::Reboot] {
            let mut told = Vec::new();
            let answer = caller.ask(&ask, |text| told.push(text)).unwrap();
            assert_eq!(answer, Say::Done { text: format!("{ask:?}") });
            assert_eq!(told, ["looking", "found"]);
        }
        let mut second = Caller::connect(&path).unwrap();
        second.stream.write_all(b"{\"ask\":\"sing\"}\n").unwrap();
        assert!(hear::<Say>(&mut second.input, u64::MAX).unwrap().is_none(), "nonsense ends the conversation");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_words_on_the_wire_are_those_that_others_rely_on() {
        let line = |what: &Ask| serde_json::to_string(what).unwrap();
        assert_eq!(line(&Ask::Status), r#"{"ask":"status"}"#);
        assert_eq!(line(&Ask::Log { lines: 5 }), r#"{"ask":"log","lines":5}"#);
        assert_eq!(line(&Ask::Update { source: "x".to_owned() }), r#"{"ask":"update","source":"x"}"#);
        let failed = serde_json::to_string(&Say::Failed { why: "no".to_owned() }).unwrap();
        assert_eq!(failed, r#"{"say":"failed","why":"no"}"#);
    }
}
