//! ENVELOPE, BODY and BODYSTRUCTURE.

use super::value::Value;
use super::{REV1, REV2};
use crate::mail::xorshift::Xorshift;
use crate::mail::{Address, Content, Disposition, Envelope, Param, Part, Span, Tag};
use crate::wire::Out;
use crate::wire::imap::{Dialect, reply::Fetch};
use std::borrow::Cow;

#[expect(clippy::unnecessary_wraps, reason = "the fields are options")]
fn some(text: &str) -> Option<Cow<'_, [u8]>> {
    Some(Cow::Borrowed(text.as_bytes()))
}

fn part<'a>(media: &'a str, subtype: &'a str, content: Content<'a>) -> Part<'a> {
    Part {
        header: Span::default(),
        body: Span { start: 10, end: 52 },
        lines: 3,
        media: media.as_bytes().into(),
        subtype: subtype.as_bytes().into(),
        params: Vec::new(),
        id: None,
        description: None,
        encoding: None,
        md5: None,
        disposition: None,
        language: Vec::new(),
        location: None,
        content,
    }
}

fn param<'a>(name: &'a str, value: &'a str) -> Param<'a> {
    Param { name: name.as_bytes().into(), value: value.as_bytes().into() }
}

fn structure(part: &Part<'_>, dialect: Dialect) -> Vec<u8> {
    let mut out = Out::new(1 << 20);
    Fetch::resume(&mut out, dialect).body_structure(part);
    out.bytes().strip_prefix(b" BODYSTRUCTURE ").unwrap().to_vec()
}

fn basic(part: &Part<'_>) -> String {
    let mut out = Out::new(1 << 20);
    Fetch::resume(&mut out, REV1).body(part);
    String::from_utf8(out.bytes().strip_prefix(b" BODY ").unwrap().to_vec()).unwrap()
}

fn envelope(fields: &Envelope<'_>, dialect: Dialect) -> Vec<u8> {
    let mut out = Out::new(1 << 20);
    Fetch::resume(&mut out, dialect).envelope(fields);
    out.bytes().strip_prefix(b" ENVELOPE ").unwrap().to_vec()
}

fn shown(part: &Part<'_>) -> String {
    String::from_utf8(structure(part, REV1)).unwrap()
}

#[test]
fn an_envelope_shows_from_where_sender_and_reply_to_are_missing() {
    let ann = Address { name: some("Ann \"A\""), route: None, mailbox: some("ann"), host: some("example.org") };
    let fields = Envelope {
        date: some("Mon, 7 Feb 1994 21:52:25 -0800 (PST)"),
        subject: some("=?UTF-8?Q?=C3=A9?="),
        from: vec![ann.clone()],
        to: vec![Address { mailbox: some("friends"), ..Address::default() }, ann.clone(), Address::default()],
        message_id: some("<1@x>"),
        ..Envelope::default()
    };
    let text = String::from_utf8(envelope(&fields, REV1)).unwrap();
    let from = "((\"Ann \\\"A\\\"\" NIL \"ann\" \"example.org\"))";
    let to = "((NIL NIL \"friends\" NIL)(\"Ann \\\"A\\\"\" NIL \"ann\" \"example.org\")(NIL NIL NIL NIL))";
    assert_eq!(
        text,
        format!(
            "(\"Mon, 7 Feb 1994 21:52:25 -0800 (PST)\" \"=?UTF-8?Q?=C3=A9?=\" {from} {from} {from} {to} NIL NIL NIL \"<1@x>\")"
        )
    );
    assert_eq!(envelope(&Envelope::default(), REV1), b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
}

#[test]
fn text_has_lines_and_other_media_have_none() {
    let mut text = part("text", "plain", Content::Leaf);
    text.params = vec![param("charset", "us-ascii")];
    assert_eq!(basic(&text), "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 42 3)");
    assert_eq!(shown(&text), "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 42 3 NIL NIL NIL NIL)");
    let mut image = part("IMAGE", "png", Content::Leaf);
    image.id = some("<i>");
    image.description = some("d");
    image.encoding = some("base64");
    image.md5 = some("m");
    image.disposition = Some(Disposition { kind: b"attachment"[..].into(), params: vec![param("filename", "a.png")] });
    image.language = vec![Tag(b"de"[..].into()), Tag(b"fr"[..].into())];
    image.location = some("l");
    assert_eq!(
        shown(&image),
        "(\"IMAGE\" \"png\" NIL \"<i>\" \"d\" \"base64\" 42 \"m\" (\"attachment\" (\"filename\" \"a.png\")) (\"de\" \"fr\") \"l\")"
    );
    assert_eq!(basic(&part("", "", Content::Leaf)), "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 42 3)");
    assert_eq!(basic(&part("image", "", Content::Leaf)), "(\"image\" \"OCTET-STREAM\" NIL NIL NIL \"7BIT\" 42)");
}

#[test]
fn a_multipart_shows_its_parts_side_by_side() {
    let inner = || part("text", "html", Content::Leaf);
    let mut whole = part("multipart", "alternative", Content::Multipart(vec![inner(), inner()]));
    whole.params = vec![param("boundary", "b")];
    whole.disposition = Some(Disposition { kind: b"inline"[..].into(), params: vec![] });
    let html = "(\"text\" \"html\" NIL NIL NIL \"7BIT\" 42 3";
    assert_eq!(basic(&whole), format!("({html}){html}) \"alternative\")"));
    assert_eq!(
        shown(&whole),
        format!(
            "({html} NIL NIL NIL NIL){html} NIL NIL NIL NIL) \"alternative\" (\"boundary\" \"b\") (\"inline\" NIL) NIL NIL)"
        )
    );
    assert_eq!(
        basic(&part("multipart", "", Content::Multipart(vec![]))),
        "((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0) \"MIXED\")"
    );
}

#[test]
fn an_enclosed_message_shows_its_envelope_and_body() {
    let enclosed = Content::Message(Box::new((Envelope::default(), part("text", "plain", Content::Leaf))));
    let nothing = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";
    assert_eq!(
        basic(&part("message", "rfc822", enclosed)),
        format!(
            "(\"MESSAGE\" \"rfc822\" NIL NIL NIL \"7BIT\" 42 {nothing} (\"text\" \"plain\" NIL NIL NIL \"7BIT\" 42 3) 3)"
        )
    );
}

#[test]
fn the_form_always_agrees_with_the_type() {
    let nothing = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";
    assert_eq!(
        basic(&part("Message", "RFC822", Content::Leaf)),
        format!(
            "(\"Message\" \"RFC822\" NIL NIL NIL \"7BIT\" 42 {nothing} (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0) 3)"
        )
    );
    assert_eq!(
        basic(&part("multipart", "mixed", Content::Leaf)),
        "(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"7BIT\" 42)"
    );
    assert_eq!(
        basic(&part("message", "delivery-status", Content::Leaf)),
        "(\"message\" \"delivery-status\" NIL NIL NIL \"7BIT\" 42)"
    );
}

/// Octets that are hard to write.
fn odd(random: &mut Xorshift) -> Cow<'static, [u8]> {
    const BYTES: &[u8] = b"ab\"\\\r\n\0\t \x7f\xc3\xa9\xff(){}";
    let length = random.below(9);
    (0..length).filter_map(|_| BYTES.get(random.below(BYTES.len())).copied()).collect::<Vec<u8>>().into()
}

fn perhaps(random: &mut Xorshift) -> Option<Cow<'static, [u8]>> {
    (random.below(2) == 0).then(|| odd(random))
}

fn any_addresses(random: &mut Xorshift) -> Vec<Address<'static>> {
    let count = random.below(3);
    (0..count)
        .map(|_| Address {
            name: perhaps(random),
            route: perhaps(random),
            mailbox: perhaps(random),
            host: perhaps(random),
        })
        .collect()
}

fn any_envelope(random: &mut Xorshift) -> Envelope<'static> {
    Envelope {
        date: perhaps(random),
        subject: perhaps(random),
        from: any_addresses(random),
        sender: any_addresses(random),
        reply_to: any_addresses(random),
        to: any_addresses(random),
        cc: any_addresses(random),
        bcc: any_addresses(random),
        in_reply_to: perhaps(random),
        message_id: perhaps(random),
    }
}

fn any_params(random: &mut Xorshift) -> Vec<Param<'static>> {
    let count = random.below(3);
    (0..count).map(|_| Param { name: odd(random), value: odd(random) }).collect()
}

fn any_part(random: &mut Xorshift, depth: usize) -> Part<'static> {
    const TYPES: [(&str, &str); 7] = [
        ("text", "plain"),
        ("image", "gif"),
        ("MESSAGE", "RFC822"),
        ("multipart", "mixed"),
        ("", ""),
        ("message", "global"),
        ("te\"xt", "\r\n"),
    ];
    let (media, subtype) = TYPES.get(random.below(TYPES.len())).copied().unwrap();
    let content = match random.below(if depth == 0 { 1 } else { 3 }) {
        0 => Content::Leaf,
        1 => Content::Multipart((0..random.below(4)).map(|_| any_part(random, depth - 1)).collect()),
        _ => Content::Message(Box::new((any_envelope(random), any_part(random, depth - 1)))),
    };
    Part {
        params: any_params(random),
        id: perhaps(random),
        description: perhaps(random),
        encoding: perhaps(random),
        md5: perhaps(random),
        disposition: (random.below(2) == 0).then(|| Disposition { kind: odd(random), params: any_params(random) }),
        language: (0..random.below(3)).map(|_| Tag(odd(random))).collect(),
        location: perhaps(random),
        ..part(media, subtype, content)
    }
}

/// Checks the shape of an envelope, and that the fields are the ones put in.
fn check_envelope(value: &Value, fields: &Envelope<'_>) {
    let string = |value: &Value, expected: &Option<Cow<'_, [u8]>>| match expected {
        None => assert_eq!(value, &Value::Nil),
        Some(expected) => {
            let expected: Vec<u8> = expected.iter().map(|&byte| if byte == 0 { 0x80 } else { byte }).collect();
            assert_eq!(value.text(), expected);
        }
    };
    let or_from = |field: &Vec<Address<'_>>| if field.is_empty() { fields.from.len() } else { field.len() };
    let [date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id] = value.list() else {
        panic!("{value:?}")
    };
    string(date, &fields.date);
    string(subject, &fields.subject);
    string(in_reply_to, &fields.in_reply_to);
    string(message_id, &fields.message_id);
    let counts = [
        fields.from.len(),
        or_from(&fields.sender),
        or_from(&fields.reply_to),
        fields.to.len(),
        fields.cc.len(),
        fields.bcc.len(),
    ];
    for (field, count) in [from, sender, reply_to, to, cc, bcc].into_iter().zip(counts) {
        if count == 0 {
            assert_eq!(field, &Value::Nil);
            continue;
        }
        assert_eq!(field.list().len(), count);
        assert!(field.list().iter().all(|address| address.list().len() == 4));
    }
    for (shown, address) in from.list_or_nothing().iter().zip(&fields.from) {
        string(&shown.list()[0], &address.name);
        string(&shown.list()[3], &address.host);
    }
}

impl Value {
    fn list_or_nothing(&self) -> &[Value] {
        if self == &Value::Nil { &[] } else { self.list() }
    }
}

/// Checks a body as a client would take it apart: by its first element and then by its type.
fn check_body(value: &Value, dialect: Dialect) {
    let values = value.list();
    if matches!(values[0], Value::List(_)) {
        let bodies = values.iter().take_while(|value| matches!(value, Value::List(_))).count();
        values[..bodies].iter().for_each(|body| check_body(body, dialect));
        assert_eq!(values.len(), bodies + 5, "{value:?}");
        values[bodies].text();
        return check_params(&values[bodies + 1]);
    }
    let (media, subtype) = (values[0].text().to_ascii_lowercase(), values[1].text().to_ascii_lowercase());
    check_params(&values[2]);
    values[5].text();
    assert!(matches!(values[6], Value::Number(42 | 0)));
    let form = match (media.as_slice(), subtype.as_slice()) {
        (b"text", _) => {
            assert!(matches!(values[7], Value::Number(_)));
            8
        }
        (b"message", subtype) if subtype == b"rfc822" || (subtype == b"global" && dialect.utf8) => {
            assert_eq!(values[7].list().len(), 10);
            assert!(matches!(values[9], Value::Number(_)));
            check_body(&values[8], dialect);
            10
        }
        (b"multipart", _) => panic!("a multipart in the form of a single part"),
        _ => 7,
    };
    // The stand-in for a body that is not known has no extension data.
    let extended = if values[6] == Value::Number(0) { 0 } else { 4 };
    assert_eq!(values.len(), form + extended, "{value:?}");
}

fn check_params(value: &Value) {
    let params = value.list_or_nothing();
    assert!(params.len().is_multiple_of(2) && params.iter().all(|param| matches!(param, Value::Text(_))));
}

#[test]
fn any_envelope_reads_back() {
    let mut random = Xorshift::new(5);
    for _ in 0..5_000 {
        let fields = any_envelope(&mut random);
        for dialect in [REV1, REV2] {
            check_envelope(&Value::read(&envelope(&fields, dialect)), &fields);
        }
    }
}

#[test]
fn any_structure_reads_back_in_a_form_that_clients_expect() {
    let mut random = Xorshift::new(6);
    for _ in 0..5_000 {
        let depth = random.below(5);
        let root = any_part(&mut random, depth);
        for dialect in [REV1, REV2] {
            check_body(&Value::read(&structure(&root, dialect)), dialect);
        }
    }
}
