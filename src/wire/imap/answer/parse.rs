//! From octets to answers.

use super::cursor::Cursor;
use super::{Answer, Code, Fetched, How, Listed, State, Status};
use crate::mail::{Stamp, limits};
use crate::wire::imap::parse;

/// Nesting of what is passed over.
const DEPTH: usize = limits::COMMAND_DEPTH;

/// One whole response.
pub(super) fn answer(response: &[u8]) -> Option<Answer> {
    let mut cursor = Cursor(response);
    if cursor.eat(b'+') {
        cursor.spaces();
        return Some(Answer::Continue(cursor.0.to_vec()));
    }
    if !cursor.eat(b'*') {
        let tag = cursor.word()?.to_vec();
        cursor.need(b' ')?;
        let word = cursor.upper()?;
        return Some(Answer::Tagged(tag, state(&word, cursor)?));
    }
    cursor.need(b' ')?;
    cursor.spaces();
    if cursor.peek()?.is_ascii_digit() {
        return numbered(cursor);
    }
    let word = cursor.upper()?;
    let after = cursor;
    if let Some(state) = state(&word, cursor) {
        return Some(Answer::State(state));
    }
    cursor.spaces();
    // What is not understood was not asked for, or cannot be helped: it is passed over.
    Some(untagged(&word, cursor).unwrap_or_else(|| {
        log::debug!("a server's answer is not understood: {}", after.0.get(..80).unwrap_or(after.0).escape_ascii());
        Answer::Other
    }))
}

fn untagged(word: &str, mut cursor: Cursor<'_>) -> Option<Answer> {
    Some(match word {
        "CAPABILITY" => Answer::Capability(upper_words(&mut cursor)),
        "ENABLED" => Answer::Enabled(upper_words(&mut cursor)),
        "LIST" => Answer::List(list(&mut cursor)?),
        "STATUS" => Answer::Status(status(&mut cursor)?),
        "SEARCH" => {
            let mut found = Vec::new();
            loop {
                cursor.spaces();
                if !cursor.peek().is_some_and(|octet| octet.is_ascii_digit()) {
                    break;
                }
                found.push(cursor.number()?);
            }
            Answer::Search(found)
        }
        "VANISHED" => {
            let earlier = cursor.peek() == Some(b'(');
            if earlier {
                cursor.words()?;
                cursor.spaces();
            }
            Answer::Vanished { earlier, uids: cursor.set()? }
        }
        "NAMESPACE" => {
            cursor.need(b'(')?;
            cursor.need(b'(')?;
            let prefix = cursor.nstring()?.owned()?;
            cursor.spaces();
            let separator = cursor.nstring()?.first();
            Answer::Namespace { prefix, separator }
        }
        _ => Answer::Other,
    })
}

/// `* 23 EXISTS`
fn numbered(mut cursor: Cursor<'_>) -> Option<Answer> {
    let number: u32 = cursor.number()?;
    cursor.need(b' ')?;
    Some(match cursor.upper()?.as_str() {
        "EXISTS" => Answer::Exists(number),
        "EXPUNGE" => Answer::Expunge(number),
        "FETCH" => {
            cursor.spaces();
            Answer::Fetch(fetch(number, cursor)?)
        }
        _ => Answer::Other,
    })
}

fn state(word: &str, mut cursor: Cursor<'_>) -> Option<State> {
    let how = match word {
        "OK" => How::Ok,
        "NO" => How::No,
        "BAD" => How::Bad,
        "BYE" => How::Bye,
        "PREAUTH" => How::PreAuth,
        _ => return None,
    };
    cursor.spaces();
    let mut code = Code::None;
    if cursor.peek() == Some(b'[') {
        let end = closing(cursor.0)?;
        let (inside, after) = cursor.0.split_at(end);
        code = self::code(Cursor(inside.get(1..)?)).unwrap_or_default();
        cursor = Cursor(after.get(1..)?);
        cursor.spaces();
    }
    let text = cursor.0.get(..400).unwrap_or(cursor.0);
    Some(State { how, code, text: String::from_utf8_lossy(text).replace(char::is_control, " ") })
}

/// Where the bracket that opens here is closed.
fn closing(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, octet) in text.iter().enumerate() {
        match octet {
            b'[' => depth += 1,
            b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn code(mut cursor: Cursor<'_>) -> Option<Code> {
    let word = cursor.upper()?;
    cursor.spaces();
    Some(match word.as_str() {
        "CAPABILITY" => Code::Capability(upper_words(&mut cursor)),
        "UIDVALIDITY" => Code::UidValidity(cursor.number()?),
        "UIDNEXT" => Code::UidNext(cursor.number()?),
        "HIGHESTMODSEQ" => Code::HighestModSeq(cursor.number()?),
        "NOMODSEQ" => Code::NoModSeq,
        "PERMANENTFLAGS" => {
            let words = cursor.words()?;
            let any = words.iter().any(|word| *word == b"\\*");
            Code::PermanentFlags { flags: flags(&words), any }
        }
        "APPENDUID" => {
            let uid_validity = cursor.number()?;
            cursor.spaces();
            Code::AppendUid { uid_validity, uid: cursor.number()? }
        }
        "COPYUID" => {
            let uid_validity = cursor.number()?;
            cursor.spaces();
            let from = cursor.set()?;
            cursor.spaces();
            Code::CopyUid { uid_validity, from, to: cursor.set()? }
        }
        _ => Code::Word(word),
    })
}

fn list(cursor: &mut Cursor<'_>) -> Option<Listed> {
    let attributes = cursor.words()?;
    let attributes =
        attributes.iter().take(limits::ARGUMENTS).map(|name| String::from_utf8_lossy(name).to_ascii_lowercase());
    let attributes = attributes.collect();
    cursor.spaces();
    let separator = cursor.nstring()?.first();
    cursor.spaces();
    Some(Listed { name: cursor.astring()?, separator, attributes })
}

fn status(cursor: &mut Cursor<'_>) -> Option<Status> {
    let mut status = Status { name: cursor.astring()?, ..Status::default() };
    cursor.spaces();
    cursor.need(b'(')?;
    loop {
        cursor.spaces();
        if cursor.eat(b')') {
            return Some(status);
        }
        let item = cursor.upper()?;
        cursor.spaces();
        match item.as_str() {
            "MESSAGES" => status.messages = Some(cursor.number()?),
            "UIDNEXT" => status.uid_next = Some(cursor.number()?),
            "UIDVALIDITY" => status.uid_validity = Some(cursor.number()?),
            "HIGHESTMODSEQ" => status.highest_modseq = Some(cursor.number()?),
            _ => cursor.skip(DEPTH)?,
        }
    }
}

fn fetch(number: u32, mut cursor: Cursor<'_>) -> Option<Fetched> {
    let mut fetched = Fetched { number, ..Fetched::default() };
    cursor.need(b'(')?;
    loop {
        cursor.spaces();
        if cursor.eat(b')') {
            return Some(fetched);
        }
        let item = cursor.upper()?;
        // `BODY[HEADER.FIELDS (MESSAGE-ID)]<0>`
        let mut section = None;
        if cursor.peek() == Some(b'[') {
            let end = closing(cursor.0)?;
            let (inside, after) = cursor.0.split_at(end);
            section = Some(inside.get(1..)?);
            cursor = Cursor(after.get(1..)?);
            cursor.take_while(|octet| octet != b' ');
        }
        cursor.spaces();
        match (item.as_str(), section) {
            ("UID", _) => fetched.uid = Some(cursor.number().filter(|uid| *uid > 0)?),
            ("FLAGS", _) => fetched.flags = Some(flags(&cursor.words()?)),
            ("INTERNALDATE", _) => fetched.received = received(cursor.value()?),
            ("RFC822.SIZE", _) => {
                fetched.size = cursor.number::<u64>().map(|size| u32::try_from(size).unwrap_or(u32::MAX));
            }
            ("MODSEQ", _) => {
                cursor.need(b'(')?;
                fetched.modseq = Some(cursor.number()?);
                cursor.need(b')')?;
            }
            ("BODY", Some(b"")) => fetched.body = cursor.nstring()?.owned(),
            ("BODY", Some(_)) => fetched.header = cursor.nstring()?.owned(),
            _ => cursor.skip(DEPTH)?,
        }
    }
}

/// A date that is not one is as good as none: the message is taken all the same.
fn received(value: &[u8]) -> Option<Stamp> {
    parse::stamp(value)
}

/// Flags that are kept: what a session only shows is left out, and what no keyword can be.
fn flags(words: &[&[u8]]) -> Vec<String> {
    let kept = words.iter().filter(|word| word.len() <= limits::KEYWORD && !word.eq_ignore_ascii_case(b"\\Recent"));
    let kept = kept.filter(|word| **word != b"\\*").filter_map(|word| std::str::from_utf8(word).ok());
    kept.take(limits::FLAGS).map(str::to_owned).collect()
}

fn upper_words(cursor: &mut Cursor<'_>) -> Vec<String> {
    let mut words = Vec::new();
    loop {
        cursor.spaces();
        match cursor.upper() {
            Some(word) if words.len() < limits::FLAGS => words.push(word),
            _ => return words,
        }
    }
}
