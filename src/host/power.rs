//! The power button, Ctrl-Alt-Del and signals: all of them ask for an orderly end.

use super::pid1::Order;
use crate::sys::threads;
use async_signal::{Signal, Signals};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::system::{RebootCommand, reboot};
use smol::stream::StreamExt;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

/// `struct input_event`: two longs of time, then type, code and value.
const EVENT: usize = 2 * size_of::<std::ffi::c_long>() + 8;
const EV_KEY: u16 = 1;
const KEY_POWER: u16 = 116;
/// How often new devices are looked for: a button that is pressed as soon as mail is served must have been found by then.
const LOOK: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Listens to all buttons and to signals.
pub(super) fn listen(orders: &Sender<Order>) {
    // From now on Ctrl-Alt-Del is a signal to us.
    let _ = reboot(RebootCommand::CadOff);
    let to = orders.clone();
    threads::forever("signals", move || {
        let Ok(mut signals) = Signals::new([Signal::Int, Signal::Term]) else {
            thread::sleep(Duration::from_mins(1));
            return;
        };
        while let Some(Ok(signal)) = smol::block_on(signals.next()) {
            let _ = to.send(if signal == Signal::Int { Order::Reboot } else { Order::PowerOff });
        }
    });
    let to = orders.clone();
    let mut devices = BTreeMap::new();
    threads::forever("buttons", move || {
        look_for_more(&mut devices);
        if devices.is_empty() {
            thread::sleep(Duration::from_secs(LOOK.tv_sec.cast_unsigned()));
        } else if wait_for_power(&mut devices) {
            let _ = to.send(Order::PowerOff);
        }
    });
}

fn look_for_more(devices: &mut BTreeMap<PathBuf, File>) {
    for entry in fs::read_dir("/dev/input").into_iter().flatten().flatten() {
        let path = entry.path();
        let is_event = entry.file_name().to_string_lossy().starts_with("event");
        if is_event
            && !devices.contains_key(&path)
            && let Ok(file) =
                OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(&path)
        {
            devices.insert(path, file);
        }
    }
}

/// Waits for a while; whether the power button was pressed.
fn wait_for_power(devices: &mut BTreeMap<PathBuf, File>) -> bool {
    let mut waiting: Vec<PollFd<'_>> = devices.values().map(|file| PollFd::new(file, PollFlags::IN)).collect();
    if poll(&mut waiting, Some(&LOOK)).is_err() {
        return false;
    }
    let ready: Vec<bool> = waiting.iter().map(|one| !one.revents().is_empty()).collect();
    drop(waiting);
    let mut pressed = false;
    let mut gone = Vec::new();
    for ((path, file), _) in devices.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
        let mut events = [0; EVENT * 16];
        match file.read(&mut events) {
            Ok(length) => pressed |= events.get(..length).is_some_and(holds_power),
            // It was unplugged.
            Err(_) => gone.push(path.clone()),
        }
    }
    devices.retain(|path, _| !gone.contains(path));
    pressed
}

/// Whether the power button goes down in one of these events.
fn holds_power(events: &[u8]) -> bool {
    events.chunks_exact(EVENT).any(|event| {
        let Some([kind @ .., a, b, c, d]) = event.get(EVENT - 8..) else { return false };
        let ([t0, t1, c0, c1], value) = (kind, i32::from_ne_bytes([*a, *b, *c, *d])) else { return false };
        u16::from_ne_bytes([*t0, *t1]) == EV_KEY && u16::from_ne_bytes([*c0, *c1]) == KEY_POWER && value == 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u16, code: u16, value: i32) -> Vec<u8> {
        let mut event = vec![7; EVENT - 8];
        event.extend(kind.to_ne_bytes());
        event.extend(code.to_ne_bytes());
        event.extend(value.to_ne_bytes());
        event
    }

    #[test]
    fn only_the_power_button_going_down_counts() {
        let (down, up, other) = (event(EV_KEY, KEY_POWER, 1), event(EV_KEY, KEY_POWER, 0), event(EV_KEY, 30, 1));
        assert!(holds_power(&down));
        assert!(holds_power(&[other.clone(), event(0, 0, 0), down.clone()].concat()));
        assert!(!holds_power(&[other, up].concat()));
        assert!(!holds_power(down.get(1..).unwrap()));
        assert!(!holds_power(&[]));
    }
}
