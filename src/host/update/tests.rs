//! Updates on a folder that stands for the boot partition, with boot loaders that read it as the real ones do, and with
//! the power going at every step.

use super::error::UpdateError;
use super::fat::{Fat, Mode};
use super::payload::hexadecimal;
use super::slots::CONFIRMED;
use super::updates::{Places, Updates};
use crate::host::words::{Release, Slot, Words};
use minisign::KeyPair;
use ring::digest;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
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

    fn boot(&self) -> PathBuf {
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

fn quiet() -> impl FnMut(String) {
    |_| {}
}

fn started(slot: Slot, trial: bool, version: &str) -> Started {
    Started { slot, trial, version: version.to_owned() }
}

#[test]
fn an_update_is_tried_confirmed_and_undone_with_every_boot_loader() {
    for loader in LOADERS {
        let machine = Machine::new("whole", loader);
        let first = machine.start().unwrap();
        assert_eq!(first, started(Slot::A, false, "1"));
        let updates = machine.updates(&first, 1);
        assert_eq!(updates.install(&machine.update("2"), &mut quiet()).unwrap(), "2");
        assert!(updates.state().other.unwrap().is_next);
        let second = machine.start().unwrap();
        assert_eq!(second, started(Slot::B, true, "2"), "{loader:?}");
        let updates = machine.updates(&second, 1);
        assert!(matches!(updates.install(&machine.update("3"), &mut quiet()), Err(UpdateError::OnTrial)));
        assert!(matches!(updates.undo(false), Err(UpdateError::OnTrial)));
        updates.confirm().unwrap();
        assert_eq!(machine.start(), Some(started(Slot::B, false, "2")), "{loader:?}");
        assert_eq!(updates.note_fallback(), None);
        // And the next one goes into the slot that the first system was in; that it has a lower letter does not count.
        updates.undo(false).unwrap();
        let back = machine.start().unwrap();
        assert_eq!(back, started(Slot::A, true, "1"), "{loader:?}");
        machine.updates(&back, 1).confirm().unwrap();
        let back = machine.start().unwrap();
        assert_eq!(back, started(Slot::A, false, "1"), "{loader:?}");
        let updates = machine.updates(&back, 1);
        updates.install(&machine.update("3"), &mut quiet()).unwrap();
        let third = machine.start().unwrap();
        assert_eq!(third, started(Slot::B, true, "3"), "{loader:?}");
        machine.updates(&third, 1).confirm().unwrap();
        let third = machine.start().unwrap();
        let updates = machine.updates(&third, 1);
        updates.install(&machine.update("4"), &mut quiet()).unwrap();
        assert_eq!(machine.start(), Some(started(Slot::A, true, "4")), "{loader:?}");
    }
}

#[test]
fn a_system_that_does_not_come_up_is_left_and_told_of() {
    for loader in [Loader::SystemdBoot, Loader::UBoot] {
        let machine = Machine::new("panics", loader);
        let first = machine.start().unwrap();
        machine.updates(&first, 1).install(&machine.update("2"), &mut quiet()).unwrap();
        for _ in 0..3 {
            assert_eq!(machine.start(), Some(started(Slot::B, true, "2")), "{loader:?}");
        }
        for _ in 0..3 {
            assert_eq!(machine.start(), Some(first.clone()), "{loader:?}");
        }
        let updates = machine.updates(&first, 1);
        assert_eq!(updates.note_fallback().unwrap(), "the update to 2 did not come up: 1 runs as before");
        assert_eq!(updates.note_fallback(), None, "it is told once");
        let other = updates.state().other.unwrap();
        assert!(other.failed && !other.is_next && other.confirmed.is_none());
        assert!(matches!(updates.undo(true), Err(UpdateError::NothingToUndo(_))), "there is nothing good in it");
        assert_eq!(machine.start(), Some(first.clone()));
        // A better one may follow.
        updates.install(&machine.update("3"), &mut quiet()).unwrap();
        assert_eq!(machine.start(), Some(started(Slot::B, true, "3")), "{loader:?}");
    }
}

#[test]
fn a_system_that_knows_that_it_will_not_do_is_left_where_nothing_counts() {
    let machine = Machine::new("gives-up", Loader::Firmware);
    let first = machine.start().unwrap();
    machine.updates(&first, 1).install(&machine.update("2"), &mut quiet()).unwrap();
    let second = machine.start().unwrap();
    machine.updates(&second, 1).give_up().unwrap();
    machine.updates(&second, 1).give_up().unwrap();
    assert_eq!(machine.start(), Some(first.clone()));
    let updates = machine.updates(&first, 1);
    assert!(updates.note_fallback().unwrap().contains("the update to 2 did not come up"));
    assert_eq!(updates.note_fallback(), None);
    assert_eq!(machine.start(), Some(first));
}

/// What power cuts leave always starts, and an update can be made afterwards.
#[test]
fn power_that_goes_at_any_step_leaves_a_system_that_starts() {
    for loader in LOADERS {
        let mut cuts = 0;
        // An update, its confirmation, the way back, the update over a slot that is full, giving up: with a cut at each step.
        for act in 0..6 {
            for steps in 0.. {
                let machine = Machine::new("cut", loader);
                let mut running = machine.start().unwrap();
                let confirmed = |machine: &Machine| {
                    let on_trial = machine.start().unwrap();
                    assert!(on_trial.trial);
                    machine.updates(&on_trial, 1).confirm().unwrap();
                    machine.start().unwrap()
                };
                if (2..5).contains(&act) {
                    machine.updates(&running, 1).install(&machine.update("2"), &mut quiet()).unwrap();
                    running = confirmed(&machine);
                }
                if act == 1 || act == 5 {
                    machine.updates(&running, 1).install(&machine.update("2"), &mut quiet()).unwrap();
                    running = machine.start().unwrap();
                }
                if act == 4 {
                    // Installed and not started yet, then another one.
                    machine.updates(&running, 1).install(&machine.update("3"), &mut quiet()).unwrap();
                }
                let updates = machine.updates(&running, 1);
                *updates.fat.power.lock().unwrap() = Some(steps);
                let done = match act {
                    0 | 3 | 4 => updates.install(&machine.update("5"), &mut quiet()).map(drop),
                    1 => updates.confirm(),
                    5 => updates.give_up(),
                    _ => updates.undo(false).map(drop),
                };
                let after = machine.start().unwrap_or_else(|| panic!("{loader:?} {act} {steps}: nothing starts"));
                let kept = match act {
                    1 => after.slot == running.slot,
                    // Where starts are counted, it is tried again.
                    5 => after == started(Slot::A, false, "1") || after == running,
                    _ => after == Started { trial: false, ..running.clone() },
                };
                let tried = after.trial && after.slot != running.slot;
                assert!(kept || tried, "{loader:?} {act} {steps}: {after:?} after {running:?}");
                if tried {
                    let expected: &[&str] = match act {
                        2 => &["1"],
                        // Until the loader knows no more of it, the one before is as good.
                        4 => &["3", "5"],
                        _ => &["5"],
                    };
                    assert!(expected.contains(&after.version.as_str()), "{loader:?} {act} {steps}: {after:?}");
                }
                if done.is_ok() {
                    assert!(tried || act == 1 || act == 5, "{loader:?} {act}: it is done");
                    assert!(steps >= 2 || act == 5, "{loader:?} {act}: the power was cut somewhere");
                    break;
                }
                cuts += 1;
                // It goes on from there, whichever it is.
                if after.trial {
                    machine.updates(&after, 1).confirm().unwrap();
                }
                let now = machine.start().unwrap();
                assert!(!now.trial, "{loader:?} {act} {steps}: {now:?}");
                let updates = machine.updates(&now, 1);
                updates.note_fallback();
                assert_eq!(machine.start(), Some(now.clone()), "{loader:?} {act} {steps}");
                updates.install(&machine.update("7"), &mut quiet()).unwrap();
                let last = machine.start().unwrap();
                assert_eq!(last, started(now.slot.other(), true, "7"), "{loader:?} {act} {steps}");
            }
        }
        assert!(cuts > 30, "{loader:?}: {cuts}");
    }
}

#[test]
fn what_is_not_signed_by_a_trusted_key_is_refused_before_anything_is_written() {
    for loader in LOADERS {
        let machine = Machine::new("refused", loader);
        let first = machine.start().unwrap();
        let before = tree(&machine.boot());
        let updates = machine.updates(&first, 1);
        let install = |updates: &Updates, source: &str| updates.install(source, &mut quiet());
        let good = machine.update("2");
        let octets = fs::read(&good).unwrap();

        for at in [0, 600, 1100, octets.len() / 2, octets.len() - 1] {
            let mut changed = octets.clone();
            changed[at] ^= 1;
            fs::write(&good, &changed).unwrap();
            assert!(matches!(install(&updates, &good), Err(UpdateError::BadSignature)), "{at}");
        }
        for length in [0, 1, 512, 1024, octets.len() - 1024, octets.len() - 1] {
            fs::write(&good, &octets[..length]).unwrap();
            assert!(matches!(install(&updates, &good), Err(UpdateError::BadSignature)), "cut off at {length}");
        }
        let longer: Vec<u8> = octets.iter().copied().chain([0; 512]).collect();
        fs::write(&good, longer).unwrap();
        assert!(matches!(install(&updates, &good), Err(UpdateError::BadSignature)));

        fs::write(&good, &octets).unwrap();
        let stranger = KeyPair::generate_unencrypted_keypair().unwrap();
        fs::write(format!("{good}.minisig"), sign(&stranger, &octets)).unwrap();
        assert!(matches!(install(&updates, &good), Err(UpdateError::UnknownKey)));
        for nonsense in ["", "x", "untrusted comment: x\nRW==\ntrusted comment: y\nz\n"] {
            fs::write(format!("{good}.minisig"), nonsense).unwrap();
            assert!(matches!(install(&updates, &good), Err(UpdateError::NoSignature(_))), "{nonsense:?}");
        }
        fs::remove_file(format!("{good}.minisig")).unwrap();
        assert!(matches!(install(&updates, &good), Err(UpdateError::NoSignature(_))));

        let good = machine.update("2");
        let without = machine.updates_with(&first, 1, Vec::new());
        assert!(matches!(install(&without, &good), Err(UpdateError::NoKeys)));
        let broken = machine.updates_with(&first, 1, vec!["RWnonsense".to_owned()]);
        assert!(matches!(install(&broken, &good), Err(UpdateError::BadKey(_))));
        assert!(matches!(install(&updates, "/nowhere/x.update"), Err(UpdateError::Fetch(_))));
        assert_eq!(tree(&machine.boot()), before, "{loader:?}");
    }
}

#[test]
fn what_is_signed_but_not_for_this_machine_is_refused() {
    let machine = Machine::new("signed", Loader::UBoot);
    let first = machine.start().unwrap();
    let before = tree(&machine.boot());
    let updates = machine.updates(&first, 1);
    let files: [(&str, &[u8]); 2] = [("vmlinuz", b"kernel 2"), ("initramfs", b"initramfs 2")];
    let text = |board: &str, built| manifest("2", built, board, &files);
    let install = |name: &str, octets: &[u8]| updates.install(&machine.signed(name, octets), &mut quiet()).unwrap_err();

    assert!(matches!(install("board", &tar(&text("rpi5", 200), &files)), UpdateError::OtherBoard { .. }));
    assert!(matches!(install("older", &tar(&text(BOARD, 99), &files)), UpdateError::Older { theirs: 99, ours: 100 }));

    let says = |name: &str, octets: &[u8], why: &str| match install(name, octets) {
        UpdateError::NoUpdate(text) => assert!(text.contains(why), "{name}: {text}"),
        other => panic!("{name}: {other}"),
    };
    says("empty", b"", "empty");
    says("no-tar", &[b'x'; 3000], "");
    says("lacks", &tar(&text(BOARD, 200), &files[..1]), "lacks initramfs");
    says("twice", &tar(&text(BOARD, 200), &[files[0], files[1], files[0]]), "twice");
    says("unknown", &tar(&text(BOARD, 200), &[files[0], files[1], ("more", b"x")]), "does not know more");
    says("no-kernel", &tar(&manifest("2", 200, BOARD, &files[1..]), &files[1..]), "no vmlinuz");
    says("no-toml", &tar("version = ", &files), "manifest");
    says("line", &tar(&text(BOARD, 200).replace("\"2\"", "\"2\\noptions x\""), &files), "version");
    for name in ["../vmlinuz", "a/b", "/etc", ".x", "slot.toml", "confirmed", "Failed", "x.", "é"] {
        let odd: [(&str, &[u8]); 3] = [files[0], files[1], (name, b"x")];
        says("name", &tar(&manifest("2", 200, BOARD, &odd), &odd), "no name for a file");
    }
    // What the manifest says of a file is what the file must be, signed or not.
    let lies = tar(&text(BOARD, 200), &[files[0], ("initramfs", b"initramfs 3")]);
    let before_lies = tree(&machine.boot().join("a"));
    assert!(matches!(install("lies", &lies), UpdateError::BadSignature));
    assert_eq!(machine.start(), Some(first.clone()));
    assert_eq!(tree(&machine.boot().join("a")).len(), before_lies.len() + 1, "but for the note that it is confirmed");
    fs::remove_dir_all(machine.boot().join("b")).unwrap();
    fs::remove_file(machine.boot().join("a").join(CONFIRMED)).unwrap();
    assert_eq!(tree(&machine.boot()), before);
}

#[test]
fn a_link_in_an_update_is_no_file() {
    let machine = Machine::new("link", Loader::UBoot);
    let first = machine.start().unwrap();
    let files: [(&str, &[u8]); 2] = [("vmlinuz", b""), ("initramfs", b"")];
    let mut builder = tar::Builder::new(Vec::new());
    let text = manifest("2", 200, BOARD, &files);
    let mut header = tar::Header::new_ustar();
    header.set_path("slot.toml").unwrap();
    header.set_size(text.len() as u64);
    header.set_cksum();
    builder.append(&header, text.as_bytes()).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("vmlinuz").unwrap();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_link_name("/etc/passwd").unwrap();
    header.set_size(0);
    header.set_cksum();
    builder.append(&header, &[][..]).unwrap();
    let source = machine.signed("link", &builder.into_inner().unwrap());
    let refused = machine.updates(&first, 1).install(&source, &mut quiet());
    assert!(matches!(refused, Err(UpdateError::NoUpdate(why)) if why.contains("no plain file")));
}

#[test]
fn the_same_version_may_be_installed_again() {
    for loader in LOADERS {
        let machine = Machine::new("again", loader);
        let first = machine.start().unwrap();
        let updates = machine.updates(&first, 1);
        for _ in 0..2 {
            updates.install(&machine.update("1"), &mut quiet()).unwrap();
        }
        assert_eq!(machine.start(), Some(started(Slot::B, true, "1")), "{loader:?}");
    }
}

#[test]
fn an_update_that_was_not_started_yet_is_called_off() {
    for loader in LOADERS {
        let machine = Machine::new("called-off", loader);
        let first = machine.start().unwrap();
        let updates = machine.updates(&first, 1);
        assert!(matches!(updates.undo(false), Err(UpdateError::NothingToUndo(_))));
        updates.install(&machine.update("2"), &mut quiet()).unwrap();
        assert_eq!(updates.undo(false).unwrap(), "called off: 1 stays");
        assert_eq!(updates.note_fallback(), None, "{loader:?}");
        assert_eq!(machine.start(), Some(first), "{loader:?}");
        assert!(matches!(updates.undo(false), Err(UpdateError::NothingToUndo(_))), "it never ran");
    }
}

#[test]
fn the_way_back_is_refused_where_the_other_slot_is_damaged_or_gone() {
    for loader in LOADERS {
        let machine = Machine::new("damaged", loader);
        machine.updates(&machine.start().unwrap(), 1).install(&machine.update("2"), &mut quiet()).unwrap();
        let second = machine.start().unwrap();
        let updates = machine.updates(&second, 1);
        updates.confirm().unwrap();
        fs::write(machine.boot().join("a/initramfs"), "initramfs 0").unwrap();
        assert!(matches!(updates.undo(true), Err(UpdateError::NothingToUndo(why)) if why.contains("initramfs")));
        fs::remove_file(machine.boot().join("a/initramfs")).unwrap();
        assert!(matches!(updates.undo(true), Err(UpdateError::NothingToUndo(_))));
        assert_eq!(machine.start().unwrap().version, "2");
    }
}

#[test]
fn data_in_a_newer_format_is_given_up_only_when_told_so() {
    let machine = Machine::new("format", Loader::SystemdBoot);
    let marker = machine.folder.0.join("mail/restore-format");
    machine.updates(&machine.start().unwrap(), 1).install(&machine.update("2"), &mut quiet()).unwrap();
    let second = machine.start().unwrap();
    let updates = machine.updates(&second, 2);
    updates.confirm().unwrap();
    assert_eq!(updates.state().other.unwrap().confirmed, Some(1));
    assert!(matches!(updates.undo(false), Err(UpdateError::NewerData { theirs: 1, ours: 2 })));
    assert!(!marker.exists());
    updates.undo(true).unwrap();
    assert_eq!(fs::read_to_string(&marker).unwrap(), "discard");
    updates.undo(true).unwrap();
    assert!(!marker.exists(), "called off");
}

#[test]
fn a_fallback_asks_for_the_data_as_it_was_if_nothing_is_lost_by_that() {
    let machine = Machine::new("fallback-format", Loader::UBoot);
    let first = machine.start().unwrap();
    machine.updates(&first, 1).install(&machine.update("2"), &mut quiet()).unwrap();
    for _ in 0..4 {
        machine.start().unwrap();
    }
    machine.updates(&first, 1).note_fallback().unwrap();
    assert_eq!(fs::read_to_string(machine.folder.0.join("mail/restore-format")).unwrap(), "unharmed");
}

#[test]
fn a_machine_without_slots_says_so() {
    let machine = Machine::new("none", Loader::UBoot);
    let first = machine.start().unwrap();
    for name in ["boot.scr", "slot.env"] {
        fs::remove_file(machine.boot().join(name)).unwrap();
    }
    let updates = machine.updates(&first, 1);
    assert!(matches!(updates.install(&machine.update("2"), &mut quiet()), Err(UpdateError::NoSlots)));
    assert_eq!(updates.state().slot, None);
    assert_eq!(updates.note_fallback(), None);
}

/// All files below a folder with what is in them.
fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let octets = fs::read(&path).unwrap();
                found.push((path, octets));
            }
        }
    }
    found.sort();
    found
}
