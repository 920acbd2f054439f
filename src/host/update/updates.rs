//! What PID 1 does with updates.

use super::error::{UpdateError, While};
use super::fat::{Fat, Mode};
use super::fetch::{self, Remote, Resolve};
use super::payload::{self, Manifest, NEEDED, Payload, SLOT, Sum};
use super::signature::{self, Keys};
use super::slots::{CONFIRMED, FAILED, Outlook, Scheme};
use crate::host::mounts;
use crate::host::words::{Release, Slot, Words};
use rustix::mount::MountFlags;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, TryLockError};

/// Octets that stay free on the boot partition: for settings, and the loader's own writes.
const SPARE: u64 = 1 << 20;
/// The file in the mail server's folder that tells an earlier version to restore the data as it was before an update.
const RESTORE: &str = "restore-format";

/// Where things are.
pub(in crate::host) struct Places {
    /// The boot partition.
    pub(in crate::host) boot: PathBuf,
    /// For files on their way.
    pub(in crate::host) incoming: PathBuf,
    /// The mail server's data.
    pub(in crate::host) mail: PathBuf,
    /// The keys that came with the image.
    pub(in crate::host) keys: PathBuf,
}

/// The slots, as PID 1 has them.
pub(in crate::host) struct Updates {
    slot: Option<Slot>,
    on_trial: AtomicBool,
    release: Release,
    /// The format in which this system's mail server writes.
    format: u32,
    keys: Vec<String>,
    places: Places,
    pub(super) fat: Fat,
    is_pi5: bool,
    resolve: Resolve,
    // One at a time.
    busy: Mutex<()>,
}

/// How the slots are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The running version.
    pub version: String,
    /// When it was built, in seconds since 1970.
    pub built: i64,
    /// The slot it runs from; none where there are no slots.
    pub slot: Option<String>,
    /// It is not confirmed yet.
    pub on_trial: bool,
    /// The format of the data that it writes.
    pub format: u32,
    /// What the other slot holds, if it is complete.
    pub other: Option<OtherSlot>,
}

/// What the other slot holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherSlot {
    /// Its version.
    pub version: String,
    /// It is started next.
    pub is_next: bool,
    /// It was tried, and did not come up.
    pub failed: bool,
    /// It was confirmed once; then this is the format of the data that it writes.
    pub confirmed: Option<u32>,
}

impl Updates {
    /// `keys`: those of the settings. `format`: that of the data that this system's mail server writes.
    pub(in crate::host) fn new(
        words: &Words,
        release: Release,
        format: u32,
        keys: Vec<String>,
        resolve: Resolve,
    ) -> Updates {
        let places = Places {
            boot: PathBuf::from("/boot"),
            incoming: PathBuf::from("/data/host/incoming"),
            mail: PathBuf::from("/data/mail"),
            keys: PathBuf::from("/etc/pillarbox/update.pub"),
        };
        let fat = Fat::new(places.boot.clone(), Box::new(remount));
        let device_tree = fs::read("/proc/device-tree/compatible").unwrap_or_default();
        let is_pi5 = device_tree.split(|octet| *octet == 0).any(|name| name == b"brcm,bcm2712");
        Updates::at(places, fat, words, release, format, keys, resolve, is_pi5)
    }

    #[expect(clippy::too_many_arguments, reason = "all that differs in a test")]
    pub(super) fn at(
        places: Places,
        fat: Fat,
        words: &Words,
        release: Release,
        format: u32,
        keys: Vec<String>,
        resolve: Resolve,
        is_pi5: bool,
    ) -> Updates {
        Updates {
            slot: words.slot,
            on_trial: AtomicBool::new(words.trial),
            release,
            format,
            keys,
            places,
            fat,
            is_pi5,
            resolve,
            busy: Mutex::new(()),
        }
    }

    /// Installs what is in a file or at an address, to be tried at the next start; its version.
    pub(in crate::host) fn install(
        &self,
        source: &str,
        progress: &mut dyn FnMut(String),
    ) -> Result<String, UpdateError> {
        let _alone = self.alone()?;
        let (slot, scheme) = self.slots()?;
        if self.is_on_trial() {
            return Err(UpdateError::OnTrial);
        }
        let built_in = fs::read_to_string(&self.places.keys).unwrap_or_default();
        let keys = Keys::parse(built_in.lines().chain(self.keys.iter().map(String::as_str)))?;
        let fetched = self.places.incoming.join("update");
        let installed = self.obtain(source, &keys, &fetched, progress).and_then(|(mut file, payload)| {
            self.put_in(&mut file, &payload, slot, scheme, progress)?;
            Ok(payload.manifest.version)
        });
        // What was fetched is in its slot, or good for nothing.
        fetch::forget(&fetched);
        installed
    }

    /// Gets the file, and believes it or not.
    fn obtain(
        &self,
        source: &str,
        keys: &Keys,
        fetched: &Path,
        progress: &mut dyn FnMut(String),
    ) -> Result<(File, Payload), UpdateError> {
        let (mut file, signature) = if fetch::is_url(source) {
            let remote = Remote::new(source, self.resolve.clone());
            let signature = signature::parse(&remote.signature()?)?;
            // Said before many octets come for nothing.
            keys.verifier(&signature)?;
            // Not with the folders above: where the data partition is missing, they would be in memory.
            match fs::create_dir(&self.places.incoming) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                _ => Ok(()),
            }
            .during("there is no disk to keep the update on")?;
            progress("fetching the update".to_owned());
            (remote.fetch(fetched, payload::MOST, progress)?, signature)
        } else {
            let path = Path::new(source);
            (fetch::open(path)?, signature::parse(&fetch::signature_of(path)?)?)
        };
        progress("verifying the signature".to_owned());
        file.rewind().during("the update cannot be read")?;
        let payload = payload::examine(&mut file, keys.verifier(&signature)?)?;
        let Manifest { board, built, .. } = &payload.manifest;
        if *board != self.release.board {
            return Err(UpdateError::OtherBoard { theirs: board.clone(), ours: self.release.board.clone() });
        }
        // An old version with known holes is signed as well as a new one.
        if *built < self.release.built {
            return Err(UpdateError::Older { theirs: *built, ours: self.release.built });
        }
        Ok((file, payload))
    }

    /// Puts an update that is believed into the other slot, and has it tried.
    fn put_in(
        &self,
        file: &mut File,
        payload: &Payload,
        running: Slot,
        scheme: Scheme,
        progress: &mut dyn FnMut(String),
    ) -> Result<(), UpdateError> {
        let fat = &self.fat;
        let folder = running.other().letter();
        let wanted = payload.sizes.values().sum::<u64>().saturating_add(SPARE);
        let there = fat.free().during("the boot partition")?.saturating_add(fat.taken(folder));
        if wanted > there {
            return Err(UpdateError::NoRoom { wanted, there });
        }
        file.rewind().during("the update cannot be read")?;
        fat.open(Mode::Synchronous, || {
            scheme.stay(fat, running)?;
            // It runs, and is what a way back leads to.
            self.note_confirmed(running)
        })?;
        fat.open(Mode::Bulk, || {
            self.empty(folder)?;
            payload::extract(&mut *file, payload, |name, size, content| {
                progress(format!("writing {name}"));
                fat.copy(&format!("{folder}/{name}"), size, content)
            })?;
            fat.put(&format!("{folder}/{SLOT}"), &String::from_utf8_lossy(&payload.text))
        })?;
        fat.open(Mode::Synchronous, || scheme.try_other(fat, running, &payload.manifest))
    }

    fn empty(&self, folder: &str) -> Result<(), UpdateError> {
        if !self.fat.has(folder) {
            return self.fat.make_folder(folder);
        }
        for name in [SLOT, CONFIRMED] {
            self.fat.remove(&format!("{folder}/{name}"))?;
        }
        for name in self.fat.list(folder) {
            self.fat.remove(&format!("{folder}/{name}"))?;
        }
        Ok(())
    }

    fn note_confirmed(&self, slot: Slot) -> Result<(), UpdateError> {
        let name = format!("{}/{CONFIRMED}", slot.letter());
        let text = format!("{}\n", self.format);
        if self.fat.read(&name).is_ok_and(|before| before == text) {
            return Ok(());
        }
        self.fat.put(&name, &text)
    }

    /// The running system is healthy: it is the one to stay with.
    pub(in crate::host) fn confirm(&self) -> Result<(), UpdateError> {
        let _alone = self.alone()?;
        let (slot, scheme) = self.slots()?;
        if !self.is_on_trial() {
            return Ok(());
        }
        self.fat.open(Mode::Synchronous, || {
            self.note_confirmed(slot)?;
            scheme.confirm(&self.fat, slot)
        })?;
        self.on_trial.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// The running system is on trial, and will not do: called before the restart.
    pub(in crate::host) fn give_up(&self) -> Result<(), UpdateError> {
        let _alone = self.alone()?;
        let (slot, scheme) = self.slots()?;
        if !self.is_on_trial() {
            return Ok(());
        }
        self.fat.open(Mode::Synchronous, || scheme.give_up(&self.fat, slot))
    }

    /// Goes back: an update that was not started yet is called off, else the other slot's system is tried at the next start.
    /// What was done, for the owner. `discard`: what came in since the data got a newer format may be lost.
    pub(in crate::host) fn undo(&self, discard: bool) -> Result<String, UpdateError> {
        let _alone = self.alone()?;
        let (slot, scheme) = self.slots()?;
        if self.is_on_trial() {
            return Err(UpdateError::OnTrial);
        }
        let nothing = |why: &str| UpdateError::NothingToUndo(why.to_owned());
        let other = slot.other();
        if scheme.outlook(&self.fat, slot) == Outlook::Next {
            self.fat.open(Mode::Synchronous, || scheme.stay(&self.fat, slot))?;
            fetch::forget(&self.places.mail.join(RESTORE));
            return Ok(format!("called off: {} stays", self.release.version));
        }
        let manifest = self.system_in(other).ok_or_else(|| nothing("the other slot holds no complete system"))?;
        if manifest.board != self.release.board {
            return Err(nothing("the other slot holds a system for another board"));
        }
        let Some(format) = self.confirmed(other) else {
            return Err(nothing("the system in the other slot never came up"));
        };
        self.verify(other, &manifest)?;
        if format < self.format {
            if !discard {
                return Err(UpdateError::NewerData { theirs: format, ours: self.format });
            }
            self.ask_to_restore("discard")?;
        }
        self.fat.open(Mode::Synchronous, || {
            self.note_confirmed(slot)?;
            scheme.try_other(&self.fat, slot, &manifest)
        })?;
        Ok(format!("{} starts with the next reboot", manifest.version))
    }

    /// Whether the files of a slot are those that its manifest says.
    fn verify(&self, slot: Slot, manifest: &Manifest) -> Result<(), UpdateError> {
        for (name, sum) in &manifest.files {
            let path = self.fat.path(&format!("{}/{name}", slot.letter()));
            let read = File::open(&path).and_then(|file| {
                let mut stored = Sum::new(file);
                io::copy(&mut stored, &mut io::sink())?;
                Ok(stored.hexadecimal())
            });
            if read.as_ref().ok() != Some(sum) {
                return Err(UpdateError::NothingToUndo(format!("{name} of the other slot is damaged")));
            }
        }
        Ok(())
    }

    /// Called by a system that is not on trial: if the other one was and failed, says so, and leaves it for good.
    pub(in crate::host) fn note_fallback(&self) -> Option<String> {
        let _alone = self.alone().ok()?;
        let (slot, scheme) = self.slots().ok()?;
        if self.is_on_trial() || scheme.outlook(&self.fat, slot) != Outlook::Exhausted {
            return None;
        }
        let other = slot.other();
        let version = self.system_in(other).map_or_else(|| "it".to_owned(), |manifest| manifest.version);
        // It may have given the data a newer format before it failed. Nothing is lost by that: the server restores it only
        // if no mail came in since, and says so otherwise.
        if let Err(error) = self.ask_to_restore("unharmed") {
            log::error!("the way back for the data: {error}");
        }
        let tidied = self.fat.open(Mode::Synchronous, || {
            self.fat.put(&format!("{}/{FAILED}", other.letter()), "\n")?;
            self.fat.remove(&format!("{}/{CONFIRMED}", other.letter()))?;
            scheme.stay(&self.fat, slot)
        });
        if let Err(error) = tidied {
            log::error!("what the failed update left could not be tidied up: {error}");
        }
        Some(format!("the update to {version} did not come up: {} runs as before", self.release.version))
    }

    /// How the slots are.
    pub(in crate::host) fn state(&self) -> State {
        let mut state = State {
            version: self.release.version.clone(),
            built: self.release.built,
            format: self.format,
            on_trial: self.is_on_trial(),
            ..State::default()
        };
        if let Ok((slot, scheme)) = self.slots() {
            state.slot = Some(slot.letter().to_owned());
            state.other = self.system_in(slot.other()).map(|manifest| OtherSlot {
                version: manifest.version,
                is_next: scheme.outlook(&self.fat, slot) == Outlook::Next,
                failed: self.fat.has(&format!("{}/{FAILED}", slot.other().letter())),
                confirmed: self.confirmed(slot.other()),
            });
        }
        state
    }

    fn alone(&self) -> Result<std::sync::MutexGuard<'_, ()>, UpdateError> {
        match self.busy.try_lock() {
            Ok(alone) => Ok(alone),
            Err(TryLockError::Poisoned(alone)) => Ok(alone.into_inner()),
            Err(TryLockError::WouldBlock) => Err(UpdateError::Busy),
        }
    }

    fn slots(&self) -> Result<(Slot, Scheme), UpdateError> {
        let scheme = Scheme::detect(&self.fat, self.is_pi5);
        self.slot.zip(scheme).ok_or(UpdateError::NoSlots)
    }

    fn is_on_trial(&self) -> bool {
        self.on_trial.load(Ordering::SeqCst)
    }

    /// The system in a slot, if all of it is there.
    fn system_in(&self, slot: Slot) -> Option<Manifest> {
        let folder = slot.letter();
        let text = self.fat.read(&format!("{folder}/{SLOT}")).ok()?;
        let manifest = Manifest::parse(text.as_bytes()).ok()?;
        NEEDED.iter().all(|name| self.fat.has(&format!("{folder}/{name}"))).then_some(manifest)
    }

    fn confirmed(&self, slot: Slot) -> Option<u32> {
        self.fat.read(&format!("{}/{CONFIRMED}", slot.letter())).ok()?.trim().parse().ok()
    }

    /// Leaves word for the mail server of an earlier version. Before the switch: one of the same version takes it away.
    fn ask_to_restore(&self, how: &str) -> Result<(), UpdateError> {
        let path = self.places.mail.join(RESTORE);
        let write = || {
            fs::write(&path, how)?;
            File::open(&path)?.sync_all()?;
            File::open(&self.places.mail)?.sync_all()
        };
        if !self.places.mail.exists() {
            return Ok(());
        }
        write().during(path.display().to_string())
    }
}

/// The boot partition's mount.
fn remount(mode: Mode) -> io::Result<()> {
    let quiet = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let flags = match mode {
        Mode::ReadOnly => quiet | MountFlags::RDONLY,
        Mode::Bulk => quiet,
        Mode::Synchronous => quiet | MountFlags::SYNCHRONOUS,
    };
    mounts::change(Path::new("/boot"), flags)
}
