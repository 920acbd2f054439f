//! The word that was probably meant.

/// The one of `known` that is nearest to a word, where one is near enough to be meant.
pub fn near<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase();
    let most = if word.chars().count() <= 4 { 1 } else { 2 };
    let begun = |other: &str| word.len() >= 3 && other.starts_with(&word);
    let far = |other: &str| if begun(other) { 1 } else { distance(&word, other) };
    let nearest = known.into_iter().map(|other| (far(other), other)).min_by_key(|(distance, _)| *distance);
    nearest.filter(|(distance, _)| *distance <= most).map(|(_, other)| other)
}

/// `: did you mean serve?`, or nothing. `before` stands before the word.
pub fn hint<'k>(word: &str, before: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    near(word, known).map_or_else(String::new, |meant| format!(": did you mean {before}{meant}?"))
}

/// Letters that are to be put in, taken out, exchanged, or swapped with their neighbour until one word is the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut row = vec![at + 1];
        for (place, theirs) in other.iter().enumerate() {
            let of = |row: &[usize], place: usize| row.get(place).copied().unwrap_or(usize::MAX - 1);
            let mut least = (of(&last, place) + usize::from(letter != theirs))
                .min(of(&last, place + 1) + 1)
                .min(of(&row, place) + 1);
            let swapped =
                at > 0 && place > 0 && one.get(at - 1) == Some(theirs) && other.get(place - 1) == Some(letter);
            if swapped {
                least = least.min(of(&before, place - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_seen_and_another_word_is_not() {
        let known = ["serve", "account", "alias", "status", "smarthost", "log"];
        for (word, meant) in [
            ("sevre", "serve"),
            ("acount", "account"),
            ("Accounts", "account"),
            ("aliass", "alias"),
            ("stat", "status"),
            ("smart", "smarthost"),
            ("lgo", "log"),
        ] {
            assert_eq!(near(word, known), Some(meant), "{word}");
        }
        for other in ["", "xyz", "backup", "x", "mirror"] {
            assert_eq!(near(other, known), None, "{other}");
        }
        assert_eq!(hint("sevre", "", known), ": did you mean serve?");
        assert_eq!(hint("backup", "", known), "");
    }
}
