//! Where mails go, on a store.

use super::*;
use crate::mail::{AccountId, MailboxName, Stamp};
use crate::store::{
    Action, Condition, Credentials, Delivery, Detail, Field, Limits, NewAccount, Notify, Onward, Options, Outcome,
    Placed, Refusal, Rule, RuleEdit, Store, Vacation, Write,
};
use std::collections::BTreeMap;

struct House {
    folder: std::path::PathBuf,
    store: Store,
    routing: Routing,
}

impl House {
    fn new(name: &str) -> House {
        let folder = std::env::temp_dir().join(format!("pillarbox-delivery-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let store = Store::open(&folder, Options::default()).unwrap();
        House { folder, store, routing: Routing { name: "mail.example.org".to_owned(), grace_percent: 10 } }
    }

    fn write(&self, write: Write) -> Outcome {
        self.store.write_blocking(write).unwrap()
    }

    fn account(&self, address: &str) -> AccountId {
        self.limited(address, None)
    }

    fn limited(&self, address: &str, bytes: Option<u64>) -> AccountId {
        let limits = Limits { bytes, messages: None };
        let new = NewAccount { address: address.to_owned(), credentials: Credentials::default(), limits, now: 0 };
        let Outcome::Account(account) = self.write(Write::AddAccount(new)) else { panic!() };
        account
    }

    fn alias(&self, address: &str, targets: &[&str]) {
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        self.write(Write::AddAlias { address: address.to_owned(), targets });
    }

    fn rule(&self, account: AccountId, conditions: &[(Field, &str)], actions: &[Action]) {
        let conditions =
            conditions.iter().map(|(field, text)| Condition { field: field.clone(), text: (*text).to_owned() });
        let rule = Rule { conditions: conditions.collect(), actions: actions.to_vec(), stop: false };
        self.write(Write::EditRules { account, edit: RuleEdit::Add(check_rule(rule).unwrap(), None) });
    }

    fn route(&self, address: &str) -> Route {
        route(&self.store.snapshot().unwrap(), &self.routing, address, None).unwrap()
    }

    /// What becomes of a mail: plans it, and does it.
    fn deliver(&self, mail: &Mail<'_>) -> (Vec<Fate>, Vec<Result<Placed, Refusal>>) {
        let (fates, delivery) = self.plan(mail);
        let Outcome::Delivered(placed) = self.write(Write::Deliver(Box::new(delivery))) else { panic!() };
        (fates, placed)
    }

    fn plan(&self, mail: &Mail<'_>) -> (Vec<Fate>, Delivery) {
        let mut packer = self.store.packer();
        packer.push(mail.header).unwrap();
        packer.push(&vec![b'x'; usize::try_from(mail.size).unwrap().saturating_sub(mail.header.len())]).unwrap();
        let snapshot = self.store.snapshot().unwrap();
        let Plan { delivery, fates, .. } =
            plan(&self.store, &snapshot, &self.routing, mail, packer.finish().unwrap()).unwrap();
        (fates, delivery)
    }

    /// Messages in each mailbox that has any: `account/mailbox`.
    fn mail(&self) -> BTreeMap<String, u64> {
        let snapshot = self.store.snapshot().unwrap();
        let mut found = BTreeMap::new();
        for (id, account) in snapshot.accounts().unwrap() {
            let name = account.address.split('@').next().unwrap().to_owned();
            for (_, mailbox) in snapshot.mailboxes(id).unwrap() {
                if mailbox.messages > 0 {
                    found.insert(format!("{name}/{}", mailbox.name), mailbox.messages);
                }
            }
        }
        found
    }

    /// What is in the queue: from, and to whom.
    fn queue(&self) -> Vec<(String, Vec<String>)> {
        let queue = self.store.snapshot().unwrap().queue(crate::store::QueueId(0), 100).unwrap();
        let queue = queue.into_iter().map(|(_, queued)| {
            (queued.from, queued.recipients.into_iter().map(|recipient| recipient.address).collect())
        });
        queue.collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        assert_eq!(self.store.check().unwrap().findings, []);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const HEADER: &[u8] =
    b"From: Bob <bob@example.net>\r\nTo: ann@example.org\r\nSubject: Hello\r\nMessage-ID: <1@example.net>\r\n\r\n";

fn to(address: &str) -> Recipient<'_> {
    Recipient { address, notify: Notify::default(), orcpt: None }
}

fn mail<'a>(recipients: &'a [Recipient<'a>], header: &'a [u8]) -> Mail<'a> {
    Mail {
        from: "bob@example.net",
        recipients,
        header,
        size: 1_000,
        quarantine: false,
        sender: None,
        vouched: true,
        tells_success: false,
        utf8: false,
        body_8bit: false,
        ret_full: false,
        envid: None,
        received: Stamp::utc(50),
        now: 100,
    }
}

fn counts(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn queued(of: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
    of.iter().map(|(from, to)| ((*from).to_owned(), to.iter().map(|to| (*to).to_owned()).collect())).collect()
}

#[test]
fn an_address_leads_where_the_owner_said() {
    let house = House::new("route");
    assert_eq!(house.route("postmaster"), Route::Unknown, "there is nobody yet");
    let ann = house.account("ann@example.org");
    let bea = house.account("bea@second.example");
    house.alias("info@example.org", &["ann@example.org", "bea@second.example", "out@example.net"]);
    house.alias("nested@example.org", &["info@example.org"]);
    house.alias("@rest.example", &["bea@second.example"]);
    house.alias("gone@example.org", &["nobody@example.org"]);
    house.write(Write::AddDomain { domain: "added.example".to_owned(), now: 0 });
    for (address, expected) in [
        ("ANN@Example.ORG", Route::Here),
        ("ann+x@example.org", Route::Here),
        ("\"ann\"@example.org", Route::Here),
        ("info@example.org", Route::Here),
        ("info+x@example.org", Route::Here),
        ("nested@example.org", Route::Here),
        ("anything@rest.example", Route::Here),
        ("nobody@example.org", Route::Unknown),
        ("gone@example.org", Route::Unknown),
        ("nobody@mail.example.org", Route::Unknown),
        ("ann", Route::Unknown),
        ("", Route::Unknown),
        ("ann@example.net", Route::Outside),
        ("ann@sub.example.org", Route::Outside),
        ("Postmaster", Route::Here),
        ("postmaster@example.org", Route::Here),
        ("PostMaster@added.example", Route::Here),
        ("postmaster@mail.example.org", Route::Here),
        ("postmaster@example.net", Route::Outside),
        ("user%example.net@example.org", Route::Unknown),
        ("@example.net:ann@example.org", Route::Unknown),
    ] {
        assert_eq!(house.route(address), expected, "{address}");
    }
    let snapshot = house.store.snapshot().unwrap();
    let may = |account, address| may_send_as(&snapshot, account, address).unwrap();
    for address in ["ann@example.org", "Ann+x@example.org", "info@example.org", "nested@example.org"] {
        assert!(may(ann, address), "{address}");
    }
    for address in ["bea@second.example", "x@rest.example", "out@example.net", "", "postmaster", "nobody@example.org"] {
        assert!(!may(ann, address), "{address}");
    }
    assert!(may(bea, "x@rest.example") && may(bea, "info@example.org"));
    for (domain, ours) in [
        ("Example.org", true),
        ("added.example", true),
        ("rest.example.", true),
        ("mail.example.org", true),
        ("example.net", false),
        ("", false),
    ] {
        assert_eq!(is_local_domain(&snapshot, &house.routing, domain).unwrap(), ours, "{domain}");
    }
    assert_eq!(
        leads_to(&snapshot, &house.routing, bea).unwrap(),
        ["@rest.example", "info@example.org", "nested@example.org"]
    );
}

#[test]
fn postmaster_is_who_was_named_for_it_else_who_was_first() {
    let house = House::new("postmaster");
    house.account("first@example.org");
    house.account("second@other.example");
    let everywhere = ["postmaster", "postmaster@example.org", "postmaster@other.example"].map(to);
    house.deliver(&mail(&everywhere, HEADER));
    assert_eq!(house.mail(), counts(&[("first/INBOX", 1)]));
    house.alias("postmaster@other.example", &["second@other.example"]);
    house.deliver(&mail(&everywhere[..1], HEADER));
    house.deliver(&mail(&everywhere[1..2], HEADER));
    house.deliver(&mail(&everywhere[2..], HEADER));
    assert_eq!(house.mail(), counts(&[("first/INBOX", 2), ("second/INBOX", 2)]));
}

#[test]
fn aliases_that_lead_in_a_circle_are_seen() {
    let house = House::new("circle");
    house.account("ann@example.org");
    house.alias("a@example.org", &["b@example.org"]);
    house.alias("b@example.org", &["c@example.org"]);
    house.alias("c@example.org", &["a@example.org"]);
    house.alias("self@example.org", &["self@example.org"]);
    assert_eq!((house.route("a@example.org"), house.route("self@example.org")), (Route::Loop, Route::Loop));
    // Who else is in it still gets the mail, once.
    house.alias("b@example.org", &["ann@example.org"]);
    let (fates, _) = house.deliver(&mail(&["a@example.org", "c@example.org", "ann@example.org"].map(to), HEADER));
    assert_eq!(fates, vec![Fate::Taken { copies: vec![0], onward: false }; 3]);
    assert_eq!(house.mail(), counts(&[("ann/INBOX", 1)]));
    // A chain that is too long ends.
    for number in 0..30 {
        house.alias(&format!("n{number}@example.org"), &[&format!("n{}@example.org", number + 1)]);
    }
    house.alias("n30@example.org", &["ann@example.org"]);
    assert_eq!((house.route("n0@example.org"), house.route("n25@example.org")), (Route::Loop, Route::Here));
}

#[test]
fn an_alias_reaches_all_here_and_outside_each_once() {
    let house = House::new("fan-out");
    let ann = house.account("ann@example.org");
    house.account("bea@example.org");
    house.alias("all@example.org", &["ann@example.org", "bea@example.org", "out@example.net"]);
    house.alias("more@example.org", &["all@example.org", "OUT@example.net", "far@example.net", "ann@example.org"]);
    let recipients = ["all@example.org", "more@example.org", "ann@example.org"].map(to);
    let (fates, placed) = house.deliver(&mail(&recipients, HEADER));
    assert_eq!(house.mail(), counts(&[("ann/INBOX", 1), ("bea/INBOX", 1)]));
    // A reverse path of ours, so that SPF passes there.
    assert_eq!(house.queue(), queued(&[("postmaster@example.org", &["out@example.net", "far@example.net"])]));
    assert!(fates.iter().all(|fate| fate.refusal(&placed).is_none()));
    // What was submitted here keeps its sender, and a bounce has none.
    house.deliver(&Mail { sender: Some(ann), from: "ann@example.org", ..mail(&recipients[..1], HEADER) });
    house.deliver(&Mail { from: "", ..mail(&recipients[..1], HEADER) });
    let froms: Vec<String> = house.queue().into_iter().map(|(from, _)| from).collect();
    assert_eq!(froms, ["postmaster@example.org", "ann@example.org", ""]);
}

#[test]
fn who_wants_to_be_told_of_success_is_by_the_queue() {
    let house = House::new("success");
    house.account("ann@example.org");
    house.account("bea@example.org");
    let notify = Notify { success: true, ..Notify::default() };
    let recipients = [Recipient { notify, ..to("ann@example.org") }, to("bea@example.org")];
    let (fates, _) = house.deliver(&mail(&recipients, HEADER));
    let taken = |copies: &[usize], onward| Fate::Taken { copies: copies.to_vec(), onward };
    assert_eq!(fates, [taken(&[], true), taken(&[0], false)]);
    assert_eq!(house.queue(), queued(&[("bob@example.net", &["ann@example.org"])]));
    // The queue itself, which tells; and where nobody is to be told.
    for mail in
        [Mail { tells_success: true, ..mail(&recipients, HEADER) }, Mail { from: "", ..mail(&recipients, HEADER) }]
    {
        assert_eq!(house.plan(&mail).0, [taken(&[0], false), taken(&[1], false)]);
    }
}

#[test]
fn only_who_logged_in_reaches_the_outside() {
    let house = House::new("relay");
    let ann = house.account("ann@example.org");
    let recipients = ["x@example.net", "ann@example.org", "y@example.net", "nobody@example.org"].map(to);
    let (fates, _) = house.deliver(&mail(&recipients, HEADER));
    let not = |route| Fate::Not(route);
    let here = Fate::Taken { copies: vec![0], onward: false };
    assert_eq!(fates, [not(Route::Outside), here.clone(), not(Route::Outside), not(Route::Unknown)]);
    assert_eq!(house.queue(), []);
    let own = Mail {
        sender: Some(ann),
        from: "ann@example.org",
        envid: Some("e"),
        ret_full: true,
        ..mail(&recipients, HEADER)
    };
    let (fates, delivery) = house.plan(&own);
    let out = Fate::Taken { copies: vec![], onward: true };
    assert_eq!(fates, [out.clone(), here, out, not(Route::Unknown)]);
    let [Onward { from, recipients, envid, ret_full, account, .. }] = &delivery.messages[0].onward[..] else {
        panic!()
    };
    assert_eq!(
        (from.as_str(), recipients.len(), envid.as_deref(), *ret_full, *account),
        ("ann@example.org", 2, Some("e"), true, Some(ann))
    );
}

#[test]
fn detail_goes_to_its_mailbox_where_that_is_wanted() {
    let house = House::new("detail");
    let ann = house.account("ann@example.org");
    house.write(Write::CreateMailbox { account: ann, name: MailboxName::nearest("Lists"), special: None });
    let send = |address: &str| house.deliver(&mail(&[to(address)], HEADER));
    send("ann+lists@example.org");
    assert_eq!(house.mail(), counts(&[("ann/INBOX", 1)]));
    house.write(Write::SetDetail { account: ann, detail: Detail::Existing });
    send("ann+lists@example.org");
    send("ann+new@example.org");
    send("ann+trash@example.org");
    assert_eq!(house.mail(), counts(&[("ann/INBOX", 3), ("ann/Lists", 1)]));
    house.write(Write::SetDetail { account: ann, detail: Detail::Make });
    send("ann+New@example.org");
    send("ann+new@example.org");
    send("ann+a/b@example.org");
    send("ann+Inbox@example.org");
    assert_eq!(house.mail(), counts(&[("ann/INBOX", 5), ("ann/Lists", 1), ("ann/New", 2)]));
    // Through an alias, too; a rule has the last word.
    house.alias("info@example.org", &["ann@example.org"]);
    send("info+lists@example.org");
    house.rule(ann, &[], &[Action::Move("Rule".to_owned())]);
    send("ann+lists@example.org");
    assert_eq!(house.mail(), counts(&[("ann/INBOX", 5), ("ann/Lists", 2), ("ann/New", 2), ("ann/Rule", 1)]));
}

#[test]
fn rules_file_flag_and_throw_away() {
    let house = House::new("rules");
    let ann = house.account("ann@example.org");
    house.rule(
        ann,
        &[(Field::Subject, "hello")],
        &[Action::Move("Greetings".to_owned()), Action::Flag("flagged".to_owned())],
    );
    house.rule(ann, &[(Field::Named("X-Spam".to_owned()), "yes")], &[Action::Discard]);
    let (_, delivery) = house.plan(&mail(&[to("ann@example.org")], HEADER));
    assert_eq!(delivery.messages[0].copies[0].flags, ["\\Flagged"]);
    house.deliver(&mail(&[to("ann@example.org")], HEADER));
    let (fates, placed) = house.deliver(&mail(&[to("ann@example.org")], b"Subject: x\r\nX-Spam: YES\r\n\r\n"));
    assert_eq!((fates.as_slice(), placed.len()), (&[Fate::Taken { copies: vec![], onward: false }][..], 0));
    house.deliver(&Mail { quarantine: true, ..mail(&[to("ann@example.org")], HEADER) });
    assert_eq!(house.mail(), counts(&[("ann/Greetings", 1), ("ann/Junk", 1)]));
    // A folder that cannot be is no reason to lose mail.
    let bad = Rule { actions: vec![Action::Move("a//b".to_owned())], ..Rule::default() };
    house.write(Write::EditRules { account: ann, edit: RuleEdit::Add(bad, None) });
    house.deliver(&mail(&[to("ann@example.org")], b"Subject: x\r\n\r\n"));
    assert_eq!(house.mail(), counts(&[("ann/Greetings", 1), ("ann/INBOX", 1), ("ann/Junk", 1)]));
}

#[test]
fn what_is_forwarded_has_a_reverse_path_of_ours_and_bounces_stay() {
    let house = House::new("forward");
    let ann = house.account("ann@example.org");
    house.rule(ann, &[], &[Action::Forward("ann@elsewhere.example".to_owned()), Action::Discard]);
    house.deliver(&mail(&[to("ann@example.org")], HEADER));
    let first = queued(&[("ann@example.org", &["ann@elsewhere.example"])]);
    assert_eq!((house.mail(), house.queue()), (counts(&[]), first.clone()));
    // A bounce may be about that address: it is kept, and nobody is ever told of its copy.
    house.deliver(&Mail { from: "", ..mail(&[to("ann@example.org")], HEADER) });
    let second = [first, queued(&[("", &["ann@elsewhere.example"])])].concat();
    assert_eq!((house.mail(), house.queue()), (counts(&[("ann/INBOX", 1)]), second.clone()));
    // What goes in a circle is kept here.
    let circling = [&b"Received: from x by mail.example.org with ESMTP; now\r\n".repeat(4)[..], HEADER].concat();
    house.deliver(&mail(&[to("ann@example.org")], &circling));
    // What is quarantined goes to nobody else.
    house.deliver(&Mail { quarantine: true, ..mail(&[to("ann@example.org")], HEADER) });
    assert_eq!((house.mail(), house.queue()), (counts(&[("ann/INBOX", 2), ("ann/Junk", 1)]), second));
}

#[test]
fn rules_that_forward_to_each_other_lose_nothing_and_end() {
    let house = House::new("forward-circle");
    let (ann, bea) = (house.account("ann@example.org"), house.account("bea@example.org"));
    house.rule(ann, &[], &[Action::Forward("bea@example.org".to_owned()), Action::Discard]);
    house.rule(bea, &[], &[Action::Forward("ann@example.org".to_owned()), Action::Discard]);
    let (fates, placed) = house.deliver(&mail(&[to("ann@example.org"), to("bea@example.org")], HEADER));
    assert_eq!(house.mail(), counts(&[("bea/INBOX", 1)]));
    assert_eq!((fates, placed.len()), (vec![Fate::Taken { copies: vec![0], onward: false }; 2], 1));
    // Nobody is there: it is kept.
    let cat = house.account("cat@example.org");
    house.rule(cat, &[], &[Action::Forward("nobody@example.org".to_owned()), Action::Discard]);
    house.deliver(&mail(&[to("cat@example.org")], HEADER));
    assert_eq!(house.mail(), counts(&[("bea/INBOX", 1), ("cat/INBOX", 1)]));
}

#[test]
fn a_delivery_may_go_over_quota_by_the_grace_and_no_further() {
    let house = House::new("grace");
    let ann = house.limited("ann@example.org", Some(10_000));
    house.account("bea@example.org");
    let send = |size| house.deliver(&Mail { size, ..mail(&[to("ann@example.org")], HEADER) });
    let taken = Fate::Taken { copies: vec![0], onward: false };
    assert_eq!(send(9_000).0, std::slice::from_ref(&taken));
    assert_eq!(send(2_001).0, [Fate::Not(Route::OverQuota)]);
    assert_eq!(send(2_000).0, [taken]);
    assert_eq!(house.route("ann@example.org"), Route::OverQuota);
    let snapshot = house.store.snapshot().unwrap();
    assert_eq!(route(&snapshot, &house.routing, "bea@example.org", Some(u64::MAX)).unwrap(), Route::Here);
    drop(snapshot);
    // Of several, one who is full keeps nobody from their mail, and misses none.
    house.alias("both@example.org", &["ann@example.org", "bea@example.org"]);
    let (fates, _) = house.deliver(&mail(&[to("both@example.org")], HEADER));
    assert_eq!(fates, [Fate::Taken { copies: vec![0, 1], onward: false }]);
    assert_eq!(house.mail(), counts(&[("ann/INBOX", 3), ("bea/INBOX", 1)]));
    // Up to a point.
    let (fates, _) = house.deliver(&Mail { size: 8_001, ..mail(&[to("both@example.org")], HEADER) });
    assert_eq!(fates, [Fate::Not(Route::OverQuota)]);
    house.write(Write::SetLimits { account: ann, limits: Limits::default() });
    assert_eq!(house.route("ann@example.org"), Route::Here);
}

fn vacation(days: u16) -> Vacation {
    Vacation { subject: String::new(), text: "I am away.".to_owned(), days, begins: Some(100), ends: Some(5_000_000) }
}

#[test]
fn who_writes_to_one_who_is_away_is_answered_once() {
    let house = House::new("away");
    let ann = house.account("ann@example.org");
    let bea = house.account("bea@example.org");
    house.alias("info@example.org", &["ann@example.org"]);
    house.write(Write::SetVacation { account: ann, vacation: Some(vacation(7)) });
    let send = |now, from: &str, header: &[u8]| {
        house.deliver(&Mail { from, now, ..mail(&[to("ann@example.org")], header) });
        house.queue().len()
    };
    assert_eq!(send(99, "bob@example.net", HEADER), 0, "not yet");
    assert_eq!(send(100, "bob@example.net", HEADER), 1);
    assert_eq!(house.queue(), queued(&[("", &["bob@example.net"])]));
    assert_eq!(send(101, "BOB@example.net", HEADER), 1, "only once");
    assert_eq!(send(100 + 7 * 86_400, "bob@example.net", HEADER), 2, "again after some days");
    let other = |header: &str| send(200, "carl@example.net", format!("{header}\r\n\r\n").as_bytes());
    assert_eq!(other("To: undisclosed-recipients:;"), 2, "not when it does not say who it is for");
    assert_eq!(other("To: ann@example.org\r\nList-Id: <x>"), 2, "not to a list");
    assert_eq!(send(200, "", HEADER), 2, "not to a bounce");
    assert_eq!(send(200, "noreply@example.net", HEADER), 2, "not to nobody");
    assert_eq!(send(200, "ann@example.org", HEADER), 2, "not to oneself");
    assert_eq!(send(5_000_000, "carl@example.net", HEADER), 2, "not any more");
    assert_eq!(other("Cc: Info <INFO@example.org>"), 3, "an alias is an own address");
    // An answer to who is here stays here.
    assert_eq!(send(200, "bea@example.org", HEADER), 3);
    assert_eq!(house.mail().get("bea/INBOX"), Some(&1));
    // One who was answered is answered again when the text changes.
    house.write(Write::SetVacation { account: ann, vacation: Some(vacation(1)) });
    assert_eq!(send(201, "carl@example.net", HEADER), 4);
    let kept = |now| prune(&house.store.snapshot().unwrap(), now).unwrap().len();
    assert_eq!((kept(201 + 86_399), kept(201 + 86_400)), (0, 1));
    house.write(Write::SetVacation { account: ann, vacation: None });
    assert_eq!(send(300, "dora@example.net", HEADER), 4);
    // Two who are away do not answer each other's answers.
    house.write(Write::SetVacation { account: ann, vacation: Some(vacation(7)) });
    house.write(Write::SetVacation { account: bea, vacation: Some(vacation(7)) });
    let answer = b"From: <bea@example.org>\r\nTo: <ann@example.org>\r\nAuto-Submitted: auto-replied\r\n\r\n";
    let before = house.mail();
    house.deliver(&Mail { from: "bea@example.org", now: 400, ..mail(&[to("ann@example.org")], answer) });
    assert_eq!(house.mail().values().sum::<u64>(), before.values().sum::<u64>() + 1);
}

#[test]
fn whose_address_nothing_vouches_for_is_not_answered_here_nor_elsewhere() {
    let house = House::new("away-unknown");
    let ann = house.account("ann@example.org");
    house.account("bea@example.org");
    house.write(Write::SetVacation { account: ann, vacation: Some(vacation(7)) });
    for from in ["bob@example.net", "bea@example.org"] {
        house.deliver(&Mail { from, vouched: false, ..mail(&[to("ann@example.org")], HEADER) });
    }
    assert_eq!((house.queue().len(), house.mail()), (0, counts(&[("ann/INBOX", 2)])));
    // And that is not held against whoever writes under it in truth.
    house.deliver(&mail(&[to("ann@example.org")], HEADER));
    assert_eq!(house.queue().len(), 1);
}

#[test]
fn two_mails_at_the_same_moment_are_answered_once() {
    let house = House::new("away-twice");
    let ann = house.account("ann@example.org");
    house.write(Write::SetVacation { account: ann, vacation: Some(vacation(7)) });
    let recipients = [to("ann@example.org")];
    // Both are planned before either is done.
    let plans = [house.plan(&mail(&recipients, HEADER)).1, house.plan(&mail(&recipients, HEADER)).1];
    for delivery in plans {
        assert_eq!(delivery.messages.len(), 2);
        house.write(Write::Deliver(Box::new(delivery)));
    }
    assert_eq!((house.queue().len(), house.mail()), (1, counts(&[("ann/INBOX", 2)])));
}

#[test]
fn an_account_is_warned_once_for_each_level_and_again_after_room_was_made() {
    let house = House::new("warn");
    let ann = house.limited("ann@example.org", Some(100_000));
    let mut alarm = house.store.alarm(ann);
    let mut look_now = || {
        let write = look(&house.store, &house.store.snapshot().unwrap(), &house.routing, ann, 7).unwrap();
        if let Some(write) = write {
            house.write(write);
        }
        alarm.hear()
    };
    let send = |size| house.deliver(&Mail { size, ..mail(&[to("ann@example.org")], HEADER) });
    send(70_000);
    assert_eq!(look_now(), None);
    send(12_000);
    assert_eq!((look_now(), look_now()), (Some(80), None));
    send(20_000);
    assert_eq!((look_now(), look_now()), (Some(100), None), "the highest level that was passed");
    // Less is allowed, and more: that is a crossing as well.
    let limit = |bytes| house.write(Write::SetLimits { account: ann, limits: Limits { bytes, messages: None } });
    limit(Some(1_000_000));
    assert_eq!(look_now(), None);
    limit(Some(108_000));
    assert_eq!((look_now(), look_now()), (Some(95), None));
    limit(None);
    assert_eq!(look_now(), None);
    // Far over: the warning comes all the same.
    limit(Some(10));
    assert_eq!((look_now(), look_now()), (Some(100), None));
    assert_eq!(house.mail(), counts(&[("ann/INBOX", 3 + 4)]));
}

#[test]
fn a_recipient_is_refused_with_what_its_copies_met() {
    let placed = [Err(Refusal::OverQuota), Err(Refusal::DiskFull)];
    let fate = |copies: &[usize]| Fate::Taken { copies: copies.to_vec(), onward: false };
    assert_eq!(fate(&[1]).refusal(&placed), Some(Refusal::DiskFull));
    assert_eq!(fate(&[]).refusal(&placed), None);
    assert_eq!(Fate::Not(Route::OverQuota).refusal(&placed), Some(Refusal::OverQuota));
    assert_eq!(Fate::Not(Route::Unknown).refusal(&placed), Some(Refusal::NoAccount));
}
