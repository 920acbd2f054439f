//! The start of all parts.

use super::super::clock::{self, Clock};
use super::super::console::Console;
use super::super::data::{self, Data, State};
use super::super::desk::Desk;
use super::super::health::Health;
use super::super::network::Network;
use super::super::owners::Owners;
use super::super::pid1::{Ground, Order};
use super::super::report::Report;
use super::super::resolv::Resolv;
use super::super::server::Server;
use super::super::settings::Settings;
use super::super::starts::Starts;
use super::super::update::Updates;
use super::super::usb::Usb;
use super::super::{boot, claim, disk, door};
use super::{House, LOOKS, ROUND, hand_over, mode};
use rustix::system::sethostname;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use std::{fs, io, thread};

/// The name, unless the settings have one.
const NAME: &str = "pillarbox";

impl House {
    /// Starts everything. Mail is served as soon as its disk is there; nothing waits for the network.
    pub(in crate::host) fn open(ground: Ground) -> House {
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
        let has_settings = boot.is_some();
        let name = settings.name.clone().unwrap_or_else(|| NAME.to_owned());
        be_called(&name);
        let disks = disk::partitions();
        let data = Data::mount(&disks, boot.as_ref().map(|boot| boot.disk.as_str()));
        data.log();
        let is_good = *data.state() == State::Good;
        let clock_file = PathBuf::from(data::HOST).join("clock");
        clock::begin(ground.release.built, clock::saved(&clock_file));
        let leases = is_good.then(|| PathBuf::from(data::HOST));
        let network = until_it_works(|| Network::start(&name, &settings.network, leases.clone()));
        if is_good && let Err(why) = hand_over(&settings, &*ground.wiring) {
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
        let owners = Owners::start(&ground.wiring, settings.accounts.clone(), &health, &ground.orders);
        let names = network.clone();
        let updates = Arc::new(Updates::new(
            &ground.words,
            ground.release.clone(),
            ground.wiring.format(),
            settings.update_keys.clone(),
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
            settings: has_settings.then_some(settings),
            disks,
            looks: LOOKS,
            complaints,
            data,
            network,
            resolv: Resolv::new(Path::new("/etc/resolv.conf")),
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
