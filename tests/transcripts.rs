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

use pillarbox::mail::{Stamp, limits};
use pillarbox::store::{History, NewMessage, Write};
use player::{Cut, Player, Way};
use script::steps;
use std::path::{Path, PathBuf};

/// Octets of output, as `net` has them.
const OUT: usize = pillarbox::mail::limits::OUT;

const WAYS: [Way; 17] = [
    Way { cut: Cut::Whole, out: OUT, turn: limits::TURN },
    Way { cut: Cut::Octets, out: OUT, turn: limits::TURN },
    Way { cut: Cut::Random(0x9e37_79b9), out: OUT, turn: limits::TURN },
    Way { cut: Cut::Random(0x7f4a_7c15), out: OUT, turn: limits::TURN },
    Way { cut: Cut::Random(0x1234_5678), out: 16, turn: limits::TURN },
    Way { cut: Cut::Random(0x0bad_cafe), out: 1, turn: limits::TURN },
    Way { cut: Cut::Random(0x5eed_0001), out: 100, turn: limits::TURN },
    Way { cut: Cut::Random(0x5eed_0002), out: 700, turn: limits::TURN },
    Way { cut: Cut::Octets, out: 50, turn: limits::TURN },
    Way { cut: Cut::Octets, out: 1, turn: limits::TURN },
    Way { cut: Cut::Whole, out: 1, turn: limits::TURN },
    Way { cut: Cut::Whole, out: 16, turn: limits::TURN },
    Way { cut: Cut::Whole, out: 100, turn: limits::TURN },
    Way { cut: Cut::Whole, out: 4096, turn: limits::TURN },
    // Every place where work can pause.
    Way { cut: Cut::Whole, out: OUT, turn: 0 },
    Way { cut: Cut::Octets, out: 50, turn: 0 },
    Way { cut: Cut::Whole, out: 1, turn: 3_000 },
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

/// A message of somebody who wishes us ill goes into the INBOX.
fn put(player: &Player, message: &[u8]) {
    let snapshot = player.store.snapshot().expect("the store is there");
    let mailbox = snapshot.mailbox_named(player.gate.account, "INBOX").expect("it can be read").expect("there is one");
    drop(snapshot);
    let mut packer = player.store.packer();
    packer.push(message).expect("it is not too large");
    let parcel = packer.finish().expect("it can be packed");
    let (received, history) = (Stamp::utc(1_700_000_000), History::default());
    let message = NewMessage { parcel, flags: Vec::new(), received, now: 1_700_000_000, history };
    player.store.write_blocking(Write::Append { mailbox, message }).expect("there is room");
}

/// Says a command and gives the most work that one of its turns did, and all of them together.
fn work_of(player: &mut Player, command: &str) -> (u64, u64) {
    let client = player.clients.get_mut(&1).expect("it is connected");
    (client.most, client.work) = (0, 0);
    for step in steps(&format!("C: a {command}\n")) {
        player.step(&step).expect("a command may be said");
    }
    let client = player.clients.get_mut(&1).expect("it is connected");
    let heard = std::mem::take(&mut client.heard);
    let tail = heard.get(heard.len().saturating_sub(100)..).unwrap_or_default();
    assert!(memchr::memmem::find(tail, b"\r\na OK").is_some() || tail.starts_with(b"a OK"), "{}", tail.escape_ascii());
    (client.most, client.work)
}

#[test]
fn no_turn_of_any_command_does_much_more_than_a_turn_may() {
    let mut player = Player::new(Way { cut: Cut::Whole, out: OUT, turn: limits::TURN });
    let words = format!("=?utf-8?q?{}?=\r\n ", "=41".repeat(20)).repeat(3_400);
    put(&player, format!("Subject: x\r\nX-H: {words}x\r\n\r\nbody\r\n").as_bytes());
    put(&player, format!("Subject: {words}x\r\nFrom: {}\r\n\r\nbody\r\n", "a <b@c>, ".repeat(1_000)).as_bytes());
    let lines = format!("{}\r\n", "QUJD".repeat(19)).repeat(60_000);
    let base64 = "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    put(&player, format!("{base64}{lines}").as_bytes());
    let quoted = "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
    put(&player, format!("{quoted}{}", "=C3=BC=\r\n".repeat(400_000)).as_bytes());
    let parts = "--b\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n+AOQ-x\r\n".repeat(990);
    put(&player, format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n").as_bytes());
    put(&player, format!("{}\r\nbody\r\n", "a:\r\n".repeat(60_000)).as_bytes());
    for step in steps("@ login\n") {
        player.step(&step).expect("who is known may log in");
    }
    for number in 0..40 {
        work_of(&mut player, &format!("CREATE L{number:03}{}", "a".repeat(900)));
    }
    work_of(&mut player, "SELECT INBOX");
    let many = |one: &dyn Fn(usize) -> String, count: usize| (0..count).map(one).collect::<Vec<_>>().join(" ");
    let names = many(&|n| format!("X{n}"), 200);
    let commands = [
        format!("SEARCH {}", many(&|n| format!("NOT HEADER X-H \"zz{n}\""), 480)),
        format!("SEARCH {}", many(&|n| format!("NOT SUBJECT \"zz{n}\" NOT FROM \"zz{n}\""), 240)),
        format!("SEARCH {}", many(&|n| format!("NOT TEXT \"zz{n}\""), 480)),
        format!("SEARCH {}", many(&|n| format!("NOT BODY \"zz{n}\""), 480)),
        format!("SEARCH OR TEXT AAAA OR {} SENTON 1-Jan-2000 ALL", "NOT BODY nothing"),
        format!("FETCH 3 ({})", many(&|_| "BINARY.SIZE[1]".to_owned(), 60)),
        format!("FETCH 4 ({})", many(&|_| "BINARY.SIZE[1]".to_owned(), 60)),
        format!("FETCH 3 ({})", many(&|n| format!("BINARY.PEEK[1]<{}.1>", 3_400_000 + n), 60)),
        format!("FETCH 1:6 ({})", many(&|_| "BODYSTRUCTURE".to_owned(), 60)),
        format!("FETCH 1:6 ({})", many(&|_| "ENVELOPE".to_owned(), 60)),
        format!("FETCH 1:6 ({})", many(&|_| format!("BODY.PEEK[HEADER.FIELDS ({names})]"), 30)),
        format!("FETCH 1:6 ({})", many(&|_| "BODY.PEEK[HEADER]<1.1>".to_owned(), 60)),
        format!("LIST \"\" ({})", many(&|_| format!("\"{}b\"", "*a".repeat(400)), 60)),
        format!("LIST \"\" ({})", many(&|_| format!("\"{}b\"", "%a".repeat(400)), 60)),
        format!("LSUB \"\" \"{}b\"", "*a%".repeat(400)),
    ];
    for command in &commands {
        let (most, all) = work_of(&mut player, command);
        // A field of a header is not divided.
        assert!(most < 3 * limits::TURN, "{command:.40}: {most} in one turn of {all} in all");
    }
    // What one command asks again and again is decoded once; to decode an octet counts twice.
    for (command, size) in [(5, 3 * 4_700_000), (7, 15 * 4_700_000), (0, 60 * 260_000)] {
        let (_, all) = work_of(&mut player, &commands[command]);
        assert!(all < size, "{:.40}: {all} in all, not below {size}", commands[command]);
    }
}
