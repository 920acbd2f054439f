//! FETCH and its items (RFC 9051 §6.4.5).

use super::cursor::{Cursor, Parsed};
use super::set;
use crate::mail::{Section, SectionText, limits};
use crate::wire::imap::{Body, FetchItem, Reason};

const ALL: &[FetchItem] = &[FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size, FetchItem::Envelope];
const FAST: &[FetchItem] = &[FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size];
const FULL: &[FetchItem] =
    &[FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size, FetchItem::Envelope, FetchItem::Body];

/// ``fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")``
pub(super) fn fetch(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Body> {
    let set = set::argument(cursor)?;
    cursor.space()?;
    let items = if cursor.peek() == Some(b'(') {
        cursor.list(1, limits::FETCH_ITEMS, fetch_att)?
    } else if cursor.eat_word("ALL") {
        ALL.to_vec()
    } else if cursor.eat_word("FAST") {
        FAST.to_vec()
    } else if cursor.eat_word("FULL") {
        FULL.to_vec()
    } else {
        vec![fetch_att(cursor)?]
    };
    Ok(Body::Fetch { uid, set, items })
}

/// `fetch-att`
fn fetch_att(cursor: &mut Cursor<'_>) -> Parsed<FetchItem> {
    // `[` is a legal octet of an atom, but here it ends the name.
    let name = cursor.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'.').to_ascii_uppercase();
    Ok(match name.as_slice() {
        b"BODY" if cursor.peek() == Some(b'[') => section_item(cursor, false)?,
        b"BODY.PEEK" => section_item(cursor, true)?,
        b"BODY" => FetchItem::Body,
        b"BODYSTRUCTURE" => FetchItem::BodyStructure,
        b"UID" => FetchItem::Uid,
        b"FLAGS" => FetchItem::Flags,
        b"INTERNALDATE" => FetchItem::InternalDate,
        b"ENVELOPE" => FetchItem::Envelope,
        b"RFC822.SIZE" => FetchItem::Size,
        b"RFC822" => FetchItem::Rfc822,
        b"RFC822.HEADER" => FetchItem::Rfc822Header,
        b"RFC822.TEXT" => FetchItem::Rfc822Text,
        b"BINARY" => binary(cursor, false)?,
        b"BINARY.PEEK" => binary(cursor, true)?,
        b"BINARY.SIZE" => FetchItem::BinarySize(section_binary(cursor)?),
        b"MODSEQ" => FetchItem::ModSeq,
        _ => return Err(Reason::BadArguments("Unknown item")),
    })
}

/// ``"BODY" section [partial]``, ``"BODY.PEEK" section [partial]``
fn section_item(cursor: &mut Cursor<'_>, peek: bool) -> Parsed<FetchItem> {
    Ok(FetchItem::Section { section: section(cursor)?, peek, partial: partial(cursor)? })
}

/// `"BINARY" [".PEEK"] section-binary [partial]`
fn binary(cursor: &mut Cursor<'_>, peek: bool) -> Parsed<FetchItem> {
    Ok(FetchItem::Binary { path: section_binary(cursor)?, peek, partial: partial(cursor)? })
}

/// `section-binary = "[" [section-part] "]"`
fn section_binary(cursor: &mut Cursor<'_>) -> Parsed<Vec<u32>> {
    cursor.expect(b'[', "A section is missing")?;
    let mut path = Vec::new();
    while cursor.peek() != Some(b']') {
        if !path.is_empty() {
            cursor.expect(b'.', "A section is not valid")?;
        }
        part(cursor, &mut path)?;
    }
    cursor.eat(b']');
    Ok(path)
}

/// ``section = "[" [section-spec] "]"``, ``section-spec = section-msgtext / (section-part ["." section-text])``
fn section(cursor: &mut Cursor<'_>) -> Parsed<Section> {
    cursor.expect(b'[', "A section is missing")?;
    let mut path = Vec::new();
    if cursor.eat(b']') {
        return Ok(Section::default());
    }
    loop {
        if !cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            let text = section_text(cursor, !path.is_empty())?;
            cursor.expect(b']', "A section does not end")?;
            return Ok(Section { path, text });
        }
        part(cursor, &mut path)?;
        if cursor.eat(b']') {
            return Ok(Section { path, text: SectionText::Whole });
        }
        cursor.expect(b'.', "A section is not valid")?;
    }
}

/// A number of `section-part = nz-number *("." nz-number)`
fn part(cursor: &mut Cursor<'_>, path: &mut Vec<u32>) -> Parsed<()> {
    if path.len() == limits::PART_DEPTH {
        return Err(Reason::TooDeep);
    }
    path.push(cursor.nz_number()?.get());
    Ok(())
}

/// ``section-text = section-msgtext / "MIME"``,
/// ``section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"``
fn section_text(cursor: &mut Cursor<'_>, of_part: bool) -> Parsed<SectionText> {
    let name = cursor.take_while(|byte| byte.is_ascii_alphabetic() || byte == b'.').to_ascii_uppercase();
    Ok(match name.as_slice() {
        b"HEADER" => SectionText::Header,
        b"HEADER.FIELDS" => SectionText::HeaderFields(header_list(cursor)?),
        b"HEADER.FIELDS.NOT" => SectionText::HeaderFieldsNot(header_list(cursor)?),
        b"TEXT" => SectionText::Text,
        b"MIME" if of_part => SectionText::Mime,
        _ => return Err(Reason::BadArguments("Unknown section")),
    })
}

/// ``SP header-list``, ``header-list = "(" header-fld-name *(SP header-fld-name) ")"``
fn header_list(cursor: &mut Cursor<'_>) -> Parsed<Vec<Box<[u8]>>> {
    cursor.space()?;
    cursor.list(1, limits::FIELD_NAMES, |cursor| Ok(cursor.astring()?.to_ascii_uppercase().into_boxed_slice()))
}

/// `partial = "<" number64 "." nz-number64 ">"`
///
/// No message reaches 4 GiB, so a longer piece is as good as one of the largest length; an origin beyond that is
/// refused, because the answer would have to repeat it.
fn partial(cursor: &mut Cursor<'_>) -> Parsed<Option<(u32, u32)>> {
    if !cursor.eat(b'<') {
        return Ok(None);
    }
    let origin = cursor.number()?;
    cursor.expect(b'.', "A partial range is not valid")?;
    let length = cursor.number64()?;
    cursor.expect(b'>', "A partial range is not valid")?;
    if length == 0 {
        return Err(Reason::BadArguments("A partial range is empty"));
    }
    Ok(Some((origin, u32::try_from(length).unwrap_or(u32::MAX))))
}
