//! The rules of the outline, a sentence each, and what holds for any input.

use super::*;
use crate::mail::header::{fields, is_begun};
use crate::mail::xorshift::Xorshift;
use crate::mail::{Content, Span, limits, odd};

fn outline(message: &[u8]) -> Outline {
    let mut scanner = Scanner::new();
    scanner.feed(message);
    let whole = scanner.finish();
    check(&whole.root, Span { start: 0, end: whole.size }, &mut 0, 0);
    whole
}

/// Spans are in order and inside one another, and nothing is beyond its bound.
fn check(part: &Part<'_>, around: Span, count: &mut usize, depth: usize) {
    assert!(part.header.start >= around.start && part.header.start <= part.header.end, "{part:?}");
    assert!(part.body.start >= part.header.end && part.body.start <= part.body.end, "{part:?}");
    assert!(part.body.end <= around.end, "{:?} {:?} not in {around:?}", part.header, part.body);
    *count += 1;
    assert!(*count <= limits::PARTS && depth < limits::PART_DEPTH);
    match &part.content {
        Content::Leaf => {}
        Content::Message(inner) => check(&inner.1, part.body, count, depth + 1),
        Content::Multipart(parts) => {
            assert!(!parts.is_empty());
            let mut left = part.body;
            for part in parts {
                check(part, left, count, depth + 1);
                left.start = part.body.end;
            }
        }
    }
}

/// The tree with the bodies of its leaves: `a` for a leaf, `[…]` for a multipart, `(…)` for an enclosed message.
fn shape(message: &str) -> String {
    fn show(message: &str, part: &Part<'_>) -> String {
        match &part.content {
            Content::Leaf => {
                let body = message.get(part.body.start as usize..part.body.end as usize).unwrap_or("?");
                body.escape_debug().to_string()
            }
            Content::Multipart(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| show(message, part)).collect();
                format!("[{}]", parts.join("|"))
            }
            Content::Message(inner) => format!("({})", show(message, &inner.1)),
        }
    }
    show(message, &outline(message.as_bytes()).root)
}

/// A multipart with this body, boundary `b`.
fn mixed(body: &str) -> String {
    format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{body}")
}

const INNER: &str = "Content-Type: multipart/mixed; boundary=c\r\n\r\n";
const ENCLOSED: &str = "Content-Type: message/rfc822\r\n\r\n";

#[test]
fn a_message_without_structure_is_one_leaf() {
    assert_eq!(shape(""), "");
    assert_eq!(shape("A: b"), "");
    assert_eq!(shape("A: b\r\n\r\nbody\r\n--b\r\n"), "body\\r\\n--b\\r\\n");
    assert_eq!(shape("\r\nbody"), "body");
}

#[test]
fn a_header_ends_where_no_field_follows() {
    assert_eq!(shape("A: b\r\nno header\r\n\r\nbody"), "no header\\r\\n\\r\\nbody");
    assert_eq!(shape("From x@y Thu\r\nA: b\r\n folded\r\nB : c\r\n\r\nbody"), "body");
    assert_eq!(shape("Note : this\r\nis text"), "Note : this\\r\\nis text");
}

#[test]
fn a_line_that_is_no_field_hides_nothing_below_it() {
    assert_eq!(shape("A: b\r\nno header\r\nC: d\r\n\r\nbody"), "body");
    assert_eq!(shape("\u{feff}A: b\r\n\r\nbody"), "body");
    assert_eq!(shape("A: b\r\nno header\r\nhttp://x\r\n\r\nbody"), "no header\\r\\nhttp://x\\r\\n\\r\\nbody");
    assert_eq!(shape("text\r\nTo: b\r\n\r\nbody"), "body");
    assert_eq!(shape("text\r\nA: b\r\n\r\nbody"), "text\\r\\nA: b\\r\\n\\r\\nbody");
    assert_eq!(shape(&mixed("--b\r\nstray\r\nContent-Type: a/b\r\n\r\none\r\n--b--")), "[one]");
    assert_eq!(shape(&mixed("--b\r\nA: b\r\nstray\r\n--b--")), "[stray]");
    assert_eq!(shape(&format!("{ENCLOSED}stray\r\nSubject: x\r\n\r\nbody")), "(body)");
    assert_eq!(shape("Content-Type: message/rfc822\r\nstray\r\n\r\nbody"), "(stray\\r\\n\\r\\nbody)");
    assert_eq!(shape("A: b\r\r\nB: c\r\r\n\r\r\nbody"), "body");
    // A boundary that the header has just announced is none of its lines.
    let announced = "Content-Type: multipart/mixed; boundary=b\r\n";
    assert_eq!(shape(&format!("{announced}--b\r\nContent-Type: a/b\r\n\r\none\r\n--b--")), "[one]");
    assert_eq!(shape(&format!("{announced}pre\r\n--b\r\nContent-Type: a/b\r\n\r\none\r\n--b--")), "[one]");
    let inner = "Content-Type: multipart/mixed; boundary=bb\r\n";
    assert_eq!(shape(&mixed(&format!("--b\r\n{inner}--bb\r\nA: b\r\n\r\none\r\n--bb--\r\n--b--"))), "[[one]]");
}

#[test]
fn the_header_of_the_outline_holds_the_fields_that_the_message_has() {
    let mut dice = Xorshift::new(11);
    for round in 0..60_000 {
        let message = odd::message(&mut dice, ["\r\n", "\n", "\r\r\n"][round % 3]);
        let whole = outline(&message);
        let shown = message.escape_ascii();
        let (header, _) = message.split_at(whole.root.header.end as usize);
        let names = |octets: &[u8]| fields(octets).map(|field| field.name.to_vec()).collect::<Vec<_>>();
        assert_eq!(names(header), names(&message), "{shown}");
        assert_eq!(whole.envelope, Envelope::read(&message), "{shown}");
        assert_eq!(!header.is_empty(), is_begun(&message), "{shown}");
    }
}

#[test]
fn the_line_end_before_a_boundary_belongs_to_it() {
    assert_eq!(
        shape(&mixed("pre\r\n--b\r\n\r\none\r\n--b \t\r\nA: b\r\n\r\ntwo\r\n\r\n--b--\r\npost")),
        "[one|two\\r\\n]"
    );
    assert_eq!(shape(&mixed("--b\n\none\n--b--").replace("\r\n", "\n")), "[one]");
}

#[test]
fn what_follows_a_boundary_in_its_line_does_not_undo_it() {
    for tail in ["", " ", "\t ", "x", "-", " x--", "\r", &"x".repeat(3_000)] {
        assert_eq!(
            shape(&mixed(&format!("--b{tail}\r\n\r\none\r\n--b{tail}\r\n\r\ntwo\r\n--b--{tail}\r\n"))),
            "[one|two]"
        );
    }
    let text = " -- b\r\n-b\r\n--B";
    assert_eq!(shape(&mixed(&format!("--b\r\n\r\n{text}\r\n--b--\r\n"))), format!("[{}]", text.escape_debug()));
    assert_eq!(shape(&mixed("--b\r\n\r\none\r\n--b-->\r\n").replace("=b", "='b'")), "[one]");
    assert_eq!(shape(&mixed("--'b'\r\n\r\none\r\n--'b'--\r\n").replace("=b", "='b'")), "[one]");
}

#[test]
fn a_boundary_that_begins_with_another_is_its_own() {
    let inner = INNER.replace("=c", "=bb");
    let message = |end: &str| {
        mixed(&format!(
            "--b\r\n{inner}--bb\r\n\r\none\r\n--bbx\r\n\r\ntwo\r\n--bb--\r\n--bb\r\n{end}--b\r\n\r\nthree\r\n--b--\r\n"
        ))
    };
    assert_eq!(shape(&message("")), "[[one|two]|three]");
    assert_eq!(shape(&message("--bb--\r\n--bbx\r\n")), "[[one|two]|three]");
}

#[test]
fn parts_may_have_no_header_or_no_body_or_neither() {
    assert_eq!(shape(&mixed("--b\r\n\r\n--b\r\nA: b\r\n--b\r\nA: b\r\n\r\n--b--")), "[||]");
    assert_eq!(shape(&mixed("--b\r\nplain\r\n--b--")), "[plain]");
}

#[test]
fn boundaries_in_a_row_are_one() {
    assert_eq!(shape(&mixed("--b\r\n--b\r\n\r\none\r\n--b--")), "[one]");
    assert_eq!(shape(&mixed("--b\r\n--b--\r\nrest")), "[]");
}

#[test]
fn a_missing_close_stands_at_the_end() {
    assert_eq!(shape(&mixed("--b\r\n\r\none\r\n")), "[one]");
    assert_eq!(shape(&mixed("--b\r\n\r\none")), "[one]");
    assert_eq!(shape(&mixed("--b\r\n\r\none\r\n--b\r\n")), "[one|]");
    assert_eq!(shape(&mixed("--b\r\n\r\none\r\n--b")), "[one|]");
}

#[test]
fn a_multipart_that_never_begins_is_text() {
    assert_eq!(shape(&mixed("body\r\n")), "body\\r\\n");
    assert_eq!(shape(&mixed("--b--\r\n")), "--b--\\r\\n");
    assert_eq!(shape("Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx\r\n"), "--b\\r\\n\\r\\nx\\r\\n");
    let root = outline(mixed("body").as_bytes()).root;
    assert_eq!((root.media.as_ref(), root.subtype.as_ref()), (&b"text"[..], &b"plain"[..]));
}

#[test]
fn an_outer_boundary_ends_what_is_inside() {
    let message = mixed(&format!("--b\r\n{INNER}--c\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n--c\r\n"));
    assert_eq!(shape(&message), "[[one]|two]");
    assert_eq!(shape(&mixed(&format!("--b\r\n{INNER}--c\r\nA: b\r\n--b--"))), "[[]]");
    assert_eq!(shape(&mixed(&format!("--b\r\n{INNER}--c\r\nA: b\r\n\r\n--b--"))), "[[]]");
    assert_eq!(shape(&mixed(&format!("--b\r\n{INNER}pre\r\n--b--"))), "[pre]");
    assert_eq!(
        shape(&mixed(&format!("--b\r\n{INNER}--c\r\n\r\none\r\n--c--\r\npost\r\n--b\r\n\r\ntwo\r\n--b--"))),
        "[[one]|two]"
    );
}

#[test]
fn of_two_multiparts_with_one_boundary_the_outer_wins() {
    let inner = INNER.replace("=c", "=b");
    assert_eq!(shape(&mixed(&format!("--b\r\n{inner}--b\r\n\r\none\r\n--b--"))), "[|one]");
}

#[test]
fn enclosed_messages_are_looked_into() {
    assert_eq!(shape(&format!("{ENCLOSED}Subject: x\r\n\r\nbody")), "(body)");
    assert_eq!(
        shape(&mixed(&format!("--b\r\n{ENCLOSED}{INNER}--c\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--"))),
        "[([one])|two]"
    );
    assert_eq!(shape(&mixed(&format!("--b\r\n{ENCLOSED}--b--"))), "[()]");
    let root = outline(format!("{ENCLOSED}Subject: x\r\n\r\nbody").as_bytes()).root;
    let Content::Message(inner) = root.content else { panic!("a message") };
    assert_eq!(inner.0.subject.as_deref(), Some(&b"x"[..]));
}

#[test]
fn what_has_no_type_in_a_digest_is_a_message() {
    let digest = "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\none\r\n--b\r\nContent-Type: text/plain\r\n\r\ntwo\r\n--b--";
    assert_eq!(shape(digest), "[(one)|two]");
}

#[test]
fn lines_are_counted_as_the_body_stands() {
    let lines = |message: &str| match outline(message.as_bytes()).root {
        Part { content: Content::Multipart(parts), .. } => parts.iter().map(|part| part.lines).collect(),
        part => vec![part.lines],
    };
    assert_eq!(lines("\r\n"), [0]);
    assert_eq!(lines("\r\na\r\nb\r\n"), [2]);
    assert_eq!(lines("\r\na\r\nb"), [2]);
    assert_eq!(
        lines(&mixed("--b\r\n\r\n--b\r\n\r\n\r\n--b\r\n\r\na\r\n--b\r\n\r\na\r\n\r\n--b\r\n\r\na\r\nb")),
        [0, 0, 1, 1, 2]
    );
}

#[test]
fn a_lone_carriage_return_ends_no_line() {
    assert_eq!(shape(&mixed("--b\r\n\r\na\r--b\r\r\n--b--\r\n")), "[a\\r--b\\r]");
}

#[test]
fn the_outline_is_the_same_however_the_octets_are_cut() {
    let messages = [
        mixed(&format!(
            "pre\r\n--b\r\n{ENCLOSED}{INNER}--c\r\n\r\none\r\n--c--\r\n\r\n--b \r\nA: b\r\n\r\n\r\n--b--\r\nx"
        )),
        mixed("--b\n\n\r\r\n--b\r\n--b\r\n\r\n-\r\n--\r\n--b-\r\n\n--b").replace('A', "\n"),
        "A: b\r\n no end".to_owned(),
    ];
    for message in messages {
        let octets = message.as_bytes();
        let whole = outline(octets);
        for size in 1..20 {
            let mut scanner = Scanner::new();
            octets.chunks(size).for_each(|piece| scanner.feed(piece));
            assert_eq!(scanner.finish(), whole, "{size}: {message:?}");
        }
    }
}

#[test]
fn any_input_gives_an_outline_within_bounds() {
    let words = [
        "--b",
        "--c",
        "--",
        "b",
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        "\r\n--b\r\n",
        "\r\n--c--\r\n",
        "A: ",
        " ",
        ":",
        INNER,
        ENCLOSED,
        "x",
    ];
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut dice = |sides: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % sides as u64).unwrap_or(0)
    };
    for _ in 0..20_000 {
        let body: String = (0..dice(40)).filter_map(|_| words.get(dice(words.len())).copied()).collect();
        let message = mixed(&body);
        let whole = outline(message.as_bytes());
        let mut scanner = Scanner::new();
        let mut rest = message.as_bytes();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(dice(rest.len()) + 1);
            scanner.feed(piece);
            rest = after;
        }
        assert_eq!(scanner.finish(), whole, "{message:?}");
    }
}

#[test]
fn what_is_beyond_the_bounds_is_part_of_the_body_around_it() {
    let many = mixed(&"--b\r\n\r\nx\r\n".repeat(100_000));
    let Content::Multipart(parts) = outline(many.as_bytes()).root.content else { panic!("a multipart") };
    assert_eq!(parts.len(), limits::PARTS - 1);
    let level = |level: u32| format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n");
    let deep: Vec<String> = (0..10_000).map(level).collect();
    let deep = deep.concat();
    outline(deep.as_bytes());
    outline(ENCLOSED.repeat(10_000).as_bytes());
}

#[test]
fn endless_headers_and_lines_take_no_memory() {
    let mut scanner = Scanner::new();
    let piece = b"x".repeat(1 << 20);
    scanner.feed(b"Subject: kept\r\n");
    for _ in 0..10 {
        scanner.feed(b"X: ");
        scanner.feed(&piece);
        scanner.feed(b"\r\n");
    }
    scanner.feed(b"To: beyond\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b");
    for _ in 0..50 {
        scanner.feed(&piece);
    }
    let whole = scanner.finish();
    assert_eq!(whole.envelope.subject.as_deref(), Some(&b"kept"[..]));
    assert!(whole.envelope.to.is_empty());
    assert_eq!(whole.root.body.len(), (50 << 20) + 3);
}
