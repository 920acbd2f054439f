//! Commands that nobody would send.

use super::*;

#[test]
fn mutations_of_valid_commands_never_panic() {
    const SEEDS: [&str; 24] = [
        "a1 LOGIN {3}\r\nann \"pa\\\"ss\"",
        "a1 AUTHENTICATE PLAIN AGEAYg==",
        "a1 ENABLE IMAP4rev2",
        "a1 ID (\"name\" \"x\" \"os\" NIL)",
        "a1 SELECT \"Entw&APw-rfe\"",
        "a1 CREATE x (USE (\\Archive \\Sent))",
        "a1 RENAME INBOX/a {3+}\r\nb c",
        "a1 STATUS INBOX (MESSAGES UIDNEXT)",
        "a1 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (\"a\" b%) RETURN (CHILDREN STATUS (MESSAGES))",
        "a1 LSUB \"\" *",
        "a1 UID EXPUNGE 1:*,7",
        "a1 STORE 1:* +FLAGS.SILENT (\\Seen $Forwarded)",
        "a1 UID COPY 4:2,* Trash",
        "a1 FETCH 1:* (UID BODY.PEEK[1.2.HEADER.FIELDS (DATE FROM)]<0.2048> BINARY.SIZE[1])",
        "a1 FETCH 1 FULL",
        "a1 SEARCH RETURN (MIN COUNT) CHARSET UTF-8 OR (NOT SEEN FROM \"x\") UID 1:5 SINCE 1-Feb-2004",
        "a1 SEARCH CHARSET SHIFT_JIS TEXT {4}\r\n\u{201a}\u{a0}",
        "a1 UID SEARCH NOT NOT HEADER Message-ID <x@y> LARGER 12345 $",
        "a1 GETQUOTAROOT INBOX",
        "a1 SETQUOTA \"\" (STORAGE 512 MESSAGE 10)",
        "a1 APPEND INBOX (\\Seen) \" 1-Feb-2004 00:00:00 +0000\" ",
        "a1 APPEND {5}\r\nINBOX \"11-Feb-2004 23:59:60 -1259\" ",
        "a1 CAPABILITY",
        "a1 IDLE",
    ];
    const BYTES: &[u8] = b" ()[]{}<>\"\\*%$&-+.,:=~\r\n\0\xff\xc3aZ019";
    let mut random = Xorshift::new(3);
    let mut understood = 0;
    for round in 0..100_000 {
        let mut bytes = SEEDS.get(round % SEEDS.len()).copied().unwrap_or_default().as_bytes().to_vec();
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len() + 1);
            let byte = BYTES.get(random.below(BYTES.len())).copied().unwrap_or_default();
            match random.below(4) {
                0 => bytes.insert(at, byte),
                1 => bytes.truncate(at.max(1)),
                2 if at < bytes.len() => _ = bytes.remove(at),
                _ => {
                    if let Some(old) = bytes.get_mut(at) {
                        *old = byte;
                    }
                }
            }
        }
        let dialect = if round % 2 == 0 { REV1 } else { REV2 };
        let parsed = [Command::parse(&bytes, dialect), Append::parse(&bytes, 1, false, dialect)];
        understood += usize::from(parsed.iter().any(Result::is_ok));
        for syntax in parsed.into_iter().filter_map(Result::err) {
            assert!(syntax.reason.text().is_ascii());
        }
    }
    assert!(understood > 20_000, "only {understood} were understood");
}
