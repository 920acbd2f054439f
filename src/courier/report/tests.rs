use super::*;
use crate::mail::BlobId;
use crate::store::{Notify, Progress};

fn recipient(address: &str, orcpt: Option<&str>) -> QueuedRecipient {
    let state = Progress::Waiting { said: None };
    QueuedRecipient { address: address.to_owned(), orcpt: orcpt.map(str::to_owned), notify: Notify::default(), state }
}

fn queued(from: &str, recipients: Vec<QueuedRecipient>) -> Queued {
    Queued {
        blob: BlobId(1),
        size: 1,
        line_ends: 0,
        from: from.to_owned(),
        envid: Some("QQ+2B314".to_owned()),
        ret_full: false,
        body_8bit: false,
        utf8: false,
        account: None,
        made: 1_030_016_176,
        next: 0,
        attempts: 3,
        delay_told: false,
        revision: 0,
        recipients,
    }
}

fn made(event: Event, queued: &Queued, said: &str, expired: bool, whole: bool) -> String {
    let told: Vec<Told<'_>> =
        queued.recipients.iter().map(|recipient| Told { recipient, said: Said::read(said), expired }).collect();
    let original = Original {
        queued,
        octets: b"From: a\nSubject: Hello\r\n\r\n",
        whole,
        message_id: Some("<1@x>".to_owned()),
        subject: Some("Hello".to_owned()),
    };
    let teller = Teller { name: "mail.example.org", number: 0xABC, now: 1_030_016_200 };
    String::from_utf8(report(event, &told, &original, &teller)).unwrap()
}

/// What stands between the lines of a report that hold the boundary.
fn parts(report: &str) -> Vec<&str> {
    report.split("--=_0000000000000abc_report").collect()
}

#[test]
fn a_failure_is_told_to_the_person_and_to_the_program() {
    let queued = queued("ann@example.org", vec![recipient("bob@example.net", Some("rfc822;b+2Bob@example.com"))]);
    let report = made(Event::Failed, &queued, "mx.example.net: 550 5.1.1 No such user", false, false);
    let parts = parts(&report);
    assert_eq!(parts.len(), 5, "{report}");
    assert!(parts[0].contains("To: <ann@example.org>\r\nSubject: Not delivered: Hello\r\n"), "{report}");
    assert!(parts[0].contains("Content-Type: multipart/report; report-type=delivery-status;\r\n"));
    assert!(parts[0].contains("Auto-Submitted: auto-replied\r\n") && parts[0].contains("In-Reply-To: <1@x>\r\n"));
    assert!(parts[1].contains("  bob@example.net\r\n    mx.example.net said: 550 5.1.1 No such user\r\n"));
    assert_eq!(
        parts[2],
        "\r\nContent-Type: message/delivery-status\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
         Reporting-MTA: dns; mail.example.org\r\n\
         Original-Envelope-Id: QQ+314\r\n\
         Arrival-Date: Thu, 22 Aug 2002 11:36:16 +0000\r\n\r\n\
         Original-Recipient: rfc822; b+ob@example.com\r\n\
         Final-Recipient: rfc822; bob@example.net\r\n\
         Action: failed\r\n\
         Status: 5.1.1\r\n\
         Remote-MTA: dns; mx.example.net\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n\
         Last-Attempt-Date: Thu, 22 Aug 2002 11:36:40 +0000\r\n\r\n"
    );
    assert!(parts[3].starts_with("\r\nContent-Type: text/rfc822-headers\r\n"));
    assert!(parts[3].contains("\r\n\r\nFrom: a\r\nSubject: Hello\r\n\r\n"));
    assert_eq!(parts[4], "--\r\n");
}

#[test]
fn what_was_given_up_says_so_whatever_was_said_last() {
    let queued = queued("ann@example.org", vec![recipient("bob@example.net", None)]);
    let report = made(Event::Failed, &queued, "mx.example.net: 451 4.7.1 Greylisted", true, true);
    assert!(report.contains("Status: 5.4.7\r\n") && report.contains("Diagnostic-Code: smtp; 451 4.7.1 Greylisted\r\n"));
    assert!(report.contains("It was tried until now; the last answer was:") && report.contains("message/rfc822\r\n"));
    assert!(!report.contains("text/rfc822-headers"));
}

#[test]
fn a_delay_says_until_when() {
    let queued =
        queued("ann@example.org", vec![recipient("bob@example.net", None), recipient("eve@example.net", None)]);
    let report = made(Event::Delayed { until: 1_030_100_000 }, &queued, "450 4.4.1 mx: not there", false, false);
    assert!(report.contains("Subject: Not yet delivered: Hello\r\n"));
    assert_eq!(report.matches("Action: delayed\r\nStatus: 4.4.1\r\nLast-Attempt-Date: ").count(), 2, "{report}");
    assert_eq!(report.matches("Will-Retry-Until: Fri, 23 Aug 2002 10:53:20 +0000\r\n").count(), 2);
}

#[test]
fn success_has_a_status_of_success() {
    let queued = queued("ann@example.org", vec![recipient("bob@example.net", None)]);
    let relayed = made(Event::Relayed, &queued, "mx: 250 ok", false, false);
    assert!(relayed.contains("Action: relayed\r\nStatus: 2.0.0\r\n"), "{relayed}");
    let delivered = made(Event::Delivered, &queued, "250 2.1.5 delivered", false, false);
    assert!(delivered.contains("Action: delivered\r\nStatus: 2.1.5\r\nLast-Attempt-Date"), "{delivered}");
}

#[test]
fn an_address_beyond_ascii_is_told_as_rfc_6533_has_it() {
    let queued = queued("ann@example.org", vec![recipient("jürgen@example.net", None)]);
    let report = made(Event::Failed, &queued, "mx: 550 5.1.1 no", false, true);
    assert!(report.contains("report-type=global-delivery-status;"));
    assert!(report.contains("Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n"));
    assert!(report.contains("Final-Recipient: utf-8; jürgen@example.net\r\n") && report.contains("message/global\r\n"));
}

#[test]
fn what_others_wrote_cannot_add_a_field() {
    let mut queued = queued("ann@example.org", vec![recipient("bob@example.net", Some("rfc822;a+0D+0AX: y"))]);
    queued.envid = Some("a+0D+0AY: z+".to_owned());
    let report = made(Event::Failed, &queued, "mx: 550 no", false, false);
    assert!(!report.contains("\nX:") && !report.contains("\nY:"), "{report}");
}

#[test]
fn a_long_answer_is_folded() {
    let queued = queued("ann@example.org", vec![recipient("bob@example.net", None)]);
    let report = made(Event::Failed, &queued, &format!("mx: 550 5.7.1 {}", "word ".repeat(60)), false, false);
    assert!(report.lines().all(|line| line.len() <= 100), "{report}");
    assert!(report.contains("Diagnostic-Code: smtp; 550 5.7.1 word word"));
}
