//! The main loop: all parts of the machine, looked at each second and whenever something happens.

use super::clock::{self, Clock};
use super::console::Console;
use super::data::{self, Data, State};
use super::desk::Desk;
use super::disk::Partition;
use super::health::{Health, Pulse};
use super::network::Network;
use super::owners::Owners;
use super::pid1::{Ground, Order, Store};
use super::report::{Report, Serving};
use super::server::{Mode, Server};
use super::settings::Settings;
use super::starts::Starts;
use super::update::Updates;
use super::usb::Usb;
use super::{boot, claim, console, door, mounts, threads};
use rustix::system::{RebootCommand, reboot, sethostname};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The longest time between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// How long the watchdog is fed for one round.
const HOLD: Duration = Duration::from_secs(30);
/// The same where a disk is mounted, which may have to mend itself first.
const LONG_HOLD: Duration = Duration::from_mins(5);
/// How long after the start it is no trouble that mail is not served yet.
const GRACE: Duration = Duration::from_secs(20);
/// A server that does not answer for so long is started again: once it answered, and before, when a large store may
/// have to be opened.
const SILENT: (Duration, Duration) = (Duration::from_mins(2), Duration::from_mins(10));
/// Nothing helped for so long: start the machine again.
const HOPELESS: Duration = Duration::from_mins(30);
/// After so long a start went well.
const WELL: Duration = Duration::from_mins(10);
/// The name, unless the settings have one.
const NAME: &str = "pillarbox";

/// The machine.
pub(super) struct House {
    ground: Ground,
    began: Instant,
    name: String,
    /// The FAT partition, as it was found.
    boot: Option<Partition>,
    /// What is wrong with it or its settings.
    complaints: Vec<String>,
    data: Data,
    network: Network,
    clock: Clock,
    server: Server,
    health: Health,
    owners: Owners,
    claim: String,
    updates: Arc<Updates>,
    /// What a system on trial has until then; `None` when it is confirmed, or was not on trial.
    trial: Option<Instant>,
    usb: Usb,
    starts: Starts,
    report: Arc<Mutex<Report>>,
    console: Console,
}

impl House {
    /// Starts everything. Mail is served as soon as its disk is there; nothing waits for the network.
    pub(super) fn open(ground: Ground) -> House {
        let began = Instant::now();
        let boot = boot::wait(ground.words.disk.as_deref());
        let mut complaints = Vec::new();
        match boot.as_ref().map(boot::mount) {
            Some(Ok(())) => {}
            Some(Err(error)) => complaints.push(format!("the settings cannot be read: {error}")),
            None => complaints.push("the disk with the settings was not found".to_owned()),
        }
        let mut settings = Settings::read(Path::new(boot::FOLDER));
        complaints.append(&mut settings.complaints);
        let name = settings.name.clone().unwrap_or_else(|| NAME.to_owned());
        be_called(&name);
        let data = Data::mount(boot.as_ref().map(|boot| boot.disk.as_str()));
        let is_good = *data.state() == State::Good;
        let clock_file = PathBuf::from(data::HOST).join("clock");
        clock::begin(ground.release.built, clock::saved(&clock_file));
        let leases = is_good.then(|| PathBuf::from(data::HOST));
        let network = until_it_works(|| Network::start(&name, &settings.network, leases.clone()));
        let accepts = |text: &str| ground.wiring.accepts(text);
        if is_good && let Err(why) = settings.hand_over(Path::new(data::MAIL), data::SERVER, accepts) {
            complaints.push(why);
        }
        let claim = claim::code(is_good);
        let mut server = Server::new(claim.clone());
        server.want(mode(data.state()));
        let (store, told) = (Arc::clone(&ground.wiring), ground.orders.clone());
        let health = Health::start(
            move || store.answers(Path::new(data::MAIL)),
            move || {
                let _ = told.send(Order::Look);
            },
        );
        let built = ground.release.built;
        let clock =
            until_it_works(|| Clock::start(network.clone(), settings.time_servers.clone(), built, clock_file.clone()));
        let owners = Owners::start(&ground.wiring, settings.accounts, &health, &ground.orders);
        let names = network.clone();
        let updates = Arc::new(Updates::new(
            &ground.words,
            ground.release.clone(),
            ground.wiring.format(),
            settings.update_keys,
            Arc::new(move |name: &str| names.resolve(name)),
        ));
        complaints.extend(updates.note_fallback());
        let starts = if is_good { Starts::note(ground.words.trial) } else { Starts::unknown() };
        let report: Arc<Mutex<Report>> = Arc::default();
        let desk = Desk::new(&updates, &report, &ground.orders);
        if let Err(error) = door::open(Path::new(door::PATH), Arc::new(desk)) {
            complaints.push(format!("the machine cannot be asked: {error}"));
        }
        let console = Console::start(&ground.orders, &report);
        let trial = ground.words.trial.then(|| began + ground.words.patience);
        House {
            ground,
            began,
            name,
            boot,
            complaints,
            data,
            network,
            clock,
            server,
            health,
            owners,
            claim,
            updates,
            trial,
            usb: Usb::default(),
            starts,
            report,
            console,
        }
    }

    /// Waits for what comes next, and does what is due.
    pub(super) fn turn(&mut self) {
        let first = self.ground.inbox.recv_timeout(ROUND);
        let rest: Vec<Order> = self.ground.inbox.try_iter().collect();
        for order in first.into_iter().chain(rest) {
            match order {
                Order::Look => {}
                Order::Reboot => self.end(RebootCommand::Restart),
                Order::PowerOff => self.end(RebootCommand::PowerOff),
            }
        }
        self.ground.watchdog.hold(HOLD);
        self.look_at_disks();
        self.server.turn(Instant::now());
        let pulse = self.health.now();
        self.judge(&pulse);
        self.treat(&pulse);
        self.tell(&pulse);
    }

    /// Disks that fail, go, and come.
    fn look_at_disks(&mut self) {
        // A server whose disk does not answer is left as it is: what it has in memory can be read.
        if self.data.look_again() && !matches!(self.data.state(), State::Lost(_)) {
            self.server.want(mode(self.data.state()));
        }
        if self.data.may_be_back() {
            self.ground.watchdog.hold(LONG_HOLD);
            self.server.end();
            self.data.leave();
            self.data = Data::mount(self.boot.as_ref().map(|boot| boot.disk.as_str()));
            self.server.want(mode(self.data.state()));
        }
        if self.boot.is_none()
            && let Some(partition) = boot::find(self.ground.words.disk.as_deref())
            && boot::mount(&partition).is_ok()
        {
            self.complaints.push("the disk with the settings came late: start again to use them".to_owned());
            self.boot = Some(partition);
        }
        self.usb.look(self.boot.as_ref().map(|boot| boot.disk.as_str()), &self.ground.modules);
    }

    /// A system on trial is confirmed, or given up.
    fn judge(&mut self, pulse: &Pulse) {
        let Some(until) = self.trial else { return };
        match pulse {
            Pulse::Good { since, .. } if since.elapsed() >= self.ground.words.confirm => match self.updates.confirm() {
                Ok(()) => {
                    log::info!("this system is confirmed");
                    self.trial = None;
                }
                Err(error) => log::error!("this system could not be confirmed: {error}"),
            },
            _ => {}
        }
        if self.trial.is_some() && Instant::now() > until {
            log::error!("this system did not get well in time: the other one is to come back");
            if let Err(error) = self.updates.give_up() {
                log::error!("the boot loader could not be told: {error}");
            }
            self.end(RebootCommand::Restart);
        }
    }

    /// What is wrong, and nobody knows why, may be helped by beginning again: the server first, then the machine.
    fn treat(&mut self, pulse: &Pulse) {
        let (since, why) = match pulse {
            Pulse::Good { since, .. } => {
                if since.elapsed() > WELL {
                    self.starts.forget();
                }
                return;
            }
            Pulse::Bad { since, why } => (*since, why),
        };
        // With a disk that does not work, beginning again helps nobody.
        if *self.data.state() != State::Good {
            return;
        }
        if let Some(started) = self.server.runs_since() {
            let (answered, silent) = if since > started { (true, since) } else { (false, started) };
            if silent.elapsed() > if answered { SILENT.0 } else { SILENT.1 } {
                log::error!("the mail server is started again: {why}");
                self.server.begin_again();
            }
        }
        if since.elapsed() > HOPELESS && self.trial.is_none() && self.starts.may_start_again() {
            log::error!("nothing helped: the machine starts again");
            self.restart();
        }
    }

    /// Says how it is.
    fn tell(&mut self, pulse: &Pulse) {
        let report = self.now(pulse);
        let settled = report.serving != Serving::Starting;
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&report);
        if settled {
            self.console.show(&report);
        }
    }

    fn now(&self, pulse: &Pulse) -> Report {
        let known = self.owners.known();
        if known.any == Some(true) {
            claim::is_used();
        }
        let mut troubles = self.complaints.clone();
        troubles.extend(known.complaints);
        let store = match pulse {
            Pulse::Good { store, .. } => *store,
            Pulse::Bad { .. } => Store::Good,
        };
        troubles.extend(self.data.trouble(store));
        let serving = match (pulse, mode(self.data.state())) {
            (Pulse::Good { .. }, Some(Mode::ReadOnly)) | (Pulse::Good { store: Store::ReadOnly, .. }, _) => {
                Serving::ReadOnly
            }
            (Pulse::Good { .. }, _) => Serving::Whole,
            (_, Some(_)) if self.began.elapsed() < GRACE => Serving::Starting,
            _ => Serving::Not,
        };
        if let (Serving::Not, Pulse::Bad { why, .. }, Some(_)) = (serving, pulse, mode(self.data.state())) {
            troubles.push(self.server.trouble().unwrap_or_else(|| why.clone()));
        }
        let slot = self.ground.words.slot.map(|slot| {
            let trial = if self.trial.is_some() { ", on trial" } else { "" };
            format!("{}{trial}", slot.letter())
        });
        let network = self.network.status();
        let with_cable = network.links.iter().filter(|link| link.cable);
        let addresses = with_cable.flat_map(|link| {
            let ipv4 = link.address.map(|(address, _)| IpAddr::V4(address));
            ipv4.into_iter().chain(link.ipv6.iter().copied().map(IpAddr::V6))
        });
        let addresses = addresses.collect();
        Report {
            version: self.ground.release.version.clone(),
            // On a network that has another of this name, mDNS takes one beside it.
            name: if self.name.contains('.') { self.name.clone() } else { format!("{}.local", network.name) },
            addresses,
            serving,
            slot,
            claim: (known.any == Some(false)).then(|| self.claim.clone()),
            usb: self.usb.told(),
            troubles,
        }
    }

    /// An orderly end that the owner asked for: it says nothing against this start.
    fn end(&mut self, how: RebootCommand) -> ! {
        if self.trial.is_none() {
            self.starts.forget();
        }
        self.close(how)
    }

    fn restart(&mut self) -> ! {
        self.close(RebootCommand::Restart)
    }

    /// Everything in its order, and the machine is off or starts again.
    fn close(&mut self, how: RebootCommand) -> ! {
        let what = if how == RebootCommand::PowerOff { "off" } else { "again" };
        console::print(&format!("\nPillarbox ends, to be {what} in a moment.\n"));
        self.ground.watchdog.hold(LONG_HOLD);
        // Routers are told while mail is closed.
        let network = self.network.clone();
        threads::once("farewell", move || network.release());
        console::interrupt();
        self.server.end();
        self.clock.save();
        self.usb.leave();
        self.data.leave();
        if self.boot.is_some() {
            mounts::take_away(Path::new(boot::FOLDER));
        }
        rustix::fs::sync();
        if how == RebootCommand::PowerOff {
            self.ground.watchdog.let_go();
        }
        let error = reboot(how).err();
        log::error!("the kernel does not end: {error:?}");
        loop {
            thread::sleep(LONG_HOLD);
        }
    }
}

/// How the server can run on such a partition.
fn mode(state: &State) -> Option<Mode> {
    match state {
        State::Good | State::Lost(_) => Some(Mode::Whole),
        State::ReadOnly(_) => Some(Mode::ReadOnly),
        State::Absent(_) => None,
    }
}

/// What fails only where the machine has no memory or no descriptors left, for the moment.
fn until_it_works<T>(mut begin: impl FnMut() -> io::Result<T>) -> T {
    loop {
        match begin() {
            Ok(begun) => return begun,
            Err(error) => log::error!("this has to be tried again: {error}"),
        }
        thread::sleep(ROUND);
    }
}

fn be_called(name: &str) {
    let done = sethostname(name.as_bytes()).map_err(Into::into);
    let hosts = format!("127.0.0.1 localhost {name}\n::1 localhost {name}\n");
    let done: io::Result<()> = done.and_then(|()| fs::write("/etc/hosts", hosts));
    if let Err(error) = done {
        log::warn!("the name {name} could not be taken: {error}");
    }
}
