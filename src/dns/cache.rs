//! Answers that are still good. A stranger's mail decides which names are asked for, so both their number and their
//! octets are bounded.

use super::lookup::DnsError;
use super::message::{Data, Kind};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Answers that are kept.
const ANSWERS: usize = 2_000;
/// Octets of one answer that is kept: a larger one is asked for each time.
const ANSWER: usize = 16 << 10;
/// Octets of all of them.
const OCTETS: usize = 1 << 20;
/// Octets of what is around an answer, about.
const AROUND: usize = 160;
/// Seconds that an answer is kept for at least, so that one mail does not ask the same thing twice.
const SHORTEST: u32 = 5;
/// Seconds that an answer is kept for at most.
const LONGEST: u32 = 24 * 60 * 60;
/// Seconds that "there is none" is kept for at most (RFC 2308 §5 recommends one to three hours).
const LONGEST_NONE: u32 = 60 * 60;

/// What is known of a name.
pub(super) type Known = Result<Vec<Data>, DnsError>;

/// Answers that are still good.
#[derive(Debug, Default)]
pub(super) struct Cache {
    kept: BTreeMap<(String, Kind), Kept>,
    octets: usize,
}

#[derive(Debug)]
struct Kept {
    known: Known,
    until: Instant,
    octets: usize,
}

impl Cache {
    /// What is known of a name in small letters.
    pub(super) fn find(&self, name: &str, kind: Kind, now: Instant) -> Option<Known> {
        let kept = self.kept.get(&(name.to_owned(), kind))?;
        (kept.until > now).then(|| kept.known.clone())
    }

    /// Keeps what was said, for so many seconds. What is only so for the moment is not kept.
    pub(super) fn keep(&mut self, name: &str, kind: Kind, known: &Known, seconds: u32, now: Instant) {
        let (size, longest) = match known {
            Ok(found) => (found.iter().map(Data::size).sum(), LONGEST),
            Err(error) if error.is_void() => (0, LONGEST_NONE),
            Err(_) => return,
        };
        let octets = AROUND + name.len() + size;
        if octets > ANSWER {
            return;
        }
        let until = now + Duration::from_secs(seconds.clamp(SHORTEST, longest).into());
        let kept = Kept { known: known.clone(), until, octets };
        if let Some(old) = self.kept.insert((name.to_owned(), kind), kept) {
            self.octets -= old.octets;
        }
        self.octets += octets;
        if self.is_full() {
            self.kept.retain(|_, kept| kept.until > now);
            self.count();
        }
        while self.is_full() {
            // What would be gone soonest goes first, and a quarter at once, so that it is not done for each.
            let mut ends: Vec<Instant> = self.kept.values().map(|kept| kept.until).collect();
            ends.sort_unstable();
            let end = ends.get(ends.len() / 4).copied().unwrap_or(now);
            self.kept.retain(|_, kept| kept.until > end);
            self.count();
        }
    }

    fn is_full(&self) -> bool {
        self.kept.len() > ANSWERS || self.octets > OCTETS
    }

    fn count(&mut self) {
        self.octets = self.kept.values().map(|kept| kept.octets).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> Known {
        [Ok(Data::Txt(vec![b'x'; length]))].into_iter().collect()
    }

    #[test]
    fn what_is_kept_ends_with_its_time() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        cache.keep("a", Kind::Txt, &text(3), 60, now);
        cache.keep("b", Kind::Txt, &Err(DnsError::NoSuchName), 86_400, now);
        cache.keep("c", Kind::Txt, &text(3), 0, now);
        cache.keep("d", Kind::Txt, &Err(DnsError::Temporary("x".to_owned())), 60, now);
        assert_eq!(cache.find("a", Kind::Txt, after(59)), Some(text(3)));
        assert_eq!(cache.find("a", Kind::A, now), None);
        assert_eq!(cache.find("a", Kind::Txt, after(60)), None);
        assert_eq!(cache.find("b", Kind::Txt, after(3_599)), Some(Err(DnsError::NoSuchName)));
        assert_eq!(cache.find("b", Kind::Txt, after(3_600)), None);
        assert_eq!(cache.find("c", Kind::Txt, after(4)), Some(text(3)));
        assert_eq!(cache.find("d", Kind::Txt, now), None);
    }

    #[test]
    fn it_is_bounded_in_number_and_in_octets() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        for number in 0..10_000 {
            cache.keep(&format!("{number}.example.org"), Kind::Txt, &text(10), 100 + number, now);
            assert!(cache.kept.len() <= ANSWERS);
        }
        assert!(cache.find("9999.example.org", Kind::Txt, now).is_some());
        for number in 0..1_000 {
            cache.keep(&format!("{number}.example.org"), Kind::Txt, &text(12_000), 100_000, now);
            assert!(cache.octets <= OCTETS);
        }
        cache.keep("large", Kind::Txt, &text(ANSWER), 100, now);
        assert_eq!(cache.find("large", Kind::Txt, now), None);
        let all: usize = cache.kept.values().map(|kept| kept.octets).sum();
        assert_eq!(cache.octets, all);
    }
}
