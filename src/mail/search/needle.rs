//! Finding text without regard to case.
//!
//! Both sides are folded: each character to upper and then to lower case, so that ß finds SS and σ finds ς, as
//! i;unicode-casemap (RFC 5051) does; unlike there, composed and decomposed characters stay different.

use crate::mail::effort;
use encoding_rs::Encoding;
use memchr::memmem::Finder;

/// A text to search for, prepared.
#[derive(Clone, Debug)]
pub struct Needle {
    /// The searcher is large, and a program holds needles among smaller things.
    folded: Box<Finder<'static>>,
}

/// Needles that are sought together, each with the place of its answer. The same needle is sought once.
#[derive(Debug, Default)]
pub(super) struct Needles {
    list: Vec<(Needle, usize)>,
    /// Octets of the longest.
    longest: usize,
}

/// Seeks needles in text that comes in pieces, keeping what may be the beginning of a match. It can stop between any two
/// needles and go on later.
#[derive(Debug, Default)]
pub(super) struct Seeker {
    /// The end of what has passed, and the new piece, folded.
    text: Vec<u8>,
    /// The next needle to be sought in it.
    next: usize,
}

/// A text that needles are sought in, prepared once for all of them.
#[derive(Clone, Debug)]
pub struct Folded(Box<[u8]>);

impl Folded {
    /// Prepares a text.
    #[must_use]
    pub fn new(text: &str) -> Folded {
        let mut folded = Vec::new();
        fold(text, &mut folded);
        Folded(folded.into())
    }
}

impl Needle {
    /// Prepares a text to search for.
    #[must_use]
    pub fn new(text: &str) -> Needle {
        let mut folded = Vec::new();
        fold(text, &mut folded);
        Needle { folded: Box::new(Finder::new(&folded).into_owned()) }
    }

    /// Whether it asks for nothing, and so is found everywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.folded.needle().is_empty()
    }

    /// Whether it stands in the text.
    #[must_use]
    pub fn is_in(&self, text: &Folded) -> bool {
        self.is_in_folded(&text.0)
    }

    fn is_in_folded(&self, text: &[u8]) -> bool {
        // A searcher passes over many octets at once, and costs something to begin with.
        effort::spend_on(32 + text.len() / 4);
        self.folded.find(text).is_some()
    }

    fn text(&self) -> &[u8] {
        self.folded.needle()
    }
}

impl Needles {
    /// The place of this needle's answer, a new one where it was not sought before.
    pub fn place(&mut self, needle: Needle, new: impl FnOnce() -> usize) -> usize {
        if let Some((_, place)) = self.list.iter().find(|(known, _)| known.text() == needle.text()) {
            return *place;
        }
        let place = new();
        self.put(needle, place);
        place
    }

    /// One more, whose answer has this place.
    pub fn put(&mut self, needle: Needle, place: usize) {
        self.longest = self.longest.max(needle.text().len());
        self.list.push((needle, place));
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// What was not found is not there.
    pub fn settle(&self, known: &mut [Option<bool>]) {
        for (_, place) in &self.list {
            if let Some(answer @ None) = known.get_mut(*place) {
                *answer = Some(false);
            }
        }
    }
}

impl Seeker {
    /// The next piece of the text; before, all needles have been sought in the one before.
    pub fn feed(&mut self, text: &str, needles: &Needles) {
        let passed = self.text.len().saturating_sub(needles.longest.saturating_sub(1));
        self.text.drain(..passed);
        fold(text, &mut self.text);
        self.next = 0;
    }

    /// Seeks on in the present piece and notes what is found; false when the turn is over before all were sought.
    pub fn seek(&mut self, needles: &Needles, known: &mut [Option<bool>]) -> bool {
        for (needle, place) in needles.list.get(self.next..).unwrap_or_default() {
            self.next += 1;
            if let Some(known @ (None | Some(false))) = known.get_mut(*place)
                && needle.is_in_folded(&self.text)
            {
                *known = Some(true);
            }
            if effort::is_spent() && self.next < needles.list.len() {
                return false;
            }
        }
        true
    }

    /// Another text begins: no match goes across.
    pub fn cut(&mut self) {
        self.text.clear();
        self.next = usize::MAX;
    }
}

fn fold(text: &str, out: &mut Vec<u8>) {
    effort::spend_on(text.len());
    out.reserve(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        // Long runs of ASCII, as most text is, at the speed of memory.
        let (ascii, other) = rest.split_at_checked(Encoding::ascii_valid_up_to(rest.as_bytes())).unwrap_or((rest, ""));
        out.extend(ascii.bytes().map(|octet| octet.to_ascii_lowercase()));
        let mut others = other.chars();
        rest = "";
        while let Some(character) = others.next() {
            fold_character(character, out);
            if others.as_str().as_bytes().first().is_some_and(u8::is_ascii) {
                rest = others.as_str();
                break;
            }
        }
    }
}

fn fold_character(character: char, out: &mut Vec<u8>) {
    let mut push = |character: char| out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    match character {
        // What Latin and Chinese text consists of, without a look into the tables.
        'à'..='þ' | '\u{3000}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => push(character),
        _ => character.to_uppercase().flat_map(char::to_lowercase).for_each(push),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(needle: &str, text: &str) -> bool {
        Needle::new(needle).is_in(&Folded::new(text))
    }

    #[test]
    fn case_does_not_matter_in_any_script() {
        assert!(is_in("HELLO w", "oh, Hello World"));
        assert!(is_in("größe", "DIE GRÖSSE"));
        assert!(is_in("ΟΔΟΣ", "οδος"));
        assert!(is_in("москва", "из МОСКВЫ, Москва"));
        assert!(!is_in("x", ""));
        assert!(is_in("", ""));
    }

    fn needles(texts: &[&str]) -> Needles {
        let mut needles = Needles::default();
        for (place, text) in texts.iter().enumerate() {
            needles.place(Needle::new(text), || place);
        }
        needles
    }

    #[test]
    fn a_match_is_found_wherever_the_text_is_cut() {
        let text = "Nach der Straße kommt die Brücke.";
        let needles = needles(&["STRASSE KOMMT", "brücke.", "absent"]);
        for size in 1..=text.len() {
            let mut seeker = Seeker::default();
            let mut known = [None; 3];
            let mut rest = text;
            while !rest.is_empty() {
                let mut end = size.min(rest.len());
                while !rest.is_char_boundary(end) {
                    end += 1;
                }
                let (piece, after) = rest.split_at(end);
                seeker.feed(piece, &needles);
                assert!(seeker.seek(&needles, &mut known));
                rest = after;
            }
            assert_eq!(known, [Some(true), Some(true), None], "{size}");
        }
    }

    #[test]
    fn no_match_goes_from_one_text_into_another() {
        let needles = needles(&["ab"]);
        let (mut seeker, mut known) = (Seeker::default(), [None]);
        for piece in ["a", "b"] {
            seeker.cut();
            seeker.feed(piece, &needles);
            seeker.seek(&needles, &mut known);
        }
        assert_eq!(known, [None]);
        seeker.feed("ab", &needles);
        seeker.seek(&needles, &mut known);
        assert_eq!(known, [Some(true)]);
    }

    #[test]
    fn seeking_stops_between_two_needles_and_goes_on() {
        let needles = needles(&["one", "two", "three", "TWO"]);
        let (mut seeker, mut known) = (Seeker::default(), [None; 3]);
        seeker.feed("three, two, one", &needles);
        let mut turns = 1;
        while !effort::turn(1, || seeker.seek(&needles, &mut known)).0 {
            turns += 1;
            assert!(turns < 10, "it goes on");
        }
        assert_eq!((known, turns), ([Some(true); 3], 3));
    }
}
