//! Hashes of passwords that other systems made: crypt(3) strings as they stand in `/etc/shadow`, and as Raspberry Pi
//! Imager writes them. They are good for one log-in, which puts argon2id in their place.
//!
//! A hash says what verifying it costs, so one that asks for too much is not taken: whoever may guess could otherwise
//! hold a small board up for minutes with each guess.

use super::password::prepare;
use argon2::Params;
use argon2::password_hash::PasswordHash;
use sha_crypt::{PasswordVerifier, ShaCrypt};
use std::borrow::Cow;
use std::fmt;
use yescrypt::Yescrypt;

/// Rounds of SHA-crypt: the most that programs make by themselves is 656,000 (passlib). A Pi 3 takes 2 s for them.
const ROUNDS: std::ops::RangeInclusive<u32> = 1_000..=1_000_000;
/// Octets of a password that is compared with a hash from elsewhere. Each round of SHA-crypt hashes all of them, so that
/// whoever guesses with long ones would make each guess dearer, and nobody chose a longer one there.
const LONGEST: usize = 128;
/// KiB of memory that verifying may take: yescrypt's default is 16 MiB, argon2's second choice (RFC 9106 §4) 64 MiB.
const MEMORY_KIB: u32 = 64 << 10;
/// Passes of argon2 over its memory.
const PASSES: u32 = 10;
/// Digits of crypt's base64, in their order.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// This hash is not taken; the text is for the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadHash(&'static str);

/// How a password was hashed elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `$5$` and `$6$`.
    Sha,
    /// `$y$`.
    Yescrypt,
}

impl Kind {
    fn of(hash: &str) -> Option<Kind> {
        match hash.get(..3) {
            Some("$5$" | "$6$") => Some(Kind::Sha),
            Some("$y$") => Some(Kind::Yescrypt),
            _ => None,
        }
    }
}

/// Whether this is a crypt string.
pub(super) fn is_crypt(hash: &str) -> bool {
    Kind::of(hash).is_some()
}

/// Whether this is the password of a crypt string.
pub(super) fn verify(password: &[u8], hash: &str) -> bool {
    if password.len() > LONGEST {
        return false;
    }
    let fits = |password: &[u8]| match Kind::of(hash) {
        Some(Kind::Sha) => ShaCrypt::default().verify_password(password, hash).is_ok(),
        Some(Kind::Yescrypt) => Yescrypt::default().verify_password(password, hash).is_ok(),
        None => false,
    };
    // Others hash what was typed as it came; where SASLprep makes it another, who typed it there may type it here as
    // SASLprep has it.
    match prepare(password) {
        Cow::Owned(prepared) if prepared != password => fits(password) || fits(&prepared),
        _ => fits(password),
    }
}

/// Whether a hash can be taken: it is of a kind that we know, whole, and cheap enough to verify.
pub(super) fn check(hash: &str) -> Result<(), BadHash> {
    match Kind::of(hash) {
        Some(Kind::Sha) => sha(hash),
        Some(Kind::Yescrypt) => yescrypt(hash),
        None if hash.starts_with("$argon2") => argon2(hash),
        None => Err(BadHash("it must begin with $5$, $6$, $y$ or $argon2")),
    }
}

/// `$5$` or `$6$`, `[rounds=N$]salt$hash`.
fn sha(hash: &str) -> Result<(), BadHash> {
    let length = if hash.starts_with("$5$") { 43 } else { 86 };
    let mut fields = hash.split('$').skip(2).peekable();
    if let Some(rounds) = fields.next_if(|field| field.starts_with("rounds=")) {
        let rounds = rounds.trim_start_matches("rounds=");
        let rounds = if rounds.bytes().all(|octet| octet.is_ascii_digit()) { rounds.parse().ok() } else { None };
        match rounds {
            Some(rounds) if ROUNDS.contains(&rounds) => {}
            _ => return Err(BadHash("its rounds must be from 1000 to 1000000")),
        }
    }
    match (fields.next(), fields.next(), fields.next()) {
        (Some(salt), Some(hash), None) if salt.len() <= 16 && hash.len() == length && are_digits([salt, hash]) => {
            Ok(())
        }
        _ => Err(CUT),
    }
}

/// `$y$parameters$salt$hash`, with the parameters that crypt's own salts have: flavour, N and r, a digit each.
fn yescrypt(hash: &str) -> Result<(), BadHash> {
    let mut fields = hash.split('$').skip(2);
    let (Some(parameters), Some(salt), Some(digest), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(CUT);
    };
    if !(1..=86).contains(&salt.len()) || digest.len() != 43 || !are_digits([salt, digest]) {
        return Err(CUT);
    }
    let value = |digit: u8| DIGITS.iter().position(|known| *known == digit);
    let &[b'j', n, r] = parameters.as_bytes() else {
        return Err(BadHash("its parameters are none that crypt makes"));
    };
    // N is 2 to the power of its digit and one, r its digit and one.
    let (Some(n), Some(r @ 7..=31)) = (value(n), value(r)) else {
        return Err(BadHash("its parameters are none that crypt makes"));
    };
    // A block has 128 octets times r.
    let kib = 1_usize.checked_shl(u32::try_from(n + 1).unwrap_or(u32::MAX)).map(|n| n.saturating_mul(r + 1) / 8);
    match kib {
        Some(kib) if n >= 9 && kib <= MEMORY_KIB as usize => Ok(()),
        _ => Err(BadHash("it costs too much, or too little, to verify: its memory must be from 1 to 64 MiB")),
    }
}

/// Argon2 in the PHC string format.
fn argon2(hash: &str) -> Result<(), BadHash> {
    let parsed = PasswordHash::new(hash).map_err(|_| CUT)?;
    let whole = parsed.salt.is_some() && parsed.hash.is_some();
    let params = Params::try_from(&parsed).ok().filter(|_| whole).ok_or(CUT)?;
    if params.m_cost() > MEMORY_KIB || params.t_cost() > PASSES {
        return Err(BadHash("it costs too much to verify: at most 64 MiB of memory and 10 passes are taken"));
    }
    Ok(())
}

const CUT: BadHash = BadHash("it is cut off, or has a character that cannot be there");

fn are_digits(fields: [&str; 2]) -> bool {
    fields.iter().all(|field| field.bytes().all(|octet| DIGITS.contains(&octet)))
}

impl fmt::Display for BadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this hash of a password cannot be used: {}", self.0)
    }
}

impl std::error::Error for BadHash {}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &[u8] = b"open sesame";
    /// By `openssl passwd -5` and `-6`,
    const OPENSSL: [&str; 2] = [
        "$5$Yp8mYVwUZ1kc0nXq$VLOTeZqtGJeR3C6vBANAyuiSfNBnPM8bAdVUvcnl6h0",
        "$6$Yp8mYVwUZ1kc0nXq$449Dxr6kVzply6v9nEAMJJiCNEYpxo5suW5PxO9HZeszkLfH3QsM8q9Ag..R46xbXocdoqWy8pDV4FljAdhl80",
    ];
    /// and by libxcrypt, which is behind `mkpasswd` and behind Imager's own.
    const LIBXCRYPT: [&str; 7] = [
        "$5$rounds=1000$short$Kk7ohoyGvftTn/.KBnemx/RQPUGwRWw1jSQlCWGfKQB",
        "$6$rounds=20000$saltstring$sJLvihdGdjDkxyjE6yW.CM/ssuKE6yCBP7YPc2QFvsCYFdEkbbg97vPK2HLNgMtnpOPMRYYPBz4xeIqOX7sUw/",
        "$6$F5Jx5fExrKuPp53x$QlMdktiz.qq6duRWtmNi6tm1Zyf6eNBpFBNTRnDyfx9B1FOgIXa0lJ2uQ7X.uTaygvxmm30hgVEowM2G.Q7xg.",
        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$6JlLzEdKMvGk83Zgd3owplAejssJr2SFlJFlOc7i54A",
        "$y$j9T$pwu3d49TKZuuuorMpDGu91$hHp.c0fQb/2MBnes92M80G5tT93Vkop2H8/k4Xpj4r.",
        "$y$j75$F5Jx5fExrKuPp53xLKQ..1$b9ipOqv8PnW5AVU85r73I0FOIAcGICbbCril3UpGHU0",
        "$y$j7T$F5Jx5fExrKuPp53xLKQ..1$5RWPDIizbVb5VbEnyM2hB3Def0duBsuBSLv5hK6g9E8",
    ];

    #[test]
    fn hashes_of_other_programs_are_taken_and_know_their_password() {
        for hash in OPENSSL.iter().chain(&LIBXCRYPT) {
            assert_eq!(check(hash), Ok(()), "{hash}");
            assert!(verify(PASSWORD, hash), "{hash}");
            assert!(!verify(b"open sesam", hash) && !verify(b"", hash), "{hash}");
        }
    }

    #[test]
    fn a_password_that_was_hashed_as_typed_is_known_though_saslprep_would_change_it() {
        // U+00B2, which SASLprep makes a plain 2.
        let hash = "$6$F5Jx5fExrKuPp53x$CgtSK5Rna2SailTnAaVpfKpYw8iM8zcOJ0RFViIPKkL796EERPOOotCM0GQlSAf/58XjPD9MYvebqFJoUBq/2/";
        assert!(verify("p\u{e4}ss\u{b2}".as_bytes(), hash));
        // As typed on a keyboard that composes, and here on one that does not.
        let composed = "$5$F5Jx5fExrKuPp53x$Kr/ODI9TVcDK6s9fl9mYl6J9jRt/pZTXbazWcZ5dohC";
        assert!(verify("pa\u{308}ss".as_bytes(), composed));
    }

    #[test]
    fn a_password_that_would_make_each_guess_dear_is_never_right() {
        // By `openssl passwd -5`.
        for (octets, hash) in [
            (128, "$5$salt$/tt1Cf61g7SAV9xWBESVEUM4IONqdtRjsYfDm6QxgRC"),
            (129, "$5$salt$C/PZKZ0KReKKfGPmyqUWSm9B0DjExKQjoywNWcfaccB"),
        ] {
            assert_eq!(verify(&vec![b'x'; octets], hash), octets <= LONGEST, "{octets}");
        }
    }

    #[test]
    fn what_would_take_minutes_or_gigabytes_is_refused() {
        for dear in [
            "$5$rounds=999999999$short$Kk7ohoyGvftTn/.KBnemx/RQPUGwRWw1jSQlCWGfKQB",
            "$5$rounds=99999999999999999999$short$Kk7ohoyGvftTn/.KBnemx/RQPUGwRWw1jSQlCWGfKQB",
            "$5$rounds=+5000$short$Kk7ohoyGvftTn/.KBnemx/RQPUGwRWw1jSQlCWGfKQB",
            // 128 MiB, and more than there is.
            "$y$jCT$F5Jx5fExrKuPp53xLKQ..1$6JlLzEdKMvGk83Zgd3owplAejssJr2SFlJFlOc7i54A",
            "$y$jzT$F5Jx5fExrKuPp53xLKQ..1$6JlLzEdKMvGk83Zgd3owplAejssJr2SFlJFlOc7i54A",
            "$y$j9z$F5Jx5fExrKuPp53xLKQ..1$6JlLzEdKMvGk83Zgd3owplAejssJr2SFlJFlOc7i54A",
            // With p and t.
            "$y$j9T1zzzzz$F5Jx5fExrKuPp53xLKQ..1$6JlLzEdKMvGk83Zgd3owplAejssJr2SFlJFlOc7i54A",
            "$argon2id$v=19$m=1048576,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$WrTpFYXQY6pZu0K+uskWZwl8fOk0W4Dj/pXGXzHQ3gc",
            "$argon2id$v=19$m=64,t=4000000,p=1$c29tZXNhbHRzb21lc2FsdA$WrTpFYXQY6pZu0K+uskWZwl8fOk0W4Dj/pXGXzHQ3gc",
        ] {
            assert!(check(dear).is_err(), "{dear}");
        }
        let long = [b'x'; 1_000];
        assert!(OPENSSL.iter().all(|hash| !verify(&long, hash)));
    }

    #[test]
    fn what_is_no_hash_or_of_a_kind_that_is_not_known_is_refused() {
        let [sha256, _] = OPENSSL;
        let argon2 = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA";
        for bad in [
            "",
            "!",
            "*",
            "x",
            "secret",
            "$",
            "$6",
            "$6$",
            "$6$salt",
            "$6$salt$",
            "$y$",
            "$y$j9T$$",
            "$1$salt$hash",
            "$2b$12$",
            "$7$CU..../....x",
            "$gy$j9T$x$y",
            "$5$a b$x",
            argon2,
            &sha256[..sha256.len() - 1],
            &format!("{sha256}x"),
            &format!("{sha256}$"),
            &format!("{sha256}\n"),
            "$6\u{e4}$",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
            assert!(!verify(b"", bad) && !verify(PASSWORD, bad), "{bad:?}");
        }
    }
}
