//! A connection read in lines and in runs of octets, each bounded and each with an end.

use super::error::Error;
use smol::future::FutureExt;
use smol::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::io;
use std::time::Duration;

/// Octets that are read at once.
const READ: usize = 32 << 10;
/// How long a server may take for the next octets.
const PATIENCE: Duration = Duration::from_mins(3);

/// What mail is fetched over.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection with what was read of it and not taken yet.
pub struct Lines<S> {
    stream: S,
    buffer: Vec<u8>,
    taken: usize,
    // Apart, so that a wait that is given up leaves nothing behind.
    landing: Vec<u8>,
}

impl<S: Io> Lines<S> {
    pub fn new(stream: S) -> Lines<S> {
        Lines { stream, buffer: Vec::new(), taken: 0, landing: vec![0; READ] }
    }

    /// The connection itself, to begin TLS on it. What came before that may be anybody's, and is thrown away.
    pub fn bare(&mut self) -> &mut S {
        self.buffer.clear();
        self.taken = 0;
        &mut self.stream
    }

    /// The next line to the end of `line`, without its end; one that has more than `most` octets is none.
    pub async fn line(&mut self, line: &mut Vec<u8>, most: usize) -> Result<(), Error> {
        let mut looked = 0;
        loop {
            let rest = self.rest();
            if let Some(at) = memchr::memchr(b'\n', rest.get(looked..).unwrap_or_default()) {
                let whole = rest.get(..looked + at).unwrap_or_default();
                let whole = whole.strip_suffix(b"\r").unwrap_or(whole);
                line.extend_from_slice(whole);
                self.taken += looked + at + 1;
                return Ok(());
            }
            looked = rest.len();
            if looked > most {
                return Err(Error::protocol("a line has no end"));
            }
            self.fill(PATIENCE).await?;
        }
    }

    /// Some of the next octets, at most so many and at least one.
    pub async fn some(&mut self, most: u64) -> Result<&[u8], Error> {
        if self.rest().is_empty() {
            self.fill(PATIENCE).await?;
        }
        let length = self.rest().len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let from = self.taken;
        self.taken += length;
        Ok(self.buffer.get(from..from + length).unwrap_or_default())
    }

    /// So many of the octets that were just taken were not meant.
    pub fn give_back(&mut self, count: usize) {
        self.taken = self.taken.saturating_sub(count);
    }

    /// Waits until something comes, for so long; whether it did. Giving it up loses nothing.
    pub async fn wait(&mut self, patience: Duration) -> Result<bool, Error> {
        if !self.rest().is_empty() {
            return Ok(true);
        }
        match self.fill(patience).await {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(false),
            filled => Ok(filled.map(|()| true)?),
        }
    }

    pub async fn send(&mut self, octets: &[u8]) -> Result<(), Error> {
        let sending = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        within(PATIENCE, sending).await?;
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    async fn fill(&mut self, patience: Duration) -> io::Result<()> {
        self.buffer.drain(..self.taken.min(self.buffer.len()));
        self.taken = 0;
        let count = within(patience, self.stream.read(&mut self.landing)).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend_from_slice(self.landing.get(..count).unwrap_or_default());
        Ok(())
    }
}

async fn within<T>(patience: Duration, doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = async {
        smol::Timer::after(patience).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    doing.or(late).await
}
