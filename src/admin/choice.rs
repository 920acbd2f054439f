//! Which passwords may be chosen: one rule for every way in (NIST SP 800-63B §3.1.1.2). Long is what counts; nothing is
//! asked of its letters. What guessers try first is refused, and what they make of an address.
//!
//! A password that was taken before there was this rule still opens its account; so does one that came as a hash.

use crate::mail::limits;
use crate::wire::sasl;
use std::fmt;

/// This password cannot be chosen; the text is for who chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeakPassword {
    /// It has fewer than [`limits::PASSWORD_LEAST`] characters.
    Short,
    /// It has more than [`limits::PASSWORD`] octets.
    Long,
    /// It holds the end of a line, or a NUL, which no client could send.
    OneLine,
    /// It is among those that are tried first.
    Common,
    /// It is made of the address, or of our own name.
    Own,
}

/// What people choose most, as far as it is words, in small letters and without what is put after them: compiled by us
/// from what the published counts of leaked passwords have in common.
const COMMONEST: &str = include_str!("commonest.txt");
/// Digits and signs before or after a word that make no other password of it.
const APPENDED: usize = 6;
/// The least that is a walk over the keys and not chance.
const STEPS: usize = 3;
/// The longest piece that is found when it is only repeated.
const PIECE: usize = 4;
/// Keys in the order in which fingers find them, and what is counted up; each is also walked backwards.
const WALKS: &[&str] = &[
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop[]",
    "qwertzuiopü",
    "azertyuiop",
    "asdfghjkl;'",
    "asdfghjklöä",
    "qsdfghjklm",
    "zxcvbnm,./",
    "yxcvbnm",
    "wxcvbn",
    "йцукенгшщзхъ",
    "!@#$%^&*()",
    "!\"§$%&/()=",
    "1q2w3e4r5t6y7u8i9o0p",
    "1q2w3e4r5t6z7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "1a2b3c4d5e6f7g8h9i",
    "a1b2c3d4e5f6g7h8i9",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "1qay2wsx3edc4rfv5tgb6zhn7ujm",
    "zaq1xsw2cde3vfr4bgt5nhy6mju7",
    "zaq12wsxcde34rfvbgt56yhnmju7",
    "qazwsxedcrfvtgbyhnujmikolp",
    "qweasdzxc",
    "147258369",
    "159357",
    "741852963",
    "789456123",
];

/// Whether this password can be chosen for the account of this address.
pub fn check(password: &str, address: &str) -> Result<(), WeakPassword> {
    if password.len() > limits::PASSWORD {
        return Err(WeakPassword::Long);
    }
    // NUL ends a field of SASL PLAIN (RFC 4616 §2); a line end would never come through a prompt.
    if password.contains(['\0', '\r', '\n']) {
        return Err(WeakPassword::OneLine);
    }
    let prepared = sasl::prepare(password);
    if prepared.chars().count() < limits::PASSWORD_LEAST {
        return Err(WeakPassword::Short);
    }
    let folded: Vec<char> = folded(&prepared);
    if is_repeated(&folded) || is_walk(&folded) || is_walk(trimmed(&folded)) {
        return Err(WeakPassword::Common);
    }
    let own = own_words(address);
    for word in readings(&folded) {
        if COMMONEST.lines().any(|common| common == word) {
            return Err(WeakPassword::Common);
        }
        if own.contains(&word) {
            return Err(WeakPassword::Own);
        }
    }
    Ok(())
}

/// In small letters, and without what is put between words.
fn folded(text: &str) -> Vec<char> {
    let kept = |c: &char| !c.is_whitespace() && !"-_.".contains(*c);
    text.chars().flat_map(char::to_lowercase).filter(kept).collect()
}

/// Our name, the address, and what it is made of.
fn own_words(address: &str) -> Vec<String> {
    let (local, domain) = address.split_once('@').unwrap_or((address, ""));
    let mut words = vec!["pillarbox", address, local, domain];
    words.extend(local.split(['.', '-', '_', '+']));
    words.extend(domain.split('.'));
    let whole = |word: &str| folded(word).into_iter().collect::<String>();
    words.into_iter().map(whole).filter(|word| !word.is_empty()).collect()
}

/// One short piece over and over.
fn is_repeated(text: &[char]) -> bool {
    (1..=PIECE).any(|length| text.iter().zip(text.iter().skip(length)).all(|(one, other)| one == other))
}

/// Nothing but walks over the keys, one key held down, and what is counted up or down.
fn is_walk(text: &[char]) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let held = rest.iter().take_while(|key| Some(*key) == rest.first()).count();
        let longest = WALKS.iter().flat_map(|walk| [steps(rest, walk.chars()), steps(rest, walk.chars().rev())]);
        let taken = longest.max().unwrap_or(0).max(held);
        if taken < STEPS {
            return false;
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    true
}

/// How many keys from the start of `text` on follow one another in a walk.
fn steps(text: &[char], walk: impl Iterator<Item = char>) -> usize {
    let walk: Vec<char> = walk.collect();
    let from = |at: usize| text.iter().zip(walk.iter().skip(at)).take_while(|(key, step)| key == step).count();
    (0..walk.len()).map(from).max().unwrap_or(0)
}

/// The words that may be meant: with and without what is put around them, with signs for the letters that they look
/// like, and once where it is there twice.
fn readings(text: &[char]) -> Vec<String> {
    let mut readings = Vec::new();
    for one in ['i', 'l'] {
        let letter = |c: &char| match c {
            '0' => 'o',
            '1' | '!' | '|' => one,
            '3' | '€' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' | '+' => 't',
            c => *c,
        };
        let read: Vec<char> = text.iter().map(letter).collect();
        let inner: Vec<char> = trimmed(text).iter().map(letter).collect();
        readings.extend([text.to_vec(), trimmed(text).to_vec(), trimmed(&read).to_vec(), read, inner]);
    }
    for twice in readings.clone() {
        let (one, other) = twice.split_at(twice.len() / 2);
        if one == other {
            readings.push(one.to_vec());
        }
    }
    let mut words: Vec<String> = readings.into_iter().map(|word| word.into_iter().collect()).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// Without digits and signs at the start and the end, unless there are more of them than are just put there.
fn trimmed(text: &[char]) -> &[char] {
    let is_letter = |c: &char| c.is_alphabetic();
    let (Some(first), Some(last)) = (text.iter().position(is_letter), text.iter().rposition(is_letter)) else {
        return text;
    };
    let around = |signs: &[char]| signs.len() <= APPENDED || is_walk(signs);
    let from = if around(text.get(..first).unwrap_or_default()) { first } else { 0 };
    let to = if around(text.get(last + 1..).unwrap_or_default()) { last + 1 } else { text.len() };
    text.get(from..to).unwrap_or(text)
}

impl fmt::Display for WeakPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WeakPassword::Short => {
                write!(f, "a password has at least {} characters: four words are good", limits::PASSWORD_LEAST)
            }
            WeakPassword::Long => write!(f, "a password has at most {} octets", limits::PASSWORD),
            WeakPassword::OneLine => f.write_str("a password is one line"),
            WeakPassword::Common => {
                f.write_str("this password is among those that are tried first: four words are good")
            }
            WeakPassword::Own => {
                f.write_str("this password is made of the address or of our own name: four other words are good")
            }
        }
    }
}

impl std::error::Error for WeakPassword {}

#[cfg(test)]
mod tests {
    use super::*;

    fn weak(password: &str) -> Option<WeakPassword> {
        check(password, "anna.smith@example.org").err()
    }

    #[test]
    fn a_password_has_eight_characters_at_least_however_many_octets_those_are() {
        for short in ["", "a", "seven77", "пароль7", "\u{ad}\u{ad}short\u{ad}", "e\u{301}e\u{301}e\u{301}e\u{301}"]
        {
            assert_eq!(weak(short), Some(WeakPassword::Short), "{short:?}");
        }
        for good in ["testpass", "a password", "first word", "открыто1", "k3mf-w8ta", "ümläutöß", "tr0ub4dor&3"]
        {
            assert_eq!(weak(good), None, "{good:?}");
        }
        assert_eq!(weak(&"long words ".repeat(60)), Some(WeakPassword::Long));
        assert_eq!(weak("two lines\nof it"), Some(WeakPassword::OneLine));
    }

    #[test]
    fn what_is_tried_first_is_refused_in_every_spelling() {
        for common in [
            "password",
            "PASSWORD",
            "Password1",
            "p@ssw0rd",
            "Passw0rd!",
            "password123456",
            "passwordpassword",
            "12345678",
            "123456789",
            "87654321",
            "1234 5678",
            "11111111",
            "12121212",
            "abcdefgh",
            "abcd1234",
            "qwertyuiop",
            "qwertzuiop",
            "1q2w3e4r",
            "1qaz2wsx",
            "qwerty123",
            "asdfghjkl",
            "zxcvbnm1",
            "aaa111bbb",
            "iloveyou",
            "1loveyou",
            "ILoveYou2!",
            "sunshine",
            "Sunshine2024",
            "princess1",
            "football",
            "trustno1",
            "letmein1",
            "welcome1",
            "admin123",
            "adm1n1234",
            "changeme",
            "abc123abc",
            "testtest",
            "!@#$%^&*",
            "passwort1",
            "motdepasse",
            "michelle",
            "welcome12345678",
        ] {
            assert_eq!(weak(common), Some(WeakPassword::Common), "{common}");
        }
        for good in [
            "testpass",
            "seven open sesames",
            "open sesame!",
            "four words are good",
            "another one",
            "hunter2 and more",
            "correct horse battery staple",
            "dtxu-6s25-ukkm-53n8",
            "passing words",
            "my dog has fleas",
        ] {
            assert_eq!(weak(good), None, "{good}");
        }
    }

    #[test]
    fn an_address_is_no_password_to_itself() {
        for own in [
            "anna.smith@example.org",
            "anna.smith",
            "AnnaSmith",
            "annasmith1",
            "Anna1990!",
            "smith12345",
            "example1",
            "ExampleOrg",
            "pillarbox",
            "P1llarb0x",
            "pillarbox2026",
            "annaanna",
        ] {
            assert!(weak(own).is_some(), "{own}");
        }
        assert_eq!(check("annasmith1", "bob@other.example"), Ok(()));
    }

    #[test]
    fn the_list_is_as_it_is_looked_through() {
        for word in COMMONEST.lines() {
            assert_eq!(folded(word).into_iter().collect::<String>(), word);
        }
    }
}
