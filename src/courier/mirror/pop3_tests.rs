//! The client against servers that are good, odd, and bad.

use super::error::Error;
use super::mail::Download;
use super::pop3::{Listed, Pop3};
use super::script::{Script, store};

/// A conversation with a server that says this.
fn talk<T>(
    greeting: &str,
    steps: &[(&str, &str)],
    talk: impl AsyncFnOnce(&mut Pop3<Script>) -> Result<T, Error>,
) -> Result<T, Error> {
    smol::block_on(async {
        let mut pop3 = Pop3::greet(Script::new(greeting, steps)).await?;
        talk(&mut pop3).await
    })
}

fn fetch(name: &str, answer: &str) -> Result<u32, Error> {
    let (_folder, store) = store(name);
    let steps = [("RETR 3\r\n", answer), ("DELE 3\r\n", "+OK\r\n")];
    talk("+OK hi\r\n", &steps, async |pop3| {
        let mut download = Download::new(&store);
        pop3.fetch(3, &mut download).await?;
        // What comes next is understood.
        pop3.delete(3).await?;
        Ok(download.finish()?.map_or(0, |parcel| parcel.size()))
    })
}

fn list(answer: &str) -> Result<Vec<Listed>, Error> {
    talk("+OK hi\r\n", &[("UIDL\r\n", answer)], async |pop3| pop3.list().await)
}

#[test]
fn a_message_comes_whole_and_without_its_dots() {
    assert_eq!(fetch("dots", "+OK 9999 octets\r\nA: 1\r\n\r\n..x\r\n.\r\n").unwrap(), 12);
    assert_eq!(fetch("nul", "+OK\r\na\0b\r\n.\r\n").unwrap(), 5);
    assert_eq!(fetch("nothing", "+OK\r\n.\r\n").unwrap(), 0);
    assert!(fetch("cut", "+OK\r\nA: 1\r\n\r\nhalf a mess").is_err());
    assert!(fetch("refused", "-ERR no such message\r\n").unwrap_err().is_refusal());
    assert!(matches!(fetch("noise", "250 ok\r\n"), Err(Error::Protocol(_))));
}

#[test]
fn names_are_listed_or_it_is_said_why_not() {
    let listed = list("+OK\r\n1 whqtswO00WBw418f9t5JxYwZ\r\n2  a b \r\n.\r\n").unwrap();
    assert_eq!(listed[0], Listed { number: 1, name: b"whqtswO00WBw418f9t5JxYwZ".to_vec() });
    assert_eq!((listed[1].number, listed[1].name.as_slice()), (2, &b"a b"[..]));
    assert_eq!(list("+OK\r\n.\r\n").unwrap(), []);
    assert!(matches!(list("-ERR what?\r\n"), Err(Error::Unable(_))));
    for bad in ["+OK\r\n1\r\n.\r\n", "+OK\r\nx y\r\n.\r\n", "+OK\r\n1 \r\n.\r\n", "+OK\r\n1 a\r\n"] {
        assert!(list(bad).is_err(), "{bad}");
    }
    let long = format!("+OK\r\n1 {}\r\n.\r\n", "x".repeat(300));
    assert!(list(&long).is_err());
    let endless = format!("+OK\r\n1 {}", "x".repeat(100_000));
    assert!(matches!(list(&endless), Err(Error::Protocol(_))));
}

#[test]
fn a_log_in_that_fails_says_whose_fault_it_is() {
    let log_in = |said: &str| {
        let steps = [("USER a\r\n", "+OK\r\n"), ("PASS b\r\n", said)];
        talk("+OK hi\r\n", &steps, async |pop3| pop3.log_in("a", "b").await)
    };
    assert!(log_in("+OK in\r\n").is_ok());
    assert!(matches!(log_in("-ERR [AUTH] no\r\n"), Err(Error::Login(_))));
    assert!(matches!(log_in("-ERR [IN-USE] busy\r\n"), Err(Error::Connection(_))));
    assert!(matches!(log_in("-ERR [SYS/TEMP] later\r\n"), Err(Error::Connection(_))));
    let split = talk("+OK hi\r\n", &[], async |pop3| pop3.log_in("a", "b\r\nDELE 1").await);
    assert!(matches!(split, Err(Error::Login(_))));
    assert!(talk("-ERR full\r\n", &[], async |_| Ok(())).is_err());
}
