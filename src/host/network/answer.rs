//! DNS messages: the question for a name's addresses, and what an answer says (RFC 1035 §4).

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use std::net::IpAddr;

/// Names that may stand for each other in a row, before it is taken for a circle.
const ALIASES: usize = 8;
/// Addresses of one name that are kept.
const ADDRESSES: usize = 16;

/// A question with its number.
#[derive(Clone, Debug)]
pub(super) struct Question {
    message: Message,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The addresses, and for how many seconds they are good. There may be none of this kind.
    Addresses(Vec<IpAddr>, u32),
    /// There is no such name.
    Absent,
    /// It did not fit: it is asked for again where it does.
    Truncated,
    /// The server could not tell.
    Failed,
}

impl Question {
    /// `None` for what is no name.
    pub(super) fn new(name: &str, kind: RecordType) -> Option<Question> {
        let mut name = Name::from_ascii(name).ok()?;
        name.set_fqdn(true);
        // Its number is one that nobody can guess.
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(name, kind));
        Some(Question { message })
    }

    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        self.message.to_vec().ok()
    }

    /// `None` where this answers something else.
    pub(super) fn answer(&self, octets: &[u8]) -> Option<Answer> {
        let answer = Message::from_vec(octets).ok()?;
        let asked = self.message.queries.first()?;
        let same =
            |query: &Query| query.query_type() == asked.query_type() && query.name().eq_ignore_root(asked.name());
        let is_ours = answer.metadata.id == self.message.metadata.id
            && answer.metadata.message_type == MessageType::Response
            && answer.queries.first().is_some_and(same);
        if !is_ours {
            return None;
        }
        Some(match answer.metadata.response_code {
            _ if answer.metadata.truncation => Answer::Truncated,
            ResponseCode::NoError => addresses(&answer, asked.name(), asked.query_type()),
            ResponseCode::NXDomain => Answer::Absent,
            _ => Answer::Failed,
        })
    }
}

/// The addresses at the end of the aliases of a name. What the answer says of other names is not looked at.
fn addresses(answer: &Message, name: &Name, kind: RecordType) -> Answer {
    let (mut name, mut seconds) = (name.clone(), u32::MAX);
    for _ in 0..ALIASES {
        let of_it = || {
            let same = |record: &&hickory_proto::rr::Record| record.name.eq_ignore_root(&name);
            answer.answers.iter().filter(|record| record.dns_class == DNSClass::IN).filter(same)
        };
        let found: Vec<(IpAddr, u32)> = of_it()
            .filter_map(|record| match &record.data {
                RData::A(address) if kind == RecordType::A => Some((IpAddr::V4(address.0), record.ttl)),
                RData::AAAA(address) if kind == RecordType::AAAA => Some((IpAddr::V6(address.0), record.ttl)),
                _ => None,
            })
            .take(ADDRESSES)
            .collect();
        if !found.is_empty() {
            let shortest = found.iter().map(|(_, ttl)| *ttl).fold(seconds, u32::min);
            return Answer::Addresses(found.into_iter().map(|(address, _)| address).collect(), shortest);
        }
        let alias = of_it().find_map(|record| match &record.data {
            RData::CNAME(alias) => Some((alias.0.clone(), record.ttl)),
            _ => None,
        });
        let Some((alias, ttl)) = alias else { break };
        seconds = seconds.min(ttl);
        name = alias;
    }
    Answer::Addresses(Vec::new(), seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{A, CNAME};
    use std::net::Ipv4Addr;

    fn name(name: &str) -> Name {
        Name::from_ascii(name).unwrap()
    }

    fn reply(question: &Question, records: Vec<Record>) -> Message {
        let mut message = question.message.clone();
        message.metadata.message_type = MessageType::Response;
        message.add_answers(records);
        message
    }

    fn address(owner: &str, last: u8, ttl: u32) -> Record {
        Record::from_rdata(name(owner), ttl, RData::A(A(Ipv4Addr::new(10, 0, 0, last))))
    }

    fn alias(owner: &str, other: &str) -> Record {
        Record::from_rdata(name(owner), 60, RData::CNAME(CNAME(name(other))))
    }

    #[test]
    fn addresses_are_found_behind_aliases_and_only_there() {
        let question = Question::new("time.example.org", RecordType::A).unwrap();
        let records = vec![
            alias("Time.example.org.", "a.example.org."),
            address("b.example.org.", 9, 1),
            alias("a.example.org.", "c.example.org."),
            address("c.example.org.", 1, 300),
            address("c.example.org.", 2, 200),
        ];
        let octets = reply(&question, records).to_vec().unwrap();
        let found = [1, 2].map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))).to_vec();
        assert_eq!(question.answer(&octets), Some(Answer::Addresses(found, 60)));
    }

    #[test]
    fn a_circle_of_aliases_ends() {
        let question = Question::new("a.example.org", RecordType::A).unwrap();
        let records = vec![alias("a.example.org.", "b.example.org."), alias("b.example.org.", "a.example.org.")];
        let octets = reply(&question, records).to_vec().unwrap();
        assert_eq!(question.answer(&octets), Some(Answer::Addresses(Vec::new(), 60)));
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let question = Question::new("a.example.org", RecordType::A).unwrap();
        let other = Question::new("b.example.org", RecordType::A).unwrap();
        let mut message = reply(&other, vec![address("b.example.org.", 1, 60)]);
        message.metadata.id = question.message.metadata.id;
        assert_eq!(question.answer(&message.to_vec().unwrap()), None);
        let mut message = reply(&question, vec![address("a.example.org.", 1, 60)]);
        message.metadata.id = message.metadata.id.wrapping_add(1);
        assert_eq!(question.answer(&message.to_vec().unwrap()), None);
    }

    #[test]
    fn what_a_server_cannot_tell_is_told_apart() {
        let question = Question::new("a.example.org", RecordType::A).unwrap();
        let with = |code, truncation| {
            let mut message = reply(&question, Vec::new());
            message.metadata.response_code = code;
            message.metadata.truncation = truncation;
            question.answer(&message.to_vec().unwrap()).unwrap()
        };
        assert_eq!(with(ResponseCode::NXDomain, false), Answer::Absent);
        assert_eq!(with(ResponseCode::ServFail, false), Answer::Failed);
        assert_eq!(with(ResponseCode::NoError, true), Answer::Truncated);
    }

    #[test]
    fn noise_never_panics() {
        let question = Question::new("a.example.org", RecordType::A).unwrap();
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
}
