//! ID from one who is not logged in (RFC 2971): thirty pairs of a kilobyte each are allowed, and nobody reads them. So
//! strings are thrown away as they come, and what is kept of the command is its form.

use super::super::parse::leading_tag;
use crate::mail::limits;

/// An ID as far as it came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Id {
    /// Octets of its form, at the beginning of what is buffered.
    pub kept: usize,
    within: Within,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Form,
    /// A quoted string of so many octets so far, perhaps after a backslash.
    Quoted { length: usize, escaped: bool },
    /// A literal of which so many octets are still to come.
    Literal { left: usize },
}

/// What becomes of an octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    Drop,
    /// It ends the line: the command, or the header of a literal.
    LineEnd,
    /// There is too much of something.
    TooLong,
}

/// Whether these bytes begin an ID.
pub(super) fn is_id(bytes: &[u8]) -> bool {
    let rest = leading_tag(bytes).and_then(|tag| bytes.get(tag.len()..));
    rest.and_then(|rest| rest.get(..4)).is_some_and(|verb| verb.eq_ignore_ascii_case(b" ID "))
}

impl Id {
    /// The next octet.
    pub fn take(&mut self, octet: u8) -> Fate {
        match &mut self.within {
            Within::Literal { left } => {
                *left -= 1;
                if *left == 0 {
                    self.within = Within::Form;
                }
                // No command may hold NUL, and who reads it must see that it does.
                if octet == 0 { self.keep() } else { Fate::Drop }
            }
            Within::Quoted { length, escaped } => {
                let was_escaped = std::mem::replace(escaped, octet == b'\\' && !*escaped);
                match octet {
                    b'\n' => {
                        self.within = Within::Form;
                        Fate::LineEnd
                    }
                    0 => self.keep(),
                    b'"' if !was_escaped => {
                        self.within = Within::Form;
                        self.keep()
                    }
                    _ => {
                        *length += 1;
                        // Each may be escaped.
                        if *length > 2 * limits::ID_STRING { Fate::TooLong } else { Fate::Drop }
                    }
                }
            }
            Within::Form => {
                match octet {
                    b'\n' => return Fate::LineEnd,
                    b'"' => self.within = Within::Quoted { length: 0, escaped: false },
                    _ => {}
                }
                self.keep()
            }
        }
    }

    /// A literal of so many octets follows; an empty string is kept for it.
    pub fn begin_literal(&mut self, size: usize) {
        if size > 0 {
            self.within = Within::Literal { left: size };
        }
    }

    fn keep(&mut self) -> Fate {
        if self.kept >= limits::ID_FORM { Fate::TooLong } else { Fate::Keep }
    }
}
