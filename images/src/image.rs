//! What is made of what, in order: packages and binary to initramfs, to slot, to partitions, to the disk, to the files
//! that are given away.

use crate::board::{Board, Boot, Target};
use crate::imager::Facts;
use crate::initramfs::Contents;
use crate::modules::Kernel;
use crate::package::{self, Package, hex};
use crate::place::Place;
use crate::slot::Slot;
use crate::{bmap, bom, boot, disk, ext4, fat, imager, key, xz};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use time::OffsetDateTime;

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub(crate) board: String,
    /// Default: what `cross/build` made for the board.
    pub(crate) binary: Option<PathBuf>,
    /// Default: `target/images/out`.
    pub(crate) out: Option<PathBuf>,
    /// Public keys of those whose updates the image takes.
    pub(crate) trust: Vec<PathBuf>,
    /// The secret key that the update is signed with.
    pub(crate) sign: Option<PathBuf>,
    /// Make the update, not the image.
    pub(crate) update_only: bool,
    /// Default: the one in `Cargo.toml`.
    pub(crate) version: Option<String>,
    /// Default: the time of the commit.
    pub(crate) built: Option<u64>,
    /// Where the image will be downloaded from, for the Imager's manifest. Default: the file that is made.
    pub(crate) url: Option<String>,
}

/// The files that are given away.
struct Out {
    folder: PathBuf,
    stem: String,
}

/// Makes all that is asked for.
pub(crate) fn make(wish: &Wish) -> Result<()> {
    let place = Place::find()?;
    let board = Board::read(&place.repository.join("board"), &wish.board)?;
    let kernel_packages = package::group(&place, &board.kernel)?;
    let kernel = Kernel::of(&kernel_packages)?;
    let slot = slot(wish, &place, &board, &kernel)?;
    let folder = wish.out.clone().unwrap_or_else(|| place.kept().join("out"));
    fs::create_dir_all(&folder)?;
    let out = Out { folder: fs::canonicalize(folder)?, stem: format!("pillarbox-{}-{}", slot.version, board.name) };
    if let Some(secret) = &wish.sign {
        let update = slot.update()?;
        let name = format!("{}.update", out.stem);
        let signature = key::sign(secret, &update, &format!("timestamp:{}\tfile:{name}", slot.built))?;
        out.write("update", &update)?;
        out.write("update.minisig", signature.as_bytes())?;
    } else if wish.update_only {
        bail!("an update is signed: --sign SECRET (images/key FILE makes one)");
    }
    if wish.update_only {
        return Ok(());
    }
    let files = boot::partition(&place, &board, &kernel, &slot)?;
    let fat = fat::make(&files, board.partitions.boot_mib, slot.built)?;
    let data = ext4::make(&place, board.partitions.data_mib, slot.built)?;
    let disk = disk::Disk::join(board.partitions.table, board.boot == Boot::Systemd, &fat, &data)?;
    let compressed = xz::compress(&disk.octets)?;
    within("the compressed image", compressed.len(), board.budget.image_mib)?;
    let plain_sha256 = hex(&Sha256::digest(&disk.octets));
    let sha256 = hex(&Sha256::digest(&compressed));

    out.write("img.xz", &compressed)?;
    out.write("img.xz.sha256", format!("{sha256}  {}.img.xz\n", out.stem).as_bytes())?;
    out.write("bmap", bmap::text(&disk).as_bytes())?;
    let inside = inside(&place, &board, kernel_packages)?;
    let bom = bom::make(&place, &slot, board.target.triple(), &plain_sha256, &inside)?;
    out.write("cdx.json", pretty(&bom)?.as_bytes())?;
    if !board.imager.is_empty() {
        let file = format!("{}.img.xz", out.stem);
        let url = wish.url.as_ref().map_or_else(
            || format!("file://{}/{file}", out.folder.display()),
            |base| format!("{}/{file}", base.trim_end_matches('/')),
        );
        let date = OffsetDateTime::from_unix_timestamp(i64::try_from(slot.built)?)?.date().to_string();
        let manifest = imager::manifest(&Facts {
            title: &board.title,
            version: &slot.version,
            boards: &board.imager,
            url,
            plain_size: disk.octets.len(),
            plain_sha256: plain_sha256.clone(),
            size: compressed.len(),
            sha256: sha256.clone(),
            date,
        });
        out.write("rpi-imager-manifest", pretty(&manifest)?.as_bytes())?;
    }
    println!("unpacked: {} MiB, sha256 {plain_sha256}", disk.octets.len() >> 20);
    println!("to be measured where it runs: at most {} MiB of memory at rest", board.budget.ram_mib);
    println!("{}.img.xz: {} octets, sha256 {sha256}", out.folder.join(&out.stem).display(), compressed.len());
    Ok(())
}

/// What is started, and what an update would bring.
fn slot(wish: &Wish, place: &Place, board: &Board, kernel: &Kernel) -> Result<Slot> {
    let version = wish.version.clone().map_or_else(|| place.version(), Ok)?;
    let built = wish.built.map_or_else(|| place.source_time(), Ok)?;
    let binary = binary(wish, place, board.target)?;
    let trusted: Vec<String> = wish.trust.iter().map(|file| key::public(file)).collect::<Result<_>>()?;
    let modules = kernel.choose(&board.modules)?;
    let initramfs = Contents {
        binary: &binary,
        modules: &modules,
        release: Slot::release(&board.name, &version, built),
        trusted: trusted.concat(),
    };
    let initramfs = initramfs.pack()?;
    println!("initramfs: {} octets, binary {} octets", initramfs.len(), binary.len());
    within("the initramfs", initramfs.len(), board.budget.initramfs_mib)?;
    let mut files = boot::of_slot(board);
    for tree in &board.device_trees {
        let octets = fs::read(kernel.device_trees.join(tree)).with_context(|| format!("device tree {tree}"))?;
        files.insert(boot::base_name(tree).to_owned(), octets);
    }
    files.insert("vmlinuz".to_owned(), boot::kernel(board, fs::read(&kernel.image)?)?);
    files.insert("initramfs".to_owned(), initramfs);
    Ok(Slot::new(board, &version, built, files))
}

fn binary(wish: &Wish, place: &Place, target: Target) -> Result<Vec<u8>> {
    let built = place.target.join("cross").join(target.name()).join("pillarbox");
    let file = wish.binary.as_deref().unwrap_or(&built);
    if !file.exists() && wish.binary.is_none() {
        bail!("there is no binary yet: cross/build {}", target.name());
    }
    fs::read(file).with_context(|| format!("{}", file.display()))
}

/// All packages that something of lies in the image.
fn inside(place: &Place, board: &Board, kernel: Vec<Package>) -> Result<Vec<Package>> {
    let mut packages: BTreeMap<String, Package> = kernel.into_iter().map(|one| (one.sha256.clone(), one)).collect();
    let mut wanted: BTreeSet<(&str, &str)> = board.files.values().filter_map(|source| source.split_once(':')).collect();
    if board.boot == Boot::Systemd {
        wanted.insert(("bootloader", "usr/lib/systemd/boot/efi"));
    }
    for (group, path) in wanted {
        let architectures = [board.target.debian(), "all"];
        let found = package::group(place, group)?.into_iter();
        let holding =
            found.filter(|one| architectures.contains(&one.architecture.as_str()) && one.folder.join(path).exists());
        packages.extend(holding.map(|one| (one.sha256.clone(), one)));
    }
    let mut packages: Vec<Package> = packages.into_values().collect();
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(packages)
}

fn within(what: &str, octets: usize, mib: u64) -> Result<()> {
    if octets as u64 > mib << 20 {
        bail!("{what} has {octets} octets, and the board's budget is {mib} MiB");
    }
    Ok(())
}

fn pretty(value: &serde_json::Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

impl Out {
    fn write(&self, end: &str, octets: &[u8]) -> Result<()> {
        let file = self.folder.join(format!("{}.{end}", self.stem));
        fs::write(&file, octets).with_context(|| format!("{}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_its_budget_is_refused() {
        assert!(within("it", 8 << 20, 8).is_ok());
        assert!(within("it", (8 << 20) + 1, 8).is_err());
    }
}
