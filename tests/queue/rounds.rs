//! Attempt after attempt: what waits, what becomes of each recipient, who is told, what the owner may do.

use super::smtp_server::{Manner, Point, Tls};
use super::world::{BEGAN, HOUR, PATIENCE, World, courier, manner, recipients, to};
use pillarbox::admin::{QueueRequest, Reply, Request, SmarthostPrivacy, SmarthostRequest, Strength, Trust, perform};
use pillarbox::store::{Notify, Onward, Outcome, Progress, Write};
use smol::future::FutureExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[test]
fn what_cannot_be_taken_now_is_tried_again_when_it_is_time() {
    let busy = manner(|manner| manner.rcpt = vec![("", "451 4.7.1 Later")]);
    let world = World::new("later", vec![busy, Manner::default()]);
    world.enqueue(to(&["bob@example.net"]));
    world.tend();
    assert_eq!(world.states(), [Progress::Waiting { said: Some("mx.example.net: 451 4.7.1 Later".to_owned()) }]);
    world.tend_after(59);
    assert_eq!((world.server.taken().len(), world.server.connections()), (0, 1));
    world.tend_after(1);
    assert_eq!((world.server.taken().len(), world.server.connections()), (1, 2));
    assert_eq!(world.queue(), []);
    assert_eq!(world.inbox(), [] as [String; 0]);
}

#[test]
fn each_recipient_has_a_fate_of_its_own_and_the_sender_hears_of_the_lost_ones() {
    let mixed = manner(|manner| manner.rcpt = vec![("no@", "550 5.1.1 Nobody"), ("later@", "452 4.2.2 Full")]);
    let world = World::new("mixed", vec![mixed]);
    world.enqueue(to(&["yes@example.net", "no@example.net", "later@example.com"]));
    world.tend();
    let states = world.states();
    assert!(matches!(&states[0], Progress::Delivered { host, .. } if host == "mx.example.net"), "{states:?}");
    assert!(matches!(&states[1], Progress::Failed { said } if said.contains("550 5.1.1 Nobody")), "{states:?}");
    assert!(matches!(&states[2], Progress::Waiting { said: Some(_) }), "{states:?}");
    let inbox = world.inbox();
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    assert!(inbox[0].contains("Final-Recipient: rfc822; no@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n"));
    assert!(inbox[0].contains("Content-Type: text/rfc822-headers\r\n") && inbox[0].contains("\r\nSubject: Hello\r\n"));
    assert!(!inbox[0].contains("yes@example.net"), "{}", inbox[0]);
    world.server.behave(Manner::default());
    world.tend_after(60);
    assert_eq!(recipients(&world.server.taken()), ["RCPT TO:<yes@example.net>", "RCPT TO:<later@example.com>"]);
    assert_eq!((world.queue().len(), world.inbox().len()), (0, 1));
    world.assert_clean();
}

#[test]
fn a_courier_that_is_stopped_anywhere_leaves_nothing_undone() {
    use Point::{Body, Data, Dot, Ehlo, Greeting, Mail, Rcpt};
    for point in [Greeting, Ehlo, Mail, Rcpt, Data, Body, Dot] {
        let stalls = manner(|manner| manner.stalls = Some(point));
        let world = World::new(&format!("stopped-{point:?}"), vec![stalls, Manner::default()]);
        world.enqueue(to(&["bob@example.net"]));
        let stopped = async {
            while world.server.connections() == 0 {
                smol::Timer::after(Duration::from_millis(5)).await;
            }
            smol::Timer::after(Duration::from_millis(50)).await;
        };
        smol::block_on(Arc::clone(&world.courier).tend().or(stopped));
        assert_eq!(world.queue().len(), 1, "{point:?}");
        let again = courier(&world.store, &world.server, &world.clock, PATIENCE);
        smol::block_on(again.tend());
        assert_eq!((world.server.taken().len(), world.queue().len()), (1, 0), "{point:?}");
    }
}

#[test]
fn mail_waits_until_a_wrong_password_is_put_right() {
    let manner = manner(|manner| {
        manner.tls = Tls::Good;
        manner.login = Some(("ann:open sesame", "PLAIN"));
    });
    let world = World::new("password", vec![manner]);
    world.smarthost(SmarthostPrivacy::StartTls, Trust::Anyone, "open barley");
    world.enqueue(to(&["bob@example.net"]));
    world.tend();
    let states = world.states();
    assert!(matches!(&states[0], Progress::Waiting { said: Some(said) } if said.contains("535 5.7.8")), "{states:?}");
    // Set anew, it is tried at once: nobody waits for the next attempt.
    world.clock.fetch_add(1, Ordering::SeqCst);
    world.smarthost(SmarthostPrivacy::StartTls, Trust::Anyone, "open sesame");
    world.clock.store(i64::MAX / 2, Ordering::SeqCst);
    world.tend();
    assert_eq!((world.server.taken().len(), world.queue().len()), (1, 0));
    let shown = perform(
        &world.store,
        Strength { memory_kib: 8, passes: 1, lanes: 1 },
        Request::Smarthost(SmarthostRequest::Show),
    );
    assert!(!format!("{shown:?}").contains("sesame"));
}

#[test]
fn a_mail_that_nobody_takes_is_told_of_after_hours_and_given_up_after_days() {
    let world = World::new("expired", vec![manner(|manner| manner.mail = "451 4.3.0 Not now")]);
    world.enqueue(to(&["bob@example.net"]));
    let mut told = Vec::new();
    for _ in 0..100 {
        world.tend();
        if world.inbox().len() > told.len() {
            told.push(world.now() - BEGAN);
        }
        let queue = world.queue();
        let [(_, queued)] = queue.as_slice() else { break };
        world.clock.store(queued.next, Ordering::SeqCst);
    }
    assert_eq!(world.queue(), []);
    assert!(
        matches!(told[..], [first, last] if (4 * HOUR..9 * HOUR).contains(&first)
        && (120 * HOUR..124 * HOUR).contains(&last)),
        "{told:?}"
    );
    let inbox = world.inbox();
    assert!(inbox[0].contains("Action: delayed\r\nStatus: 4.3.0\r\n") && inbox[0].contains("Will-Retry-Until: "));
    assert!(inbox[1].contains("Action: failed\r\nStatus: 5.4.7\r\n"), "{}", inbox[1]);
    world.assert_clean();
}

#[test]
fn a_clock_that_jumps_gives_no_mail_up() {
    let world = World::new("jumps", vec![manner(|manner| manner.mail = "451 4.3.0 Not now")]);
    world.clock.store(0, Ordering::SeqCst);
    world.enqueue(to(&["bob@example.net"]));
    world.tend();
    // The network is there, and with it the time.
    world.clock.store(BEGAN, Ordering::SeqCst);
    world.tend();
    assert_eq!((world.queue().len(), world.inbox().len()), (1, 0));
    // And back, to before the next attempt by years.
    world.clock.store(1_000, Ordering::SeqCst);
    world.server.behave(Manner::default());
    world.tend();
    assert_eq!((world.queue().len(), world.server.taken().len()), (0, 1));
}

#[test]
fn what_can_never_arrive_is_told_at_once() {
    for (domain, status) in [("nowhere.example", "5.1.2"), ("null.example", "5.1.10"), ("circle.example", "5.4.6")] {
        let world = World::new(domain, vec![Manner::default()]);
        world.enqueue(to(&[&format!("bob@{domain}")]));
        world.tend();
        let inbox = world.inbox();
        assert!(inbox.len() == 1 && inbox[0].contains(&format!("\r\nStatus: {status}\r\n")), "{inbox:?}");
        assert_eq!((world.queue().len(), world.server.connections()), (0, 0));
    }
}

#[test]
fn an_owner_sees_what_waits_and_tries_it_or_takes_it_out() {
    let world = World::new("owner", vec![manner(|manner| manner.mail = "451 4.3.0 Not now")]);
    let ask = |request| perform(&world.store, Strength { memory_kib: 8, passes: 1, lanes: 1 }, Request::Queue(request));
    for _ in 0..3 {
        world.enqueue(to(&["bob@example.net"]));
    }
    world.tend();
    let Reply::Queue(lines) = ask(QueueRequest::List { from: 0 }) else { panic!("it is listed") };
    let [first, second, third] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((first.attempts, first.from.as_str(), first.next), (1, "ann@example.org", BEGAN + 60));
    assert_eq!(first.recipients[0].said, "mx.example.net: 451 4.3.0 Not now");
    assert_eq!(ask(QueueRequest::List { from: second.id }), Reply::Queue(lines[1..].to_vec()));
    assert_eq!(ask(QueueRequest::Show { id: third.id }), Reply::Queue(lines[2..].to_vec()));
    assert_eq!(ask(QueueRequest::Drop { id: second.id }), Reply::Done);
    assert!(matches!(ask(QueueRequest::Drop { id: second.id }), Reply::Failed(_)));
    assert!(matches!(ask(QueueRequest::Retry { id: Some(second.id) }), Reply::Failed(_)));
    assert_eq!(ask(QueueRequest::Retry { id: Some(first.id) }), Reply::Done);
    // The owner's clock is the machine's.
    world.clock.store(world.queue()[0].1.next, Ordering::SeqCst);
    world.server.behave(Manner::default());
    world.tend();
    assert_eq!((world.server.taken().len(), world.queue().len()), (2, 0));
    world.assert_clean();
}

#[test]
fn what_is_taken_out_while_it_is_carried_is_not_put_back() {
    let stalls = manner(|manner| manner.stalls = Some(Point::Rcpt));
    let world = World::new("dropped", vec![stalls]);
    world.enqueue(to(&["bob@example.net"]));
    let dropped = async {
        while !world.server.lines().iter().any(|line| line.starts_with("RCPT")) {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
        let (id, _) = world.queue()[0];
        let request = Request::Queue(QueueRequest::Drop { id: id.0 });
        let done = perform(&world.store, Strength { memory_kib: 8, passes: 1, lanes: 1 }, request);
        assert_eq!(done, Reply::Done);
        std::future::pending::<()>().await;
    };
    // The server is left after a while, and what it is said to have said is not written.
    smol::block_on(Arc::clone(&world.courier).tend().or(dropped));
    assert_eq!((world.queue().len(), world.inbox().len()), (0, 0));
    world.assert_clean();
}

#[test]
fn a_large_mail_that_comes_home_stays() {
    let world = World::new("large", vec![Manner::default()]);
    let mut content = b"Subject: large\r\n\r\n".to_vec();
    // What does not pack, so that most of it is staged before it is placed.
    let mut number = 1_u64;
    while content.len() < 12 << 20 {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        content.extend_from_slice(format!("{number:016x}{:016x}\r\n", number.rotate_left(17) ^ 0x5bd1_e995).as_bytes());
    }
    world.enqueue_content(to(&["ann@example.org"]), &content);
    world.tend();
    let sweep = || world.store.write_blocking(Write::Sweep).expect("it can be written");
    while let Outcome::Swept { more: true, .. } = sweep() {}
    let inbox = world.inbox();
    assert!(inbox.len() == 1 && inbox[0].as_bytes() == content, "{} mails", inbox.len());
    assert_eq!(world.queue(), []);
    world.assert_clean();
}

#[test]
fn what_has_no_sender_is_answered_by_nothing_and_a_report_goes_out_without_one() {
    let world = World::new("null", vec![manner(|manner| manner.rcpt = vec![("bob@", "550 5.1.1 Nobody")])]);
    world.enqueue(Onward { from: String::new(), ..to(&["bob@example.net"]) });
    world.tend();
    assert_eq!((world.queue().len(), world.inbox().len()), (0, 0));
    // A sender elsewhere is told by mail.
    world.enqueue(Onward { from: "carol@example.com".to_owned(), ..to(&["bob@example.net"]) });
    world.tend();
    let taken = world.server.taken();
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert!(taken[0].mail.starts_with("MAIL FROM:<> "), "{}", taken[0].mail);
    assert_eq!(taken[0].rcpt, ["RCPT TO:<carol@example.com>"]);
    assert!(taken[0].content.contains("Final-Recipient: rfc822; bob@example.net\r\nAction: failed\r\n"));
    assert_eq!((world.queue().len(), world.inbox().len()), (0, 0));
}

#[test]
fn who_is_here_after_all_gets_it_here() {
    let world = World::new("home", vec![Manner::default()]);
    let notify = Notify { success: true, failure: true, delay: false };
    let mut onward = to(&["ann@example.org", "nobody@example.org", "bob@example.net"]);
    onward.recipients[0].notify = notify;
    world.enqueue(onward);
    world.tend();
    let mut inbox = world.inbox();
    inbox.sort_by_key(|mail| (mail.contains("Action: "), mail.contains("Action: failed")));
    assert_eq!(inbox.len(), 3, "{inbox:?}");
    assert!(inbox[0].contains("Subject: Hello\r\n") && inbox[0].ends_with("A line\r\n.\r\n.dot\r\n"), "{}", inbox[0]);
    assert!(inbox[1].contains("Action: delivered\r\nStatus: 2.1.5\r\n"), "{}", inbox[1]);
    assert!(inbox[2].contains("nobody@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n"), "{}", inbox[2]);
    assert_eq!((world.server.taken().len(), world.queue().len()), (1, 0));
    world.assert_clean();
}

#[test]
fn a_busy_destination_keeps_no_other_waiting() {
    let stalls = manner(|manner| manner.stalls = Some(Point::Rcpt));
    let world = World::new("busy", vec![stalls.clone(), stalls, Manner::default()]);
    for _ in 0..6 {
        world.enqueue(to(&["bob@example.net"]));
    }
    let until_stalled = async {
        while world.server.connections() < 2 {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
        world.enqueue(to(&["eve@example.com"]));
        while world.server.taken().is_empty() {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
    };
    smol::block_on(Arc::clone(&world.courier).run().or(until_stalled));
    assert_eq!(recipients(&world.server.taken()), ["RCPT TO:<eve@example.com>"]);
    assert_eq!(world.server.connections(), 3, "two at a time go to one domain");
}

#[test]
fn hundreds_for_a_host_that_hangs_keep_no_other_waiting() {
    let stalls = manner(|manner| manner.stalls = Some(Point::Rcpt));
    let world = World::new("starving", vec![stalls.clone(), stalls, Manner::default()]);
    for _ in 0..520 {
        world.enqueue(to(&["bob@example.net"]));
    }
    world.clock.fetch_add(1, Ordering::SeqCst);
    world.enqueue(to(&["eve@example.com"]));
    let until_taken = async {
        while world.server.taken().is_empty() {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
    };
    let late = async {
        smol::Timer::after(Duration::from_secs(20)).await;
        panic!("it waits for the others");
    };
    smol::block_on(Arc::clone(&world.courier).run().or(until_taken).or(late));
    assert_eq!(recipients(&world.server.taken()), ["RCPT TO:<eve@example.com>"]);
}
