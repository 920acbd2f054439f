//! Flags as letters: those of a Maildir, and the keywords that its 26 small letters stand for.

use crate::mail::{SystemFlag, is_keyword};

/// The letters that mean the same in every Maildir. `P` (passed) is what IMAP has a keyword for (RFC 9051 §2.3.2).
const LETTERS: [(char, &str); 6] = [
    ('D', SystemFlag::Draft.name()),
    ('F', SystemFlag::Flagged.name()),
    ('P', "$Forwarded"),
    ('R', SystemFlag::Answered.name()),
    ('S', SystemFlag::Seen.name()),
    ('T', SystemFlag::Deleted.name()),
];
/// Keywords that have a letter.
const KEYWORDS: usize = 26;

/// The keywords of a Maildir with their letters: the file `dovecot-keywords`.
#[derive(Debug, Default)]
pub struct Keywords(Vec<(char, String)>);

/// The flag of a letter that means the same everywhere.
pub fn flag_of(letter: char) -> Option<&'static str> {
    LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, flag)| *flag)
}

/// The letter of such a flag.
pub fn letter_of(flag: &str) -> Option<char> {
    // Not without regard to case: the keyword is to come back as it is spelled.
    LETTERS.iter().find(|(_, known)| *known == flag).map(|(letter, _)| *letter)
}

impl Keywords {
    /// From the file: a number and a keyword on each line; number 0 is the letter `a`.
    pub fn parse(text: &str) -> Keywords {
        let lines = text.lines().filter_map(|line| {
            let (number, keyword) = line.split_once(' ')?;
            Some((small_letter(number.parse().ok()?)?, keyword.trim().to_owned()))
        });
        Keywords(lines.filter(|(_, keyword)| is_keyword(keyword)).collect())
    }

    /// The file; `None` where there is nothing to say.
    pub fn file(&self) -> Option<String> {
        let lines = self.0.iter().enumerate().map(|(number, (_, keyword))| format!("{number} {keyword}\n"));
        (!self.0.is_empty()).then(|| lines.collect())
    }

    /// The flags that letters stand for.
    pub fn flags(&self, letters: &str) -> Vec<String> {
        let keyword = |letter| self.0.iter().find(|(known, _)| *known == letter).map(|(_, keyword)| keyword.as_str());
        letters.chars().filter_map(|letter| flag_of(letter).or_else(|| keyword(letter))).map(str::to_owned).collect()
    }

    /// The letters of flags, ascending as a Maildir has them. A keyword gets the next letter at its first use; those that
    /// found none left are handed to `lost`.
    pub fn letters(&mut self, flags: &[String], mut lost: impl FnMut(&str)) -> String {
        let mut letters = Vec::with_capacity(flags.len());
        for flag in flags {
            match letter_of(flag).or_else(|| self.letter(flag)) {
                Some(letter) => letters.push(letter),
                None => lost(flag),
            }
        }
        letters.sort_unstable();
        letters.into_iter().collect()
    }

    fn letter(&mut self, keyword: &str) -> Option<char> {
        if let Some((letter, _)) = self.0.iter().find(|(_, known)| known == keyword) {
            return Some(*letter);
        }
        let letter = small_letter(self.0.len()).filter(|_| is_keyword(keyword))?;
        self.0.push((letter, keyword.to_owned()));
        Some(letter)
    }
}

fn small_letter(number: usize) -> Option<char> {
    u8::try_from(number).ok().filter(|_| number < KEYWORDS).map(|number| char::from(b'a' + number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_mean_flags_and_keywords() {
        let keywords = Keywords::parse("0 $Junk\n1 work stuff\n3 work\n26 far\n");
        assert_eq!(keywords.flags("FSa"), ["\\Flagged", "\\Seen", "$Junk"]);
        assert_eq!(keywords.flags("DPRTd"), ["\\Draft", "$Forwarded", "\\Answered", "\\Deleted", "work"]);
        assert!(keywords.flags("bz:").is_empty());
    }

    #[test]
    fn keywords_get_letters_until_there_are_none_left() {
        let (mut keywords, mut lost) = (Keywords::default(), Vec::new());
        let flags: Vec<String> = ["\\Seen", "work", "$Forwarded"].map(str::to_owned).into();
        assert_eq!(keywords.letters(&flags, |_| panic!()), "PSa");
        for number in 0..26 {
            let flags = [format!("k{number}"), "work".to_owned()];
            keywords.letters(&flags, |flag| lost.push(flag.to_owned()));
        }
        assert_eq!(lost, ["k25"]);
        let read = Keywords::parse(&keywords.file().unwrap());
        assert_eq!(read.flags("Sabz"), ["\\Seen", "work", "k0", "k24"]);
        assert_eq!(Keywords::default().file(), None);
    }
}
