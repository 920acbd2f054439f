//! What lies on the first partition: the boot loader, its settings, slot A, and the owner's settings.

use crate::board::{Board, Boot};
use crate::modules::Kernel;
use crate::package;
use crate::place::Place;
use crate::slot::Slot;
use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

/// All files of the first partition of a new disk.
pub(crate) fn partition(
    place: &Place,
    board: &Board,
    kernel: &Kernel,
    slot: &Slot,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for (path, octets) in &slot.files {
        files.insert(format!("a/{path}"), octets.clone());
    }
    files.insert("a/slot.toml".to_owned(), slot.toml().into_bytes());
    files.insert("pillarbox.toml".to_owned(), fs::read(place.repository.join("board/pillarbox.toml"))?);
    for (path, source) in &board.files {
        let octets = fetch(place, board, source).with_context(|| format!("{}: {path} = {source}", board.name))?;
        files.insert(path.clone(), octets);
    }
    if board.boot == Boot::Systemd {
        let efi = board.target.efi();
        let loader = format!("usr/lib/systemd/boot/efi/systemd-boot{}.efi", efi.to_lowercase());
        files.insert(format!("EFI/BOOT/BOOT{efi}.EFI"), fetch(place, board, &format!("bootloader:{loader}"))?);
        // No menu: a key held while it starts still brings it.
        files.insert("loader/loader.conf".to_owned(), b"timeout 0\nconsole-mode keep\n".to_vec());
        files.insert("loader/entries/pillarbox-a.conf".to_owned(), entry(board, slot).into_bytes());
    }
    if board.boot.has_u_boot() {
        let script = fs::read_to_string(place.repository.join("board/boot.cmd"))?;
        files.insert("boot.scr".to_owned(), compiled(&script, slot.built)?);
        files.insert("slot.env".to_owned(), b"slot=a\ntrial=\ntries=0\n".to_vec());
        // U-Boot itself is told by the firmware what board it is on: from these.
        for tree in &board.device_trees {
            files.insert(base_name(tree).to_owned(), fs::read(kernel.device_trees.join(tree))?);
        }
    }
    if board.boot.has_firmware() {
        // An update writes the other slot's.
        files.insert("a/cmdline.txt".to_owned(), format!("{} pillarbox.slot=a\n", board.options).into_bytes());
    }
    Ok(files)
}

/// The files of a slot that say how it is started: what they say is of the slot's release, not of the disk's.
pub(crate) fn of_slot(board: &Board) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    if board.boot.has_u_boot() {
        files.insert("options.env".to_owned(), format!("options={}\n", board.options).into_bytes());
    }
    files
}

/// The kernel as it lies in a slot. U-Boot reads cards slowly and unpacks quickly; a Pi 5's firmware takes either.
pub(crate) fn kernel(board: &Board, image: Vec<u8>) -> Result<Vec<u8>> {
    if !board.boot.has_u_boot() {
        return Ok(image);
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&image)?;
    Ok(packed.finish()?)
}

/// An entry of systemd-boot: of entries with one sort key it takes the one with the newest version.
fn entry(board: &Board, slot: &Slot) -> String {
    format!(
        "title Pillarbox\nsort-key pillarbox\nversion {}\nlinux /a/vmlinuz\ninitrd /a/initramfs\noptions {} pillarbox.slot=a\n",
        slot.version, board.options
    )
}

/// A file of a package (`GROUP:PATH`), or of the board's folder.
fn fetch(place: &Place, board: &Board, source: &str) -> Result<Vec<u8>> {
    let Some((group, path)) = source.split_once(':') else { return Ok(fs::read(board.folder.join(source))?) };
    let architecture = board.target.debian();
    let packages = package::group(place, group)?;
    let ours: Vec<_> =
        packages.into_iter().filter(|one| [architecture, "all"].contains(&one.architecture.as_str())).collect();
    match package::find(&ours, path) {
        Some(file) => Ok(fs::read(file)?),
        None => bail!("no package of {group} holds {path}"),
    }
}

pub(crate) fn base_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}

/// A script as U-Boot reads it: a header of 64 octets, a table of one length, the text.
fn compiled(script: &str, time: u64) -> Result<Vec<u8>> {
    const MAGIC: u32 = 0x2705_1956;
    const LINUX: u8 = 5;
    const ARM64: u8 = 22;
    const SCRIPT: u8 = 6;
    const PLAIN: u8 = 0;
    let mut data = Vec::new();
    data.extend(u32::try_from(script.len())?.to_be_bytes());
    data.extend([0; 4]);
    data.extend(script.as_bytes());
    let header = |crc: u32| -> Result<Vec<u8>> {
        let words = [MAGIC, crc, u32::try_from(time)?, u32::try_from(data.len())?, 0, 0, crc32fast::hash(&data)];
        let mut header: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        header.extend([LINUX, ARM64, SCRIPT, PLAIN]);
        header.extend(b"Pillarbox");
        header.resize(64, 0);
        Ok(header)
    };
    // Its own checksum is made while the place for it is empty.
    let mut file = header(crc32fast::hash(&header(0)?))?;
    file.extend(data);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_the_header_that_u_boot_checks() {
        let file = compiled("echo hello\n", 1_760_000_000).unwrap();
        assert_eq!(file.get(..4), Some([0x27, 0x05, 0x19, 0x56].as_slice()));
        assert_eq!(file.get(28..32), Some([5, 22, 6, 0].as_slice()));
        let mut blank = file[..64].to_vec();
        blank[4..8].fill(0);
        assert_eq!(file[4..8], crc32fast::hash(&blank).to_be_bytes());
        assert_eq!(file[24..28], crc32fast::hash(&file[64..]).to_be_bytes());
        assert_eq!(&file[64..], b"\0\0\0\x0b\0\0\0\0echo hello\n");
    }
}
