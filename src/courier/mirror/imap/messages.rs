//! Messages at the server: looked at, fetched, brought, moved, deleted.

use super::client::{Heard, Imap, Reading, refused};
use crate::courier::mirror::error::Error;
use crate::courier::mirror::line::Io;
use crate::courier::mirror::mail::{Download, Upload};
use crate::mail::Stamp;
use crate::wire::imap::answer::{Answer, Code, Fetched, How};
use std::collections::HashSet;
use std::fmt::Write;

/// Octets of a UID set in one command.
const SET: usize = 4_000;
/// Octets of a header that is compared.
pub const HEADER: usize = 256 << 10;
/// Headers that are asked for at once.
const HEADERS: usize = 100;

/// Where messages went, pairwise; empty where the server does not say.
pub type Copied = Vec<(u32, u32)>;

impl<S: Io> Imap<S> {
    /// UIDs and flags of all messages, or of those that changed after `since`. What the server says of UIDs that are
    /// gone, where it can and is asked for changes, comes as `Answer::Vanished`.
    pub async fn scan(
        &mut self,
        since: Option<u64>,
        hear: &mut (dyn FnMut(Answer) -> Result<(), Error> + Send),
    ) -> Result<(), Error> {
        let command = match since {
            Some(since) if self.resyncs => format!("UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE {since} VANISHED)"),
            Some(since) => format!("UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE {since})"),
            None => "UID FETCH 1:* (UID FLAGS)".to_owned(),
        };
        self.ask(command.as_bytes(), hear).await.map(|_| ())
    }

    /// The UIDs of all messages; how many went meanwhile.
    pub async fn uids(&mut self, uids: &mut HashSet<u32>) -> Result<u64, Error> {
        let mut went = 0;
        self.ask(b"UID FETCH 1:* (UID)", &mut |answer| {
            match answer {
                Answer::Fetch(Fetched { uid: Some(uid), .. }) => {
                    uids.insert(uid);
                }
                Answer::Expunge(_) => went += 1,
                _ => {}
            }
            Ok(())
        })
        .await?;
        Ok(went)
    }

    /// What there is to know of messages but their content: flags, date, size, and Message-ID.
    pub async fn describe(
        &mut self,
        uids: &[u32],
        hear: &mut (dyn FnMut(Fetched) -> Result<(), Error> + Send),
    ) -> Result<(), Error> {
        for set in sets(uids) {
            let items = "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])";
            self.ask(format!("UID FETCH {set} {items}").as_bytes(), &mut |answer| match answer {
                Answer::Fetch(fetched) if fetched.uid.is_some() && fetched.size.is_some() => hear(fetched),
                _ => Ok(()),
            })
            .await?;
        }
        Ok(())
    }

    /// The whole headers of messages, but for those that are gone, or have more than is compared.
    pub async fn headers(&mut self, uids: &[u32], hear: &mut (dyn FnMut(u32, &[u8]) + Send)) -> Result<(), Error> {
        for few in uids.chunks(HEADERS) {
            for set in sets(few) {
                // One octet more tells that it is longer.
                let command = format!("UID FETCH {set} (UID BODY.PEEK[HEADER]<0.{}>)", HEADER + 1);
                self.ask(command.as_bytes(), &mut |answer| {
                    if let Answer::Fetch(Fetched { uid: Some(uid), header: Some(header), .. }) = answer
                        && header.len() <= HEADER
                    {
                        hear(uid, &header);
                    }
                    Ok(())
                })
                .await?;
            }
        }
        Ok(())
    }

    /// A message's content, as it streams in; whether it was there. What the server says of its size does not count: only
    /// what comes.
    pub async fn fetch(&mut self, uid: u32, into: &mut Download) -> Result<bool, Error> {
        let tag = self.say(format!("UID FETCH {uid} (UID BODY.PEEK[])").as_bytes()).await?;
        let (mut came, mut whole) = (false, None);
        loop {
            let mut reading = Reading::default();
            let answer = loop {
                match self.hear(&mut reading).await? {
                    Heard::Answer(answer) => break answer,
                    Heard::Body(length) if came => self.skip(length).await?,
                    Heard::Body(length) => {
                        came = true;
                        let mut left = length;
                        while left > 0 {
                            let some = self.lines.some(left).await?;
                            left -= some.len() as u64;
                            into.push(some).await?;
                        }
                    }
                }
            };
            match answer {
                Answer::Tagged(named, state) if named == tag => {
                    if state.how != How::Ok {
                        return Err(refused(state));
                    }
                    return match whole {
                        None => Ok(false),
                        Some(said) if said == uid => Ok(true),
                        Some(_) => Err(Error::protocol("another message came than was asked for")),
                    };
                }
                Answer::Tagged(..) => return Err(Error::protocol("an answer to what was not asked")),
                Answer::Fetch(Fetched { uid: said, body: Some(inline), .. }) => {
                    if whole.is_some() {
                        return Err(Error::protocol("more than one message came"));
                    }
                    // A short one may come as a quoted string.
                    if !came {
                        into.push(&inline).await?;
                    }
                    whole = Some(said.unwrap_or(uid));
                }
                _ => {}
            }
        }
    }

    /// Sets or unsets flags.
    pub async fn flag(&mut self, uids: &[u32], on: bool, names: &[String]) -> Result<(), Error> {
        if names.is_empty() {
            return Ok(());
        }
        let sign = if on { '+' } else { '-' };
        for set in sets(uids) {
            let command = format!("UID STORE {set} {sign}FLAGS.SILENT ({})", names.join(" "));
            self.command(command.as_bytes()).await?;
        }
        Ok(())
    }

    /// Moves messages of the selected mailbox into another one.
    pub async fn move_to(&mut self, uids: &[u32], to: &[u8]) -> Result<Copied, Error> {
        let moves = self.abilities.moves;
        let mut copied = Vec::new();
        for set in sets(uids) {
            let verb = if moves { "UID MOVE" } else { "UID COPY" };
            let tag = self.next_tag();
            self.lines.send(format!("{tag} {verb} {set} ").as_bytes()).await?;
            self.string(to).await?;
            self.lines.send(b"\r\n").await?;
            let mut said = Vec::new();
            let state = self
                .finish(tag.as_bytes(), &mut |answer| {
                    // MOVE says it in an untagged OK (RFC 6851 §4.3).
                    if let Answer::State(state) = answer {
                        said.push(state.code);
                    }
                    Ok(())
                })
                .await?;
            said.push(state.code);
            for code in said {
                if let Code::CopyUid { from, to, .. } = code {
                    copied.extend(numbers(&from).zip(numbers(&to)));
                }
            }
        }
        if !moves {
            self.expunge(uids).await?;
        }
        Ok(copied)
    }

    /// Deletes messages of the selected mailbox, and no others.
    pub async fn expunge(&mut self, uids: &[u32]) -> Result<(), Error> {
        let deleted = ["\\Deleted".to_owned()];
        if self.abilities.uid_plus {
            self.flag(uids, true, &deleted).await?;
            for set in sets(uids) {
                self.command(format!("UID EXPUNGE {set}").as_bytes()).await?;
            }
            return Ok(());
        }
        // EXPUNGE takes all that are marked: the others are not marked for that moment (RFC 4549 §4.2.4).
        let mut others = Vec::new();
        self.ask(b"UID SEARCH DELETED", &mut |answer| {
            if let Answer::Search(found) = answer {
                others = found;
            }
            Ok(())
        })
        .await?;
        others.retain(|uid| !uids.contains(uid));
        self.flag(&others, false, &deleted).await?;
        self.flag(uids, true, &deleted).await?;
        self.command(b"EXPUNGE").await?;
        self.flag(&others, true, &deleted).await
    }

    /// Brings a message to a mailbox; its UID there, where the server says it.
    pub async fn append(
        &mut self,
        to: &[u8],
        flags: &[String],
        received: Stamp,
        upload: &mut Upload,
    ) -> Result<Option<(u32, u32)>, Error> {
        let tag = self.begin("APPEND", to).await?;
        self.lines.send(format!(" ({}) \"{}\" ", flags.join(" "), internal_date(received)).as_bytes()).await?;
        self.announce(upload.size()).await?;
        let mut piece = Vec::new();
        while upload.next(&mut piece)? {
            self.lines.send(&piece).await?;
        }
        self.lines.send(b"\r\n").await?;
        let state = self.finish(tag.as_bytes(), &mut |_| Ok(())).await?;
        Ok(match state.code {
            Code::AppendUid { uid_validity, uid } => Some((uid_validity, uid)),
            _ => None,
        })
    }

    /// Lets the server tell what is new in the selected mailbox.
    pub async fn noop(&mut self) -> Result<(), Error> {
        self.command(b"NOOP").await.map(|_| ())
    }
}

/// UIDs as sets that each fit into a command.
fn sets(uids: &[u32]) -> Vec<String> {
    let mut sorted = uids.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for uid in sorted {
        match ranges.last_mut() {
            Some(last) if last.1.checked_add(1) == Some(uid) => last.1 = uid,
            _ => ranges.push((uid, uid)),
        }
    }
    let mut sets = Vec::new();
    let mut set = String::new();
    for (from, to) in ranges {
        if set.len() > SET {
            sets.push(std::mem::take(&mut set));
        }
        let comma = if set.is_empty() { "" } else { "," };
        // A String takes all that is written to it.
        let _ = if from == to { write!(set, "{comma}{from}") } else { write!(set, "{comma}{from}:{to}") };
    }
    if !set.is_empty() {
        sets.push(set);
    }
    sets
}

/// The numbers of a set in the order in which it names them.
fn numbers(set: &[(u32, u32)]) -> impl Iterator<Item = u32> {
    // A range may be said backwards, and means the same.
    set.iter().flat_map(|&(from, to)| from.min(to)..=from.max(to)).take(1_000_000)
}

/// `date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE`, without the quotes.
fn internal_date(stamp: Stamp) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let local = stamp.seconds.saturating_add(i64::from(stamp.zone) * 60);
    let moment = time::OffsetDateTime::from_unix_timestamp(local).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let month = MONTHS.get(usize::from(u8::from(moment.month())) - 1).copied().unwrap_or("Jan");
    let zone = stamp.zone.unsigned_abs();
    format!(
        "{:>2}-{month}-{:04} {:02}:{:02}:{:02} {}{:02}{:02}",
        moment.day(),
        moment.year().clamp(0, 9_999),
        moment.hour(),
        moment.minute(),
        moment.second(),
        if stamp.zone < 0 { '-' } else { '+' },
        zone / 60,
        zone % 60,
    )
}
