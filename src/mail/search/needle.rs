//! Finding text without regard to case.
//!
//! Both sides are folded: each character to upper and then to lower case, so that ß finds SS and σ finds ς, as
//! i;unicode-casemap (RFC 5051) does; unlike there, composed and decomposed characters stay different.

use encoding_rs::Encoding;
use memchr::memmem::Finder;

/// A text to search for, prepared.
#[derive(Clone, Debug)]
pub struct Needle {
    /// The searcher is large, and a program holds needles among smaller things.
    folded: Box<Finder<'static>>,
}

/// Searches for several needles in text that comes in pieces, keeping what may be the beginning of a match.
#[derive(Debug)]
pub struct Seeker<'n> {
    needles: Vec<(&'n Needle, bool)>,
    /// The end of what has passed, and the new piece, folded.
    text: Vec<u8>,
    /// Octets that are kept from one piece to the next: the longest needle, less one.
    overlap: usize,
}

impl Needle {
    /// Prepares a text.
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

    /// Whether it stands in the text; `space` is scratch space that saves an allocation.
    #[must_use]
    pub fn is_in(&self, text: &str, space: &mut Vec<u8>) -> bool {
        space.clear();
        fold(text, space);
        self.folded.find(space).is_some()
    }
}

impl<'n> Seeker<'n> {
    /// Searches for these needles.
    #[must_use]
    pub fn new(needles: impl IntoIterator<Item = &'n Needle>) -> Seeker<'n> {
        let needles: Vec<_> = needles.into_iter().map(|needle| (needle, needle.is_empty())).collect();
        let longest = needles.iter().map(|(needle, _)| needle.folded.needle().len()).max();
        Seeker { needles, text: Vec::new(), overlap: longest.unwrap_or(0).saturating_sub(1) }
    }

    /// The next piece of the text; true if it brought a needle to light.
    pub fn feed(&mut self, text: &str) -> bool {
        let passed = self.text.len().saturating_sub(self.overlap);
        self.text.drain(..passed);
        fold(text, &mut self.text);
        let mut news = false;
        for (needle, found) in self.needles.iter_mut().filter(|(_, found)| !found) {
            *found = needle.folded.find(&self.text).is_some();
            news |= *found;
        }
        news
    }

    /// Another text begins: no match goes across.
    pub fn cut(&mut self) {
        self.text.clear();
    }

    /// Which needles have been found, in their order.
    pub fn found(&self) -> impl Iterator<Item = bool> {
        self.needles.iter().map(|(_, found)| *found)
    }
}

fn fold(text: &str, out: &mut Vec<u8>) {
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
        Needle::new(needle).is_in(text, &mut Vec::new())
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

    #[test]
    fn a_match_is_found_wherever_the_text_is_cut() {
        let text = "Nach der Straße kommt die Brücke.";
        let needles = [Needle::new("STRASSE KOMMT"), Needle::new("brücke."), Needle::new("absent")];
        for size in 1..=text.len() {
            let mut seeker = Seeker::new(&needles);
            let mut rest = text;
            while !rest.is_empty() {
                let mut end = size.min(rest.len());
                while !rest.is_char_boundary(end) {
                    end += 1;
                }
                let (piece, after) = rest.split_at(end);
                seeker.feed(piece);
                rest = after;
            }
            assert_eq!(seeker.found().collect::<Vec<_>>(), [true, true, false], "{size}");
        }
    }

    #[test]
    fn no_match_goes_from_one_text_into_another() {
        let needles = [Needle::new("ab")];
        let mut seeker = Seeker::new(&needles);
        seeker.feed("a");
        seeker.cut();
        assert!(!seeker.feed("b"));
        assert!(seeker.feed("ab"));
    }
}
