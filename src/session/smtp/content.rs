//! DATA (RFC 5321 §4.1.1.4) and BDAT (RFC 3030 §2): the octets of a message.

use super::answers;
use super::session::{Smtp, Work};
use super::spool::{Payer, Spool};
use super::terms::{Kind, Terms};
use crate::mail::{counted_as, limits};
use crate::session::Need;
use crate::store::Store;
use crate::wire::Out;
use crate::wire::smtp::{Answer, Body, Lone};
use ring::digest;

/// A message that is coming in.
pub(super) struct Content {
    framing: Framing,
    spool: Spool,
    hash: digest::Context,
    /// When it began to come, in seconds since 1970.
    began: i64,
    /// Octets that came, kept or not.
    came: u64,
    /// Why it will be refused: the rest is read, since the client sends it, but not kept.
    refused: Option<Answer>,
}

/// How its end is found.
#[derive(Debug)]
enum Framing {
    /// By a dot.
    Dot(Body),
    /// By counting; so many octets of this chunk are still to come.
    Count { left: u64, last: bool, lone: Lone },
}

/// A whole message.
pub(super) struct Whole {
    pub(super) spool: Spool,
    pub(super) digest: digest::Digest,
}

impl Smtp {
    pub(super) fn data(&mut self, out: &mut Out) -> Need {
        let no_recipients = self.no_recipients();
        let wrong = match &self.transaction {
            None => answers::MAIL_FIRST,
            Some(transaction) if transaction.content.is_some() => answers::CHUNKS_BEGUN,
            Some(transaction) if transaction.recipients.is_empty() => no_recipients,
            Some(_) => {
                self.work = Work::Content(Box::new(self.content(Framing::Dot(Body::default()))));
                return self.grant(&answers::SEND, out);
            }
        };
        self.refuse(&wrong, out)
    }

    pub(super) fn bdat(&mut self, left: u64, last: bool, store: &Store, out: &mut Out) -> Need {
        let no_recipients = self.no_recipients();
        let begun = self.transaction.as_mut().and_then(|transaction| transaction.content.take());
        let mut content = begun.unwrap_or_else(|| {
            let framing = Framing::Count { left: 0, last: false, lone: Lone::default() };
            let mut content = Box::new(self.content(framing));
            // RFC 3030 §2: the octets come, whatever is thought of the command.
            match &self.transaction {
                None => content.refuse(answers::MAIL_FIRST),
                Some(transaction) if transaction.recipients.is_empty() => content.refuse(no_recipients),
                Some(_) => {}
            }
            content
        });
        content.next_chunk(left, last);
        match self.read_content(content, store, out) {
            Some(need) => need,
            None => Need::Flush,
        }
    }

    fn content(&self, framing: Framing) -> Content {
        let payer = match (&self.login, self.peer) {
            (Some((account, _)), _) => Payer::Account(*account),
            (None, Some(peer)) => Payer::Stranger(counted_as(peer)),
            (None, None) => Payer::Machine,
        };
        Content::new(framing, &self.terms, payer, self.now)
    }

    fn no_recipients(&self) -> Answer {
        // RFC 2033 §4.2: LMTP has no answer for each of none.
        if self.kind == Kind::Lmtp { answers::NO_RECIPIENTS_LMTP } else { answers::NO_RECIPIENTS }
    }

    /// Reads on; `None` when more has to come first.
    pub(super) fn read_content(&mut self, mut content: Box<Content>, store: &Store, out: &mut Out) -> Option<Need> {
        let limit = self.terms.rules.message;
        let (count, ended) = content.read(self.input.rest(), limit);
        self.input.take(count);
        if content.came > limits::DRAIN {
            return Some(self.end(&answers::TOO_LARGE, out));
        }
        if !ended {
            self.work = Work::Content(content);
            return None;
        }
        if !content.is_last() {
            return Some(self.chunk_ended(content, out));
        }
        Some(match content.finish() {
            Ok(whole) => self.arrive(whole, store, out),
            Err(answer) => self.refuse_message(&answer, out),
        })
    }

    /// A chunk that was not the last.
    fn chunk_ended(&mut self, content: Box<Content>, out: &mut Out) -> Need {
        let answer = content.refused.clone().unwrap_or(answers::CHUNK);
        if let Some(transaction) = &mut self.transaction {
            transaction.content = Some(content);
        }
        self.answer(&answer, out);
        Need::Flush
    }
}

impl Content {
    fn new(framing: Framing, terms: &Terms, payer: Payer, now: i64) -> Content {
        let spool = Spool::new(&terms.spools, payer);
        Content { framing, spool, hash: digest::Context::new(&digest::SHA256), began: now, came: 0, refused: None }
    }

    /// The moment at which the rest has to be here where others need the room.
    pub(super) fn least_deadline(&self) -> i64 {
        let earned = i64::try_from(self.came / limits::SPOOL_SPEED).unwrap_or(i64::MAX);
        self.began.saturating_add(limits::SPOOL_GRACE).saturating_add(earned)
    }

    fn refuse(&mut self, answer: Answer) {
        self.refused.get_or_insert(answer);
    }

    fn next_chunk(&mut self, octets: u64, is_last: bool) {
        if let Framing::Count { left, last, .. } = &mut self.framing {
            (*left, *last) = (octets, is_last);
        }
    }

    fn is_last(&self) -> bool {
        !matches!(self.framing, Framing::Count { last: false, .. })
    }

    /// How many of the octets belong to it, and whether it, or this chunk of it, has ended.
    fn read(&mut self, octets: &[u8], limit: u64) -> (usize, bool) {
        let Content { framing, spool, hash, refused, .. } = self;
        let mut keep = |run: &[u8]| {
            if refused.is_some() {
                return;
            }
            if spool.len().saturating_add(run.len() as u64) > limit {
                *refused = Some(answers::TOO_LARGE);
                return;
            }
            hash.update(run);
            if let Err(full) = spool.push(run) {
                *refused = Some(answers::full(full));
            }
        };
        let (count, ended) = match framing {
            Framing::Dot(body) => body.read(octets, keep),
            Framing::Count { left, lone, .. } => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(octets.len());
                let run = octets.get(..count).unwrap_or_default();
                lone.feed(run);
                keep(run);
                *left -= count as u64;
                (count, *left == 0)
            }
        };
        self.came += count as u64;
        (count, ended)
    }

    fn finish(self) -> Result<Whole, Answer> {
        let stands_alone = match &self.framing {
            Framing::Dot(body) => body.is_bare(),
            Framing::Count { lone, .. } => lone.is_found(),
        };
        if let Some(answer) = self.refused {
            return Err(answer);
        }
        if stands_alone {
            return Err(answers::LONE_LINE_ENDS);
        }
        Ok(Whole { spool: self.spool, digest: self.hash.finish() })
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("framing", &self.framing).field("came", &self.came).finish_non_exhaustive()
    }
}
