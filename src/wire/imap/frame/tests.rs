//! What the framer says about a stream, however it is cut.

use super::*;
use crate::mail::xorshift::Xorshift;

/// What a test does with the messages of APPENDs.
#[derive(Clone, Copy)]
enum Wish {
    Accept,
    Refuse,
}

/// Plays the stream in pieces of the sizes that `cut` gives and writes down what the framer says.
fn said(stream: &[u8], wish: Wish, mut cut: impl FnMut() -> usize) -> Vec<String> {
    let mut framer = Framer::new();
    let mut log = Vec::new();
    let mut message = Vec::new();
    let mut rest = stream;
    loop {
        let show =
            |bytes: &[u8]| String::from_utf8_lossy(bytes.get(..bytes.len().min(60)).unwrap_or_default()).into_owned();
        let taken = framer.take(7);
        if !taken.is_empty() {
            message.extend_from_slice(taken);
            continue;
        }
        match framer.next_event() {
            Event::More => {
                if rest.is_empty() {
                    return log;
                }
                let (piece, after) = rest.split_at(cut().clamp(1, rest.len()));
                framer.feed(piece);
                rest = after;
                assert!(
                    framer.buffer.len() < stream.len().min(limits::COMMAND + limits::COMMAND_LINE) + piece.len() + 9
                );
            }
            Event::Command { bytes } => log.push(format!("command {} {}", bytes.len(), show(bytes))),
            Event::Continue => log.push("continue".into()),
            Event::Append { bytes, size, sync, binary } => {
                log.push(format!("append {} {size} {sync} {binary}", show(bytes)));
                match wish {
                    Wish::Accept => framer.accept(),
                    Wish::Refuse => framer.refuse(),
                }
            }
            Event::AppendEnd => log.push(format!("end {}", show(&std::mem::take(&mut message)))),
            Event::AppendBroken => log.push(format!("broken {}", show(&std::mem::take(&mut message)))),
            Event::Line { bytes } => log.push(format!("line {}", show(bytes))),
            Event::TooLong { tag } => log.push(format!("too long {tag:?}")),
            Event::TooBig { tag } => log.push(format!("too big {tag:?}")),
            Event::Fatal => {
                log.push("fatal".into());
                return log;
            }
        }
        if log.last().is_some_and(|last| last.contains("IDLE") || last.contains("AUTHENTICATE")) {
            log.push("(a line)".into());
            framer.expect_line();
        }
    }
}

fn whole(stream: &str) -> Vec<String> {
    said(stream.as_bytes(), Wish::Accept, || usize::MAX)
}

fn refused(stream: &str) -> Vec<String> {
    said(stream.as_bytes(), Wish::Refuse, || usize::MAX)
}

#[test]
fn commands_end_at_crlf_or_lf_and_a_lone_cr_is_data() {
    assert_eq!(
        whole("a NOOP\r\nb NOOP\nc NO\rOP\r\n\r\nd"),
        ["command 6 a NOOP", "command 6 b NOOP", "command 7 c NO\rOP", "command 0 "]
    );
}

#[test]
fn literals_stay_in_place_and_only_waiting_clients_are_asked_to_go_on() {
    assert_eq!(
        whole("a LOGIN {3}\r\nann {4+}\r\np\r\ns\r\nb NOOP\r\n"),
        ["continue", "command 27 a LOGIN {3}\r\nann {4+}\r\np\r\ns", "command 6 b NOOP"]
    );
    assert_eq!(whole("a LOGIN {0+}\r\n {0}\r\n\r\n"), ["continue", "command 20 a LOGIN {0+}\r\n {0}\r\n"]);
}

#[test]
fn the_message_of_an_append_is_offered_and_taken_in_pieces() {
    assert_eq!(
        whole("a APPEND INBOX (\\Seen) ~{16+}\r\nFrom: me\r\n\r\nHi\r\n\r\nb NOOP\r\n"),
        ["append a APPEND INBOX (\\Seen)  16 false true", "end From: me\r\n\r\nHi\r\n", "command 6 b NOOP"]
    );
    assert_eq!(
        whole("a APPEND {5}\r\nINBOX {2}\r\nHi \r\n"),
        ["continue", "append a APPEND {5}\r\nINBOX  2 true false", "end Hi"]
    );
    assert_eq!(whole("a APPEND x {0}\r\n\r\n"), ["append a APPEND x  0 true false", "end "]);
}

#[test]
fn what_follows_a_message_is_skipped_with_the_literals_in_it() {
    assert_eq!(
        whole("a APPEND x {2+}\r\nHi (\\Seen) {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n"),
        ["append a APPEND x  2 false false", "broken Hi", "command 6 c NOOP"]
    );
    assert_eq!(
        whole("a APPEND x {2+}\r\nHi {8}\r\nb NOOP\r\n"),
        ["append a APPEND x  2 false false", "broken Hi", "command 6 b NOOP"]
    );
}

#[test]
fn a_refused_message_is_drained_only_if_the_client_sends_it_anyway() {
    assert_eq!(refused("a APPEND x {8}\r\nb NOOP\r\n"), ["append a APPEND x  8 true false", "command 6 b NOOP"]);
    assert_eq!(
        refused("a APPEND x {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n"),
        ["append a APPEND x  8 false false", "command 6 c NOOP"]
    );
    assert_eq!(refused("a APPEND x {4294967296+}\r\n"), ["append a APPEND x  4294967296 false false", "fatal"]);
    assert_eq!(
        refused("a APPEND x {18446744073709551616}\r\nb NOOP\r\n"),
        ["append a APPEND x  18446744073709551615 true false", "command 6 b NOOP"]
    );
}

#[test]
fn a_literal_that_does_not_fit_is_refused_drained_or_fatal() {
    assert_eq!(whole("a LOGIN {4294967296}\r\nb NOOP\r\n"), ["too big Some(\"a\")", "command 6 b NOOP"]);
    assert_eq!(whole("a LOGIN {4294967296+}\r\nb NOOP\r\n"), ["fatal"]);
    assert_eq!(whole("a LOGIN {18446744073709551616+}\r\nb NOOP\r\n"), ["fatal"]);
    let stream = format!("a LOGIN {{200000+}}\r\n{} x\r\nb NOOP\r\n", "b NOOP\r\n".repeat(25_000));
    assert_eq!(whole(&stream), ["too big Some(\"a\")", "command 6 b NOOP"]);
}

#[test]
fn a_line_that_is_too_long_is_skipped_and_then_reported_once() {
    let long = "x".repeat(limits::COMMAND_LINE);
    assert_eq!(whole(&format!("a1 {long}\r\nb NOOP\r\n")), ["too long Some(\"a1\")", "command 6 b NOOP"]);
    assert_eq!(whole(&format!("{long}x\r\nb NOOP\r\n")), ["too long None", "command 6 b NOOP"]);
    let fits = &long[2..];
    assert_eq!(whole(&format!("a {fits}\r\n")).len(), 1);
    assert!(whole(&format!("a {fits}\r\n"))[0].starts_with("command 65536"));
    // The literal announced at its end would otherwise be taken for a command.
    assert_eq!(
        whole(&format!("a {long}{{8+}}\r\nb NOOP\r\n\r\nc NOOP\r\n")),
        ["too long Some(\"a\")", "command 6 c NOOP"]
    );
    assert_eq!(whole(&format!("a {long}{{300000000+}}\r\n")), ["fatal"]);
}

#[test]
fn the_cr_of_a_line_that_just_fits_may_come_before_its_lf() {
    let mut framer = Framer::new();
    framer.feed(format!("a {}\r", "x".repeat(limits::COMMAND_LINE - 2)).as_bytes());
    assert_eq!(framer.next_event(), Event::More);
    framer.feed(b"\n");
    assert!(matches!(framer.next_event(), Event::Command { bytes } if bytes.len() == limits::COMMAND_LINE));
}

#[test]
fn ten_megabytes_without_a_line_end_take_no_memory() {
    let mut framer = Framer::new();
    for _ in 0..640 {
        framer.feed(&[b'x'; 16 << 10]);
        assert_eq!(framer.next_event(), Event::More);
    }
    assert!(framer.buffer.capacity() <= 4 * limits::COMMAND_LINE);
    framer.feed(b"\n");
    assert_eq!(framer.next_event(), Event::TooLong { tag: None });
}

#[test]
fn too_many_literals_are_refused() {
    let stream = format!("a SEARCH{}\r\nb NOOP\r\n", " {1+}\r\nx".repeat(limits::COMMAND_LITERALS + 1));
    assert_eq!(whole(&stream), ["too long Some(\"a\")", "command 6 b NOOP"]);
    let stream = format!("a SEARCH{}\r\nb NOOP\r\n", " {1+}\r\nx".repeat(limits::COMMAND_LITERALS));
    assert!(whole(&stream)[0].starts_with("command"));
}

#[test]
fn a_line_that_was_asked_for_is_no_command() {
    assert_eq!(
        whole("a IDLE\r\nDONE\r\nb NOOP\r\n"),
        ["command 6 a IDLE", "(a line)", "line DONE", "command 6 b NOOP"]
    );
    assert_eq!(
        whole("a AUTHENTICATE PLAIN\r\n{5}\r\nb NOOP\r\n"),
        ["command 20 a AUTHENTICATE PLAIN", "(a line)", "line {5}", "command 6 b NOOP"]
    );
    let long = "x".repeat(limits::COMMAND_LINE + 1);
    assert_eq!(
        whole(&format!("a IDLE\r\n{long}\r\nb NOOP\r\n")),
        ["command 6 a IDLE", "(a line)", "too long None", "command 6 b NOOP"]
    );
}

#[test]
fn octets_may_pass_by_the_framer() {
    let mut framer = Framer::new();
    framer.feed(b"a APPEND x {1000+}\r\nabc");
    assert!(matches!(framer.next_event(), Event::Append { size: 1000, .. }));
    assert_eq!(framer.next_event(), Event::More);
    framer.accept();
    assert_eq!(framer.take(100), b"abc");
    assert_eq!(framer.take(100), b"");
    assert_eq!(framer.left(), 997);
    framer.passed(997);
    framer.feed(b"\r\n");
    assert_eq!(framer.next_event(), Event::AppendEnd);
}

#[test]
fn an_accepted_message_can_still_be_refused_halfway() {
    let mut framer = Framer::new();
    framer.feed(b"a APPEND x {10}\r\n");
    assert!(matches!(framer.next_event(), Event::Append { .. }));
    framer.accept();
    framer.feed(b"01234");
    assert_eq!(framer.take(3), b"012");
    framer.refuse();
    framer.feed(b"56789\r\nb NOOP\r\n");
    assert_eq!(framer.next_event(), Event::Command { bytes: b"b NOOP" });
}

#[test]
fn between_commands_no_memory_is_kept() {
    let mut framer = Framer::new();
    framer.feed(b"a NOOP\r\nb NO");
    assert!(matches!(framer.next_event(), Event::Command { .. }));
    framer.shrink();
    assert_eq!((framer.buffer.capacity(), framer.buffered()), (4, &b"b NO"[..]));
    framer.feed(b"OP\r\n");
    assert_eq!(framer.next_event(), Event::Command { bytes: b"b NOOP" });
    framer.shrink();
    assert_eq!(framer.buffer.capacity(), 0);
}

#[test]
fn what_came_before_starttls_can_be_seen_and_forgotten() {
    let mut framer = Framer::new();
    framer.feed(b"a STARTTLS\r\nb LOGIN x y\r\n");
    assert!(matches!(framer.next_event(), Event::Command { .. }));
    assert_eq!(framer.buffered(), b"b LOGIN x y\r\n");
    framer.discard();
    assert_eq!(framer.next_event(), Event::More);
}

#[test]
fn the_events_are_the_same_however_the_bytes_are_cut() {
    let long = "y".repeat(limits::COMMAND_LINE);
    let streams = [
        "a NOOP\r\nb NOOP\nc NO\rOP\r\n\r\n\nd LOGIN {3}\r\nann {4+}\r\np\r\ns\r\ne IDLE\r\nDONE\r\nf NOOP\r\n".to_owned(),
        "a APPEND {5}\r\nINBOX (\\Seen) ~{16+}\r\nFrom: me\r\n\r\nHi\r\n  \r\nb APPEND x {2+}\r\nHi {3+}\r\nabc \r\nc NOOP\r\n".to_owned(),
        format!("a {long}{{8+}}\r\nb NOOP\r\n\r\nc NOOP\r\nd {long}\r\n{long}zz\ne LOGIN {{70000+}}\r\n{long} \r\n"),
        format!("a {}\r\nb {}\nc LOGIN {{200000+}}\r\n{long}{long}{long}{long}\r\nd NOOP\r\n", &long[2..], &long[1..]),
        "a LOGIN {99999999999999999999}\r\nb AUTHENTICATE PLAIN\r\n*\r\nc LOGIN {4294967296+}\r\n".to_owned(),
    ];
    let mut random = Xorshift::new(1);
    for stream in &streams {
        for wish in [Wish::Accept, Wish::Refuse] {
            let expected = said(stream.as_bytes(), wish, || usize::MAX);
            assert!(expected.len() >= 3, "{expected:?}");
            let short = stream.len() < 1_000;
            if short {
                assert_eq!(said(stream.as_bytes(), wish, || 1), expected);
            }
            for _ in 0..if short { 500 } else { 10 } {
                let most = if short { 1 + random.below(30) } else { 1 + random.below(20_000) };
                assert_eq!(said(stream.as_bytes(), wish, || 1 + random.below(most)), expected);
            }
        }
    }
}

#[test]
fn who_is_not_known_is_held_to_less() {
    let line = [b"a LOGIN b ".as_slice(), &vec![b'x'; limits::STRANGER], b"\r\n"].concat();
    for wary in [true, false] {
        let mut framer = Framer::new();
        framer.be_wary(wary);
        framer.feed(&line);
        assert_eq!(matches!(framer.next_event(), Event::TooLong { tag: Some("a") }), wary);
        let mut framer = Framer::new();
        framer.be_wary(wary);
        framer.feed(b"a LOGIN b {16384}\r\n");
        assert_eq!(matches!(framer.next_event(), Event::TooBig { tag: Some("a") }), wary);
    }
}

#[test]
fn an_id_of_a_stranger_may_be_as_long_as_the_rfc_allows_and_takes_no_memory() {
    let quoted = format!("\"{}\"", "x\\\"\\\\".repeat(204));
    let sync = format!("{{1024}}\r\n{}", "y\n".repeat(512));
    let at_once = format!("{{1024+}}\r\n{}", "\"(".repeat(512));
    for value in ["NIL", &quoted, &sync, &at_once, "{0}\r\n"] {
        let pairs: Vec<String> = (0..30).map(|number| format!("\"field{number}\" {value}")).collect();
        let stream = format!("a ID ({})\r\nb NOOP\r\n", pairs.join(" "));
        for size in [1, 2, 3, 7, 1000, stream.len()] {
            let mut framer = Framer::new();
            framer.be_wary(true);
            let mut commands = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                framer.feed(piece);
                loop {
                    match framer.next_event() {
                        Event::More => break,
                        Event::Continue => {}
                        Event::Command { bytes } => commands.push(String::from_utf8_lossy(bytes).into_owned()),
                        other => panic!("{other:?}"),
                    }
                }
                assert!(framer.buffered().len() <= limits::ID_FORM);
            }
            let kept = if value == "NIL" { "NIL" } else { "\"\"" };
            let kept = vec![format!("\"\" {kept}"); 30].join(" ");
            assert_eq!(commands, [format!("a ID ({kept})"), "b NOOP".to_owned()], "{value:.20} by {size}");
        }
    }
}

#[test]
fn an_id_of_a_stranger_has_its_bounds() {
    let event = |stream: &[u8]| {
        let mut framer = Framer::new();
        framer.be_wary(true);
        framer.feed(stream);
        let first = format!("{:?}", framer.next_event());
        framer.feed(b"\r\nb NOOP\r\n");
        let last = (0..3).map(|_| format!("{:?}", framer.next_event())).find(|event| event.contains("Command"));
        (first, last.is_some())
    };
    let long = [b"a ID (\"".as_slice(), &vec![b'x'; 2 * limits::ID_STRING + 1], b"\")"].concat();
    assert!(event(&[&long[..], b"\r\n"].concat()).0.contains("TooLong"));
    let many = [b"a ID (".as_slice(), &b"\"\" ".repeat(limits::ID_FORM), b"\r\n"].concat();
    assert!(event(&many).0.contains("TooLong"));
    assert!(event(b"a ID (\"x\" {1025}\r\n").0.contains("TooBig"));
    let (first, goes_on) = event(&[b"a ID (\"x\" {1025+}\r\n".as_slice(), &vec![b'x'; 1025], b")\r\n"].concat());
    assert!(first.contains("TooBig") && goes_on);
    assert!(event(b"a ID (\"x\0\" NIL)\r\n").0.contains("Command"));
}
