//! What is said to another server, and what is made of what it says.

use super::smtp_server::{Manner, Point, Tls};
use super::world::{World, courier, manner, recipients, to};
use pillarbox::admin::{self, SmarthostPrivacy, Trust};
use pillarbox::store::{Notify, Onward, OnwardRecipient, Progress};
use std::time::Duration;

#[test]
fn mail_goes_out_as_it_came_in() {
    let world = World::new("plain", vec![Manner::default()]);
    world.enqueue_content(to(&["bob@example.net", "eve@example.net"]), b"Subject: x\n\n.a\nb\r\n..\nlast");
    world.tend();
    let taken = world.server.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].content, "Subject: x\r\n\r\n.a\r\nb\r\n..\r\nlast\r\n");
    assert_eq!(taken[0].mail, "MAIL FROM:<ann@example.org> SIZE=31");
    assert_eq!(taken[0].content.len(), 31);
    assert_eq!(taken[0].rcpt, ["RCPT TO:<bob@example.net>", "RCPT TO:<eve@example.net>"]);
    assert_eq!(world.queue(), []);
    assert_eq!(world.inbox(), [] as [String; 0]);
    world.assert_clean();
}

#[test]
fn wherever_a_server_goes_away_the_mail_arrives_and_twice_only_where_that_could_not_be_known() {
    use Point::{Body, Data, Dot, Ehlo, Greeting, Mail, Quit, Rcpt};
    for pipelined in [true, false] {
        for (point, attempts) in
            [(Greeting, 2), (Ehlo, 2), (Mail, 2), (Rcpt, 2), (Data, 2), (Body, 2), (Dot, 2), (Quit, 1)]
        {
            let offers = if pipelined { vec!["PIPELINING"] } else { vec![] };
            let leaves = manner(|manner| (manner.leaves, manner.offers) = (Some(point), offers));
            let world = World::new(&format!("leaves-{point:?}-{pipelined}"), vec![leaves, Manner::default()]);
            world.enqueue(to(&["bob@example.net"]));
            world.tend();
            world.tend_after(60);
            assert_eq!(world.server.connections(), attempts, "{point:?}");
            assert_eq!(world.server.taken().len(), 1, "{point:?}");
            assert_eq!((world.queue().len(), world.inbox().len()), (0, 0), "{point:?}");
        }
    }
}

#[test]
fn a_server_that_says_nothing_is_left_after_a_while() {
    let stalls = manner(|manner| manner.stalls = Some(Point::Mail));
    let mut world = World::new("slow", vec![stalls, Manner::default()]);
    world.courier = courier(&world.store, &world.server, &world.clock, Duration::from_millis(50));
    world.enqueue(to(&["bob@example.net"]));
    world.tend();
    let states = world.states();
    assert!(
        matches!(&states[0], Progress::Waiting { said: Some(said) } if said.starts_with("450 4.4.2 mx.example.net:")),
        "{states:?}"
    );
}

#[test]
fn tls_is_used_where_it_works_and_mail_goes_out_without_it_where_it_does_not() {
    for (tls, connections, is_tls) in
        [(Tls::None, 1, false), (Tls::Good, 1, true), (Tls::Refused, 2, false), (Tls::Broken, 2, false)]
    {
        let world = World::new(&format!("tls-{tls:?}"), vec![manner(|manner| manner.tls = tls)]);
        world.enqueue(to(&["bob@example.net"]));
        world.tend();
        let taken = world.server.taken();
        assert_eq!((taken.len(), world.server.connections()), (1, connections), "{tls:?}");
        assert_eq!(taken[0].tls, is_tls, "{tls:?}");
    }
}

#[test]
fn a_smarthost_takes_all_mail_once_it_knows_us() {
    for mechanism in ["PLAIN", "LOGIN"] {
        let manner = manner(|manner| {
            manner.tls = Tls::Good;
            manner.login = Some(("ann:open sesame", mechanism));
        });
        let world = World::new(&format!("smarthost-{mechanism}"), vec![manner]);
        world.smarthost(SmarthostPrivacy::StartTls, Trust::Authority(world.ca.clone()), "open sesame");
        world.enqueue(to(&["bob@example.net", "eve@nowhere.example"]));
        world.tend();
        let taken = world.server.taken();
        assert_eq!(taken.len(), 1, "{mechanism}: {:?}", world.queue());
        assert!(taken[0].tls && taken[0].login && taken[0].rcpt.len() == 2);
        assert_eq!(world.queue(), []);
    }
}

#[test]
fn no_password_is_said_to_a_smarthost_that_is_not_private_or_not_the_right_one() {
    for tls in [Tls::None, Tls::Refused, Tls::Broken, Tls::Injected, Tls::Good] {
        let manner = manner(|manner| {
            manner.tls = tls;
            manner.login = Some(("ann:open sesame", "PLAIN"));
        });
        let world = World::new(&format!("private-{tls:?}"), vec![manner]);
        // Only the last one has nothing wrong but its certificate.
        let trust = if tls == Tls::Good { Trust::Fingerprint([1; 32]) } else { Trust::Anyone };
        world.smarthost(SmarthostPrivacy::StartTls, trust, "open sesame");
        world.enqueue(to(&["bob@example.net"]));
        world.tend();
        assert_eq!(world.server.taken(), []);
        assert!(world.server.lines().iter().all(|line| !line.starts_with("AUTH")), "{tls:?}");
        let states = world.states();
        assert!(matches!(&states[0], Progress::Waiting { said: Some(_) }), "{tls:?}: {states:?}");
    }
}

#[test]
fn the_next_host_takes_what_the_first_cannot() {
    let world = World::new("hosts", vec![Manner::default()]);
    world.enqueue(to(&["bob@two.example"]));
    world.enqueue(to(&["eve@down.example"]));
    world.tend();
    assert_eq!(recipients(&world.server.taken()), ["RCPT TO:<bob@two.example>"]);
    let states = world.states();
    assert!(
        matches!(&states[..], [Progress::Waiting { said: Some(said) }] if said.starts_with("450 4.4.1 down.example.net:")),
        "{states:?}"
    );
}

#[test]
fn a_server_that_greets_us_with_our_own_name_is_ourselves() {
    let ourselves = manner(|manner| manner.greeting = "220 mail.example.org ESMTP");
    let world = World::new("ourselves", vec![ourselves]);
    world.enqueue(to(&["bob@example.net"]));
    world.tend();
    let inbox = world.inbox();
    assert!(inbox.len() == 1 && inbox[0].contains("\r\nStatus: 5.4.6\r\n"), "{inbox:?}");
    assert_eq!(world.server.taken(), []);
}

#[test]
fn a_host_at_our_own_address_is_ourselves_whatever_its_name() {
    let world = World::at("127.0.0.1", "here", vec![Manner::default()]);
    world.enqueue(to(&["bob@here.example"]));
    world.tend();
    let inbox = world.inbox();
    assert!(inbox.len() == 1 && inbox[0].contains("\r\nStatus: 5.4.6\r\n"), "{inbox:?}");
    assert_eq!(world.server.taken(), []);
}

#[test]
fn what_the_sender_asked_for_is_passed_on_or_told() {
    let asked = |dsn: bool| {
        let manner = manner(|manner| manner.offers = if dsn { vec!["DSN", "8BITMIME"] } else { vec![] });
        let world = World::new(&format!("dsn-{dsn}"), vec![manner]);
        let notify = Notify { success: true, failure: true, delay: false };
        let orcpt = Some("rfc822;b+2Bob@example.net".to_owned());
        let recipients = vec![OnwardRecipient { address: "bob@example.net".to_owned(), orcpt, notify }];
        let (envid, from) = (Some("QQ314".to_owned()), "ann@example.org".to_owned());
        world.enqueue(Onward { from, recipients, envid, ret_full: true, body_8bit: true, ..Onward::default() });
        world.tend();
        (world.server.taken().remove(0), world.inbox())
    };
    let (taken, inbox) = asked(true);
    assert_eq!(taken.mail, "MAIL FROM:<ann@example.org> BODY=8BITMIME RET=FULL ENVID=QQ314");
    assert_eq!(taken.rcpt, ["RCPT TO:<bob@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+2Bob@example.net"]);
    assert_eq!(inbox, [] as [String; 0]);
    let (taken, inbox) = asked(false);
    assert_eq!(
        (taken.mail.as_str(), taken.rcpt[0].as_str()),
        ("MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.net>")
    );
    assert!(inbox.len() == 1 && inbox[0].contains("Action: relayed\r\nStatus: 2.0.0\r\n"), "{inbox:?}");
    assert!(inbox[0].contains("Original-Envelope-Id: QQ314\r\n"));
    assert!(inbox[0].contains("Original-Recipient: rfc822; b+ob@example.net\r\n"));
}

#[test]
fn what_a_server_cannot_take_is_not_sent_to_it() {
    let small = manner(|manner| manner.offers = vec!["SIZE 20"]);
    let world = World::new("too-large", vec![small]);
    world.enqueue(to(&["bob@example.net"]));
    world.enqueue(Onward { utf8: true, ..to(&["jürgen@example.net"]) });
    world.tend();
    assert_eq!(world.server.lines().iter().filter(|line| line.starts_with("MAIL")).count(), 0);
    let mut inbox = world.inbox();
    inbox.sort_by_key(|report| report.contains("jürgen"));
    assert_eq!(inbox.len(), 2, "{inbox:?}");
    assert!(
        inbox[0].contains("Status: 5.3.4\r\n") && inbox[1].contains("Final-Recipient: utf-8; jürgen@example.net\r\n")
    );
}

#[test]
fn mail_of_somebody_here_is_signed_by_both_keys_of_its_domain() {
    let world = World::new("signed", vec![Manner::default()]);
    world.enqueue(Onward { account: Some(world.ann), ..to(&["bob@example.net"]) });
    world.tend();
    let taken = world.server.taken();
    assert_eq!(taken[0].content.matches("DKIM-Signature: v=1;").count(), 2, "{}", taken[0].content);
    assert!(taken[0].content.contains("d=example.org;") && taken[0].content.ends_with("A line\r\n.\r\n.dot\r\n"));
    let size: usize = taken[0].mail.rsplit_once("SIZE=").expect("it is told").1.parse().expect("it is a number");
    assert_eq!(size, taken[0].content.len());
    let Ok(keys) = admin::keys::ensure(&world.store, "example.org") else { panic!("there are no keys") };
    assert_eq!(keys.len(), 2);
}

#[test]
fn what_is_all_ascii_goes_to_those_who_know_nothing_else() {
    let plain = manner(|manner| manner.offers = vec!["PIPELINING"]);
    let world = World::new("ascii", vec![plain]);
    world.enqueue(Onward { utf8: true, ..to(&["bob@example.net", "jürgen@example.net"]) });
    world.enqueue_content(Onward { utf8: true, ..to(&["eve@example.net"]) }, "Subject: ü\r\n\r\nx".as_bytes());
    world.tend();
    let taken = world.server.taken();
    assert_eq!(recipients(&taken), ["RCPT TO:<bob@example.net>"]);
    assert_eq!(taken[0].mail, "MAIL FROM:<ann@example.org>");
    let inbox = world.inbox();
    assert_eq!(inbox.len(), 2, "{inbox:?}");
    assert!(inbox.iter().any(|report| report.contains("Status: 5.6.7\r\n") && !report.contains("bob@")), "{inbox:?}");
    assert!(inbox.iter().any(|report| report.contains("Status: 5.6.9\r\n")), "{inbox:?}");
}

#[test]
fn an_answer_to_something_else_is_not_believed_to_be_one_to_the_mail() {
    // One reply too many: from then on each is taken for an answer to the next command.
    let twice = manner(|manner| manner.rcpt = vec![("bob", "250 2.1.5 Ok\r\n250 2.1.5 Ok")]);
    let world = World::new("out-of-step", vec![twice]);
    world.enqueue(to(&["bob@example.net"]));
    world.tend();
    assert_eq!((world.server.taken().len(), world.queue().len()), (0, 1));
}

#[test]
fn who_refuses_a_sender_and_hangs_up_is_heard() {
    let hangs_up = manner(|manner| (manner.mail, manner.leaves) = ("550 5.7.1 Not you", Some(Point::Rcpt)));
    let world = World::new("hangs-up", vec![hangs_up]);
    world.enqueue(to(&["bob@example.net"]));
    world.tend();
    let inbox = world.inbox();
    assert!(inbox.len() == 1 && inbox[0].contains("Status: 5.7.1\r\n"), "{inbox:?}");
}
