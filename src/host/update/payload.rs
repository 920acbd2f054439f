//! An update's file: a plain tar of a slot's files, `slot.toml` first, which says what they are.
//!
//! It is read twice. The first time all of it passes by the signature, and what the manifest says and how long each file
//! is are noted; nothing is believed before the signature was found right at the end. The second time each file goes to
//! its slot, and must have the hash that the verified manifest says: whoever changes the file in between changes nothing.

use super::error::UpdateError;
use super::signature::Hashed;
use super::slots::{CMDLINE, CONFIRMED, FAILED};
use minisign_verify::StreamVerifier;
use ring::digest;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read};

/// Octets of an update at most.
pub(super) const MOST: u64 = 256 << 20;
/// Octets of a manifest at most.
const MANIFEST: u64 = 64 << 10;
/// Files in a slot at most.
const FILES: usize = 64;
/// What every slot has.
pub(super) const NEEDED: [&str; 2] = ["vmlinuz", "initramfs"];
/// The manifest's name, in the update and in the slot.
pub(super) const SLOT: &str = "slot.toml";

/// What `slot.toml` says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Manifest {
    pub(super) version: String,
    pub(super) board: String,
    /// Seconds since 1970.
    pub(super) built: i64,
    /// The kernel's command line, where this system wants another one than the running system has.
    pub(super) options: Option<String>,
    /// SHA-256 of each file, in hexadecimal.
    #[serde(default)]
    pub(super) files: BTreeMap<String, String>,
}

/// An update whose signature is right.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) manifest: Manifest,
    /// The manifest as it stands.
    pub(super) text: Vec<u8>,
    /// Octets of each file.
    pub(super) sizes: BTreeMap<String, u64>,
}

impl Manifest {
    pub(super) fn parse(text: &[u8]) -> Result<Manifest, String> {
        let text = std::str::from_utf8(text).map_err(|_| "its manifest is no text")?;
        let manifest: Manifest = toml::from_str(text).map_err(|error| format!("its manifest: {}", error.message()))?;
        // They go into lines of the boot loader's files.
        let plain = |text: &str, most| text.len() <= most && text.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        if !plain(&manifest.version, 64) || manifest.version.is_empty() || !plain(&manifest.board, 64) {
            return Err("its manifest has no proper version and board".to_owned());
        }
        if manifest.options.as_ref().is_some_and(|options| !plain(options, 1024)) {
            return Err("its manifest has options that are none".to_owned());
        }
        if manifest.files.len() > FILES {
            return Err(format!("its manifest has more than {FILES} files"));
        }
        match manifest.files.keys().find(|name| !is_name(name)) {
            Some(name) => Err(format!("{name:?} is no name for a file of a slot")),
            None => Ok(manifest),
        }
    }
}

/// Plain names only, the same for every file system: they go into one folder.
fn is_name(name: &str) -> bool {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"._+-".contains(&octet);
    (1..=64).contains(&name.len())
        && name.bytes().all(allowed)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !name.ends_with('.')
        // What the updates themselves keep there.
        && ![SLOT, CONFIRMED, FAILED, CMDLINE].iter().any(|ours| name.eq_ignore_ascii_case(ours))
}

/// Reads an update from end to end, and believes it if the signature is right.
pub(super) fn examine(file: impl Read, verifier: StreamVerifier<'_>) -> Result<Payload, UpdateError> {
    // One octet more than may be, to tell the difference.
    let mut archive = tar::Archive::new(Hashed { inner: file.take(MOST + 1), verifier });
    let contents = contents(&mut archive);
    let mut hashed = archive.into_inner();
    io::copy(&mut hashed, &mut io::sink()).map_err(unread)?;
    if hashed.inner.limit() == 0 {
        return Err(UpdateError::TooLarge);
    }
    // First of all: what is wrong with the contents says nothing about a file that was cut off.
    hashed.verifier.finalize().map_err(|_| UpdateError::BadSignature)?;
    contents.map_err(UpdateError::NoUpdate)
}

fn contents(archive: &mut tar::Archive<impl Read>) -> Result<Payload, String> {
    let said = |error: io::Error| error.to_string();
    let mut entries = archive.entries().map_err(said)?.raw(true);
    let mut first = entries.next().ok_or("it is empty")?.map_err(said)?;
    if plain_name(&first)? != SLOT || first.size() > MANIFEST {
        return Err(format!("it does not begin with {SLOT}"));
    }
    let mut text = Vec::new();
    first.read_to_end(&mut text).map_err(said)?;
    let manifest = Manifest::parse(&text)?;
    let mut sizes = BTreeMap::new();
    for entry in entries {
        let entry = entry.map_err(said)?;
        let name = plain_name(&entry)?;
        if !manifest.files.contains_key(&name) {
            return Err(format!("its manifest does not know {name}"));
        }
        if sizes.insert(name.clone(), entry.size()).is_some() {
            return Err(format!("it holds {name} twice"));
        }
    }
    if let Some(missing) = manifest.files.keys().find(|name| !sizes.contains_key(*name)) {
        return Err(format!("it lacks {missing}"));
    }
    if let Some(missing) = NEEDED.iter().find(|name| !sizes.contains_key(**name)) {
        return Err(format!("it has no {missing}"));
    }
    Ok(Payload { manifest, text, sizes })
}

/// The name of an entry that is a file and nothing else.
fn plain_name(entry: &tar::Entry<'_, impl Read>) -> Result<String, String> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    if entry.header().entry_type().is_file() { Ok(name) } else { Err(format!("{name:?} is no plain file")) }
}

/// Reads an update again, and hands out each of its files.
pub(super) fn extract(
    file: impl Read,
    payload: &Payload,
    mut take: impl FnMut(&str, u64, &mut Sum<&mut dyn Read>) -> Result<(), UpdateError>,
) -> Result<(), UpdateError> {
    let mut left = payload.sizes.clone();
    let mut archive = tar::Archive::new(file.take(MOST));
    for entry in archive.entries().map_err(unread)?.raw(true) {
        let mut entry = entry.map_err(unread)?;
        let name = plain_name(&entry).map_err(UpdateError::NoUpdate)?;
        if name == SLOT {
            continue;
        }
        let size = left.remove(&name).filter(|size| *size == entry.size()).ok_or(UpdateError::BadSignature)?;
        let mut sum = Sum::new(&mut entry as &mut dyn Read);
        take(&name, size, &mut sum)?;
        if payload.manifest.files.get(&name) != Some(&sum.hexadecimal()) {
            return Err(UpdateError::BadSignature);
        }
    }
    if left.is_empty() { Ok(()) } else { Err(UpdateError::BadSignature) }
}

fn unread(error: io::Error) -> UpdateError {
    UpdateError::Disk("the update cannot be read".to_owned(), error)
}

/// Hands on what is read, and sums it up with SHA-256.
pub(super) struct Sum<R> {
    inner: R,
    context: digest::Context,
}

impl<R: Read> Sum<R> {
    pub(super) fn new(inner: R) -> Sum<R> {
        Sum { inner, context: digest::Context::new(&digest::SHA256) }
    }

    /// Of what was read so far.
    pub(in crate::host) fn hexadecimal(&self) -> String {
        hexadecimal(self.context.clone().finish().as_ref())
    }
}

/// Two digits for each octet.
pub(in crate::host) fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut text, octet| {
        // Into a string nothing fails to be written.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

impl<R: Read> Read for Sum<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.context.update(out.get(..count).unwrap_or_default());
        Ok(count)
    }
}
