//! What commands are read as, and what is refused.

mod hostile;
mod mailbox;
mod message;
mod search;

use super::*;
use crate::mail::search::Key;
use crate::mail::xorshift::Xorshift;
use crate::mail::{Bound, Day, Section, SectionText, SequenceSet, Stamp, SystemFlag};
use crate::wire::imap::{
    Append, FetchItem, ListCommand, ListPattern, ListReturn, ListSelect, Mailbox, ReturnOption, SearchCommand,
    StatusItem, StoreMode,
};

const REV1: Dialect = Dialect { utf8: false };
const REV2: Dialect = Dialect { utf8: true };

fn read(command: &str) -> Body {
    let read = Command::parse(format!("a1 {command}").as_bytes(), REV1).unwrap_or_else(|e| panic!("{command}: {e:?}"));
    assert_eq!(&*read.tag, "a1");
    read.body
}

fn refused(command: &str) -> Reason {
    let syntax = Command::parse(format!("a1 {command}").as_bytes(), REV1).expect_err(command);
    assert_eq!(syntax.tag.as_deref(), Some("a1"));
    syntax.reason
}

fn assert_bad(commands: &[&str]) {
    for command in commands {
        assert!(matches!(refused(command), Reason::BadArguments(_)), "{command}: {:?}", refused(command));
    }
}

fn numbers(ranges: &[(u32, u32)]) -> SequenceSet {
    let bound = |number| std::num::NonZeroU32::new(number).map_or(Bound::Star, Bound::Number);
    SequenceSet::Ranges(ranges.iter().map(|&(from, to)| (bound(from), bound(to))).collect())
}

fn inbox() -> Mailbox {
    Mailbox("INBOX".into())
}

fn key(search: &str) -> Key {
    let Body::Search { search, .. } = read(&format!("SEARCH {search}")) else { panic!("{search}") };
    search.key
}

fn items(fetch: &str) -> Vec<FetchItem> {
    let Body::Fetch { items, .. } = read(&format!("FETCH 1 {fetch}")) else { panic!("{fetch}") };
    items
}

#[test]
fn commands_without_arguments_are_read_in_any_case_and_with_a_space_at_the_end() {
    for (name, body) in [
        ("CAPABILITY", Body::Capability),
        ("NOOP", Body::Noop),
        ("LOGOUT", Body::Logout),
        ("STARTTLS", Body::StartTls),
        ("NAMESPACE", Body::Namespace),
        ("IDLE", Body::Idle),
        ("CHECK", Body::Check),
        ("CLOSE", Body::Close),
        ("UNSELECT", Body::Unselect),
        ("EXPUNGE", Body::Expunge(None)),
    ] {
        assert_eq!(read(name), body);
        assert_eq!(read(&format!("{} ", name.to_lowercase())), body);
        assert!(matches!(refused(&format!("{name} 1")), Reason::BadArguments(_)));
    }
}

#[test]
fn a_line_without_a_tag_has_none_to_be_answered_under() {
    let long = "x".repeat(limits::TAG + 1);
    for line in ["", " ", "+ NOOP", "a+ NOOP", "(a) NOOP", "\u{e9} NOOP", "*", &format!("{long} NOOP")] {
        assert_eq!(Command::parse(line.as_bytes(), REV1), Err(Syntax { tag: None, reason: Reason::NoTag }), "{line}");
    }
    for line in ["a1", "a1 ", "a1  NOOP", "a1 (NOOP)"] {
        let syntax = Command::parse(line.as_bytes(), REV1).unwrap_err();
        assert_eq!((syntax.tag.as_deref(), syntax.reason), (Some("a1"), Reason::NoCommand), "{line}");
    }
}

#[test]
fn unknown_commands_are_told_from_broken_ones() {
    for command in ["XYZZY", "UID NOOP", "UID APPEND x", "GETQUOTAROOTANDMORE x", "COMPRESS DEFLATE"] {
        assert_eq!(refused(command), Reason::UnknownCommand);
    }
    assert_eq!(refused("UID"), Reason::NoCommand);
}

#[test]
fn nul_is_refused_wherever_it_stands() {
    assert_bad(&["NOOP\0", "LOGIN a \"b\0\"", "LOGIN a {1}\r\n\0"]);
}

#[test]
fn strings_come_bare_quoted_or_as_literals() {
    let login = |user: &[u8], password: &[u8]| Body::Login { user: user.into(), password: password.into() };
    assert_eq!(read("LOGIN ann pass]"), login(b"ann", b"pass]"));
    assert_eq!(read("LOGIN \"a nn\" \"q\\\"b\\\\s é\""), login(b"a nn", "q\"b\\s é".as_bytes()));
    assert_eq!(read("LOGIN {3}\r\na\"n {4+}\r\np\r\ns"), login(b"a\"n", b"p\r\ns"));
    assert_eq!(read("LOGIN {3}\na\"n \"\""), login(b"a\"n", b""));
    assert_bad(&[
        "LOGIN",
        "LOGIN ann",
        "LOGIN ann ",
        "LOGIN  ann pass",
        "LOGIN ann pass word",
        "LOGIN ann \"pass",
        "LOGIN ann \"pa\\ss\"",
        "LOGIN ann \"pa\rss\"",
        "LOGIN ann {9}\r\nshort",
        "LOGIN ann {}\r\n",
        "LOGIN ann {99999999999999999999}\r\nx",
        "LOGIN ann é",
        "LOGIN ann pa(ss",
    ]);
}

#[test]
fn sasl_responses_are_decoded() {
    let expected =
        |initial: Option<&[u8]>| Body::Authenticate { mechanism: "PLAIN".into(), initial: initial.map(<[u8]>::to_vec) };
    assert_eq!(read("AUTHENTICATE plain"), expected(None));
    assert_eq!(read("AUTHENTICATE PLAIN AGEAYg=="), expected(Some(b"\0a\0b")));
    assert_eq!(read("AUTHENTICATE PLAIN ="), expected(Some(b"")));
    assert_bad(&["AUTHENTICATE", "AUTHENTICATE PLAIN AGEAYg", "AUTHENTICATE PLAIN A B", "AUTHENTICATE PLAIN =="]);
    let long = format!("AUTHENTICATE PLAIN {}", "AAAA".repeat(limits::SASL / 3 + 1));
    assert!(matches!(refused(&long), Reason::TooMany(_)));
}

#[test]
fn enable_and_id_take_lists() {
    assert_eq!(read("ENABLE imap4rev2 UTF8=ACCEPT"), Body::Enable(vec!["IMAP4REV2".into(), "UTF8=ACCEPT".into()]));
    assert_eq!(read("ID NIL"), Body::Id(Vec::new()));
    assert_eq!(
        read("ID (\"name\" \"x\" \"os\" nil)"),
        Body::Id(vec![(b"name".to_vec(), Some(b"x".to_vec())), (b"os".to_vec(), None)])
    );
    assert_bad(&["ENABLE", "ID", "ID (\"name\")", "ID (\"a\" \"b\"", "ID (NIL \"b\")"]);
    let pairs = |count| format!("ID ({})", vec!["\"a\" \"b\""; count].join(" "));
    assert!(matches!(read(&pairs(limits::ID_PAIRS)), Body::Id(_)));
    assert!(matches!(refused(&pairs(limits::ID_PAIRS + 1)), Reason::TooMany(_)));
}
