//! LIST in all its forms (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154), and LSUB.

use super::cursor::{Cursor, Parsed, is_list_char};
use super::mailbox;
use crate::mail::limits;
use crate::wire::imap::{ListCommand, ListPattern, ListReturn, ListSelect, Reason};

/// `list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]`
pub(super) fn list(cursor: &mut Cursor<'_>) -> Parsed<ListCommand> {
    let mut command = ListCommand::default();
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        command.extended = true;
        command.select = list_select_opts(cursor)?;
        cursor.space()?;
    }
    let reference = reference(cursor)?;
    cursor.space()?;
    let patterns = if cursor.peek() == Some(b'(') {
        command.extended = true;
        cursor.list(1, limits::ARGUMENTS, list_mailbox)?
    } else {
        vec![list_mailbox(cursor)?]
    };
    command.patterns =
        patterns.into_iter().map(|pattern| ListPattern { reference: reference.clone(), pattern }).collect();
    if cursor.has_more() {
        cursor.space()?;
        if !cursor.eat_word("RETURN") {
            return Err(Reason::BadArguments("Only RETURN can follow the pattern"));
        }
        cursor.space()?;
        command.extended = true;
        command.returns = cursor.list(0, limits::ARGUMENTS, return_option)?;
    }
    Ok(command)
}

/// `lsub = "LSUB" SP mailbox SP list-mailbox` (RFC 3501 §9)
pub(super) fn lsub(cursor: &mut Cursor<'_>) -> Parsed<ListPattern> {
    cursor.space()?;
    let reference = reference(cursor)?;
    cursor.space()?;
    Ok(ListPattern { reference, pattern: list_mailbox(cursor)? })
}

/// The reference: a `mailbox` that patterns are put behind.
fn reference(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let bytes = cursor.astring()?;
    mailbox::pattern(&bytes, cursor.dialect)
}

/// `list-mailbox = 1*list-char / string`
fn list_mailbox(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let bytes = cursor.astring_of(is_list_char)?;
    mailbox::pattern(&bytes, cursor.dialect)
}

/// ``list-select-opts = "(" [*(list-select-opt SP) list-select-base-opt *(SP list-select-opt)] ")"``, or only
/// independent options
fn list_select_opts(cursor: &mut Cursor<'_>) -> Parsed<Vec<ListSelect>> {
    let options = cursor.list(0, limits::ARGUMENTS, |cursor| match cursor.keyword()?.as_str() {
        "SUBSCRIBED" => Ok(ListSelect::Subscribed),
        "REMOTE" => Ok(ListSelect::Remote),
        "RECURSIVEMATCH" => Ok(ListSelect::RecursiveMatch),
        "SPECIAL-USE" => Ok(ListSelect::SpecialUse),
        _ => Err(Reason::BadArguments("Unknown selection option")),
    })?;
    // RFC 9051 §6.3.9.1: alone, or with REMOTE only, it selects nothing and MUST be answered BAD. SPECIAL-USE is an
    // independent option by RFC 6154 §6 and does not help it either.
    if options.contains(&ListSelect::RecursiveMatch) && !options.contains(&ListSelect::Subscribed) {
        return Err(Reason::BadArguments("RECURSIVEMATCH needs SUBSCRIBED"));
    }
    Ok(options)
}

/// `return-option = "SUBSCRIBED" / "CHILDREN" / "SPECIAL-USE" / status-option`
fn return_option(cursor: &mut Cursor<'_>) -> Parsed<ListReturn> {
    Ok(match cursor.keyword()?.as_str() {
        "SUBSCRIBED" => ListReturn::Subscribed,
        "CHILDREN" => ListReturn::Children,
        "SPECIAL-USE" => ListReturn::SpecialUse,
        "STATUS" => {
            cursor.space()?;
            ListReturn::Status(mailbox::status_items(cursor)?)
        }
        _ => return Err(Reason::BadArguments("Unknown return option")),
    })
}
