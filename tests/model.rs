//! Random operations on the store, and the same on a model that is nothing but maps: both must agree on every answer
//! and on every state. `PILLARBOX_SEEDS` and `PILLARBOX_STEPS` ask for more than what runs every time.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/mail.rs"]
mod mail;
#[path = "model/operations.rs"]
#[expect(dead_code, reason = "some of it is for power_cut.rs")]
mod operations;
#[path = "support/random.rs"]
mod random;
#[path = "model/states.rs"]
mod states;
#[path = "model/world.rs"]
mod world;

use folder::Folder;
use operations::{Play, Trouble};
use pillarbox::store::{Options, Store};
use world::World;

/// A store is compared with its model after so many bursts; with its contents more rarely.
const COMPARE: usize = 7;

#[test]
fn the_store_agrees_with_a_model_of_maps_on_every_answer_and_every_state() {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (seeds, steps) = (number("PILLARBOX_SEEDS", 6), number("PILLARBOX_STEPS", 400));
    for seed in 0..seeds {
        let Err((step, what)) = play(seed, steps, COMPARE) else { continue };
        // Once more, looking after every burst, for the shortest way to it.
        let (step, what) = play(seed, step, 1).err().unwrap_or((step, what));
        panic!("seed {seed} fails at burst {step}: {what}");
    }
}

/// Plays a seed; the burst that failed, and how.
fn play(seed: u64, steps: u64, every: usize) -> Result<(), (u64, String)> {
    let folder = Folder::new(&format!("model-{seed}-{every}"));
    let path = folder.0.clone();
    let open = Box::new(move || Store::open(&path, Options::default()));
    let mut play = Play::new(seed, World::default(), open).map_err(|what| (0, what))?;
    for step in 1..=steps {
        let last = step == steps;
        play.burst().map_err(|trouble| match trouble {
            Trouble::Wrong(what) | Trouble::Fault(what, _) => (step, what),
        })?;
        if last || step.is_multiple_of(every as u64) {
            play.compare(last || step.is_multiple_of(50)).map_err(|what| (step, what))?;
        }
    }
    Ok(())
}
