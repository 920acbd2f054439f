//! Commands from bytes. Each rule of the grammar (RFC 9051 §9) is a function of its name; a rule either takes what it
//! names from the front of the [`Cursor`] or says why it cannot.

mod append;
mod cursor;
mod date;
mod fetch;
mod list;
mod mailbox;
mod search;
mod set;
mod store;
#[cfg(test)]
mod tests;

pub(super) use cursor::leading_tag;

use super::{Body, Command, Dialect, Reason, Syntax};
use crate::mail::{Stamp, limits};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cursor::{Cursor, Parsed};

/// A `date-time` as servers say it, quotes included.
pub(super) fn stamp(quoted: &[u8]) -> Option<Stamp> {
    date::date_time(&mut Cursor::new(quoted, Dialect::default())).ok()
}

impl Command {
    /// Reads one complete command, given without its last line end (a `Command` event of the framer).
    ///
    /// `command = tag SP (command-any / command-auth / command-nonauth / command-select) CRLF`
    pub fn parse(bytes: &[u8], dialect: Dialect) -> Result<Command, Syntax> {
        with_tag(bytes, dialect, |cursor| {
            let verb = Verb::read(cursor)?;
            let body = body(verb.as_str(), cursor)?;
            cursor.end()?;
            Ok(body)
        })
    }
}

/// Reads the tag; whatever fails after it is reported under it.
fn with_tag(
    bytes: &[u8],
    dialect: Dialect,
    body: impl FnOnce(&mut Cursor<'_>) -> Parsed<Body>,
) -> Result<Command, Syntax> {
    let tag = leading_tag(bytes).ok_or(Syntax { tag: None, reason: Reason::NoTag })?;
    let mut cursor = Cursor::new(bytes.get(tag.len()..).unwrap_or_default(), dialect);
    let read = if memchr::memchr(0, bytes).is_some() {
        // RFC 9051 §9, note 3: NUL must not be used anywhere.
        Err(Reason::BadArguments("A command cannot hold NUL"))
    } else {
        body(&mut cursor)
    };
    match read {
        Ok(body) => Ok(Command { tag: tag.into(), body }),
        Err(reason) => Err(Syntax { tag: Some(tag.into()), reason }),
    }
}

/// The name of a command in upper case; longer names than ours are cut, and unknown all the same.
struct Verb(heapless::String<16>);

impl Verb {
    fn read(cursor: &mut Cursor<'_>) -> Parsed<Verb> {
        if !cursor.eat(b' ') {
            return Err(Reason::NoCommand);
        }
        let name = cursor.atom().map_err(|_| Reason::NoCommand)?;
        Ok(Verb(name.chars().map(|letter| letter.to_ascii_uppercase()).take(16).collect()))
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

fn body(verb: &str, cursor: &mut Cursor<'_>) -> Parsed<Body> {
    Ok(match verb {
        "CAPABILITY" => Body::Capability,
        "NOOP" => Body::Noop,
        "LOGOUT" => Body::Logout,
        "STARTTLS" => Body::StartTls,
        "NAMESPACE" => Body::Namespace,
        "IDLE" => Body::Idle,
        "CHECK" => Body::Check,
        "CLOSE" => Body::Close,
        "UNSELECT" => Body::Unselect,
        "EXPUNGE" => Body::Expunge(None),
        "AUTHENTICATE" => authenticate(cursor)?,
        "LOGIN" => login(cursor)?,
        "ENABLE" => enable(cursor)?,
        "ID" => id(cursor)?,
        "SELECT" => Body::Select(mailbox::argument(cursor)?),
        "EXAMINE" => Body::Examine(mailbox::argument(cursor)?),
        "CREATE" => mailbox::create(cursor)?,
        "DELETE" => Body::Delete(mailbox::argument(cursor)?),
        "RENAME" => Body::Rename { from: mailbox::argument(cursor)?, to: mailbox::argument(cursor)? },
        "SUBSCRIBE" => Body::Subscribe(mailbox::argument(cursor)?),
        "UNSUBSCRIBE" => Body::Unsubscribe(mailbox::argument(cursor)?),
        "LIST" => Body::List(list::list(cursor)?),
        "LSUB" => Body::Lsub(list::lsub(cursor)?),
        "STATUS" => mailbox::status(cursor)?,
        // The framer ends no APPEND here that has its message.
        "APPEND" => return Err(Reason::BadArguments("The message is missing")),
        "SEARCH" => search::search(cursor, false)?,
        "FETCH" => fetch::fetch(cursor, false)?,
        "STORE" => store::store(cursor, false)?,
        "COPY" | "MOVE" => copy_or_move(verb, cursor, false)?,
        "UID" => uid(cursor)?,
        "GETQUOTA" => Body::GetQuota(mailbox::quota_root(cursor)?),
        "GETQUOTAROOT" => Body::GetQuotaRoot(mailbox::argument(cursor)?),
        "SETQUOTA" => mailbox::set_quota(cursor)?,
        _ => return Err(Reason::UnknownCommand),
    })
}

/// `uid = "UID" SP (copy / move / fetch / search / store / uid-expunge)`
fn uid(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    let verb = Verb::read(cursor)?;
    match verb.as_str() {
        "SEARCH" => search::search(cursor, true),
        "FETCH" => fetch::fetch(cursor, true),
        "STORE" => store::store(cursor, true),
        "COPY" | "MOVE" => copy_or_move(verb.as_str(), cursor, true),
        "EXPUNGE" => Ok(Body::Expunge(Some(set::argument(cursor)?))),
        _ => Err(Reason::UnknownCommand),
    }
}

/// `copy = "COPY" SP sequence-set SP mailbox`, `move = "MOVE" SP sequence-set SP mailbox`
fn copy_or_move(verb: &str, cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Body> {
    let set = set::argument(cursor)?;
    let mailbox = mailbox::argument(cursor)?;
    Ok(if verb == "COPY" { Body::Copy { uid, set, mailbox } } else { Body::Move { uid, set, mailbox } })
}

/// `authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]`, `initial-resp = (base64 / "=")` (RFC 4959 §7)
fn authenticate(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    const BAD: Reason = Reason::BadArguments("The initial response is not valid base64");
    cursor.space()?;
    let mechanism = cursor.keyword()?;
    if !cursor.has_more() {
        return Ok(Body::Authenticate { mechanism, initial: None });
    }
    cursor.space()?;
    let text = cursor.take_while(|byte| byte != b' ');
    let initial = if text == b"=" { Vec::new() } else { STANDARD.decode(text).map_err(|_| BAD)? };
    if initial.len() > limits::SASL {
        return Err(Reason::TooMany("The initial response is too long"));
    }
    Ok(Body::Authenticate { mechanism, initial: Some(initial) })
}

/// `login = "LOGIN" SP userid SP password`
fn login(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    cursor.space()?;
    let user = cursor.astring()?.into_owned();
    cursor.space()?;
    Ok(Body::Login { user, password: cursor.astring()?.into_owned() })
}

/// `enable = "ENABLE" 1*(SP capability)`
fn enable(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    cursor.space()?;
    let mut names = vec![cursor.keyword()?];
    while cursor.has_more() {
        if names.len() == limits::ARGUMENTS {
            return Err(Reason::TooMany("Too many capabilities"));
        }
        cursor.space()?;
        names.push(cursor.keyword()?);
    }
    Ok(Body::Enable(names))
}

/// ``id = "ID" SPACE id_params_list``, ``id_params_list = "(" #(string SPACE nstring) ")" / nil`` (RFC 2971 §4)
fn id(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    cursor.space()?;
    if cursor.eat_word("NIL") {
        return Ok(Body::Id(Vec::new()));
    }
    let pairs = cursor.list(0, limits::ID_PAIRS, |cursor| {
        let field = cursor.string()?.into_owned();
        cursor.space()?;
        Ok((field, cursor.nstring()?.map(std::borrow::Cow::into_owned)))
    })?;
    Ok(Body::Id(pairs))
}
