//! The kernel of an image: its modules with all that they need, found without the index that Debian makes on installing.
//!
//! What a module needs, and which devices it is for, it says itself in its section `.modinfo`.

use crate::board;
use crate::package::Package;
use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A kernel, as its packages hold it.
pub(crate) struct Kernel {
    pub(crate) image: PathBuf,
    pub(crate) device_trees: PathBuf,
    modules: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
}

/// The modules of an image.
#[derive(Default)]
pub(crate) struct Chosen {
    files: BTreeMap<String, Module>,
    always: Vec<String>,
}

struct Module {
    octets: Vec<u8>,
    needs: Vec<String>,
    aliases: BTreeSet<String>,
}

impl Kernel {
    pub(crate) fn of(packages: &[Package]) -> Result<Kernel> {
        let version = packages.iter().find_map(|package| only_entry(&package.folder.join("usr/lib/modules")));
        let version = version.context("the kernel's packages hold no modules")?;
        let find = |path: &str| packages.iter().map(|package| package.folder.join(path)).find(|path| path.exists());
        // Debian moved it between the two kernels that we use.
        let image =
            find(&format!("boot/vmlinuz-{version}")).or_else(|| find(&format!("usr/lib/modules/{version}/vmlinuz")));
        let mut kernel = Kernel {
            image: image.context("the kernel's packages hold no kernel")?,
            device_trees: find(&format!("usr/lib/linux-image-{version}")).unwrap_or_default(),
            modules: BTreeMap::new(),
            builtin: BTreeSet::new(),
        };
        for package in packages {
            let folder = package.folder.join("usr/lib/modules").join(&version);
            collect(&folder.join("kernel"), &mut kernel.modules)?;
            if let Ok(text) = fs::read_to_string(folder.join("modules.builtin")) {
                kernel.builtin.extend(text.lines().map(|line| module_name(Path::new(line))));
            }
        }
        Ok(kernel)
    }

    /// The modules that a board lists, and what they need.
    pub(crate) fn choose(&self, wanted: &board::Modules) -> Result<Chosen> {
        let mut chosen = Chosen::default();
        for name in &wanted.always {
            if let Some(name) = self.take(name, &mut chosen)? {
                chosen.always.push(name);
            }
        }
        for name in &wanted.devices {
            self.take(name, &mut chosen)?;
        }
        Ok(chosen)
    }

    /// Takes a module that a board lists. One with a question mark may be missing: not all kernels have it.
    fn take(&self, name: &str, chosen: &mut Chosen) -> Result<Option<String>> {
        let (name, optional) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
        let name = name.replace('-', "_");
        if self.modules.contains_key(&name) {
            self.follow(&name, chosen)?;
            return Ok(Some(name));
        }
        if optional || self.builtin.contains(&name) {
            return Ok(None);
        }
        bail!("the kernel has no module {name}");
    }

    fn follow(&self, name: &str, chosen: &mut Chosen) -> Result<()> {
        if chosen.files.contains_key(name) {
            return Ok(());
        }
        let path = self.modules.get(name).with_context(|| format!("the kernel has no module {name}"))?;
        let module = Module::read(path, self).with_context(|| format!("{}", path.display()))?;
        let needs = module.needs.clone();
        chosen.files.insert(name.to_owned(), module);
        for need in needs {
            self.follow(&need, chosen)?;
        }
        Ok(())
    }
}

impl Chosen {
    /// What PID 1 reads, see `src/host/modules.rs`.
    pub(crate) fn index(&self) -> String {
        let mut index = String::new();
        for (name, module) in &self.files {
            let _ = writeln!(index, "{}", format!("module {name} {name}.ko {}", module.needs.join(" ")).trim_end());
        }
        for (name, module) in &self.files {
            for alias in &module.aliases {
                let _ = writeln!(index, "alias {alias} {name}");
            }
        }
        for name in &self.always {
            let _ = writeln!(index, "always {name}");
        }
        index
    }

    /// File names with what is in them.
    pub(crate) fn files(&self) -> impl Iterator<Item = (String, &[u8])> {
        self.files.iter().map(|(name, module)| (format!("{name}.ko"), module.octets.as_slice()))
    }
}

impl Module {
    fn read(path: &Path, kernel: &Kernel) -> Result<Module> {
        let mut octets = fs::read(path)?;
        if path.extension().is_some_and(|end| end == "xz") {
            let mut plain = Vec::new();
            liblzma::read::XzDecoder::new(octets.as_slice()).read_to_end(&mut plain)?;
            octets = plain;
        }
        let mut module = Module { octets: Vec::new(), needs: Vec::new(), aliases: BTreeSet::new() };
        let file = object::File::parse(octets.as_slice())?;
        let section = file.section_by_name(".modinfo").context("is no module")?;
        for line in section.data()?.split(|octet| *octet == 0) {
            let line = String::from_utf8_lossy(line);
            match line.split_once('=') {
                Some(("depends", names)) => {
                    module
                        .needs
                        .extend(names.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")));
                }
                // What a module would rather have loaded before it, where there is such a thing.
                Some(("softdep", rule)) => {
                    let before = rule.split_once("pre:").map_or("", |(_, before)| before);
                    let before = before.split("post:").next().unwrap_or_default();
                    let names = before.split_ascii_whitespace().map(|name| name.replace('-', "_"));
                    module.needs.extend(names.filter(|name| kernel.modules.contains_key(name)));
                }
                // The index is made of words.
                Some(("alias", alias)) if !alias.contains(char::is_whitespace) => {
                    module.aliases.insert(alias.to_owned());
                }
                _ => {}
            }
        }
        module.octets = octets;
        Ok(module)
    }
}

fn only_entry(folder: &Path) -> Option<String> {
    Some(fs::read_dir(folder).ok()?.next()?.ok()?.file_name().to_string_lossy().into_owned())
}

fn collect(folder: &Path, modules: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, modules)?;
        } else if path.to_string_lossy().contains(".ko") {
            modules.insert(module_name(&path), path);
        }
    }
    Ok(())
}

/// As the kernel calls it.
fn module_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.split(".ko").next().unwrap_or_default().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_says_what_is_needed_by_what() {
        let module = |needs: &[&str], aliases: &[&str]| Module {
            octets: vec![1],
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        };
        let files = BTreeMap::from([
            ("ext4".to_owned(), module(&["jbd2", "mbcache"], &["fs-ext4"])),
            ("jbd2".to_owned(), module(&[], &[])),
            ("mbcache".to_owned(), module(&[], &[])),
        ]);
        let chosen = Chosen { files, always: vec!["ext4".to_owned()] };
        assert_eq!(
            chosen.index(),
            "module ext4 ext4.ko jbd2 mbcache\nmodule jbd2 jbd2.ko\nmodule mbcache mbcache.ko\n\
             alias fs-ext4 ext4\nalways ext4\n"
        );
    }

    #[test]
    fn a_module_is_called_as_the_kernel_calls_it() {
        assert_eq!(module_name(Path::new("kernel/drivers/net/mdio/mdio-bcm-unimac.ko.xz")), "mdio_bcm_unimac");
        assert_eq!(module_name(Path::new("kernel/fs/ext4/ext4.ko")), "ext4");
    }
}
