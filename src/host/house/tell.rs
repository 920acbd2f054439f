//! How everything is, for the console and for whoever asks.

use super::super::claim;
use super::super::health::Pulse;
use super::super::pid1::Store;
use super::super::report::{Report, Serving};
use super::super::server::Mode;
use super::{House, mode};
use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

/// How long after the start it is no trouble that mail is not served yet.
const GRACE: Duration = Duration::from_secs(20);

impl House {
    /// Says how it is.
    pub(super) fn tell(&mut self, pulse: &Pulse) {
        let report = self.now(pulse);
        let settled = report.serving != Serving::Starting;
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&report);
        if settled {
            self.console.show(&report);
        }
    }

    fn now(&mut self, pulse: &Pulse) -> Report {
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
        self.resolv.hold(&network.dns);
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
}
