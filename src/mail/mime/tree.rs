//! The tree of parts as it grows, line by line.

use super::Outline;
use super::block::{Block, Ends};
use super::content::Head;
use super::delimiter::Delimiter;
use crate::mail::{Content, Envelope, Part, Span, limits};

/// The beginning of a line, and what stands before it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    /// Offset in the message.
    pub at: u64,
    /// Line ends before it.
    pub lines: u64,
    /// Octets of the line end right before it; 0 at the begin of the message and after an unfinished last line.
    pub eol: u64,
    /// Whether the line before it was empty.
    pub blank: bool,
}

/// The parts that are open, outermost first, and what is being read of the innermost.
#[derive(Debug)]
pub(super) struct Tree {
    open: Vec<Node>,
    reading: Reading,
    /// The header being read.
    header: Block,
    /// Octets of header that may still be parsed.
    allowance: usize,
    /// Addresses that may still be kept.
    addresses: usize,
    /// Parts so far.
    parts: usize,
    /// Whether a boundary may come.
    bounded: bool,
    envelope: Envelope<'static>,
    root: Option<Part<'static>>,
}

#[derive(Clone, Copy, Debug)]
enum Reading {
    /// The header of the next part, which begins there.
    Header(Mark),
    Body,
}

#[derive(Debug)]
struct Node {
    head: Head,
    header: u64,
    body: Mark,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Leaf,
    Multipart { boundary: Vec<u8>, stage: Stage, parts: Vec<Part<'static>> },
    Message(Option<Box<(Envelope<'static>, Part<'static>)>>, Envelope<'static>),
}

/// Where in a multipart we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Preamble,
    Parts,
    Epilogue,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree {
            open: Vec::new(),
            reading: Reading::Header(Mark::default()),
            header: Block::default(),
            allowance: limits::OUTLINE_HEADERS,
            addresses: limits::OUTLINE_ADDRESSES,
            parts: 0,
            bounded: false,
            envelope: Envelope::default(),
            root: None,
        }
    }
}

impl Tree {
    /// Whether a line that begins with this octet must be shown.
    pub fn wants_line(&self, first: u8) -> bool {
        matches!(self.reading, Reading::Header(_)) || (self.bounded && first == b'-')
    }

    /// Octets of a wanted line as they come, whether or not they turn out to be header.
    pub fn collect(&mut self, octets: &[u8]) {
        if matches!(self.reading, Reading::Header(_)) {
            self.header.collect(octets, limits::HEADER.min(self.allowance));
        }
    }

    /// A wanted line, or as much of its beginning as matters; it begins at `here`, the next one at `next`.
    pub fn line(&mut self, line: &[u8], here: Mark, next: Mark) {
        let whole = line.len() as u64 == next.at - here.at;
        let in_header = matches!(self.reading, Reading::Header(_));
        let mut found = self.delimiter(line, whole);
        if in_header && self.header.announces(line, whole, found.map(|(_, found)| found)) {
            // The header has just announced it, and lacks its empty line.
            self.end_header(self.header.after());
            found = self.delimiter(line, whole);
        }
        if let Some((depth, found)) = found {
            return self.delimit(depth, found.close, here, next);
        }
        if matches!(self.reading, Reading::Header(_)) {
            match self.header.line(line, next) {
                Ends::Not => {}
                Ends::Here => self.end_header(next),
                Ends::Before => self.end_headers(next),
            }
        }
    }

    /// The message ends at `end`.
    pub fn finish(mut self, end: Mark) -> Outline {
        self.end_headers(end);
        let unclosed = |node: &Node| matches!(node.kind, Kind::Multipart { stage: Stage::Parts, .. });
        if let Some(depth) = self.open.iter().position(unclosed) {
            self.close(depth + 1, end, true);
        }
        self.close(0, end, false);
        let root =
            self.root.unwrap_or_else(|| Head::default().part(Span::default(), Span::default(), 0, Content::Leaf));
        Outline { envelope: self.envelope, root, size: offset(end.at) }
    }

    /// Which open multipart's delimiter a line is. A line that is one to the last octet goes first, the outermost of
    /// these; then the one with the longest boundary. What an ended multipart delimits is text.
    fn delimiter(&self, line: &[u8], whole: bool) -> Option<(usize, Delimiter)> {
        if !line.starts_with(b"--") {
            return None;
        }
        let mut best: Option<(usize, Delimiter, bool)> = None;
        for (depth, node) in self.open.iter().enumerate() {
            let Kind::Multipart { boundary, stage, .. } = &node.kind else { continue };
            let Some(found) = Delimiter::read(line, whole, boundary) else { continue };
            if best.is_none_or(|(_, best, _)| found.beats(best)) {
                best = Some((depth, found, *stage != Stage::Epilogue));
            }
        }
        best.filter(|(_, _, open)| *open).map(|(depth, found, _)| (depth, found))
    }

    /// A boundary of the multipart at `depth` stands between `here` and `next`.
    fn delimit(&mut self, depth: usize, close: bool, here: Mark, next: Mark) {
        let innermost = depth + 1 == self.open.len();
        if let Reading::Header(begin) = self.reading
            && innermost
            && begin.at == here.at
            && !close
        {
            // Boundaries in a row: no part lies between them.
            return self.begin_header(next);
        }
        self.end_headers(here);
        self.close(depth + 1, here, true);
        let full = self.parts >= limits::PARTS;
        if let Some(Node { kind: Kind::Multipart { stage, .. }, .. }) = self.open.last_mut() {
            *stage = if close || full { Stage::Epilogue } else { Stage::Parts };
        }
        if close || full {
            self.reading = Reading::Body;
        } else {
            self.begin_header(next);
        }
        self.note_bounds();
    }

    fn begin_header(&mut self, mark: Mark) {
        self.reading = Reading::Header(mark);
        self.header.begin(mark);
    }

    /// Whatever header is being read ends at `mark`, or earlier if what was read last is none; an enclosed message that
    /// has just begun has none.
    fn end_headers(&mut self, mark: Mark) {
        let mark = if self.header.is_astray() { self.header.after() } else { mark };
        while matches!(self.reading, Reading::Header(_)) {
            self.end_header(mark);
        }
    }

    /// The header being read ends at `mark`, where its body begins.
    fn end_header(&mut self, mark: Mark) {
        let Reading::Header(begin) = self.reading else { return };
        let header = self.header.octets();
        let parent = self.open.last().map(|node| (&node.kind, node.head.is_digest()));
        let head = Head::read(header, matches!(parent, Some((Kind::Multipart { .. }, true))));
        if !matches!(parent, Some((Kind::Multipart { .. }, _))) {
            let envelope = Envelope::read_within(header, &mut self.addresses);
            match self.open.last_mut() {
                Some(Node { kind: Kind::Message(_, slot), .. }) => *slot = envelope,
                _ => self.envelope = envelope,
            }
        }
        self.allowance = self.allowance.saturating_sub(header.len());
        self.parts += 1;
        let kind = self.kind(&head);
        self.reading = Reading::Body;
        self.header.begin(mark);
        if matches!(kind, Kind::Message(..)) {
            self.begin_header(mark);
        }
        self.open.push(Node { head, header: begin.at, body: mark, kind });
        self.note_bounds();
    }

    /// How to read the body under this header.
    fn kind(&self, head: &Head) -> Kind {
        if self.open.len() + 1 >= limits::PART_DEPTH || self.parts >= limits::PARTS {
            return Kind::Leaf;
        }
        if head.is_message() {
            return Kind::Message(None, Envelope::default());
        }
        match head.boundary() {
            Some(boundary) => Kind::Multipart { boundary, stage: Stage::Preamble, parts: Vec::new() },
            None => Kind::Leaf,
        }
    }

    /// Ends all parts but the `left` outermost at `mark`; with `cut` the line end before it belongs to a boundary.
    fn close(&mut self, left: usize, mark: Mark, cut: bool) {
        while self.open.len() > left {
            let Some(node) = self.open.pop() else { return };
            let part = node.part(mark, cut);
            match self.open.last_mut().map(|node| &mut node.kind) {
                Some(Kind::Multipart { parts, .. }) => parts.push(part),
                Some(Kind::Message(inner, envelope)) => *inner = Some(Box::new((std::mem::take(envelope), part))),
                Some(Kind::Leaf) => {}
                None => self.root = Some(part),
            }
        }
        self.note_bounds();
    }

    fn note_bounds(&mut self) {
        self.bounded = self
            .open
            .iter()
            .any(|node| matches!(&node.kind, Kind::Multipart { stage: Stage::Preamble | Stage::Parts, .. }));
    }
}

impl Node {
    fn part(self, mark: Mark, cut: bool) -> Part<'static> {
        let begin = self.body.at;
        let count = mark.lines.saturating_sub(self.body.lines);
        let (mut end, lines) = match mark {
            Mark { at, .. } if at <= begin => (begin, 0),
            Mark { at, eol: 0, .. } => (at, count + 1),
            // Without its line end, the last line is unfinished, unless nothing is left of it.
            Mark { at, eol, blank, .. } if cut => {
                ((at - eol).max(begin), if blank { count.saturating_sub(1) } else { count })
            }
            Mark { at, .. } => (at, count),
        };
        let content = match self.kind {
            Kind::Multipart { parts, .. } if !parts.is_empty() => Content::Multipart(parts),
            Kind::Message(Some(inner), _) => Content::Message(inner),
            _ => Content::Leaf,
        };
        // An empty line that ends the header of an empty last part is inside, whatever the boundary after it says.
        end = match &content {
            Content::Leaf => end,
            Content::Multipart(parts) => parts.last().map_or(end, |part| end.max(part.body.end.into())),
            Content::Message(inner) => end.max(inner.1.body.end.into()),
        };
        let header = Span { start: offset(self.header), end: offset(begin) };
        let body = Span { start: offset(begin), end: offset(end) };
        self.head.part(header, body, offset(lines), content)
    }
}

fn offset(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
