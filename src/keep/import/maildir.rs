//! Maildirs: a file per message, flags in its name; subfolders as Maildir++ has them, `.Name.Sub` beside `cur`.

use super::carrier::{Carrier, Dates, Flags, Halt, Place};
use super::folder;
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use std::io;
use std::path::{Path, PathBuf};

/// Whether a folder is a Maildir.
pub(super) fn is(folder: &Path) -> bool {
    folder.join("cur").is_dir() && folder.join("new").is_dir()
}

/// The subfolders with the names of their mailboxes, in order.
pub(super) fn subfolders(root: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix('.')) else { continue };
        if !name.is_empty() && is(&entry.path()) {
            found.push((mailbox_name(name), entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// The messages of a Maildir without its subfolders: those that were read, then those that are new, each by name,
/// which begins with the time of their arrival.
pub(super) fn files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in ["cur", "new"] {
        let folder = root.join(folder);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if !entry.file_name().as_encoded_bytes().starts_with(b".") && entry.file_type()?.is_file() {
                names.push(entry.file_name());
            }
        }
        names.sort();
        files.extend(names.into_iter().map(|name| folder.join(name)));
    }
    Ok(files)
}

/// Carries all messages of a Maildir, without its subfolders.
pub(super) fn read(root: &Path, carrier: &mut Carrier<'_>) -> Result<(), Halt> {
    let files = match files(root) {
        Ok(files) => files,
        Err(error) => {
            carrier.skip(&Place::file(root), format!("it cannot be read: {error}"));
            return Ok(());
        }
    };
    let keywords =
        std::fs::read_to_string(root.join("dovecot-keywords")).map(|text| keywords(&text)).unwrap_or_default();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let flags = Flags::These(flags(&name, &keywords));
        // The time of the file is when it was delivered: that is what Maildir servers show, too.
        folder::message(&path, flags, |modified| Dates { first: modified, last: None }, carrier)?;
    }
    Ok(())
}

/// The flags after `:2,`, or `;2,` where a file system knows no colon.
fn flags(name: &str, keywords: &[(u8, String)]) -> Vec<String> {
    let Some((_, letters)) = name.rsplit_once(":2,").or_else(|| name.rsplit_once(";2,")) else { return Vec::new() };
    let letters = letters.bytes().take_while(u8::is_ascii_alphabetic);
    let named = letters.filter_map(|letter| match letter {
        b'S' => Some("\\Seen"),
        b'R' => Some("\\Answered"),
        b'F' => Some("\\Flagged"),
        b'D' => Some("\\Draft"),
        b'T' => Some("\\Deleted"),
        b'P' => Some("$Forwarded"),
        _ => keywords.iter().find(|(known, _)| *known == letter).map(|(_, keyword)| keyword.as_str()),
    });
    named.map(str::to_owned).collect()
}

/// The file `dovecot-keywords`: a number and a keyword on each line; number 0 is the letter `a`.
fn keywords(text: &str) -> Vec<(u8, String)> {
    let lines = text.lines().filter_map(|line| {
        let (number, keyword) = line.split_once(' ')?;
        let number: u8 = number.parse().ok().filter(|number| *number < 26)?;
        Some((b'a' + number, keyword.trim().to_owned()))
    });
    lines.filter(|(_, keyword)| !keyword.is_empty() && keyword.bytes().all(is_atom)).collect()
}

/// What a keyword can be made of (RFC 9051 §9, `atom`).
fn is_atom(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"(){%*\"\\]".contains(&octet)
}

/// The mailbox of `.Name.Sub`: levels between dots, each in UTF-8 or in IMAP's modified UTF-7.
fn mailbox_name(folder: &str) -> String {
    let levels: Vec<String> = folder.split('.').filter(|level| !level.is_empty()).map(decoded).collect();
    levels.join("/")
}

fn decoded(level: &str) -> String {
    let name = modified_utf7(level).unwrap_or_else(|| level.to_owned());
    // What the store does not take in a name.
    name.chars().map(|c| if c.is_control() || matches!(c, '*' | '%' | '/') { '_' } else { c }).collect()
}

/// Modified UTF-7 (RFC 3501 §5.1.3); `None` where it is none.
fn modified_utf7(name: &str) -> Option<String> {
    let alphabet = alphabet::Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").ok()?;
    let base64 = GeneralPurpose::new(&alphabet, NO_PAD);
    let mut decoded = String::new();
    let mut rest = name;
    while let Some((plain, shifted)) = rest.split_once('&') {
        decoded.push_str(plain);
        let (shifted, after) = shifted.split_once('-')?;
        if shifted.is_empty() {
            decoded.push('&');
        } else {
            let octets = base64.decode(shifted).ok()?;
            let units =
                octets.chunks_exact(2).map(|pair| pair.iter().fold(0, |unit, octet| unit << 8 | u16::from(*octet)));
            decoded.extend(char::decode_utf16(units).collect::<Result<Vec<char>, _>>().ok()?);
        }
        rest = after;
    }
    decoded.push_str(rest);
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_from_the_name_with_either_separator() {
        let keywords = keywords("0 $Junk\n1 work stuff\n3 work\n");
        assert_eq!(flags("1.2.host:2,FSa", &keywords), ["\\Flagged", "\\Seen", "$Junk"]);
        assert_eq!(
            flags("1.2.host,S=5;2,DPRTd", &keywords),
            ["\\Draft", "$Forwarded", "\\Answered", "\\Deleted", "work"]
        );
        assert!(flags("1.2.host", &keywords).is_empty());
        assert!(flags("1.2.host:2,z", &keywords).is_empty());
    }

    #[test]
    fn folder_names_become_mailbox_names() {
        assert_eq!(mailbox_name("Name.Sub"), "Name/Sub");
        assert_eq!(mailbox_name("Entw&APw-rfe.A &- B"), "Entwürfe/A & B");
        assert_eq!(mailbox_name("Entwürfe"), "Entwürfe");
        assert_eq!(mailbox_name("R&D"), "R&D");
        assert_eq!(mailbox_name("a*b%"), "a_b_");
    }
}
