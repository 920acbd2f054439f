//! A store that is only read, by wish or because its disk fails.

use super::tests::{Folder, account, append, octets};
use super::*;

/// A copy of a store's folder as it lies on the disk now: what a crash at this moment leaves.
fn crashed(folder: &Folder, name: &str) -> Folder {
    let copy = Folder::new(name);
    std::fs::create_dir_all(&copy.0).unwrap();
    for file in ["mail.redb".to_owned(), format!("journal-{FORMAT}")] {
        std::fs::copy(folder.0.join(&file), copy.0.join(&file)).unwrap();
    }
    copy
}

fn files(folder: &Folder) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = std::fs::read_dir(&folder.0).unwrap().map(Result::unwrap);
    let mut files: Vec<_> = entries.map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_store_that_is_only_read_shows_what_is_in_the_journal_only_and_leaves_the_folder_as_it_is() {
    let folder = Folder::new("frozen");
    let store = folder.store();
    let (_, inbox) = account(&store, Limits::default());
    for number in 0..20 {
        append(&store, inbox, &octets(3_000, number)).unwrap();
    }
    let copy = crashed(&folder, "frozen-copy");
    drop(store);
    let before = files(&copy);
    let store = Store::open_read_only(&copy.0, Options::default()).unwrap();
    let other = Store::open_read_only(&copy.0, Options::default()).unwrap();
    assert_eq!(store.health(), Health::ReadOnly);
    assert_eq!(other.watch(inbox).unwrap().unwrap().now().rows.len(), 20);
    let refused = append(&store, inbox, b"A: b\r\n\r\n");
    assert!(matches!(refused, Err(StoreError::Refused(Refusal::ReadOnly))), "{refused:?}");
    assert_eq!(store.snapshot().unwrap().messages(inbox, 1, u32::MAX).unwrap().count(), 20);
    assert_eq!(store.check().unwrap().findings, []);
    assert!(matches!(Store::open(&copy.0, Options::default()), Err(Fault::InUse)), "it is being read");
    drop((store, other));
    assert!(files(&copy) == before, "something was written");
    let store = copy.store();
    append(&store, inbox, b"A: b\r\n\r\n").unwrap();
    assert_eq!(store.snapshot().unwrap().messages(inbox, 1, u32::MAX).unwrap().count(), 21);
    assert!(matches!(Store::open_read_only(&copy.0, Options::default()), Err(Fault::InUse)), "it is being written");
}

#[test]
fn a_folder_without_a_store_is_not_made_one_by_reading() {
    let folder = Folder::new("frozen-nothing");
    std::fs::create_dir_all(&folder.0).unwrap();
    assert!(matches!(Store::open_read_only(&folder.0, Options::default()), Err(Fault::Io(_))));
    assert!(files(&folder).is_empty());
}
