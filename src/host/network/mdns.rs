//! Others on the same network find us as NAME.local, and our services by themselves (RFC 6762, RFC 6763).

use super::lock;
use crate::sys::threads;
use mdns_sd::{DaemonEvent, Error, IfKind, RRType, ServiceDaemon, ServiceInfo};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What programs look for, and where it is.
const SERVICES: [(&str, u16); 6] = [
    ("_imaps._tcp.local.", 993),
    ("_pop3s._tcp.local.", 995),
    ("_submissions._tcp.local.", 465),
    ("_imap._tcp.local.", 143),
    ("_pop3._tcp.local.", 110),
    ("_http._tcp.local.", 80),
];
/// Seconds between two looks at our addresses.
const LOOK: u32 = 2;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What tells our name.
pub(super) struct Mdns {
    daemon: ServiceDaemon,
    /// The name that is ours now: another machine may have had it before.
    name: Arc<Mutex<String>>,
    services: Vec<String>,
}

impl Mdns {
    /// `None` where it cannot be told; all else works without.
    pub(super) fn start(name: &str) -> Option<Mdns> {
        Self::try_to_start(name).inspect_err(|error| log::warn!("{name}.local is not told to others: {error}")).ok()
    }

    fn try_to_start(name: &str) -> Result<Mdns, Error> {
        let daemon = ServiceDaemon::new()?;
        daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        daemon.set_ip_check_interval(LOOK)?;
        // What we say comes back to us else, and an address that we had a moment ago passes for another machine's.
        daemon.set_multicast_loop_v4(false)?;
        daemon.set_multicast_loop_v6(false)?;
        let events = daemon.monitor()?;
        let mut services = Vec::new();
        for (kind, port) in SERVICES {
            let none: &[(&str, &str)] = &[];
            let service = ServiceInfo::new(kind, name, &format!("{name}.local."), (), port, none)?.enable_addr_auto();
            services.push(service.get_fullname().to_owned());
            daemon.register(service)?;
        }
        let name = Arc::new(Mutex::new(name.to_owned()));
        let ours = Arc::clone(&name);
        // Until the daemon ends, and its channel with it.
        let listen = move || {
            while let Ok(event) = events.recv() {
                let Some(new) = new_name(&event) else { continue };
                let mut name = lock(&ours);
                // It is told for each kind of address.
                if *name != new {
                    log::warn!("{name}.local is another machine's: this one is {new}.local");
                    *name = new;
                }
            }
        };
        threads::steady("mdns", listen).map_err(|error| Error::Msg(error.to_string()))?;
        Ok(Mdns { daemon, name, services })
    }

    pub(super) fn name(&self) -> String {
        lock(&self.name).clone()
    }

    /// Tells others to forget us (RFC 6762 §10.1).
    pub(super) fn say_goodbye(&self) {
        let told: Vec<_> = self.services.iter().filter_map(|service| self.daemon.unregister(service).ok()).collect();
        let end = Instant::now() + GOODBYE;
        for answer in told {
            let _ = answer.recv_deadline(end);
        }
        if let Ok(answer) = self.daemon.shutdown() {
            let _ = answer.recv_deadline(end);
        }
    }
}

impl std::fmt::Debug for Mdns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mdns").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The host's name after a conflict.
fn new_name(event: &DaemonEvent) -> Option<String> {
    match event {
        DaemonEvent::NameChange(change) if matches!(change.rr_type, RRType::A | RRType::AAAA) => {
            Some(change.new_name.trim_end_matches('.').trim_end_matches(".local").to_owned())
        }
        _ => None,
    }
}
