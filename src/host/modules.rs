//! Kernel modules: loads what the hardware asks for, by the index that the image's builder made.
//!
//! Lines of the index: `module NAME FILE DEPENDENCY…`, `alias PATTERN NAME`, `always NAME`. A pattern is matched against
//! the `modalias` of the devices in /sys, as `modprobe` would.

use rustix::system::finit_module;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const FOLDER: &str = "/lib/modules";
/// A device that a module finds may have children that ask for another module: a USB hub, and what is plugged into it.
const ROUNDS: usize = 16;
/// How deep /sys is looked into.
const DEPTH: usize = 12;

/// What can be loaded, and what was.
#[derive(Debug, Default)]
pub(super) struct Modules {
    known: BTreeMap<String, Module>,
    aliases: Vec<(String, String)>,
    always: Vec<String>,
    /// Loaded, or tried.
    seen: BTreeSet<String>,
}

#[derive(Debug)]
struct Module {
    file: PathBuf,
    needs: Vec<String>,
}

impl Modules {
    pub(super) fn read() -> Modules {
        Modules::parse(&fs::read_to_string(Path::new(FOLDER).join("index")).unwrap_or_default())
    }

    fn parse(text: &str) -> Modules {
        let mut all = Modules::default();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace().map(str::to_owned);
            match (words.next().as_deref(), words.next(), words.next()) {
                (Some("module"), Some(name), Some(file)) => {
                    let module = Module { file: Path::new(FOLDER).join(file), needs: words.collect() };
                    all.known.insert(name, module);
                }
                (Some("alias"), Some(pattern), Some(name)) => all.aliases.push((pattern, name)),
                (Some("always"), Some(name), None) => all.always.push(name),
                _ => {}
            }
        }
        all
    }

    /// Loads what is wanted on every machine, then what this one's devices ask for.
    pub(super) fn load_all(&mut self) {
        for name in self.always.clone() {
            self.load(&name, 0);
        }
        for _ in 0..ROUNDS {
            let before = self.seen.len();
            let mut aliases = BTreeSet::new();
            collect(Path::new("/sys/devices"), DEPTH, &mut aliases);
            for alias in aliases {
                self.load_for(&alias);
            }
            if self.seen.len() == before {
                break;
            }
        }
    }

    /// Loads what a device with this alias asks for.
    pub(super) fn load_for(&mut self, alias: &str) {
        let names: Vec<String> = self.wanted(alias).map(str::to_owned).collect();
        for name in names {
            self.load(&name, 0);
        }
    }

    fn wanted<'m>(&'m self, alias: &'m str) -> impl Iterator<Item = &'m str> {
        let matching = self.aliases.iter().filter(|(pattern, _)| matches(pattern.as_bytes(), alias.as_bytes()));
        matching.map(|(_, name)| name.as_str())
    }

    fn load(&mut self, name: &str, depth: usize) {
        if depth > DEPTH || !self.seen.insert(name.to_owned()) {
            return;
        }
        let Some(module) = self.known.get(name) else { return };
        let (file, needs) = (module.file.clone(), module.needs.clone());
        for need in needs {
            self.load(&need, depth + 1);
        }
        let loaded = File::open(&file).and_then(|file| Ok(finit_module(file, c"", 0)?));
        match loaded {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                log::warn!("module {name} could not be loaded: {error}");
            }
            _ => log::debug!("module {name}"),
        }
    }
}

fn collect(folder: &Path, depth: usize, aliases: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth > 0 {
            collect(&entry.path(), depth - 1, aliases);
        } else if entry.file_name() == "modalias"
            && let Ok(alias) = fs::read_to_string(entry.path())
        {
            aliases.insert(alias.trim_end().to_owned());
        }
    }
}

/// Whether a name matches a pattern with `*`, `?` and `[…]`.
fn matches(mut pattern: &[u8], mut name: &[u8]) -> bool {
    // Where to go on when what follows the last star does not fit.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        let fits = match (pattern, name) {
            ([], []) => return true,
            ([b'*', rest @ ..], _) => {
                retry = Some((rest, name));
                pattern = rest;
                continue;
            }
            ([b'?', rest @ ..], [_, after @ ..]) => Some((rest, after)),
            ([b'[', class @ ..], [octet, after @ ..]) => one_of(class, *octet).map(|rest| (rest, after)),
            ([first, rest @ ..], [octet, after @ ..]) if first == octet => Some((rest, after)),
            _ => None,
        };
        (pattern, name) = match (fits, retry) {
            (Some(next), _) => next,
            (None, Some((after_star, [_, later @ ..]))) => {
                retry = Some((after_star, later));
                (after_star, later)
            }
            (None, _) => return false,
        };
    }
}

/// What follows the class, when it holds the octet.
fn one_of(class: &[u8], octet: u8) -> Option<&[u8]> {
    let end = class.iter().position(|&octet| octet == b']')?;
    let (inside, rest) = (class.get(..end)?, class.get(end + 1..)?);
    let mut inside = inside;
    while let Some((&first, after)) = inside.split_first() {
        if let [b'-', last, after @ ..] = after {
            if (first..=*last).contains(&octet) {
                return Some(rest);
            }
            inside = after;
        } else {
            if first == octet {
                return Some(rest);
            }
            inside = after;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_modprobe_has_them() {
        for (pattern, name, fits) in [
            ("virtio:d00000001v*", "virtio:d00000001v00001AF4", true),
            ("virtio:d00000001v*", "virtio:d00000002v00001AF4", false),
            ("of:N*T*Cbrcm,bcm2835-sdhost", "of:NmmcT(null)Cbrcm,bcm2835-sdhost", true),
            ("of:N*T*Cbrcm,bcm2835-sdhostC*", "of:NmmcT(null)Cbrcm,bcm2835-sdhost", false),
            ("usb:v0424p[79]*d*", "usb:v0424p9514d0200", true),
            ("usb:v0424p[0-8]*", "usb:v0424p9514d0200", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn the_index_is_read_line_by_line() {
        let text = "module ext4 ext4.ko mbcache jbd2\nmodule jbd2 jbd2.ko\nalias fs-ext4 ext4\nalways ext4\nnonsense\n";
        let modules = Modules::parse(text);
        assert_eq!(modules.known.get("ext4").map(|module| module.needs.len()), Some(2));
        assert_eq!(modules.wanted("fs-ext4").collect::<Vec<_>>(), ["ext4"]);
        assert_eq!(modules.always, ["ext4"]);
    }
}
