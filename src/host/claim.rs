//! The claim code: who can read it on the console may make the first account on the set-up page.

use super::data;
use rustix::rand::{GetRandomFlags, getrandom};
use std::fs;
use std::path::Path;

/// What cannot be mistaken for something else when it is read from a screen.
const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// 40 bits, which the set-up page lets nobody guess at quickly.
const LENGTH: usize = 8;

/// The code of this box: the same until somebody used it.
pub(super) fn code(data_is_written: bool) -> String {
    let file = Path::new(data::HOST).join("claim");
    if let Some(code) = fs::read_to_string(&file).ok().filter(|code| is_code(code)) {
        return code;
    }
    let code = made();
    if data_is_written && let Err(error) = data::write(&file, code.as_bytes()) {
        log::warn!("the claim code cannot be kept: {error}");
    }
    code
}

/// There is an account: the next owner of this box, if there is one, gets another code.
pub(super) fn is_used() {
    // What is left behind is only a code that opens nothing.
    let _ = fs::remove_file(Path::new(data::HOST).join("claim"));
}

fn made() -> String {
    let mut octets = [0_u8; LENGTH];
    // It waits until the kernel has gathered enough chance.
    while getrandom(&mut octets, GetRandomFlags::empty()).is_err() {}
    let letters = octets.iter().filter_map(|octet| LETTERS.get(usize::from(octet % 32)));
    let mut code: String = letters.map(|&letter| char::from(letter)).collect();
    code.insert(LENGTH / 2, '-');
    code
}

fn is_code(text: &str) -> bool {
    let letters = text.bytes().filter(|octet| LETTERS.contains(octet)).count();
    text.len() == LENGTH + 1 && letters == LENGTH && text.as_bytes().get(LENGTH / 2) == Some(&b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_was_made_is_one_and_no_two_are_the_same() {
        let (one, other) = (made(), made());
        assert!(is_code(&one) && is_code(&other));
        assert_ne!(one, other);
        for bad in ["", "ABCD-EFG", "ABCD-EFG0", "ABCDEFGH-", "ABCD-EFGHJ"] {
            assert!(!is_code(bad), "{bad}");
        }
    }
}
