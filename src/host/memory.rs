//! How much memory the programs of this machine take, each with its part of what they share.

use std::fs;
use std::path::Path;

/// A line for `status`: all processes that are this program, PID 1 and the rest.
pub(super) fn told() -> String {
    let (mut own, mut others) = (0, 0);
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let folder = entry.path();
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // What is the kernel's own has no program, and no memory of this kind.
        let taken = taken(&folder).unwrap_or(0);
        *(if id == 1 { &mut own } else { &mut others }) += taken;
    }
    format!("  memory   PID 1 {own} KiB, mail server {others} KiB\n")
}

/// Kibibytes of a process.
fn taken(folder: &Path) -> Option<u64> {
    proportional(&fs::read_to_string(folder.join("smaps_rollup")).ok()?)
}

/// `Pss:` of a table of the kernel.
fn proportional(table: &str) -> Option<u64> {
    let line = table.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_of_what_is_shared_counts() {
        let table = "00400000-7ffd rollup\nRss:    9000 kB\nPss:                2710 kB\nPss_Dirty:   10 kB\n";
        assert_eq!(proportional(table), Some(2710));
        assert_eq!(proportional("Rss: 1 kB\n"), None);
    }
}
