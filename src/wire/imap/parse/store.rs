//! STORE, and flags as clients write them.

use super::cursor::{Cursor, Parsed};
use super::set;
use crate::mail::limits;
use crate::wire::imap::{Body, Reason, StoreMode};

/// ``store = "STORE" SP sequence-set SP (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))``
pub(super) fn store(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Body> {
    let set = set::argument(cursor)?;
    cursor.space()?;
    let mode = if cursor.eat(b'+') {
        StoreMode::Add
    } else if cursor.eat(b'-') {
        StoreMode::Remove
    } else {
        StoreMode::Replace
    };
    let silent = match cursor.keyword()?.as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err(Reason::BadArguments("Only FLAGS can be stored")),
    };
    cursor.space()?;
    let flags = if cursor.peek() == Some(b'(') { flag_list(cursor)? } else { bare_flags(cursor)? };
    Ok(Body::Store { uid, set, mode, silent, flags })
}

/// `flag-list = "(" [flag *(SP flag)] ")"`
pub(super) fn flag_list(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    cursor.list(0, limits::FLAGS, flag)
}

/// `flag *(SP flag)`
fn bare_flags(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    let mut flags = vec![flag(cursor)?];
    while cursor.has_more() {
        if flags.len() == limits::FLAGS {
            return Err(Reason::TooMany("Too many flags"));
        }
        cursor.space()?;
        flags.push(flag(cursor)?);
    }
    Ok(flags)
}

/// `flag = "\Answered" / … / flag-keyword / flag-extension`, `flag-extension = "\" atom`
fn flag(cursor: &mut Cursor<'_>) -> Parsed<String> {
    const MISSING: Reason = Reason::BadArguments("A flag is missing");
    if cursor.eat(b'\\') {
        return cursor.atom().map(|name| format!("\\{name}")).map_err(|_| MISSING);
    }
    cursor.atom().map(str::to_owned).map_err(|_| MISSING)
}
