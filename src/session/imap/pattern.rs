//! Patterns of mailbox names (RFC 9051 §6.3.9): `*` is anything, `%` is anything within a level.
//!
//! All ways through a pattern are followed at once, as bits of a few words: no pattern makes it go back, and a name costs
//! its length times that of the pattern, by 64.

use crate::mail::{effort, limits, normal};
use crate::wire::imap::ListPattern;
use std::collections::BTreeMap;

/// A pattern, prepared. A place in it is a bit: being there means that all before it has been matched.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Places after all of them: where a name that matches ends.
    length: usize,
    /// How many characters that are no wildcards; a name has at least so many.
    literals: usize,
    stars: Vec<u64>,
    percents: Vec<u64>,
    /// Where each other character stands.
    places: BTreeMap<char, Vec<u64>>,
}

impl Pattern {
    /// Prepares a pattern; `None` if no name is long enough for it.
    pub fn new(pattern: &ListPattern) -> Option<Pattern> {
        let mut chars: Vec<char> = Vec::new();
        // Composed as names are: an accent would not be found else.
        let whole = format!("{}{}", pattern.reference, pattern.pattern);
        for c in normal(&whole).chars() {
            // Wildcards in a row are one: the weaker adds nothing to the stronger.
            match (chars.last(), c) {
                (Some('*'), '*' | '%') | (Some('%'), '%') => {}
                (Some('%'), '*') => {
                    chars.pop();
                    chars.push('*');
                }
                _ => chars.push(c),
            }
        }
        let literals = chars.iter().filter(|c| !matches!(c, '*' | '%')).count();
        if literals > limits::MAILBOX_NAME {
            return None;
        }
        let none = vec![0; (chars.len() + 1).div_ceil(64)];
        let (mut stars, mut percents, mut places) = (none.clone(), none.clone(), BTreeMap::new());
        for (place, c) in chars.iter().enumerate() {
            let bits = match c {
                '*' => &mut stars,
                '%' => &mut percents,
                c => places.entry(*c).or_insert_with(|| none.clone()),
            };
            if let Some(word) = bits.get_mut(place / 64) {
                *word |= 1 << (place % 64);
            }
        }
        Some(Pattern { length: chars.len(), literals, stars, percents, places })
    }

    /// Whether a name matches. INBOX is the same in any case.
    pub fn matches(&self, name: &str) -> bool {
        effort::spend(effort::ROW);
        if self.literals > name.len() {
            return false;
        }
        let inbox = name == "INBOX" || name.starts_with("INBOX/");
        let mut here = vec![0; self.stars.len()];
        let mut next = here.clone();
        if let Some(first) = here.first_mut() {
            *first = 1;
        }
        self.pass_wildcards(&mut here);
        for (at, c) in name.chars().enumerate() {
            effort::spend_on(4 * here.len());
            let other = if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            let same = self.places.get(&c);
            let same_too = if inbox && at < 5 { self.places.get(&other) } else { None };
            let mut carry = 0;
            let mut alive = 0;
            for (word, next) in next.iter_mut().enumerate() {
                let of = |bits: &Vec<u64>| bits.get(word).copied().unwrap_or(0);
                let here = of(&here);
                let fits = here & (same.map_or(0, of) | same_too.map_or(0, of));
                let stays = here & (of(&self.stars) | if c == '/' { 0 } else { of(&self.percents) });
                *next = stays | fits << 1 | carry;
                carry = fits >> 63;
                alive |= *next;
            }
            if alive == 0 {
                return false;
            }
            self.pass_wildcards(&mut next);
            std::mem::swap(&mut here, &mut next);
        }
        here.get(self.length / 64).is_some_and(|word| word >> (self.length % 64) & 1 == 1)
    }

    /// A wildcard may stand for nothing. There are no two in a row.
    fn pass_wildcards(&self, here: &mut [u64]) {
        let mut carry = 0;
        for ((here, stars), percents) in here.iter_mut().zip(&self.stars).zip(&self.percents) {
            let wild = *here & (stars | percents);
            *here |= wild << 1 | carry;
            carry = wild >> 63;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::xorshift::Xorshift;

    fn prepared(pattern: &str) -> Option<Pattern> {
        Pattern::new(&ListPattern { reference: String::new(), pattern: pattern.to_owned() })
    }

    fn matches(pattern: &str, name: &str) -> bool {
        prepared(pattern).is_some_and(|pattern| pattern.matches(name))
    }

    /// What the words say, without any care for time.
    fn plainly(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=name.len()).any(|at| plainly(rest, &name[at..])),
            ([b'%', rest @ ..], _) => {
                let level = name.iter().position(|c| *c == b'/').unwrap_or(name.len());
                (0..=level).any(|at| plainly(rest, &name[at..]))
            }
            ([a, pattern @ ..], [b, name @ ..]) => a == b && plainly(pattern, name),
            _ => false,
        }
    }

    #[test]
    fn a_star_goes_through_levels_and_a_percent_does_not() {
        assert!(matches("*", "a/b/c") && matches("a*", "a/b") && matches("*c", "a/b/c") && matches("a/*/c", "a/b/c"));
        assert!(matches("%", "a") && !matches("%", "a/b") && matches("a/%", "a/b") && !matches("a/%", "a/b/c"));
        assert!(matches("%/%", "a/b") && matches("%*%", "a/b/c") && !matches("a", "b") && !matches("", "a"));
    }

    #[test]
    fn inbox_is_found_in_any_case_and_others_are_not() {
        assert!(matches("inbox", "INBOX") && matches("InBo%", "INBOX") && matches("inbox/x", "INBOX/x"));
        assert!(!matches("sent", "Sent") && !matches("inbox/X", "INBOX/x"));
    }

    #[test]
    fn any_pattern_matches_what_it_says() {
        let mut random = Xorshift::new(7);
        let mut pick = |letters: &[u8], most: usize| -> String {
            let length = random.below(most + 1);
            (0..length).map(|_| char::from(letters[random.below(letters.len())])).collect()
        };
        let mut found = 0;
        for _ in 0..20_000 {
            let (pattern, name) = (pick(b"ab/*%*%", 9), pick(b"ab/", 9));
            let expected = plainly(pattern.as_bytes(), name.as_bytes());
            assert_eq!(matches(&pattern, &name), expected, "{pattern} and {name}");
            found += u32::from(expected);
        }
        assert!(found > 1_000, "{found} matched");
    }

    #[test]
    fn long_patterns_go_over_the_edges_of_words() {
        for length in [62, 63, 64, 65, 127, 128, 129, 300] {
            let (name, wild) = ("ab/".repeat(length), "*b/".repeat(length));
            let short = &name[..name.len() - 1];
            assert!(matches(&name, &name) && !matches(&name, &name[1..]), "{length}");
            assert!(matches(&wild, &name) && !matches(&wild, short), "{length}");
        }
    }

    #[test]
    fn a_pattern_made_to_take_long_does_not() {
        let pattern = prepared(&"*a".repeat(480)).unwrap();
        let (found, work) = effort::turn(u64::MAX, || pattern.matches(&"a".repeat(470)));
        assert!(!found);
        // As many words as there are places by 64, for each character.
        assert!(work < 470 * 17 * 4 + 100, "{work}");
    }

    #[test]
    fn what_no_name_is_long_enough_for_is_not_looked_for() {
        assert!(prepared(&"a".repeat(limits::MAILBOX_NAME + 1)).is_none());
    }
}
