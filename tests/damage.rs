//! Damaged files: whatever is damaged in them, what is served is what went in, all of it or told, through every door.
//!
//! Each damaged store is met in a process of its own kind that may die of it, which is a failure as well.
//! `PILLARBOX_DAMAGES` asks for more of them than what runs every time.

#[allow(dead_code, reason = "of what other tests play, this needs a part")]
#[path = "support/client.rs"]
mod client;
#[path = "damage/doors.rs"]
mod doors;
#[path = "support/folder.rs"]
mod folder;
#[path = "damage/harm.rs"]
mod harm;
#[path = "support/mail.rs"]
mod mail;
#[path = "support/random.rs"]
mod random;
#[path = "damage/stores.rs"]
mod stores;

use folder::Folder;
use random::Random;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use stores::{Kind, Truth};

/// What one damaged store may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Where the child finds the stores, and which damages it does.
const FOLDER: &str = "PILLARBOX_DAMAGE_FOLDER";
const BATCH: &str = "PILLARBOX_DAMAGE_BATCH";

#[test]
fn what_is_damaged_is_told_and_all_else_is_served_as_it_was() {
    let damages = std::env::var("PILLARBOX_DAMAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(120);
    let folder = Folder::new("damage");
    for kind in Kind::ALL {
        stores::make(kind, &folder.0.join(kind.name()));
    }
    let (mut met, mut wrong) = (BTreeMap::<String, usize>::new(), Vec::new());
    let mut next = 0;
    while next < damages {
        let mut batch = Batch::begin(&folder.0, next, damages);
        loop {
            match batch.hear() {
                Heard::Begun(number, what) => {
                    next = number + 1;
                    batch.last = format!("damage {number}: {what}");
                }
                Heard::Ended(how) => *met.entry(how).or_default() += 1,
                Heard::Wrong(how) => wrong.push(format!("{}: {how}", batch.last)),
                Heard::Died if next >= damages && batch.ended_well() => break,
                Heard::Died => {
                    wrong.push(format!("{}: the process died or stopped answering", batch.last));
                    next = next.max(batch.first + 1);
                    break;
                }
            }
        }
    }
    println!("{damages} damaged stores: {met:#?}");
    assert!(wrong.is_empty(), "{} of {damages}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Is run by the test above, in a process of its own.
#[test]
#[ignore = "the other test runs it"]
fn child() {
    let folder = PathBuf::from(std::env::var(FOLDER).expect("the other test says where"));
    let batch = std::env::var(BATCH).expect("the other test says which");
    let (from, to) = batch.split_once("..").expect("a range");
    let (from, to): (usize, usize) = (from.parse().expect("a number"), to.parse().expect("a number"));
    // What a contained panic prints is of no use here.
    std::panic::set_hook(Box::new(|_| {}));
    let work = folder.join("work");
    for number in from..to {
        let mut random = Random::new(number as u64);
        let kind = *random.pick(&Kind::ALL);
        let base = folder.join(kind.name());
        stores::copy(&base, &work);
        let what = harm::harm(&work, &base, &mut random);
        println!("\nBEGUN {number} {}, {what}", kind.name());
        let truth = Truth::read(&base);
        let met = std::panic::catch_unwind(|| doors::walk(&work, &truth, what.contains("journal")));
        match met {
            Ok(Ok(how)) => println!("\nENDED {how}"),
            Ok(Err(wrong)) => println!("\nWRONG {}", wrong.replace('\n', " ")),
            Err(_) => println!("\nWRONG a panic came through a door"),
        }
    }
}

/// A child at work.
struct Batch {
    child: Child,
    lines: Receiver<String>,
    first: usize,
    last: String,
}

enum Heard {
    Begun(usize, String),
    Ended(String),
    Wrong(String),
    Died,
}

impl Batch {
    fn begin(folder: &Path, from: usize, to: usize) -> Batch {
        let mut child = Command::new(std::env::current_exe().expect("this runs"))
            .args(["child", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder)
            .env(BATCH, format!("{from}..{to}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("what runs can be run again");
        let (tell, lines) = mpsc::channel();
        let said = BufReader::new(child.stdout.take().expect("it is piped"));
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Batch { child, lines, first: from, last: "nothing begun".to_owned() }
    }

    fn hear(&mut self) -> Heard {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            match line.split_once(' ') {
                Some(("BEGUN", rest)) => {
                    let (number, what) = rest.split_once(' ').expect("the child says what it does");
                    return Heard::Begun(number.parse().expect("a number"), what.to_owned());
                }
                Some(("ENDED", how)) => return Heard::Ended(how.to_owned()),
                Some(("WRONG", how)) => return Heard::Wrong(how.to_owned()),
                _ => {}
            }
        }
        Heard::Died
    }

    fn ended_well(&mut self) -> bool {
        self.child.wait().is_ok_and(|status| status.success())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
