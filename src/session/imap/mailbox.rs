//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE, ENABLE (RFC 9051 §6.3).

use super::refusal::No;
use super::session::Session;
use super::work::{After, Work, special_use};
use crate::mail::AccountId;
use crate::session::Need;
use crate::store::{Refusal, Write};
use crate::wire::Out;
use crate::wire::imap::Mailbox;
use crate::wire::imap::reply::{self, Code, Condition, NamespaceEntry};

impl Session {
    pub(super) fn create(&mut self, tag: &str, mailbox: &Mailbox, uses: &[String]) -> Result<Need, No> {
        let account = self.account()?;
        let special = match uses {
            [] => None,
            [attribute] => Some(special_use(attribute).ok_or(No::Use("This special use is not known here"))?),
            _ => return Err(No::Use("A mailbox has one special use here")),
        };
        // A separator at the end says that there will be mailboxes below, which here any mailbox may have
        // (RFC 9051 §6.3.4).
        let name = mailbox.0.strip_suffix('/').unwrap_or(&mailbox.0).to_owned();
        let write = Write::CreateMailbox { account, name, special };
        self.work = Work::Waiting(Box::new(After::Created { tag: tag.into() }));
        Ok(Need::Write(write))
    }

    pub(super) fn delete(&mut self, tag: &str, mailbox: Mailbox) -> Result<Need, No> {
        let account = self.account()?;
        Ok(self.write(tag, "DELETE done", Write::DeleteMailbox { account, name: mailbox.0 }))
    }

    pub(super) fn rename(&mut self, tag: &str, from: Mailbox, to: &Mailbox) -> Result<Need, No> {
        let account = self.account()?;
        let to = to.0.strip_suffix('/').unwrap_or(&to.0).to_owned();
        Ok(self.write(tag, "RENAME done", Write::RenameMailbox { account, from: from.0, to }))
    }

    pub(super) fn subscribe(&mut self, tag: &str, mailbox: Mailbox, on: bool) -> Result<Need, No> {
        let account = self.account()?;
        let text = if on { "SUBSCRIBE done" } else { "UNSUBSCRIBE done" };
        Ok(self.write(tag, text, Write::Subscribe { account, name: mailbox.0, on }))
    }

    /// One personal namespace, without prefix (RFC 9051 §6.3.10).
    pub(super) fn namespace(&mut self, tag: &str, out: &mut Out) -> Need {
        let personal = [NamespaceEntry { prefix: "", delimiter: Some('/') }];
        reply::namespace(out, &personal, &[], &[], self.dialect);
        self.finish(tag, true, "NAMESPACE done", out)
    }

    /// ENABLE (RFC 9051 §6.3.1): of what is announced, only `IMAP4rev2` is to be enabled.
    pub(super) fn enable(&mut self, tag: &str, names: &[String], out: &mut Out) -> Need {
        // Only what this command enables is told.
        let rev2 = !self.is_rev2() && names.iter().any(|name| name == "IMAP4REV2");
        if rev2 {
            self.dialect.utf8 = true;
        }
        let enabled: &[&str] = if rev2 { &["IMAP4rev2"] } else { &[] };
        reply::enabled(out, enabled);
        self.finish(tag, true, "ENABLE done", out)
    }

    /// STARTTLS (RFC 9051 §6.2.1).
    pub(super) fn start_tls(&mut self, tag: &str, out: &mut Out) -> Need {
        if self.privacy() == crate::session::Privacy::Tls {
            reply::tagged(out, tag, Condition::Bad, Some(Code::ClientBug), "TLS is on already");
            return Need::Flush;
        }
        reply::tagged(out, tag, Condition::Ok, None, "Begin TLS now");
        Need::StartTls
    }

    pub(super) fn account(&self) -> Result<AccountId, No> {
        Ok(self.user().ok_or(Refusal::NoAccount)?.account)
    }

    /// A write that is answered by a plain OK.
    pub(super) fn write(&mut self, tag: &str, name: &'static str, write: Write) -> Need {
        self.work = Work::Waiting(Box::new(After::Done { tag: tag.into(), name }));
        Need::Write(write)
    }
}
