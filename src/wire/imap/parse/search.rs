//! SEARCH (RFC 9051 §6.4.4, RFC 4731, RFC 5182, RFC 5032).

use super::cursor::{Cursor, Parsed};
use super::{date, set};
use crate::mail::decode::Charset;
use crate::mail::search::Key;
use crate::mail::{Day, SystemFlag, limits};
use crate::wire::imap::{Body, Reason, ReturnOption, SearchCommand};

/// ``search = "SEARCH" [search-return-opts] SP search-program``,
/// ``search-program = ["CHARSET" SP charset SP] search-key *(SP search-key)``
pub(super) fn search(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Body> {
    cursor.space()?;
    let mut returns = None;
    if cursor.eat_word("RETURN") {
        cursor.space()?;
        let mut options = cursor.list(0, limits::ARGUMENTS, search_return_opt)?;
        if options.is_empty() {
            // RFC 9051 §6.4.4: RETURN () is RETURN (ALL).
            options.push(ReturnOption::All);
        }
        returns = Some(options);
        cursor.space()?;
    }
    let mut charset = None;
    if cursor.eat_word("CHARSET") {
        cursor.space()?;
        let name = cursor.utf8_astring()?.to_ascii_uppercase();
        let saves = returns.as_ref().is_some_and(|options| options.contains(&ReturnOption::Save));
        if !Charset::labelled(name.as_bytes()).is_known() {
            return Err(Reason::BadCharset { saves });
        }
        charset = Some(name);
        cursor.space()?;
    }
    let label = charset.clone().unwrap_or_else(|| "UTF-8".to_owned());
    let mut program = Program { label, keys: 0, depth: 0 };
    let mut keys = vec![program.search_key(cursor)?];
    while cursor.has_more() {
        cursor.space()?;
        keys.push(program.search_key(cursor)?);
    }
    Ok(Body::Search { uid, search: SearchCommand { returns, charset, key: all_of(keys) } })
}

/// `search-return-opt = "MIN" / "MAX" / "ALL" / "COUNT" / "SAVE"`
fn search_return_opt(cursor: &mut Cursor<'_>) -> Parsed<ReturnOption> {
    Ok(match cursor.keyword()?.as_str() {
        "MIN" => ReturnOption::Min,
        "MAX" => ReturnOption::Max,
        "ALL" => ReturnOption::All,
        "COUNT" => ReturnOption::Count,
        "SAVE" => ReturnOption::Save,
        _ => return Err(Reason::BadArguments("Unknown result option")),
    })
}

fn all_of(mut keys: Vec<Key>) -> Key {
    match keys.pop() {
        Some(only) if keys.is_empty() => only,
        Some(last) => {
            keys.push(last);
            Key::And(keys)
        }
        None => Key::All,
    }
}

/// A search program being read, with what bounds it.
struct Program {
    /// The charset of its strings.
    label: String,
    keys: usize,
    depth: usize,
}

impl Program {
    /// `search-key`
    fn search_key(&mut self, cursor: &mut Cursor<'_>) -> Parsed<Key> {
        self.keys += 1;
        if self.keys > limits::SEARCH_KEYS {
            return Err(Reason::TooMany("Too many search keys"));
        }
        match cursor.peek() {
            Some(b'(') => self
                .nested(|program| cursor.list(1, limits::SEARCH_KEYS, |cursor| program.search_key(cursor)).map(all_of)),
            Some(b'0'..=b'9' | b'*' | b'$') => Ok(Key::Sequence(set::sequence_set(cursor)?)),
            _ => self.named_key(cursor),
        }
    }

    /// Recursion ends where `limits::COMMAND_DEPTH` says.
    fn nested(&mut self, read: impl FnOnce(&mut Program) -> Parsed<Key>) -> Parsed<Key> {
        if self.depth == limits::COMMAND_DEPTH {
            return Err(Reason::TooDeep);
        }
        self.depth += 1;
        let key = read(self);
        self.depth -= 1;
        key
    }

    fn named_key(&mut self, cursor: &mut Cursor<'_>) -> Parsed<Key> {
        let name = cursor.keyword()?;
        if let Some(key) = bare_key(&name) {
            return Ok(key);
        }
        Ok(match name.as_str() {
            "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => Key::Header(name, self.argument(cursor)?),
            "HEADER" => {
                cursor.space()?;
                let field = cursor.utf8_astring()?.to_ascii_uppercase();
                Key::Header(field, self.argument(cursor)?)
            }
            "BODY" => Key::Body(self.argument(cursor)?),
            "TEXT" => Key::Text(self.argument(cursor)?),
            "KEYWORD" => Key::Keyword(flag_keyword(cursor)?),
            "UNKEYWORD" => Key::NoKeyword(flag_keyword(cursor)?),
            "BEFORE" => Key::Before(day(cursor)?),
            "ON" => Key::On(day(cursor)?),
            "SINCE" => Key::Since(day(cursor)?),
            "SENTBEFORE" => Key::SentBefore(day(cursor)?),
            "SENTON" => Key::SentOn(day(cursor)?),
            "SENTSINCE" => Key::SentSince(day(cursor)?),
            "OLDER" => Key::Older(interval(cursor)?),
            "YOUNGER" => Key::Younger(interval(cursor)?),
            "LARGER" => Key::Larger(size(cursor)?),
            "SMALLER" => Key::Smaller(size(cursor)?),
            "UID" => Key::Uid(set::argument(cursor)?),
            "NOT" => {
                cursor.space()?;
                self.nested(|program| Ok(Key::Not(Box::new(program.search_key(cursor)?))))?
            }
            "OR" => {
                cursor.space()?;
                self.nested(|program| {
                    let one = Box::new(program.search_key(cursor)?);
                    cursor.space()?;
                    Ok(Key::Or(one, Box::new(program.search_key(cursor)?)))
                })?
            }
            _ => return Err(Reason::BadArguments("Unknown search key")),
        })
    }

    /// `SP astring`, in the search's charset
    fn argument(&self, cursor: &mut Cursor<'_>) -> Parsed<String> {
        cursor.space()?;
        let bytes = cursor.astring()?;
        let text = Charset::decoded(self.label.as_bytes(), &bytes);
        text.ok_or(Reason::BadArguments("A string is not in the search's charset"))
    }
}

/// Keys without an argument.
fn bare_key(name: &str) -> Option<Key> {
    Some(match name {
        "ALL" => Key::All,
        "ANSWERED" => Key::Flag(SystemFlag::Answered),
        "DELETED" => Key::Flag(SystemFlag::Deleted),
        "DRAFT" => Key::Flag(SystemFlag::Draft),
        "FLAGGED" => Key::Flag(SystemFlag::Flagged),
        "SEEN" => Key::Flag(SystemFlag::Seen),
        "UNANSWERED" => Key::NoFlag(SystemFlag::Answered),
        "UNDELETED" => Key::NoFlag(SystemFlag::Deleted),
        "UNDRAFT" => Key::NoFlag(SystemFlag::Draft),
        "UNFLAGGED" => Key::NoFlag(SystemFlag::Flagged),
        "UNSEEN" => Key::NoFlag(SystemFlag::Seen),
        "RECENT" => Key::Recent,
        "OLD" => Key::Old,
        // RFC 3501 §6.4.4: NEW is (RECENT UNSEEN).
        "NEW" => Key::And(vec![Key::Recent, Key::NoFlag(SystemFlag::Seen)]),
        _ => return None,
    })
}

/// `SP flag-keyword`, `flag-keyword = atom`
fn flag_keyword(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.space()?;
    cursor.atom().map(str::to_owned)
}

/// `SP date`
fn day(cursor: &mut Cursor<'_>) -> Parsed<Day> {
    cursor.space()?;
    date::date(cursor)
}

/// `SP nz-number`: seconds (RFC 5032 §4)
fn interval(cursor: &mut Cursor<'_>) -> Parsed<u32> {
    cursor.space()?;
    cursor.nz_number().map(std::num::NonZeroU32::get)
}

/// `SP number64`: octets
fn size(cursor: &mut Cursor<'_>) -> Parsed<u64> {
    cursor.space()?;
    cursor.number64()
}
