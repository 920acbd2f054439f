//! What is hashed: headers and bodies as the way leaves them whole (RFC 6376 §3.4).

use memchr::{memchr, memchr3};
use ring::digest::{Context, SHA256};

/// How much the way may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Canon {
    /// Nothing.
    Simple,
    /// White space, folds, and the case of field names.
    Relaxed,
}

/// Appends a whole field (RFC 6376 §3.4.1, §3.4.2), with the line end that it has to have.
pub(super) fn field(canon: Canon, name: &[u8], whole: &[u8], out: &mut Vec<u8>) {
    if canon == Canon::Simple {
        out.extend_from_slice(whole);
        return;
    }
    out.extend(name.iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let value = memchr(b':', whole).and_then(|colon| whole.get(colon + 1..)).unwrap_or_default();
    let words = value.split(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n')).filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    out.extend_from_slice(b"\r\n");
}

/// The hash of a body that passes by in pieces (RFC 6376 §3.4.3, §3.4.4).
#[derive(Clone)]
pub(super) struct Body {
    canon: Canon,
    context: Context,
    /// Octets that are still to be hashed, if not all (`l=`).
    left: Option<u64>,
    /// Octets in canonical form, hashed or not.
    length: u64,
    /// Line ends that count only if something follows.
    line_ends: u64,
    /// White space that counts only if something follows on the same line.
    space: bool,
    /// A CR that may be the begin of a line end.
    cr: bool,
}

impl Body {
    pub(super) fn new(canon: Canon, limit: Option<u64>) -> Body {
        let context = Context::new(&SHA256);
        Body { canon, context, left: limit, length: 0, line_ends: 0, space: false, cr: false }
    }

    pub(super) fn push(&mut self, mut octets: &[u8]) {
        while let Some((&first, rest)) = octets.split_first() {
            if self.cr {
                self.cr = false;
                if first == b'\n' {
                    self.space = false;
                    self.line_ends += 1;
                    octets = rest;
                    continue;
                }
                self.content(b"\r");
            }
            match first {
                b'\r' => {
                    self.cr = true;
                    octets = rest;
                }
                b' ' | b'\t' if self.canon == Canon::Relaxed => {
                    self.space = true;
                    octets = rest;
                }
                _ => {
                    let end = match self.canon {
                        Canon::Simple => memchr(b'\r', octets),
                        Canon::Relaxed => memchr3(b'\r', b' ', b'\t', octets),
                    };
                    let (run, after) = octets.split_at_checked(end.unwrap_or(octets.len())).unwrap_or((octets, &[]));
                    self.content(run);
                    octets = after;
                }
            }
        }
    }

    /// The hash, and how many octets the body has in canonical form.
    pub(super) fn finish(mut self) -> (Vec<u8>, u64) {
        if std::mem::take(&mut self.cr) {
            self.content(b"\r");
        }
        // Empty lines at the end do not count; the last line has its end, and with "simple" there is always one line.
        if self.length > 0 || self.canon == Canon::Simple {
            self.hash(b"\r\n");
        }
        (self.context.finish().as_ref().to_vec(), self.length)
    }

    /// Octets that are no line end and no white space to be weighed.
    fn content(&mut self, octets: &[u8]) {
        for _ in 0..std::mem::take(&mut self.line_ends) {
            self.hash(b"\r\n");
        }
        if std::mem::take(&mut self.space) {
            self.hash(b" ");
        }
        self.hash(octets);
    }

    fn hash(&mut self, octets: &[u8]) {
        let length = octets.len() as u64;
        self.length += length;
        let Some(left) = &mut self.left else { return self.context.update(octets) };
        let some = usize::try_from(length.min(*left)).unwrap_or(octets.len());
        *left -= length.min(*left);
        self.context.update(octets.get(..some).unwrap_or_default());
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("canon", &self.canon).field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::digest::digest;

    fn relaxed(whole: &[u8]) -> String {
        let name = whole.split(|octet| *octet == b':').next().unwrap().trim_ascii_end();
        let mut out = Vec::new();
        field(Canon::Relaxed, name, whole, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_lose_what_the_way_may_change() {
        // RFC 6376 §3.4.5.
        assert_eq!(relaxed(b"A: X\r\n"), "a:X\r\n");
        assert_eq!(relaxed(b"B : Y\t\r\n\tZ  \r\n"), "b:Y Z\r\n");
        assert_eq!(relaxed(b"Empty:\r\n"), "empty:\r\n");
    }

    fn agrees(canon: Canon, body: &[u8], wanted: &[u8]) {
        let wanted = (digest(&SHA256, wanted).as_ref().to_vec(), wanted.len() as u64);
        for size in 1..=body.len().max(1) {
            let mut hash = Body::new(canon, None);
            body.chunks(size).for_each(|piece| hash.push(piece));
            assert!(hash.finish() == wanted, "{canon:?} of {:?} in pieces of {size}", body.escape_ascii().to_string());
        }
    }

    #[test]
    fn bodies_lose_what_the_way_may_change() {
        // RFC 6376 §3.4.5, and its edges.
        agrees(Canon::Relaxed, b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n");
        agrees(Canon::Simple, b" C \r\nD \t E\r\n\r\n\r\n", b" C \r\nD \t E\r\n");
        for empty in [&b""[..], b"\r\n", b"\r\n\r\n"] {
            agrees(Canon::Simple, empty, b"\r\n");
            agrees(Canon::Relaxed, empty, b"");
        }
        agrees(Canon::Relaxed, b" \t\r\n  ", b"");
        agrees(Canon::Simple, b"a", b"a\r\n");
        agrees(Canon::Relaxed, b"a \t", b"a\r\n");
        agrees(Canon::Simple, b"\r\n\r\na\rb\nc\r\r\n\r\n", b"\r\n\r\na\rb\nc\r\r\n");
        agrees(Canon::Relaxed, b"a \r b\r", b"a \r b\r\r\n");
    }

    #[test]
    fn a_limit_counts_canonical_octets() {
        let mut hash = Body::new(Canon::Relaxed, Some(4));
        hash.push(b"a  b\r\nc");
        assert!(hash.finish() == (digest(&SHA256, b"a b\r").as_ref().to_vec(), 8));
        let mut hash = Body::new(Canon::Relaxed, Some(0));
        hash.push(b"a");
        assert!(hash.finish() == (digest(&SHA256, b"").as_ref().to_vec(), 3));
    }
}
