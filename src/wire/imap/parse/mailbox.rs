//! Mailbox names, and the commands that take one: CREATE, STATUS, quotas.

use super::cursor::{Cursor, Parsed, utf8};
use crate::mail::{limits, utf7};
use crate::wire::imap::{Body, Dialect, Mailbox, Reason, StatusItem};

/// `SP mailbox`
pub(super) fn argument(cursor: &mut Cursor<'_>) -> Parsed<Mailbox> {
    cursor.space()?;
    mailbox(cursor)
}

/// `mailbox = "INBOX" / astring`
pub(super) fn mailbox(cursor: &mut Cursor<'_>) -> Parsed<Mailbox> {
    let bytes = cursor.astring()?;
    name(&bytes, cursor.dialect).map(Mailbox)
}

/// A mailbox name (or a pattern of names) as the dialect spells it (RFC 3501 §5.1.3, RFC 9051 §5.1).
///
/// After ENABLE a name is UTF-8 and `&` stands for itself. Before, it is modified UTF-7; yet some clients send `R&D`
/// raw, so an ASCII name in which no `&…-` is a valid shift is taken as it stands (it will be listed as `R&-D`), and
/// so is raw UTF-8. Any other spelling could be a second one of the same name and is refused.
pub(super) fn name(bytes: &[u8], dialect: Dialect) -> Parsed<String> {
    const TOO_LONG: Reason = Reason::BadMailbox("The mailbox name is too long");
    // Modified UTF-7 takes at most 2½ octets for one of UTF-8 (`&AOk-` for `é`).
    if bytes.len() > limits::MAILBOX_NAME * 3 {
        return Err(TOO_LONG);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Reason::BadMailbox("The mailbox name is not UTF-8"))?;
    let name = if dialect.utf8 || !text.is_ascii() {
        text.to_owned()
    } else {
        match utf7::decode(bytes) {
            Ok(name) => name,
            Err(_) if !has_shift(text) => text.to_owned(),
            Err(_) => return Err(Reason::BadMailbox("The mailbox name is not valid modified UTF-7")),
        }
    };
    if name.len() > limits::MAILBOX_NAME {
        return Err(TOO_LONG);
    }
    // RFC 9051 §5.1: names hold no controls, and no line or paragraph separators.
    if name.chars().any(|letter| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')) {
        return Err(Reason::BadMailbox("The mailbox name holds a control character"));
    }
    Ok(with_inbox(name))
}

/// `INBOX` is the same in any case, also as the first level.
fn with_inbox(mut name: String) -> String {
    if let Some((first, after)) = name.as_bytes().split_at_checked(5)
        && first.eq_ignore_ascii_case(b"INBOX")
        && matches!(after, [] | [b'/', ..])
    {
        name.replace_range(..5, "INBOX");
    }
    name
}

/// Whether any `&…-` in it reads as modified UTF-7.
fn has_shift(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('&') {
        let shift = after.split_once('-').map(|(shift, _)| format!("&{shift}-"));
        if shift.is_some_and(|shift| utf7::decode(shift.as_bytes()).is_ok()) {
            return true;
        }
        rest = after;
    }
    false
}

/// ``create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"]`` (RFC 6154 §6)
pub(super) fn create(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    let mailbox = argument(cursor)?;
    if !cursor.has_more() {
        return Ok(Body::Create { mailbox, uses: Vec::new() });
    }
    cursor.space()?;
    cursor.expect(b'(', "An opening parenthesis is missing")?;
    if !cursor.eat_word("USE") {
        return Err(Reason::BadArguments("Unknown parameter of CREATE"));
    }
    cursor.space()?;
    let uses = cursor.list(0, limits::ARGUMENTS, |cursor| {
        cursor.expect(b'\\', "A special use begins with a backslash")?;
        cursor.atom().map(|name| format!("\\{name}"))
    })?;
    cursor.expect(b')', "A closing parenthesis is missing")?;
    Ok(Body::Create { mailbox, uses })
}

/// `status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"`
pub(super) fn status(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    let mailbox = argument(cursor)?;
    cursor.space()?;
    Ok(Body::Status { mailbox, items: status_items(cursor)? })
}

/// `"(" status-att *(SP status-att) ")"`
pub(super) fn status_items(cursor: &mut Cursor<'_>) -> Parsed<Vec<StatusItem>> {
    cursor.list(1, limits::ARGUMENTS, status_att)
}

/// `status-att` of RFC 9051 §9, RFC 3501 §9, RFC 7162 §7, RFC 7889 §4 and RFC 9208 §7
fn status_att(cursor: &mut Cursor<'_>) -> Parsed<StatusItem> {
    Ok(match cursor.keyword()?.as_str() {
        "MESSAGES" => StatusItem::Messages,
        "RECENT" => StatusItem::Recent,
        "UIDNEXT" => StatusItem::UidNext,
        "UIDVALIDITY" => StatusItem::UidValidity,
        "UNSEEN" => StatusItem::Unseen,
        "DELETED" => StatusItem::Deleted,
        "DELETED-STORAGE" => StatusItem::DeletedStorage,
        "SIZE" => StatusItem::Size,
        "APPENDLIMIT" => StatusItem::AppendLimit,
        "HIGHESTMODSEQ" => StatusItem::HighestModSeq,
        _ => return Err(Reason::BadArguments("Unknown status item")),
    })
}

/// `SP quota-root-name`, which is an `astring` (RFC 9208 §7)
pub(super) fn quota_root(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.space()?;
    utf8(cursor.astring()?)
}

/// ``setquota = "SETQUOTA" SP quota-root-name SP setquota-list``,
/// ``setquota-resource = resource-name SP resource-limit`` (RFC 9208 §7)
pub(super) fn set_quota(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    let root = quota_root(cursor)?;
    cursor.space()?;
    let limits = cursor.list(0, limits::ARGUMENTS, |cursor| {
        let resource = cursor.keyword()?;
        cursor.space()?;
        Ok((resource, cursor.number64()?))
    })?;
    Ok(Body::SetQuota { root, limits })
}
