//! Charsets of one octet a character that the web does not know; see `pages.txt`.

const PAGES: &str = include_str!("pages.txt");

/// The characters of a page.
pub(super) fn named(key: &str) -> Option<&'static str> {
    let pages = PAGES.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'));
    let mut found = pages.filter(|(names, _)| names.split(' ').any(|name| name == key));
    found.next().map(|(_, characters)| characters)
}

/// A page as it decodes.
pub(super) struct Page {
    /// Those of the upper octets, or of all.
    characters: Vec<char>,
}

impl Page {
    /// A page of these characters, as [`named`] tells them.
    pub fn new(characters: &str) -> Page {
        let control = |character: char| match character {
            '\u{2400}'..='\u{241f}' => char::from_u32(u32::from(character) - 0x2400).unwrap_or(character),
            '\u{2421}' => '\u{7f}',
            character => character,
        };
        Page { characters: characters.chars().map(control).collect() }
    }

    /// Whether even the lower octets are other characters than in ASCII.
    pub fn is_whole(&self) -> bool {
        self.characters.len() > 128
    }

    pub fn feed(&self, octets: &[u8], out: &mut String) {
        let below = 256 - self.characters.len().min(256);
        out.extend(octets.iter().map(|&octet| match usize::from(octet).checked_sub(below) {
            None => char::from(octet),
            Some(place) => self.characters.get(place).copied().unwrap_or(char::REPLACEMENT_CHARACTER),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_half_or_all_of_its_characters_and_names_of_its_own() {
        let mut all: Vec<&str> = Vec::new();
        for line in PAGES.lines().filter(|line| !line.starts_with('#')) {
            let (names, characters) = line.split_once('\t').unwrap();
            assert!(matches!(characters.chars().count(), 128 | 256), "{names}");
            all.extend(names.split(' '));
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
