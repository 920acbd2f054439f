//! Writing mbox files (`mboxrd`): each message after a From_ line, which says what may not be said in the message.
//!
//! A line of more than 256 KiB that consists of `>` up to there and goes on with `From ` is the one thing that does not
//! come back: an import sees only its beginning.

use super::run::Shelf;
use super::target::{make_file, make_folder};
use super::walk::Item;
use crate::keep::layout::{Marks, Separator, Shape, ToFile};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Octets that are written at a time.
const BUFFER: usize = 256 << 10;
/// What a line in a message must not begin with, but for any number of `>`.
const FROM: &[u8] = b"From ";

/// The mailbox that is being written.
pub struct Mbox {
    file: BufWriter<File>,
    ends: ToFile,
    shape: Shape,
    quote: Quote,
    /// Octets with line ends as the file has them, and those with quotes as well.
    piece: Vec<u8>,
    quoted: Vec<u8>,
}

/// Puts a `>` before each `>*From ` at the beginning of a line, however the octets are cut.
#[derive(Clone, Copy, Debug)]
enum Quote {
    /// So many octets of `From ` were seen at the beginning of a line, and are held back.
    Start(usize),
    /// Further on in a line.
    Within,
}

impl Mbox {
    pub fn new(path: &Path) -> io::Result<Mbox> {
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let file = BufWriter::with_capacity(BUFFER, make_file(path)?);
        let (ends, shape, quote) = (ToFile::default(), Shape::default(), Quote::Start(0));
        Ok(Mbox { file, ends, shape, quote, piece: Vec::new(), quoted: Vec::new() })
    }

    fn write(&mut self) -> io::Result<()> {
        self.quoted.clear();
        self.quote.convert(&self.piece, &mut self.quoted);
        self.piece.clear();
        self.file.write_all(&self.quoted)
    }
}

impl Shelf for Mbox {
    fn begin(&mut self, item: &Item, _lost: &mut dyn FnMut(&str)) -> io::Result<()> {
        let marks = Marks { history: item.meta.history, received: item.meta.received, shape: item.shape };
        self.shape = item.shape;
        self.ends = ToFile::new(item.shape);
        self.quote = Quote::Start(0);
        let separator = Separator { marks, flags: item.meta.flags.clone() };
        self.file.write_all(separator.line().as_bytes())
    }

    fn octets(&mut self, octets: &[u8]) -> io::Result<()> {
        self.ends.convert(octets, &mut self.piece);
        self.write()
    }

    fn end(&mut self) -> io::Result<()> {
        std::mem::take(&mut self.ends).finish(&mut self.piece);
        if self.shape.open {
            self.piece.push(b'\n');
        }
        self.write()?;
        self.quoted.clear();
        self.quote.finish(&mut self.quoted);
        // Without an empty line the next From_ line would be one of this message.
        self.quoted.push(b'\n');
        self.file.write_all(&self.quoted)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.file.flush()
    }
}

impl Quote {
    fn convert(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let mut rest = octets;
        while let Some((&octet, after)) = rest.split_first() {
            match *self {
                Quote::Within => {
                    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                    let (line, next) = rest.split_at(end);
                    out.extend_from_slice(line);
                    if line.ends_with(b"\n") {
                        *self = Quote::Start(0);
                    }
                    rest = next;
                }
                // One more `>` is the same wherever it stands among others: none needs to be held back.
                Quote::Start(0) if octet == b'>' => {
                    out.push(octet);
                    rest = after;
                }
                Quote::Start(seen) if FROM.get(seen) == Some(&octet) => {
                    rest = after;
                    *self = Quote::Start(seen + 1);
                    if seen + 1 == FROM.len() {
                        out.push(b'>');
                        self.finish(out);
                    }
                }
                Quote::Start(_) => self.finish(out),
            }
        }
    }

    /// Lets go what was held back.
    fn finish(&mut self, out: &mut Vec<u8>) {
        if let Quote::Start(seen) = std::mem::replace(self, Quote::Within) {
            out.extend_from_slice(FROM.get(..seen).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_would_separate_are_quoted_however_the_octets_are_cut() {
        let text = b"From a\n>From b\nFromage\n > From c\n\nFrom \nFro\n>>>From d\n>>Fr";
        let quoted = b">From a\n>>From b\nFromage\n > From c\n\n>From \nFro\n>>>>From d\n>>Fr";
        for cut in 0..text.len() {
            let (mut quote, mut out) = (Quote::Start(0), Vec::new());
            let (head, tail) = text.split_at(cut);
            quote.convert(head, &mut out);
            quote.convert(tail, &mut out);
            quote.finish(&mut out);
            assert_eq!(out.escape_ascii().to_string(), quoted.escape_ascii().to_string(), "cut at {cut}");
        }
    }
}
