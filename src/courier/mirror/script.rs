//! A server for tests: what it says is a script.

use crate::store::{Options, Store};
use smol::io::{AsyncRead, AsyncWrite};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A server that says the next thing once it heard what it expects.
pub(super) struct Script {
    steps: Vec<(String, Vec<u8>)>,
    heard: Vec<u8>,
    to_say: Vec<u8>,
    /// At the end it hangs up.
    at: usize,
}

impl Script {
    pub(super) fn new(greeting: &str, steps: &[(&str, &str)]) -> Script {
        let steps = steps.iter().map(|(heard, said)| ((*heard).to_owned(), said.as_bytes().to_vec())).collect();
        Script { steps, heard: Vec::new(), to_say: greeting.as_bytes().to_vec(), at: 0 }
    }
}

impl AsyncRead for Script {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        // In small pieces: nothing may depend on where a read ends.
        let length = buffer.len().min(self.to_say.len()).min(7);
        for (to, from) in buffer.iter_mut().zip(self.to_say.drain(..length)) {
            *to = from;
        }
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Script {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.heard.extend_from_slice(octets);
        let at = self.at;
        let Some((expected, said)) = self.steps.get(at).cloned() else {
            panic!("unexpected: {}", self.heard.escape_ascii());
        };
        let length = self.heard.len().min(expected.len());
        assert_eq!(
            self.heard[..length].escape_ascii().to_string(),
            expected.as_bytes()[..length].escape_ascii().to_string()
        );
        if self.heard.len() >= expected.len() {
            self.heard.drain(..expected.len());
            self.to_say.extend_from_slice(&said);
            self.at += 1;
        }
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A folder that goes when the test ends.
pub(super) struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A store in a folder of its own.
pub(super) fn store(name: &str) -> (Folder, Arc<Store>) {
    let path = std::env::temp_dir().join(format!("pillarbox-mirror-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let store = Arc::new(Store::open(&path, Options::default()).unwrap());
    (Folder(path), store)
}
