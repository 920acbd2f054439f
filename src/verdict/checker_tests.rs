use super::super::dkim::{Algorithm, Key, Signer};
use super::super::zone::Zone;
use super::*;

const MAIL: &[u8] = b"From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: Hello\r\n\r\nHow are you?\r\n";
const NOW: i64 = 1_700_000_000;
const RECORDS: &str = "example.org TXT v=spf1 ip4:192.0.2.1 -all
    _dmarc.example.org TXT v=DMARC1; p=reject; sp=quarantine
    other.example TXT v=spf1 +all
    slow.example.org TIMEOUT";

fn check(zone: Zone, client: &str, mail_from: &str, message: &[u8]) -> Verdict {
    let mut checker = Checker::new(Checking {
        lookup: Arc::new(zone),
        client: client.parse().unwrap(),
        helo: "mx.other.example".to_owned(),
        mail_from: mail_from.to_owned(),
        receiver: "mx.example.net".to_owned(),
        now: NOW,
        draw: 0,
    });
    message.chunks(7).for_each(|piece| checker.push(piece));
    smol::block_on(checker.finish())
}

fn signed(keys: &[&Arc<Key>], message: &[u8]) -> Vec<u8> {
    let mut signer = Signer::new(keys.iter().map(|key| Arc::clone(key)).collect(), NOW);
    message.chunks(5).for_each(|piece| signer.push(piece));
    let header = signer.finish();
    for line in header.lines() {
        assert!(line.len() <= 78, "{line}");
    }
    [header.as_bytes(), message].concat()
}

fn key(algorithm: Algorithm, domain: &str) -> Arc<Key> {
    Arc::new(Key::generate(algorithm, domain, "s").unwrap())
}

fn with(keys: &[&Arc<Key>]) -> Zone {
    let mut zone = Zone::new(RECORDS);
    for key in keys {
        let record = key.dns_record();
        zone.add(&record.name, "TXT", &record.text);
    }
    zone
}

#[test]
fn mail_from_where_the_domain_says_passes() {
    let verdict = check(with(&[]), "192.0.2.1", "ann@example.org", MAIL);
    assert_eq!(verdict.disposition, Disposition::None);
    assert_eq!(
        verdict.header,
        "Authentication-Results: mx.example.net;\r\n\tspf=pass smtp.mailfrom=ann@example.org;\r\n\tdkim=none;\r\n\t\
         dmarc=pass (p=reject) header.from=example.org\r\n"
    );
}

#[test]
fn mail_that_nobody_vouches_for_is_refused_as_the_domain_wants_it() {
    let forged = check(with(&[]), "192.0.2.9", "eve@other.example", MAIL);
    assert!(matches!(forged.disposition, Disposition::Reject { .. }), "{forged:?}");
    assert!(forged.header.contains("spf=pass smtp.mailfrom=eve@other.example;"), "{}", forged.header);
    assert!(forged.header.contains("dmarc=fail (p=reject) header.from=example.org"), "{}", forged.header);
    let below = MAIL.to_vec();
    let below = String::from_utf8(below).unwrap().replace("ann@example", "ann@sub.example");
    let verdict = check(with(&[]), "192.0.2.9", "eve@other.example", below.as_bytes());
    assert_eq!(verdict.disposition, Disposition::Quarantine);
}

#[test]
fn a_signature_vouches_wherever_the_mail_comes_from() {
    for algorithm in [Algorithm::Rsa, Algorithm::Ed25519] {
        let key = key(algorithm, "example.org");
        let verdict = check(with(&[&key]), "192.0.2.9", "", &signed(&[&key], MAIL));
        assert_eq!((verdict.disposition, verdict.dkim[0].result), (Disposition::None, DkimResult::Pass));
        assert_eq!(verdict.dmarc[0].result, DmarcResult::Pass);
        assert!(verdict.header.contains("spf=none smtp.helo=mx.other.example;"), "{}", verdict.header);
        let changed = signed(&[&key], MAIL);
        let changed = String::from_utf8(changed).unwrap().replace("How", "Who");
        let verdict = check(with(&[&key]), "192.0.2.9", "", changed.as_bytes());
        assert_eq!(verdict.dkim[0].result, DkimResult::Fail);
        assert!(matches!(verdict.disposition, Disposition::Reject { .. }));
    }
}

#[test]
fn another_from_field_breaks_the_signature_and_is_asked_for_too() {
    let key = key(Algorithm::Ed25519, "example.org");
    for at in ["From: x@other.example\r\n", ""] {
        let message = [at.as_bytes(), &signed(&[&key], MAIL)].concat();
        let verdict = check(with(&[&key]), "192.0.2.9", "", &message);
        assert_eq!(verdict.disposition == Disposition::None, at.is_empty(), "{at}");
        assert_eq!(verdict.dmarc.len(), if at.is_empty() { 1 } else { 2 });
    }
}

#[test]
fn what_may_pass_later_is_not_refused_now() {
    let key = key(Algorithm::Ed25519, "example.org");
    let mut zone = Zone::new(RECORDS);
    zone.add("s._domainkey.example.org", "TIMEOUT", "");
    let verdict = check(zone, "192.0.2.9", "", &signed(&[&key], MAIL));
    assert_eq!((verdict.disposition, verdict.dkim[0].result), (Disposition::TryLater, DkimResult::TempError));
    let verdict = check(with(&[]), "192.0.2.9", "a@slow.example.org", MAIL);
    assert_eq!((verdict.disposition, verdict.spf.result), (Disposition::TryLater, SpfResult::TempError));
    // Nothing that comes later could make this one pass.
    let mut zone = Zone::new(RECORDS);
    zone.add("slow.example", "TIMEOUT", "");
    assert!(matches!(check(zone, "192.0.2.9", "a@slow.example", MAIL).disposition, Disposition::Reject { .. }));
    let mut zone = Zone::default();
    zone.add("_dmarc.example.org", "TIMEOUT", "");
    let verdict = check(zone, "192.0.2.9", "", MAIL);
    assert_eq!((verdict.disposition, verdict.dmarc[0].result), (Disposition::None, DmarcResult::TempError));
}

#[test]
fn what_has_no_author_is_no_error() {
    for message in
        [&b""[..], b"\r\n", b"Subject: x\r\n\r\nbody", b"From: \r\n\r\n", b"From: root\r\n\r\n", b"\0\xff\n\n\xff"]
    {
        let verdict = check(with(&[]), "::1", "", message);
        assert_eq!((verdict.disposition, verdict.dmarc[0].result), (Disposition::None, DmarcResult::PermError));
    }
}

#[test]
fn what_a_peer_writes_cannot_end_the_field() {
    let verdict = check(with(&[]), "192.0.2.1", "a\"\\\r\nX: y;é @example.org", MAIL);
    let first = verdict.header.lines().nth(1).unwrap();
    assert_eq!(first, "\tspf=pass smtp.mailfrom=\"a\\\"\\\\X: y;é @example.org\";");
}

#[test]
fn a_domain_in_other_letters_is_the_one_that_the_dns_has() {
    let records = "xn--bcher-kva.example TXT v=spf1 ip4:192.0.2.1 -all
        _dmarc.xn--bcher-kva.example TXT v=DMARC1; p=reject; aspf=s";
    let mail = "From: Ann <ann@Bücher.example>\r\n\r\nHello.\r\n".as_bytes();
    let good = check(Zone::new(records), "192.0.2.1", "ann@bücher.example", mail);
    assert_eq!((good.spf.result, good.dmarc[0].result), (SpfResult::Pass, DmarcResult::Pass));
    let forged = check(Zone::new(records), "192.0.2.9", "", mail);
    assert!(matches!(forged.disposition, Disposition::Reject { .. }), "{forged:?}");
}

#[test]
fn an_author_behind_more_header_than_anybody_writes_is_suspicious() {
    let filler = "X-A: b\r\n".repeat(50_000);
    let mail = format!("{filler}From: ann@example.org\r\n\r\nHi.\r\n");
    assert_eq!(check(with(&[]), "192.0.2.9", "", mail.as_bytes()).disposition, Disposition::Quarantine);
}

#[test]
fn an_author_among_more_than_anybody_names_is_suspicious() {
    let others = |count| (0..count).fold(String::new(), |others, number| format!("{others}a@{number}.example, "));
    for (count, wanted) in [(AUTHORS, true), (AUTHORS - 1, false)] {
        for from in [format!("{}ann@sub.other.example", others(count)), others(count + 1)] {
            let mail = format!("From: {from}\r\n\r\nHi.\r\n");
            let found = check(with(&[]), "192.0.2.9", "", mail.as_bytes()).disposition;
            assert_eq!(found == Disposition::Quarantine, wanted, "{from}");
        }
    }
}

#[test]
fn noise_in_records_never_panics_and_ends() {
    let mut random = fastrand::Rng::with_seed(17);
    let spf = "v=spf1 a:%{i}.%{d2r}.example.org/24//64 mx include:example.org exists:%{l1r-}.x.y ptr ip4:1.2.3.4/8 \
               redirect=example.org exp=e.example.org";
    let dmarc = "v=DMARC1; p=reject; sp=none; pct=20; adkim=s; psd=n";
    let mut noisy = |text: &str| {
        let mut octets = text.as_bytes().to_vec();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(7..octets.len());
            octets[at] = b" %{}:/=.-;0a\xc3"[random.usize(..13)];
        }
        String::from_utf8_lossy(&octets).into_owned()
    };
    for _ in 0..300 {
        let mut zone = Zone::default();
        zone.add("example.org", "TXT", &noisy(spf));
        zone.add("_dmarc.example.org", "TXT", &noisy(dmarc));
        zone.add("e.example.org", "TXT", &noisy("No %{s} from %{c} at %{t} for %{r}"));
        check(zone, "192.0.2.9", "a-b@example.org", MAIL);
    }
}

#[test]
fn an_author_whom_nobody_could_ask_about_is_suspect() {
    let comment = "x".repeat(limits::HEADER_VALUE);
    for from in [
        format!("From: ({comment}) ann@example.org\r\n"),
        format!("From: a@other.example\r\nFrom: ({comment}) ann@example.org\r\n"),
    ] {
        let verdict = check(with(&[]), "192.0.2.9", "x@other.example", format!("{from}\r\nHi.\r\n").as_bytes());
        assert_eq!(verdict.disposition, Disposition::Quarantine, "{}", from.get(..60).unwrap_or(&from));
    }
}
