//! What is asked through PID 1's door, and done: by this room's parts, or by the main loop.

use super::door::{Ask, Host, Say};
use super::pid1::Order;
use super::report::Report;
use super::update::Updates;
use super::{memory, ring};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

/// Who answers.
pub(super) struct Desk {
    updates: Arc<Updates>,
    report: Arc<Mutex<Report>>,
    // A sender is one thread's, and guests have a thread each.
    orders: Mutex<Sender<Order>>,
}

impl Desk {
    pub(super) fn new(updates: &Arc<Updates>, report: &Arc<Mutex<Report>>, orders: &Sender<Order>) -> Desk {
        Desk { updates: Arc::clone(updates), report: Arc::clone(report), orders: Mutex::new(orders.clone()) }
    }

    fn order(&self, order: Order, text: &str) -> Say {
        match self.orders.lock().unwrap_or_else(PoisonError::into_inner).send(order) {
            Ok(()) => Say::Done { text: text.to_owned() },
            Err(_) => Say::Failed { why: "the main loop does not listen".to_owned() },
        }
    }

    fn status(&self) -> Say {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner).block();
        let text = report + &memory::told();
        let lines = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        Say::Status { lines, update: self.updates.state() }
    }
}

impl Host for Desk {
    fn answer(&self, ask: Ask, progress: &mut dyn FnMut(String)) -> Say {
        match ask {
            Ask::Status => self.status(),
            Ask::Log { lines } => Say::Log { lines: ring::last(lines) },
            Ask::Update { source } => match self.updates.install(&source, progress) {
                Ok(version) => {
                    log::info!("the update to {version} is installed");
                    Say::Done { text: format!("Pillarbox {version} is installed, and starts with the next reboot") }
                }
                Err(error) => {
                    log::warn!("the update from {source} was not installed: {error}");
                    Say::Failed { why: error.to_string() }
                }
            },
            Ask::Undo { discard } => match self.updates.undo(discard) {
                Ok(text) => {
                    log::info!("undo: {text}");
                    Say::Done { text }
                }
                Err(error) => Say::Failed { why: error.to_string() },
            },
            Ask::Reboot => self.order(Order::Reboot, "The machine starts again."),
            Ask::Poweroff => self.order(Order::PowerOff, "The machine is switched off."),
        }
    }
}
