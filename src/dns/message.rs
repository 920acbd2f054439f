//! DNS messages: a question, and what an answer says of it (RFC 1035 §4, RFC 6891, RFC 2308).

use super::lookup::Mx;
use hickory_proto::op::{Edns, Header, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Octets of an answer over UDP: what passes without being cut in pieces on the way (RFC 9715 §3.1).
const PAYLOAD: u16 = 1232;
/// Aliases in a row in one answer.
const ALIASES: usize = 8;
/// Records of one answer that are taken.
const RECORDS: usize = 256;
/// Octets of a name with dots (RFC 1035 §2.3.4: 255 on the wire).
const NAME: usize = 253;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    A,
    Aaaa,
    Txt,
    Mx,
    Ptr,
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Txt(Vec<u8>),
    Mx(Mx),
    Ptr(String),
}

/// A question with its number.
#[derive(Clone, Debug)]
pub(super) struct Question {
    message: Message,
    kind: Kind,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The records, and for how many seconds they are good.
    Records(Vec<Data>, u32),
    /// The name stands for another one, of which the answer says nothing; for so many seconds.
    Alias(String, u32),
    /// There is no such name; for so many seconds, if it says so.
    NoSuchName(Option<u32>),
    /// The name has no such record.
    NoData(Option<u32>),
    /// It did not fit: it is asked for again where it does.
    Truncated,
    /// The server does not know EDNS.
    Unextended,
    /// The server could not tell.
    Failed(ResponseCode),
}

impl Kind {
    fn record_type(self) -> RecordType {
        match self {
            Kind::A => RecordType::A,
            Kind::Aaaa => RecordType::AAAA,
            Kind::Txt => RecordType::TXT,
            Kind::Mx => RecordType::MX,
            Kind::Ptr => RecordType::PTR,
        }
    }
}

impl Data {
    /// Octets that it takes to keep it, about.
    pub(super) fn size(&self) -> usize {
        std::mem::size_of::<Data>()
            + match self {
                Data::A(_) | Data::Aaaa(_) => 0,
                Data::Txt(text) => text.len(),
                Data::Mx(Mx { exchange: name, .. }) | Data::Ptr(name) => name.len(),
            }
    }
}

impl Question {
    /// `None` for what is no name. Each label is taken as it is: a macro of SPF may put anything into one.
    pub(super) fn new(name: &str, kind: Kind) -> Option<Question> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.is_empty() || name.len() > NAME || name.split('.').any(str::is_empty) {
            return None;
        }
        let mut name = Name::from_labels(name.split('.').map(str::as_bytes)).ok()?;
        name.set_fqdn(true);
        // Its number is one that nobody can guess.
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(name, kind.record_type()));
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        message.set_edns(edns);
        Some(Question { message, kind })
    }

    /// The same for a server that does not know EDNS.
    pub(super) fn unextended(&self) -> Question {
        let mut question = self.clone();
        question.message.edns = None;
        question
    }

    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        self.message.to_vec().ok()
    }

    /// `None` where this answers something else.
    pub(super) fn answer(&self, octets: &[u8]) -> Option<Said> {
        let answer = read(octets)?;
        let asked = self.message.queries.first()?;
        let same =
            |query: &Query| query.query_type() == asked.query_type() && query.name().eq_ignore_root(asked.name());
        let code = answer.metadata.response_code;
        // A server that cannot read a question, or has no room for the answer, need not repeat it: nothing of what it says
        // is believed.
        let says_nothing = code == ResponseCode::FormErr || answer.metadata.truncation;
        let repeats = answer.queries.first().map_or(says_nothing, same);
        let is_ours = answer.metadata.id == self.message.metadata.id
            && answer.metadata.message_type == MessageType::Response
            && repeats;
        if !is_ours {
            return None;
        }
        Some(match code {
            _ if answer.metadata.truncation => Said::Truncated,
            ResponseCode::NoError | ResponseCode::NXDomain => self.records(&answer, asked.name(), code),
            ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS if self.message.edns.is_some() => {
                Said::Unextended
            }
            code => Said::Failed(code),
        })
    }

    /// The records at the end of the aliases of a name. What the answer says of other names is not looked at.
    fn records(&self, answer: &Message, name: &Name, code: ResponseCode) -> Said {
        let (mut name, mut seconds, mut aliases) = (name.clone(), u32::MAX, 0);
        loop {
            let of_it = || {
                let same = |record: &&Record| record.dns_class == DNSClass::IN && record.name.eq_ignore_root(&name);
                answer.answers.iter().filter(same)
            };
            let found: Vec<(Data, u32)> =
                of_it().filter_map(|record| Some((self.data(&record.data)?, record.ttl))).take(RECORDS).collect();
            if !found.is_empty() {
                let shortest = found.iter().map(|(_, ttl)| *ttl).fold(seconds, u32::min);
                return Said::Records(found.into_iter().map(|(data, _)| data).collect(), shortest);
            }
            let alias = of_it().find_map(|record| match &record.data {
                RData::CNAME(alias) => Some((alias.0.clone(), record.ttl)),
                _ => None,
            });
            let Some((alias, ttl)) = alias.filter(|_| aliases < ALIASES) else { break };
            (seconds, name, aliases) = (seconds.min(ttl), alias, aliases + 1);
        }
        let lasts = lasts(answer).map(|lasts| lasts.min(seconds));
        match code {
            ResponseCode::NXDomain => Said::NoSuchName(lasts),
            // With a word of who would know, there is none; else who is asked for it may know.
            _ if aliases > 0 && lasts.is_none() => {
                plain(&name).map_or(Said::NoData(None), |to| Said::Alias(to, seconds))
            }
            _ => Said::NoData(lasts),
        }
    }

    fn data(&self, data: &RData) -> Option<Data> {
        Some(match (self.kind, data) {
            (Kind::A, RData::A(address)) => Data::A(address.0),
            (Kind::Aaaa, RData::AAAA(address)) => Data::Aaaa(address.0),
            (Kind::Txt, RData::TXT(text)) => Data::Txt(text.txt_data.concat()),
            (Kind::Mx, RData::MX(mx)) => Data::Mx(Mx { preference: mx.preference, exchange: plain(&mx.exchange)? }),
            (Kind::Ptr, RData::PTR(name)) => Data::Ptr(plain(&name.0)?),
            _ => return None,
        })
    }
}

/// Reads an answer as far as we need it. `Message` would give up all of it for one record that is empty, which updates
/// may have (RFC 2136 §2.4) and which TXT records of some are: so it is read as if it were one.
fn read(octets: &[u8]) -> Option<Message> {
    let mut decoder = BinDecoder::new(octets);
    let Header { metadata, counts } = Header::read(&mut decoder).ok()?;
    let mut message = Message::new(metadata.id, metadata.message_type, metadata.op_code);
    message.metadata = metadata;
    message.queries = Message::read_queries(&mut decoder, counts.queries.min(1).into()).ok()?;
    message.answers = Message::read_records(&mut decoder, counts.answers.into(), false, OpCode::Update).ok()?.0;
    let authorities = Message::read_records(&mut decoder, counts.authorities.into(), false, OpCode::Update);
    message.authorities = authorities.map(|(authorities, _, _)| authorities).unwrap_or_default();
    Some(message)
}

/// For how long a "there is none" is good (RFC 2308 §5).
fn lasts(answer: &Message) -> Option<u32> {
    answer.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(authority) => Some(record.ttl.min(authority.minimum)),
        _ => None,
    })
}

/// A name as text, without the dot at its end; `None` for one that has a dot in a label, or what is no UTF-8.
fn plain(name: &Name) -> Option<String> {
    let labels: Option<Vec<&str>> =
        name.iter().map(|label| std::str::from_utf8(label).ok().filter(|label| !label.contains('.'))).collect();
    Some(labels?.join("."))
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
