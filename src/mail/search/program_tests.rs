//! What a search finds, and what it asks for on the way.

use super::*;
use crate::mail::effort;
use crate::mail::mime::{Outline, Scanner};
use crate::mail::{Day, Envelope, FlagSet, Part, SequenceSet, Span, Stamp, SystemFlag, Uid};
use std::convert::Infallible;
use std::num::NonZeroU32;
use std::ops::ControlFlow;

const MESSAGE: &str = "From: =?utf-8?q?J=C3=BCrgen?= <j@Example.org>\r\nTo: a@b (Ann), Group: c@d;\r\n\
    Subject: =?iso-8859-1?Q?Fr=F6sche?= und\r\n Hasen\r\nDate: Sat, 1 Jan 2000 23:00:00 -0500\r\nX-Empty:\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n\
    --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nRGllIEhhc2VuIGtsYWd0ZW4gw7xi\r\nZXIgaWhyZSBMYWdl\r\n\
    --b\r\nContent-Type: image/png; name=ball.png\r\n\r\nunseen octets\r\n\
    --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?inner=20subject?=\r\n\r\nenclosed=text\r\n\
    --b--\r\n";

/// A message, and a record of what was asked of it.
struct Told {
    outline: Outline,
    flags: FlagSet,
    asked: Vec<&'static str>,
}

impl Facts for Told {
    type Error = Infallible;

    fn row(&self) -> Row {
        Row {
            sequence: 3,
            uid: Uid::FIRST,
            flags: self.flags,
            recent: false,
            received: Stamp { seconds: 951_782_400, zone: -60 },
            size: 1_000,
        }
    }

    fn envelope(&mut self, see: &mut dyn FnMut(&Envelope<'_>)) -> Result<(), Infallible> {
        self.asked.push("envelope");
        see(&self.outline.envelope);
        Ok(())
    }

    fn header(&mut self, see: &mut dyn FnMut(&[u8])) -> Result<(), Infallible> {
        self.asked.push("header");
        see(MESSAGE.as_bytes().get(..self.outline.root.header.end as usize).unwrap_or_default());
        Ok(())
    }

    fn outline(&mut self, see: &mut dyn FnMut(&Part<'_>)) -> Result<(), Infallible> {
        self.asked.push("outline");
        see(&self.outline.root);
        Ok(())
    }

    fn octets(&mut self, span: Span, see: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), Infallible> {
        self.asked.push("octets");
        let octets = MESSAGE.as_bytes().get(span.start as usize..span.end as usize).unwrap_or_default();
        let _ = octets.chunks(5).try_for_each(see);
        Ok(())
    }
}

fn run(key: &Key) -> (bool, Vec<&'static str>) {
    let mut scanner = Scanner::new();
    scanner.feed(MESSAGE.as_bytes());
    let flags = SystemFlag::Seen.set() | FlagSet::keyword(2);
    let mut told = Told { outline: scanner.finish(), flags, asked: Vec::new() };
    let keyword = |name: &str| if name.eq_ignore_ascii_case("$junk") { FlagSet::keyword(2) } else { FlagSet::NONE };
    let world = World {
        now: 951_782_500,
        last_sequence: NonZeroU32::new(3),
        last_uid: NonZeroU32::new(9),
        saved: &[(1, 1)],
        keyword: &keyword,
    };
    let mut program = Program::new(key, &world);
    let first = answer(&mut program, &mut told, u64::MAX);
    let asked = std::mem::take(&mut told.asked);
    let second = answer(&mut program, &mut told, u64::MAX);
    assert_eq!((first, &asked), (second, &told.asked), "a program can be run again");
    for allowed in [0, 1, 10, 100, 1_000] {
        assert_eq!(first, answer(&mut program, &mut told, allowed), "in turns of {allowed}");
    }
    (first, asked)
}

/// The answer for a message, in turns of so much work each.
fn answer(program: &mut Program, told: &mut Told, allowed: u64) -> bool {
    program.begin();
    for _ in 0..10_000 {
        let Ok(answer) = effort::turn(allowed, || program.go_on(told)).0;
        if let Some(answer) = answer {
            return answer;
        }
    }
    panic!("in turns of {allowed} it comes to no end");
}

fn finds(key: &Key) -> bool {
    run(key).0
}

fn header(name: &str, text: &str) -> Key {
    Key::Header(name.to_owned(), text.to_owned())
}

fn text(text: &str) -> Key {
    Key::Text(text.to_owned())
}

fn body(text: &str) -> Key {
    Key::Body(text.to_owned())
}

#[test]
fn the_row_answers_flags_days_sizes_and_numbers() {
    assert!(finds(&Key::Flag(SystemFlag::Seen)) && !finds(&Key::NoFlag(SystemFlag::Seen)));
    assert!(finds(&Key::Keyword("$JUNK".into())) && finds(&Key::NoKeyword("other".into())));
    assert!(!finds(&Key::Keyword("other".into())));
    assert!(finds(&Key::Old) && !finds(&Key::Recent));
    // 2000-02-29 00:00 UTC is the day before in its own zone.
    let day = Day(11_015);
    assert!(finds(&Key::On(day)) && finds(&Key::Since(day)) && !finds(&Key::Before(day)));
    assert!(finds(&Key::Older(100)) && !finds(&Key::Older(101)));
    assert!(finds(&Key::Younger(100)) && !finds(&Key::Younger(99)));
    assert!(finds(&Key::Larger(999)) && !finds(&Key::Larger(1_000)) && !finds(&Key::Smaller(1_000)));
    assert!(finds(&Key::Uid(SequenceSet::Saved)) && finds(&Key::Sequence(SequenceSet::Saved)));
    let star = crate::mail::Bound::Star;
    assert!(finds(&Key::Sequence(SequenceSet::Ranges(vec![(star, star)]))));
    assert!(!finds(&Key::Uid(SequenceSet::Ranges(vec![(star, star)]))));
}

#[test]
fn fields_are_searched_as_they_are_read() {
    assert!(finds(&header("SUBJECT", "FRÖSCHE UND HASEN")));
    assert!(finds(&header("from", "jürgen <J@example")));
    assert!(finds(&header("To", "Ann <a@b>, Group:")));
    assert!(!finds(&header("Cc", "a")) && !finds(&header("X-None", "")));
    assert!(finds(&header("x-empty", "")) && finds(&header("FROM", "")) && !finds(&header("CC", "")));
    assert!(finds(&header("Content-Type", "boundary=b")));
}

#[test]
fn sent_days_are_those_of_the_date_field() {
    let day = Day(10_957);
    assert!(finds(&Key::SentOn(day)) && finds(&Key::SentSince(day)) && !finds(&Key::SentBefore(day)));
}

#[test]
fn text_is_searched_decoded_and_attachments_are_not() {
    assert!(finds(&body("klagten ÜBER ihre")));
    assert!(finds(&body("Inner Subject")) && finds(&body("enclosed=text")) && finds(&body("name=ball.png")));
    assert!(!finds(&body("unseen octets")) && !finds(&body("SGFzZW4")) && !finds(&body("preamble")));
    assert!(!finds(&body("FRÖSCHE")) && finds(&text("Subject: frösche und hasen")));
    assert!(finds(&text("klagten")) && !finds(&text("nowhere")));
    assert!(finds(&body("")) && finds(&text("")));
}

#[test]
fn nothing_is_asked_that_cannot_change_the_answer() {
    let seen = || Box::new(Key::Flag(SystemFlag::Seen));
    let none: Vec<&str> = Vec::new();
    assert_eq!(run(&Key::Or(seen(), Box::new(text("x")))), (true, none.clone()));
    assert_eq!(run(&Key::And(vec![text("x"), Key::Not(seen())])), (false, none));
    assert_eq!(run(&Key::And(vec![text("x"), header("subject", "x")])), (false, vec!["envelope"]));
    assert_eq!(run(&Key::Or(Box::new(text("hasen")), Box::new(body("x")))), (true, vec!["header"]));
    assert_eq!(run(&body("charset=utf-8")), (true, vec!["outline", "octets"]));
    assert_eq!(run(&body("klagten")), (true, vec!["outline", "octets", "octets"]));
}
