//! Plays every script of `tests/transcripts`, each in several ways: a session must say the same, however what it
//! hears is cut and however little it may say at once.

#[path = "support/client.rs"]
mod client;
#[path = "support/crowd.rs"]
mod crowd;
#[path = "support/memory.rs"]
mod memory;
#[path = "support/player.rs"]
mod player;
#[path = "support/script.rs"]
mod script;

use player::{Cut, Player, Way};
use std::path::{Path, PathBuf};

/// Octets of output, as `net` has them.
const OUT: usize = pillarbox::mail::limits::OUT;

const WAYS: [Way; 14] = [
    Way { cut: Cut::Whole, out: OUT },
    Way { cut: Cut::Octets, out: OUT },
    Way { cut: Cut::Random(0x9e37_79b9), out: OUT },
    Way { cut: Cut::Random(0x7f4a_7c15), out: OUT },
    Way { cut: Cut::Random(0x1234_5678), out: 16 },
    Way { cut: Cut::Random(0x0bad_cafe), out: 1 },
    Way { cut: Cut::Random(0x5eed_0001), out: 100 },
    Way { cut: Cut::Random(0x5eed_0002), out: 700 },
    Way { cut: Cut::Octets, out: 50 },
    Way { cut: Cut::Octets, out: 1 },
    Way { cut: Cut::Whole, out: 1 },
    Way { cut: Cut::Whole, out: 16 },
    Way { cut: Cut::Whole, out: 100 },
    Way { cut: Cut::Whole, out: 4096 },
];

#[test]
fn every_script_goes_as_it_is_written_in_every_way() {
    let only = std::env::var("SCRIPT").unwrap_or_default();
    let mut scripts = scripts();
    scripts.retain(|path| path.to_string_lossy().contains(&only));
    assert!(!scripts.is_empty(), "there are no scripts");
    let failures: Vec<String> = scripts.iter().flat_map(|path| failures(path)).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn what_each_client_is_told_adds_up_to_what_there_is() {
    for seed in 1..=60 {
        if let Err(contradiction) = crowd::mingle(seed, 120) {
            panic!("seed {seed}: {contradiction}");
        }
    }
}

/// One line for each way that fails; the ways that fail alike once.
fn failures(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("a script is text");
    let steps = script::steps(&text);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut failures: Vec<(String, Vec<Way>)> = Vec::new();
    for way in WAYS {
        let Err(failure) = Player::new(way).play(&steps) else { continue };
        match failures.iter_mut().find(|(known, _)| *known == failure) {
            Some((_, ways)) => ways.push(way),
            None => failures.push((failure, vec![way])),
        }
    }
    failures.into_iter().map(|(failure, ways)| format!("{name}, {failure}\n      {ways:?}")).collect()
}

fn scripts() -> Vec<PathBuf> {
    let mut scripts: Vec<PathBuf> = Vec::new();
    for protocol in ["imap", "pop3", "smtp", "lmtp"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(protocol);
        let entries = std::fs::read_dir(folder).expect("the folder is there");
        scripts.extend(entries.map(|entry| entry.expect("it can be read").path()));
    }
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    scripts.sort();
    scripts
}
