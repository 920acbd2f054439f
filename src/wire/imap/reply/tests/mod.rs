//! What is written, byte by byte, and read back by a parser that knows nothing of the writers.

mod structure;
mod value;

use super::*;
use crate::mail::{FlagSet, ModSeq, Section, SectionText, Stamp, SystemFlag, Uid, UidValidity};
use crate::wire::Out;
use crate::wire::imap::{Body, Command, Dialect, FetchItem, QuotaResource, StatusItem};
use std::num::{NonZeroU32, NonZeroU64};

const REV1: Dialect = Dialect { utf8: false };
const REV2: Dialect = Dialect { utf8: true };

fn written(write: impl FnOnce(&mut Out)) -> String {
    let mut out = Out::new(1 << 20);
    write(&mut out);
    String::from_utf8_lossy(out.bytes()).into_owned()
}

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn validity() -> UidValidity {
    UidValidity(NonZeroU32::new(99).unwrap())
}

#[test]
fn status_responses_carry_code_and_text() {
    assert_eq!(written(|out| tagged(out, "a1", Condition::Ok, None, "Done")), "a1 OK Done\r\n");
    let code = Some(Code::OverQuota);
    assert_eq!(written(|out| tagged(out, "a1", Condition::No, code, "Full")), "a1 NO [OVERQUOTA] Full\r\n");
    assert_eq!(written(|out| untagged(out, Condition::Bad, None, "What?")), "* BAD What?\r\n");
    assert_eq!(written(|out| untagged(out, Condition::Bye, Some(Code::Unavailable), "x")), "* BYE [UNAVAILABLE] x\r\n");
    assert_eq!(written(|out| untagged(out, Condition::Preauth, None, "Hi")), "* PREAUTH Hi\r\n");
    assert_eq!(written(|out| continuation(out, "Ready")), "+ Ready\r\n");
    assert_eq!(written(|out| challenge(out, b"")), "+ \r\n");
    assert_eq!(written(|out| challenge(out, b"\0a")), "+ AGE=\r\n");
}

#[test]
fn no_text_can_end_its_line() {
    let forged = "x\r\n* OK forged é\0";
    assert_eq!(written(|out| untagged(out, Condition::Ok, None, forged)), "* OK x  * OK forged ? \r\n");
}

#[test]
fn codes_are_written_with_their_values() {
    let code = |code| written(|out| untagged(out, Condition::Ok, Some(code), "."));
    let (from, to) = ([(1, 3), (7, 7)], [(10, 13)]);
    for (value, text) in [
        (Code::Alert, "ALERT"),
        (Code::AppendUid(validity(), uid(7)), "APPENDUID 99 7"),
        (Code::CopyUid { validity: validity(), from: &from, to: &to }, "COPYUID 99 1:3,7 10:13"),
        (Code::BadCharset(&[]), "BADCHARSET"),
        (Code::BadCharset(&["UTF-8", "US-ASCII"]), "BADCHARSET (UTF-8 US-ASCII)"),
        (Code::Capability(&["IMAP4rev1", "IDLE"]), "CAPABILITY IMAP4rev1 IDLE"),
        (Code::PermanentFlags(&["\\Seen", "\\*"]), "PERMANENTFLAGS (\\Seen \\*)"),
        (Code::PermanentFlags(&[]), "PERMANENTFLAGS ()"),
        (Code::UidNext(uid(5)), "UIDNEXT 5"),
        (Code::UidValidity(validity()), "UIDVALIDITY 99"),
        (Code::Unseen(3), "UNSEEN 3"),
        (Code::HighestModSeq(ModSeq(NonZeroU64::MAX)), "HIGHESTMODSEQ 18446744073709551615"),
        (Code::UnknownCte, "UNKNOWN-CTE"),
        (Code::ReadOnly, "READ-ONLY"),
    ] {
        assert_eq!(code(value), format!("* OK [{text}] .\r\n"));
    }
}

#[test]
fn a_string_takes_the_form_that_can_carry_it() {
    let form = |bytes: &[u8], dialect| written(|out| string(out, bytes, dialect));
    assert_eq!(form(b"a \"b\" \\c", REV1), "\"a \\\"b\\\" \\\\c\"");
    assert_eq!(form(b"", REV1), "\"\"");
    assert_eq!(form(b"tab\there", REV1), "\"tab\there\"");
    assert_eq!(form(b"a\r\nb", REV1), "{4}\r\na\r\nb");
    assert_eq!(form("é".as_bytes(), REV1), "{2}\r\né");
    assert_eq!(form("é".as_bytes(), REV2), "\"é\"");
    assert_eq!(form(b"\xff", REV2), "{1}\r\n\u{fffd}");
    assert_eq!(form(&[b'x'; 5_000], REV1).get(..8), Some("{5000}\r\n"));
    let mut out = Out::new(99);
    string(&mut out, b"a\0b", REV1);
    assert_eq!(out.bytes(), b"{3}\r\na\x80b");
    assert_eq!(written(|out| nstring(out, None, REV1)), "NIL");
    assert_eq!(written(|out| astring(out, b"DATE]", REV1)), "DATE]");
    for (bytes, quoted) in [("", "\"\""), ("nil", "\"nil\""), ("a b", "\"a b\""), ("a%", "\"a%\"")] {
        assert_eq!(written(|out| astring(out, bytes.as_bytes(), REV1)), quoted);
    }
}

#[test]
fn a_mailbox_name_is_spelled_in_the_dialect_and_reads_back() {
    assert_eq!(written(|out| mailbox(out, "Entwürfe \"&\"", REV1)), "\"Entw&APw-rfe \\\"&-\\\"\"");
    assert_eq!(written(|out| mailbox(out, "Entwürfe &", REV2)), "\"Entwürfe &\"");
    for name in ["INBOX", "", "日本語/😀", "a\\b\"c", "R&D", "&-", "100%"] {
        for dialect in [REV1, REV2] {
            let command = format!("a SELECT {}", written(|out| mailbox(out, name, dialect)));
            let read = Command::parse(command.as_bytes(), dialect).unwrap();
            assert_eq!(read.body, Body::Select(crate::wire::imap::Mailbox(name.into())));
        }
    }
}

#[test]
fn list_lines_carry_attributes_and_extended_data() {
    let line = ListReply {
        attributes: &[ListAttribute::HasChildren, ListAttribute::Sent],
        delimiter: Some('/'),
        mailbox: "é",
        subscribed_children: false,
        old_name: None,
    };
    assert_eq!(written(|out| list(out, &line, REV1)), "* LIST (\\HasChildren \\Sent) \"/\" \"&AOk-\"\r\n");
    assert_eq!(written(|out| lsub(out, &line, REV1)), "* LSUB (\\HasChildren \\Sent) \"/\" \"&AOk-\"\r\n");
    let bare = ListReply { attributes: &[], delimiter: None, mailbox: "", subscribed_children: true, old_name: None };
    assert_eq!(written(|out| list(out, &bare, REV1)), "* LIST () NIL \"\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
    let old = ListReply { old_name: Some("x"), ..bare };
    assert_eq!(
        written(|out| list(out, &old, REV1)),
        "* LIST () NIL \"\" (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (\"x\"))\r\n"
    );
    let old = ListReply { subscribed_children: false, ..old };
    assert_eq!(written(|out| list(out, &old, REV1)), "* LIST () NIL \"\" (\"OLDNAME\" (\"x\"))\r\n");
}

#[test]
fn status_namespace_and_quota_are_written_as_their_rfcs_show() {
    let status = written(|out| {
        let mut reply = StatusReply::begin(out, "a b", REV1);
        reply.item(StatusItem::Messages, 231);
        reply.item(StatusItem::DeletedStorage, 5_000_000_000);
        reply.end();
    });
    assert_eq!(status, "* STATUS \"a b\" (MESSAGES 231 DELETED-STORAGE 5000000000)\r\n");
    let personal = [NamespaceEntry { prefix: "", delimiter: Some('/') }];
    assert_eq!(written(|out| namespace(out, &personal, &[], &[], REV1)), "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
    let usages = [
        QuotaUsage { resource: QuotaResource::Storage, usage: 10, limit: 512 },
        QuotaUsage { resource: QuotaResource::Message, usage: 1, limit: 9 },
    ];
    assert_eq!(written(|out| quota(out, "", &usages, REV1)), "* QUOTA \"\" (STORAGE 10 512 MESSAGE 1 9)\r\n");
    assert_eq!(written(|out| quota_root(out, "INBOX", &["#user", ""], REV1)), "* QUOTAROOT \"INBOX\" #user \"\"\r\n");
}

#[test]
fn session_responses_are_one_line_each() {
    assert_eq!(written(|out| capability(out, &["IMAP4rev1", "IDLE"])), "* CAPABILITY IMAP4rev1 IDLE\r\n");
    assert_eq!(written(|out| enabled::<&str>(out, &[])), "* ENABLED\r\n");
    assert_eq!(
        written(|out| id(out, &[("name", Some("x \"y\"")), ("os", None)], REV1)),
        "* ID (\"name\" \"x \\\"y\\\"\" \"os\" NIL)\r\n"
    );
    assert_eq!(written(|out| id(out, &[], REV1)), "* ID NIL\r\n");
    assert_eq!(written(|out| flags(out, &["\\Seen", "$Junk"])), "* FLAGS (\\Seen $Junk)\r\n");
    assert_eq!(written(|out| exists(out, 4_294_967_295)), "* 4294967295 EXISTS\r\n");
    assert_eq!(written(|out| recent(out, 0)), "* 0 RECENT\r\n");
    assert_eq!(written(|out| expunge(out, 3)), "* 3 EXPUNGE\r\n");
}

#[test]
fn sets_are_compressed_in_the_order_given() {
    let form = |numbers: &[u32]| written(|out| _ = set(out, numbers.iter().copied()));
    assert_eq!(form(&[1, 2, 3, 5, 7, 8, 4_294_967_295]), "1:3,5,7:8,4294967295");
    assert_eq!(form(&[3, 2, 1, 1]), "3,2,1,1");
    assert_eq!(form(&[u32::MAX, u32::MAX]), "4294967295,4294967295");
    assert!(!set(&mut Out::new(9), []));
    let ranges = written(|out| {
        let mut run = SetRun::new();
        run.push_range(out, 1, 5);
        run.push_range(out, 6, 6);
        run.push_range(out, 8, 9);
        assert!(run.finish(out));
    });
    assert_eq!(ranges, "1:6,8:9");
}

#[test]
fn search_results_are_listed_or_summed_up() {
    let plain = written(|out| {
        SearchReply::begin(out);
        for number in [2, 84] {
            SearchReply::number(out, number);
        }
        SearchReply::end(out);
    });
    assert_eq!(plain, "* SEARCH 2 84\r\n");
    let extended = written(|out| {
        Esearch::begin(out, "a]1", true);
        Esearch::min(out, 1);
        Esearch::max(out, 9);
        Esearch::count(out, 4);
        let mut all = Esearch::all_begin(out);
        for number in [1, 2, 3, 9] {
            all.push(out, number);
        }
        Esearch::all_end(out, all);
        Esearch::end(out);
    });
    assert_eq!(extended, "* ESEARCH (TAG \"a]1\") UID MIN 1 MAX 9 COUNT 4 ALL 1:3,9\r\n");
}

#[test]
fn fetch_items_have_one_space_between_them() {
    let fetched = written(|out| {
        let mut fetch = Fetch::begin(out, 12, REV1);
        fetch.uid(uid(7));
        let flags = SystemFlag::Seen.set() | SystemFlag::Answered.set() | FlagSet::keyword(1) | FlagSet::keyword(99);
        fetch.flags(flags, &["$a", "$b"], true);
        fetch.flags::<&str>(FlagSet::NONE, &[], false);
        fetch.size(4_294_967_295);
        fetch.modseq(ModSeq::FIRST);
        fetch.section(&Section::default(), None);
        fetch.literal_header(3);
        fetch.octets(b"abc");
        fetch.section(&Section { path: vec![9], text: SectionText::Whole }, None);
        fetch.nil();
        fetch.rfc822_text();
        fetch.text(b"t");
        fetch.binary(&[1, 2], Some(5));
        fetch.literal8_header(0);
        fetch.binary_size(&[], 10);
        fetch.end();
    });
    assert_eq!(
        fetched,
        "* 12 FETCH (UID 7 FLAGS (\\Answered \\Seen \\Recent $b) FLAGS () RFC822.SIZE 4294967295 MODSEQ (1) \
         BODY[] {3}\r\nabc BODY[9] NIL RFC822.TEXT \"t\" BINARY[1.2]<5> ~{0}\r\n BINARY.SIZE[] 10)\r\n"
    );
    let resumed = written(|out| {
        let mut fetch = Fetch::resume(out, REV1);
        fetch.rfc822();
        fetch.literal(b"x");
        fetch.rfc822_header();
        fetch.literal(b"");
        fetch.end();
    });
    assert_eq!(resumed, " RFC822 {1}\r\nx RFC822.HEADER {0}\r\n)\r\n");
}

#[test]
fn section_names_read_back_as_they_were_asked() {
    for text in [
        "BODY[]",
        "BODY[]<7>",
        "BODY[HEADER]",
        "BODY[TEXT]",
        "BODY[1.2.3]",
        "BODY[1.MIME]",
        "BODY[1.HEADER.FIELDS (DATE \"A B\")]<0>",
        "BODY[HEADER.FIELDS.NOT (X)]",
    ] {
        let asked = text.strip_suffix('>').map_or(text.to_owned(), |origin| format!("{origin}.1>"));
        let command = Command::parse(format!("a FETCH 1 {asked}").as_bytes(), REV1).unwrap();
        let Body::Fetch { items, .. } = command.body else { panic!() };
        let [FetchItem::Section { section, partial, .. }] = items.as_slice() else { panic!() };
        let answered = written(|out| Fetch::begin(out, 1, REV1).section(section, partial.map(|(origin, _)| origin)));
        assert_eq!(answered, format!("* 1 FETCH ({text} "));
    }
}

#[test]
fn an_internal_date_is_shown_in_the_zone_it_came_in() {
    let date = |seconds, zone| written(|out| Fetch::resume(out, REV1).internal_date(Stamp { seconds, zone }));
    assert_eq!(date(0, 0), " INTERNALDATE \" 1-Jan-1970 00:00:00 +0000\"");
    assert_eq!(date(1_075_597_200, -60), " INTERNALDATE \" 1-Feb-2004 00:00:00 -0100\"");
    assert_eq!(date(1_735_689_599, 330), " INTERNALDATE \" 1-Jan-2025 05:29:59 +0530\"");
    assert_eq!(date(i64::MAX, 60), " INTERNALDATE \" 1-Jan-1970 00:00:00 +0100\"");
    assert_eq!(date(i64::MIN, -60), " INTERNALDATE \" 1-Jan-1970 00:00:00 -0100\"");
}
