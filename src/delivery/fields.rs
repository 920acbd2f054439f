//! The header of a mail, as rules and answers look at it.

use crate::mail::decode::decode_words;
use crate::mail::header::{fields, unfold};
use crate::mail::limits;
use crate::mail::search::Folded;
use std::cell::OnceCell;

/// The fields of a header, up to a bound.
pub(super) struct Fields<'h> {
    list: Vec<Field<'h>>,
}

struct Field<'h> {
    name: &'h [u8],
    value: &'h [u8],
    /// Decoded once, however many rules ask for it.
    text: OnceCell<String>,
    /// The same as it is searched.
    folded: OnceCell<Folded>,
}

impl<'h> Fields<'h> {
    pub(super) fn of(header: &'h [u8]) -> Fields<'h> {
        let header = header.get(..limits::RULE_HEADER).unwrap_or(header);
        let list = fields(header).map(|field| Field {
            name: field.name,
            value: field.value,
            text: OnceCell::new(),
            folded: OnceCell::new(),
        });
        Fields { list: list.collect() }
    }

    /// What the fields of this name say, unfolded, encoded words decoded.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.named(name).map(Field::text)
    }

    /// The same as it is searched.
    pub(super) fn folded(&self, name: &str) -> impl Iterator<Item = &Folded> {
        self.named(name).map(|field| field.folded.get_or_init(|| Folded::new(field.text())))
    }

    /// What the first field of this name says.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// Whether there is a field of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.named(name).next().is_some()
    }

    /// Whether there is a field whose name begins so.
    pub(super) fn has_beginning(&self, begin: &str) -> bool {
        self.list
            .iter()
            .any(|field| field.name.get(..begin.len()).is_some_and(|name| name.eq_ignore_ascii_case(begin.as_bytes())))
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &Field<'h>> {
        self.list.iter().filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()))
    }
}

impl Field<'_> {
    fn text(&self) -> &str {
        self.text.get_or_init(|| {
            let value = self.value.get(..limits::HEADER_VALUE).unwrap_or(self.value);
            decode_words(&unfold(value)).into_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_unfolded_and_decoded() {
        let fields = Fields::of(
            b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n aus\r\nsubject: two\r\nList-Id: <x>\r\n\r\nTo: body\r\n",
        );
        assert_eq!(fields.texts("SUBJECT").collect::<Vec<_>>(), ["Gr\u{fc}\u{df}e aus", "two"]);
        assert!(fields.has("list-id") && !fields.has("to"));
        assert!(fields.has_beginning("LIST-") && !fields.has_beginning("list-ids"));
    }

    #[test]
    fn an_endless_header_is_looked_at_up_to_its_bound() {
        let header = [b"A: ".as_slice(), &vec![b'x'; limits::RULE_HEADER], b"\r\nSubject: far\r\n\r\n"].concat();
        assert_eq!(Fields::of(&header).text("subject"), None);
    }
}
