//! The lines that part a multipart.

/// What a line is to a multipart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delimiter {
    /// It is the last one.
    pub close: bool,
    /// Nothing but blanks follows the boundary.
    exact: bool,
    /// Octets of the boundary.
    length: usize,
}

impl Delimiter {
    /// `delimiter / close-delimiter` (RFC 2046 §5.1.1): what follows in the line is no part of the comparison. `whole`
    /// tells that the line ends where the octets do.
    pub fn read(line: &[u8], whole: bool, boundary: &[u8]) -> Option<Delimiter> {
        let line = line.strip_prefix(b"--")?.trim_ascii_end();
        // Some programs quote it as no header may, with apostrophes, which are not always meant to be part of it.
        let bare = boundary.strip_prefix(b"'").and_then(|bare| bare.strip_suffix(b"'")).filter(|bare| !bare.is_empty());
        let (boundary, rest) = [Some(boundary), bare]
            .into_iter()
            .flatten()
            .find_map(|boundary| Some((boundary, line.strip_prefix(boundary)?)))?;
        let (close, tail) = rest.strip_prefix(b"--").map_or((false, rest), |tail| (true, tail));
        let exact = whole && tail.iter().all(|octet| matches!(octet, b' ' | b'\t'));
        Some(Delimiter { close, exact, length: boundary.len() })
    }

    /// Whether this is what the line is, rather than the `other` that was found before.
    pub fn beats(self, other: Delimiter) -> bool {
        match (self.exact, other.exact) {
            (true, true) => false,
            (false, false) => self.length > other.length,
            (exact, _) => exact,
        }
    }
}
