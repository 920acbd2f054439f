//! The gate, the actions and the socket, on a store on disk.

use super::*;
use crate::keep::{Event, plan, run};
use crate::store::{Options, Outcome, Store, Write};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod guesses;

/// A folder with a store, that goes when the test ends.
pub(super) struct World {
    folder: PathBuf,
    pub(super) store: Arc<Store>,
}

const PASSWORD: &[u8] = b"open sesame";

impl World {
    fn new(name: &str) -> World {
        let folder = std::env::temp_dir().join(format!("pillarbox-admin-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let store = Arc::new(Store::open(&folder, Options::default()).unwrap());
        World { folder, store }
    }

    pub(super) fn with_accounts(name: &str) -> World {
        let world = World::new(name);
        for address in ["a@b.example", "a@c.example", "only@b.example"] {
            let password = Some(Secret("open sesame".to_owned()));
            let add = Request::AddAccount { address: address.to_owned(), password, quota: Quota::default() };
            assert!(matches!(
                perform(&world.store, cheap().password.strength(), add),
                Reply::Password { made: None, .. }
            ));
        }
        world
    }

    fn gate(&self, settings: &Settings) -> Gate {
        Gate::new(Arc::clone(&self.store), settings).unwrap()
    }

    fn argon2(&self, address: &str) -> String {
        let snapshot = self.store.snapshot().unwrap();
        let id = snapshot.account_of(address).unwrap().unwrap();
        snapshot.account(id).unwrap().unwrap().credentials.argon2
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn cheap() -> Settings {
    let mut settings = Settings::default();
    settings.password.memory_kib = 64;
    settings.password.passes = 1;
    settings
}

/// Settings under which each argon2 run is felt.
fn dear() -> Settings {
    let mut settings = cheap();
    settings.password.memory_kib = 64 << 10;
    settings.password.passes = 4;
    settings
}

fn enters(gate: &Gate, user: &str, password: &[u8]) -> Option<String> {
    match smol::block_on(gate.verify(user.as_bytes(), password, None)) {
        Ok(entered) => Some(entered.address),
        Err(Denied::Wrong) => None,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn users_come_in_by_address_in_any_case_or_by_a_local_part_that_is_theirs_alone() {
    let world = World::with_accounts("users");
    let gate = world.gate(&cheap());
    assert_eq!(enters(&gate, "A@B.Example", PASSWORD).as_deref(), Some("a@b.example"));
    assert_eq!(enters(&gate, "Only", PASSWORD).as_deref(), Some("only@b.example"));
    for (user, password) in
        [("a", PASSWORD), ("x@b.example", PASSWORD), ("", PASSWORD), ("only", b"open sesame "), ("only", b"")]
    {
        assert_eq!(enters(&gate, user, password), None, "{user}");
    }
}

#[test]
fn only_the_first_log_in_pays_and_a_new_password_is_known_at_once() {
    let world = World::with_accounts("memory");
    let gate = world.gate(&dear());
    let timed = |password: &[u8]| {
        let began = Instant::now();
        (enters(&gate, "only", password).is_some(), began.elapsed())
    };
    // The first one verifies a cheap hash and makes it a dear one.
    let (entered, first) = timed(PASSWORD);
    assert!(entered);
    let (entered, second) = timed(PASSWORD);
    assert!(entered && second * 4 < first, "{first:?}, then {second:?}");
    let passwd =
        Request::SetPassword { address: "only@b.example".to_owned(), password: Some(Secret("another one".to_owned())) };
    assert!(matches!(perform(&world.store, cheap().password.strength(), passwd), Reply::Password { .. }));
    assert!(!timed(PASSWORD).0);
    assert!(timed(b"another one").0);
}

#[test]
fn a_hash_of_other_strength_is_made_anew_at_log_in_and_scram_stays() {
    let world = World::with_accounts("rehash");
    let mut settings = cheap();
    settings.password.passes = 2;
    let gate = world.gate(&settings);
    let keys = gate.scram_keys(b"only").unwrap().1;
    assert!(world.argon2("only@b.example").contains("t=1"));
    assert!(enters(&gate, "only", PASSWORD).is_some());
    assert!(world.argon2("only@b.example").contains("t=2"));
    assert!(enters(&gate, "only", PASSWORD).is_some());
    assert!(gate.scram_keys(b"only").unwrap().1 == keys);
}

#[test]
fn a_hash_of_another_system_is_good_for_one_log_in_which_makes_it_ours_and_brings_scram() {
    let world = World::new("crypt");
    let gate = world.gate(&cheap());
    // By `openssl passwd -5` and `-6`, by `mkpasswd -m yescrypt`, and argon2 of the strength that is set.
    let argon2 = super::password::hash(PASSWORD, cheap().password.strength()).unwrap();
    for (user, hash) in [
        ("sha256", "$5$Yp8mYVwUZ1kc0nXq$VLOTeZqtGJeR3C6vBANAyuiSfNBnPM8bAdVUvcnl6h0"),
        (
            "sha512",
            "$6$Yp8mYVwUZ1kc0nXq$449Dxr6kVzply6v9nEAMJJiCNEYpxo5suW5PxO9HZeszkLfH3QsM8q9Ag..R46xbXocdoqWy8pDV4FljAdhl80",
        ),
        ("yescrypt", "$y$j9T$pwu3d49TKZuuuorMpDGu91$hHp.c0fQb/2MBnes92M80G5tT93Vkop2H8/k4Xpj4r."),
        ("argon2", &argon2),
    ] {
        let address = format!("{user}@b.example");
        assert!(matches!(add_hashed(&world, &address, hash, false), Reply::Password { made: None, .. }), "{user}");
        assert_eq!(world.argon2(&address), hash);
        assert_eq!(enters(&gate, user, b"open sesam"), None, "{user}");
        assert!(gate.scram_keys(user.as_bytes()).unwrap().0.is_none(), "{user}: no keys before the password was seen");
        assert_eq!(world.argon2(&address), hash, "a wrong password changes nothing");
        assert!(enters(&gate, user, PASSWORD).is_some(), "{user}");
        assert!(world.argon2(&address).starts_with("$argon2id$"), "{user}");
        assert!(gate.scram_keys(user.as_bytes()).unwrap().0.is_some(), "{user}");
        // Once more from memory, and from what is stored now.
        assert!(enters(&gate, user, PASSWORD).is_some() && enters(&world.gate(&cheap()), user, PASSWORD).is_some());
        assert_eq!(enters(&world.gate(&cheap()), user, b"open sesam"), None, "{user}");
    }
}

#[test]
fn an_account_with_a_hash_is_made_once_and_not_with_one_that_cannot_be_used() {
    let world = World::with_accounts("hashed");
    let hash = "$5$Yp8mYVwUZ1kc0nXq$VLOTeZqtGJeR3C6vBANAyuiSfNBnPM8bAdVUvcnl6h0";
    let before = world.argon2("only@b.example");
    assert!(matches!(add_hashed(&world, "only@b.example", hash, false), Reply::Failed(Failure::Refused(_))));
    assert_eq!(add_hashed(&world, "Only@b.example", hash, true), Reply::Done);
    assert_eq!(world.argon2("only@b.example"), before);
    for bad in ["", "secret", "$1$x$y", "$5$rounds=999999999$x$y", "$y$jzz$x$y"] {
        let Reply::Failed(Failure::Refused(why)) = add_hashed(&world, "new@b.example", bad, true) else {
            panic!("{bad}")
        };
        assert!(why.contains("hash"), "{why}");
    }
    assert_eq!(world.store.snapshot().unwrap().account_of("new@b.example").unwrap(), None);
}

fn add_hashed(world: &World, address: &str, hash: &str, unless_there: bool) -> Reply {
    let (address, hash) = (address.to_owned(), Secret(hash.to_owned()));
    let add = Request::AddHashedAccount { address, hash, quota: Quota::default(), unless_there };
    assert!(!format!("{add:?}").contains('$'));
    perform(&world.store, cheap().password.strength(), add)
}

#[test]
fn scram_shows_nobody_the_same_keys_each_time_and_somebody_their_own() {
    let world = World::with_accounts("scram");
    let gate = world.gate(&cheap());
    let (account, keys) = gate.scram_keys(b"A@b.example").unwrap();
    assert_eq!(account.map(|found| found.address).as_deref(), Some("a@b.example"));
    assert!((4096..=10_000).contains(&keys.iterations.get()));
    let (nobody, fake) = gate.scram_keys(b"nobody@b.example").unwrap();
    assert!(nobody.is_none());
    assert!(fake == gate.scram_keys(b"Nobody@b.example").unwrap().1);
    // By no spelling of the domain, nor without it, another: that would be how those differ who are here.
    for spelling in ["nobody", "nobody@c.example", "nobody@xn--bcher-kva.example", "nobody@bücher.example"] {
        assert!(fake.salt == gate.scram_keys(spelling.as_bytes()).unwrap().1.salt, "{spelling}");
    }
    assert!(fake.salt != gate.scram_keys(b"somebody@b.example").unwrap().1.salt);
    assert_eq!(fake.iterations, keys.iterations);
}

#[test]
fn a_salt_stays_what_it_is_whoever_comes_goes_or_takes_another_password() {
    let world = World::with_accounts("salts");
    let strength = cheap().password.strength();
    let salt = |user: &str| world.gate(&cheap()).scram_keys(user.as_bytes()).unwrap().1.salt;
    let (own, other) = (salt("new@b.example"), salt("other@b.example"));
    assert_ne!(own, other);
    let address = || "new@b.example".to_owned();
    // Nobody, a hash from elsewhere, its first log-in, another password, nobody again: each seen by a new start.
    assert!(matches!(
        add_hashed(&world, &address(), "$5$Yp8mYVwUZ1kc0nXq$VLOTeZqtGJeR3C6vBANAyuiSfNBnPM8bAdVUvcnl6h0", false),
        Reply::Password { .. }
    ));
    assert_eq!((salt("new@b.example"), salt("new")), (own, own));
    assert!(enters(&world.gate(&cheap()), "new", PASSWORD).is_some());
    assert!(world.gate(&cheap()).scram_keys(b"new").unwrap().0.is_some());
    assert_eq!(salt("new@b.example"), own);
    let passwd = Request::SetPassword { address: address(), password: Some(Secret("quite another one".to_owned())) };
    assert!(matches!(perform(&world.store, strength, passwd), Reply::Password { .. }));
    assert_eq!(salt("NEW@b.example"), own);
    assert_eq!(perform(&world.store, strength, Request::RemoveAccount { address: address() }), Reply::Done);
    assert_eq!((salt("new@b.example"), salt("other@b.example")), (own, other));
}

#[test]
fn accounts_are_made_listed_changed_and_removed() {
    let world = World::new("accounts");
    let strength = cheap().password.strength();
    let ask = |request| perform(&world.store, strength, request);
    let address = || "me@b.example".to_owned();
    let quota = Quota { bytes: Some(Limit::Of(1000)), messages: None };
    let Reply::Password { made: Some(Secret(made)), .. } =
        ask(Request::AddAccount { address: "Me@b.example".to_owned(), password: None, quota })
    else {
        panic!()
    };
    assert_eq!(enters(&world.gate(&cheap()), "me@b.example", made.as_bytes()).as_deref(), Some("me@b.example"));
    let taken = ask(Request::AddAccount { address: address(), password: None, quota });
    assert!(matches!(taken, Reply::Failed(Failure::Refused(_))), "{taken:?}");
    ask(Request::SetQuota { address: address(), quota: Quota { bytes: None, messages: Some(Limit::Of(7)) } });
    let Reply::Account(shown) = ask(Request::ShowAccount { address: address() }) else { panic!() };
    assert_eq!((shown.account.bytes_limit, shown.account.messages_limit), (Some(1000), Some(7)));
    assert_eq!(shown.mailboxes.len(), 6);
    ask(Request::SetQuota { address: address(), quota: Quota { bytes: Some(Limit::Lifted), messages: None } });
    let Reply::Accounts(accounts) = ask(Request::ListAccounts) else { panic!() };
    assert_eq!(accounts.first().map(|account| (account.bytes_limit, account.messages_limit)), Some((None, Some(7))));
    assert_eq!(ask(Request::RemoveAccount { address: address() }), Reply::Done);
    assert_eq!(ask(Request::ListAccounts), Reply::Accounts(Vec::new()));
    let Reply::Checked(checked) = ask(Request::Check { mend: false }) else { panic!() };
    assert!(checked.findings.is_empty());
}

#[test]
fn a_request_does_not_show_its_password_when_it_is_debugged() {
    let add = Request::AddAccount {
        address: "a@b".to_owned(),
        password: Some(Secret("hidden words".to_owned())),
        quota: Quota::default(),
    };
    assert!(!format!("{add:?}").contains("hidden"));
}

/// A server of the socket, for as long as it lives.
fn serve(world: &World) -> smol::Task<()> {
    let gate = Arc::new(world.gate(&cheap()));
    let store = Arc::clone(&world.store);
    let listener = smol::block_on(async { socket::bind(&socket::Place::in_data(&world.folder)) }).unwrap();
    smol::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            smol::spawn(socket::answer(stream, Arc::clone(&store), Arc::clone(&gate))).detach();
        }
    })
}

#[test]
fn a_door_to_a_running_server_does_what_a_direct_one_does() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::with_accounts("door");
    let _server = serve(&world);
    let mode = world.folder.join("admin.sock").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut door = Door::open(&world.folder).unwrap();
    assert!(door.is_running());
    let Reply::Accounts(accounts) = door.ask(Request::ListAccounts).unwrap() else { panic!() };
    assert_eq!(accounts.len(), 3);
    let nobody = door.ask(Request::ShowAccount { address: "x@y".to_owned() });
    assert_eq!(nobody, Err(Failure::Refused("there is no account x@y".to_owned())));
    let mbox: Vec<String> =
        (0..500).map(|number| format!("From a\nA: {number}\n\n{}\n\n", "text ".repeat(number))).collect();
    let path = world.folder.join("a.mbox");
    std::fs::write(&path, mbox.concat()).unwrap();
    let sources = plan(&[path.clone(), path], Some("Old/Mail")).unwrap();
    let mut octets = 0;
    let summary = run(&sources, &mut *door.account("only@b.example", false).unwrap(), &mut |event| {
        if let Event::Read(more) = event {
            octets += more;
        }
        ControlFlow::Continue(())
    });
    assert_eq!((summary.imported, summary.left.total(), summary.stopped), (1000, 0, None));
    let again = run(&sources, &mut *door.account("only@b.example", false).unwrap(), &mut |_| ControlFlow::Continue(()));
    assert_eq!((again.imported, again.known), (0, 1000));
    assert_eq!(octets, sources.octets);
    // The connection goes on after an import.
    let Reply::Account(shown) = door.ask(Request::ShowAccount { address: "only@b.example".to_owned() }).unwrap() else {
        panic!()
    };
    let line = shown.mailboxes.iter().find(|mailbox| mailbox.name == "Old/Mail");
    assert_eq!(line.map(|line| (line.messages, line.bytes)), Some((1000, summary.bytes)));
}

#[test]
fn where_mail_goes_is_said_through_the_socket() {
    use crate::store::{Action, Detail, Filing, Rule, RuleEdit, Vacation};
    let world = World::with_accounts("door-delivery");
    let _server = serve(&world);
    let mut door = Door::open(&world.folder).unwrap();
    assert!(door.is_running());
    let mut ask = |request| door.ask(Request::Delivery(request));
    let own = |text: &str| text.to_owned();
    let add = |alias: &str, targets: &[&str]| DeliveryRequest::AddAlias {
        alias: own(alias),
        targets: targets.iter().map(|target| own(target)).collect(),
    };
    assert_eq!(ask(add("Info@B.example", &["A@B.example", "Out@Elsewhere.example"])), Ok(Reply::Done));
    assert_eq!(ask(add("*@c.example", &["only@b.example"])), Ok(Reply::Done));
    for (alias, target) in [("a@b.example", "x@y"), ("self@b.example", "self@B.example"), ("x", "y@z"), ("x@y", "z")] {
        assert!(matches!(ask(add(alias, &[target])), Err(Failure::Refused(_))), "{alias}");
    }
    // What would lead to nobody, or round in a circle, is not made; the thing is named.
    let why = |answer: Result<Reply, Failure>| answer.err().map_or_else(String::new, |failure| failure.to_string());
    for (alias, target, word) in [
        ("new@b.example", "nobody@b.example", "no account and no alias nobody@b.example"),
        ("a+x@c.example", "info+x@b.example", ""),
        ("one@b.example", "x@c.example", ""),
        ("two@b.example", "one@b.example", ""),
        ("one@b.example", "two+more@b.example", "one@b.example to two+more@b.example to one@b.example"),
        ("@b.example", "stray@b.example", "@b.example to stray@b.example to @b.example"),
        ("self2@b.example", "self2+x@b.example", "circle"),
    ] {
        let answer = why(ask(add(alias, &[target])));
        assert!(if word.is_empty() { answer.is_empty() } else { answer.contains(word) }, "{alias} {target}: {answer}");
    }
    let remove = |alias: &str, targets: &[&str]| DeliveryRequest::RemoveAlias {
        alias: own(alias),
        targets: targets.iter().map(|target| own(target)).collect(),
    };
    assert!(why(ask(remove("zz@b.example", &[]))).contains("no alias zz@b.example"));
    let answer = why(ask(remove("two@b.example", &["a@b.example"])));
    assert!(answer.contains("two@b.example does not lead to a@b.example"), "{answer}");
    for alias in ["a+x@c.example", "two@b.example", "one@b.example"] {
        assert_eq!(ask(remove(alias, &[])), Ok(Reply::Done));
    }
    let domain = |domain: &str| DeliveryRequest::RemoveDomain { domain: own(domain) };
    assert!(why(ask(domain("z.example"))).contains("no domain z.example"));
    assert!(why(ask(domain("b.example"))).contains("by its addresses"));
    let all = vec![
        (own("@c.example"), vec![own("only@b.example")]),
        (own("info@b.example"), vec![own("a@b.example"), own("Out@elsewhere.example")]),
    ];
    let aliases = |aliases| Ok(Reply::Delivery(DeliveryReply::Aliases(aliases)));
    assert_eq!(ask(DeliveryRequest::ListAliases { account: None }), aliases(all.clone()));
    assert_eq!(ask(DeliveryRequest::ListAliases { account: Some(own("a@b.example")) }), aliases(all[1..].to_vec()));
    assert_eq!(ask(DeliveryRequest::AddDomain { domain: own("New.example") }), Ok(Reply::Done));
    assert!(ask(DeliveryRequest::AddDomain { domain: own("no domain") }).is_err());
    let domains = ["b.example", "c.example", "new.example"].map(|domain| (own(domain), domain == "new.example"));
    assert_eq!(ask(DeliveryRequest::ListDomains), Ok(Reply::Delivery(DeliveryReply::Domains(domains.to_vec()))));
    let account = || own("only@b.example");
    let rule =
        Rule { actions: vec![Action::Flag(own("seen")), Action::Forward(own("A@B.example"))], ..Rule::default() };
    let edit = RuleEdit::Add(rule, None);
    assert_eq!(ask(DeliveryRequest::EditRules { account: account(), edit }), Ok(Reply::Done));
    let vacation = Vacation { subject: own("Away"), text: own("Gone.\n"), days: 3, begins: None, ends: Some(9) };
    let set = |vacation| DeliveryRequest::SetVacation { account: account(), vacation: Some(vacation) };
    assert_eq!(ask(set(vacation.clone())), Ok(Reply::Done));
    assert!(ask(set(Vacation { text: own(" "), ..vacation.clone() })).is_err());
    assert!(ask(set(Vacation { days: 0, ..vacation.clone() })).is_err());
    assert_eq!(ask(DeliveryRequest::SetDetail { account: account(), detail: Detail::Make }), Ok(Reply::Done));
    let rule =
        Rule { actions: vec![Action::Flag(own("\\Seen")), Action::Forward(own("a@b.example"))], ..Rule::default() };
    let filing = Filing { detail: Detail::Make, vacation: Some(vacation), rules: vec![rule] };
    let show = |account| DeliveryRequest::ShowFiling { account };
    assert_eq!(ask(show(account())), Ok(Reply::Delivery(DeliveryReply::Filing(filing))));
    assert!(ask(show(own("nobody@b.example"))).is_err());
    let edit = RuleEdit::Remove(2);
    let answer = why(ask(DeliveryRequest::EditRules { account: account(), edit }));
    assert!(answer.contains("no rule 2: there is one"), "{answer}");
}

#[test]
fn an_import_through_the_socket_stops_at_the_quota_and_tells_where() {
    let world = World::with_accounts("door-quota");
    let account = world.store.snapshot().unwrap().account_of("only@b.example").unwrap().unwrap();
    let limits = crate::store::Limits { bytes: None, messages: Some(2) };
    assert_eq!(world.store.write_blocking(Write::SetLimits { account, limits }).unwrap(), Outcome::Done);
    let _server = serve(&world);
    let mut door = Door::open(&world.folder).unwrap();
    let path = world.folder.join("a.mbox");
    std::fs::write(&path, "From a\nA: 1\n\ntext\n\n".repeat(100)).unwrap();
    let sources = plan(&[path], None).unwrap();
    let summary =
        run(&sources, &mut *door.account("only@b.example", false).unwrap(), &mut |_| ControlFlow::Continue(()));
    assert_eq!((summary.imported, summary.stopped.and_then(|(place, _)| place.message)), (2, Some(3)));
}

#[test]
fn a_socket_that_nobody_answers_on_is_replaced_and_one_with_a_server_is_not() {
    let world = World::with_accounts("stale");
    drop(smol::block_on(async { socket::bind(&socket::Place::in_data(&world.folder)) }).unwrap());
    let server = serve(&world);
    assert!(smol::block_on(async { socket::bind(&socket::Place::in_data(&world.folder)) }).is_err());
    drop(server);
}

#[test]
fn nonsense_on_the_socket_is_refused_and_ends_the_connection() {
    use std::io::{Read, Write};
    let world = World::with_accounts("nonsense");
    let _server = serve(&world);
    let mut stream = std::os::unix::net::UnixStream::connect(world.folder.join("admin.sock")).unwrap();
    stream.write_all(b"{\"Shutdown\":1}\n\"ListAccounts\"\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "{\"Failed\":{\"Refused\":\"this is no request\"}}\n");
}

#[test]
fn what_pop3_deleted_leaves_the_trash_after_its_days_and_nothing_else_does() {
    use crate::mail::Stamp;
    use crate::store::{History, NewMessage, OnDelete, Uids};
    const DAY: i64 = 24 * 60 * 60;
    let clocks = crate::store::clockwork::Clockwork::at(1_790_000_000);
    let store = &clocks.open().unwrap();
    let add = Request::AddAccount {
        address: "only@b.example".to_owned(),
        password: Some(Secret("open sesame".to_owned())),
        quota: Quota::default(),
    };
    let _ = perform(store, cheap().password.strength(), add);
    let count = |name: &str| {
        let snapshot = store.snapshot().unwrap();
        let account = snapshot.account_of("only@b.example").unwrap().unwrap();
        let mailbox = snapshot.mailbox_named(account, name).unwrap().unwrap();
        (mailbox, snapshot.mailbox(mailbox).unwrap().unwrap().messages)
    };
    let (inbox, trash) = (count("INBOX").0, count("Trash").0);
    for mailbox in [inbox, inbox, inbox, trash] {
        let mut packer = store.packer();
        packer.push(b"a: b\r\n\r\nc\r\n").unwrap();
        let (parcel, received) = (packer.finish().unwrap(), Stamp::utc(0));
        let message = NewMessage { parcel, flags: Vec::new(), received, now: 0, history: History::default() };
        store.write_blocking(Write::Append { mailbox, message }).unwrap();
    }
    // Two are deleted by POP3, one of which is taken out and put back by somebody; another lay there before.
    let retire = Write::Retire { mailbox: inbox, uids: Uids(vec![(1, 2)]), how: OnDelete::Trash };
    store.write_blocking(retire).unwrap();
    store.write_blocking(Write::Move { from: trash, uids: Uids(vec![(2, 2)]), to: inbox }).unwrap();
    store.write_blocking(Write::Move { from: inbox, uids: Uids(vec![(4, 4)]), to: trash }).unwrap();
    assert_eq!((count("INBOX").1, count("Trash").1), (1, 3));
    clocks.leap(store, 3_650 * DAY);
    assert_eq!(expire(store, 30).unwrap(), 0, "ten years were leapt over");
    clocks.pass(store, 29 * DAY);
    assert_eq!(expire(store, 30).unwrap(), 0);
    clocks.pass(store, DAY + DAY / 2);
    clocks.leap(store, -3_650 * DAY);
    assert_eq!(expire(store, 30).unwrap(), 0, "nothing expires on the first day after a leap");
    clocks.pass(store, DAY);
    assert_eq!(expire(store, 30).unwrap(), 1);
    assert_eq!((count("INBOX").1, count("Trash").1), (1, 2));
    clocks.pass(store, 60 * DAY);
    assert_eq!(expire(store, 30).unwrap(), 0);
    assert!(store.check().unwrap().findings.is_empty());
}

#[test]
fn a_removed_account_is_had_back_by_address_or_number_and_lets_in_again() {
    let world = World::with_accounts("removed");
    let gate = world.gate(&cheap());
    let strength = gate.strength();
    let ask = |request| match perform(&world.store, strength, request) {
        Reply::Failed(failure) => Err(failure.to_string()),
        reply => Ok(reply),
    };
    let address = || "only@b.example".to_owned();
    let restore = |which: &str, address: Option<&str>| Request::RestoreAccount {
        which: which.to_owned(),
        address: address.map(str::to_owned),
    };
    assert_eq!(ask(Request::RemoveAccount { address: address() }), Ok(Reply::Done));
    assert!(ask(Request::RemoveAccount { address: address() }).unwrap_err().contains("no account only@b.example"));
    let Ok(Reply::Removed(removed)) = ask(Request::ListRemoved) else { panic!() };
    assert_eq!((removed.len(), removed[0].address.as_str(), removed[0].days_left), (1, "only@b.example", 30));
    assert!(ask(restore("none@b.example", None)).unwrap_err().contains("no removed account none@b.example"));
    assert!(ask(restore("only@b.example", Some("a@b.example"))).unwrap_err().contains("--as"));
    assert_eq!(ask(restore("Only@b.example", None)), Ok(Reply::Done));
    assert!(smol::block_on(gate.verify(b"only@b.example", PASSWORD, None)).is_ok());
    assert_eq!(ask(Request::RemoveAccount { address: address() }), Ok(Reply::Done));
    let number = removed[0].id.to_string();
    assert_eq!(ask(restore(&number, Some("other@b.example"))), Ok(Reply::Done));
    assert_eq!(ask(Request::EraseAccount { address: "other@b.example".to_owned() }), Ok(Reply::Done));
    assert_eq!(ask(Request::ListRemoved), Ok(Reply::Removed(Vec::new())));
}
