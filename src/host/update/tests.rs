//! Updates on a machine of the tests, and with the power going at every step.

use super::error::UpdateError;
use super::machine_tests::{BOARD, LOADERS, Loader, Machine, Started, manifest, sign, tar};
use super::slots::CONFIRMED;
use super::updates::Updates;
use crate::host::words::Slot;
use minisign::KeyPair;
use std::fs;
use std::path::{Path, PathBuf};

fn quiet() -> impl FnMut(String) {
    |_| {}
}

fn started(slot: Slot, trial: bool, version: &str) -> Started {
    Started { slot, trial, version: version.to_owned() }
}

#[test]
fn an_update_is_tried_confirmed_and_undone_with_every_boot_loader() {
    for loader in LOADERS {
        let machine = Machine::new("whole", loader);
        let first = machine.start().unwrap();
        assert_eq!(first, started(Slot::A, false, "1"));
        let updates = machine.updates(&first, 1);
        assert_eq!(updates.install(&machine.update("2"), &mut quiet()).unwrap(), "2");
        assert!(updates.state().other.unwrap().is_next);
        let second = machine.start().unwrap();
        assert_eq!(second, started(Slot::B, true, "2"), "{loader:?}");
        let updates = machine.updates(&second, 1);
        assert!(matches!(updates.install(&machine.update("3"), &mut quiet()), Err(UpdateError::OnTrial)));
        assert!(matches!(updates.undo(false), Err(UpdateError::OnTrial)));
        updates.confirm().unwrap();
        assert_eq!(machine.start(), Some(started(Slot::B, false, "2")), "{loader:?}");
        assert_eq!(updates.note_fallback(), None);
        // And the next one goes into the slot that the first system was in; that it has a lower letter does not count.
        updates.undo(false).unwrap();
        let back = machine.start().unwrap();
        assert_eq!(back, started(Slot::A, true, "1"), "{loader:?}");
        machine.updates(&back, 1).confirm().unwrap();
        let back = machine.start().unwrap();
        assert_eq!(back, started(Slot::A, false, "1"), "{loader:?}");
        let updates = machine.updates(&back, 1);
        updates.install(&machine.update("3"), &mut quiet()).unwrap();
        let third = machine.start().unwrap();
        assert_eq!(third, started(Slot::B, true, "3"), "{loader:?}");
        machine.updates(&third, 1).confirm().unwrap();
        let third = machine.start().unwrap();
        let updates = machine.updates(&third, 1);
        updates.install(&machine.update("4"), &mut quiet()).unwrap();
        assert_eq!(machine.start(), Some(started(Slot::A, true, "4")), "{loader:?}");
    }
}

#[test]
fn a_system_that_does_not_come_up_is_left_and_told_of() {
    for loader in [Loader::SystemdBoot, Loader::UBoot] {
        let machine = Machine::new("panics", loader);
        let first = machine.start().unwrap();
        machine.updates(&first, 1).install(&machine.update("2"), &mut quiet()).unwrap();
        for _ in 0..3 {
            assert_eq!(machine.start(), Some(started(Slot::B, true, "2")), "{loader:?}");
        }
        for _ in 0..3 {
            assert_eq!(machine.start(), Some(first.clone()), "{loader:?}");
        }
        let updates = machine.updates(&first, 1);
        assert_eq!(updates.note_fallback().unwrap(), "the update to 2 did not come up: 1 runs as before");
        assert_eq!(updates.note_fallback(), None, "it is told once");
        let other = updates.state().other.unwrap();
        assert!(other.failed && !other.is_next && other.confirmed.is_none());
        assert!(matches!(updates.undo(true), Err(UpdateError::NothingToUndo(_))), "there is nothing good in it");
        assert_eq!(machine.start(), Some(first.clone()));
        // A better one may follow.
        updates.install(&machine.update("3"), &mut quiet()).unwrap();
        assert_eq!(machine.start(), Some(started(Slot::B, true, "3")), "{loader:?}");
    }
}

#[test]
fn a_system_that_knows_that_it_will_not_do_is_left_where_nothing_counts() {
    let machine = Machine::new("gives-up", Loader::Firmware);
    let first = machine.start().unwrap();
    machine.updates(&first, 1).install(&machine.update("2"), &mut quiet()).unwrap();
    let second = machine.start().unwrap();
    machine.updates(&second, 1).give_up().unwrap();
    machine.updates(&second, 1).give_up().unwrap();
    assert_eq!(machine.start(), Some(first.clone()));
    let updates = machine.updates(&first, 1);
    assert!(updates.note_fallback().unwrap().contains("the update to 2 did not come up"));
    assert_eq!(updates.note_fallback(), None);
    assert_eq!(machine.start(), Some(first));
}

/// What power cuts leave always starts, and an update can be made afterwards.
#[test]
fn power_that_goes_at_any_step_leaves_a_system_that_starts() {
    for loader in LOADERS {
        let mut cuts = 0;
        // An update, its confirmation, the way back, the update over a slot that is full, giving up: with a cut at each step.
        for act in 0..6 {
            for steps in 0.. {
                let machine = Machine::new("cut", loader);
                let mut running = machine.start().unwrap();
                let confirmed = |machine: &Machine| {
                    let on_trial = machine.start().unwrap();
                    assert!(on_trial.trial);
                    machine.updates(&on_trial, 1).confirm().unwrap();
                    machine.start().unwrap()
                };
                if (2..5).contains(&act) {
                    machine.updates(&running, 1).install(&machine.update("2"), &mut quiet()).unwrap();
                    running = confirmed(&machine);
                }
                if act == 1 || act == 5 {
                    machine.updates(&running, 1).install(&machine.update("2"), &mut quiet()).unwrap();
                    running = machine.start().unwrap();
                }
                if act == 4 {
                    // Installed and not started yet, then another one.
                    machine.updates(&running, 1).install(&machine.update("3"), &mut quiet()).unwrap();
                }
                let updates = machine.updates(&running, 1);
                *updates.fat.power.lock().unwrap() = Some(steps);
                let done = match act {
                    0 | 3 | 4 => updates.install(&machine.update("5"), &mut quiet()).map(drop),
                    1 => updates.confirm(),
                    5 => updates.give_up(),
                    _ => updates.undo(false).map(drop),
                };
                let after = machine.start().unwrap_or_else(|| panic!("{loader:?} {act} {steps}: nothing starts"));
                let kept = match act {
                    1 => after.slot == running.slot,
                    // Where starts are counted, it is tried again.
                    5 => after == started(Slot::A, false, "1") || after == running,
                    _ => after == Started { trial: false, ..running.clone() },
                };
                let tried = after.trial && after.slot != running.slot;
                assert!(kept || tried, "{loader:?} {act} {steps}: {after:?} after {running:?}");
                if tried {
                    let expected: &[&str] = match act {
                        2 => &["1"],
                        // Until the loader knows no more of it, the one before is as good.
                        4 => &["3", "5"],
                        _ => &["5"],
                    };
                    assert!(expected.contains(&after.version.as_str()), "{loader:?} {act} {steps}: {after:?}");
                }
                if done.is_ok() {
                    assert!(tried || act == 1 || act == 5, "{loader:?} {act}: it is done");
                    assert!(steps >= 2 || act == 5, "{loader:?} {act}: the power was cut somewhere");
                    break;
                }
                cuts += 1;
                // It goes on from there, whichever it is.
                if after.trial {
                    machine.updates(&after, 1).confirm().unwrap();
                }
                let now = machine.start().unwrap();
                assert!(!now.trial, "{loader:?} {act} {steps}: {now:?}");
                let updates = machine.updates(&now, 1);
                updates.note_fallback();
                assert_eq!(machine.start(), Some(now.clone()), "{loader:?} {act} {steps}");
                updates.install(&machine.update("7"), &mut quiet()).unwrap();
                let last = machine.start().unwrap();
                assert_eq!(last, started(now.slot.other(), true, "7"), "{loader:?} {act} {steps}");
            }
        }
        assert!(cuts > 30, "{loader:?}: {cuts}");
    }
}

#[test]
fn what_is_not_signed_by_a_trusted_key_is_refused_before_anything_is_written() {
    for loader in LOADERS {
        let machine = Machine::new("refused", loader);
        let first = machine.start().unwrap();
        let before = tree(&machine.boot());
        let updates = machine.updates(&first, 1);
        let install = |updates: &Updates, source: &str| updates.install(source, &mut quiet());
        let good = machine.update("2");
        let octets = fs::read(&good).unwrap();

        for at in [0, 600, 1100, octets.len() / 2, octets.len() - 1] {
            let mut changed = octets.clone();
            changed[at] ^= 1;
            fs::write(&good, &changed).unwrap();
            assert!(matches!(install(&updates, &good), Err(UpdateError::BadSignature)), "{at}");
        }
        for length in [0, 1, 512, 1024, octets.len() - 1024, octets.len() - 1] {
            fs::write(&good, &octets[..length]).unwrap();
            assert!(matches!(install(&updates, &good), Err(UpdateError::BadSignature)), "cut off at {length}");
        }
        let longer: Vec<u8> = octets.iter().copied().chain([0; 512]).collect();
        fs::write(&good, longer).unwrap();
        assert!(matches!(install(&updates, &good), Err(UpdateError::BadSignature)));

        fs::write(&good, &octets).unwrap();
        let stranger = KeyPair::generate_unencrypted_keypair().unwrap();
        fs::write(format!("{good}.minisig"), sign(&stranger, &octets)).unwrap();
        assert!(matches!(install(&updates, &good), Err(UpdateError::UnknownKey)));
        for nonsense in ["", "x", "untrusted comment: x\nRW==\ntrusted comment: y\nz\n"] {
            fs::write(format!("{good}.minisig"), nonsense).unwrap();
            assert!(matches!(install(&updates, &good), Err(UpdateError::NoSignature(_))), "{nonsense:?}");
        }
        fs::remove_file(format!("{good}.minisig")).unwrap();
        assert!(matches!(install(&updates, &good), Err(UpdateError::NoSignature(_))));

        let good = machine.update("2");
        let without = machine.updates_with(&first, 1, Vec::new());
        assert!(matches!(install(&without, &good), Err(UpdateError::NoKeys)));
        let broken = machine.updates_with(&first, 1, vec!["RWnonsense".to_owned()]);
        assert!(matches!(install(&broken, &good), Err(UpdateError::BadKey(_))));
        assert!(matches!(install(&updates, "/nowhere/x.update"), Err(UpdateError::Fetch(_))));
        assert_eq!(tree(&machine.boot()), before, "{loader:?}");
    }
}

#[test]
fn what_is_signed_but_not_for_this_machine_is_refused() {
    let machine = Machine::new("signed", Loader::UBoot);
    let first = machine.start().unwrap();
    let before = tree(&machine.boot());
    let updates = machine.updates(&first, 1);
    let files: [(&str, &[u8]); 2] = [("vmlinuz", b"kernel 2"), ("initramfs", b"initramfs 2")];
    let text = |board: &str, built| manifest("2", built, board, &files);
    let install = |name: &str, octets: &[u8]| updates.install(&machine.signed(name, octets), &mut quiet()).unwrap_err();

    assert!(matches!(install("board", &tar(&text("rpi5", 200), &files)), UpdateError::OtherBoard { .. }));
    assert!(matches!(install("older", &tar(&text(BOARD, 99), &files)), UpdateError::Older { theirs: 99, ours: 100 }));

    let says = |name: &str, octets: &[u8], why: &str| match install(name, octets) {
        UpdateError::NoUpdate(text) => assert!(text.contains(why), "{name}: {text}"),
        other => panic!("{name}: {other}"),
    };
    says("empty", b"", "empty");
    says("no-tar", &[b'x'; 3000], "");
    says("lacks", &tar(&text(BOARD, 200), &files[..1]), "lacks initramfs");
    says("twice", &tar(&text(BOARD, 200), &[files[0], files[1], files[0]]), "twice");
    says("unknown", &tar(&text(BOARD, 200), &[files[0], files[1], ("more", b"x")]), "does not know more");
    says("no-kernel", &tar(&manifest("2", 200, BOARD, &files[1..]), &files[1..]), "no vmlinuz");
    says("no-toml", &tar("version = ", &files), "manifest");
    says("line", &tar(&text(BOARD, 200).replace("\"2\"", "\"2\\noptions x\""), &files), "version");
    for name in ["../vmlinuz", "a/b", "/etc", ".x", "slot.toml", "confirmed", "Failed", "x.", "é"] {
        let odd: [(&str, &[u8]); 3] = [files[0], files[1], (name, b"x")];
        says("name", &tar(&manifest("2", 200, BOARD, &odd), &odd), "no name for a file");
    }
    // What the manifest says of a file is what the file must be, signed or not.
    let lies = tar(&text(BOARD, 200), &[files[0], ("initramfs", b"initramfs 3")]);
    let before_lies = tree(&machine.boot().join("a"));
    assert!(matches!(install("lies", &lies), UpdateError::BadSignature));
    assert_eq!(machine.start(), Some(first.clone()));
    assert_eq!(tree(&machine.boot().join("a")).len(), before_lies.len() + 1, "but for the note that it is confirmed");
    fs::remove_dir_all(machine.boot().join("b")).unwrap();
    fs::remove_file(machine.boot().join("a").join(CONFIRMED)).unwrap();
    assert_eq!(tree(&machine.boot()), before);
}

#[test]
fn a_link_in_an_update_is_no_file() {
    let machine = Machine::new("link", Loader::UBoot);
    let first = machine.start().unwrap();
    let files: [(&str, &[u8]); 2] = [("vmlinuz", b""), ("initramfs", b"")];
    let mut builder = tar::Builder::new(Vec::new());
    let text = manifest("2", 200, BOARD, &files);
    let mut header = tar::Header::new_ustar();
    header.set_path("slot.toml").unwrap();
    header.set_size(text.len() as u64);
    header.set_cksum();
    builder.append(&header, text.as_bytes()).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("vmlinuz").unwrap();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_link_name("/etc/passwd").unwrap();
    header.set_size(0);
    header.set_cksum();
    builder.append(&header, &[][..]).unwrap();
    let source = machine.signed("link", &builder.into_inner().unwrap());
    let refused = machine.updates(&first, 1).install(&source, &mut quiet());
    assert!(matches!(refused, Err(UpdateError::NoUpdate(why)) if why.contains("no plain file")));
}

#[test]
fn the_same_version_may_be_installed_again() {
    for loader in LOADERS {
        let machine = Machine::new("again", loader);
        let first = machine.start().unwrap();
        let updates = machine.updates(&first, 1);
        for _ in 0..2 {
            updates.install(&machine.update("1"), &mut quiet()).unwrap();
        }
        assert_eq!(machine.start(), Some(started(Slot::B, true, "1")), "{loader:?}");
    }
}

#[test]
fn an_update_that_was_not_started_yet_is_called_off() {
    for loader in LOADERS {
        let machine = Machine::new("called-off", loader);
        let first = machine.start().unwrap();
        let updates = machine.updates(&first, 1);
        assert!(matches!(updates.undo(false), Err(UpdateError::NothingToUndo(_))));
        updates.install(&machine.update("2"), &mut quiet()).unwrap();
        assert_eq!(updates.undo(false).unwrap(), "called off: 1 stays");
        assert_eq!(updates.note_fallback(), None, "{loader:?}");
        assert_eq!(machine.start(), Some(first), "{loader:?}");
        assert!(matches!(updates.undo(false), Err(UpdateError::NothingToUndo(_))), "it never ran");
    }
}

#[test]
fn the_way_back_is_refused_where_the_other_slot_is_damaged_or_gone() {
    for loader in LOADERS {
        let machine = Machine::new("damaged", loader);
        machine.updates(&machine.start().unwrap(), 1).install(&machine.update("2"), &mut quiet()).unwrap();
        let second = machine.start().unwrap();
        let updates = machine.updates(&second, 1);
        updates.confirm().unwrap();
        fs::write(machine.boot().join("a/initramfs"), "initramfs 0").unwrap();
        assert!(matches!(updates.undo(true), Err(UpdateError::NothingToUndo(why)) if why.contains("initramfs")));
        fs::remove_file(machine.boot().join("a/initramfs")).unwrap();
        assert!(matches!(updates.undo(true), Err(UpdateError::NothingToUndo(_))));
        assert_eq!(machine.start().unwrap().version, "2");
    }
}

#[test]
fn data_in_a_newer_format_is_given_up_only_when_told_so() {
    let machine = Machine::new("format", Loader::SystemdBoot);
    let marker = machine.folder.0.join("mail/restore-format");
    machine.updates(&machine.start().unwrap(), 1).install(&machine.update("2"), &mut quiet()).unwrap();
    let second = machine.start().unwrap();
    let updates = machine.updates(&second, 2);
    updates.confirm().unwrap();
    assert_eq!(updates.state().other.unwrap().confirmed, Some(1));
    assert!(matches!(updates.undo(false), Err(UpdateError::NewerData { theirs: 1, ours: 2 })));
    assert!(!marker.exists());
    updates.undo(true).unwrap();
    assert_eq!(fs::read_to_string(&marker).unwrap(), "discard");
    updates.undo(true).unwrap();
    assert!(!marker.exists(), "called off");
}

#[test]
fn a_fallback_asks_for_the_data_as_it_was_if_nothing_is_lost_by_that() {
    let machine = Machine::new("fallback-format", Loader::UBoot);
    let first = machine.start().unwrap();
    machine.updates(&first, 1).install(&machine.update("2"), &mut quiet()).unwrap();
    for _ in 0..4 {
        machine.start().unwrap();
    }
    machine.updates(&first, 1).note_fallback().unwrap();
    assert_eq!(fs::read_to_string(machine.folder.0.join("mail/restore-format")).unwrap(), "unharmed");
}

#[test]
fn a_machine_without_slots_says_so() {
    let machine = Machine::new("none", Loader::UBoot);
    let first = machine.start().unwrap();
    for name in ["boot.scr", "slot.env"] {
        fs::remove_file(machine.boot().join(name)).unwrap();
    }
    let updates = machine.updates(&first, 1);
    assert!(matches!(updates.install(&machine.update("2"), &mut quiet()), Err(UpdateError::NoSlots)));
    assert_eq!(updates.state().slot, None);
    assert_eq!(updates.note_fallback(), None);
}

/// All files below a folder with what is in them.
fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let octets = fs::read(&path).unwrap();
                found.push((path, octets));
            }
        }
    }
    found.sort();
    found
}
