use super::*;
use hickory_proto::rr::rdata::{A, CNAME, MX, SOA, TXT};

fn name(name: &str) -> Name {
    Name::from_ascii(name).unwrap()
}

fn reply(question: &Question, records: Vec<Record>) -> Message {
    let mut message = question.message.clone();
    message.metadata.message_type = MessageType::Response;
    message.add_answers(records);
    message
}

fn heard(question: &Question, message: &Message) -> Option<Said> {
    question.answer(&message.to_vec().unwrap())
}

fn address(owner: &str, last: u8, ttl: u32) -> Record {
    Record::from_rdata(name(owner), ttl, RData::A(A(Ipv4Addr::new(10, 0, 0, last))))
}

fn alias(owner: &str, other: &str) -> Record {
    Record::from_rdata(name(owner), 60, RData::CNAME(CNAME(name(other))))
}

fn authority(ttl: u32, minimum: u32) -> Record {
    let soa = SOA::new(name("ns.example.org."), name("who.example.org."), 1, 2, 3, 4, minimum);
    Record::from_rdata(name("example.org."), ttl, RData::SOA(soa))
}

#[test]
fn addresses_are_found_behind_aliases_and_only_there() {
    let question = Question::new("time.example.org", Kind::A).unwrap();
    let records = vec![
        alias("Time.example.org.", "a.example.org."),
        address("b.example.org.", 9, 1),
        alias("a.example.org.", "c.example.org."),
        address("c.example.org.", 1, 300),
        address("c.example.org.", 2, 200),
    ];
    let found = [1, 2].map(|last| Data::A(Ipv4Addr::new(10, 0, 0, last))).to_vec();
    assert_eq!(heard(&question, &reply(&question, records)), Some(Said::Records(found, 60)));
}

#[test]
fn an_alias_that_leads_out_of_the_answer_is_followed_unless_there_is_nothing() {
    let question = Question::new("a.example.org", Kind::A).unwrap();
    let mut message = reply(&question, vec![alias("a.example.org.", "b.example.net.")]);
    assert_eq!(heard(&question, &message), Some(Said::Alias("b.example.net".to_owned(), 60)));
    message.add_authority(authority(900, 30));
    assert_eq!(heard(&question, &message), Some(Said::NoData(Some(30))));
    message.metadata.response_code = ResponseCode::NXDomain;
    assert_eq!(heard(&question, &message), Some(Said::NoSuchName(Some(30))));
}

#[test]
fn a_circle_of_aliases_ends() {
    let question = Question::new("a.example.org", Kind::A).unwrap();
    let records = vec![alias("a.example.org.", "b.example.org."), alias("b.example.org.", "a.example.org.")];
    assert_eq!(heard(&question, &reply(&question, records)), Some(Said::Alias("a.example.org".to_owned(), 60)));
}

#[test]
fn the_strings_of_a_text_are_joined_and_hosts_are_plain() {
    let question = Question::new("example.org", Kind::Txt).unwrap();
    let text = TXT::new(vec!["v=spf1 ".to_owned(), "-all".to_owned()]);
    let records = vec![Record::from_rdata(name("example.org."), 9, RData::TXT(text))];
    let said = heard(&question, &reply(&question, records));
    assert_eq!(said, Some(Said::Records(vec![Data::Txt(b"v=spf1 -all".to_vec())], 9)));
    let question = Question::new("example.org", Kind::Mx).unwrap();
    let records = [(10, "mx.example.org."), (0, ".")];
    let records = records.map(|(preference, host)| {
        Record::from_rdata(name("example.org."), 9, RData::MX(MX::new(preference, name(host))))
    });
    let hosts = [(10, "mx.example.org"), (0, "")];
    let hosts = hosts.map(|(preference, host)| Data::Mx(Mx { preference, exchange: host.to_owned() }));
    assert_eq!(heard(&question, &reply(&question, records.to_vec())), Some(Said::Records(hosts.to_vec(), 9)));
}

#[test]
fn an_answer_to_another_question_is_none() {
    let question = Question::new("a.example.org", Kind::A).unwrap();
    let other = Question::new("b.example.org", Kind::A).unwrap();
    let mut message = reply(&other, vec![address("b.example.org.", 1, 60)]);
    message.metadata.id = question.message.metadata.id;
    assert_eq!(heard(&question, &message), None);
    let mut message = reply(&question, vec![address("a.example.org.", 1, 60)]);
    message.metadata.id = message.metadata.id.wrapping_add(1);
    assert_eq!(heard(&question, &message), None);
    assert_eq!(heard(&question, &question.message), None, "a question is no answer");
}

#[test]
fn what_a_server_cannot_tell_is_told_apart() {
    let question = Question::new("a.example.org", Kind::A).unwrap();
    let with = |code, truncation| {
        let mut message = reply(&question, Vec::new());
        message.metadata.response_code = code;
        message.metadata.truncation = truncation;
        heard(&question, &message).unwrap()
    };
    assert_eq!(with(ResponseCode::NXDomain, false), Said::NoSuchName(None));
    assert_eq!(with(ResponseCode::NoError, false), Said::NoData(None));
    assert_eq!(with(ResponseCode::ServFail, false), Said::Failed(ResponseCode::ServFail));
    assert_eq!(with(ResponseCode::NoError, true), Said::Truncated);
    assert_eq!(with(ResponseCode::FormErr, false), Said::Unextended);
    let plain = question.unextended();
    let mut message = reply(&plain, Vec::new());
    message.metadata.response_code = ResponseCode::FormErr;
    assert_eq!(heard(&plain, &message), Some(Said::Failed(ResponseCode::FormErr)));
}

#[test]
fn what_is_no_name_is_not_asked_for() {
    let long = "x".repeat(64);
    let deep = "abc.".repeat(64);
    for bad in ["", ".", "a..b", ".a", &long, &deep] {
        assert!(Question::new(bad, Kind::A).is_none(), "{bad}");
    }
    for good in ["a", "a.", "_dmarc.example.org", "a b\\.example.org", "é.example.org"] {
        assert!(Question::new(good, Kind::A).is_some(), "{good}");
    }
}

#[test]
fn noise_never_panics() {
    let question = Question::new("a.example.org", Kind::A).unwrap();
    let whole = reply(&question, vec![address("a.example.org.", 1, 60)]).to_vec().unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..20_000 {
        let mut octets = whole.clone();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(2..octets.len());
            octets[at] = random.u8(..);
        }
        octets.truncate(random.usize(..=octets.len()));
        let _ = question.answer(&octets);
    }
}

#[test]
fn an_empty_record_spoils_no_answer() {
    let question = Question::new("example.org", Kind::Txt).unwrap();
    let text = Record::from_rdata(name("example.org."), 9, RData::TXT(TXT::new(vec!["a".to_owned()])));
    let empty = Record::from_rdata(name("example.org."), 9, RData::TXT(TXT::new(Vec::new())));
    let said = heard(&question, &reply(&question, vec![empty, text]));
    assert_eq!(said, Some(Said::Records(vec![Data::Txt(b"a".to_vec())], 9)));
}
