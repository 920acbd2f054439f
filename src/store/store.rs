//! The store as others hold it.

use super::alarm::{Alarm, Alarms};
use super::blobs::{Abandoned, Pin, Pins};
use super::error::{Fault, StoreError};
use super::grant::{Grant, Grants};
use super::guard::contained;
use super::journal::Journal;
use super::layout::{Layout, TODAY};
use super::lived::Lived;
use super::medium::Medium;
use super::mirror::{Mirrors, Watch};
use super::parcel::Packer;
use super::privacy;
use super::queue::Space as Keeper;
use super::recovery::close;
use super::replay;
use super::schema::{
    ACCOUNT, ADDRESS, ALIAS, BLOB_CEILING, BODY, CONFIG, DOMAIN, DOOMED, DUE, FILING, FORMAT_KEY, HEAD, JOURNAL_FORMAT,
    KEPT, MAILBOX, MSG, NAME, QUEUE, REFS, ROOM_INSIDE, SAVEPOINT, STAGING, SUBSCRIPTION, VANISHED,
};
use super::snapshot::Snapshot;
use super::space::Space;
use super::way_back;
use super::write::{Outcome, Write};
use super::writer::{self, Job, Message};
use crate::mail::{AccountId, BlobId, MailboxId, UniqueId};
use crate::sys::threads;
use event_listener::{Event, EventListener};
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableError};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Octets of redb's cache. The process needs this and about 8 MB.
    pub cache: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { cache: 16 << 20 }
    }
}

/// The store: read by snapshots, changed by the one writer.
#[derive(Debug)]
pub struct Store {
    pub(super) shared: Arc<Shared>,
    // Taken on drop: the writer ends when there is nobody left to send.
    jobs: Option<Sender<Message>>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
pub(super) struct Shared {
    // Empty for the moment in which it is opened again after an error.
    pub(super) database: RwLock<Option<Arc<Database>>>,
    pub(super) layout: &'static Layout,
    pub(super) medium: Medium,
    // Nothing is written: what cannot be kept off the disk is in memory.
    pub(super) frozen: AtomicBool,
    // And that is so for good, by the owner's wish.
    pub(super) reads_only: bool,
    // And until the next start, since the file is damaged.
    pub(super) is_remains: AtomicBool,
    // The writer was asked to see to the database, and has not done so yet.
    pub(super) looked_for: AtomicBool,
    pub(super) mirrors: Mirrors,
    pub(super) abandoned: Arc<Abandoned>,
    pub(super) pins: Arc<Pins>,
    pub(super) space: Space,
    // Which days passed here.
    pub(super) lived: Mutex<Lived>,
    // None for a store without a folder.
    journal: Mutex<Option<Journal>>,
    // Blobs that came in since the tables were durable last.
    fresh: Mutex<Vec<BlobId>>,
    // Mailboxes that have new rows since an idle moment.
    grown: Mutex<BTreeSet<MailboxId>>,
    next_blob: AtomicU64,
    // Rung when something was put into the queue, changed there, or taken out.
    pub(super) queue_bell: Event,
    // Rung with every commit.
    pub(super) change_bell: Event,
    // Accounts whose usage or limits changed since somebody asked, and the bell for it.
    pub(super) weighed: Mutex<BTreeSet<AccountId>>,
    pub(super) weigh_bell: Event,
    pub(super) alarms: Alarms,
    pub(super) grants: Grants,
}

/// Whether a store is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writes {
    /// Now.
    Now,
    /// When the disk lets it be.
    Later,
    /// Never: by the owner's wish.
    Never,
}

impl Store {
    /// Opens the store in a folder, or makes it; one that cannot be written is read until it can be. One process at a time.
    pub fn open(folder: &Path, options: Options) -> Result<Store, Fault> {
        Store::open_as(folder, options, &TODAY)
    }

    /// The same for a program with another layout.
    pub(super) fn open_as(folder: &Path, options: Options, layout: &'static Layout) -> Result<Store, Fault> {
        privacy::create_folder(folder)?;
        let path = folder.join("mail.redb");
        if !path.try_exists()? {
            make_database(folder, &path, options, layout)?;
        }
        let space = Space::of(Some(folder));
        let store = match Store::open_to_write(&path, options, layout) {
            Err(Fault::Io(_)) if space.is_full() && space.drop_ballast() => {
                log::error!("the disk is full: the ballast was let go");
                Store::open_to_write(&path, options, layout)
            }
            opened => opened,
        };
        let store = match store {
            // What is there can be read, perhaps, and written again once the disk lets it be.
            Err(Fault::Io(why)) => {
                let frozen = Store::open_frozen(&path, options, layout).map_err(|_| Fault::Io(why.clone()))?;
                log::error!("nothing can be written to the disk: mail can only be read: {why}");
                frozen
            }
            opened => opened.or_else(|fault| Store::open_remains(folder, options, layout, fault))?,
        };
        privacy::close_to_others(folder);
        if !store.is_read_only()
            && let Err(error) = space.put_ballast()
        {
            log::warn!("no ballast could be put down: {error}");
        }
        Ok(store)
    }

    /// A damaged store that cannot be opened otherwise: what is left of it, to be read. Or the fault that there was.
    pub(super) fn open_remains(
        folder: &Path,
        options: Options,
        layout: &'static Layout,
        fault: Fault,
    ) -> Result<Store, Fault> {
        let Fault::Corrupt(what) = fault else { return Err(fault) };
        let medium = Medium::file(folder.join("mail.redb"), options);
        let database = medium.open_remains().map_err(|_| fault.clone())?;
        let store =
            Store::start(database, medium, Writes::Never, Space::of(Some(folder)), layout).map_err(|_| fault)?;
        log::error!("the mail store is damaged ({what}): what is left of it can only be read");
        Ok(store)
    }

    fn open_to_write(path: &Path, options: Options, layout: &'static Layout) -> Result<Store, Fault> {
        let medium = Medium::file(path.to_owned(), options);
        let database = medium.open()?;
        Store::start(database, medium, Writes::Now, Space::of(path.parent()), layout)
    }

    fn open_frozen(path: &Path, options: Options, layout: &'static Layout) -> Result<Store, Fault> {
        let medium = Medium::file(path.to_owned(), options);
        let database = medium.open_frozen()?;
        Store::start(database, medium, Writes::Later, Space::of(path.parent()), layout)
    }

    pub(super) fn start(
        database: Database,
        medium: Medium,
        writes: Writes,
        space: Space,
        layout: &'static Layout,
    ) -> Result<Store, Fault> {
        let (database, next_blob) = contained(|| {
            let folder = medium.path().and_then(Path::parent).filter(|_| writes == Writes::Now);
            way_back::settle(&database, layout, folder, medium.now())?;
            let next_blob = initialise(&database, &space, layout)?;
            Ok((database, next_blob))
        })?;
        let shared = Arc::new(Shared {
            database: RwLock::new(Some(Arc::new(database))),
            medium,
            frozen: AtomicBool::new(writes != Writes::Now),
            reads_only: writes == Writes::Never,
            is_remains: AtomicBool::new(false),
            looked_for: AtomicBool::new(false),
            layout,
            mirrors: Mirrors::default(),
            abandoned: Arc::default(),
            pins: Arc::default(),
            space,
            lived: Mutex::default(),
            journal: Mutex::new(None),
            fresh: Mutex::default(),
            grown: Mutex::default(),
            next_blob: AtomicU64::new(next_blob),
            queue_bell: Event::new(),
            change_bell: Event::new(),
            weighed: Mutex::default(),
            weigh_bell: Event::new(),
            alarms: Alarms::default(),
            grants: Grants::default(),
        });
        contained(|| replay::prepare(&shared, shared.medium.now()))?;
        // What was taken over from the journal may have brought more ids.
        let snapshot = shared.snapshot()?;
        let ceiling =
            snapshot.guarded(|| Ok(snapshot.table(CONFIG)?.get(BLOB_CEILING)?.map_or(0, |known| known.value())))?;
        drop(snapshot);
        shared.next_blob.fetch_max(ceiling, Ordering::SeqCst);
        *shared.lived.lock().unwrap_or_else(PoisonError::into_inner) =
            Lived::read(shared.snapshot()?.kept(Keeper::Lived, &[])?.as_deref());
        drop(shared.observe());
        let (jobs, inbox) = mpsc::channel();
        let writer = threads::steady("the writer", {
            let shared = Arc::clone(&shared);
            let mut broke_off = false;
            move || {
                if std::mem::replace(&mut broke_off, true) {
                    writer::begin_again(&shared);
                }
                writer::run(&shared, &inbox);
            }
        })?;
        Ok(Store { shared, jobs: Some(jobs), writer: Some(writer) })
    }

    /// Hears of the next change in the queue. Listen first, then look: what rang before is seen then.
    #[must_use]
    pub fn queue_changes(&self) -> EventListener {
        self.shared.queue_bell.listen()
    }

    /// Hears of the next commit, whatever it changed. Listen first, then look.
    #[must_use]
    pub fn changes(&self) -> EventListener {
        self.shared.change_bell.listen()
    }

    /// Hears of the next change in what accounts use, or may. Listen first, then look with `take_weighed`.
    #[must_use]
    pub fn usage_changes(&self) -> EventListener {
        self.shared.weigh_bell.listen()
    }

    /// The accounts whose usage or limits may have changed since this was asked last.
    #[must_use]
    pub fn take_weighed(&self) -> BTreeSet<AccountId> {
        std::mem::take(&mut *self.shared.weighed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hears what an account is told of its quota from now on.
    #[must_use]
    pub fn alarm(&self, account: AccountId) -> Alarm {
        self.shared.alarms.of(account)
    }

    /// What a log-in to this account is good for from now on: to be asked for before a password is compared with what
    /// the account has.
    #[must_use]
    pub fn grant(&self, account: AccountId) -> Grant {
        self.shared.grants.of(account)
    }

    /// A consistent state to read from, to be dropped before any wait.
    pub fn snapshot(&self) -> Result<Snapshot, Fault> {
        let snapshot = self.shared.snapshot();
        if self.shared.medium.has_failed() || snapshot.is_err() {
            self.look();
        }
        snapshot
    }

    /// Opens a mailbox for a session; `None` when there is none.
    pub fn watch(&self, mailbox: MailboxId) -> Result<Option<Watch>, Fault> {
        self.shared.mirrors.open(mailbox, || self.shared.snapshot())
    }

    /// From which UID on the messages of this mailbox have not been told to any session, if that is known in memory.
    #[must_use]
    pub fn recent_from(&self, mailbox: MailboxId) -> Option<u32> {
        self.shared.mirrors.recent_from(mailbox)
    }

    /// Does a write; when this returns `Ok`, it is durable.
    pub async fn write(&self, write: Write) -> Result<Outcome, StoreError> {
        let answer = self.submit(write, None)?;
        answer.recv().await.map_err(|_| Fault::Stopped)?
    }

    /// As `write`, by the right that somebody logged in with: refused with [`super::Refusal::Revoked`] where that is over
    /// when its turn comes, in the order of commits.
    pub async fn write_as(&self, grant: &Grant, write: Write) -> Result<Outcome, StoreError> {
        let answer = self.submit(write, Some(grant.clone()))?;
        answer.recv().await.map_err(|_| Fault::Stopped)?
    }

    /// As `write`, for threads that may wait.
    pub fn write_blocking(&self, write: Write) -> Result<Outcome, StoreError> {
        let answer = self.submit(write, None)?;
        answer.recv_blocking().map_err(|_| Fault::Stopped)?
    }

    /// Begins to take a message.
    #[must_use]
    pub fn packer(&self) -> Packer {
        Packer::new(BlobId(self.shared.next_blob.fetch_add(1, Ordering::Relaxed)), self.unique_id())
    }

    /// A new name for a message in POP3.
    #[must_use]
    pub fn unique_id(&self) -> UniqueId {
        let mut octets = [0; 8];
        if SystemRandom::new().fill(&mut octets).is_err() {
            // Before the kernel has gathered randomness: a number that no message of this store has.
            return UniqueId(self.shared.next_blob.fetch_add(1, Ordering::Relaxed));
        }
        UniqueId(u64::from_ne_bytes(octets))
    }

    /// The packed frames of a message that is still coming in, as a write, so that they need not be held in memory.
    #[must_use]
    pub fn stage(&self, packer: &mut Packer) -> Write {
        Write::Stage(packer.stage(&self.shared.abandoned))
    }

    /// Keeps a blob readable.
    #[must_use]
    pub fn pin(&self, blob: BlobId) -> Pin {
        self.shared.pins.pin(blob)
    }

    /// Where the data lies, if in a file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.shared.medium.path()
    }

    fn submit(
        &self,
        write: Write,
        grant: Option<Grant>,
    ) -> Result<smol::channel::Receiver<Result<Outcome, StoreError>>, StoreError> {
        let (answer, receiver) = smol::channel::bounded(1);
        let jobs = self.jobs.as_ref().ok_or(Fault::Stopped)?;
        jobs.send(Message::Job(Job { write, grant, answer })).map_err(|_| Fault::Stopped)?;
        Ok(receiver)
    }

    /// A read met a failure: the writer, who alone may, opens the database again. Without this a store that is only read
    /// would never come back.
    fn look(&self) {
        if let Some(jobs) = &self.jobs
            && !self.shared.looked_for.swap(true, Ordering::Relaxed)
        {
            // A writer that has ended has nobody left to open it for.
            let _ = jobs.send(Message::Look);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            // It cannot have panicked: what it does is begun again.
            let _ = writer.join();
        }
    }
}

impl Shared {
    pub(super) fn database(&self) -> Result<Arc<Database>, Fault> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        database.clone().ok_or_else(|| Fault::Io("the store is being opened again".to_owned()))
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fresh(&self) -> MutexGuard<'_, Vec<BlobId>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn grown(&self) -> MutexGuard<'_, BTreeSet<MailboxId>> {
        self.grown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn folder(&self) -> Option<&Path> {
        self.medium.path().and_then(Path::parent)
    }

    pub(super) fn snapshot(&self) -> Result<Snapshot, Fault> {
        // Whoever is the last to hold a database that was given up closes it, and redb panics at some of what it finds.
        contained(|| Snapshot::of(&*self.database()?, self.medium.damage()))
    }

    /// Whether nothing can be written.
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        close(self.database.get_mut().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Makes the file of a new store. It gets its name when it is whole: power that goes before leaves nothing that would
/// have to be opened.
fn make_database(folder: &Path, path: &Path, options: Options, layout: &Layout) -> Result<(), Fault> {
    let making = folder.join("mail.redb.new");
    let create = || {
        contained(|| {
            Ok(Database::builder()
                .set_cache_size(options.cache)
                .create_with_backend(FileBackend::new(privacy::open(&making)?)?)?)
        })
    };
    let database = match create() {
        Err(Fault::Io(_)) if making.try_exists()? => {
            // Left by such a cut: it holds nothing.
            std::fs::remove_file(&making)?;
            create()?
        }
        made => made?,
    };
    contained(|| initialise(&database, &Space::of(None), layout))?;
    // Locked until it has its name, so that no other process takes it for a leftover.
    match rename_new(&making, path) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => std::fs::rename(&making, path)?,
        Err(rustix::io::Errno::EXIST) => return Err(Fault::InUse),
        renamed => renamed.map_err(std::io::Error::from)?,
    }
    drop(database);
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

fn rename_new(from: &Path, to: &Path) -> Result<(), rustix::io::Errno> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
}

/// Makes the tables where there are none, checks the format; returns the first free blob id.
fn initialise(database: &Database, space: &Space, layout: &Layout) -> Result<u64, Fault> {
    let snapshot = database.begin_read()?;
    match snapshot.open_table(CONFIG) {
        Ok(config) => {
            if config.get(FORMAT_KEY)?.map(|format| format.value()) != Some(u64::from(layout.format)) {
                return Err(Fault::Corrupt("the format"));
            }
            space.pin(config.get(SAVEPOINT)?.is_some());
            space.remember(config.get(ROOM_INSIDE)?.map_or(0, |inside| inside.value()));
            let ceiling = config.get(BLOB_CEILING)?.map_or(1, |ceiling| ceiling.value().max(1));
            // An id given out twice would put one message's content into another's: better look.
            let last = snapshot.open_table(HEAD)?.last()?.map_or(0, |(blob, _)| blob.value());
            return Ok(ceiling.max(last.saturating_add(1)));
        }
        // Anything but a new file is not ours to write into.
        Err(TableError::TableDoesNotExist(_)) if snapshot.list_tables()?.next().is_none() => {}
        Err(error) => return Err(error.into()),
    }
    drop(snapshot);
    let transaction = database.begin_write()?;
    {
        let mut config = transaction.open_table(CONFIG)?;
        config.insert(FORMAT_KEY, u64::from(layout.format))?;
        config.insert(JOURNAL_FORMAT, u64::from(layout.format))?;
    }
    transaction.open_table(ACCOUNT)?;
    transaction.open_table(ADDRESS)?;
    transaction.open_table(MAILBOX)?;
    transaction.open_table(NAME)?;
    transaction.open_table(SUBSCRIPTION)?;
    transaction.open_table(MSG)?;
    transaction.open_table(VANISHED)?;
    transaction.open_table(HEAD)?;
    transaction.open_table(BODY)?;
    transaction.open_table(REFS)?;
    transaction.open_table(DOOMED)?;
    transaction.open_table(STAGING)?;
    transaction.open_table(QUEUE)?;
    transaction.open_table(DUE)?;
    transaction.open_table(KEPT)?;
    transaction.open_table(ALIAS)?;
    transaction.open_table(DOMAIN)?;
    transaction.open_table(FILING)?;
    transaction.commit()?;
    Ok(1)
}
