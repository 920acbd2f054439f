//! Runs the appliance's network alone, as PID 1 does: for `tests/network.rs`, and for looking at it by hand.
//!
//! It takes over every Ethernet link that it sees, so it is run in a namespace of its own:
//!
//! ```text
//! ip netns exec NAME target/debug/examples/network [FOLDER] [ADDRESS/PREFIX [GATEWAY]]
//! ```
//!
//! Leases are remembered in FOLDER (`-` for nowhere). Each change of the state is one line on stdout. Lines on stdin are
//! `resolve NAME`, and `release`, which says goodbye and ends; at the end of stdin it ends without a word, as when the
//! plug is pulled.

use pillarbox::host::network::{Network, NetworkSettings, Source, Status};
use std::io::{self, BufRead};
use std::path::PathBuf;
use std::time::Duration;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().filter(|folder| folder != "-").map(PathBuf::from);
    let address = arguments.next().and_then(|address| {
        let (address, prefix) = address.split_once('/')?;
        Some((address.parse().ok()?, prefix.parse().ok()?))
    });
    let gateway = arguments.next().and_then(|gateway| gateway.parse().ok());
    let settings = NetworkSettings { address, gateway, dns: Vec::new() };
    let name = std::env::var("NAME").unwrap_or_else(|_| "pillarbox".to_owned());
    simple_logger::SimpleLogger::new().with_level(log::LevelFilter::Debug).init().map_err(io::Error::other)?;
    let network = Network::start(&name, &settings, folder)?;
    let shows = network.clone();
    std::thread::spawn(move || {
        let mut last = String::new();
        loop {
            let line = describe(&shows.status());
            if line != last {
                println!("{line}");
                last = line;
            }
            shows.wait(Duration::from_millis(200));
        }
    });
    for line in io::stdin().lock().lines() {
        let line = line?;
        let Some(name) = line.strip_prefix("resolve ") else {
            network.release();
            println!("released");
            break;
        };
        match network.resolve(name) {
            Ok(addresses) => println!("resolved {name} {addresses:?}"),
            Err(error) => println!("unresolved {name} {error}"),
        }
    }
    Ok(())
}

/// `state NAME dns=… ntp=… domain=… LINK cable|- SOURCE ADDRESS/PREFIX via GATEWAY IPV6…`
fn describe(status: &Status) -> String {
    let domain = status.domain.as_deref().unwrap_or("-");
    let mut words =
        vec![format!("state {} dns={:?} ntp={:?} domain={domain}", status.name, status.dns, status.time_servers)];
    for link in &status.links {
        words.push(link.name.clone());
        words.push(if link.cable { "cable" } else { "-" }.to_owned());
        words.push(match link.source {
            Source::None => "none".to_owned(),
            Source::Fixed => "fixed".to_owned(),
            Source::Lease { server, .. } => format!("lease({server})"),
            Source::LinkLocal => "link-local".to_owned(),
        });
        words.extend(link.address.map(|(address, prefix)| format!("{address}/{prefix}")));
        words.extend(link.gateway.map(|gateway| format!("via {gateway}")));
        words.extend(link.ipv6.iter().map(ToString::to_string));
    }
    words.join(" ")
}
