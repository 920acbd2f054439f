//! A machine for the tests: a folder that stands for the boot partition, and boot loaders that read it as the real ones do.

use super::fat::{Fat, Mode};
use super::payload::hexadecimal;
use super::updates::{Places, Updates};
use crate::host::words::{Release, Slot, Words};
use minisign::KeyPair;
use ring::digest;
use std::fs;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) const BOARD: &str = "qemu-virt";

/// A folder that goes when the test ends.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("pillarbox-update-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The three kinds of boot loaders, as a machine has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loader {
    SystemdBoot,
    UBoot,
    Firmware,
}

pub(super) const LOADERS: [Loader; 3] = [Loader::SystemdBoot, Loader::UBoot, Loader::Firmware];

/// A machine that is switched off.
pub(super) struct Machine {
    pub(super) folder: Folder,
    pub(super) loader: Loader,
    pub(super) key: KeyPair,
}

/// What a boot loader starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Started {
    pub(super) slot: Slot,
    pub(super) trial: bool,
    pub(super) version: String,
}

impl Machine {
    /// As an image leaves it: version 1 in slot a.
    pub(super) fn new(name: &str, loader: Loader) -> Machine {
        let folder = Folder::new(&format!("{name}-{loader:?}"));
        let boot = folder.0.join("boot");
        for made in ["boot/a", "mail", "incoming"] {
            fs::create_dir_all(folder.0.join(made)).unwrap();
        }
        let put = |name: &str, text: &str| {
            let path = boot.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("a/vmlinuz", "kernel 1");
        put("a/initramfs", "initramfs 1");
        put("a/slot.toml", &manifest("1", 100, BOARD, &[("vmlinuz", b"kernel 1"), ("initramfs", b"initramfs 1")]));
        match loader {
            Loader::SystemdBoot => put(
                "loader/entries/pillarbox-a.conf",
                "title Pillarbox 1\nversion 3.1.0\nlinux /a/vmlinuz\ninitrd /a/initramfs\noptions panic=10 pillarbox.slot=a\n",
            ),
            Loader::UBoot => {
                put("boot.scr", "script");
                put("slot.env", "slot=a\ntrial=\ntries=0\n");
            }
            Loader::Firmware => {
                put("config.txt", "arm_64bit=1\n[pi5]\nkernel=vmlinuz\nos_prefix=a/\n# mine\n");
                put("a/cmdline.txt", "panic=10 pillarbox.slot=a\n");
            }
        }
        let key = KeyPair::generate_unencrypted_keypair().unwrap();
        Machine { folder, loader, key }
    }

    pub(super) fn boot(&self) -> PathBuf {
        self.folder.0.join("boot")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.boot().join(name)).unwrap_or_default()
    }

    /// Switches it on: what the boot loader starts, and writes on the way. `None`: nothing that is whole.
    pub(super) fn start(&self) -> Option<Started> {
        let (slot, options) = match self.loader {
            Loader::SystemdBoot => self.systemd_boot()?,
            Loader::UBoot => self.u_boot()?,
            Loader::Firmware => {
                let config = self.read("config.txt");
                assert!(config.starts_with("arm_64bit=1\n[pi5]\n") && config.ends_with("\n# mine\n"), "{config}");
                let prefix = config.lines().find_map(|line| line.strip_prefix("os_prefix="))?;
                let slot = Slot::from_letter(prefix.trim_end_matches('/'))?;
                (slot, self.read(&format!("{prefix}cmdline.txt")))
            }
        };
        let letter = slot.letter();
        let says = |word: String| options.split_whitespace().any(|found| found == word);
        assert!(says(format!("pillarbox.slot={letter}")), "{options}");
        assert!(says("panic=10".to_owned()), "the board's own words stay: {options}");
        let kernel = self.read(&format!("{letter}/vmlinuz"));
        let version = kernel.strip_prefix("kernel ")?.to_owned();
        // A system that is not whole does not come up.
        (self.read(&format!("{letter}/initramfs")) == format!("initramfs {version}")).then_some(())?;
        Some(Started { slot, trial: says("pillarbox.trial=1".to_owned()), version })
    }

    /// By sort key, then version, then name; what has no tries left comes last; one try is taken from what is started.
    fn systemd_boot(&self) -> Option<(Slot, String)> {
        use std::cmp::Reverse;
        let folder = self.boot().join("loader/entries");
        let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let entries = names.filter(|name| name.strip_suffix(".conf").is_some()).map(|name| {
            let text = fs::read_to_string(folder.join(&name)).unwrap();
            (name, text)
        });
        let (name, text) = entries.min_by_key(|(name, text)| {
            let (id, count) = name.split_once('+').unwrap_or((name.trim_end_matches(".conf"), "1"));
            let version = field(text, "version").unwrap_or_default();
            let version: Vec<u64> = version.split('.').map(|part| part.parse().unwrap()).collect();
            let exhausted = count.starts_with('0');
            (exhausted, field(text, "sort-key").is_none(), Reverse(version), Reverse(id.to_owned()))
        })?;
        let stem = name.strip_suffix(".conf").unwrap();
        if let Some((id, count)) = stem.split_once('+') {
            let (left, done) = count.split_once('-').unwrap_or((count, "0"));
            let (left, done): (u32, u32) = (left.parse().unwrap(), done.parse().unwrap());
            let counted = format!("{id}+{}-{}.conf", left.saturating_sub(1), done + 1);
            fs::rename(folder.join(&name), folder.join(counted)).unwrap();
        }
        let linux = field(&text, "linux")?;
        assert_eq!(field(&text, "initrd")?, linux.replace("vmlinuz", "initramfs"));
        Some((
            Slot::from_letter(linux.trim_start_matches('/').split('/').next()?)?,
            field(&text, "options")?.to_owned(),
        ))
    }

    /// As boot.cmd does.
    fn u_boot(&self) -> Option<(Slot, String)> {
        let text = self.read("slot.env");
        let says = |key: &str| {
            text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or("").to_owned()
        };
        let (slot, trial, tries) = (says("slot"), says("trial"), says("tries").parse::<u32>().unwrap_or(0));
        if !trial.is_empty() && tries > 0 {
            fs::write(self.boot().join("slot.env"), format!("slot={slot}\ntrial={trial}\ntries={}\n", tries - 1))
                .unwrap();
            return Some((Slot::from_letter(&trial)?, format!("panic=10 pillarbox.slot={trial} pillarbox.trial=1")));
        }
        Some((Slot::from_letter(&slot)?, format!("panic=10 pillarbox.slot={slot}")))
    }

    /// PID 1 of what was started, in this format.
    pub(super) fn updates(&self, started: &Started, format: u32) -> Updates {
        let key = self.key.pk.to_base64();
        self.updates_with(started, format, vec![key])
    }

    pub(super) fn updates_with(&self, started: &Started, format: u32, keys: Vec<String>) -> Updates {
        let places = Places {
            boot: self.boot(),
            incoming: self.folder.0.join("incoming"),
            mail: self.folder.0.join("mail"),
            keys: self.folder.0.join("update.pub"),
        };
        let open = std::sync::Mutex::new(false);
        let remount = move |mode: Mode| {
            let mut open = open.lock().unwrap();
            assert_ne!(*open, mode != Mode::ReadOnly, "it is opened and closed in turns");
            *open = mode != Mode::ReadOnly;
            Ok(())
        };
        let fat = Fat::new(places.boot.clone(), Box::new(remount));
        let mut words = Words::of_this_boot();
        words.slot = Some(started.slot);
        words.trial = started.trial;
        let built = started.version.parse::<i64>().unwrap_or(1) * 100;
        let release = Release { version: started.version.clone(), board: BOARD.to_owned(), built };
        let resolve = Arc::new(|_: &str| Ok(vec![std::net::IpAddr::from([127, 0, 0, 1])]));
        Updates::at(places, fat, &words, release, format, keys, resolve, self.loader == Loader::Firmware)
    }

    /// Writes an update's file, signed; its path.
    pub(super) fn update(&self, version: &str) -> String {
        let (kernel, initramfs) = (format!("kernel {version}"), format!("initramfs {version}"));
        let files: [(&str, &[u8]); 2] = [("vmlinuz", kernel.as_bytes()), ("initramfs", initramfs.as_bytes())];
        let built = version.parse::<i64>().unwrap_or(1) * 100;
        self.signed(version, &tar(&manifest(version, built, BOARD, &files), &files))
    }

    /// Writes and signs any octets.
    pub(super) fn signed(&self, name: &str, octets: &[u8]) -> String {
        let path = self.folder.0.join(format!("{name}.update"));
        fs::write(&path, octets).unwrap();
        fs::write(path.with_extension("update.minisig"), sign(&self.key, octets)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// A field of a boot entry.
fn field<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
}

pub(super) fn sign(key: &KeyPair, octets: &[u8]) -> String {
    minisign::sign(Some(&key.pk), &key.sk, Cursor::new(octets), None, None).unwrap().into_string()
}

pub(super) fn manifest(version: &str, built: i64, board: &str, files: &[(&str, &[u8])]) -> String {
    let mut text = format!("version = \"{version}\"\nboard = \"{board}\"\nbuilt = {built}\n\n[files]\n");
    for (name, content) in files {
        let sum = digest::digest(&digest::SHA256, content);
        text += &[&format!("\"{name}\" = \""), &*hexadecimal(sum.as_ref()), "\"\n"].concat();
    }
    text
}

pub(super) fn tar(manifest: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut put = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // Not `set_path`, which refuses what a hostile file may hold.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, content).unwrap();
    };
    put("slot.toml", manifest.as_bytes());
    for (name, content) in files {
        put(name, content);
    }
    builder.into_inner().unwrap()
}
