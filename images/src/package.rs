//! Debian packages: fetched by `cross/fetch`, which checks them against the pins, and unpacked once.

use crate::place::Place;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package, unpacked.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    pub(crate) sha256: String,
    /// The package that it was built from, where it is another.
    pub(crate) source: String,
    /// What was in it.
    pub(crate) folder: PathBuf,
}

/// The packages of a group, in the order of the lock.
pub(crate) fn group(place: &Place, group: &str) -> Result<Vec<Package>> {
    let lock =
        std::env::var_os("PILLARBOX_PINS").map_or_else(|| place.repository.join("cross/pins.lock"), PathBuf::from);
    let text = fs::read_to_string(&lock)?;
    let lines = text.lines().filter(|line| line.split(' ').next() == Some(group));
    let pinned: Vec<[&str; 6]> = lines
        .map(|line| line.split(' ').collect::<Vec<_>>().try_into().ok().with_context(|| format!("pins.lock: {line}")))
        .collect::<Result<_>>()?;
    if pinned.is_empty() {
        bail!("{} has no group {group}", lock.display());
    }
    let unpacked = place.kept().join("unpacked");
    let folder = |pin: &[&str; 6]| unpacked.join(format!("{}_{}", pin[1], pin[4].get(..16).unwrap_or(pin[4])));
    if !pinned.iter().all(|pin| folder(pin).join(".complete").exists()) {
        let debs = place.kept().join("debs").join(group);
        let fetched = Command::new(place.repository.join("cross/fetch"))
            .arg(group)
            .arg(&debs)
            .env("CARGO_TARGET_DIR", &place.target)
            .status()?;
        if !fetched.success() {
            bail!("the packages of {group} could not be had");
        }
        for pin in &pinned {
            let file = debs.join(pin[5].rsplit('/').next().unwrap_or(pin[5]));
            unpack(&file, pin[4], &folder(pin)).with_context(|| format!("{}", file.display()))?;
        }
        fs::remove_dir_all(debs)?;
    }
    pinned
        .iter()
        .map(|pin| {
            let folder = folder(pin);
            Ok(Package {
                name: pin[1].to_owned(),
                version: pin[2].to_owned(),
                architecture: pin[3].to_owned(),
                sha256: pin[4].to_owned(),
                source: source(&folder)?.unwrap_or_else(|| pin[1].to_owned()),
                folder,
            })
        })
        .collect()
}

/// The `Source` of a package's control file, without its version.
fn source(folder: &Path) -> Result<Option<String>> {
    let control = fs::read_to_string(folder.join(".control"))?;
    let line = control.lines().find_map(|line| line.strip_prefix("Source: "));
    Ok(line.and_then(|line| line.split(' ').next()).map(str::to_owned))
}

fn unpack(file: &Path, sha256: &str, folder: &Path) -> Result<()> {
    let octets = fs::read(file)?;
    if hex(&Sha256::digest(&octets)) != sha256 {
        bail!("is not what was pinned");
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let mut archive = ar::Archive::new(octets.as_slice());
    while let Some(entry) = archive.next_entry() {
        let entry = entry?;
        let name = String::from_utf8_lossy(entry.header().identifier()).into_owned();
        match name.split('.').next() {
            Some("data") => {
                let mut data = tar::Archive::new(plain(&name, entry)?);
                data.set_preserve_permissions(true);
                data.set_preserve_mtime(false);
                data.unpack(folder)?;
            }
            Some("control") => {
                let mut control = tar::Archive::new(plain(&name, entry)?);
                for entry in control.entries()? {
                    let mut entry = entry?;
                    if entry.path()?.file_name().is_some_and(|name| name == "control") {
                        let mut text = String::new();
                        entry.read_to_string(&mut text)?;
                        fs::write(folder.join(".control"), text)?;
                    }
                }
            }
            _ => {}
        }
    }
    File::create(folder.join(".complete"))?;
    Ok(())
}

/// What was compressed, as the name says how.
fn plain<'r>(name: &str, compressed: impl Read + 'r) -> Result<Box<dyn Read + 'r>> {
    let compressed = BufReader::new(compressed);
    Ok(match name.rsplit('.').next() {
        Some("xz") => Box::new(liblzma::read::XzDecoder::new_multi_decoder(compressed)),
        Some("zst") => Box::new(zstd::Decoder::new(compressed)?),
        Some("tar") => Box::new(compressed),
        _ => bail!("{name} is compressed in a way that is not known"),
    })
}

/// As sha256sum writes it.
pub(crate) fn hex(octets: &[u8]) -> String {
    use std::fmt::Write;
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// The file of a package that a path names; the first package that has it.
pub(crate) fn find(packages: &[Package], path: &str) -> Option<PathBuf> {
    packages.iter().map(|package| package.folder.join(path)).find(|file| file.exists())
}
