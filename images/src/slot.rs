//! A slot: what is started, and what an update replaces.

use crate::board::Board;
use crate::package::hex;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The files of a slot, and what they are.
pub(crate) struct Slot {
    pub(crate) board: String,
    pub(crate) version: String,
    /// Seconds since 1970: the time of the source.
    pub(crate) built: u64,
    pub(crate) options: String,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Slot {
    pub(crate) fn new(board: &Board, version: &str, built: u64, files: BTreeMap<String, Vec<u8>>) -> Slot {
        Slot { board: board.name.clone(), version: version.to_owned(), built, options: board.options.clone(), files }
    }

    /// `release.toml` of the initramfs, and the head of `slot.toml`.
    pub(crate) fn release(board: &str, version: &str, built: u64) -> String {
        format!("version = {version:?}\nboard = {board:?}\nbuilt = {built}\n")
    }

    /// `slot.toml`: what an update says of itself before any of it is written.
    pub(crate) fn toml(&self) -> String {
        let mut text = Slot::release(&self.board, &self.version, self.built);
        let _ = write!(text, "options = {:?}\n\n[files]\n", self.options);
        for (name, octets) in &self.files {
            let _ = writeln!(text, "{name:?} = \"{}\"", hex(&Sha256::digest(octets)));
        }
        text
    }

    /// The update file: a plain tar, `slot.toml` first.
    pub(crate) fn update(&self) -> Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        let toml = self.toml();
        let first = [("slot.toml", toml.as_bytes())];
        let files = self.files.iter().map(|(name, octets)| (name.as_str(), octets.as_slice()));
        for (name, octets) in first.into_iter().chain(files) {
            let mut header = tar::Header::new_ustar();
            header.set_size(octets.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(self.built);
            archive.append_data(&mut header, Path::new(name), octets)?;
        }
        archive.into_inner().context("tar")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn an_update_begins_with_what_it_says_of_itself() {
        let files =
            BTreeMap::from([("vmlinuz".to_owned(), b"kernel".to_vec()), ("initramfs".to_owned(), vec![0; 600])]);
        let slot = Slot {
            board: "rpi3".to_owned(),
            version: "0.1.0".to_owned(),
            built: 1_760_000_000,
            options: "quiet".to_owned(),
            files,
        };
        let update = slot.update().unwrap();
        let mut archive = tar::Archive::new(update.as_slice());
        let mut entries = archive.entries().unwrap();
        let mut first = entries.next().unwrap().unwrap();
        let mut text = String::new();
        first.read_to_string(&mut text).unwrap();
        let table: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(table["board"].as_str(), Some("rpi3"));
        assert_eq!(table["files"]["vmlinuz"].as_str(), Some(hex(&Sha256::digest(b"kernel")).as_str()));
        assert_eq!(entries.count(), 2);
    }
}
