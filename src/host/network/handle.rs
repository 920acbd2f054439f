//! The watcher's end of a link's thread.

use super::Inside;
use super::interface::Interface;
use super::kernel::Kernel;
use super::links::{self, Link};
use crate::sys::threads;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

/// What the watcher tells a link's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    CableIn,
    CableOut,
    /// The link is gone.
    Vanish,
    /// The machine is switched off.
    Release,
}

/// The watcher's end of a link's thread.
#[derive(Debug)]
pub(super) struct Handle {
    orders: Sender<Order>,
    bell: Arc<OwnedFd>,
    thread: JoinHandle<()>,
}

impl Handle {
    /// Begins to run a link.
    pub(super) fn start(link: Link, inside: &Arc<Inside>) -> io::Result<Handle> {
        let mut kernel = Kernel::open()?;
        links::prepare(&link.name);
        kernel.switch_on(link.index)?;
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (sender, orders) = channel();
        let name = link.name.clone();
        let interface = Interface::new(link, kernel, inside, orders, Arc::clone(&bell));
        let known_as = name.clone();
        // One that breaks off is missed by the watcher, which begins another.
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            threads::guarded(&known_as, || interface.run());
        })?;
        Ok(Handle { orders: sender, bell, thread })
    }

    pub(super) fn tell(&self, order: Order) {
        // A thread that is gone needs no orders.
        let _ = self.orders.send(order);
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}
