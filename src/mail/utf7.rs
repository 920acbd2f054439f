//! Modified UTF-7, in which `IMAP4rev1` and Maildirs spell mailbox names (RFC 3501 §5.1.3).
//!
//! Printable ASCII stands for itself, but `&` is `&-`; everything else is UTF-16 in base64 between `&` and `-`.

use std::char::decode_utf16;

/// The bytes are no modified UTF-7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadShift;

/// The name that is spelled by these bytes. Strict: every name has one spelling only, so that a client never sees a
/// name under another spelling than its own.
pub fn decode(bytes: &[u8]) -> Result<String, BadShift> {
    let mut name = String::with_capacity(bytes.len());
    let mut rest = bytes;
    // Whether the last thing read was a base64 shift: another right after it could have been one with it.
    let mut shifted = false;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'&' {
            if !is_direct(byte) {
                return Err(BadShift);
            }
            name.push(char::from(byte));
            shifted = false;
            continue;
        }
        let end = memchr::memchr(b'-', rest).ok_or(BadShift)?;
        let (shift, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        if shift.is_empty() {
            name.push('&');
            shifted = false;
        } else if shifted {
            return Err(BadShift);
        } else {
            decode_shift(shift, &mut name)?;
            shifted = true;
        }
    }
    Ok(name)
}

/// Hands the name's spelling to `put`, in pieces: the only one that [`decode`] reads.
pub fn encode(name: &str, mut put: impl FnMut(&[u8])) {
    let mut rest = name;
    while !rest.is_empty() {
        let direct = rest.bytes().take_while(|&byte| is_direct(byte) && byte != b'&').count();
        let (plain, after) = rest.split_at(direct);
        put(plain.as_bytes());
        if let Some(after) = after.strip_prefix('&') {
            put(b"&-");
            rest = after;
            continue;
        }
        let shifted = after.find(|c: char| u8::try_from(c).is_ok_and(is_direct)).unwrap_or(after.len());
        let (shift, after) = after.split_at(shifted);
        if !shift.is_empty() {
            encode_shift(shift, &mut put);
        }
        rest = after;
    }
}

fn is_direct(byte: u8) -> bool {
    (0x20..=0x7e).contains(&byte)
}

fn decode_shift(shift: &[u8], name: &mut String) -> Result<(), BadShift> {
    let mut bits = 0_u32;
    let mut count = 0;
    let mut units = Vec::with_capacity(shift.len() / 2);
    for &byte in shift {
        bits = bits << 6 | sextet(byte).ok_or(BadShift)?;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push((bits >> count & 0xFFFF) as u16);
        }
    }
    // What is left is padding: less than a sextet, all zero.
    if count >= 6 || bits & ((1 << count) - 1) != 0 {
        return Err(BadShift);
    }
    for unit in decode_utf16(units) {
        let unit = unit.map_err(|_| BadShift)?;
        // Printable ASCII must stand for itself.
        if u8::try_from(unit).is_ok_and(is_direct) {
            return Err(BadShift);
        }
        name.push(unit);
    }
    Ok(())
}

fn encode_shift(shift: &str, put: &mut impl FnMut(&[u8])) {
    put(b"&");
    let mut bits = 0_u32;
    let mut count = 0;
    for unit in shift.encode_utf16() {
        bits = bits << 16 | u32::from(unit);
        count += 16;
        while count >= 6 {
            count -= 6;
            put(&[letter(bits >> count & 0x3F)]);
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        put(&[letter(bits << (6 - count) & 0x3F)]);
    }
    put(b"-");
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b',' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

fn letter(sextet: u32) -> u8 {
    let sextet = (sextet & 0x3F) as u8;
    match sextet {
        0..=25 => b'A' + sextet,
        26..=51 => b'a' + sextet - 26,
        52..=61 => b'0' + sextet - 52,
        62 => b'+',
        _ => b',',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::xorshift::Xorshift;

    fn encoded(name: &str) -> String {
        let mut spelled = Vec::new();
        encode(name, |piece| spelled.extend_from_slice(piece));
        String::from_utf8(spelled).unwrap()
    }

    #[test]
    fn the_examples_of_the_rfc_read_both_ways() {
        for (name, spelled) in [
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("R&D", "R&-D"),
            ("&&", "&-&-"),
            ("😀x", "&2D3eAA-x"),
            ("&é&", "&-&AOk-&-"),
            ("", ""),
        ] {
            assert_eq!(encoded(name), spelled);
            assert_eq!(decode(spelled.as_bytes()).as_deref(), Ok(name));
        }
    }

    #[test]
    fn a_spelling_that_is_not_the_canonical_one_is_refused() {
        for bad in [
            "&",
            "a&b",
            "&AOk",
            "&AOl-",      // padding bits set
            "&A-",        // no whole unit
            "&AOkA-",     // a superfluous sextet
            "&AGE-",      // "a" could stand for itself
            "&AOk-&AOk-", // two shifts in a row are one
            "&2D0-",      // half a surrogate pair
            "&AO/-",      // "/" is no letter here
            "&A O-",
            "\u{e9}",
            "tab\there",
        ] {
            assert_eq!(decode(bad.as_bytes()), Err(BadShift), "{bad}");
        }
    }

    #[test]
    fn every_name_comes_back() {
        let mut random = Xorshift::new(7);
        let alphabet: Vec<char> = "ab&-/+, é日😀\u{7f}\u{1}ß&".chars().collect();
        for _ in 0..20_000 {
            let length = random.below(12);
            let name: String = (0..length).filter_map(|_| alphabet.get(random.below(alphabet.len()))).collect();
            assert_eq!(decode(encoded(&name).as_bytes()), Ok(name));
        }
    }

    #[test]
    fn what_decodes_encodes_to_itself() {
        let mut random = Xorshift::new(8);
        let alphabet = b"&-AOk2D3eABU,+b";
        let mut read = 0;
        for _ in 0..200_000 {
            let length = random.below(9);
            let spelled: Vec<u8> =
                (0..length).filter_map(|_| alphabet.get(random.below(alphabet.len())).copied()).collect();
            if let Ok(name) = decode(&spelled) {
                read += 1;
                assert_eq!(encoded(&name).as_bytes(), spelled);
            }
        }
        assert!(read > 1_000, "only {read} were read");
    }
}
