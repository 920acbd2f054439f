//! The one thread that sees links come and go, and cables in and out.

use super::Inside;
use super::handle::{Handle, Order};
use super::kernel::{Bell, Kernel};
use super::links::{self, Link};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the links are looked at when nothing rings: what failed is tried again.
const AGAIN: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };
/// How long a link has to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Runs until the network is released.
pub(super) fn run(inside: &Arc<Inside>) {
    let bell = Bell::open().inspect_err(|error| log::warn!("links are only looked at now and then: {error}")).ok();
    let loopback = fs::read_to_string("/sys/class/net/lo/ifindex").ok().and_then(|index| index.trim().parse().ok());
    if let Err(error) = Kernel::open().and_then(|mut kernel| kernel.switch_on(loopback.unwrap_or(1))) {
        log::warn!("the loopback link stays off: {error}");
    }
    let mut run: BTreeMap<String, (Link, Handle)> = BTreeMap::new();
    while !inside.is_released() {
        look(&mut run, inside);
        let mut heard = vec![PollFd::new(&inside.bell, PollFlags::IN)];
        heard.extend(bell.as_ref().map(|bell| PollFd::new(bell, PollFlags::IN)));
        if poll(&mut heard, Some(&AGAIN)).is_err() {
            std::thread::sleep(Duration::from_millis(100));
        }
        if let Some(bell) = &bell {
            bell.quiet();
        }
        // IPv6 addresses are the kernel's own doing.
        inside.ring();
    }
    for (_, handle) in run.values() {
        handle.tell(Order::Release);
    }
    let end = Instant::now() + GOODBYE;
    while run.values().any(|(_, handle)| !handle.is_finished()) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Compares what is there with what is run.
fn look(run: &mut BTreeMap<String, (Link, Handle)>, inside: &Arc<Inside>) {
    let there = links::ethernet();
    run.retain(|_, (link, handle)| {
        let stays = there.iter().any(|other| is_same(link, other)) && !handle.is_finished();
        if !stays {
            handle.tell(Order::Vanish);
        }
        stays
    });
    for link in there {
        if let Some((before, handle)) = run.get_mut(&link.name) {
            for order in orders(before, &link) {
                handle.tell(*order);
            }
            *before = link;
            continue;
        }
        // A cable that is in already is noticed as one that comes.
        let unplugged = Link { cable: false, ..link.clone() };
        match Handle::start(unplugged, inside) {
            Ok(handle) => {
                if link.cable {
                    handle.tell(Order::CableIn);
                }
                run.insert(link.name.clone(), (link, handle));
            }
            Err(error) => log::warn!("{} is not used: {error}", link.name),
        }
    }
}

fn is_same(one: &Link, other: &Link) -> bool {
    (one.index, &one.name, one.mac) == (other.index, &other.name, other.mac)
}

/// What happened to a cable between two looks.
fn orders(before: &Link, now: &Link) -> &'static [Order] {
    match (before.cable, now.cable) {
        (false, true) => &[Order::CableIn],
        (true, false) => &[Order::CableOut],
        // Out and in again.
        (true, true) if before.changes != now.changes => &[Order::CableOut, Order::CableIn],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cable_that_was_out_between_two_looks_is_seen() {
        let link = |cable, changes| Link { name: "eth0".to_owned(), index: 2, mac: [2; 6], cable, changes };
        assert_eq!(orders(&link(true, 3), &link(true, 5)), [Order::CableOut, Order::CableIn]);
        assert_eq!(orders(&link(true, 3), &link(true, 3)), []);
        assert_eq!(orders(&link(true, 3), &link(false, 4)), [Order::CableOut]);
        assert_eq!(orders(&link(false, 4), &link(true, 5)), [Order::CableIn]);
    }
}
