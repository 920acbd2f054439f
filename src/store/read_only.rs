//! A store that is only read: from a folder to which nothing can be, or is to be, written.

use super::error::Fault;
use super::layout::{Layout, TODAY};
use super::medium::{Ground, Medium};
use super::space::Space;
use super::store::{Options, Store, Writes};
use std::path::Path;

impl Store {
    /// Opens the store in a folder without writing anything to it: also on a disk that went read-only after an error.
    /// Every write is refused. Others may read it at the same time; one that another process writes is not opened.
    pub fn open_read_only(folder: &Path, options: Options) -> Result<Store, Fault> {
        Store::open_read_only_as(folder, options, &TODAY)
    }

    /// The same for a program with another layout.
    pub(super) fn open_read_only_as(folder: &Path, options: Options, layout: &'static Layout) -> Result<Store, Fault> {
        let path = folder.join("mail.redb");
        if !path.try_exists()? {
            return Err(Fault::Io(format!("there is no mail in {}", folder.display())));
        }
        let medium = Medium::file(path, options);
        let space = Space::of(Some(folder));
        let opened =
            medium.open_frozen().and_then(|database| Store::start(database, medium, Writes::Never, space, layout));
        opened.or_else(|fault| Store::open_remains(folder, options, layout, fault))
    }

    /// Opens a store on what lies elsewhere than in a folder, or makes it: for tests with disks that fail, or lose power.
    pub fn open_on(ground: impl Ground, options: Options) -> Result<Store, Fault> {
        let medium = Medium::ground(ground, options);
        let database = medium.open()?;
        Store::start(database, medium, Writes::Now, Space::of(None), &TODAY)
    }

    /// As `open_read_only`, on the same.
    pub fn open_read_only_on(ground: impl Ground, options: Options) -> Result<Store, Fault> {
        let medium = Medium::ground(ground, options);
        let database = medium.open_frozen()?;
        Store::start(database, medium, Writes::Never, Space::of(None), &TODAY)
    }

    /// Whether the store in a folder can be written: asked without changing anything but a time stamp.
    #[must_use]
    pub fn can_be_written(folder: &Path) -> bool {
        Medium::file(folder.join("mail.redb"), Options::default()).can_be_written()
    }

    /// Whether every write is refused at the moment.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.shared.is_frozen()
    }
}
