//! Commands about mailboxes.

use super::*;

#[test]
fn mailbox_names_are_read_in_the_dialect() {
    let name = |command: &str, dialect| match Command::parse(format!("a SELECT {command}").as_bytes(), dialect) {
        Ok(Command { body: Body::Select(Mailbox(name)), .. }) => Ok(name),
        Ok(other) => panic!("{other:?}"),
        Err(syntax) => Err(syntax.reason),
    };
    for dialect in [REV1, REV2] {
        assert_eq!(name("inBOX", dialect).as_deref(), Ok("inBOX"));
        assert_eq!(name("\"\"", dialect).as_deref(), Ok(""));
        assert!(matches!(name(&"x".repeat(3_001), dialect), Err(Reason::BadMailbox(_))));
    }
    assert_eq!(name("\"Entwürfe\"", REV2).as_deref(), Ok("Entwürfe"));
    assert_eq!(name("R&D", REV2).as_deref(), Ok("R&D"));
    assert_eq!(name("Entw&APw-rfe", REV1).as_deref(), Ok("Entwürfe"));
    assert_eq!(name("Entw&APw-rfe", REV2).as_deref(), Ok("Entw&APw-rfe"));
    assert_eq!(name("R&-D", REV1).as_deref(), Ok("R&D"));
    assert_eq!(name("R&-D", REV2).as_deref(), Ok("R&-D"));
    for bad in ["R&D", "a&b-c", "\"Entwürfe\"", "R&D&-x", "&AOk-&AOk-", "&Jjo!", "&AGE-", "\"tab\there\""] {
        assert_eq!(name(bad, REV1), Err(Reason::BadMailbox("The mailbox name is not valid modified UTF-7")), "{bad}");
    }
    let latin = Command::parse(b"a SELECT \"Entw\xfcrfe\"", REV1).unwrap_err();
    assert!(matches!(latin.reason, Reason::BadMailbox(_)));
}

#[test]
fn mailbox_commands_take_their_names() {
    assert_eq!(read("EXAMINE INBOX"), Body::Examine(inbox()));
    assert_eq!(read("DELETE x"), Body::Delete(Mailbox("x".into())));
    assert_eq!(read("RENAME x \"y z\""), Body::Rename { from: Mailbox("x".into()), to: Mailbox("y z".into()) });
    assert_eq!(read("SUBSCRIBE x"), Body::Subscribe(Mailbox("x".into())));
    assert_eq!(read("UNSUBSCRIBE x"), Body::Unsubscribe(Mailbox("x".into())));
    assert_eq!(read("CREATE x"), Body::Create { mailbox: Mailbox("x".into()), uses: vec![] });
    assert_eq!(
        read("CREATE x (USE (\\Archive \\Sent))"),
        Body::Create { mailbox: Mailbox("x".into()), uses: vec!["\\Archive".into(), "\\Sent".into()] }
    );
    assert_bad(&[
        "SELECT",
        "SELECT ",
        "SELECT a b",
        "RENAME a",
        "CREATE x ()",
        "CREATE x (USE (Sent))",
        "CREATE x (USE \\Sent)",
    ]);
    assert_bad(&["SELECT a%", "SELECT a*", "SELECT (a)"]);
}

#[test]
fn status_takes_known_items_only() {
    assert_eq!(
        read("STATUS INBOX (messages UIDNEXT DELETED-STORAGE)"),
        Body::Status {
            mailbox: inbox(),
            items: vec![StatusItem::Messages, StatusItem::UidNext, StatusItem::DeletedStorage]
        }
    );
    assert_bad(&["STATUS INBOX", "STATUS INBOX ()", "STATUS INBOX (X)", "STATUS INBOX MESSAGES", "STATUS INBOX (SIZE"]);
}

#[test]
fn quotas_are_read_with_63_bits() {
    assert_eq!(read("GETQUOTA \"\""), Body::GetQuota(String::new()));
    assert_eq!(read("GETQUOTAROOT INBOX"), Body::GetQuotaRoot(inbox()));
    assert_eq!(
        read("SETQUOTA \"\" (storage 9223372036854775807)"),
        Body::SetQuota { root: String::new(), limits: vec![("STORAGE".into(), 9_223_372_036_854_775_807)] }
    );
    assert_eq!(read("SETQUOTA x ()"), Body::SetQuota { root: "x".into(), limits: vec![] });
    assert_bad(&["SETQUOTA x (STORAGE 9223372036854775808)", "SETQUOTA x (STORAGE)", "SETQUOTA x", "GETQUOTA"]);
}

#[test]
fn list_has_a_basic_form_and_many_others() {
    let pattern = |reference: &str, pattern: &str| ListPattern { reference: reference.into(), pattern: pattern.into() };
    assert_eq!(read("LIST \"\" *"), Body::List(ListCommand { patterns: vec![pattern("", "*")], ..Default::default() }));
    assert_eq!(
        read("LIST x/ \"&AOk-%\""),
        Body::List(ListCommand { patterns: vec![pattern("x/", "é%")], ..Default::default() })
    );
    assert_eq!(
        read("LIST \"\" \"\""),
        Body::List(ListCommand { patterns: vec![pattern("", "")], ..Default::default() })
    );
    assert_eq!(
        read("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (\"a\" b%) RETURN (CHILDREN STATUS (MESSAGES UNSEEN) SPECIAL-USE)"),
        Body::List(ListCommand {
            select: vec![ListSelect::Subscribed, ListSelect::RecursiveMatch],
            patterns: vec![pattern("", "a"), pattern("", "b%")],
            returns: vec![
                ListReturn::Children,
                ListReturn::Status(vec![StatusItem::Messages, StatusItem::Unseen]),
                ListReturn::SpecialUse
            ],
            extended: true,
        })
    );
    assert_eq!(
        read("LIST () \"\" % RETURN ()"),
        Body::List(ListCommand { patterns: vec![pattern("", "%")], extended: true, ..Default::default() })
    );
    assert_eq!(read("LSUB \"\" inbox*"), Body::Lsub(pattern("", "inbox*")));
    assert_bad(&[
        "LIST",
        "LIST \"\"",
        "LIST \"\" ()",
        "LIST (X) \"\" *",
        "LIST (RECURSIVEMATCH) \"\" *",
        "LIST (REMOTE RECURSIVEMATCH) \"\" *",
        "LIST \"\" * RETURN",
        "LIST \"\" * RETURN (X)",
        "LIST \"\" * RETURN (STATUS)",
        "LIST \"\" * RETURN (STATUS ())",
        "LIST \"\" * CHILDREN",
        "LSUB \"\"",
        "LSUB \"\" (a b)",
    ]);
}
