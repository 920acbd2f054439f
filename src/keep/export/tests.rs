//! Exports from one store, and imports of them into another.

use super::*;
use crate::keep::import::tests::World;
use crate::keep::layout::INDEX;
use crate::mail::{MailboxName, Stamp, UniqueId};
use crate::store::{History, Limits, NewMessage, OnDelete, Outcome, Retired, Uids, Write};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// All that is to come back of a mailbox: of each message its octets, flags, date, name in POP3, and what POP3 did to it.
type Mailboxes = BTreeMap<String, Vec<(Vec<u8>, Vec<String>, Stamp, UniqueId, Retired)>>;

impl World {
    fn append(&self, mailbox: &str, octets: &[u8], flags: &[&str], received: Stamp, hidden: bool) {
        let mailbox = crate::keep::open_mailbox(&self.store, self.account, mailbox).unwrap();
        let mut packer = self.store.packer();
        packer.push(octets).unwrap();
        let message = NewMessage {
            parcel: packer.finish().unwrap(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            received,
            now: 0,
            history: History { unique: None, hidden },
        };
        self.store.write_blocking(Write::Append { mailbox, message }).unwrap();
    }

    fn export(&self, format: Format) -> (PathBuf, Summary, Vec<String>) {
        let folder = self.folder.join(format!("{format:?}"));
        let mut warnings = Vec::new();
        let mut origin = Direct::new(self.store.clone(), self.account).unwrap();
        let summary = run(&mut origin, &folder, format, &mut |event| {
            if let Event::Warning(what) = event {
                warnings.push(what);
            }
        });
        (folder, summary.unwrap(), warnings)
    }

    fn mailboxes(&self) -> Mailboxes {
        let records = self.store.snapshot().unwrap().mailboxes(self.account).unwrap();
        let mailboxes = records.into_iter().map(|(_, record)| {
            let messages = self.messages(&record.name).into_iter().map(|(message, octets)| {
                let system = crate::mail::SystemFlag::ALL.into_iter().filter(|flag| message.flags.is(*flag));
                let keywords = message.flags.keywords().map(|number| record.keywords[number].clone());
                let mut flags: Vec<String> = system.map(|flag| flag.name().to_owned()).chain(keywords).collect();
                flags.sort();
                (octets, flags, message.received, message.unique, message.retired)
            });
            (record.name.clone(), messages.collect())
        });
        mailboxes.collect()
    }
}

/// Mail of every kind that is hard to bring back.
fn hard(name: &str) -> World {
    let world = World::new(name, Limits::default());
    let east = Stamp { seconds: 1_030_016_176, zone: 330 };
    let early = Stamp { seconds: -86_400 * 365, zone: -240 };
    let late = Stamp { seconds: 100_000_000_000, zone: 0 };
    for (number, text) in [
        "A: 1\r\n\r\ntext\r\n",
        "A: 1\r\n\r\nno end",
        "A: 1\r\n\r\nFrom a\r\n>From b\r\n>>From c\r\n\r\nFrom d\r\n\r\n\r\n",
        "A: 1\n\nlines\nof\nfiles\n",
        "A: 1\n\nlines\nof files\n\nFrom me",
        "A: 1\r\n\r\nlone\rand twice\r\r\nand both\n",
        "A: 1\r\n\r\nends with\r",
        "A: 1\n\nends with\r",
        "\r\n",
        "\n",
        "\n\n\n",
        "\r\n\r\n",
        "From ",
        "From me\r\nA: 1\r\n\r\n",
        ">",
        "x",
        "\r",
        "Status: RO\r\nX-Status: FA\r\nDate: Thu, 1 Jan 1970 00:00:09 +0000\r\nReceived: x; Thu, 1 Jan 1970 00:00:05 +0000\r\n\r\n",
        "A: 1\r\n\r\n\0\u{80}binary\0\r\n",
    ]
    .iter()
    .enumerate()
    {
        let date = [east, early, late, Stamp::utc(7)][number % 4];
        let flags: &[&str] = [&["\\Seen", "work"][..], &[], &["$Forwarded", "\\Flagged", "a+b@c,=d/e"]][number % 3];
        world.append("INBOX", text.as_bytes(), flags, date, number % 5 == 0);
    }
    for (mailbox, number) in
        ["Work", "Work/v1.0/Röm", "Work.mbox/x", "cur/a", "new/a", "tmp/a", ".x", "日本語/Entwürfe & so", "INBOX/Below"]
            .iter()
            .zip(0_u8..)
    {
        let all = ["\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen", "$Junk"];
        world.append(
            mailbox,
            mailbox.as_bytes(),
            &all[usize::from(number % 4)..],
            Stamp::utc(i64::from(number)),
            false,
        );
    }
    let long = vec!["ü日".repeat(10); 16].join("/");
    world.append(&long, b"far below\r\n", &[], east, false);
    world.append(&"日本語".repeat(60), b"a long level\r\n", &[], east, false);
    let empty =
        Write::CreateMailbox { account: world.account, name: MailboxName::nearest("Empty/Below"), special: None };
    world.store.write_blocking(empty).unwrap();
    world
}

fn imported(name: &str, folder: &Path) -> World {
    let mut other = World::new(name, Limits::default());
    other.import(&[folder.to_owned()], None);
    assert_eq!(other.told, Vec::<String>::new());
    other
}

#[test]
fn what_was_exported_is_imported_as_it_was() {
    let world = hard("export-hard");
    for format in [Format::Maildir, Format::Mbox] {
        let (folder, summary, warnings) = world.export(format);
        assert_eq!((summary.messages, summary.unreadable, warnings), (30, 0, Vec::new()));
        let other = imported(&format!("import-hard-{format:?}"), &folder);
        let (wanted, got) = (world.mailboxes(), other.mailboxes());
        assert_eq!(wanted.keys().collect::<Vec<_>>(), got.keys().collect::<Vec<_>>());
        for (mailbox, wanted) in &wanted {
            let got = &got[mailbox];
            assert_eq!(wanted.len(), got.len(), "{mailbox}");
            for (wanted, got) in wanted.iter().zip(got) {
                assert_eq!(wanted.0.escape_ascii().to_string(), got.0.escape_ascii().to_string(), "{format:?}");
                assert_eq!(wanted, got, "{mailbox} {format:?}");
            }
        }
        assert_eq!(other.store.check().unwrap().findings, []);
    }
}

#[test]
fn an_export_below_another_mailbox_keeps_its_levels() {
    let world = hard("export-below");
    for format in [Format::Maildir, Format::Mbox] {
        let mut other = World::new(&format!("import-below-{format:?}"), Limits::default());
        other.import(&[world.export(format).0], Some("Old"));
        assert_eq!(other.messages("Old").len(), 19);
        assert_eq!(other.messages("Old/Work/v1.0/Röm").len(), 1);
        assert_eq!(other.messages("Old/INBOX/Below").len(), 1);
    }
}

#[test]
fn what_pop3_put_into_the_trash_comes_back_as_what_is_in_the_trash() {
    let world = World::new("export-trash", Limits::default());
    world.append("INBOX", b"A: 1\r\n\r\n", &[], Stamp::utc(1), false);
    let mailbox = world.store.snapshot().unwrap().mailbox_named(world.account, "INBOX").unwrap().unwrap();
    world.store.write_blocking(Write::Retire { mailbox, uids: Uids::all(), how: OnDelete::Trash }).unwrap();
    let (wanted, _) = world.messages("Trash")[0];
    assert_eq!(wanted.retired, Retired::Trashed);
    let other = imported("import-trash", &world.export(Format::Mbox).0);
    let (got, _) = other.messages("Trash")[0];
    assert_eq!((got.unique, got.retired), (wanted.unique, Retired::No));
}

#[test]
fn a_large_message_comes_in_pieces_and_back_whole() {
    let world = World::new("export-large", Limits::default());
    let mut text = b"A: 1\r\n\r\n".to_vec();
    let mut random = crate::mail::xorshift::Xorshift::new(5);
    while text.len() < 3_000_000 {
        text.extend_from_slice(format!("{} \r\n>From {}\r\n", random.below(1 << 40), random.below(1 << 40)).as_bytes());
    }
    world.append("INBOX", &text, &[], Stamp::utc(1), false);
    text.truncate(2_000_001);
    text.extend_from_slice(b"\n");
    world.append("INBOX", &text, &[], Stamp::utc(2), false);
    for format in [Format::Maildir, Format::Mbox] {
        let other = imported(&format!("import-large-{format:?}"), &world.export(format).0);
        assert!(other.mailboxes() == world.mailboxes(), "{format:?}");
    }
    let (mut origin, mut octets) = (Direct::new(world.store.clone(), world.account).unwrap(), Vec::new());
    loop {
        octets.clear();
        match origin.next(&mut octets).unwrap() {
            Part::Octets(length) => assert!(length as usize == octets.len() && octets.len() < 512 << 10),
            Part::End => break,
            _ => assert!(octets.is_empty()),
        }
    }
}

#[test]
fn a_folder_that_is_in_use_is_left_alone() {
    let world = World::new("export-refused", Limits::default());
    world.append("INBOX", b"A: 1\r\n\r\n", &[], Stamp::utc(1), false);
    let tried = |folder: &Path| {
        let mut origin = Direct::new(world.store.clone(), world.account).unwrap();
        run(&mut origin, folder, Format::Maildir, &mut |_| ()).map_err(|stopped| stopped.to_string())
    };
    let folder = world.folder.join("there");
    std::fs::create_dir(&folder).unwrap();
    assert_eq!(tried(&folder).unwrap().messages, 1);
    assert!(folder.join(INDEX).exists() && !folder.join("export.incomplete").exists());
    let before = std::fs::read_dir(&folder).unwrap().count();
    assert!(tried(&folder).unwrap_err().contains("is not empty"));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), before);
    let broken = world.folder.join("broken");
    std::fs::create_dir_all(broken.join("export.incomplete")).unwrap();
    assert!(tried(&broken).unwrap_err().contains("did not come to its end"));
    let file = world.folder.join("file");
    std::fs::write(&file, "mine").unwrap();
    assert!(tried(&file).is_err());
}

#[test]
fn what_is_expunged_or_deleted_meanwhile_is_not_met() {
    let world = World::new("export-meanwhile", Limits::default());
    for number in 0..100 {
        world.append("INBOX", format!("A: {number}\r\n\r\n").as_bytes(), &["\\Deleted"], Stamp::utc(1), false);
        world.append("Later", b"A: 1\r\n\r\n", &[], Stamp::utc(1), false);
    }
    let mut origin = Direct::new(world.store.clone(), world.account).unwrap();
    let mut octets = Vec::new();
    let (mut messages, mut mailboxes) = (0, 0);
    loop {
        match origin.next(&mut octets).unwrap() {
            Part::Message(_) => messages += 1,
            Part::Mailbox(name) => {
                mailboxes += 1;
                if name == "Later" {
                    let delete = Write::DeleteMailbox { account: world.account, name: MailboxName::nearest(&name) };
                    world.store.write_blocking(delete).unwrap();
                }
            }
            Part::Unreadable(..) => panic!(),
            Part::End => break,
            _ => {}
        }
        if messages == 10 {
            let mailbox = world.store.snapshot().unwrap().mailbox_named(world.account, "INBOX").unwrap().unwrap();
            world.store.write_blocking(Write::Expunge { mailbox, uids: None }).unwrap();
            while let Outcome::Swept { more: true, .. } = world.store.write_blocking(Write::Sweep).unwrap() {}
        }
    }
    // The page that was looked up already may still be there, or not.
    assert!((10..=64).contains(&messages), "{messages}");
    assert_eq!(mailboxes, 7);
}

#[test]
fn keywords_without_a_letter_are_told_of_once() {
    let world = World::new("export-keywords", Limits::default());
    let names: Vec<String> = (0..30).map(|number| format!("k{number}")).collect();
    let flags: Vec<&str> = names.iter().map(String::as_str).collect();
    world.append("INBOX", b"A: 1\r\n\r\n", &flags, Stamp::utc(1), false);
    world.append("INBOX", b"A: 2\r\n\r\n", &flags, Stamp::utc(1), false);
    let (folder, _, warnings) = world.export(Format::Maildir);
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert_eq!(imported("import-keywords", &folder).mailboxes()["INBOX"][1].1.len(), 26);
    let (folder, _, warnings) = world.export(Format::Mbox);
    assert!(warnings.is_empty());
    assert!(imported("import-keywords-mbox", &folder).mailboxes() == world.mailboxes());
}
