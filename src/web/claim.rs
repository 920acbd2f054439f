//! Who may make the first account: who reads the code on the box's console. Guessing it is slow for each network, and for
//! all together so slow that the code is not found, however many there are.

use crate::mail::{counted_as, site_of};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;

/// Guesses that one network can make at once,
const GUESSES: u32 = 5;
/// and the time in which one more comes back: twenty a minute. Whoever comes too early waits for that in a line, so it is
/// short.
pub(super) const AGAIN: Duration = Duration::from_secs(3);
/// Guesses that all networks of one customer can make at once, where there can be several,
const GUESSES_OF_SITE: u32 = 60;
/// and the time in which one more comes back: sixty a minute. It takes more than a dozen of them to use up what all have.
const AGAIN_OF_SITE: Duration = Duration::from_secs(1);
/// Guesses that all can make at once,
const GUESSES_OF_ALL: u32 = 1_000;
/// and the time in which one more comes back: 1,000 a minute. A code has at least 40 bits: that takes a thousand years.
const AGAIN_OF_ALL: Duration = Duration::from_millis(60);
/// So many of them are left to who comes from a network at hand, where whoever sets the box up most likely is: hundreds
/// of networks elsewhere that guess at once do not keep them out.
const LEFT_TO_NEAR: u32 = 200;
/// Networks, and sites, that are known at a time; of more, those go that guessed least.
const NETWORKS: usize = 1_024;

/// Letters and digits of a code at least: fewer could be guessed, however slowly.
pub const LEAST: usize = 8;

/// The code that whoever sets the box up must know.
#[derive(Clone)]
pub struct Code(String);

/// Whether a guess was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guess {
    Right,
    Wrong,
    /// There were too many; not looked at.
    TooMany,
}

/// Guesses that are left: to each network, to each customer with several, and to all.
#[derive(Debug)]
pub(super) struct Guesses {
    all: Left,
    networks: Table,
    sites: Table,
}

/// Those who guessed of late.
#[derive(Debug)]
struct Table {
    most: u32,
    again: Duration,
    left: HashMap<IpAddr, Left>,
}

/// So many, as of this moment.
#[derive(Clone, Copy, Debug)]
struct Left {
    count: u32,
    since: Instant,
}

impl Code {
    /// A code as it was made, or as somebody typed it: case, blanks and hyphens do not matter. `None` where fewer than
    /// [`LEAST`] letters and digits are left of it, which is no code.
    #[must_use]
    pub fn new(text: &str) -> Option<Code> {
        let code: String = text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        (code.len() >= LEAST).then_some(Code(code))
    }
}

impl Guesses {
    pub(super) fn new(now: Instant) -> Guesses {
        Guesses {
            all: Left { count: GUESSES_OF_ALL, since: now },
            networks: Table { most: GUESSES, again: AGAIN, left: HashMap::new() },
            sites: Table { most: GUESSES_OF_SITE, again: AGAIN_OF_SITE, left: HashMap::new() },
        }
    }

    /// Whether a guess from there would be looked at now.
    pub(super) fn may(&mut self, from: IpAddr, now: Instant) -> bool {
        self.all.fill(GUESSES_OF_ALL, AGAIN_OF_ALL, now);
        let kept = if is_near(from) { 0 } else { LEFT_TO_NEAR };
        self.all.count > kept
            && self.networks.left(counted_as(from), now).count > 0
            && site_of(from).is_none_or(|site| self.sites.left(site, now).count > 0)
    }

    pub(super) fn weigh(&mut self, code: &Code, guess: &str, from: IpAddr, now: Instant) -> Guess {
        if !self.may(from, now) {
            return Guess::TooMany;
        }
        // How long the code is, is no secret.
        let right = Code::new(guess).is_some_and(|guess| guess.0.as_bytes().ct_eq(code.0.as_bytes()).into());
        if right {
            return Guess::Right;
        }
        self.all.count -= 1;
        self.networks.take(counted_as(from), now);
        if let Some(site) = site_of(from) {
            self.sites.take(site, now);
        }
        Guess::Wrong
    }
}

impl Table {
    fn left(&self, who: IpAddr, now: Instant) -> Left {
        let mut left = self.left.get(&who).copied().unwrap_or(Left { count: self.most, since: now });
        left.fill(self.most, self.again, now);
        left
    }

    /// One guess less.
    fn take(&mut self, who: IpAddr, now: Instant) {
        let mut left = self.left(who, now);
        left.count = left.count.saturating_sub(1);
        if self.left.len() >= NETWORKS && !self.left.contains_key(&who) {
            let (most, again) = (self.most, self.again);
            self.left.retain(|_, left| {
                left.fill(most, again, now);
                left.count < most
            });
            let goes = self.left.iter().max_by_key(|(_, left)| left.count).map(|(who, _)| *who);
            if let (Some(goes), true) = (goes, self.left.len() >= NETWORKS) {
                self.left.remove(&goes);
            }
        }
        self.left.insert(who, left);
    }
}

/// Whether one comes from this machine, from this link, or from a network that is nobody else's.
fn is_near(from: IpAddr) -> bool {
    match from.to_canonical() {
        IpAddr::V4(from) => from.is_private() || from.is_link_local() || from.is_loopback(),
        IpAddr::V6(from) => from.is_unicast_link_local() || from.is_unique_local() || from.is_loopback(),
    }
}

impl Left {
    /// What came back meanwhile.
    fn fill(&mut self, most: u32, again: Duration, now: Instant) {
        let back = now.saturating_duration_since(self.since).as_millis() / again.as_millis();
        let back = u32::try_from(back).unwrap_or(u32::MAX);
        self.since += again.saturating_mul(back);
        self.count = self.count.saturating_add(back).min(most);
    }
}

// A code in a log would let in who reads the log.
impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_code_is_known_however_it_is_typed() {
        let now = Instant::now();
        let code = Code::new("k3mf-w8ta-9xyz").unwrap();
        for right in ["k3mf-w8ta-9xyz", "K3MFW8TA9XYZ", " k3mf w8ta 9xyz\r\n"] {
            assert_eq!(Guesses::new(now).weigh(&code, right, from(1), now), Guess::Right, "{right}");
        }
        for wrong in ["", "k3mf", "k3mf-w8ta-9xya", "k3mf-w8ta-9xyz0", "\u{212a}3mf-w8ta-9xyz"] {
            assert_eq!(Guesses::new(now).weigh(&code, wrong, from(1), now), Guess::Wrong, "{wrong}");
        }
        for short in ["", " - ", "a", "K3MF-W8T", "\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}"] {
            assert!(Code::new(short).is_none(), "{short}");
        }
        assert_eq!(format!("{code:?}"), "Code");
    }

    #[test]
    fn a_network_has_a_few_guesses_a_minute_and_takes_none_from_others() {
        let began = Instant::now();
        let code = Code::new("right-code").unwrap();
        let mut guesses = Guesses::new(began);
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut looked_at = 0;
        for second in 0..600 {
            looked_at += u32::from(guesses.weigh(&code, "wrong-code", from(1), at(second)) == Guess::Wrong);
        }
        assert_eq!(looked_at, 5 + 599 / 3);
        assert_eq!(guesses.weigh(&code, "right-code", from(1), at(599)), Guess::TooMany);
        assert_eq!(guesses.weigh(&code, "wrong-code", from(2), at(599)), Guess::Wrong);
        assert_eq!(guesses.weigh(&code, "right-code", from(2), at(599)), Guess::Right);
        assert_eq!(guesses.weigh(&code, "right-code", from(1), at(602)), Guess::Right);
    }

    #[test]
    fn all_of_an_ipv6_network_is_one() {
        let now = Instant::now();
        let code = Code::new("right-code").unwrap();
        let mut guesses = Guesses::new(now);
        for last in 1..=5_u16 {
            let from = IpAddr::from([0x2001, 0xdb8, 0, 1, last, 0, 0, last]);
            assert_eq!(guesses.weigh(&code, "wrong-code", from, now), Guess::Wrong);
        }
        let of = |network: u16| IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, 9]);
        assert_eq!(guesses.weigh(&code, "right-code", of(1), now), Guess::TooMany);
        assert_eq!(guesses.weigh(&code, "right-code", of(2), now), Guess::Right);
    }

    #[test]
    fn however_many_guess_there_are_so_many_guesses_and_who_guesses_is_kept_in_mind() {
        let began = Instant::now();
        let code = Code::new("right-code").unwrap();
        let mut guesses = Guesses::new(began);
        let of = |number: u16| IpAddr::from([0x2001, 0xdb8, number, 0, 0, 0, 0, 1]);
        let mut looked_at = 0;
        for second in 0..10 {
            for number in 0..6_000 {
                let now = began + Duration::from_secs(second);
                looked_at += u32::from(guesses.weigh(&code, "wrong-code", of(number), now) == Guess::Wrong);
            }
        }
        assert!((800..=800 + 9 * 1_000 / 60).contains(&looked_at), "{looked_at}");
        assert!(guesses.networks.left.len() <= NETWORKS && guesses.sites.left.len() <= NETWORKS);
        let soon = began + Duration::from_secs(11);
        for _ in 0..5 {
            assert_eq!(guesses.weigh(&code, "wrong-code", from(1), soon), Guess::Wrong);
        }
        for number in 6_000..9_000 {
            guesses.weigh(&code, "wrong-code", of(number), soon);
        }
        // The next one that all have is theirs who did not guess.
        let soon = soon + AGAIN_OF_ALL;
        assert_eq!(
            guesses.weigh(&code, "right-code", from(1), soon),
            Guess::TooMany,
            "one that guessed is not forgotten"
        );
        assert_eq!(guesses.weigh(&code, "right-code", from(3), soon), Guess::Right, "and who did not is heard");
    }

    #[test]
    fn neither_one_customer_nor_all_together_use_up_what_is_for_who_is_near() {
        let now = Instant::now();
        let code = Code::new("right-code").unwrap();
        let mut guesses = Guesses::new(now);
        let looked_at = |guesses: &mut Guesses, from| guesses.weigh(&code, "wrong-code", from, now) == Guess::Wrong;
        let of = |site: u16, network: u16| IpAddr::from([0x2001, 0xdb8, site, network, 0, 0, 0, 1]);
        assert_eq!((0..1_000).filter(|network| looked_at(&mut guesses, of(0, *network))).count(), 60);
        assert!(looked_at(&mut guesses, of(1, 0)), "another customer");
        while (1..100).any(|site| (0..12).any(|network| looked_at(&mut guesses, of(site, network)))) {}
        assert_eq!(guesses.weigh(&code, "right-code", from(1), now), Guess::TooMany);
        for near in ["192.168.1.9", "::ffff:10.0.0.9", "fe80::9", "fd00::9", "127.0.0.1"] {
            assert_eq!(guesses.weigh(&code, "right-code", near.parse().unwrap(), now), Guess::Right, "{near}");
        }
    }
}
