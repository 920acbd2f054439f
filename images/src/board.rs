//! What a board says of itself: `board/NAME/board.toml`.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A board, as its file has it. `board/README.md` says what each line means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Board {
    /// The folder's name.
    #[serde(skip)]
    pub(crate) name: String,
    /// The folder.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
    pub(crate) title: String,
    /// As `cross/build` takes it.
    pub(crate) target: Target,
    /// A group of `cross/packages.toml`.
    pub(crate) kernel: String,
    /// The kernel's words, apart from the slot.
    pub(crate) options: String,
    pub(crate) boot: Boot,
    pub(crate) partitions: Partitions,
    pub(crate) modules: Modules,
    /// Device trees that go into a slot: paths below the kernel package's folder of them.
    #[serde(default)]
    pub(crate) device_trees: Vec<String>,
    /// What else lies on the first partition: its name there, and a file of a package or of the board's folder.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) budget: Budget,
    /// As Raspberry Pi Imager names the boards that it is for.
    #[serde(default)]
    pub(crate) imager: Vec<String>,
}

/// The processor that a board's binary is for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Target {
    Aarch64,
    Armv7,
    #[serde(rename = "x86_64")]
    X86,
}

/// Who starts the kernel.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Boot {
    /// UEFI firmware, and systemd-boot, which counts tries.
    #[serde(rename = "systemd-boot")]
    Systemd,
    /// U-Boot with `boot.scr`, which counts tries.
    #[serde(rename = "u-boot")]
    Uboot,
    /// The Raspberry Pi's own firmware, which does not count.
    Firmware,
    /// U-Boot on boards that it knows, the firmware alone on a Pi 5.
    #[serde(rename = "u-boot-and-firmware")]
    UbootAndFirmware,
}

/// The disk's partitions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Partitions {
    pub(crate) table: Table,
    pub(crate) boot_mib: u64,
    pub(crate) data_mib: u64,
}

/// How partitions are noted.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Table {
    Mbr,
    Gpt,
}

/// The kernel modules of an image.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Modules {
    /// Named lists of `board/modules.toml`.
    #[serde(default)]
    pub(crate) sets: Vec<String>,
    /// Loaded at every start.
    #[serde(default)]
    pub(crate) always: Vec<String>,
    /// Loaded when a device asks for them.
    #[serde(default)]
    pub(crate) devices: Vec<String>,
}

/// What must not be exceeded.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
// The unit is part of the name in the file.
#[allow(clippy::struct_field_names)]
pub(crate) struct Budget {
    /// The compressed image.
    pub(crate) image_mib: u64,
    pub(crate) initramfs_mib: u64,
    /// PID 1 and the mail server at rest: the tests that start the image measure it.
    pub(crate) ram_mib: u64,
}

impl Board {
    /// Reads `board/NAME/board.toml`, and the sets of modules that it names.
    pub(crate) fn read(boards: &Path, name: &str) -> Result<Board> {
        let folder = boards.join(name);
        let file = folder.join("board.toml");
        if !file.exists() {
            bail!("there is no board {name}; there are {}", names(boards)?.join(", "));
        }
        let text = fs::read_to_string(&file)?;
        let mut board: Board = toml::from_str(&text).with_context(|| format!("{}", file.display()))?;
        let sets = boards.join("modules.toml");
        let known: BTreeMap<String, Modules> =
            toml::from_str(&fs::read_to_string(&sets)?).with_context(|| format!("{}", sets.display()))?;
        for set in std::mem::take(&mut board.modules.sets) {
            let set = known.get(&set).with_context(|| format!("{name}: no set of modules is called {set}"))?;
            board.modules.always.extend(set.always.iter().cloned());
            board.modules.devices.extend(set.devices.iter().cloned());
        }
        name.clone_into(&mut board.name);
        board.folder = folder;
        Ok(board)
    }
}

/// All boards.
fn names(boards: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(boards)? {
        let entry = entry?;
        if entry.path().join("board.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

impl Target {
    /// As `cross/build` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Target::Aarch64 => "aarch64",
            Target::Armv7 => "armv7",
            Target::X86 => "x86_64",
        }
    }

    /// As rustc takes it.
    pub(crate) fn triple(self) -> &'static str {
        match self {
            Target::Aarch64 => "aarch64-unknown-linux-gnu",
            Target::Armv7 => "armv7-unknown-linux-gnueabihf",
            Target::X86 => "x86_64-unknown-linux-gnu",
        }
    }

    /// As Debian names it.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Target::Aarch64 => "arm64",
            Target::Armv7 => "armhf",
            Target::X86 => "amd64",
        }
    }

    /// As UEFI's removable media have it.
    pub(crate) fn efi(self) -> &'static str {
        match self {
            Target::Aarch64 => "AA64",
            Target::Armv7 => "ARM",
            Target::X86 => "X64",
        }
    }
}

impl Boot {
    /// Whether slots are chosen by U-Boot.
    pub(crate) fn has_u_boot(self) -> bool {
        matches!(self, Boot::Uboot | Boot::UbootAndFirmware)
    }

    /// Whether slots are chosen by the Raspberry Pi's firmware.
    pub(crate) fn has_firmware(self) -> bool {
        matches!(self, Boot::Firmware | Boot::UbootAndFirmware)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_of_this_repository_can_be_read() {
        let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../board");
        for name in names(&boards).unwrap() {
            let board = Board::read(&boards, &name).unwrap();
            assert!(board.options.contains("panic="), "{name}: a panic must start the machine again");
            assert!(board.budget.initramfs_mib <= 8 && board.budget.image_mib <= 40 && board.budget.ram_mib <= 48);
        }
    }
}
