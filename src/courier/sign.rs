//! What is put above a mail that we send for somebody here: signatures of its domain (RFC 6376).

use super::smtp::Content;
use crate::admin::keys;
use crate::delivery::{Routing, is_local_domain};
use crate::store::{Fault, Queued, Store, StoreError};
use crate::verdict::{Key, Signer};
use smol::lock::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Domains whose keys are held in memory.
const DOMAINS: usize = 100;

/// The keys of the domains here.
#[derive(Default)]
pub(super) struct Keys(Mutex<HashMap<String, Vec<Arc<Key>>>>);

impl Keys {
    /// The signatures of a mail, as fields; none where it is not ours to sign, or cannot be signed.
    pub(super) async fn sign(
        &self,
        store: &Arc<Store>,
        routing: &Routing,
        queued: &Queued,
        content: &Content,
        now: i64,
    ) -> String {
        let domain = match domain(store, routing, queued) {
            Ok(Some(domain)) => domain,
            Ok(None) => return String::new(),
            Err(error) => return unsigned(&error),
        };
        let keys = match self.of(store, &domain).await {
            Ok(keys) => keys,
            Err(failure) => return unsigned(&failure),
        };
        let mut signer = Signer::new(keys, now);
        let (mut pass, mut octets, mut lines) = (content.pass(), Vec::new(), Lines::default());
        loop {
            octets.clear();
            let ended = match pass.read(&mut octets) {
                Ok(ended) => ended,
                Err(fault) => return unsigned(&fault),
            };
            signer.push(&lines.end(&octets));
            if ended {
                signer.push(lines.last());
                return signer.finish();
            }
            // A large mail is not all that there is to do.
            smol::future::yield_now().await;
        }
    }

    /// The keys of a domain, made where it has none yet.
    async fn of(&self, store: &Arc<Store>, domain: &str) -> Result<Vec<Arc<Key>>, keys::Failure> {
        // Held while they are made: made twice, one pair would be published in vain.
        let mut known = self.0.lock().await;
        if let Some(keys) = known.get(domain) {
            return Ok(keys.clone());
        }
        let (store, asked) = (Arc::clone(store), domain.to_owned());
        let made = smol::unblock(move || keys::ensure(&store, &asked)).await?;
        let made: Vec<Arc<Key>> = made.into_iter().map(Arc::new).collect();
        if known.len() >= DOMAINS {
            known.clear();
        }
        known.insert(domain.to_owned(), made.clone());
        Ok(made)
    }
}

fn unsigned(why: &dyn std::fmt::Display) -> String {
    log::error!("a mail goes out unsigned: {why}");
    String::new()
}

/// The domain that signs a mail: that of its From field (RFC 7489 §3.1), where somebody here sent it, or we did.
fn domain(store: &Store, routing: &Routing, queued: &Queued) -> Result<Option<String>, StoreError> {
    if queued.account.is_none() && !queued.from.is_empty() {
        return Ok(None);
    }
    let snapshot = store.snapshot()?;
    let head = snapshot.head(queued.blob)?.ok_or(Fault::Corrupt("a queued mail has no content"))?;
    let head = head.read()?;
    let envelope = head.envelope()?;
    let Some(host) = envelope.from.first().and_then(|from| from.host.as_deref()) else { return Ok(None) };
    let domain = String::from_utf8_lossy(host).to_lowercase();
    // What has no dot is known in this house only.
    let is_ours = domain.is_ascii() && domain.contains('.') && is_local_domain(&snapshot, routing, &domain)?;
    Ok(is_ours.then_some(domain))
}

/// Lines that end with CRLF, from lines that end with LF.
#[derive(Default)]
struct Lines {
    last: Option<u8>,
}

impl Lines {
    fn end<'o>(&mut self, octets: &'o [u8]) -> std::borrow::Cow<'o, [u8]> {
        let before = |at: usize, last: Option<u8>| at.checked_sub(1).map_or(last, |before| octets.get(before).copied());
        let last = self.last;
        let bare: Vec<usize> =
            memchr::memchr_iter(b'\n', octets).filter(|at| before(*at, last) != Some(b'\r')).collect();
        self.last = octets.last().copied().or(self.last);
        if bare.is_empty() {
            return octets.into();
        }
        let mut ended = Vec::with_capacity(octets.len() + bare.len());
        let mut copied = 0;
        for at in bare {
            ended.extend_from_slice(octets.get(copied..at).unwrap_or_default());
            ended.push(b'\r');
            copied = at;
        }
        ended.extend_from_slice(octets.get(copied..).unwrap_or_default());
        ended.into()
    }

    /// What the last line lacks.
    fn last(&self) -> &'static [u8] {
        if self.last == Some(b'\n') { b"" } else { b"\r\n" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_signed_as_they_are_sent() {
        for (message, expected) in
            [(&b"a\r\nb\n\nc"[..], &b"a\r\nb\r\n\r\nc\r\n"[..]), (b"\n", b"\r\n"), (b"", b"\r\n"), (b"a\r", b"a\r\r\n")]
        {
            for size in 1..=message.len().max(1) {
                let (mut lines, mut sent) = (Lines::default(), Vec::new());
                for piece in message.chunks(size) {
                    sent.extend_from_slice(&lines.end(piece));
                }
                sent.extend_from_slice(lines.last());
                assert_eq!(sent.escape_ascii().to_string(), expected.escape_ascii().to_string(), "in pieces of {size}");
            }
        }
    }
}
