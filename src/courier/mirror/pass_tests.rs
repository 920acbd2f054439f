//! Whole looks at servers that do not do what they should: nothing here may be lost for it, and all else goes on.

use super::collect::Collect;
use super::imap::Imap;
use super::pass::{Pass, Tally};
use super::script::store;
use crate::mail::AccountId;
use crate::store::{
    Certificate, Credentials, Limits, NewAccount, Outcome, Protocol, Provider, ProviderChange, ProviderId, Security,
    Store, Way, Write,
};
use smol::io::{AsyncRead, AsyncWrite};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

const NOW: i64 = 1_700_000_000;

/// A server that answers each command with what a function says, and `OK` where that does not end with another word.
struct Answers<F> {
    answer: F,
    heard: Vec<u8>,
    to_say: Vec<u8>,
}

impl<F: FnMut(&str) -> String> Answers<F> {
    fn hear(&mut self, line: &str) {
        let (tag, command) = line.split_once(' ').unwrap_or((line, ""));
        if command.is_empty() {
            return;
        }
        let said = (self.answer)(command);
        let (untagged, end) = said.rsplit_once('\n').map_or(("", said.as_str()), |(before, end)| (before, end));
        for line in untagged.split_terminator('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line);
            self.to_say.extend_from_slice(format!("{line}\r\n").as_bytes());
        }
        let end = if end.is_empty() { "OK done" } else { end };
        self.to_say.extend_from_slice(format!("{tag} {end}\r\n").as_bytes());
    }
}

impl<F: FnMut(&str) -> String + Unpin> AsyncRead for Answers<F> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let length = buffer.len().min(self.to_say.len());
        for (to, from) in buffer.iter_mut().zip(self.to_say.drain(..length)) {
            *to = from;
        }
        Poll::Ready(Ok(length))
    }
}

impl<F: FnMut(&str) -> String + Unpin> AsyncWrite for Answers<F> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.heard.extend_from_slice(octets);
        while let Some(end) = self.heard.iter().position(|octet| *octet == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.hear(&line);
        }
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// An account with a mailbox at a provider.
fn mirror(store: &Store, way: Way) -> (AccountId, ProviderId) {
    let new = NewAccount {
        address: "ann@example.org".to_owned(),
        credentials: Credentials::default(),
        limits: Limits::default(),
        now: 0,
    };
    let Ok(Outcome::Account(account)) = store.write_blocking(Write::AddAccount(new)) else { panic!("no account") };
    let provider = Provider {
        account,
        protocol: Protocol::Imap,
        host: "imap.example.net".to_owned(),
        port: 993,
        security: Security::Tls,
        certificate: Certificate::Public,
        user: "ann".to_owned(),
        password: "pass".to_owned(),
        way,
        every: 60,
        paused: false,
        asked: 0,
        confirmed: 0,
        made: 0,
    };
    let add = Write::Provider(Box::new(ProviderChange::Add(provider)));
    let Ok(Outcome::Provider(id)) = store.write_blocking(add) else { panic!("no provider") };
    (account, id)
}

/// Connects to a server that answers so.
async fn connect<F: FnMut(&str) -> String + Unpin + Send>(answer: F) -> Imap<Answers<F>> {
    let to_say = b"* OK [CAPABILITY IMAP4rev1 UIDPLUS] ready\r\n".to_vec();
    Imap::greet(Answers { answer, heard: Vec::new(), to_say }).await.unwrap().0
}

/// One look; `own` answers what it knows before the rest does. There are an INBOX and folders `folders`, each with two
/// messages.
fn look(
    store: &Arc<Store>,
    (account, id): (AccountId, ProviderId),
    folders: &[&str],
    mut own: impl FnMut(&str, &str) -> Option<String> + Send + Unpin,
) -> Tally {
    let folders: Vec<String> = folders.iter().map(|&name| name.to_owned()).collect();
    let mut selected = String::new();
    let answer = move |command: &str| {
        if let Some(name) = command.strip_prefix("SELECT ") {
            selected = name.trim_matches('"').to_owned();
        }
        if let Some(said) = own(&selected, command) {
            return said;
        }
        let mut words = command.split(' ');
        match (words.next(), words.next()) {
            (Some("LIST"), _) => {
                folders.iter().fold(String::new(), |list, name| list + &format!("* LIST () \"/\" \"{name}\"\n"))
            }
            (Some("STATUS"), Some(name)) => format!("* STATUS {name} (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 1)\n"),
            (Some("SELECT"), _) => "* 2 EXISTS\n* OK [UIDVALIDITY 1] x\n".to_owned(),
            (Some("CREATE"), _) => "NO not here".to_owned(),
            (Some("UID"), Some("FETCH")) if command.contains("BODY.PEEK[]") => {
                let uid = command.split(' ').nth(2).unwrap_or_default();
                let text = format!("Message-ID: <{uid}@{selected}>\r\n\r\nx\r\n");
                format!("* {uid} FETCH (UID {uid} BODY[] {{{}}}\r\n{text})\n", text.len())
            }
            (Some("UID"), Some("FETCH")) => {
                let one = |uid| {
                    let header = format!("Message-ID: <{uid}@{selected}>\r\n\r\n");
                    let size = header.len() + 3;
                    format!(
                        "* {uid} FETCH (UID {uid} FLAGS (\\Seen) RFC822.SIZE {size} \
                         BODY[HEADER.FIELDS (MESSAGE-ID)] {{{}}}\r\n{header})\n",
                        header.len()
                    )
                };
                one(1) + &one(2)
            }
            _ => String::new(),
        }
    };
    smol::block_on(async {
        let mut imap = connect(answer).await;
        let mut pass = Pass::new(store, id, account, &mut imap, NOW, false);
        pass.run().await.unwrap();
        std::mem::take(&mut pass.tally)
    })
}

/// How many messages are in a mailbox here.
fn messages(store: &Store, account: AccountId, name: &str) -> u64 {
    let mailboxes = store.snapshot().unwrap().mailboxes(account).unwrap();
    mailboxes.into_iter().find(|(_, own)| own.name == name).map_or(0, |(_, own)| own.messages)
}

#[test]
fn what_a_server_does_not_tell_of_is_not_gone() {
    let (_folder, store) = store("untold");
    let mirror = mirror(&store, Way::Both);
    look(&store, mirror, &["INBOX"], |_, _| None);
    assert_eq!(messages(&store, mirror.0, "INBOX"), 2);
    // Two are there, it says, and names one of them.
    let tally = look(&store, mirror, &["INBOX"], |_, command| {
        command.contains("(UID FLAGS)").then(|| "* 1 FETCH (UID 1 FLAGS (\\Seen))\n".to_owned())
    });
    assert!(tally.held.iter().any(|held| held.starts_with("1 of INBOX messages are not told of")), "{:?}", tally.held);
    assert_eq!(messages(&store, mirror.0, "INBOX"), 2);
    // Without flags it is there all the same.
    look(&store, mirror, &["INBOX"], |_, command| {
        let both = "* 1 FETCH (UID 1 FLAGS (\\Seen))\n* 2 FETCH (UID 2)\n";
        command.contains("(UID FLAGS)").then(|| both.to_owned())
    });
    assert_eq!(messages(&store, mirror.0, "INBOX"), 2);
    // One that went between the two.
    look(&store, mirror, &["INBOX"], |_, command| {
        let one = "* 1 EXPUNGE\n* 1 FETCH (UID 2 FLAGS (\\Seen))\n";
        command.contains("(UID FLAGS)").then(|| one.to_owned())
    });
    assert_eq!(messages(&store, mirror.0, "INBOX"), 1);
}

#[test]
fn what_is_refused_for_ever_holds_nothing_else_up() {
    for (name, word) in [("no", "NO"), ("bad", "BAD")] {
        let (_folder, store) = store(name);
        let mirror = mirror(&store, Way::Both);
        let tally = look(&store, mirror, &["INBOX", "A", "B", "C"], |selected, command| {
            let is_refused = match selected {
                "A" => command.starts_with("SELECT"),
                "B" => command.starts_with("UID FETCH 1 ") && command.contains("BODY.PEEK[]"),
                _ => false,
            };
            is_refused.then(|| format!("{word} it is broken"))
        });
        let found = ["INBOX", "A", "B", "C"].map(|name| messages(&store, mirror.0, name));
        assert_eq!(found, [2, 0, 1, 2], "{word}");
        assert!(tally.held.iter().any(|held| held.contains("the folder A")), "{:?}", tally.held);
        assert!(!tally.again);
    }
}

#[test]
fn what_cannot_be_deleted_there_does_not_come_again() {
    let (_folder, store) = store("again");
    let (account, id) = mirror(&store, Way::Collect { into: "INBOX".to_owned(), delete_after: Some(0) });
    for _ in 0..3 {
        let answer = |command: &str| match command {
            "SELECT \"INBOX\"" => "* 1 EXISTS\n* OK [UIDVALIDITY 1] x\n".to_owned(),
            "UID FETCH 1:* (UID FLAGS)" => "* 1 FETCH (UID 1 FLAGS ())\n".to_owned(),
            "UID FETCH 1 (UID BODY.PEEK[])" => "* 1 FETCH (UID 1 BODY[] {8}\r\nA: 1\r\n\r\n)\n".to_owned(),
            command if command.starts_with("UID FETCH") => "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 8)\n".to_owned(),
            _ => "NO it stays".to_owned(),
        };
        let mut collect = Collect {
            store: Arc::clone(&store),
            id,
            account,
            into: "INBOX".to_owned(),
            delete_after: Some(0),
            now: NOW,
            tally: Tally::default(),
        };
        smol::block_on(async { collect.by_imap(&mut connect(answer).await).await }).unwrap();
        assert_eq!(collect.tally.held.len(), 1);
    }
    assert_eq!(messages(&store, account, "INBOX"), 1);
}

#[test]
fn what_was_renumbered_is_found_again_before_any_of_it_is_missed() {
    const ALL: u32 = 16;
    let (_folder, store) = store("renumbered");
    let (account, id) = mirror(&store, Way::Both);
    let fetched = Arc::new(AtomicU32::new(0));
    for (validity, from) in [(1, 1), (1, 1), (2, 101), (2, 101)] {
        let fetches = Arc::clone(&fetched);
        let answer = move |command: &str| {
            let text = |number| format!("Message-ID: <{number}@x>\r\n\r\n");
            let mut words = command.split(' ');
            match (words.next(), words.next()) {
                (Some("LIST"), _) => "* LIST () \"/\" INBOX\n".to_owned(),
                (Some("STATUS"), _) => format!("* STATUS INBOX (MESSAGES {ALL} UIDVALIDITY {validity})\n"),
                (Some("SELECT"), _) => format!("* {ALL} EXISTS\n* OK [UIDVALIDITY {validity}] x\n"),
                (Some("CREATE"), _) => "NO not here".to_owned(),
                (Some("UID"), Some("FETCH")) if command.contains("BODY.PEEK[]") => {
                    fetches.fetch_add(1, Ordering::SeqCst);
                    let uid: u32 = words.next().unwrap().parse().unwrap();
                    let text = text(uid - from) + "x\r\n";
                    format!("* 1 FETCH (UID {uid} BODY[] {{{}}}\r\n{text})\n", text.len())
                }
                (Some("UID"), Some("FETCH")) => (0..ALL).fold(String::new(), |all, number| {
                    let (uid, text) = (from + number, text(number));
                    let size = text.len();
                    let header = format!("RFC822.SIZE {} BODY[HEADER] {{{size}}}\r\n{text}", size + 3);
                    all + &format!("* {} FETCH (UID {uid} FLAGS (\\Seen) {header})\n", number + 1)
                }),
                _ => String::new(),
            }
        };
        smol::block_on(async {
            let mut imap = connect(answer).await;
            Pass::new(&store, id, account, &mut imap, NOW, false).run().await.unwrap();
        });
        let expected = if from == 1 { fetched.load(Ordering::SeqCst) } else { ALL };
        assert_eq!(messages(&store, account, "INBOX"), u64::from(expected));
    }
    assert_eq!(fetched.load(Ordering::SeqCst), ALL);
}
