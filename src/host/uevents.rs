//! What the kernel says of devices that come and go: modules are loaded for them, and the main loop looks at disks.

use super::modules::Modules;
use super::pid1::Order;
use crate::sys::threads;
use rustix::fd::OwnedFd;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::io;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The kernel's own messages; those of udevd, which we do not have, are the other group.
const KERNEL: u32 = 1;
/// Octets of a message: the kernel's own bound is 2048 of variables and the device's path.
const MESSAGE: usize = 8 << 10;

/// Loads what this machine's devices ask for, and goes on with those that come.
pub(super) fn begin(modules: &Arc<Mutex<Modules>>, orders: &Sender<Order>) {
    // Listened to before the first look, so that nothing can come between.
    let socket = listen();
    if let Err(error) = &socket {
        log::warn!("devices that are plugged in later will not be seen: {error}");
    }
    modules.lock().unwrap_or_else(PoisonError::into_inner).load_all();
    let Ok(socket) = socket else { return };
    let (modules, orders) = (Arc::clone(modules), orders.clone());
    threads::forever("devices", move || {
        let mut message = [0; MESSAGE];
        match recv(&socket, &mut message, RecvFlags::empty()) {
            Ok((_, length)) => {
                let event = Event::parse(message.get(..length).unwrap_or_default());
                if let Some(alias) = event.alias {
                    modules.lock().unwrap_or_else(PoisonError::into_inner).load_for(alias);
                }
                if event.is_block {
                    let _ = orders.send(Order::Look);
                }
            }
            // There were more than the socket holds: look at all of them again.
            Err(rustix::io::Errno::NOBUFS) => modules.lock().unwrap_or_else(PoisonError::into_inner).load_all(),
            Err(error) => {
                log::warn!("devices: {error}");
                thread::sleep(Duration::from_secs(10));
            }
        }
    });
}

fn listen() -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(KOBJECT_UEVENT))?;
    bind(&socket, &SocketAddrNetlink::new(0, KERNEL))?;
    Ok(socket)
}

/// What of a message is ours to know.
#[derive(Debug, PartialEq, Eq)]
struct Event<'m> {
    /// Of a device that came: what it asks for.
    alias: Option<&'m str>,
    is_block: bool,
}

impl Event<'_> {
    /// `add@/devices/…`, then variables, each ended by a NUL.
    fn parse(message: &[u8]) -> Event<'_> {
        let mut event = Event { alias: None, is_block: false };
        let mut came = false;
        for part in message.split(|&octet| octet == 0) {
            match part.split(|&octet| octet == b'=').next() {
                Some(b"ACTION") => came = part == b"ACTION=add",
                Some(b"MODALIAS") => event.alias = part.get(9..).and_then(|alias| str::from_utf8(alias).ok()),
                Some(b"SUBSYSTEM") => event.is_block = part == b"SUBSYSTEM=block",
                _ => {}
            }
        }
        event.alias = event.alias.filter(|_| came);
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_comes_asks_for_its_module() {
        let message =
            b"add@/devices/usb1/1-1/1-1:1.0\0ACTION=add\0SUBSYSTEM=usb\0MODALIAS=usb:v0424p9514d02=x\0SEQNUM=1\0";
        assert_eq!(Event::parse(message), Event { alias: Some("usb:v0424p9514d02=x"), is_block: false });
        let message = b"remove@/devices/x\0ACTION=remove\0SUBSYSTEM=usb\0MODALIAS=usb:v0424\0";
        assert_eq!(Event::parse(message), Event { alias: None, is_block: false });
    }

    #[test]
    fn a_disk_that_goes_is_a_reason_to_look() {
        let message = b"remove@/devices/x/block/sda\0ACTION=remove\0DEVNAME=sda\0SUBSYSTEM=block\0";
        assert_eq!(Event::parse(message), Event { alias: None, is_block: true });
        assert_eq!(Event::parse(b""), Event { alias: None, is_block: false });
    }
}
