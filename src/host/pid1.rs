//! The first process: what happens from the kernel's hand-over to the main loop. It never ends.

use super::house::House;
use super::modules::Modules;
use super::settings::Seed;
use super::watchdog::Watchdog;
use super::words::{Release, Words};
use super::{children, clock, console, mounts, power, ring, uevents};
use crate::sys::threads;
use rustix::system::{RebootCommand, reboot};
use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How long a start may take before the watchdog ends it: a slow card, a large disk, a file system that was cut off.
const START: Duration = Duration::from_mins(5);

/// What PID 1 asks of the rooms that it does not know. A folder is the mail server's.
pub trait Wiring: Send + Sync + 'static {
    /// What the store can do, through the server that has it open; an error where it does not answer, or can do nothing.
    fn answers(&self, folder: &Path) -> Result<Store, String>;
    /// Makes an account through the server; one that is there stays as it is.
    fn add_account(&self, folder: &Path, seed: &Seed) -> Result<(), String>;
    /// Whether there is an account.
    fn has_accounts(&self, folder: &Path) -> Result<bool, String>;
    /// Whether the mail server could go by these settings; if not, why.
    fn accepts(&self, settings: &str) -> Result<(), String>;
    /// The format in which the mail server writes its data.
    fn format(&self) -> u32;
}

/// What the mail server's store can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Everything.
    Good,
    /// All but take in mail: its disk is full.
    Full,
    /// Only be read.
    ReadOnly,
}

/// What the main loop is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Something may have changed.
    Look,
    /// Start the machine again, in order.
    Reboot,
    /// Switch it off, in order.
    PowerOff,
}

/// What was there before anything else, and stays.
pub(super) struct Ground {
    pub(super) wiring: Arc<dyn Wiring>,
    pub(super) words: Words,
    pub(super) release: Release,
    pub(super) modules: Arc<Mutex<Modules>>,
    pub(super) watchdog: Watchdog,
    pub(super) orders: Sender<Order>,
    pub(super) inbox: Receiver<Order>,
}

/// Whether this process was started by the kernel to be the first. In a container the first one is what the owner calls.
#[must_use]
pub fn is_pid1() -> bool {
    let name = std::env::args_os().next().unwrap_or_default();
    rustix::process::getpid().is_init() && Path::new(&name).file_name().is_some_and(|name| name == "init")
}

/// Is PID 1, for ever.
pub fn run(wiring: impl Wiring) -> ! {
    threads::tell_of_panics();
    mounts::early();
    console::take();
    ring::begin();
    let (words, release) = (Words::of_this_boot(), Release::read());
    clock::begin(release.built, None);
    log::info!("Pillarbox {} for {} begins", release.version, release.board);
    let watchdog = Watchdog::start(words.watchdog, START);
    let (orders, inbox) = mpsc::channel();
    let told = orders.clone();
    children::reap(move || {
        // Nobody hears it any more only when all ends.
        let _ = told.send(Order::Look);
    });
    power::listen(&orders);
    set_up_kernel();
    let modules = Arc::new(Mutex::new(Modules::read()));
    uevents::begin(&modules, &orders);
    let (on_trial, fed) = (words.trial, watchdog.clone());
    let ground = Ground { wiring: Arc::new(wiring), words, release, modules, watchdog, orders, inbox };
    let Some(mut house) = threads::guarded("the start", || House::open(ground)) else { stay(on_trial, &fed) };
    loop {
        // A panic in one round was told, and is not the end of the next.
        threads::go_on("the main loop", &mut || {
            loop {
                house.turn();
            }
        });
    }
}

/// The start itself broke off. On trial, the other system is to come back; otherwise starting again and again helps
/// nobody, and what the log says can be read.
fn stay(on_trial: bool, watchdog: &Watchdog) -> ! {
    console::print("Pillarbox could not start. What happened is above.\n");
    if on_trial {
        thread::sleep(Duration::from_secs(10));
        rustix::fs::sync();
        let _ = reboot(RebootCommand::Restart);
    }
    loop {
        watchdog.hold(START);
        thread::sleep(Duration::from_secs(10));
    }
}

/// What the kernel is to do otherwise.
fn set_up_kernel() {
    for (name, value) in [
        // The mail server is not root, and listens on the well-known ports.
        ("net/ipv4/ip_unprivileged_port_start", "0"),
        // Nobody but root has anything to do with these.
        ("kernel/dmesg_restrict", "1"),
        ("kernel/kptr_restrict", "2"),
        ("kernel/unprivileged_bpf_disabled", "1"),
        ("user/max_user_namespaces", "0"),
        ("fs/protected_symlinks", "1"),
        ("fs/protected_hardlinks", "1"),
    ] {
        if let Err(error) = fs::write(Path::new("/proc/sys").join(name), value) {
            log::warn!("{name} could not be set: {error}");
        }
    }
}
