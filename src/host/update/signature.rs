//! Signatures of updates: minisign's, over the hash of the whole file.

use super::error::UpdateError;
use minisign_verify::{PublicKey, Signature, StreamVerifier};
use std::io::{self, Read};

/// Octets of a signature's file at most: two comments and two lines of base64.
pub(super) const MOST: u64 = 4096;

/// The keys that are trusted.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<PublicKey>);

impl Keys {
    /// Reads keys, one in a line; comments as minisign writes them, and empty lines, are skipped.
    pub(super) fn parse<'k>(lines: impl Iterator<Item = &'k str>) -> Result<Keys, UpdateError> {
        let mut keys = Vec::new();
        for line in lines.map(str::trim) {
            if line.is_empty() || line.starts_with('#') || line.starts_with("untrusted comment:") {
                continue;
            }
            keys.push(PublicKey::from_base64(line).map_err(|_| UpdateError::BadKey(line.to_owned()))?);
        }
        Ok(Keys(keys))
    }

    /// Begins to verify what a signature is for.
    pub(super) fn verifier<'k>(&'k self, signature: &'k Signature) -> Result<StreamVerifier<'k>, UpdateError> {
        if self.0.is_empty() {
            return Err(UpdateError::NoKeys);
        }
        for key in &self.0 {
            match key.verify_stream(signature) {
                Ok(verifier) => return Ok(verifier),
                Err(minisign_verify::Error::UnexpectedKeyId) => {}
                // A signature of the old kind is over the file itself, which would have to be in memory.
                Err(error) => return Err(UpdateError::NoSignature(error.to_string())),
            }
        }
        Err(UpdateError::UnknownKey)
    }
}

/// Reads a signature.
pub(super) fn parse(octets: &[u8]) -> Result<Signature, UpdateError> {
    let none = |why: &str| UpdateError::NoSignature(why.to_owned());
    let text = std::str::from_utf8(octets).map_err(|_| none("it is no text"))?;
    Signature::decode(text).map_err(|_| none("it is not as minisign writes it"))
}

/// Hands on what is read, and hashes it.
pub(super) struct Hashed<'v, R> {
    pub(super) inner: R,
    pub(super) verifier: StreamVerifier<'v>,
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.verifier.update(out.get(..count).unwrap_or_default());
        Ok(count)
    }
}
