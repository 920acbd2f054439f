//! The notation of transcripts: the RFCs' own, with a line for the world.
//!
//! ```text
//! C: a1 LOGIN …        the client says it; lines in a row leave in one write
//! S: a1 OK ...         the server says exactly this next; a trailing `...` stops comparing
//! 2C: / 2S: / 2@       the same for a second client
//! @ deliver hello.eml  the world: see `world`
//! # …                  a comment
//! ```
//!
//! `\x00` is an octet, `\{1000*ab\}` is `ab` a thousand times, a `\` at the end leaves the line end away. `<uid>` takes
//! what stands there the first time, and must be the same ever after; in what a client says it is replaced.

#![expect(clippy::indexing_slicing, reason = "a script that does not hold what it should is a test that fails")]

use std::collections::BTreeMap;

/// What happens.
pub enum Deed {
    /// The client writes this, at once.
    Say(Vec<u8>),
    /// The server's next line.
    Hear(Vec<u8>),
    /// Something happens in the world.
    World(Vec<String>),
}

/// One step of a script.
pub struct Step {
    /// The line of the script.
    pub line: usize,
    /// Which client.
    pub client: usize,
    pub deed: Deed,
}

/// What `<…>` stands for so far.
pub type Names = BTreeMap<String, Vec<u8>>;

/// Reads a script.
pub fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    // What was said in the line before goes on: a blank line or a comment ends the write.
    let mut going_on = false;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.trim().is_empty() || line.starts_with('#') {
            going_on = false;
            continue;
        }
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let client = line[..digits].parse().unwrap_or(1);
        let rest = &line[digits..];
        let said = rest.strip_prefix("C: ").or_else(|| (rest == "C:").then_some(""));
        let heard = rest.strip_prefix("S: ").or_else(|| (rest == "S:").then_some(""));
        if let Some(said) = said {
            let (said, end): (_, &[u8]) = said.strip_suffix('\\').map_or((said, b"\r\n"), |said| (said, b""));
            let mut octets = unescape(said);
            octets.extend_from_slice(end);
            match steps.last_mut() {
                Some(Step { client: last, deed: Deed::Say(before), .. }) if going_on && *last == client => {
                    before.extend(octets);
                }
                _ => steps.push(Step { line: number, client, deed: Deed::Say(octets) }),
            }
            going_on = true;
            continue;
        }
        going_on = false;
        let deed = if let Some(heard) = heard {
            Deed::Hear(unescape(heard))
        } else if let Some(world) = rest.strip_prefix("@ ") {
            Deed::World(world.split_whitespace().map(str::to_owned).collect())
        } else {
            panic!("line {number} is neither C: nor S: nor @ nor #: {line}");
        };
        steps.push(Step { line: number, client, deed });
    }
    steps
}

/// Whether a line is what was expected; learns names.
pub fn matches(expected: &[u8], got: &[u8], names: &mut Names) -> bool {
    let open = expected.strip_suffix(b"...");
    let pattern = open.map_or(expected, |open| open.strip_suffix(b" ").unwrap_or(open));
    let mut rest = got;
    let mut at = 0;
    while at < pattern.len() {
        // Up to the next name, if there is one, at once: lines can be long.
        let plain = memchr::memchr(b'<', &pattern[at..]).unwrap_or(pattern.len() - at);
        if plain > 0 {
            if !rest.starts_with(&pattern[at..at + plain]) {
                return false;
            }
            (rest, at) = (&rest[plain..], at + plain);
            continue;
        }
        if let Some((name, after)) = name(&pattern[at..]) {
            at += after;
            let length = match names.get(name) {
                Some(value) if rest.starts_with(value) => value.len(),
                Some(_) => return false,
                None => {
                    let length = rest.iter().take_while(|octet| octet.is_ascii_alphanumeric()).count();
                    names.insert(name.to_owned(), rest[..length].to_vec());
                    length
                }
            };
            rest = &rest[length..];
            continue;
        }
        if rest.first() != Some(&pattern[at]) {
            return false;
        }
        rest = &rest[1..];
        at += 1;
    }
    open.is_some() || rest.is_empty()
}

/// What a client says, with the names' values.
pub fn filled(said: &[u8], names: &Names) -> Vec<u8> {
    let mut octets = Vec::with_capacity(said.len());
    let mut at = 0;
    while at < said.len() {
        let plain = memchr::memchr(b'<', &said[at..]).unwrap_or(said.len() - at);
        octets.extend_from_slice(&said[at..at + plain]);
        at += plain;
        if at == said.len() {
            break;
        }
        if let Some((value, after)) = name(&said[at..]).and_then(|(name, after)| Some((names.get(name)?, after))) {
            octets.extend_from_slice(value);
            at += after;
        } else {
            octets.push(said[at]);
            at += 1;
        }
    }
    octets
}

/// Octets for a reader.
pub fn shown(octets: &[u8]) -> String {
    let mut text = String::new();
    for octet in octets.iter().take(500) {
        match octet {
            b' '..=b'~' => text.push(char::from(*octet)),
            other => text.extend(["\\x".to_owned(), format!("{other:02x}")]),
        }
    }
    text
}

/// `<name>` at the front: the name, and the octets it takes.
fn name(text: &[u8]) -> Option<(&str, usize)> {
    let inner = text.strip_prefix(b"<")?;
    let end = inner.iter().position(|octet| !octet.is_ascii_lowercase())?;
    (end > 1 && inner[end] == b'>').then(|| (std::str::from_utf8(&inner[..end]).expect("these are letters"), end + 2))
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        octets.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        if let Some(octet) = rest.strip_prefix("\\x").and_then(|hex| u8::from_str_radix(hex.get(..2)?, 16).ok()) {
            octets.push(octet);
            rest = &rest[4..];
        } else if let Some((inner, after)) = rest.strip_prefix("\\{").and_then(|inner| inner.split_once("\\}")) {
            let (count, what) = inner.split_once('*').expect("\\{count*what\\}");
            octets.extend(unescape(what).repeat(count.parse().expect("a count")));
            rest = after;
        } else {
            octets.push(b'\\');
            rest = &rest[1..];
        }
    }
    octets.extend_from_slice(rest.as_bytes());
    octets
}
