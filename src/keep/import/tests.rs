//! Imports as a whole, into a store on disk.

use super::*;
use crate::keep::Direct;
use crate::mail::{AccountId, Span, Stamp, SystemFlag};
use crate::store::{Credentials, Limits, Message, NewAccount, Options, Outcome, Reading, Store, Write};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
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
        self.import_as(paths, mailbox, false)
    }

    fn import_as(&mut self, paths: &[PathBuf], mailbox: Option<&str>, again: bool) -> Summary {
        let mut direct = Direct { store: Arc::clone(&self.store), account: self.account, again };
        let folder = self.folder.clone();
        run(&plan(paths, mailbox).unwrap(), &mut direct, &mut |event| {
            if let Event::Skipped(place, why) = event {
                self.told.push(format!("{place}: {why}").replace(&format!("{}/", folder.display()), ""));
            }
            ControlFlow::Continue(())
        })
    }

    /// All mailboxes that have messages, with the first word of each message's subject.
    fn subjects(&self) -> BTreeMap<String, Vec<String>> {
        let mailboxes = self.store.snapshot().unwrap().mailboxes(self.account).unwrap();
        let names = mailboxes.into_iter().map(|(_, record)| record.name);
        let subject = |text: String| text.split_once("Subject: ").map_or("-", |(_, rest)| rest.trim()).to_owned();
        let found = names.map(|name| (name.clone(), self.texts(&name)));
        found
            .filter(|(_, texts)| !texts.is_empty())
            .map(|(name, texts)| {
                let first = |text: String| subject(text).split_whitespace().next().unwrap_or_default().to_owned();
                (name, texts.into_iter().map(first).collect())
            })
            .collect()
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

/// What was left, in short.
fn left(summary: &Summary) -> Vec<(Kind, u64)> {
    summary.left.kinds().map(|(kind, lot)| (kind, lot.count)).collect()
}

fn mail(subject: &str) -> Vec<u8> {
    format!("From: bob@example.net\nSubject: {subject}\n\nhello\n").into_bytes()
}

#[test]
fn an_mbox_gives_its_messages_unquoted_with_flags_and_dates() {
    let mut world = World::new("mbox", Limits::default());
    let mbox = "From a Thu Jan  1 00:00:07 1970\nStatus: RO\nA: 1\n\none\n>From x\n>>From y\n> From z\nFrom here\n\n\
                From b Thu Jan  1 00:00:08 1970\nDate: Thu, 1 Jan 1970 01:00:09 +0100\n\ntwo\n\nFromage\n\n\n\
                From c Thu Jan  1 1970\n\nFrom c Thu Jan  1 00:00 1970\nX-Status: F\n\nthree";
    let path = world.file("a.mbox", mbox.as_bytes());
    let summary = world.import(&[path], None);
    assert_eq!(
        world.texts("INBOX"),
        [
            "Status: RO\r\nA: 1\r\n\r\none\r\nFrom x\r\n>From y\r\n> From z\r\nFrom here\r\n",
            "Date: Thu, 1 Jan 1970 01:00:09 +0100\r\n\r\ntwo\r\n\r\nFromage\r\n\r\n\r\nFrom c Thu Jan  1 1970\r\n",
            "X-Status: F\r\n\r\nthree",
        ]
    );
    assert_eq!((summary.imported, summary.left.total()), (3, 0));
    let messages = world.messages("INBOX");
    let [(one, _), (two, _), (three, _)] = messages.as_slice() else { panic!() };
    assert_eq!((one.received, one.flags), (Stamp::utc(7), SystemFlag::Seen.set()));
    assert_eq!((two.received, two.flags.0), (Stamp { seconds: 9, zone: 60 }, 0));
    assert_eq!(three.flags, SystemFlag::Flagged.set());
    assert_eq!(three.received, Stamp::utc(0));
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
    let summary = world.import(&[path], None);
    assert_eq!((summary.imported, summary.bytes), (2, 13 + 15));
    assert_eq!(left(&summary), [(Kind::Refused, 1), (Kind::Empty, 1)]);
    assert!(summary.left.is_loss());
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
    let summary = world.import(std::slice::from_ref(&maildir), None);
    assert_eq!((summary.imported, left(&summary)), (4, vec![(Kind::Unfinished, 1)]));
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
    assert_eq!(plan(std::slice::from_ref(&folder), None).unwrap().left.count(Kind::Unknown), 1);
    world.import(&[folder], None);
    assert_eq!(world.texts("INBOX"), ["From: x\r\n\r\none\r\n", "A: 2\r\n\r\nFrom me\r\n", "A: 3\r\n\r\nthree\r\n"]);
    assert!(plan(&[world.folder.join("nowhere")], None).is_err());
}

#[test]
fn a_full_account_stops_the_import_and_says_where() {
    let mut world = World::new("quota", Limits { bytes: None, messages: Some(3) });
    let path = world.file("a.mbox", "From a\nA: 1\n\ntext\n\n".repeat(100).as_bytes());
    let paths = [path];
    let summary = world.import(&paths, None);
    let (place, why) = summary.stopped.unwrap();
    assert_eq!((summary.imported, place.message, why.contains("quota")), (3, Some(4), true));
    assert_eq!(world.messages("INBOX").len(), 3);
    // With more room it goes on where it ended, though all its messages are the same.
    let limits = Limits { bytes: None, messages: Some(50) };
    world.store.write_blocking(Write::SetLimits { account: world.account, limits }).unwrap();
    let summary = world.import(&paths, None);
    assert_eq!((summary.imported, summary.known, summary.stopped.unwrap().0.message), (47, 3, Some(51)));
    assert_eq!(world.messages("INBOX").len(), 50);
}

#[test]
fn the_same_import_again_doubles_nothing_unless_that_is_wanted() {
    let mut world = World::new("again", Limits::default());
    let twice = [&b"From a Thu Jan  1 00:00:07 1970\n"[..], &mail("twice"), b"\n"].concat();
    let one = world.file("one.mbox", &twice.repeat(2));
    let two = world.file("two.mbox", &[&twice[..], b"From b Thu Jan  1 00:00:07 1970\n", &mail("other")].concat());
    let paths = [one, two];
    let summary = world.import(&paths, None);
    assert_eq!((summary.imported, summary.known), (4, 0), "three that are the same are three");
    let summary = world.import(&paths, None);
    assert_eq!((summary.imported, summary.known), (0, 4));
    world.import(&paths, Some("Old"));
    assert_eq!(world.messages("Old").len(), 4, "another mailbox has none of them");
    // A new process knows as much.
    let folder = world.folder.clone();
    world.store = Arc::new(Store::open(&folder.join("other"), Options::default()).unwrap());
    world.store = Arc::new(Store::open(&folder.join("data"), Options::default()).unwrap());
    let one = world.import(&paths[..1], None);
    assert_eq!((one.imported, one.known), (0, 2));
    assert_eq!(world.import_as(&paths, None, true).imported, 4);
    assert_eq!(world.messages("INBOX").len(), 8);
    assert_eq!(world.store.check().unwrap().findings, []);
}

#[test]
fn an_import_that_is_interrupted_says_where_and_goes_on_from_there() {
    let mut world = World::new("interrupt", Limits::default());
    let messages =
        (0..500).flat_map(|n| [b"From a Thu Jan  1 00:00:07 1970\n".to_vec(), mail(&format!("n{n}")), b"\n".to_vec()]);
    let path = [world.file("a.mbox", &messages.collect::<Vec<_>>().concat())];
    let mut direct = Direct { store: Arc::clone(&world.store), account: world.account, again: false };
    let mut lines = 0;
    let summary = run(&plan(&path, None).unwrap(), &mut direct, &mut |_| {
        lines += 1;
        if lines > 1_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let (place, why) = summary.stopped.clone().unwrap();
    assert_eq!((why.as_str(), summary.imported_after), ("it was interrupted", 0));
    assert_eq!(world.messages("INBOX").len() as u64, summary.imported, "what was told is what is there");
    assert_eq!(place.message, Some(summary.imported + 1), "and it is all that came before");
    let summary = world.import(&path, None);
    assert_eq!((summary.imported + summary.known, world.messages("INBOX").len()), (500, 500));
}

/// A destination whose server goes away after so many messages.
struct Fragile {
    taken: u64,
    sent: u64,
}

impl Destination for Fragile {
    fn open(&mut self, _: &str) -> Result<Box<dyn Intake + '_>, Broken> {
        if self.taken == 0 { Err(Broken("it is not there".to_owned())) } else { Ok(Box::new(self)) }
    }
}

impl Intake for &mut Fragile {
    fn push(&mut self, _: &[u8]) -> Result<(), Broken> {
        if self.sent >= self.taken + 5 { Err(Broken("the server hung up".to_owned())) } else { Ok(()) }
    }

    fn end(&mut self, _: Meta) -> Result<(), Broken> {
        self.sent += 1;
        Ok(())
    }

    fn give_up(&mut self) -> Result<(), Broken> {
        Ok(())
    }

    fn verdict(&mut self, wait: bool) -> Result<Option<Verdict>, Broken> {
        match (self.taken, self.sent) {
            (taken, sent) if taken > 0 && sent > 0 => {
                (self.taken, self.sent) = (taken - 1, sent - 1);
                Ok(Some(Verdict::Taken))
            }
            _ if wait => Err(Broken("the server hung up".to_owned())),
            _ => Ok(None),
        }
    }
}

#[test]
fn a_server_that_goes_away_leaves_no_doubt_of_what_it_took() {
    let world = World::new("fragile", Limits::default());
    let mbox = [b"From a Thu Jan  1 00:00:07 1970\n".to_vec(), mail("x"), b"\n".to_vec()].concat().repeat(100);
    let path = [world.file("a.mbox", &mbox)];
    let plan = plan(&path, None).unwrap();
    let mut goes_on = |_: Event| ControlFlow::Continue(());
    let summary = run(&plan, &mut Fragile { taken: 10, sent: 0 }, &mut goes_on);
    let (place, why) = summary.stopped.unwrap();
    assert_eq!((summary.imported, place.message, summary.unknown), (10, Some(11), 5));
    assert_eq!(why, "the server hung up");
    let summary = run(&plan, &mut Fragile { taken: 0, sent: 0 }, &mut goes_on);
    assert_eq!((summary.imported, summary.stopped.unwrap().1), (0, "it is not there".to_owned()));
}

#[test]
fn an_mbox_is_parted_at_its_dates_whatever_stands_before_them() {
    let cases: [(&str, &str, &[&str]); 7] = [
        (
            "no empty line before it",
            "From - Tue Jul  5 18:44:15 2022\nSubject: 1\n\na\nFrom - Tue Jul  5 18:44:15 2022\nSubject: 2\n\nb\n",
            &["Subject: 1\r\n\r\na\r\n", "Subject: 2\r\n\r\nb\r\n"],
        ),
        (
            "a body's line",
            "From a Tue Jul  5 18:44:15 2022\nSubject: 1\n\na\n\nFrom now on at nine\n\nFrom b Tue Jul  5 18:44 2022\nA: 2\n\nb\n",
            &["Subject: 1\r\n\r\na\r\n\r\nFrom now on at nine\r\n", "A: 2\r\n\r\nb\r\n"],
        ),
        (
            "the file's own form",
            "From a\nSubject: 1\n\na\n\nFrom now on at nine\n\nFrom b\nA: 2\n\nb\n",
            &["Subject: 1\r\n\r\na\r\n\r\nFrom now on at nine\r\n", "A: 2\r\n\r\nb\r\n"],
        ),
        (
            "a byte order mark, CRLF",
            "\u{feff}From a Tue Jul  5 18:44:15 2022\r\nA: 1\r\n\r\na\r\n\r\nFrom b Tue Jul  5 18:44:15 2022\r\nA: 2\r\n\r\nb\r\n",
            &["A: 1\r\n\r\na\r\n", "A: 2\r\n\r\nb\r\n"],
        ),
        (
            "lengths that lead somewhere",
            "From a Tue Jul  5 18:44:15 2022\nContent-Length: 36\n\nFrom x Tue Jul  5 18:44:15 2022\nend\n\nFrom b Tue Jul  5 18:44:15 2022\nContent-Length: 2\n\nb\n",
            &["Content-Length: 36\r\n\r\nFrom x Tue Jul  5 18:44:15 2022\r\nend\r\n", "Content-Length: 2\r\n\r\nb\r\n"],
        ),
        (
            "lengths that do not",
            "From a Tue Jul  5 18:44:15 2022\nContent-Length: 999\n\na\n\nFrom b Tue Jul  5 18:44:15 2022\nContent-Length: 1\n\nb\n",
            &["Content-Length: 999\r\n\r\na\r\n", "Content-Length: 1\r\n\r\nb\r\n"],
        ),
        (
            "what a server wrote, what was deleted, and text before all",
            "\n\nFrom MAILER-DAEMON Tue Jul  5 18:44:15 2022\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nx\n\nFrom - Tue Jul  5 18:44:15 2022\nX-Mozilla-Status: 0009\n\ngone\n\nFrom - Tue Jul  5 18:44:15 2022\nX-Mozilla-Status: 0001\n\nhere\n",
            &["X-Mozilla-Status: 0001\r\n\r\nhere\r\n"],
        ),
    ];
    for (number, (what, mbox, texts)) in cases.into_iter().enumerate() {
        let mut world = World::new(&format!("separators-{number}"), Limits::default());
        let path = world.file("a.mbox", mbox.as_bytes());
        let summary = world.import(&[path], None);
        assert_eq!(world.texts("INBOX"), texts, "{what}");
        let expected: &[(Kind, u64)] = if number == 6 { &[(Kind::Expunged, 1), (Kind::Internal, 1)] } else { &[] };
        assert_eq!(left(&summary), expected, "{what}");
    }
}

#[test]
fn folders_become_mailboxes_whosever_they_are() {
    let dated = |subject: &str| [&b"From - Tue Jul  5 18:44:15 2022\n"[..], &mail(subject)].concat();
    let emlx = |subject: &str, flags: u64| {
        let mail = mail(subject);
        let list = format!("<plist><dict><key>flags</key><integer>{flags}</integer></dict></plist>\n");
        [format!("{}\n", mail.len()).as_bytes(), &mail, list.as_bytes()].concat()
    };
    let mut world = World::new("trees", Limits::default());
    let maildir = |world: &World, at: &str, subject: &str| {
        for part in ["new", "tmp"] {
            std::fs::create_dir_all(world.folder.join(at).join(part)).unwrap();
        }
        world.file(&format!("{at}/cur/1.host:2,S"), &mail(subject));
    };
    for (at, subject) in
        [("fs/INBOX", "in"), ("fs/Dev/GitHub", "hub"), ("fs/Dev/GitHub/Old", "old"), ("fs/R&APY-m", "rome")]
    {
        maildir(&world, at, subject);
    }
    for (at, subject) in [("root", "top"), ("root/.inbox.Kid", "kid"), ("root/Sub", "sub"), ("root/Sub/.Dot", "dot")] {
        maildir(&world, at, subject);
    }
    world.file("root/dovecot-uidlist", b"3 V1 N2\n");
    for (at, subject) in
        [("bird/Inbox", "in"), ("bird/Work", "work"), ("bird/Work.sbd/Old", "old"), ("bird/v1.0", "dots")]
    {
        world.file(at, &dated(subject));
    }
    for (at, octets) in
        [("bird/Work.msf", &b"index"[..]), ("bird/Empty", b""), ("bird/popstate.dat", b"x"), ("bird/a.elf", b"\x7fELF")]
    {
        world.file(at, octets);
    }
    std::fs::create_dir_all(world.folder.join("bird/Store/tmp")).unwrap();
    world.file("bird/Store/cur/1.eml", &[&b"X-Mozilla-Status: 0005\n"[..], &mail("store")].concat());
    world.file("apple/V10/INBOX.mbox/1-2/Data/Messages/1.emlx", &emlx("in", 1));
    world.file("apple/V10/Work.mbox/Old.mbox/Messages/2.partial.emlx", &emlx("half", 16));
    world.file("apple/V10/Work.mbox/mbox", &dated("whole"));
    world.file("apple/V10/Work.mbox/table_of_contents", b"x");
    std::os::unix::fs::symlink("/nowhere", world.folder.join("apple/link")).unwrap();
    let names = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, subject)| ((*name).to_owned(), vec![(*subject).to_owned()]))
            .collect::<BTreeMap<_, _>>()
    };
    let cases = [
        ("fs", names(&[("INBOX", "in"), ("Dev/GitHub", "hub"), ("Dev/GitHub/Old", "old"), ("Röm", "rome")]), vec![]),
        (
            "root",
            names(&[("INBOX", "top"), ("INBOX/Kid", "kid"), ("Sub", "sub"), ("Sub/Dot", "dot")]),
            vec![(Kind::Own, 1)],
        ),
        (
            "bird",
            names(&[("INBOX", "in"), ("Work", "work"), ("Work/Old", "old"), ("v1.0", "dots"), ("Store", "store")]),
            vec![(Kind::Own, 2), (Kind::Foreign("a program (ELF)"), 1)],
        ),
        (
            "apple",
            names(&[("INBOX", "in"), ("Work", "whole"), ("Work/Old", "half")]),
            vec![(Kind::Partial, 1), (Kind::Link, 1), (Kind::Own, 1)],
        ),
    ];
    for (at, mailboxes, rest) in cases {
        let mut other = World::new(&format!("trees-{at}"), Limits::default());
        let folder = [world.folder.join(at)];
        let summary = other.import(&folder, None);
        assert_eq!(other.subjects(), mailboxes, "{at}");
        assert_eq!(left(&summary), rest, "{at}");
        other.import(&folder, Some("Old"));
        let below = mailboxes.keys().map(|name| if name == "INBOX" { "Old".to_owned() } else { format!("Old/{name}") });
        assert!(below.clone().all(|name| other.subjects().contains_key(&name)), "{at}");
        if at == "bird" {
            let snapshot = other.store.snapshot().unwrap();
            assert!(snapshot.mailbox_named(other.account, "Empty").unwrap().is_some(), "an empty folder is one");
            let store = other.messages("Store").first().unwrap().0;
            assert!(store.flags.is(SystemFlag::Seen) && store.flags.is(SystemFlag::Flagged));
        }
        if at == "apple" {
            assert!(other.messages("INBOX").first().unwrap().0.flags.is(SystemFlag::Seen));
        }
    }
    drop(world.import(&[world.folder.join("bird/Inbox")], None));
}

#[test]
fn keywords_that_a_mailbox_has_no_room_for_are_counted() {
    let mut world = World::new("keywords", Limits::default());
    let words: Vec<String> = (0..125).map(|number| format!("k{number}")).collect();
    let mbox = format!("From a Thu Jan  1 00:00:07 1970\nX-Keywords: {}\n\nx\n", words.join(" "));
    let path = world.file("a.mbox", mbox.as_bytes());
    let summary = world.import(&[path], None);
    assert_eq!((summary.imported, left(&summary)), (1, vec![(Kind::Keyword, 5)]));
    assert_eq!(world.messages("INBOX").first().unwrap().0.flags.keywords().count(), 120);
}

#[test]
fn what_is_no_mail_is_refused_by_its_name() {
    let mut world = World::new("foreign", Limits::default());
    for (name, octets, what) in [
        ("a", &b"\x7fELF\x02"[..], "a program (ELF)"),
        ("b.eml", b"%PDF-1.7", "a PDF document"),
        ("c.mbox", b"\x1f\x8b\x08", "packed with gzip: unpack it first"),
        ("d.pst", b"!BDN....", "an Outlook data file"),
        ("e.txt", b"just text\n", "it has no header"),
    ] {
        let path = world.file(name, octets);
        let error = plan(&[path], None).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(what), "{error}");
    }
    let error = plan(&[PathBuf::from("/dev/null")], None).unwrap_err().to_string();
    assert!(error.contains("neither a file nor a folder"), "{error}");
    let mark = world.file("f.eml", b"\xef\xbb\xbfA: 1\n\nb\n");
    world.import(&[mark], None);
    assert_eq!(world.texts("INBOX"), ["A: 1\r\n\r\nb\r\n"]);
    std::fs::create_dir_all(world.folder.join("m/new")).unwrap();
    world.file("m/cur/1:2,", b"\x7fELF");
    let summary = world.import(&[world.folder.join("m")], None);
    assert_eq!((summary.imported, left(&summary)), (0, vec![(Kind::Foreign("a program (ELF)"), 1)]));
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
    assert_eq!((summary.imported, summary.left.total()), (3000, 0), "{:?}", world.told);
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
