//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE, ENABLE (RFC 9051 §6.3).

use super::refusal::No;
use super::session::Session;
use super::work::{After, Work, special_use};
use crate::mail::{AccountId, MailboxName};
use crate::session::Need;
use crate::store::{Refusal, Store, Write};
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
        let given = mailbox.0.strip_suffix('/').unwrap_or(&mailbox.0);
        let write = Write::CreateMailbox { account, name: MailboxName::settle(given)?, special };
        self.work = Work::Waiting(Box::new(After::Named { tag: tag.into(), name: "CREATE done", given: given.into() }));
        Ok(Need::Write(write))
    }

    pub(super) fn delete(&mut self, tag: &str, mailbox: &Mailbox) -> Result<Need, No> {
        let account = self.account()?;
        let name = existing(mailbox)?;
        Ok(self.write(tag, "DELETE done", Write::DeleteMailbox { account, name }))
    }

    pub(super) fn rename(&mut self, tag: &str, from: &Mailbox, to: &Mailbox) -> Result<Need, No> {
        let account = self.account()?;
        let given = to.0.strip_suffix('/').unwrap_or(&to.0);
        let write = Write::RenameMailbox { account, to: MailboxName::settle(given)?, from: existing(from)? };
        self.work = Work::Waiting(Box::new(After::Named { tag: tag.into(), name: "RENAME done", given: given.into() }));
        Ok(Need::Write(write))
    }

    pub(super) fn subscribe(&mut self, tag: &str, mailbox: &Mailbox, on: bool) -> Result<Need, No> {
        let account = self.account()?;
        let text = if on { "SUBSCRIBE done" } else { "UNSUBSCRIBE done" };
        let name = MailboxName::settle(&mailbox.0)?;
        Ok(self.write(tag, text, Write::Subscribe { account, name, on }))
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

    /// The mailbox is there, and the client's view has caught up.
    pub(super) fn named(&mut self, tag: &str, name: &'static str, given: &str, store: &Store, out: &mut Out) -> Need {
        if let Err(no) = self.announce(given, store, out) {
            // It is done all the same.
            log::warn!("a mailbox could not be told of: {no:?}");
        }
        self.finish(tag, true, name, out)
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

/// The name of a mailbox that has to be there: what cannot be a name is none's.
fn existing(mailbox: &Mailbox) -> Result<MailboxName, No> {
    MailboxName::settle(&mailbox.0).map_err(|_| Refusal::NoMailbox.into())
}
