//! What the Content-* fields of odd mail are read as.

use super::*;

/// `type/subtype; name=value…` as the outline shows it.
fn shown(header: &str) -> String {
    let part = Head::read(header.as_bytes(), false).part(Span::default(), Span::default(), 0, Content::Leaf);
    shown_params([part.media, Cow::Borrowed(b"/"), part.subtype].concat(), &part.params)
}

fn shown_params(mut out: Vec<u8>, params: &[Param<'_>]) -> String {
    for param in params {
        out.extend_from_slice(&[b"; ", param.name.as_ref(), b"=", param.value.as_ref()].concat());
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn boundary(value: &str) -> Option<String> {
    let head = Head::read(format!("Content-Type: {value}").as_bytes(), false);
    head.boundary().map(|octets| String::from_utf8_lossy(&octets).into_owned())
}

#[test]
fn what_has_no_type_or_a_broken_one_is_plain_text() {
    for header in [
        "",
        "Content-Type: text\r\n",
        "Content-Type:\r\n",
        "Content-Type: /plain",
        "Content-Type: a/b/c",
        "Content-Type: html; charset=utf-8",
    ] {
        assert_eq!(shown(header), "text/plain; charset=us-ascii", "{header:?}");
    }
    assert_eq!(shown("Content-Type: text/html"), "text/html");
    assert_eq!(shown("Content-Type: text; charset=utf-8"), "text/plain; charset=utf-8");
}

#[test]
fn the_first_of_two_types_counts() {
    assert_eq!(shown("Content-Type: text/html\r\nContent-Type: image/png\r\n"), "text/html");
    assert_eq!(shown("Content-Type: broken\r\nContent-Type: image/png\r\n"), "text/plain; charset=us-ascii");
}

#[test]
fn parameters_are_shown_as_written_without_quotes() {
    assert_eq!(
        shown("Content-Type: Text/Plain; CharSet=\"UTF-8\";format=flowed ;"),
        "Text/Plain; CharSet=UTF-8; format=flowed"
    );
    assert_eq!(
        shown("content-type:text/x;\r\n\tname*=utf-8''a%20;\r\n\tName=\"b;c\""),
        "text/x; name*=utf-8''a%20; Name=b;c"
    );
    assert_eq!(shown("Content-Type: a/b; x=\"C:\\TEMP\\n\\\"q\\\\\""), "a/b; x=C:\\TEMP\\n\"q\\");
}

#[test]
fn comments_are_no_part_of_a_value() {
    assert_eq!(
        shown("Content-Type: (a) text (b;c) / plain (d) ; (e) charset = (f) us-ascii (g)"),
        "text/plain; charset=us-ascii"
    );
    assert_eq!(shown("Content-Type: a/b; name=My File (1).pdf"), "a/b; name=My File (1).pdf");
}

#[test]
fn broken_parameters_are_passed_over() {
    assert_eq!(shown("Content-Type: text/html charset=utf-8; a; =b; c=; d=\"e"), "text/html; charset=utf-8; c=; d=e");
    assert_eq!(shown("Content-Type: text/html; a=\"b\" c; d=e"), "text/html; a=b; d=e");
    assert_eq!(shown("Content-Type: text/html;;;(; a=b"), "text/html; a=b");
}

#[test]
fn parameters_are_parted_by_whatever_stands_there() {
    for header in [
        "text/html; charset=utf-8; format=flowed",
        "text/html;charset=utf-8;format=flowed;",
        "text/html charset=utf-8 format=flowed",
        "text/html, charset=utf-8, format=flowed,",
        "text/html;; ; charset=utf-8 ;; format=flowed ; ;",
        "text/html\r\n\tcharset=utf-8\r\n\tformat=flowed",
        "\"text/html\"; charset=\"utf-8\" format=\"flowed\"",
        "text/html; charset=\"utf-8\"format=flowed",
        "text/html; charset=\"\"utf-8\"\"; format=\"flowed",
        "text/html; charset=\"utf-8; format=flowed",
        "(a(b)) text (c) / (d) html (e) ; (f) charset (g) = (h) utf-8 (i) ; format=flowed (j)",
        "text/html; charset = utf-8 ; format\t=\tflowed (unclosed",
    ] {
        let shown = shown(&format!("Content-Type: {header}\r\n"));
        assert!(shown.starts_with("text/html; charset=utf-8; format=flowed"), "{header}: {shown}");
    }
    let shown = |header: &str| shown(&format!("Content-Type: a/b; {header}"));
    assert_eq!(shown("name=Report, May 2026.pdf"), "a/b; name=Report, May 2026.pdf");
    assert_eq!(shown("name==?utf-8?Q?My file=2Epdf?="), "a/b; name==?utf-8?Q?My file=2Epdf?=");
    assert_eq!(shown("name=\"C:\\dir\\\"; x=y"), "a/b; name=C:\\dir\\; x=y");
}

#[test]
fn continued_parameters_are_put_together() {
    let shown = |header: &str| shown(&format!("Content-Type: a/b; {header}"));
    for (header, expected) in [
        ("name*0=part-one; name*1=.xml", "name=part-one.xml"),
        ("name*1=.xml; x=y; NAME*0=part-one", "name=part-one.xml; x=y"),
        ("name*10=k; name*2=c; name*1=b; name*0=a", "name=abck"),
        ("name*1=b; name*2=c", "name=bc"),
        ("name*0=a; name*0=x; name*1=b", "name=ab"),
        ("name*0*=utf-8''M%C3%A4; name*1=rz.xml", "name*=utf-8''M%C3%A4rz.xml"),
        ("name*0*=utf-8''M%C3%A4; name*1=\"r z%.xml\"", "name*=utf-8''M%C3%A4r%20z%25.xml"),
        ("name*0=a; name*1*=%C3%A4", "name*=''a%C3%A4"),
        ("name*0*=M%C3%A4; name*1*=%zz", "name*=''M%C3%A4%zz"),
        ("name*=utf-8''a; name*1*=b", "name*=utf-8''ab"),
        ("name*=utf-8''a; name=b", "name*=utf-8''a; name=b"),
        ("name=b; name*0=a; name*1=c", "name=b; name=ac"),
        ("name*x=a; *0=b; name**=c; name*99999999999=d", "name*x=a; *0=b; name**=c; name*99999999999=d"),
    ] {
        assert_eq!(shown(header), format!("a/b; {expected}"), "{header}");
    }
}

#[test]
fn no_parameters_make_the_reader_loop() {
    let alphabet: Vec<char> = "ab ;,=\"\\()*'%0\t/".chars().collect();
    let mut dice = crate::mail::xorshift::Xorshift::new(7);
    for _ in 0..20_000 {
        let value: String = (0..24).filter_map(|_| alphabet.get(dice.below(alphabet.len()))).collect();
        shown(&format!("Content-Type: text/plain; {value}"));
        shown(&format!("Content-Type: {value}"));
    }
    for bad in ["(", "\"", "=", ";", "a=", "a", " ", "(\\", ",a=\"", "a*0=b;"] {
        shown(&format!("Content-Type: a/b; {}", bad.repeat(limits::HEADER_VALUE / bad.len())));
    }
}

#[test]
fn a_leaf_is_never_shown_as_multipart_or_as_a_message() {
    assert_eq!(shown("Content-Type: multipart/mixed; boundary=a"), "text/plain; charset=us-ascii");
    assert_eq!(shown("Content-Type: message/rfc822"), "text/plain; charset=us-ascii");
    assert_eq!(shown("Content-Type: message/delivery-status"), "message/delivery-status");
}

#[test]
fn boundaries_are_found_in_all_their_forms() {
    assert_eq!(boundary("multipart/mixed; boundary=\"a b  \"").as_deref(), Some("a b"));
    assert_eq!(boundary("multipart/mixed; boundary=----=_Part_1/2 (x)").as_deref(), Some("----=_Part_1/2"));
    assert_eq!(boundary("MULTIPART/; BOUNDARY=x").as_deref(), Some("x"));
    assert_eq!(boundary("multipart/mixed; boundary*1=b; boundary*0=a").as_deref(), Some("ab"));
    assert_eq!(boundary("multipart/mixed; boundary*=us-ascii'en'a%2Bb").as_deref(), Some("a+b"));
    assert_eq!(boundary("multipart/mixed"), None);
    assert_eq!(boundary("multipart/mixed boundary=x").as_deref(), Some("x"));
    assert_eq!(boundary("multipart/mixed; boundary=\"\""), None);
    assert_eq!(boundary("text/plain; boundary=x"), None);
    assert_eq!(boundary(&format!("multipart/mixed; boundary={}", "x".repeat(limits::BOUNDARY + 1))), None);
}

#[test]
fn dispositions_and_the_rest_are_read() {
    let header = b"Content-Disposition: ;\r\n filename=\"a b\"\r\nContent-Transfer-Encoding: Base64 (x)\r\nContent-ID: <a@b>\r\n\
        Content-Language: de, en (x) ,\r\nContent-Location: http://x/\r\n y\r\nContent-MD5: Q2hl==\r\nContent-Description:\r\n";
    let part = Head::read(header, false).part(Span::default(), Span::default(), 0, Content::Leaf);
    let disposition = part.disposition.map(|d| shown_params(d.kind.to_vec(), &d.params));
    assert_eq!(disposition.as_deref(), Some("attachment; filename=a b"));
    assert_eq!(part.encoding.as_deref(), Some(&b"Base64"[..]));
    assert_eq!(part.id.as_deref(), Some(&b"<a@b>"[..]));
    assert_eq!(part.language, [Tag(Cow::Borrowed(b"de")), Tag(Cow::Borrowed(b"en"))]);
    assert_eq!(part.location.as_deref(), Some(&b"http://x/ y"[..]));
    assert_eq!(part.md5.as_deref(), Some(&b"Q2hl=="[..]));
    assert_eq!(part.description, None);
    for (header, expected) in [
        ("Content-Disposition: filename=x.pdf", "attachment; filename=x.pdf"),
        ("Content-Disposition: \"inline\" filename=x.pdf", "inline; filename=x.pdf"),
        ("Content-Disposition: Attachment, filename = x.pdf ;", "Attachment; filename=x.pdf"),
    ] {
        let part = Head::read(header.as_bytes(), false).part(Span::default(), Span::default(), 0, Content::Leaf);
        let disposition = part.disposition.map(|d| shown_params(d.kind.to_vec(), &d.params));
        assert_eq!(disposition.as_deref(), Some(expected));
    }
    let quoted = Head::read(b"Content-Transfer-Encoding: \"base64\"", false);
    let part = quoted.part(Span::default(), Span::default(), 0, Content::Leaf);
    assert_eq!(part.encoding.as_deref(), Some(&b"base64"[..]));
}
