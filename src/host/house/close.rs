//! The way out, in order: nothing is lost that was acknowledged, and disks are left whole.

use super::super::data::State;
use super::super::{boot, console, mounts};
use super::{House, LONG_HOLD};
use crate::sys::threads;
use rustix::system::{RebootCommand, reboot};
use std::path::Path;
use std::thread;

impl House {
    /// An orderly end that the owner asked for: it says nothing against this start.
    pub(super) fn end(&mut self, how: RebootCommand) -> ! {
        if self.trial.is_none() && *self.data.state() == State::Good {
            self.starts.forget();
        }
        self.close(how)
    }

    /// The same, that nobody asked for.
    pub(super) fn restart(&mut self) -> ! {
        self.close(RebootCommand::Restart)
    }

    /// Everything in its order, and the machine is off or starts again.
    fn close(&mut self, how: RebootCommand) -> ! {
        let what = if how == RebootCommand::PowerOff { "is switched off" } else { "starts again" };
        console::print(&format!("\nThe mail server ends, then the machine {what}.\n"));
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
