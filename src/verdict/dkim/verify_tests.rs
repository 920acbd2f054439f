use super::super::super::zone::Zone;
use super::super::{Algorithm, Key, Signer};
use super::*;
use std::sync::Arc;

const NOW: i64 = 1_700_000_000;
const PATIENCE: Duration = Duration::from_millis(200);
const MAIL: &str = "From: a@example.org\r\nSubject: one\r\n\r\nbody\r\n";

fn verdicts(zone: &Zone, message: &str) -> Vec<(DkimResult, Option<&'static str>)> {
    let (header, body) = message.split_once("\r\n\r\n").unwrap();
    let mut verifier = Verifier::new(format!("{header}\r\n\r\n").as_bytes(), NOW);
    verifier.push(body.as_bytes());
    smol::block_on(verifier.finish(zone, PATIENCE)).into_iter().map(|one| (one.result, one.why)).collect()
}

/// The example of RFC 8463 §A: one message signed by both kinds of key.
const EXAMPLE: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\nDKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n date : message-id : from : subject : date;\r\n bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\nFrom: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\nSubject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\nMessage-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
const KEYS: &str = "brisbane._domainkey.football.example.com TXT v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
    test._domainkey.football.example.com TXT v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";

#[test]
fn the_example_of_the_rfc_passes_with_both_of_its_keys() {
    assert_eq!(verdicts(&Zone::new(KEYS), EXAMPLE), [(DkimResult::Pass, None); 2]);
    let changed = EXAMPLE.replace("dinner", "supper");
    assert!(verdicts(&Zone::new(KEYS), &changed).iter().all(|(result, _)| *result == DkimResult::Fail));
}

/// A signed message and the zone with its key.
fn made() -> (String, Zone) {
    made_of(MAIL)
}

fn made_of(mail: &str) -> (String, Zone) {
    let key = Arc::new(Key::generate(Algorithm::Ed25519, "example.org", "s").unwrap());
    let mut signer = Signer::new(vec![Arc::clone(&key)], NOW);
    signer.push(mail.as_bytes());
    let mut zone = Zone::default();
    zone.add("s._domainkey.example.org", "TXT", &key.dns_record().text);
    (signer.finish() + mail, zone)
}

#[test]
fn what_a_signature_says_is_held_to_its_rules() {
    let (message, zone) = made();
    assert_eq!(verdicts(&zone, &message), [(DkimResult::Pass, None)]);
    for (from, to, result) in [
        ("v=1", "v=2", DkimResult::Neutral),
        ("v=1; ", "", DkimResult::Neutral),
        ("ed25519-sha256", "rsa-sha1", DkimResult::PermError),
        ("ed25519-sha256", "rsa-sha256", DkimResult::PermError),
        ("ed25519-sha256", "x", DkimResult::Neutral),
        ("relaxed/relaxed", "relaxed/x", DkimResult::Neutral),
        ("relaxed/relaxed", "simple/relaxed", DkimResult::Fail),
        ("d=example.org", "d=", DkimResult::PermError),
        ("d=example.org", "d=example.net", DkimResult::PermError),
        ("d=example.org", "d=example.org; i=@example.net", DkimResult::PermError),
        ("d=example.org", "d=example.org; i=@anexample.org", DkimResult::PermError),
        ("d=example.org", "d=example.org; i=a@x.example.org", DkimResult::Fail),
        ("d=example.org", "d=example.org; d=example.org", DkimResult::Neutral),
        ("d=example.org", "d=example.org; q=x", DkimResult::Neutral),
        ("d=example.org", "d=example.org; x=1699999999", DkimResult::Neutral),
        ("d=example.org", "d=example.org; l=1000", DkimResult::Fail),
        ("d=example.org", "d=example.org; l=-1", DkimResult::Neutral),
        ("s=s", "s=other", DkimResult::PermError),
        ("bh=", "bh=!", DkimResult::Neutral),
        ("bh=", "bh=AAAA", DkimResult::Fail),
        ("t=1700000000", "x=1", DkimResult::PermError),
    ] {
        let changed = message.replacen(from, to, 1);
        assert_ne!(changed, message, "{from}");
        let found = verdicts(&zone, &changed);
        assert_eq!(found[0].0, result, "{from} as {to}: {found:?}");
    }
}

#[test]
fn a_key_is_held_to_its_rules() {
    let (message, zone) = made();
    let good = smol::block_on(zone.txt("s._domainkey.example.org")).unwrap().remove(0);
    let good = String::from_utf8(good).unwrap();
    let of = |text: &str| {
        let mut zone = Zone::default();
        zone.add("s._domainkey.example.org", "TXT", text);
        verdicts(&zone, &message)[0].0
    };
    let bare = good.strip_prefix("v=DKIM1; ").unwrap();
    for text in [bare.to_owned(), format!("{good}; t=s; s=email; h=sha1:sha256"), format!("{good};s=*;n=x y")] {
        assert_eq!(of(&text), DkimResult::Pass, "{text}");
    }
    for text in [
        good.replace("DKIM1", "DKIM2"),
        good.replace("ed25519", "rsa"),
        good.replace("ed25519", "x"),
        format!("{bare}; v=DKIM1"),
        format!("{good}; h=sha1"),
        format!("{good}; s=other"),
        "v=DKIM1; k=ed25519; p=".to_owned(),
        "v=DKIM1; k=ed25519".to_owned(),
        "v=DKIM1; k=ed25519; p=!".to_owned(),
        "nonsense".to_owned(),
    ] {
        assert_eq!(of(&text), DkimResult::PermError, "{text}");
    }
    assert_eq!(of("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), DkimResult::Fail);
    assert_eq!(of("v=DKIM1; k=ed25519; p=AAAA"), DkimResult::Fail);
    let mut two = Zone::default();
    two.add("s._domainkey.example.org", "TXT", "something else");
    two.add("s._domainkey.example.org", "TXT", &good);
    assert_eq!(verdicts(&two, &message), [(DkimResult::Pass, None)]);
}

#[test]
fn a_key_that_does_not_come_hides_no_other() {
    let (message, mut zone) = made();
    zone.add("slow._domainkey.example.org", "SILENT", "");
    let (first, rest) = message.split_at(message.find("From:").unwrap());
    let slow = first.replacen("s=s", "s=slow", 1);
    let found = verdicts(&zone, &format!("{slow}{first}{slow}{slow}{rest}"));
    let late = (DkimResult::TempError, Some("its key could not be asked for"));
    assert_eq!(found, [late, (DkimResult::Pass, None), late, late]);
}

#[test]
fn signatures_without_number_are_not_all_looked_at() {
    let (message, zone) = made();
    let broken = "DKIM-Signature: x\r\n".repeat(500);
    let found = verdicts(&zone, &format!("{broken}{message}"));
    assert_eq!(found.len(), SIGNATURES);
    assert!(found.iter().all(|(result, _)| *result == DkimResult::Neutral));
}

#[test]
fn noise_never_panics() {
    let mut random = fastrand::Rng::with_seed(11);
    let zone = Zone::new(KEYS);
    for _ in 0..3_000 {
        let mut octets = EXAMPLE.as_bytes().to_vec();
        for _ in 0..random.usize(1..8) {
            let at = random.usize(..octets.len());
            octets[at] = if random.bool() { random.u8(..) } else { b"=;:\r\n \t/@"[random.usize(..9)] };
        }
        let mut verifier = Verifier::new(&octets, NOW);
        verifier.push(&octets);
        smol::block_on(verifier.finish(&zone, PATIENCE));
    }
}

#[test]
fn what_is_held_for_all_signatures_together_is_bounded() {
    let mail = MAIL.replace("one", &"x".repeat(DATA * 2 / 3));
    let (message, zone) = made_of(&mail);
    assert_eq!(verdicts(&zone, &message), [(DkimResult::Pass, None)]);
    let (signature, _) = message.split_once("From:").unwrap();
    let found = verdicts(&zone, &format!("{signature}{message}"));
    assert_eq!(found, [(DkimResult::Pass, None), (DkimResult::Neutral, Some("too much is signed"))]);
}
