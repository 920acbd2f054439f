//! `tag-list = tag-spec *( ";" tag-spec ) [ ";" ]` (RFC 6376 §3.2): the form of signatures, of keys, and of policies.

use std::ops::Range;

/// Tags of one list: a signature has 14.
const TAGS: usize = 64;

/// A list of tags, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tags<'a>(Vec<Tag<'a>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag<'a> {
    name: &'a str,
    value: &'a str,
    /// Everything between the equals sign and the semicolon, in octets of the list.
    span: Range<usize>,
}

impl<'a> Tags<'a> {
    /// `None` where it is no list of tags, or one names a tag twice.
    pub(super) fn parse(text: &'a str) -> Option<Tags<'a>> {
        let mut tags: Vec<Tag> = Vec::new();
        let mut at = 0;
        for piece in text.split(';') {
            let begin = at;
            at += piece.len() + 1;
            if piece.trim_ascii().is_empty() {
                // Only the last one may be nothing.
                if at <= text.len() {
                    return None;
                }
                break;
            }
            let (name, value) = piece.split_once('=')?;
            let span = begin + name.len() + 1..begin + piece.len();
            let (name, value) = (name.trim_ascii(), value.trim_ascii());
            if !is_name(name) || !value.chars().all(is_value) {
                return None;
            }
            if tags.len() == TAGS || tags.iter().any(|tag| tag.name == name) {
                return None;
            }
            tags.push(Tag { name, value, span });
        }
        (!tags.is_empty()).then_some(Tags(tags))
    }

    /// The tags in a list of which what is none is passed over, and so are tags that were there before
    /// (RFC 7489 §6.3).
    pub(super) fn parse_leniently(text: &'a str) -> Tags<'a> {
        let mut tags: Vec<Tag> = Vec::new();
        for (name, value) in text.split(';').filter_map(|piece| piece.split_once('=')) {
            let (name, value) = (name.trim_ascii(), value.trim_ascii());
            if tags.len() < TAGS && is_name(name) && !tags.iter().any(|tag| tag.name == name) {
                tags.push(Tag { name, value, span: 0..0 });
            }
        }
        Tags(tags)
    }

    /// The value of a tag.
    pub(super) fn find(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|tag| tag.name == name).map(|tag| tag.value)
    }

    /// The value of a tag without white space: of numbers in base64, and names that are folded.
    pub(super) fn compact(&self, name: &str) -> Option<String> {
        self.find(name).map(|value| value.split_ascii_whitespace().collect())
    }

    /// Where in the list the value of a tag is, white space around it included.
    pub(super) fn span(&self, name: &str) -> Option<Range<usize>> {
        self.0.iter().find(|tag| tag.name == name).map(|tag| tag.span.clone())
    }

    /// The name and the value of the first one.
    pub(super) fn first(&self) -> Option<(&'a str, &'a str)> {
        self.0.first().map(|tag| (tag.name, tag.value))
    }
}

/// `tag-name = ALPHA *ALNUMPUNC`, and hyphens, which some use in names of their own.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-".contains(&c))
}

/// `VALCHAR`, white space between them, and what RFC 8616 §5 adds.
fn is_value(c: char) -> bool {
    matches!(c, '!'..=':' | '<'..='~' | ' ' | '\t' | '\r' | '\n') || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_with_their_place() {
        let text = " v = 1; a=rsa-sha256;\r\n\tb=ab\r\n\t cd ; empty=; x=a=b;\r\n ";
        let tags = Tags::parse(text).unwrap();
        assert_eq!(tags.first(), Some(("v", "1")));
        assert_eq!(tags.compact("b").as_deref(), Some("abcd"));
        assert_eq!(&text[tags.span("b").unwrap()], "ab\r\n\t cd ");
        assert_eq!((tags.find("empty"), tags.find("x"), tags.find("A")), (Some(""), Some("a=b"), None));
    }

    #[test]
    fn what_is_no_list_is_none() {
        for bad in ["", " ", ";", "a", "a=1;;b=2", "a=1; a=2", "=1", "1a=1", "a b=1", "a=1; b", "a=\u{7f}"] {
            assert_eq!(Tags::parse(bad), None, "{bad}");
        }
        let many: Vec<String> = (0..=TAGS).map(|number| format!("a{number}=1")).collect();
        assert_eq!(Tags::parse(&many.join(";")), None);
    }
}
