//! Answers of good servers, odd ones, and bad ones.

use super::*;
use crate::mail::xorshift::Xorshift;

fn answer(response: &str) -> Answer {
    Answer::parse(response.as_bytes()).unwrap_or_else(|| panic!("{response}"))
}

fn fetched(response: &str) -> Fetched {
    match answer(response) {
        Answer::Fetch(fetched) => fetched,
        other => panic!("{response}: {other:?}"),
    }
}

#[test]
fn states_and_their_codes_are_read() {
    let state = |response: &str| match answer(response) {
        Answer::State(state) | Answer::Tagged(_, state) => state,
        other => panic!("{other:?}"),
    };
    assert_eq!(state("* OK [UIDVALIDITY 17] ok").code, Code::UidValidity(17));
    assert_eq!(state("* OK [HIGHESTMODSEQ 715194045007]").code, Code::HighestModSeq(715_194_045_007));
    assert_eq!(state("a1 NO [OVERQUOTA] full").code, Code::Word("OVERQUOTA".to_owned()));
    assert_eq!(state("a1 OK [APPENDUID 38505 3955] done").code, Code::AppendUid { uid_validity: 38505, uid: 3955 });
    let copied = Code::CopyUid { uid_validity: 3, from: vec![(304, 304), (319, 320)], to: vec![(3956, 3958)] };
    assert_eq!(state("a1 OK [COPYUID 3 304,319:320 3956:3958] Done").code, copied);
    let kept = Code::PermanentFlags { flags: vec!["\\Seen".to_owned(), "$A]".to_owned()], any: true };
    assert_eq!(state("* OK [PERMANENTFLAGS (\\Seen $A] \\*)] x").code, Code::None, "unbalanced");
    assert_eq!(state("* OK [PERMANENTFLAGS (\\Seen \\*)] x").code, {
        let Code::PermanentFlags { any, .. } = kept else { panic!() };
        Code::PermanentFlags { flags: vec!["\\Seen".to_owned()], any }
    });
    assert_eq!(state("* BYE see you").how, How::Bye);
    assert_eq!(state("* OK [UIDNEXT nonsense] still fine").code, Code::None);
    let text = state("* NO \u{7}bell\u{0}").text;
    assert!(!text.contains(char::is_control), "{text:?}");
}

#[test]
fn a_fetch_is_read_whatever_its_order_and_what_else_is_in_it() {
    let found = fetched(
        "* 12 FETCH (FLAGS (\\Seen \\Recent $Work) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4286 \
         ENVELOPE (\"x\" NIL ((NIL NIL \"a\" \"b)\")) {2}\r\n))) UID 7 MODSEQ (624140003) \
         BODY[HEADER.FIELDS (MESSAGE-ID)] {19}\r\nMessage-ID: <x@y>\r\n X-GM-MSGID 1278455344230334865)",
    );
    assert_eq!((found.number, found.uid, found.size, found.modseq), (12, Some(7), Some(4286), Some(624_140_003)));
    assert_eq!(found.flags, Some(vec!["\\Seen".to_owned(), "$Work".to_owned()]));
    assert_eq!(found.received, Some(crate::mail::Stamp { seconds: 837_596_665, zone: -420 }));
    assert_eq!(found.header.as_deref(), Some(&b"Message-ID: <x@y>\r\n"[..]));
    assert_eq!(fetched("* 1 FETCH (UID 3 BODY[HEADER]<0> \"A: 1\" BODY[] \"\")").body, Some(Vec::new()));
    assert_eq!(fetched("* 1 FETCH (BODY[] NIL UID 3)").body, None);
    assert_eq!(fetched("* 1 FETCH (UID 3 INTERNALDATE \"soon\" RFC822.SIZE 9999999999)").size, Some(u32::MAX));
    assert_eq!(fetched("* 1 FETCH (UID 3 FLAGS (odd[1] \\Seen))").flags.map(|flags| flags.len()), Some(2));
}

#[test]
fn what_cannot_be_is_passed_over() {
    for odd in [
        "* 1 FETCH (UID 0)",
        "* 1 FETCH (UID",
        "* 1 FETCH",
        "* 1 FETCH (FLAGS (a b)",
        "* 1 FETCH (X {5}\r\nab)",
        "* VANISHED (EARLIER)",
        "* LIST (\\HasNoChildren)",
        "* STATUS INBOX",
        "* 4294967296 EXISTS",
        "* XLIST something new",
        "* 5 RECENT",
    ] {
        assert!(matches!(Answer::parse(odd.as_bytes()), Some(Answer::Other) | None), "{odd}");
    }
    for bad in ["", "*", "* ", "a1", "hello", "\0\0"] {
        assert_eq!(Answer::parse(bad.as_bytes()), None, "{bad:?}");
    }
    let deep = format!("* 1 FETCH (X {}1{} UID 3)", "(".repeat(5_000), ")".repeat(5_000));
    assert!(matches!(Answer::parse(deep.as_bytes()), Some(Answer::Other) | None));
}

#[test]
fn mailboxes_are_read() {
    let list = |response: &str| match answer(response) {
        Answer::List(listed) => listed,
        other => panic!("{other:?}"),
    };
    let listed = list("* LIST (\\HasNoChildren \\Sent) \"/\" \"Gesendete &APw-\"");
    assert_eq!((listed.name.as_slice(), listed.separator), (&b"Gesendete &APw-"[..], Some(b'/')));
    assert_eq!(listed.attributes, ["\\hasnochildren", "\\sent"]);
    assert_eq!(list("* LIST () NIL INBOX").separator, None);
    assert_eq!(list("* LIST () \".\" {5}\r\na\"b\\c").name, b"a\"b\\c");
    assert_eq!(list("* LIST () \"\\\\\" nil").separator, Some(b'\\'));
    assert_eq!(list("* LIST () \"/\" nil").name, b"nil");
    assert_eq!(list("* LIST () \"/\" [Gmail]/Sent").name, b"[Gmail]/Sent");
    let Answer::Status(status) =
        answer("* STATUS \"a b\" (MESSAGES 3 X (1 2) UIDNEXT 9 UIDVALIDITY 1 HIGHESTMODSEQ 12)")
    else {
        panic!()
    };
    assert_eq!((status.messages, status.uid_next, status.highest_modseq), (Some(3), Some(9), Some(12)));
    let space = Answer::Namespace { prefix: b"INBOX.".to_vec(), separator: Some(b'.') };
    assert_eq!(answer("* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL"), space);
    assert_eq!(
        answer("* VANISHED (EARLIER) 41,43:116"),
        Answer::Vanished { earlier: true, uids: vec![(41, 41), (43, 116)] }
    );
    assert_eq!(answer("* SEARCH 2 84 882"), Answer::Search(vec![2, 84, 882]));
    assert_eq!(answer("* SEARCH"), Answer::Search(Vec::new()));
    assert_eq!(answer("* SEARCH 2 (MODSEQ 917162500)"), Answer::Search(vec![2]));
}

#[test]
fn literals_are_known_by_the_end_of_their_line() {
    assert_eq!(literal(b"* 1 FETCH (BODY[] {2345}"), Some(2_345));
    assert_eq!(literal(b"x ~{7}"), Some(7));
    assert_eq!(literal(b"x {7+}"), Some(7));
    for none in [&b"{}"[..], b"{a}", b"7}", b"{7} ", b"{99999999999999999999}", b"{-1}", b""] {
        assert_eq!(literal(none), None, "{}", none.escape_ascii());
    }
    assert!(announces_body(b"* 1 FETCH (UID 3 BODY[] {2}") && announces_body(b"* 1 FETCH (body[] ~{2}"));
    assert!(!announces_body(b"* 1 FETCH (BODY[HEADER] {2}") && !announces_body(b"* LIST () NIL {2}"));
}

#[test]
fn strings_are_quoted_where_they_can_be() {
    assert_eq!(quoted(b"a\"b\\c").as_deref(), Some(&b"\"a\\\"b\\\\c\""[..]));
    assert_eq!(quoted("ü".as_bytes()), None);
    assert_eq!(quoted(b"a\r\nb"), None);
}

#[test]
fn no_octets_make_it_fall_over() {
    let mut random = Xorshift::new(11);
    let pieces = [
        "* ",
        "1 ",
        "FETCH ",
        "(",
        ")",
        "UID ",
        "FLAGS ",
        "BODY[",
        "]",
        "{3}\r\n",
        "abc",
        "\"",
        "\\",
        "NIL",
        "[",
        "LIST ",
        "STATUS ",
        "VANISHED ",
        "4294967295",
        ":",
        ",",
        "MODSEQ ",
        "INTERNALDATE ",
        "\"17-Jul-1996 02:44:25 -0700\"",
        "\0",
        "\u{e9}",
        "OK ",
        "COPYUID ",
        "~",
        "<0>",
    ];
    for _ in 0..200_000 {
        let length = random.below(14);
        let response: String = (0..length).filter_map(|_| pieces.get(random.below(pieces.len())).copied()).collect();
        let _ = Answer::parse(response.as_bytes());
    }
}
