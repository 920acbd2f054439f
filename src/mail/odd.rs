//! Odd messages for tests: all that is told of a header must be told alike by whoever reads it.

use super::xorshift::Xorshift;

const LINES: [&str; 25] = [
    "Subject: one",
    "Subject : two",
    "From: a@b",
    "FROM:c@d",
    "X-A: 1",
    "Note: it is text",
    "Note : it is text",
    " folded",
    "\t",
    "",
    "",
    "stray",
    "From bob Thu Jan  1 10:00:00 1970",
    ">From bob Thu Jan  1 10:00:00 1970",
    "From here on",
    ": nameless",
    "http://example.net/",
    "Scan result: clean",
    "\u{feff}Subject: three",
    "\u{feff}",
    "Prüfer: sauber",
    "To: \0",
    "Content-Type: message/rfc822",
    "--b",
    "A\r: b",
];

/// A message of some lines that may or may not be fields, each with this line end.
pub fn message(dice: &mut Xorshift, end: &str) -> Vec<u8> {
    let lines = (0..dice.below(8)).filter_map(|_| LINES.get(dice.below(LINES.len())).copied());
    let mut message: String = lines.collect::<Vec<_>>().join(end);
    if dice.below(4) > 0 {
        message.push_str(end);
    }
    message.into_bytes()
}
