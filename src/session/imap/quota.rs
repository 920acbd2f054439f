//! GETQUOTA and GETQUOTAROOT (RFC 9208 §4.1): one root per account, named by its address.

use super::refusal::No;
use super::session::Session;
use crate::mail::MailboxName;
use crate::session::Need;
use crate::store::{Refusal, Store};
use crate::wire::Out;
use crate::wire::imap::reply::{self, QuotaUsage};
use crate::wire::imap::{Mailbox, QuotaResource};

impl Session {
    pub(super) fn quota(&mut self, tag: &str, root: &str, store: &Store, out: &mut Out) -> Result<Need, No> {
        if self.address() != Some(root) {
            return Err(No::UnknownRoot);
        }
        self.tell_quota(store, out)?;
        Ok(self.finish(tag, true, "GETQUOTA done", out))
    }

    pub(super) fn quota_root(
        &mut self,
        tag: &str,
        mailbox: &Mailbox,
        store: &Store,
        out: &mut Out,
    ) -> Result<Need, No> {
        // The mailbox need not exist: where a new one would be counted can be asked, too (RFC 9208 §4.1.2).
        let root = self.address().unwrap_or_default().to_owned();
        let name = MailboxName::settle(&mailbox.0)?;
        reply::quota_root(out, name.as_str(), &[&root], self.dialect);
        self.tell_quota(store, out)?;
        Ok(self.finish(tag, true, "GETQUOTAROOT done", out))
    }

    /// Only what is limited is told: a limit of 0 or none is shown as "infinity %" by clients.
    fn tell_quota(&self, store: &Store, out: &mut Out) -> Result<(), No> {
        let user = self.user().ok_or(Refusal::NoAccount)?;
        let snapshot = store.snapshot()?;
        let limits = snapshot.account(user.account)?.ok_or(Refusal::NoAccount)?.limits;
        let usage = snapshot.usage(user.account)?;
        let storage = limits.bytes.map(|limit| QuotaUsage {
            resource: QuotaResource::Storage,
            // Units of 1024 octets (RFC 9208 §5.1): what is begun is in use.
            usage: usage.bytes.div_ceil(1024),
            limit: limit.div_ceil(1024),
        });
        let messages =
            limits.messages.map(|limit| QuotaUsage { resource: QuotaResource::Message, usage: usage.messages, limit });
        let usages: Vec<QuotaUsage> = storage.into_iter().chain(messages).collect();
        reply::quota(out, &user.address, &usages, self.dialect);
        Ok(())
    }
}
