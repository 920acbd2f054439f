//! SELECT, EXAMINE, and the selected mailbox (RFC 9051 §6.3.2, §6.3.3).

use super::finish::{coded, tell_flags};
use super::refusal::No;
use super::session::Session;
use super::view::View;
use crate::mail::{MailboxId, MailboxName, SystemFlag};
use crate::session::Need;
use crate::store::{Refusal, Snapshot, Store, Uids, Watch};
use crate::wire::Out;
use crate::wire::imap::Mailbox;
use crate::wire::imap::reply::{self, Code, Condition};

/// What may be done in the selected mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// SELECT: everything.
    Change,
    /// EXAMINE: reading.
    Examine,
    /// SELECT while the store can only be read.
    Frozen,
}

/// The selected mailbox.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) mailbox: MailboxId,
    pub(super) watch: Watch,
    pub(super) view: View,
    pub(super) access: Access,
    /// `$`: what the last SEARCH RETURN (SAVE) found (RFC 9051 §6.4.4.1).
    pub(super) saved: Uids,
    /// How many `\Recent` messages the client was told of.
    recent_told: u32,
}

impl Selected {
    pub(super) fn is_read_only(&self) -> bool {
        self.access != Access::Change
    }

    /// RECENT, where it changed (RFC 3501 §7.3.2).
    pub(super) fn tell_recent(&mut self, out: &mut Out) {
        let recent = self.view.recent();
        if recent != self.recent_told {
            self.recent_told = recent;
            reply::recent(out, recent);
        }
    }
}

impl Session {
    pub(super) fn open_mailbox(
        &mut self,
        tag: &str,
        mailbox: &Mailbox,
        access: Access,
        store: &Store,
        out: &mut Out,
    ) -> Result<Need, No> {
        if self.selected().is_some() {
            // Whatever becomes of this command, the mailbox before is left (RFC 9051 §6.3.2).
            self.leave_mailbox();
            reply::untagged(out, Condition::Ok, Some(Code::Closed), "The mailbox before is closed");
        }
        let access = if access == Access::Change && store.is_read_only() { Access::Frozen } else { access };
        let read_only = access != Access::Change;
        let id = self.find_mailbox(&store.snapshot()?, mailbox)?;
        let watch = store.watch(id)?.ok_or(Refusal::NoMailbox)?;
        let mirror = watch.now();
        let rev2 = self.is_rev2();
        let below = mirror.rows.last().map_or(1, |row| row.uid.number().saturating_add(1));
        let recent_from = if read_only || rev2 { watch.recent_from() } else { watch.claim_recent(below) };
        let mut view = View::of(mirror.clone());
        if !rev2 {
            view.add_recent(recent_from, below);
        }
        tell_flags(out, &mirror.keywords, read_only);
        reply::exists(out, view.exists());
        let recent = view.recent();
        if !rev2 {
            reply::recent(out, recent);
            // RFC 3501 §7.1: the first message without \Seen, if there is one.
            let unseen = view.rows().iter().position(|row| !row.flags.is(SystemFlag::Seen));
            if let Some(number) = unseen.and_then(|index| u32::try_from(index + 1).ok()) {
                reply::untagged(out, Condition::Ok, Some(Code::Unseen(number)), "The first unseen message");
            }
        }
        reply::untagged(out, Condition::Ok, Some(Code::UidValidity(mirror.uid_validity)), "UIDs are valid");
        if let Some(next) = mirror.uid_next {
            reply::untagged(out, Condition::Ok, Some(Code::UidNext(next)), "The next UID");
        }
        if rev2 {
            self.list_selected(mailbox, store, out)?;
        }
        self.select(Box::new(Selected {
            mailbox: id,
            watch,
            view,
            access,
            saved: Uids::default(),
            recent_told: recent,
        }));
        // RFC 9051 §6.3.2: what cannot be changed is told with READ-ONLY, whatever was asked for.
        let (code, text) = match access {
            Access::Change => (Code::ReadWrite, "SELECT done"),
            Access::Examine => (Code::ReadOnly, "EXAMINE done"),
            Access::Frozen => (Code::ReadOnly, "SELECT done; nothing can be changed at the moment"),
        };
        Ok(self.finish_with(tag, true, coded(tag, code, text), out))
    }

    /// The mailbox of this name, in any spelling of it, in the user's account.
    pub(super) fn find_mailbox(&self, snapshot: &Snapshot, mailbox: &Mailbox) -> Result<MailboxId, No> {
        let account = self.user().ok_or(Refusal::NoAccount)?.account;
        Ok(snapshot.mailbox_named(account, &mailbox.0)?.ok_or(Refusal::NoMailbox)?)
    }

    /// The same for what is to go into it: a client may make the mailbox if it can be made (RFC 9051 §6.3.12).
    pub(super) fn find_target(&self, snapshot: &Snapshot, mailbox: &Mailbox) -> Result<MailboxId, No> {
        let name = MailboxName::settle(&mailbox.0)?;
        let account = self.user().ok_or(Refusal::NoAccount)?.account;
        snapshot.mailbox_named(account, name.as_str())?.ok_or(No::TargetMissing)
    }
}
