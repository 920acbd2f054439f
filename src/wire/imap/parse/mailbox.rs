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

/// A mailbox name as the dialect spells it (RFC 3501 §5.1.3, RFC 9051 §5.1): what it is called then is not decided here.
///
/// After ENABLE a name is UTF-8 and `&` stands for itself. Before, it is modified UTF-7, of which each name has one spelling
/// only: any other is refused, since the client would not find the mailbox under it in a list (RFC 9051 §6.3.9.7).
fn name(bytes: &[u8], dialect: Dialect) -> Parsed<String> {
    let text = text(bytes)?;
    if dialect.utf8 {
        return Ok(text.to_owned());
    }
    utf7::decode(bytes).map_err(|_| Reason::BadMailbox("The mailbox name is not valid modified UTF-7"))
}

/// A pattern of names. It names nothing, so that one in another spelling does no harm: it stands for itself.
pub(super) fn pattern(bytes: &[u8], dialect: Dialect) -> Parsed<String> {
    let text = text(bytes)?;
    let decoded = if dialect.utf8 { None } else { utf7::decode(bytes).ok() };
    Ok(decoded.unwrap_or_else(|| text.to_owned()))
}

fn text(bytes: &[u8]) -> Parsed<&str> {
    // Modified UTF-7 takes at most 2½ octets for one of UTF-8 (`&AOk-` for `é`).
    if bytes.len() > limits::MAILBOX_NAME * 3 {
        return Err(Reason::BadMailbox("The mailbox name is too long"));
    }
    std::str::from_utf8(bytes).map_err(|_| Reason::BadMailbox("The mailbox name is not UTF-8"))
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
