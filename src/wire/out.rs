//! What is to be sent: bytes gathered up to a soft bound.

/// An output buffer. Its bound is soft: a response is put whole, even past it, and whoever writes asks [`Out::is_full`]
/// *before* the next one. What can be large without end (a message body) is put in pieces by its owner.
#[derive(Debug, Default)]
pub struct Out {
    bytes: Vec<u8>,
    /// Octets at the front that were sent already.
    sent: usize,
    limit: usize,
    /// What is here is to be sent before anything more is put.
    closed: bool,
}

/// A place in an [`Out`] to go back to; void once anything was consumed or cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(usize);

impl Out {
    /// An empty buffer that calls itself full from `limit` octets on. It takes no memory before the first `put`.
    #[must_use]
    pub fn new(limit: usize) -> Out {
        Out { bytes: Vec::new(), sent: 0, limit, closed: false }
    }

    /// Whether the work should pause and the bytes be sent.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.closed || self.len() >= self.limit
    }

    /// Calls itself full until what is here is sent: what follows is to lie in one piece.
    pub fn close(&mut self) {
        self.closed = !self.is_empty();
    }

    /// Octets that wait to be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls itself full from so many octets on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Octets of memory that it has.
    #[must_use]
    pub fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// From how many octets on it calls itself full.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Octets that fit before the buffer is full: how large the next piece of a long literal should be.
    #[must_use]
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.len())
    }

    /// What waits to be sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// Appends bytes.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends one byte.
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Appends a number in decimal.
    #[inline]
    pub fn number(&mut self, number: impl Into<u64>) {
        let mut left: u64 = number.into();
        let mut digits = [0; 20];
        let mut start = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
            start -= 1;
            if left == 0 {
                break;
            }
        }
        self.bytes.extend_from_slice(digits.get(start..).unwrap_or_default());
    }

    /// The buffer itself, for who writes into a `Vec` (a decompressor). Append only.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Drops `count` octets from the front: they are sent.
    pub fn consume(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count).min(self.bytes.len());
        if self.sent == self.bytes.len() {
            self.clear();
        }
    }

    /// Drops everything, and keeps the memory for the next response.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
        self.closed = false;
    }

    /// Gives back the memory that is not in use: all of it, when nothing waits. For sessions that fall idle.
    pub fn shrink(&mut self) {
        self.bytes.drain(..self.sent);
        self.sent = 0;
        self.bytes.shrink_to_fit();
    }

    /// Remembers this place.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.bytes.len())
    }

    /// Takes back what was put since the mark.
    pub fn rollback(&mut self, mark: Mark) {
        self.bytes.truncate(mark.0.max(self.sent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_decimal_from_0_to_the_largest() {
        let mut out = Out::new(10);
        for number in [0, 7, 10, 99, 100, 4_294_967_295, u64::MAX] {
            out.clear();
            out.number(number);
            assert_eq!(out.bytes(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn the_bound_is_soft() {
        let mut out = Out::new(4);
        out.put(b"abc");
        assert!(!out.is_full());
        assert_eq!(out.room(), 1);
        out.put(b"defgh");
        assert!(out.is_full());
        assert_eq!((out.bytes(), out.room()), (&b"abcdefgh"[..], 0));
    }

    #[test]
    fn what_was_sent_is_gone_and_the_rest_stays_in_order() {
        let mut out = Out::new(4);
        out.put(b"abcdef");
        out.consume(4);
        out.put(b"g");
        assert_eq!((out.bytes(), out.len(), out.is_full()), (&b"efg"[..], 3, false));
        out.consume(100);
        assert!(out.is_empty());
    }

    #[test]
    fn a_rollback_takes_back_what_came_after_the_mark() {
        let mut out = Out::new(99);
        out.put(b"whole\r\n");
        let mark = out.mark();
        out.put(b"half");
        out.rollback(mark);
        assert_eq!(out.bytes(), b"whole\r\n");
    }

    #[test]
    fn an_idle_buffer_gives_its_memory_back() {
        let mut out = Out::new(99);
        out.put(&[b'x'; 10_000]);
        out.consume(9_999);
        out.shrink();
        assert_eq!(out.bytes(), b"x");
        out.consume(1);
        out.shrink();
        assert_eq!(out.buffer().capacity(), 0);
    }
}
