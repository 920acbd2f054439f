//! What to believe of a time, and when to ask: decisions without a clock.

use fastrand::Rng;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Beyond this the clock is set at once (RFC 5905 §11.3 has 125 ms for machines that are asked all the time; a clock
/// that is asked for every few hours gathers that much by itself, and mail wants time not to jump).
const STEP: i64 = 500_000;
/// Nobody uses an image for so long: a server that says so is wrong.
const USED: i64 = 30 * 366 * 86_400;
/// The first wait after a failure, and the longest.
const AGAIN: u64 = 2;
const LONGEST: u64 = 900;
/// Between two questions once the time is right.
const REGULAR: u64 = 4 * 3600;
/// How long one who said that we ask too often is left alone (RFC 5905 §7.4).
const REST: Duration = Duration::from_hours(6);
/// Servers that are kept in mind.
const KEPT: usize = 64;

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) server: SocketAddr,
    /// Microseconds that our clock is behind.
    pub(super) offset: i64,
}

/// What is to be done with the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adjustment {
    Step,
    /// It goes faster or slower for a while, by so many microseconds in all.
    Slew(i32),
}

/// Why a server wants to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kiss {
    /// For good: DENY and RSTR.
    Denied,
    /// For a while: RATE, and what we do not know.
    TooOften,
}

/// Servers that want to be left alone, and until when; `None` is for good.
#[derive(Debug, Default)]
pub(super) struct Bans(BTreeMap<IpAddr, Option<Instant>>);

impl Reading {
    pub(super) fn is_sane(&self, now: i64, built: i64) -> bool {
        let then = now.saturating_add(self.offset / 1_000_000);
        (built..built.saturating_add(USED)).contains(&then)
    }
}

impl Bans {
    pub(super) fn add(&mut self, server: IpAddr, kiss: Kiss, now: Instant) {
        if self.0.len() < KEPT {
            self.0.insert(server, (kiss == Kiss::TooOften).then(|| now + REST));
        }
    }

    pub(super) fn bar(&mut self, server: IpAddr, now: Instant) -> bool {
        self.0.retain(|_, until| until.is_none_or(|until| until > now));
        self.0.contains_key(&server)
    }
}

/// The time to begin with: the latest of what is known.
pub(super) fn first(now: i64, built: i64, saved: Option<i64>) -> i64 {
    // What was saved cannot be from long after the image: then it is damaged.
    let saved = saved.filter(|saved| *saved < built.saturating_add(USED));
    now.max(built).max(saved.unwrap_or(built))
}

pub(super) fn adjustment(offset: i64) -> Adjustment {
    match i32::try_from(offset) {
        Ok(microseconds) if offset.abs() <= STEP => Adjustment::Slew(microseconds),
        _ => Adjustment::Step,
    }
}

/// The one in the middle: one of three may be wrong.
pub(super) fn median(mut readings: Vec<Reading>) -> Option<Reading> {
    readings.sort_by_key(|reading| reading.offset);
    let middle = readings.len().checked_sub(1)? / 2;
    readings.get(middle).copied()
}

/// The wait after so many failures in a row.
pub(super) fn again(failures: u32, random: &mut Rng) -> Duration {
    let seconds = AGAIN.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(LONGEST);
    Duration::from_millis(seconds * random.u64(750..=1250))
}

/// The wait after a success.
pub(super) fn regular(random: &mut Rng) -> Duration {
    Duration::from_millis(REGULAR * random.u64(900..=1100))
}

/// `name`, `name:port`, `address`, `[address]:port`.
pub(super) fn host_and_port(server: &str, usual: u16) -> (&str, u16) {
    let parted = server.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    match parted.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        Some(parted) => parted,
        None => (server, usual),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: i64 = 1_780_000_000;

    fn reading(seconds: i64) -> Reading {
        Reading { server: SocketAddr::from(([10, 0, 0, 1], 123)), offset: seconds * 1_000_000 }
    }

    #[test]
    fn the_time_begins_with_the_latest_of_what_is_known() {
        assert_eq!(first(0, BUILT, None), BUILT);
        assert_eq!(first(0, BUILT, Some(BUILT + 5)), BUILT + 5);
        assert_eq!(first(0, BUILT, Some(BUILT - 5)), BUILT);
        assert_eq!(first(BUILT + 9, BUILT, Some(BUILT + 5)), BUILT + 9);
        assert_eq!(first(0, BUILT, Some(i64::MAX)), BUILT);
    }

    #[test]
    fn a_time_before_the_image_or_long_after_it_cannot_be() {
        assert!(reading(10).is_sane(BUILT, BUILT));
        assert!(reading(-10).is_sane(BUILT + 20, BUILT));
        assert!(!reading(-10).is_sane(BUILT, BUILT));
        assert!(!reading(2_000_000_000).is_sane(BUILT, BUILT));
        assert!(!Reading { offset: i64::MAX, ..reading(0) }.is_sane(BUILT, BUILT));
    }

    #[test]
    fn half_a_second_is_slewed_and_more_is_stepped() {
        assert_eq!(adjustment(500_000), Adjustment::Slew(500_000));
        assert_eq!(adjustment(-500_000), Adjustment::Slew(-500_000));
        assert_eq!(adjustment(500_001), Adjustment::Step);
        assert_eq!(adjustment(i64::MIN + 1), Adjustment::Step);
    }

    #[test]
    fn one_wrong_server_of_three_is_outvoted() {
        assert_eq!(median(vec![reading(9000), reading(1), reading(2)]), Some(reading(2)));
        assert_eq!(median(vec![reading(-9000), reading(1), reading(2)]), Some(reading(1)));
        assert_eq!(median(vec![reading(7)]), Some(reading(7)));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn waits_grow_to_a_quarter_of_an_hour() {
        let mut random = Rng::with_seed(2);
        let mut wait = |failures| again(failures, &mut random).as_secs_f64();
        assert!((1.5..=2.5).contains(&wait(1)) && (6.0..=10.0).contains(&wait(3)));
        assert!((675.0..=1125.0).contains(&wait(20)) && wait(u32::MAX) <= 1125.0);
    }

    #[test]
    fn one_who_denies_is_never_asked_again_and_one_who_is_asked_too_often_later() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        let [denies, rests]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        bans.add(denies, Kiss::Denied, now);
        bans.add(rests, Kiss::TooOften, now);
        assert!(bans.bar(denies, now) && bans.bar(rests, now));
        let later = now + REST;
        assert!(bans.bar(denies, later) && !bans.bar(rests, later));
    }

    #[test]
    fn a_server_may_have_a_port() {
        assert_eq!(host_and_port("time.example.org", 123), ("time.example.org", 123));
        assert_eq!(host_and_port("time.example.org:1123", 123), ("time.example.org", 1123));
        assert_eq!(host_and_port("2001:db8::1", 123), ("2001:db8::1", 123));
        assert_eq!(host_and_port("[2001:db8::1]:1123", 123), ("[2001:db8::1]", 1123));
        assert_eq!(host_and_port("10.0.0.1:x", 123), ("10.0.0.1:x", 123));
    }
}
