//! The client against servers that are good, odd, and bad: what each says is a script.

use super::Imap;
use crate::courier::mirror::error::Error;
use crate::courier::mirror::mail::{Download, Upload};
use crate::courier::mirror::script::{Script, store};
use crate::mail::Stamp;

const ALL: &str =
    "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR UIDPLUS MOVE IDLE CONDSTORE ENABLE QRESYNC NAMESPACE] ready\r\n";
const OLD: &str = "* OK [CAPABILITY IMAP4rev1] ready\r\n";

/// A conversation with such a server.
fn talk<T>(
    greeting: &str,
    steps: &[(&str, &str)],
    talk: impl AsyncFnOnce(&mut Imap<Script>) -> Result<T, Error>,
) -> Result<T, Error> {
    smol::block_on(async {
        let (mut imap, _) = Imap::greet(Script::new(greeting, steps)).await?;
        talk(&mut imap).await
    })
}

/// What comes of a FETCH that is answered so: the size of the message, if one came.
fn fetch(name: &str, answer: &str) -> Result<Option<u32>, Error> {
    let (_folder, store) = store(name);
    talk(ALL, &[("p1 UID FETCH 7 (UID BODY.PEEK[])\r\n", answer)], async |imap| {
        let mut download = Download::new(&store);
        let came = imap.fetch(7, &mut download).await?;
        Ok(if came { download.finish()?.map(|parcel| parcel.size()) } else { None })
    })
}

#[test]
fn a_message_is_what_comes_and_not_what_was_said_of_it() {
    let size = |name: &str, answer: &str| fetch(name, answer).unwrap();
    let answer = "* 3 FETCH (UID 7 RFC822.SIZE 999 BODY[] {9}\r\nA: 1\r\n\r\nx FLAGS (\\Seen))\r\np1 OK done\r\n";
    assert_eq!(size("lies", answer), Some(9));
    let between = "* 4 EXISTS\r\n* 1 FETCH (FLAGS (\\Seen))\r\n* 3 FETCH (BODY[] {1}\r\nx UID 7)\r\np1 OK done\r\n";
    assert_eq!(size("between", between), Some(1));
    assert_eq!(size("quoted", "* 3 FETCH (UID 7 BODY[] \"abc\")\r\np1 OK done\r\n"), Some(3));
    assert_eq!(size("binary", "* 3 FETCH (UID 7 BODY[] ~{3}\r\na\0b)\r\np1 OK done\r\n"), Some(3));
    assert_eq!(size("gone", "p1 OK nothing there\r\n"), None);
    assert_eq!(size("nil", "* 3 FETCH (UID 7 BODY[] NIL)\r\np1 OK done\r\n"), None);
}

#[test]
fn a_message_that_is_cut_off_or_another_one_is_an_error() {
    for (name, answer) in [
        ("cut", "* 3 FETCH (UID 7 BODY[] {100}\r\nonly this"),
        ("bye", "* BYE going down\r\n"),
        ("other", "* 3 FETCH (UID 8 BODY[] {1}\r\nx)\r\np1 OK done\r\n"),
        ("twice", "* 3 FETCH (UID 7 BODY[] {1}\r\nx)\r\n* 3 FETCH (UID 7 BODY[] {1}\r\nx)\r\np1 OK done\r\n"),
        ("no", "p1 NO [EXPUNGEISSUED] gone\r\n"),
        ("bad", "p1 BAD what\r\n"),
        ("tag", "p9 OK done\r\n"),
        ("noise", "\0\0\0\r\n"),
        ("huge", "* 3 FETCH (UID 7 ENVELOPE {99999999}\r\n"),
    ] {
        assert!(fetch(name, answer).is_err(), "{name}");
    }
}

#[test]
fn of_a_message_beyond_what_is_taken_the_rest_is_passed_over() {
    let (_folder, store) = store("large");
    let mut download = Download::new(&store);
    let piece = vec![b'x'; 1 << 20];
    let taken = smol::block_on(async {
        for _ in 0..=crate::mail::limits::MESSAGE >> 20 {
            download.push(&piece).await?;
        }
        download.finish()
    });
    assert!(taken.unwrap().is_none());
}

#[test]
fn a_server_that_can_little_is_used_as_it_can() {
    let steps = [
        ("p1 UID COPY 5 ", ""),
        ("\"Old\"", ""),
        ("\r\n", "p1 OK copied\r\n"),
        ("p2 UID SEARCH DELETED\r\n", "* SEARCH 2 5 9\r\np2 OK\r\n"),
        ("p3 UID STORE 2,9 -FLAGS.SILENT (\\Deleted)\r\n", "p3 OK\r\n"),
        ("p4 UID STORE 5 +FLAGS.SILENT (\\Deleted)\r\n", "p4 OK\r\n"),
        ("p5 EXPUNGE\r\n", "* 3 EXPUNGE\r\np5 OK\r\n"),
        ("p6 UID STORE 2,9 +FLAGS.SILENT (\\Deleted)\r\n", "p6 OK\r\n"),
    ];
    let moved = talk(OLD, &steps, async |imap| {
        imap.learn(&crate::wire::imap::answer::Code::Capability(vec!["IMAP4REV1".to_owned()]));
        imap.move_to(&[5], b"Old").await
    });
    assert_eq!(moved.unwrap(), []);
}

#[test]
fn where_a_message_went_is_read_of_move_and_copy() {
    let steps = [
        ("p1 UID MOVE 3:5 ", ""),
        ("\"B\"", ""),
        ("\r\n", "* OK [COPYUID 9 3:5 14,11:12] moved\r\n* 1 EXPUNGE\r\np1 OK done\r\n"),
    ];
    let moved = talk(ALL, &steps, async |imap| {
        imap.learn(&crate::wire::imap::answer::Code::Capability(vec!["MOVE".to_owned(), "UIDPLUS".to_owned()]));
        imap.move_to(&[5, 3, 4], b"B").await
    });
    assert_eq!(moved.unwrap(), [(3, 14), (4, 11), (5, 12)]);
}

#[test]
fn names_that_need_a_literal_wait_for_the_server() {
    let steps = [
        ("p1 STATUS ", ""),
        ("{5}\r\n", "* OK still here\r\n+ go on\r\n"),
        ("n\u{fc}ll", ""),
        (" (MESSAGES UIDNEXT UIDVALIDITY)\r\n", "* STATUS x (MESSAGES 3)\r\np1 OK\r\n"),
    ];
    let status =
        talk("* OK [CAPABILITY IMAP4rev1] hi\r\n", &steps, async |imap| imap.status("n\u{fc}ll".as_bytes()).await);
    assert_eq!(status.unwrap().messages, Some(3));
    let refused = [("p1 STATUS ", ""), ("{5}\r\n", "p1 NO no such thing\r\n")];
    let status = talk(OLD, &refused, async |imap| imap.status("n\u{fc}ll".as_bytes()).await);
    assert!(status.unwrap_err().is_refusal());
}

#[test]
fn a_log_in_that_fails_says_whose_fault_it_is() {
    let greeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n";
    let log_in = |said: &str| {
        talk(greeting, &[("p1 AUTHENTICATE PLAIN AGEAYg==\r\n", said)], async |imap| imap.log_in("a", "b").await)
    };
    assert!(matches!(log_in("p1 NO [AUTHENTICATIONFAILED] no\r\n"), Err(Error::Login(_))));
    assert!(matches!(log_in("p1 NO [UNAVAILABLE] later\r\n"), Err(Error::Connection(_))));
    assert!(matches!(log_in("* BYE bad day\r\n"), Err(Error::Connection(_))));
    assert!(log_in("p1 OK in\r\n").is_ok());
    let steps = [
        ("p1 CAPABILITY\r\n", "* CAPABILITY IMAP4rev1\r\np1 OK\r\n"),
        ("p2 LOGIN ", ""),
        ("\"a\"", ""),
        (" ", ""),
        ("\"b\\\"c\"", ""),
        ("\r\n", "p2 OK in\r\n"),
    ];
    talk("* OK hi\r\n", &steps, async |imap| imap.log_in("a", "b\"c").await).unwrap();
    let disabled = "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n";
    assert!(matches!(talk(disabled, &[], async |imap| imap.log_in("a", "b").await), Err(Error::Login(_))));
    assert!(talk("* BYE full\r\n", &[], async |_| Ok(())).is_err());
    assert!(talk("220 smtp here\r\n", &[], async |_| Ok(())).is_err());
}

#[test]
fn a_message_is_brought_with_crlf_in_all_its_lines() {
    let (_folder, store) = store("append");
    let (mut packer, now) = (store.packer(), 0);
    packer.push(b"A: 1\n\nbody").unwrap();
    let new = crate::store::NewAccount {
        address: "a@example.org".to_owned(),
        credentials: crate::store::Credentials::default(),
        limits: crate::store::Limits::default(),
        now,
    };
    let write = |write| store.write_blocking(write).unwrap();
    let crate::store::Outcome::Account(account) = write(crate::store::Write::AddAccount(new)) else { panic!() };
    let mailbox = store.snapshot().unwrap().mailbox_named(account, "INBOX").unwrap().unwrap();
    let message = crate::store::NewMessage {
        parcel: packer.finish().unwrap(),
        flags: Vec::new(),
        received: Stamp::utc(0),
        now,
        history: crate::store::History::default(),
    };
    write(crate::store::Write::Append { mailbox, message });
    let (_, message) = store.snapshot().unwrap().messages(mailbox, 1, 9).unwrap().next().unwrap().unwrap();
    let mut upload = Upload::new(&store, message.blob, message.size, message.line_ends);
    let steps = [
        ("p1 APPEND ", ""),
        ("\"X\"", ""),
        (" (\\Seen a) \" 1-Jan-1970 00:30:00 +0030\" ", ""),
        ("{14}\r\n", "+ ok\r\n"),
        ("A: 1\r\n\r\nbody\r\n", ""),
        ("\r\n", "* 9 EXISTS\r\np1 OK [APPENDUID 5 77] there\r\n"),
    ];
    let flags = ["\\Seen", "a"].map(str::to_owned);
    let appended =
        talk(ALL, &steps, async |imap| imap.append(b"X", &flags, Stamp { seconds: 0, zone: 30 }, &mut upload).await);
    assert_eq!(appended.unwrap(), Some((5, 77)));
}
