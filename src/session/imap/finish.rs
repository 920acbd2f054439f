//! The end of a command: the client's view catches up, then the tagged reply goes out.

use super::refusal::No;
use super::session::Session;
use super::view::News;
use super::work::{After, Work};
use crate::mail::SystemFlag;
use crate::session::Need;
use crate::store::{Alarm, Outcome, Store, StoreError};
use crate::wire::Out;
use crate::wire::imap::Dialect;
use crate::wire::imap::reply::{self, Code, Condition};

/// A tagged reply that waits for the view to catch up.
#[derive(Debug)]
pub(super) struct Finish {
    pub(super) tag: Box<str>,
    /// Whether EXPUNGE may be told first.
    pub(super) expunge: bool,
    pub(super) last: Last,
}

/// The tagged reply.
#[derive(Debug)]
pub(super) enum Last {
    /// OK, and what is done.
    Ok(&'static str),
    /// OK with a code that was written already.
    Coded(Box<[u8]>),
    /// NO.
    No(No),
}

impl Session {
    /// OK, after the view caught up.
    pub(super) fn finish(&mut self, tag: &str, expunge: bool, name: &'static str, out: &mut Out) -> Need {
        self.finish_with(tag, expunge, Last::Ok(name), out)
    }

    pub(super) fn finish_with(&mut self, tag: &str, expunge: bool, last: Last, out: &mut Out) -> Need {
        self.go_on_finishing(Finish { tag: tag.into(), expunge, last }, out)
    }

    pub(super) fn go_on_finishing(&mut self, finish: Finish, out: &mut Out) -> Need {
        if !self.catch_up(finish.expunge, out) {
            self.work = Work::Finish(finish);
            return Need::Flush;
        }
        match finish.last {
            Last::Ok(name) => {
                reply::tagged(out, &finish.tag, Condition::Ok, None, name);
            }
            Last::Coded(line) => out.put(&line),
            Last::No(no) => no.reply(out, &finish.tag),
        }
        Need::Flush
    }

    /// Tells the client what changed in its mailbox; false when the output is full before all is told.
    pub(super) fn catch_up(&mut self, expunge: bool, out: &mut Out) -> bool {
        self.tell_alarm(out);
        let rev2 = self.is_rev2();
        let dialect = self.dialect;
        let Some(selected) = self.selected_mut() else { return true };
        let now = selected.watch.now();
        if !selected.view.is_behind(&now) {
            return true;
        }
        let below = now.rows.last().map_or(1, |row| row.uid.number().saturating_add(1));
        let known = selected.view.rows().last().map_or(0, |row| row.uid.number());
        let claims = !rev2 && !selected.is_read_only() && below > known + 1;
        let recent_from = if claims { selected.watch.claim_recent(below) } else { below };
        selected.view.add_recent(recent_from.max(known + 1), below);
        let mut keywords = now.keywords.clone();
        let read_only = selected.is_read_only();
        let done = selected.view.catch_up(&now, expunge, |news| {
            match news {
                News::Keywords => {
                    keywords = now.keywords.clone();
                    tell_flags(out, &keywords, read_only);
                }
                News::Expunge(number) => reply::expunge(out, number),
                News::Flags(number, row, recent) => {
                    let mut fetch = reply::Fetch::begin(out, number, dialect);
                    fetch.uid(row.uid);
                    fetch.flags(row.flags, &keywords, recent);
                    fetch.end();
                }
                News::Exists(number) => reply::exists(out, number),
            }
            !out.is_full()
        });
        if done && !rev2 {
            selected.tell_recent(out);
        }
        done
    }

    /// What the account was just told of its quota: a person should see it now (RFC 9051 §7.1, ALERT).
    fn tell_alarm(&mut self, out: &mut Out) {
        let Some(level) = self.alarm.as_mut().and_then(Alarm::hear) else { return };
        let text = match level {
            100 => "The mailbox is full: nothing more can be stored until there is room".to_owned(),
            level => format!("The mailbox is {level} % full"),
        };
        reply::untagged(out, Condition::Ok, Some(Code::Alert), &text);
    }

    pub(super) fn is_rev2(&self) -> bool {
        self.dialect == Dialect { utf8: true }
    }

    /// A write was done, or not.
    pub(super) fn after_write(
        &mut self,
        after: After,
        outcome: Result<Outcome, StoreError>,
        store: &Store,
        out: &mut Out,
    ) -> Need {
        match (after, outcome) {
            (After::Done { tag, name }, Ok(_)) => self.finish(&tag, true, name, out),
            (After::Named { tag, name, given }, Ok(_)) => self.named(&tag, name, &given, store, out),
            (After::Closed { tag }, outcome) => {
                self.leave_mailbox();
                match outcome {
                    // A mailbox that is gone has nothing left to be removed.
                    Ok(_) | Err(StoreError::Refused(crate::store::Refusal::NoMailbox)) => {
                        self.finish(&tag, false, "CLOSE done", out)
                    }
                    Err(error) => self.finish_with(&tag, false, Last::No(error.into()), out),
                }
            }
            (After::Appended { tag }, Ok(Outcome::Appended { uid_validity, uid })) => {
                let last = coded(&tag, Code::AppendUid(uid_validity, uid), "APPEND done");
                self.finish_with(&tag, true, last, out)
            }
            (After::Copied { tag, moved }, Ok(outcome)) => self.copied(&tag, moved, outcome, out),
            (After::Stored(echo), Ok(_)) => self.go_on_echoing(echo, out),
            (After::Stored(echo), Err(error)) => self.finish_with(&echo.tag, echo.uid, Last::No(error.into()), out),
            (After::Seen(fetching), Ok(_)) => self.go_on_fetching(fetching, store, out),
            (After::Seen(fetching), Err(error)) => {
                // A read is not refused because its mark could not be made: a full disk must not hide the mail.
                if !matches!(error, StoreError::Refused(crate::store::Refusal::ReadOnly)) {
                    log::warn!("\\Seen could not be set: {error}");
                }
                self.go_on_fetching(fetching, store, out)
            }
            (
                After::Appended { tag } | After::Copied { tag, .. },
                Err(StoreError::Refused(crate::store::Refusal::NoMailbox)),
            ) => self.finish_with(&tag, true, Last::No(No::TargetMissing), out),
            (
                After::Done { tag, .. }
                | After::Named { tag, .. }
                | After::Appended { tag }
                | After::Copied { tag, .. },
                Err(error),
            ) => self.finish_with(&tag, true, Last::No(error.into()), out),
            (After::Appended { tag }, Ok(_)) => self.finish(&tag, true, "APPEND done", out),
            // Log-ins are no writes.
            (after @ (After::Entered { .. } | After::Scram(_)), _) => {
                self.work = Work::Waiting(Box::new(after));
                Need::Flush
            }
        }
    }
}

/// A tagged OK with a code, written ahead: the code borrows what is gone when the view has caught up.
pub(super) fn coded(tag: &str, code: Code<'_>, text: &str) -> Last {
    let mut line = Out::new(0);
    reply::tagged(&mut line, tag, Condition::Ok, Some(code), text);
    Last::Coded(line.bytes().into())
}

/// FLAGS and PERMANENTFLAGS of a mailbox (RFC 9051 §7.3.5, §7.1).
pub(super) fn tell_flags(out: &mut Out, keywords: &[String], read_only: bool) {
    let mut names: Vec<&str> = SystemFlag::ALL.iter().map(|flag| flag.name()).collect();
    names.extend(keywords.iter().map(String::as_str));
    reply::flags(out, &names);
    if read_only {
        names.clear();
    } else if keywords.len() < crate::mail::FlagSet::KEYWORDS {
        names.push("\\*");
    }
    reply::untagged(out, Condition::Ok, Some(Code::PermanentFlags(&names)), "Flags that are kept");
}
