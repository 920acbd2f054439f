//! Random operations on the store, and the same on a model that is nothing but maps: both must agree on every answer
//! and on every state, also after crashes. `PILLARBOX_SEEDS` and `PILLARBOX_STEPS` ask for more than what runs every time.

#[path = "model/everything.rs"]
mod everything;
#[path = "support/folder.rs"]
mod folder;
#[path = "support/mail.rs"]
mod mail;
#[path = "model/operations.rs"]
#[expect(dead_code, reason = "some of it is for power_cut.rs")]
mod operations;
#[path = "support/power.rs"]
#[expect(dead_code, reason = "some of it is for power_cut.rs")]
mod power;
#[path = "support/random.rs"]
mod random;
#[path = "model/states.rs"]
mod states;
#[path = "model/world.rs"]
mod world;

use everything::{difference, everything};
use folder::Folder;
use operations::{Place, Play, Trouble};
use pillarbox::store::{Fault, Ground, Options, Store};
use power::{Disk, Image, Loss};
use random::Random;
use redb::StorageBackend;
use redb::backends::FileBackend;
use std::fs::File;
use std::io::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use world::World;

/// A store is compared with its model after so many bursts; with its contents more rarely.
const COMPARE: usize = 7;
/// And so many bursts long it lives between two crashes, at most.
const CRASH: u64 = 30;

#[test]
fn the_store_agrees_with_a_model_of_maps_on_every_answer_and_every_state() {
    let (seeds, steps) = (number("PILLARBOX_SEEDS", 6), number("PILLARBOX_STEPS", 400));
    for seed in 0..seeds {
        let Err((step, what)) = play(seed, steps, COMPARE) else { continue };
        // Once more, looking after every burst, for the shortest way to it.
        let (step, what) = play(seed, step, 1).err().unwrap_or((step, what));
        panic!("seed {seed} fails at burst {step}: {what}");
    }
}

#[test]
fn after_a_crash_that_tears_tables_and_journal_store_and_model_still_agree_on_everything() {
    let (seeds, steps) = (number("PILLARBOX_SEEDS", 4), number("PILLARBOX_STEPS", 400));
    for seed in 200..200 + seeds {
        if let Err((step, what)) = crash(seed, steps) {
            panic!("seed {seed} fails at burst {step}: {what}");
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Plays a seed in a folder; the burst that failed, and how.
fn play(seed: u64, steps: u64, every: usize) -> Result<(), (u64, String)> {
    let folder = Folder::new(&format!("model-{seed}-{every}"));
    std::fs::create_dir_all(&folder.0).map_err(|error| (0, error.to_string()))?;
    let mut play = Play::new(seed, 12, World::default(), Box::new(Files::of(&folder.0))).map_err(|what| (0, what))?;
    for step in 1..=steps {
        let last = step == steps;
        burst(&mut play).map_err(|what| (step, what))?;
        if last || step.is_multiple_of(every as u64) {
            play.compare(last || step.is_multiple_of(50)).map_err(|what| (step, what))?;
        }
    }
    Ok(())
}

/// Plays a seed from crash to crash: each comes when all is acknowledged, and leaves of both files what it likes.
fn crash(seed: u64, steps: u64) -> Result<(), (u64, String)> {
    let mut random = Random::new(seed);
    let (mut content, mut world) = (Image::default(), World::default());
    let mut step = 0;
    while step < steps {
        let disk = Disk::new(content);
        let mut play =
            Play::new(seed * 1_000 + step, 12, world, Box::new(disk.clone())).map_err(|what| (step, what))?;
        for _ in 0..=random.next() % CRASH {
            step += 1;
            burst(&mut play).map_err(|what| (step, what))?;
            play.compare(false).map_err(|what| (step, what))?;
        }
        let shown = play.store().and_then(everything).map_err(|what| (step, what))?;
        let losses = (*random.pick(&Loss::EACH), *random.pick(&Loss::EACH));
        content = disk.image(&mut random, losses.0, losses.1);
        world = play.into_world();
        let found = Disk::new(content.clone());
        found.set_clock(world.now + 1_000_000);
        let store = Store::open_on(found, Options::default()).map_err(|fault| (step, fault.to_string()))?;
        let found = everything(&store).map_err(|what| (step, what))?;
        if let Some(difference) = difference(&found, &shown) {
            return Err((step, format!("after {losses:?}: {difference}")));
        }
        states::compare(&store, &mut world, true).map_err(|what| (step, what))?;
    }
    Ok(())
}

fn burst(play: &mut Play) -> Result<(), String> {
    play.burst().map_err(|trouble| match trouble {
        Trouble::Wrong(what) | Trouble::Fault(what, _) => what,
    })
}

/// Two files in a folder, and a clock that can be set.
#[derive(Clone)]
struct Files {
    folder: Arc<Path>,
    now: Arc<AtomicI64>,
}

impl Files {
    fn of(folder: &Path) -> Files {
        Files { folder: folder.into(), now: Arc::default() }
    }

    fn file(&self, name: &str) -> Result<Box<dyn StorageBackend>, Error> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(self.folder.join(name))?;
        Ok(Box::new(FileBackend::new(file).map_err(Error::other)?))
    }
}

impl Ground for Files {
    fn tables(&self) -> Result<Box<dyn StorageBackend>, Error> {
        self.file("tables")
    }

    fn journal(&self) -> Result<Option<Box<dyn StorageBackend>>, Error> {
        self.file("journal").map(Some)
    }

    fn now(&self) -> i64 {
        self.now.load(Ordering::SeqCst)
    }
}

impl Place for Files {
    fn open(&self) -> Result<Store, Fault> {
        Store::open_on(self.clone(), Options::default())
    }

    fn set_clock(&self, now: i64) {
        self.now.store(now, Ordering::SeqCst);
    }
}

impl Place for Disk {
    fn open(&self) -> Result<Store, Fault> {
        Store::open_on(self.clone(), Options::default())
    }

    fn set_clock(&self, now: i64) {
        Disk::set_clock(self, now);
    }
}
