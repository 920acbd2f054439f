//! Reading line by line in bounded memory.

use std::io::{self, Read};

/// Octets read at a time; a longer line comes in pieces.
const BUFFER: usize = 256 << 10;

/// Lines of a file.
pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    /// The next octets begin a line.
    begins: bool,
}

/// A line with its end, or a piece of a very long one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'l> {
    pub(super) octets: &'l [u8],
    /// It begins here.
    pub(super) begins: bool,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R) -> Lines<R> {
        Lines { input, buffer: vec![0; BUFFER], start: 0, end: 0, ended: false, begins: true }
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut searched = 0;
        let length = loop {
            let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', unread.get(searched..).unwrap_or_default()) {
                break searched + at + 1;
            }
            searched = unread.len();
            if self.ended || searched == self.buffer.len() {
                break searched;
            }
            self.fill()?;
        };
        if length == 0 {
            return Ok(None);
        }
        let octets = self.buffer.get(self.start..self.start + length).unwrap_or_default();
        let begins = std::mem::replace(&mut self.begins, octets.ends_with(b"\n"));
        self.start += length;
        Ok(Some(Line { octets, begins }))
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let free = self.buffer.get_mut(self.end..).unwrap_or_default();
        let read = loop {
            match self.input.read(free) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.end += read;
        self.ended = read == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_longer_than_the_buffer_comes_in_pieces() {
        let text = [vec![b'x'; BUFFER + 5], b"\n\nend".to_vec()].concat();
        let mut lines = Lines::new(text.as_slice());
        let mut seen = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            seen.push((line.octets.len(), line.begins));
        }
        assert_eq!(seen, [(BUFFER, true), (6, false), (1, true), (3, true)]);
    }
}
