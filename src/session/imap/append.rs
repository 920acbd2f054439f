//! APPEND (RFC 9051 §6.3.12): the message streams into a packer while it comes.

use super::refusal::No;
use super::session::Session;
use super::work::{After, Work};
use crate::mail::{FlagSet, MailboxId, Stamp, limits};
use crate::session::Need;
use crate::store::{History, NewMessage, Packer, Refusal, Store, Write};
use crate::wire::Out;
use crate::wire::imap::Append;

/// A message that is coming in.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) tag: Box<str>,
    mailbox: MailboxId,
    flags: Vec<String>,
    received: Option<Stamp>,
    /// It comes as a literal8, which may hold NUL.
    binary: bool,
    packer: Result<Packer, No>,
}

impl Upload {
    pub(super) fn new(tag: Box<str>, mailbox: MailboxId, append: Append, packer: Packer) -> Upload {
        let Append { flags, date: received, binary, .. } = append;
        Upload { tag, mailbox, flags, received, binary, packer: Ok(packer) }
    }

    /// The rest is read, since the client sends it, but not kept.
    pub(super) fn fail(&mut self, no: No) {
        self.packer = Err(no);
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        let Ok(packer) = &mut self.packer else { return };
        if !self.binary && memchr::memchr(0, octets).is_some() {
            self.packer = Err(No::Nul);
        } else if let Err(error) = packer.push(octets) {
            self.packer = Err(error.into());
        }
    }

    /// Octets of it in memory, about.
    pub(super) fn held(&self) -> usize {
        self.packer.as_ref().map_or(0, Packer::memory)
    }

    pub(super) fn stage(&mut self, store: &Store) -> Option<Write> {
        let packer = self.packer.as_mut().ok().filter(|packer| packer.held() >= limits::UPLOAD)?;
        Some(store.stage(packer))
    }
}

impl Session {
    /// Whether a message may come: what can be refused before it is sent is refused now.
    pub(super) fn accept_append(&self, append: &Append, store: &Store) -> Result<MailboxId, No> {
        let account = self.account()?;
        if store.is_read_only() {
            return Err(Refusal::ReadOnly.into());
        }
        let snapshot = store.snapshot()?;
        let mailbox = self.find_target(&snapshot, &append.mailbox)?;
        if append.size > u64::from(limits::MESSAGE) {
            return Err(Refusal::TooLarge.into());
        }
        if append.size == 0 {
            return Err(No::Cannot("A message has at least one octet"));
        }
        if !FlagSet::has_room(&snapshot.mailbox(mailbox)?.ok_or(No::TargetMissing)?.keywords, &append.flags) {
            return Err(No::TooManyKeywords);
        }
        let quota = snapshot.account(account)?.ok_or(Refusal::NoAccount)?.limits;
        if quota.bytes.is_some() || quota.messages.is_some() {
            let usage = snapshot.usage(account)?;
            let over = |limit: Option<u64>, used: u64| limit.is_some_and(|limit| used > limit);
            if over(quota.bytes, usage.bytes.saturating_add(append.size)) || over(quota.messages, usage.messages + 1) {
                return Err(Refusal::OverQuota.into());
            }
        }
        Ok(mailbox)
    }

    /// The message is whole.
    pub(super) fn uploaded(&mut self, out: &mut Out) -> Need {
        let Work::Upload(upload) = std::mem::take(&mut self.work) else { return Need::Input };
        let Upload { tag, mailbox, flags, received, packer, .. } = *upload;
        let now = self.now;
        let parcel = packer.and_then(|packer| packer.finish().map_err(No::from));
        match parcel {
            Ok(parcel) => {
                let received = received.unwrap_or(Stamp::utc(now));
                let message = NewMessage { parcel, flags, received, now, history: History::default() };
                self.work = Work::Waiting(Box::new(After::Appended { tag }));
                Need::Write(Write::Append { mailbox, message })
            }
            Err(no) => {
                no.reply(out, &tag);
                Need::Flush
            }
        }
    }
}
