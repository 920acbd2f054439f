//! Power that goes at any moment, and disks that fail: what was acknowledged is there, nothing else is half there.
//! `PILLARBOX_SEEDS` and `PILLARBOX_CUTS` ask for more than what runs every time.

#[path = "support/mail.rs"]
mod mail;
#[path = "model/operations.rs"]
mod operations;
#[path = "support/power.rs"]
mod power;
#[path = "support/random.rs"]
mod random;
#[path = "model/states.rs"]
mod states;
#[path = "model/world.rs"]
mod world;

use operations::{Play, Trouble};
use pillarbox::store::{Options, Outcome, Store, Write};
use power::{Disk, Event, Loss};
use random::Random;
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::World;

const OPTIONS: Options = Options { cache: 4 << 20 };
/// A disk that was never written to yet is cut often: opening is where much is written.
const FIRST_CUTS: u64 = 5;

/// What a test has seen.
#[derive(Debug, Default)]
struct Seen {
    cuts: usize,
    images: usize,
    syncs: u64,
    writes: u64,
    /// Worlds that were found though not all of it had been acknowledged.
    ahead: usize,
}

#[test]
fn whatever_a_power_cut_leaves_opens_clean_with_all_that_was_acknowledged() {
    let cuts = number("PILLARBOX_CUTS", 40);
    let mut seen = Seen::default();
    for seed in 0..number("PILLARBOX_SEEDS", 5) {
        lives(seed, cuts, &mut seen, |random| if random.once_in(2) { Event::CutAfter } else { Event::CutBefore });
    }
    println!("{seen:?}");
    assert!(seen.images >= 3 * seen.cuts);
}

#[test]
fn a_sync_or_write_that_fails_once_loses_nothing_that_was_acknowledged() {
    let cuts = number("PILLARBOX_CUTS", 40);
    let mut seen = Seen::default();
    for seed in 100..100 + number("PILLARBOX_SEEDS", 2) {
        let kinds = [ErrorKind::Other, ErrorKind::StorageFull, ErrorKind::Interrupted];
        lives(seed, cuts, &mut seen, |random| Event::Fail(*random.pick(&kinds)));
    }
    println!("{seen:?}");
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Plays on one disk from event to event; each time, all that may be left of it is looked at, and it goes on from one.
fn lives(seed: u64, cuts: u64, seen: &mut Seen, mut event: impl FnMut(&mut Random) -> Event) {
    let mut random = Random::new(seed);
    let mut content = new_store();
    let mut worlds = vec![World::default()];
    for cut in 0..cuts {
        let disk = Disk::new(content.clone());
        let reach = if cut < FIRST_CUTS { 12 } else { *random.pick(&[30, 150, 600]) };
        disk.arm(random.below(reach) as u64, event(&mut random));
        let at = format!("seed {seed}, cut {cut}");
        worlds = match life(seed * 1_000 + cut, &disk, worlds) {
            Ok(worlds) => worlds,
            Err(what) => panic!("{at}: {what}"),
        };
        seen.cuts += 1;
        seen.syncs += disk.syncs();
        seen.writes += disk.writes();
        // The last one is what the disk goes on with.
        let mut losses = vec![Loss::All, Loss::None, Loss::Torn, Loss::Some];
        losses.extend((disk.unsynced() > 4).then_some([Loss::Torn, Loss::Some]).into_iter().flatten());
        let at_hand = losses.len();
        losses.swap(random.below(at_hand), at_hand - 1);
        let mut found = World::default();
        for loss in losses {
            let image = disk.image(&mut random, loss);
            found = match look(&image, &worlds) {
                Ok((world, place)) => {
                    seen.ahead += usize::from(place > 0);
                    world
                }
                Err(what) => panic!("{at}, {loss:?} of {} changes: {what}", disk.unsynced()),
            };
            seen.images += 1;
            content = image;
        }
        if let Err(what) = look(&disk.now(), &worlds) {
            panic!("{at}, nothing lost: {what}");
        }
        worlds = vec![found];
    }
}

/// A store in which nothing is yet. A file gets its name only when it is that far: see `Store::open`.
fn new_store() -> Vec<u8> {
    let disk = Disk::new(Vec::new());
    drop(Store::open_on(disk.clone(), OPTIONS));
    disk.now()
}

/// Plays until the disk's event; returns the worlds that it may hold then.
fn life(seed: u64, disk: &Disk, worlds: Vec<World>) -> Result<Vec<World>, String> {
    let world = worlds.first().cloned().ok_or("no world")?;
    let opened = disk.clone();
    let Ok(mut play) = Play::new(seed, world, Box::new(move || Store::open_on(opened.clone(), OPTIONS))) else {
        // The event came while it was being opened: nothing was asked of it.
        return if disk.is_burnt() { Ok(worlds) } else { Err("does not open".to_owned()) };
    };
    loop {
        // Reads do not burn the fuse, but the writer's own tidying may: what fails then says nothing.
        match play.compare(false) {
            Err(what) if !disk.is_burnt() => return Err(what),
            _ => {}
        }
        match play.burst() {
            Ok(()) => {}
            Err(Trouble::Fault(_, worlds)) if disk.is_burnt() => return Ok(worlds),
            Err(Trouble::Wrong(_)) if disk.is_burnt() && play.is_closed() => return Ok(vec![play.into_world()]),
            Err(Trouble::Fault(what, _) | Trouble::Wrong(what)) => return Err(what),
        }
        // It came while the writer tidied up, or at a close: all was acknowledged.
        if disk.is_burnt() {
            return Ok(vec![play.into_world()]);
        }
    }
}

/// Opens what is left and compares it: the world that it holds, and its place among those that it may hold.
fn look(image: &[u8], worlds: &[World]) -> Result<(World, usize), String> {
    catch_unwind(AssertUnwindSafe(|| open_and_compare(image, worlds))).unwrap_or(Err("it panics".to_owned()))
}

fn open_and_compare(image: &[u8], worlds: &[World]) -> Result<(World, usize), String> {
    let disk = Disk::new(image.to_vec());
    let store = Store::open_on(disk.clone(), OPTIONS).map_err(|fault| format!("it does not open: {fault}"))?;
    let report = store.check().map_err(|fault| fault.to_string())?;
    if !report.findings.is_empty() {
        return Err(format!("check finds {:?}", report.findings));
    }
    let mut wrong = Vec::new();
    let mut found = None;
    for (place, world) in worlds.iter().enumerate() {
        let mut world = world.clone();
        match states::compare(&store, &mut world, false).and_then(|()| states::compare(&store, &mut world, true)) {
            Ok(()) => found = Some((world, place)),
            Err(what) => wrong.push(what),
        }
    }
    let (world, place) = found.ok_or_else(|| format!("it holds none of what it may hold: {wrong:?}"))?;
    only_read(image, &world)?;
    while let Outcome::Swept { more: true, .. } =
        store.write_blocking(Write::Sweep).map_err(|error| error.to_string())?
    {}
    drop(store);
    no_orphans(disk)?;
    Ok((world, place))
}

/// Who may not write sees the same, and writes nothing.
fn only_read(image: &[u8], world: &World) -> Result<(), String> {
    let disk = Disk::new(image.to_vec());
    let given = disk.clone();
    let store = Store::open_read_only_on(move || Ok(Box::new(given.clone())), OPTIONS);
    let store = store.map_err(|fault| format!("it cannot be read only: {fault}"))?;
    states::compare(&store, &mut world.clone(), false)?;
    let found = store.check().map_err(|fault| fault.to_string())?.findings;
    drop(store);
    if (found.len(), disk.writes(), disk.syncs()) == (0, 0, 0) && disk.now() == image {
        Ok(())
    } else {
        Err(format!("read only, {} writes and {} syncs; check finds {found:?}", disk.writes(), disk.syncs()))
    }
}

/// After a sweep there is a head for each blob that is shown and for no other, and no piece without its head.
fn no_orphans(disk: Disk) -> Result<(), String> {
    const HEAD: TableDefinition<u64, &[u8]> = TableDefinition::new("head");
    const BODY: TableDefinition<&[u8; 12], &[u8]> = TableDefinition::new("body");
    const STAGING: TableDefinition<u64, ()> = TableDefinition::new("staging");
    const DOOMED: TableDefinition<u64, ()> = TableDefinition::new("doomed");
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let database = redb::Builder::new().create_with_backend(disk).map_err(|error| text(&error))?;
    let read = database.begin_read().map_err(|error| text(&error))?;
    let left =
        |table| read.open_table::<u64, ()>(table).map_err(|error| text(&error))?.len().map_err(|error| text(&error));
    if (left(STAGING)?, left(DOOMED)?) != (0, 0) {
        return Err("the sweep left something".to_owned());
    }
    let heads: BTreeSet<u64> = read
        .open_table(HEAD)
        .and_then(|table| Ok(table.iter()?.map_while(Result::ok).map(|(blob, _)| blob.value()).collect()))
        .map_err(|error| text(&error))?;
    let body = read.open_table(BODY).map_err(|error| text(&error))?;
    for row in body.iter().map_err(|error| text(&error))? {
        let (key, _) = row.map_err(|error| text(&error))?;
        let [blob @ .., _, _, _, _] = *key.value();
        if !heads.contains(&u64::from_be_bytes(blob)) {
            return Err("a piece without its head".to_owned());
        }
    }
    Ok(())
}
