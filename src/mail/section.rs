//! Which piece of a message is meant: `BODY[1.2.HEADER.FIELDS (…)]` and its kin (RFC 9051 §6.4.5.1).

use super::{Content, Part, Span};

/// A section specification. The empty path with `SectionText::Whole` is the whole message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Part numbers from the outermost, each at least 1.
    pub path: Vec<u32>,
    /// What of that part.
    pub text: SectionText,
}

/// What of a part is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SectionText {
    /// All of it (for a part with a path: its body).
    #[default]
    Whole,
    /// The RFC 5322 header of a message or of an enclosed message.
    Header,
    /// The fields of that header with one of these names, in upper case.
    HeaderFields(Vec<Box<[u8]>>),
    /// The fields of that header with none of these names, in upper case.
    HeaderFieldsNot(Vec<Box<[u8]>>),
    /// The body of a message or of an enclosed message.
    Text,
    /// The MIME header of a part; its path is not empty.
    Mime,
}

/// What a section is, in a particular message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'s> {
    /// These octets.
    Octets(Span),
    /// Fields of the header that stands there, to be chosen with [`super::header::select`].
    Fields {
        /// Where the header is.
        header: Span,
        /// Field names.
        names: &'s [Box<[u8]>],
        /// Whether the fields with these names are left out, rather than all others.
        not: bool,
    },
}

impl<'s> Piece<'s> {
    /// What is meant of a message with this header and this body.
    #[must_use]
    pub fn of_message(text: &'s SectionText, header: Span, body: Span) -> Piece<'s> {
        match text {
            SectionText::Whole => Piece::Octets(Span { start: header.start, end: body.end }),
            SectionText::Header | SectionText::Mime => Piece::Octets(header),
            SectionText::HeaderFields(names) => Piece::Fields { header, names, not: false },
            SectionText::HeaderFieldsNot(names) => Piece::Fields { header, names, not: true },
            SectionText::Text => Piece::Octets(body),
        }
    }
}

impl Part<'_> {
    /// What `section` of the message with this root is; `None` if there is no such thing (RFC 9051 §6.4.5.1).
    #[must_use]
    pub fn resolve<'s>(&self, section: &'s Section) -> Option<Piece<'s>> {
        if section.path.is_empty() {
            return Some(Piece::of_message(&section.text, self.header, self.body));
        }
        let part = self.find(&section.path)?;
        // The header and text of a message are those of the one enclosed in the part.
        let message = match &part.content {
            Content::Message(inner) => Some(&inner.1),
            _ => None,
        };
        Some(match &section.text {
            SectionText::Whole => Piece::Octets(part.body),
            SectionText::Mime => Piece::Octets(part.header),
            text => Piece::of_message(text, message?.header, message?.body),
        })
    }

    /// The part with this path in the message with this root; with the empty path the message itself.
    #[must_use]
    pub fn find(&self, path: &[u32]) -> Option<&Self> {
        let Some((&first, rest)) = path.split_first() else { return Some(self) };
        let mut part = self.numbered(first)?;
        for &number in rest {
            part = match &part.content {
                Content::Multipart(_) => part.numbered(number)?,
                Content::Message(inner) => inner.1.numbered(number)?,
                Content::Leaf => return None,
            };
        }
        Some(part)
    }

    /// As `find`, for a part whose body is one piece of content that can be decoded (BINARY, RFC 9051 §6.4.5).
    #[must_use]
    pub fn leaf(&self, path: &[u32]) -> Option<&Self> {
        self.find(path).filter(|part| !path.is_empty() && !matches!(part.content, Content::Multipart(_)))
    }

    /// Part `number` of a multipart; in any other message, part 1 is its body (RFC 9051 §6.4.5.1).
    fn numbered(&self, number: u32) -> Option<&Self> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        match &self.content {
            Content::Multipart(parts) => parts.get(index),
            _ => (index == 0).then_some(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::header;
    use crate::mail::mime::Scanner;

    const MESSAGE: &str = "Subject: outer\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\n\r\none\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: plain\r\n\r\nenclosed\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: many\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n\
        --c\r\nContent-Type: text/html\r\n\r\n<p>\r\n--c--\r\n\
        --b--\r\n";

    fn served(message: &str, path: &[u32], text: SectionText) -> Option<String> {
        let mut scanner = Scanner::new();
        scanner.feed(message.as_bytes());
        let root = scanner.finish().root;
        let octets = |span: Span| message.get(span.start as usize..span.end as usize).unwrap_or_default().to_owned();
        let section = Section { path: path.to_vec(), text };
        Some(match root.resolve(&section)? {
            Piece::Octets(span) => octets(span),
            Piece::Fields { header, names, not } => {
                let mut out = Vec::new();
                header::select(octets(header).as_bytes(), names, not, &mut out);
                String::from_utf8_lossy(&out).into_owned()
            }
        })
    }

    fn part(path: &[u32], text: SectionText) -> Option<String> {
        served(MESSAGE, path, text)
    }

    #[test]
    fn the_empty_path_is_the_message() {
        assert_eq!(part(&[], SectionText::Whole).as_deref(), Some(MESSAGE));
        assert!(part(&[], SectionText::Header).is_some_and(|header| header.ends_with("boundary=b\r\n\r\n")));
        assert!(
            part(&[], SectionText::Text).is_some_and(|text| text.starts_with("--b\r\n") && text.ends_with("--b--\r\n"))
        );
        let names = vec![Box::from(&b"SUBJECT"[..])];
        assert_eq!(part(&[], SectionText::HeaderFields(names.clone())).as_deref(), Some("Subject: outer\r\n\r\n"));
        assert_eq!(part(&[2], SectionText::HeaderFieldsNot(names)).as_deref(), Some("\r\n"));
    }

    #[test]
    fn parts_are_numbered_from_one() {
        assert_eq!(part(&[1], SectionText::Whole).as_deref(), Some("one"));
        assert_eq!(part(&[0], SectionText::Whole), None);
        assert_eq!(part(&[4], SectionText::Whole), None);
        assert_eq!(part(&[1, 1], SectionText::Whole), None);
    }

    #[test]
    fn a_path_goes_through_an_enclosed_message() {
        assert_eq!(part(&[2], SectionText::Whole).as_deref(), Some("Subject: plain\r\n\r\nenclosed"));
        assert_eq!(part(&[2, 1], SectionText::Whole).as_deref(), Some("enclosed"));
        assert_eq!(part(&[2, 2], SectionText::Whole), None);
        assert_eq!(part(&[3, 1], SectionText::Whole).as_deref(), Some("<p>"));
        assert_eq!(part(&[3, 1], SectionText::Mime).as_deref(), Some("Content-Type: text/html\r\n\r\n"));
    }

    #[test]
    fn only_enclosed_messages_have_a_header_and_a_text() {
        assert_eq!(part(&[2], SectionText::Header).as_deref(), Some("Subject: plain\r\n\r\n"));
        assert_eq!(part(&[2], SectionText::Text).as_deref(), Some("enclosed"));
        assert_eq!(part(&[2], SectionText::Mime).as_deref(), Some("Content-Type: message/rfc822\r\n\r\n"));
        assert_eq!(part(&[1], SectionText::Header), None);
        assert_eq!(part(&[3, 1], SectionText::Text), None);
    }

    #[test]
    fn part_one_of_a_plain_message_is_its_body() {
        assert_eq!(served("A: b\r\n\r\nbody\r\n", &[1], SectionText::Whole).as_deref(), Some("body\r\n"));
        assert_eq!(served("A: b\r\n\r\nbody\r\n", &[1, 1], SectionText::Whole), None);
        let message = "Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nbody\r\n";
        assert_eq!(served(message, &[1], SectionText::Header).as_deref(), Some("A: b\r\n\r\n"));
        assert_eq!(served(message, &[1, 1], SectionText::Whole).as_deref(), Some("body\r\n"));
    }
}
