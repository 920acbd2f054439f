//! QUIT, and only QUIT, changes anything (RFC 1939 §6).

use super::session::{Pop3, State, Work};
use crate::mail::SystemFlag;
use crate::session::Need;
use crate::store::{FlagChange, Outcome, Refusal, StoreError, Write};
use crate::wire::Out;
use crate::wire::pop3::reply::{self, Code};

impl Pop3 {
    pub(super) fn quit(&mut self, out: &mut Out) -> Need {
        if let Some(write) = self.mark_seen() {
            self.work = Work::Marking;
            return Need::Write(write);
        }
        self.remove(out)
    }

    /// What was read is marked as such: a write, if there is anything to mark.
    pub(super) fn mark_seen(&mut self) -> Option<Write> {
        let State::Transaction(maildrop) = &mut self.state else { return None };
        let uids = maildrop.take_seen()?;
        let change = FlagChange::Add(vec![SystemFlag::Seen.name().to_owned()]);
        Some(Write::Store { mailbox: maildrop.inbox, uids, change })
    }

    /// Marks are not worth failing for: what was deleted is removed all the same.
    pub(super) fn marked(&mut self, outcome: Result<Outcome, StoreError>, out: &mut Out) -> Need {
        match outcome {
            Ok(_) | Err(StoreError::Refused(Refusal::ReadOnly | Refusal::Revoked)) => {}
            Err(error) => log::warn!("POP3: what was read could not be marked: {error}"),
        }
        self.remove(out)
    }

    fn remove(&mut self, out: &mut Out) -> Need {
        let State::Transaction(maildrop) = &self.state else { return self.good_bye(out) };
        let Some((uids, how)) = maildrop.deleted() else { return self.good_bye(out) };
        self.work = Work::Removing;
        Need::Write(Write::Retire { mailbox: maildrop.inbox, uids, how })
    }

    pub(super) fn removed(&mut self, outcome: Result<Outcome, StoreError>, out: &mut Out) -> Need {
        match outcome {
            Ok(_) => self.good_bye(out),
            Err(StoreError::Refused(Refusal::Revoked)) => {
                self.state = State::Over;
                reply::err(out, Some(Code::Auth), "The account was changed: nothing was deleted");
                Need::Close
            }
            Err(error) => {
                log::error!("POP3: what was deleted could not be removed: {error}");
                self.state = State::Over;
                reply::err(out, Some(Code::SysTemp), "Nothing was deleted");
                Need::Close
            }
        }
    }

    fn good_bye(&mut self, out: &mut Out) -> Need {
        // The maildrop is free before this is heard: the client may come back at once.
        self.state = State::Over;
        reply::ok(out, "Until next time");
        Need::Close
    }
}
