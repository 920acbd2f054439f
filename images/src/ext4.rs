//! The data partition: an empty ext4, made by the pinned `mke2fs` without any rights.

use crate::package::{self, Package};
use crate::place::Place;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

/// As PID 1 looks for it.
const LABEL: &str = "pillarbox-data";
/// The same in every image: two cards are told apart by what they are in, not by this.
const UUID: &str = "5f1c1d2e-7069-4c6c-8172-626f782d6d61";
const HASH_SEED: &str = "0b9a4cf7-6d61-496c-a26f-782d68617368";
/// The journal that a card of any size gets: the file system grows, its journal does not.
const JOURNAL_MIB: u32 = 16;
/// Room for growing to a tebibyte without moving anything, in blocks of 4096 octets.
const MOST_BLOCKS: u64 = 1 << 28;

/// The partition's octets.
pub(crate) fn make(place: &Place, mib: u64, time: u64) -> Result<Vec<u8>> {
    let packages = package::group(place, "mke2fs")?;
    let scratch = place.kept().join(format!("data-{}.img", std::process::id()));
    File::create(&scratch)?.set_len(mib << 20)?;
    let made = command(&packages)?
        .args(["-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-i", "16384", "-m", "1", "-e", "remount-ro"])
        .args(["-O", "^metadata_csum_seed,^orphan_file", "-L", LABEL, "-U", UUID])
        .arg("-J")
        .arg(format!("size={JOURNAL_MIB}"))
        .arg("-E")
        .arg(format!(
            "hash_seed={HASH_SEED},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard,resize={MOST_BLOCKS}"
        ))
        .arg(&scratch)
        .env("E2FSPROGS_FAKE_TIME", time.to_string())
        .env("SOURCE_DATE_EPOCH", time.to_string())
        .output()?;
    if !made.status.success() {
        bail!("mke2fs: {}", String::from_utf8_lossy(&made.stderr));
    }
    let octets = fs::read(&scratch)?;
    fs::remove_file(&scratch)?;
    Ok(octets)
}

/// The pinned program with the pinned libraries, by their own loader, whatever this machine has.
fn command(packages: &[Package]) -> Result<Command> {
    const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
    let find = |path: &str| package::find(packages, path).with_context(|| format!("no package holds {path}"));
    let mut command = Command::new(find(&format!("{LIBRARIES}/ld-linux-x86-64.so.2"))?);
    let folders: Vec<PathBuf> = packages.iter().map(|package| package.folder.join(LIBRARIES)).collect();
    command.arg("--library-path").arg(std::env::join_paths(folders)?);
    command.arg(find("usr/sbin/mke2fs")?);
    command.env_clear().env("MKE2FS_CONFIG", find("etc/mke2fs.conf")?);
    Ok(command)
}
