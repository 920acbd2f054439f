//! The head of an APPEND: everything before its message.

use super::cursor::{Cursor, Parsed};
use super::{Verb, date, mailbox, store, with_tag};
use crate::wire::imap::{Append, Body, Command, Dialect, Reason, Syntax};

impl Append {
    /// Reads what stands before the message's literal (an `Append` event of the framer), and gives the whole command.
    ///
    /// `append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal`
    pub fn parse(head: &[u8], size: u64, binary: bool, dialect: Dialect) -> Result<Command, Syntax> {
        with_tag(head, dialect, |cursor| {
            if Verb::read(cursor)?.as_str() != "APPEND" {
                return Err(Reason::UnknownCommand);
            }
            arguments(cursor, size, binary).map(Body::Append)
        })
    }
}

fn arguments(cursor: &mut Cursor<'_>, size: u64, binary: bool) -> Parsed<Append> {
    let mailbox = mailbox::argument(cursor)?;
    cursor.space()?;
    let mut append = Append { mailbox, flags: Vec::new(), date: None, size, binary };
    if cursor.peek() == Some(b'(') {
        append.flags = store::flag_list(cursor)?;
        cursor.space()?;
    }
    if cursor.peek() == Some(b'"') {
        append.date = Some(date::date_time(cursor)?);
        cursor.space()?;
    }
    // Whatever else stands here (`UTF8 (` of RFC 6855, `CATENATE (` of RFC 4469) was not announced.
    if cursor.peek().is_some() {
        return Err(Reason::BadArguments("Only flags and a date can stand before the message"));
    }
    Ok(append)
}
