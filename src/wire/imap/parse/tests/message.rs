//! Commands about messages.

use super::*;

#[test]
fn an_append_is_read_up_to_its_message() {
    let append = |head: &str| match Append::parse(format!("a1 {head}").as_bytes(), 42, true, REV1) {
        Ok(Command { body: Body::Append(append), tag }) if &*tag == "a1" => Ok(append),
        Ok(other) => panic!("{other:?}"),
        Err(syntax) => Err(syntax.reason),
    };
    let bare = Append { mailbox: inbox(), flags: vec![], date: None, size: 42, binary: true };
    assert_eq!(append("append INBOX "), Ok(bare.clone()));
    assert_eq!(append("APPEND {5}\r\nINBOX "), Ok(bare.clone()));
    assert_eq!(append("APPEND INBOX () "), Ok(bare.clone()));
    let date = Some(Stamp { seconds: 1_075_597_200, zone: -60 });
    assert_eq!(
        append("APPEND INBOX (\\Seen $Junk) \" 1-Feb-2004 00:00:00 -0100\" "),
        Ok(Append { flags: vec!["\\Seen".into(), "$Junk".into()], date, ..bare.clone() })
    );
    assert_eq!(append("APPEND INBOX \"01-feb-2004 00:00:00 -0100\" "), Ok(Append { date, ..bare.clone() }));
    assert_eq!(append("APPEND INBOX \"1-Feb-2004 00:00:00 -0100\" "), Ok(Append { date, ..bare }));
    for head in [
        "APPEND INBOX",
        "APPEND INBOX UTF8 (",
        "APPEND INBOX CATENATE (TEXT ",
        "APPEND INBOX (\\) ",
        "APPEND INBOX (a",
        "APPEND INBOX  ",
        "APPEND INBOX \" 1-Feb-2004\" ",
        "APPEND INBOX \"30-Feb-2004 00:00:00 +0000\" ",
        "APPEND INBOX \" 0-Feb-2004 00:00:00 +0000\" ",
        "APPEND INBOX \" 1-Foo-2004 00:00:00 +0000\" ",
        "APPEND INBOX \" 1-Feb-04 00:00:00 +0000\" ",
        "APPEND INBOX \" 1-Feb-2004 24:00:00 +0000\" ",
        "APPEND INBOX \" 1-Feb-2004 00:60:00 +0000\" ",
        "APPEND INBOX \" 1-Feb-2004 00:00:61 +0000\" ",
        "APPEND INBOX \" 1-Feb-2004 00:00:00 +2400\" ",
        "APPEND INBOX \" 1-Feb-2004 00:00:00 +0060\" ",
        "APPEND INBOX \" 1-Feb-2004 00:00:00 0000\" ",
        "APPEND INBOX \" 1-Feb-2004 00:00:00\" ",
    ] {
        assert!(matches!(append(head), Err(Reason::BadArguments(_))), "{head}");
    }
    assert_eq!(append("SELECT INBOX "), Err(Reason::UnknownCommand));
    assert_bad(&["APPEND INBOX", "APPEND {5}\r\nINBOX"]);
}

#[test]
fn sets_hold_numbers_ranges_and_stars() {
    let set = |text: &str| match read(&format!("UID EXPUNGE {text}")) {
        Body::Expunge(Some(set)) => set,
        other => panic!("{other:?}"),
    };
    assert_eq!(set("1"), numbers(&[(1, 1)]));
    assert_eq!(set("4:2,*,7:*,*:4294967295"), numbers(&[(4, 2), (0, 0), (7, 0), (0, u32::MAX)]));
    assert_eq!(set("$"), SequenceSet::Saved);
    assert_bad(&[
        "UID EXPUNGE",
        "UID EXPUNGE 0",
        "UID EXPUNGE 1,",
        "UID EXPUNGE ,1",
        "UID EXPUNGE 1:",
        "UID EXPUNGE 1:2:3",
    ]);
    assert_bad(&[
        "UID EXPUNGE 4294967296",
        "UID EXPUNGE 18446744073709551616",
        "UID EXPUNGE -1",
        "UID EXPUNGE 01",
        "UID EXPUNGE $,1",
    ]);
    let many = |count| format!("UID EXPUNGE {}", vec!["1"; count].join(","));
    assert!(matches!(read(&many(limits::SET_RANGES)), Body::Expunge(Some(_))));
    assert!(matches!(refused(&many(limits::SET_RANGES + 1)), Reason::TooMany(_)));
}

#[test]
fn store_copy_and_move_take_a_set_first() {
    let store = |uid, mode, silent, flags: &[&str]| Body::Store {
        uid,
        set: numbers(&[(1, 2)]),
        mode,
        silent,
        flags: flags.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(read("STORE 1:2 FLAGS (\\Seen $a)"), store(false, StoreMode::Replace, false, &["\\Seen", "$a"]));
    assert_eq!(read("UID STORE 1:2 +flags.silent \\Seen $a "), store(true, StoreMode::Add, true, &["\\Seen", "$a"]));
    assert_eq!(read("STORE 1:2 -FLAGS ()"), store(false, StoreMode::Remove, false, &[]));
    assert_bad(&[
        "STORE 1",
        "STORE 1 FLAGS",
        "STORE 1 FLAGS \\",
        "STORE 1 FLAGS (\\*)",
        "STORE 1 *FLAGS x",
        "STORE 1 FLAG x",
    ]);
    assert_bad(&["STORE FLAGS x", "STORE 1 FLAGS (x", "STORE 1 FLAGS x,y(", "STORE 1 +-FLAGS x"]);
    let many = |count| format!("STORE 1 FLAGS ({})", vec!["a"; count].join(" "));
    assert!(matches!(refused(&many(limits::FLAGS + 1)), Reason::TooMany(_)));
    assert!(matches!(refused(&many(limits::FLAGS + 1).replace(['(', ')'], "")), Reason::TooMany(_)));
    assert_eq!(read("COPY 1:2 INBOX"), Body::Copy { uid: false, set: numbers(&[(1, 2)]), mailbox: inbox() });
    assert_eq!(read("UID MOVE $ INBOX"), Body::Move { uid: true, set: SequenceSet::Saved, mailbox: inbox() });
    assert_bad(&["COPY 1", "COPY inbox 1", "MOVE 1 a b"]);
}

#[test]
fn fetch_macros_are_expanded_and_items_listed() {
    use FetchItem::{
        Body, BodyStructure, Envelope, Flags, InternalDate, ModSeq, Rfc822, Rfc822Header, Rfc822Text, Size, Uid,
    };
    assert_eq!(items("all"), [Flags, InternalDate, Size, Envelope]);
    assert_eq!(items("FAST"), [Flags, InternalDate, Size]);
    assert_eq!(items("FULL"), [Flags, InternalDate, Size, Envelope, Body]);
    assert_eq!(items("flags"), [Flags]);
    assert_eq!(
        items("(UID BODY BODYSTRUCTURE RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE MODSEQ)"),
        [Uid, Body, BodyStructure, Rfc822, Rfc822Header, Rfc822Text, Size, ModSeq]
    );
    assert_bad(&[
        "FETCH 1",
        "FETCH 1 ()",
        "FETCH 1 (ALL)",
        "FETCH 1 (FLAGS",
        "FETCH 1 X",
        "FETCH 1 FLAGS UID",
        "FETCH 1 RFC822.PEEK",
    ]);
    assert_bad(&[
        "FETCH 1 (FLAGS  UID)",
        "FETCH 1 ((FLAGS))",
        "FETCH 1 FLAGS (CHANGEDSINCE 1)",
        "FETCH FLAGS",
        "FETCH 1 ( FLAGS)",
    ]);
    let many = format!("FETCH 1 ({})", vec!["UID"; limits::FETCH_ITEMS + 1].join(" "));
    assert!(matches!(refused(&many), Reason::TooMany(_)));
}

#[test]
fn sections_of_every_kind_are_read() {
    let section = |path: &[u32], text, peek, partial| {
        vec![FetchItem::Section { section: Section { path: path.into(), text }, peek, partial }]
    };
    let names = |names: &[&str]| names.iter().map(|name| name.as_bytes().into()).collect::<Vec<Box<[u8]>>>();
    assert_eq!(items("BODY[]"), section(&[], SectionText::Whole, false, None));
    assert_eq!(items("body.peek[]<0.4294967295>"), section(&[], SectionText::Whole, true, Some((0, u32::MAX))));
    assert_eq!(items("BODY[]<7.4294967296>"), section(&[], SectionText::Whole, false, Some((7, u32::MAX))));
    assert_eq!(items("BODY[HEADER]"), section(&[], SectionText::Header, false, None));
    assert_eq!(items("BODY[TEXT]<0.1>"), section(&[], SectionText::Text, false, Some((0, 1))));
    assert_eq!(items("BODY[1]"), section(&[1], SectionText::Whole, false, None));
    assert_eq!(items("BODY[1.2.MIME]"), section(&[1, 2], SectionText::Mime, false, None));
    assert_eq!(items("BODY[1.2.TEXT]"), section(&[1, 2], SectionText::Text, false, None));
    assert_eq!(
        items("BODY[1.2.3.HEADER.FIELDS.NOT (a \"b]\")]"),
        section(&[1, 2, 3], SectionText::HeaderFieldsNot(names(&["A", "B]"])), false, None)
    );
    assert_eq!(
        items("(BODY.PEEK[header.fields (DATE {4}\r\nFrom)])"),
        section(&[], SectionText::HeaderFields(names(&["DATE", "FROM"])), true, None)
    );
    assert_bad(&[
        "FETCH 1 BODY[",
        "FETCH 1 BODY[0]",
        "FETCH 1 BODY[1.]",
        "FETCH 1 BODY[.1]",
        "FETCH 1 BODY[MIME]",
        "FETCH 1 BODY[X]",
    ]);
    assert_bad(&[
        "FETCH 1 BODY[HEADER.FIELDS]",
        "FETCH 1 BODY[HEADER.FIELDS ()]",
        "FETCH 1 BODY[1.HEADER.2]",
        "FETCH 1 BODY.PEEK",
    ]);
    assert_bad(&[
        "FETCH 1 BODY[]<0>",
        "FETCH 1 BODY[]<0.0>",
        "FETCH 1 BODY[]<.1>",
        "FETCH 1 BODY[]<0.1",
        "FETCH 1 BODY[4294967296]",
    ]);
    assert_bad(&[
        "FETCH 1 BODY[]<4294967296.1>",
        "FETCH 1 BODY[]<0.18446744073709551616>",
        "FETCH 1 FLAGS[]",
        "FETCH 1 BODY[] <0.1>",
    ]);
    assert_eq!(refused(&format!("FETCH 1 BODY[1{}]", ".1".repeat(limits::PART_DEPTH))), Reason::TooDeep);
}

#[test]
fn binary_items_take_part_numbers_only() {
    assert_eq!(items("BINARY[1.2]<3.4>"), [FetchItem::Binary { path: vec![1, 2], peek: false, partial: Some((3, 4)) }]);
    assert_eq!(items("BINARY.PEEK[]"), [FetchItem::Binary { path: vec![], peek: true, partial: None }]);
    assert_eq!(items("BINARY.SIZE[9]"), [FetchItem::BinarySize(vec![9])]);
    assert_bad(&[
        "FETCH 1 BINARY",
        "FETCH 1 BINARY[TEXT]",
        "FETCH 1 BINARY[1.]",
        "FETCH 1 BINARY[.]",
        "FETCH 1 BINARY.SIZE[1]<0.1>",
    ]);
}
