//! SEARCH.

use super::*;

#[test]
fn search_reads_every_key() {
    use SystemFlag::{Answered, Deleted, Draft, Flagged, Seen};
    let text = || "x".to_owned();
    for (name, expected) in [
        ("ALL", Key::All),
        ("answered", Key::Flag(Answered)),
        ("DELETED", Key::Flag(Deleted)),
        ("DRAFT", Key::Flag(Draft)),
        ("FLAGGED", Key::Flag(Flagged)),
        ("SEEN", Key::Flag(Seen)),
        ("UNANSWERED", Key::NoFlag(Answered)),
        ("UNDELETED", Key::NoFlag(Deleted)),
        ("UNDRAFT", Key::NoFlag(Draft)),
        ("UNFLAGGED", Key::NoFlag(Flagged)),
        ("UNSEEN", Key::NoFlag(Seen)),
        ("RECENT", Key::Recent),
        ("OLD", Key::Old),
        ("NEW", Key::And(vec![Key::Recent, Key::NoFlag(Seen)])),
        ("BCC x", Key::Header("BCC".into(), text())),
        ("cc x", Key::Header("CC".into(), text())),
        ("FROM {1}\r\nx", Key::Header("FROM".into(), text())),
        ("SUBJECT \"x\"", Key::Header("SUBJECT".into(), text())),
        ("TO x", Key::Header("TO".into(), text())),
        ("HEADER List-Id \"\"", Key::Header("LIST-ID".into(), String::new())),
        ("BODY x", Key::Body(text())),
        ("TEXT \"é\"", Key::Text("é".into())),
        ("KEYWORD $Junk", Key::Keyword("$Junk".into())),
        ("UNKEYWORD $Junk", Key::NoKeyword("$Junk".into())),
        ("BEFORE 1-Jan-1970", Key::Before(Day(0))),
        ("ON \"02-jan-1970\"", Key::On(Day(1))),
        ("SINCE 31-Dec-1969", Key::Since(Day(-1))),
        ("SENTBEFORE 29-Feb-2004", Key::SentBefore(Day(12_477))),
        ("SENTON 1-Jan-1970", Key::SentOn(Day(0))),
        ("SENTSINCE 1-Jan-1970", Key::SentSince(Day(0))),
        ("OLDER 4294967295", Key::Older(u32::MAX)),
        ("YOUNGER 60", Key::Younger(60)),
        ("LARGER 0", Key::Larger(0)),
        ("SMALLER 9223372036854775807", Key::Smaller(9_223_372_036_854_775_807)),
        ("UID 1:2", Key::Uid(numbers(&[(1, 2)]))),
        ("1:2", Key::Sequence(numbers(&[(1, 2)]))),
        ("*", Key::Sequence(numbers(&[(0, 0)]))),
        ("$", Key::Sequence(SequenceSet::Saved)),
        ("NOT SEEN", Key::Not(Box::new(Key::Flag(Seen)))),
        ("OR SEEN ALL", Key::Or(Box::new(Key::Flag(Seen)), Box::new(Key::All))),
        ("(SEEN)", Key::Flag(Seen)),
        ("SEEN (ALL OLD) ", Key::And(vec![Key::Flag(Seen), Key::And(vec![Key::All, Key::Old])])),
    ] {
        assert_eq!(key(name), expected, "{name}");
    }
    assert_bad(&[
        "SEARCH",
        "SEARCH ",
        "SEARCH X",
        "SEARCH FROM",
        "SEARCH NOT",
        "SEARCH OR SEEN",
        "SEARCH ()",
        "SEARCH (SEEN",
        "SEARCH SEEN)",
    ]);
    assert_bad(&[
        "SEARCH BEFORE 32-Jan-2000",
        "SEARCH BEFORE 1-1-2000",
        "SEARCH BEFORE \"1-Jan-2000",
        "SEARCH OLDER 0",
        "SEARCH UID",
    ]);
    assert_bad(&[
        "SEARCH LARGER 9223372036854775808",
        "SEARCH OLDER 4294967296",
        "SEARCH LARGER -1",
        "SEARCH KEYWORD \\Seen",
        "SEARCH 0",
    ]);
}

#[test]
fn search_names_its_results_and_its_charset() {
    let search = |text: &str| match read(text) {
        Body::Search { uid: true, search } => search,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        search("UID SEARCH RETURN (MIN max COUNT SAVE) CHARSET utf-8 ALL"),
        SearchCommand {
            returns: Some(vec![ReturnOption::Min, ReturnOption::Max, ReturnOption::Count, ReturnOption::Save]),
            charset: Some("UTF-8".into()),
            key: Key::All,
        }
    );
    assert_eq!(search("UID SEARCH RETURN () ALL").returns, Some(vec![ReturnOption::All]));
    assert_eq!(search("UID SEARCH ALL").returns, None);
    assert_eq!(search("UID SEARCH CHARSET \"US-ASCII\" ALL").charset.as_deref(), Some("US-ASCII"));
    let latin = Command::parse(b"a SEARCH CHARSET ISO-8859-1 SUBJECT {3}\r\n\xe9t\xe9", REV1).unwrap().body;
    let Body::Search { search, .. } = latin else { panic!() };
    assert_eq!(search.key, Key::Header("SUBJECT".into(), "été".into()));
    assert_eq!(refused("SEARCH CHARSET X-UNKNOWN ALL"), Reason::BadCharset { saves: false });
    assert_eq!(refused("SEARCH RETURN (SAVE) CHARSET X-UNKNOWN ALL"), Reason::BadCharset { saves: true });
    assert_eq!(refused("SEARCH CHARSET EUC-TW ALL"), Reason::BadCharset { saves: false });
    assert_bad(&["SEARCH CHARSET UTF-8", "SEARCH RETURN (X) ALL", "SEARCH RETURN ALL", "SEARCH RETURN (MIN)"]);
    let raw = Command::parse(b"a SEARCH SUBJECT \"\xe9\"", REV1).unwrap_err();
    assert!(matches!(raw.reason, Reason::BadArguments(_)));
}

#[test]
fn deep_or_endless_searches_are_refused_without_deep_recursion() {
    let nested =
        |open: &str, count: usize, close: &str| format!("SEARCH {}ALL{}", open.repeat(count), close.repeat(count));
    for (open, close) in [("(", ")"), ("NOT ", ""), ("OR SEEN ", ""), ("NOT (", ")")] {
        assert_eq!(refused(&nested(open, 10_000, close)), Reason::TooDeep);
    }
    assert!(matches!(read(&nested("(", limits::COMMAND_DEPTH, ")")), Body::Search { .. }));
    assert_eq!(refused(&nested("(", limits::COMMAND_DEPTH + 1, ")")), Reason::TooDeep);
    let beside = " (NOT ALL)".repeat(limits::COMMAND_DEPTH + 1);
    assert!(matches!(read(&format!("SEARCH{beside}")), Body::Search { .. }));
    let many = |count| format!("SEARCH{}", " ALL".repeat(count));
    assert!(matches!(read(&many(limits::SEARCH_KEYS)), Body::Search { .. }));
    assert!(matches!(refused(&many(limits::SEARCH_KEYS + 1)), Reason::TooMany(_)));
}
