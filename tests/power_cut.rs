//! Power that goes at any moment, and disks that fail: what was acknowledged is there, nothing else is half there, and all
//! that anybody can be shown is as it was, to each number and date. Tables and journal lose, tear and reorder each for
//! itself. `PILLARBOX_SEEDS` and `PILLARBOX_CUTS` ask for more than what runs every time; `tests/run torn` looks at 10,000
//! pairs.

#[path = "model/everything.rs"]
mod everything;
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

use everything::{difference, everything};
use operations::{Place, Play, Trouble};
use pillarbox::store::{Fault, Options, Outcome, Store, Write};
use power::{Disk, Event, Image, Loss};
use random::Random;
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::World;

const OPTIONS: Options = Options { cache: 4 << 20 };
/// A disk that was never written to yet is cut often: opening is where much is written.
const FIRST_CUTS: u64 = 5;
/// Pairs of what is left of the tables and of the journal that are looked at after each cut, of 25 kinds of pairs.
const PAIRS: usize = 6;
/// While all is acknowledged and nothing is asked, what a cut would leave is looked at once in so many bursts.
const AT_REST: usize = 4;
/// So far from the clock of what was written is the clock of who looks, in seconds: ahead, and behind.
const AWAY: [i64; 2] = [400 * 24 * 60 * 60, -500 * 24 * 60 * 60];

/// What a test has seen.
#[derive(Debug, Default)]
struct Seen {
    cuts: usize,
    /// Pairs of which at least one file had changes that were not certain yet.
    pairs: usize,
    syncs: u64,
    writes: u64,
    /// Pairs at rest: all had been acknowledged.
    at_rest: usize,
    /// Worlds that were found though not all of it had been acknowledged.
    ahead: usize,
}

#[test]
fn whatever_a_power_cut_leaves_of_tables_and_journal_opens_clean_with_all_that_was_acknowledged() {
    let cuts = number("PILLARBOX_CUTS", 30);
    let mut seen = Seen::default();
    for seed in 0..number("PILLARBOX_SEEDS", 2) {
        lives(seed, cuts, &mut seen, cut);
    }
    println!("{seen:?}");
    assert!(seen.pairs >= 2 * seen.cuts && seen.at_rest > 0);
}

#[test]
#[ignore = "it takes minutes: `tests/run torn`"]
fn ten_thousand_torn_pairs_of_tables_and_journal_lose_and_change_nothing_that_was_acknowledged() {
    let wanted = usize::try_from(number("PILLARBOX_PAIRS", 10_000)).expect("it is a count");
    let mut seen = Seen::default();
    for seed in 1_000.. {
        if seen.pairs + seen.at_rest >= wanted {
            break;
        }
        lives(seed, 60, &mut seen, cut);
    }
    println!("    {seen:?}");
}

#[test]
fn a_sync_or_write_that_fails_once_loses_nothing_that_was_acknowledged() {
    let cuts = number("PILLARBOX_CUTS", 20);
    let mut seen = Seen::default();
    for seed in 100..100 + number("PILLARBOX_SEEDS", 2) {
        let kinds = [ErrorKind::Other, ErrorKind::StorageFull, ErrorKind::Interrupted];
        lives(seed, cuts, &mut seen, |random| Event::Fail(*random.pick(&kinds)));
    }
    println!("{seen:?}");
}

fn cut(random: &mut Random) -> Event {
    if random.once_in(2) { Event::CutAfter } else { Event::CutBefore }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

impl Place for Disk {
    fn open(&self) -> Result<Store, Fault> {
        Store::open_on(self.clone(), OPTIONS)
    }

    fn set_clock(&self, now: i64) {
        Disk::set_clock(self, now);
    }
}

/// Plays on one disk from event to event; each time, all that may be left of it is looked at, and it goes on from one.
fn lives(seed: u64, cuts: u64, seen: &mut Seen, mut event: impl FnMut(&mut Random) -> Event) {
    let mut random = Random::new(seed);
    let mut content = new_store();
    let mut worlds = vec![World::default()];
    for cut in 0..cuts {
        let disk = Disk::new(content.clone());
        let reach = if cut < FIRST_CUTS { 12 } else { *random.pick(&[30, 150, 600]) };
        let event = event(&mut random);
        disk.arm(random.below(reach) as u64, event);
        let at = format!("seed {seed}, cut {cut}");
        // Where a disk works again after it failed, what is asked after a failure is done: one at a time, or nobody
        // could say what there is.
        let at_once = if matches!(event, Event::Fail(_)) { 1 } else { 12 };
        worlds = match life(seed * 1_000 + cut, at_once, &disk, worlds, seen) {
            Ok(worlds) => worlds,
            Err(what) => panic!("{at}: {what}"),
        };
        seen.cuts += 1;
        seen.syncs += disk.syncs();
        seen.writes += disk.writes();
        let (tables, journal) = disk.unsynced();
        let pairs = if (tables, journal) == (0, 0) { 1 } else { PAIRS };
        let mut found = World::default();
        // The last one is what the disk goes on with.
        for pair in 0..pairs {
            let losses = match pair {
                0 => (Loss::All, Loss::All),
                _ => (*random.pick(&Loss::EACH), *random.pick(&Loss::EACH)),
            };
            let image = disk.image(&mut random, losses.0, losses.1);
            found = match look(&image, &worlds, None) {
                Ok((world, place)) => {
                    seen.ahead += usize::from(place > 0);
                    world
                }
                Err(what) => panic!("{at}, {losses:?} of {tables} and {journal} changes: {what}"),
            };
            seen.pairs += usize::from(pairs > 1);
            content = image;
        }
        if let Err(what) = look(&disk.now(), &worlds, None) {
            panic!("{at}, nothing lost: {what}");
        }
        worlds = vec![found];
    }
}

/// A store in which nothing is yet. A file gets its name only when it is that far: see `Store::open`.
fn new_store() -> Image {
    let disk = Disk::new(Image::default());
    drop(Store::open_on(disk.clone(), OPTIONS));
    disk.now()
}

/// Plays until the disk's event; returns the worlds that it may hold then.
fn life(seed: u64, at_once: usize, disk: &Disk, worlds: Vec<World>, seen: &mut Seen) -> Result<Vec<World>, String> {
    let mut random = Random::new(seed ^ 0x5EED);
    let world = worlds.first().cloned().ok_or("no world")?;
    let Ok(mut play) = Play::new(seed, at_once, world, Box::new(disk.clone())) else {
        // The event came while it was being opened: nothing was asked of it.
        return if disk.is_burnt() { Ok(worlds) } else { Err("does not open".to_owned()) };
    };
    loop {
        // Reads do not burn the fuse, but the writer's own tidying may: what fails then says nothing.
        match play.compare(false) {
            Err(what) if !disk.is_burnt() => return Err(what),
            _ => {}
        }
        if !disk.is_burnt() && random.once_in(AT_REST) {
            rest(&mut random, &play, disk)?;
            seen.at_rest += 1;
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

/// The power could go now, that all is acknowledged: everything would be as it is shown at this moment.
fn rest(random: &mut Random, play: &Play, disk: &Disk) -> Result<(), String> {
    let Ok(shown) = everything(play.store()?) else { return Ok(()) };
    if disk.is_burnt() {
        return Ok(());
    }
    let losses = (*random.pick(&Loss::EACH), *random.pick(&Loss::EACH));
    let image = disk.image(random, losses.0, losses.1);
    look(&image, std::slice::from_ref(play.world()), Some(&shown))
        .map_err(|what| format!("at rest, {losses:?}: {what}"))?;
    Ok(())
}

/// Opens what is left and compares it: the world that it holds, and its place among those that it may hold.
fn look(image: &Image, worlds: &[World], shown: Option<&[String]>) -> Result<(World, usize), String> {
    catch_unwind(AssertUnwindSafe(|| open_and_compare(image, worlds, shown))).unwrap_or(Err("it panics".to_owned()))
}

fn open_and_compare(image: &Image, worlds: &[World], shown: Option<&[String]>) -> Result<(World, usize), String> {
    let now = worlds.first().map_or(0, |world| world.now);
    let [ahead, behind] = AWAY.map(|away| now + away);
    let disk = Disk::new(image.clone());
    disk.set_clock(ahead);
    let store = Store::open_on(disk.clone(), OPTIONS).map_err(|fault| format!("it does not open: {fault}"))?;
    let found_at_first = everything(&store)?;
    if let Some(difference) = shown.and_then(|shown| difference(&found_at_first, shown)) {
        return Err(format!("it is not as it was shown: {difference}"));
    }
    let report = store.check().map_err(|fault| fault.to_string())?;
    if !report.findings.is_empty() {
        return Err(format!("check finds {:?}", report.findings));
    }
    let mut wrong = Vec::new();
    let mut found = Vec::new();
    for (place, world) in worlds.iter().enumerate() {
        let mut world = world.clone();
        match states::compare(&store, &mut world, false).and_then(|()| states::compare(&store, &mut world, true)) {
            Ok(()) => found.push((world, place)),
            Err(what) => wrong.push(what),
        }
    }
    if found.is_empty() {
        return Err(format!("it holds none of what it may hold: {wrong:?}"));
    }
    while let Outcome::Swept { more: true, .. } =
        store.write_blocking(Write::Sweep).map_err(|error| error.to_string())?
    {}
    drop(store);
    no_orphans(&disk)?;
    // What was made and removed again leaves no trace but the numbers that are given out next.
    let numbers = numbers(&disk)?;
    let fits = |world: &World| (u64::from(world.last_account), u64::from(world.uid_validity)) == numbers;
    let found = found.into_iter().rev().find(|(world, _)| fits(world));
    let (world, place) =
        found.ok_or_else(|| format!("{numbers:?} were given out last, which is not so in any world"))?;
    only_read(image, &world, behind, &found_at_first)?;
    Ok((world, place))
}

/// Who may not write sees the very same, whenever that is, and writes nothing.
fn only_read(image: &Image, world: &World, now: i64, expected: &[String]) -> Result<(), String> {
    let disk = Disk::new(image.clone());
    disk.set_clock(now);
    let store = Store::open_read_only_on(disk.clone(), OPTIONS);
    let store = store.map_err(|fault| format!("it cannot be read only: {fault}"))?;
    states::compare(&store, &mut world.clone(), false)?;
    if let Some(difference) = difference(&everything(&store)?, expected) {
        return Err(format!("it depends on when it is opened: {difference}"));
    }
    let found = store.check().map_err(|fault| fault.to_string())?.findings;
    drop(store);
    if (found.len(), disk.writes(), disk.syncs()) == (0, 0, 0) && disk.now() == *image {
        Ok(())
    } else {
        Err(format!("read only, {} writes and {} syncs; check finds {found:?}", disk.writes(), disk.syncs()))
    }
}

/// The number of the last account, and the last UIDVALIDITY.
fn numbers(disk: &Disk) -> Result<(u64, u64), String> {
    const CONFIG: TableDefinition<&str, u64> = TableDefinition::new("config");
    let database = redb::Builder::new().create_with_backend(disk.only_tables()).map_err(|error| error.to_string())?;
    let read = database.begin_read().map_err(|error| error.to_string())?;
    let config = read.open_table(CONFIG).map_err(|error| error.to_string())?;
    let number = |key| config.get(key).map(|value| value.map_or(0, |value| value.value()));
    let number = |key| number(key).map_err(|error| error.to_string());
    Ok((number("last-account")?, number("uid-validity")?))
}

/// After a sweep there is a head for each blob that is shown and for no other, and no piece without its head.
fn no_orphans(disk: &Disk) -> Result<(), String> {
    const HEAD: TableDefinition<u64, &[u8]> = TableDefinition::new("head");
    const BODY: TableDefinition<&[u8; 12], &[u8]> = TableDefinition::new("body");
    const STAGING: TableDefinition<u64, ()> = TableDefinition::new("staging");
    const DOOMED: TableDefinition<u64, ()> = TableDefinition::new("doomed");
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let database = redb::Builder::new().create_with_backend(disk.only_tables()).map_err(|error| text(&error))?;
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
