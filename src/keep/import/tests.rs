//! Imports as a whole, into a store on disk.

use super::*;
use crate::keep::Direct;
use crate::mail::{AccountId, Span, Stamp, SystemFlag};
use crate::store::{Credentials, Limits, Message, NewAccount, Options, Outcome, Reading, Store, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A folder with a store and files to import, that goes when the test ends.
pub(in crate::keep) struct World {
    pub(in crate::keep) folder: PathBuf,
    pub(in crate::keep) store: Arc<Store>,
    pub(in crate::keep) account: AccountId,
    pub(in crate::keep) told: Vec<String>,
}

impl World {
    pub(in crate::keep) fn new(name: &str, limits: Limits) -> World {
        let folder = std::env::temp_dir().join(format!("pillarbox-import-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let store = Arc::new(Store::open(&folder.join("data"), Options::default()).unwrap());
        let new = NewAccount { address: "a@b".to_owned(), credentials: Credentials::default(), limits, now: 0 };
        let Outcome::Account(account) = store.write_blocking(Write::AddAccount(new)).unwrap() else { panic!() };
        World { folder, store, account, told: Vec::new() }
    }

    fn file(&self, name: &str, octets: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, octets).unwrap();
        path
    }

    pub(in crate::keep) fn import(&mut self, paths: &[PathBuf], mailbox: Option<&str>) -> Summary {
        let mut direct = Direct { store: Arc::clone(&self.store), account: self.account };
        let folder = self.folder.clone();
        run(&plan(paths, mailbox).unwrap(), &mut direct, &mut |event| {
            if let Event::Skipped(place, why) = event {
                self.told.push(format!("{place}: {why}").replace(&format!("{}/", folder.display()), ""));
            }
        })
        .unwrap()
    }

    pub(in crate::keep) fn messages(&self, mailbox: &str) -> Vec<(Message, Vec<u8>)> {
        let snapshot = self.store.snapshot().unwrap();
        let mailbox = snapshot.mailbox_named(self.account, mailbox).unwrap().unwrap();
        let messages = snapshot.messages(mailbox, 1, u32::MAX).unwrap();
        messages.map(|row| row.map(|(_, message)| (message, self.octets(&message))).unwrap()).collect()
    }

    pub(in crate::keep) fn octets(&self, message: &Message) -> Vec<u8> {
        let snapshot = self.store.snapshot().unwrap();
        let stored = snapshot.head(message.blob).unwrap().unwrap();
        let head = stored.read().unwrap();
        let mut octets = Vec::new();
        let mut reading = Reading { blob: message.blob, rest: Span { start: 0, end: head.size } };
        assert!(reading.read(&snapshot, &head, &mut octets, usize::MAX).unwrap());
        octets
    }

    fn texts(&self, mailbox: &str) -> Vec<String> {
        self.messages(mailbox).into_iter().map(|(_, octets)| String::from_utf8(octets).unwrap()).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn imported(count: u64, bytes: u64, skipped: u64) -> Summary {
    Summary { imported: count, bytes, skipped, ..Summary::default() }
}

#[test]
fn an_mbox_gives_its_messages_unquoted_with_flags_and_dates() {
    let mut world = World::new("mbox", Limits::default());
    let mbox = "From a Thu Jan  1 00:00:07 1970\nStatus: RO\nA: 1\n\none\n>From x\n>>From y\n> From z\nFrom here\n\n\
                From b Thu Jan  1 00:00:08 1970\nDate: Thu, 1 Jan 1970 01:00:09 +0100\n\ntwo\n\nFromage\n\n\n\
                From c\nX-Status: F\n\nthree";
    let path = world.file("a.mbox", mbox.as_bytes());
    let summary = world.import(&[path], None);
    assert_eq!(
        world.texts("INBOX"),
        [
            "Status: RO\r\nA: 1\r\n\r\none\r\nFrom x\r\n>From y\r\n> From z\r\nFrom here\r\n",
            "Date: Thu, 1 Jan 1970 01:00:09 +0100\r\n\r\ntwo\r\n\r\nFromage\r\n\r\n",
            "X-Status: F\r\n\r\nthree",
        ]
    );
    assert_eq!((summary.imported, summary.skipped), (3, 0));
    let messages = world.messages("INBOX");
    let [(one, _), (two, _), (three, _)] = messages.as_slice() else { panic!() };
    assert_eq!((one.received, one.flags), (Stamp::utc(7), SystemFlag::Seen.set()));
    assert_eq!((two.received, two.flags.0), (Stamp { seconds: 9, zone: 60 }, 0));
    assert_eq!(three.flags, SystemFlag::Flagged.set());
    assert!(three.received.seconds > 1_000_000_000, "the file's own date");
}

#[test]
fn an_mbox_with_crlf_line_ends_is_no_different() {
    let mut world = World::new("crlf", Limits::default());
    let mbox = "From a\r\nA: 1\r\n\r\none\r\n\r\nFrom b\r\nA: 2\r\n\r\ntwo\r\n";
    let path = world.file("a", mbox.as_bytes());
    world.import(&[path], Some("Old/Mail"));
    assert_eq!(world.texts("Old/Mail"), ["A: 1\r\n\r\none\r\n", "A: 2\r\n\r\ntwo\r\n"]);
}

#[test]
fn one_bad_message_is_told_of_and_the_rest_is_imported() {
    let mut world = World::new("bad", Limits::default());
    let large = vec![b'x'; crate::mail::limits::MESSAGE as usize + 10];
    let mbox =
        [&b"From a\nA: 1\n\none\n\nFrom b\n\nFrom c\nA: 2\n\n"[..], &large, b"\n\nFrom d\nA: 3\n\nthree\n"].concat();
    let path = world.file("a.mbox", &mbox);
    assert_eq!(world.import(&[path], None), imported(2, 13 + 15, 2));
    assert_eq!(world.told, ["a.mbox, message 2: it is empty", "a.mbox, message 3: the message is too large"]);
    assert_eq!(world.store.check().unwrap().findings, []);
}

#[test]
fn a_maildir_keeps_its_flags_dates_and_folders() {
    let mut world = World::new("maildir", Limits::default());
    for folder in ["cur", "new", "tmp", ".Sent/cur", ".Sent/new", ".A.B/cur", ".A.B/new"] {
        std::fs::create_dir_all(world.folder.join("m").join(folder)).unwrap();
    }
    let first = world.file("m/cur/1.host:2,FSa", b"A: 1\n\none\n");
    std::fs::File::options()
        .write(true)
        .open(first)
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(77))
        .unwrap();
    world.file("m/new/2.host", b"A: 2\n\ntwo\n");
    world.file("m/tmp/3.host", b"A: 3\n\nhalf");
    world.file("m/dovecot-keywords", b"0 work\n");
    world.file("m/.Sent/cur/4.host:2,R", b"A: 4\n\nfour\n");
    world.file("m/.A.B/cur/5.host:2,", b"A: 5\n\nfive\n");
    let maildir = world.folder.join("m");
    assert_eq!(world.import(std::slice::from_ref(&maildir), None).imported, 4);
    assert_eq!(world.texts("INBOX"), ["A: 1\r\n\r\none\r\n", "A: 2\r\n\r\ntwo\r\n"]);
    let inbox = world.messages("INBOX");
    let one = inbox.first().unwrap().0;
    assert_eq!(one.received, Stamp::utc(77));
    assert!(one.flags.is(SystemFlag::Flagged) && one.flags.is(SystemFlag::Seen) && one.flags.keywords().eq([0]));
    assert!(world.messages("Sent").iter().all(|(message, _)| message.flags.is(SystemFlag::Answered)));
    assert_eq!(world.texts("A/B").len(), 1);
    world.import(&[maildir], Some("Old"));
    assert_eq!(world.texts("Old/A/B").len(), 1);
}

#[test]
fn a_folder_is_searched_for_mail_and_the_rest_left_alone() {
    let mut world = World::new("folder", Limits::default());
    world.file("f/b.eml", b"A: 2\n\nFrom me\n");
    world.file("f/a.EML", b"From: x\n\none\n");
    world.file("f/sub/c.mbox", b"From c\nA: 3\n\nthree\n");
    world.file("f/notes.txt", b"nothing");
    let folder = world.folder.join("f");
    assert_eq!(plan(std::slice::from_ref(&folder), None).unwrap().ignored, 1);
    world.import(&[folder], None);
    assert_eq!(world.texts("INBOX"), ["From: x\r\n\r\none\r\n", "A: 2\r\n\r\nFrom me\r\n", "A: 3\r\n\r\nthree\r\n"]);
    assert!(plan(&[world.folder.join("nowhere")], None).is_err());
}

#[test]
fn a_full_account_stops_the_import_and_says_where() {
    let mut world = World::new("quota", Limits { bytes: None, messages: Some(3) });
    let path = world.file("a.mbox", "From a\nA: 1\n\ntext\n\n".repeat(100).as_bytes());
    let summary = world.import(&[path], None);
    let (place, why) = summary.stopped.unwrap();
    assert_eq!((summary.imported, place.message, why.contains("quota")), (3, Some(4), true));
    assert_eq!(world.messages("INBOX").len(), 3);
}

#[test]
fn a_large_message_is_staged_and_comes_back_whole() {
    let mut world = World::new("large", Limits::default());
    let line = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz\n";
    let mut text = "A: 1\n\n".to_owned();
    let mut state = 1_u64;
    while text.len() < 9_000_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&state.to_string());
        text.push_str(line);
    }
    let path = world.file("a.eml", text.as_bytes());
    world.import(&[path], None);
    assert!(world.messages("INBOX").first().unwrap().1 == text.replace('\n', "\r\n").into_bytes());
}

/// The shared corpus, where it is; who has none cannot run the tests that need it.
fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = here.join("../shared/corpus");
    if !found.exists() {
        eprintln!("skipped: there is no {}", found.display());
        return None;
    }
    Some(found)
}

#[test]
fn three_thousand_real_mails_come_back_octet_for_octet() {
    let Some(corpus) = corpus() else { return };
    let mut world = World::new("real", Limits::default());
    let unpacked = Command::new("xz").arg("-dc").arg(corpus.join("real-mail.mbox.xz")).output().unwrap().stdout;
    let path = world.file("real.mbox", &unpacked);
    let summary = world.import(&[path], None);
    assert_eq!((summary.imported, summary.skipped), (3000, 0), "{:?}", world.told);
    let text = b"\n".iter().chain(&unpacked).copied().collect::<Vec<u8>>();
    let mut expected = Vec::new();
    // Read in another way: split at the separators, then each line by itself.
    let starts: Vec<usize> = memchr::memmem::find_iter(&text, b"\n\nFrom ").map(|at| at + 1).collect();
    for (from, to) in
        std::iter::once(0).chain(starts.iter().copied()).zip(starts.iter().copied().chain([text.len() - 1]))
    {
        let message = text.get(from + 1..to).unwrap();
        let mut lines = message.split_inclusive(|octet| *octet == b'\n');
        lines.next();
        let mail: Vec<u8> = lines
            .flat_map(|line| {
                let quoted = line.starts_with(b">")
                    && line.trim_ascii_start().iter().skip_while(|octet| **octet == b'>').take(5).eq(b"From ");
                let line = if quoted { line.get(1..).unwrap() } else { line };
                line.strip_suffix(b"\n").map_or(line.to_vec(), |line| [line, b"\r\n"].concat())
            })
            .collect();
        expected.push(mail);
    }
    let stored = world.messages("INBOX");
    assert_eq!(stored.len(), expected.len());
    for (number, ((_, stored), expected)) in stored.iter().zip(&expected).enumerate() {
        assert!(stored == expected, "message {number}:\n{}", String::from_utf8_lossy(stored));
    }
    let dated = stored.iter().filter(|(message, _)| message.received.seconds > 900_000_000).count();
    assert!(dated > 2_900, "{dated} have a date");
    assert_eq!(world.store.check().unwrap().findings, []);
    assert_eq!(world.store.snapshot().unwrap().usage(world.account).unwrap().bytes, summary.bytes);
}

#[test]
fn torture_is_imported_as_it_is() {
    let Some(corpus) = corpus() else { return };
    let mut world = World::new("torture", Limits::default());
    let folder = corpus.join("torture");
    let files = std::fs::read_dir(&folder).unwrap().count() as u64;
    assert_eq!(world.import(&[folder], None).imported, files);
}
