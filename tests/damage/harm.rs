//! What happens to files.

use crate::random::Random;
use std::fs;
use std::path::Path;

const SECTOR: usize = 512;
const PAGE: usize = 4096;

/// Damages a store in one place or two; says how.
pub fn harm(folder: &Path, base: &Path, random: &mut Random) -> String {
    let mut what = once(folder, base, random);
    if random.once_in(4) {
        what = format!("{what}; {}", once(folder, base, random));
    }
    what
}

fn once(folder: &Path, base: &Path, random: &mut Random) -> String {
    let journal = fs::read_dir(folder)
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("journal")));
    let path = match journal {
        Some(journal) if random.once_in(8) => journal,
        _ => folder.join("mail.redb"),
    };
    let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
    let mut octets = fs::read(&path).expect("it is there");
    // Of a journal only the beginning is used.
    let used = if name == "mail.redb" { octets.len() } else { octets.len().min(64 << 10) };
    let what = damage(&mut octets, used, &base.join("earlier.redb"), random);
    fs::write(&path, octets).expect("there is room");
    format!("{name}: {what}")
}

fn damage(octets: &mut Vec<u8>, used: usize, earlier: &Path, random: &mut Random) -> String {
    // Anywhere, or where the header and the first pages are.
    let span = if random.once_in(5) { (4 * PAGE).min(used) } else { used };
    if span == 0 {
        return "nothing".to_owned();
    }
    let at = random.below(span);
    let unit = *random.pick(&[SECTOR, PAGE, 16 * PAGE]);
    let start = at / unit * unit;
    match random.below(9) {
        0 => {
            octets.truncate(at);
            format!("cut at {at}")
        }
        1 => {
            let more = 1 + random.below(3 * PAGE);
            octets.resize(octets.len() + more, 0);
            format!("{more} octets longer")
        }
        2 => {
            let fill = *random.pick(&[0_u8, 1, 0xff]);
            octets.iter_mut().skip(start).take(unit).for_each(|octet| *octet = fill);
            format!("{unit} at {start} are all {fill}")
        }
        3 => {
            octets.iter_mut().skip(start).take(unit).for_each(|octet| *octet = random.next().to_be_bytes()[0]);
            format!("{unit} at {start} are anything")
        }
        4 => {
            let from = random.below(used) / unit * unit;
            let other: Vec<u8> = octets.iter().skip(from).take(unit).copied().collect();
            octets.iter_mut().skip(start).zip(other).for_each(|(octet, other)| *octet = other);
            format!("{unit} at {start} are those at {from}")
        }
        5 => {
            // A write that the disk lost: what was there some time ago.
            let Ok(stale) = fs::read(earlier) else { return "nothing".to_owned() };
            octets.iter_mut().zip(stale).skip(start).take(unit).for_each(|(octet, stale)| *octet = stale);
            format!("{unit} at {start} are as they were")
        }
        6 => {
            if let Some(octet) = octets.get_mut(at) {
                *octet = random.next().to_be_bytes()[0];
            }
            format!("octet {at} is another")
        }
        _ => {
            let bits = 1 + random.below(3);
            let mut where_to = Vec::new();
            for _ in 0..bits {
                let at = random.below(span);
                where_to.push(at);
                if let Some(octet) = octets.get_mut(at) {
                    *octet ^= 1 << random.below(8);
                }
            }
            format!("bits at {where_to:?}")
        }
    }
}
