//! The main loop: all parts of the machine, looked at each second and whenever something happens.
//!
//! `open` starts them, `tell` says how they are, `close` is the way out.

mod close;
mod open;
mod tell;

use super::clock::Clock;
use super::console::Console;
use super::data::{self, Data, State};
use super::disk::{self, Partition};
use super::health::{Health, Pulse};
use super::network::Network;
use super::owners::Owners;
use super::pid1::{Ground, Order, Wiring};
use super::report::Report;
use super::resolv::Resolv;
use super::server::{Mode, Server};
use super::settings::Settings;
use super::starts::Starts;
use super::update::Updates;
use super::usb::Usb;
use super::{boot, mounts};
use rustix::system::RebootCommand;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The longest time between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// How long the watchdog is fed for one round.
const HOLD: Duration = Duration::from_secs(30);
/// The same where a disk is mounted, which may have to mend itself first.
const LONG_HOLD: Duration = Duration::from_mins(5);
/// A server that does not answer for so long is started again: once it answered, and before, when a large store may
/// have to be opened.
const SILENT: (Duration, Duration) = (Duration::from_mins(2), Duration::from_mins(10));
/// Nothing helped for so long: start the machine again.
const HOPELESS: Duration = Duration::from_mins(30);
/// After so long a start went well.
const WELL: Duration = Duration::from_mins(10);
/// How often disks are looked at after one came or went.
const LOOKS: u8 = 3;

/// The machine.
pub(super) struct House {
    ground: Ground,
    began: Instant,
    name: String,
    /// The FAT partition, as it was found.
    boot: Option<Partition>,
    /// As they were at the start; `None` where there was no FAT partition.
    settings: Option<Settings>,
    /// All partitions, and how many more times they are looked at: a new one may not be there in full at once.
    disks: Vec<Partition>,
    looks: u8,
    /// What is wrong with it or its settings.
    complaints: Vec<String>,
    data: Data,
    network: Network,
    resolv: Resolv,
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
        let disks = disk::partitions();
        if disks != self.disks {
            self.disks = disks;
            self.looks = LOOKS;
        }
        let Some(left) = self.looks.checked_sub(1) else { return };
        self.looks = left;
        self.look_at_boot();
        if self.data.may_be_back(&self.disks) {
            self.mount_data();
        }
        self.usb.look(&self.disks, self.boot.as_ref().map(|boot| boot.disk.as_str()), &self.ground.modules);
    }

    /// The FAT partition may go, and come back.
    fn look_at_boot(&mut self) {
        if self.boot.take_if(|boot| !self.disks.contains(boot)).is_some() {
            log::error!("the disk that this system started from is gone");
            mounts::let_go(Path::new(boot::FOLDER));
        }
        if self.boot.is_none()
            && let Some(partition) = boot::find(self.ground.words.disk.as_deref())
            && boot::mount(&partition).is_ok()
        {
            log::info!("the settings are on {}", partition.name);
            if self.settings.is_none() {
                self.complaints.push("the disk with the settings came late: start again to use them".to_owned());
            }
            self.boot = Some(partition);
        }
    }

    /// The data partition came, or came back.
    fn mount_data(&mut self) {
        self.ground.watchdog.hold(LONG_HOLD);
        self.server.end();
        self.data.leave();
        let before = self.data.state().clone();
        self.data = Data::mount(&self.disks, self.boot.as_ref().map(|boot| boot.disk.as_str()));
        if *self.data.state() != before {
            self.data.log();
        }
        if *self.data.state() == State::Good
            && let Some(settings) = &self.settings
            && let Err(why) = hand_over(settings, &*self.ground.wiring)
        {
            self.complaints.push(why);
        }
        self.server.want(mode(self.data.state()));
    }

    /// A system on trial is confirmed, or given up.
    fn judge(&mut self, pulse: &Pulse) {
        let Some(until) = self.trial else { return };
        match pulse {
            Pulse::Good { since, .. } if since.elapsed() >= self.ground.words.confirm => {
                self.ground.watchdog.hold(LONG_HOLD);
                match self.updates.confirm() {
                    Ok(()) => {
                        log::info!("this system is confirmed");
                        self.trial = None;
                    }
                    Err(error) => log::error!("this system could not be confirmed: {error}"),
                }
            }
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
}

/// How the server can run on such a partition.
fn mode(state: &State) -> Option<Mode> {
    match state {
        State::Good | State::Lost(_) => Some(Mode::Whole),
        State::ReadOnly(_) => Some(Mode::ReadOnly),
        State::Absent(_) => None,
    }
}

/// The mail server's settings go where it finds them.
fn hand_over(settings: &Settings, wiring: &dyn Wiring) -> Result<(), String> {
    settings.hand_over(Path::new(data::MAIL), data::SERVER, |text| wiring.accepts(text))
}
