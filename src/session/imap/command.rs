//! From a command to what it does: the table is asked whether it may be done, and the file that knows how does it.

use super::refusal::No;
use super::rules::{Rule, When, rule};
use super::select::Access;
use super::session::{Session, State};
use super::work::Work;
use crate::session::Need;
use crate::store::Store;
use crate::wire::Out;
use crate::wire::imap::reply::{self, Code, Condition};
use crate::wire::imap::{Body, Command};

impl Session {
    pub(super) fn begin(&mut self, command: Command, store: &Store, out: &mut Out) -> Need {
        let Command { tag, body } = command;
        let Rule { when, expunge } = rule(&body);
        let complaint = match (when, &self.state) {
            (_, State::Over(_)) => return Need::Close,
            (When::Always, _)
            | (When::Before, State::Before)
            | (When::After, State::After(_) | State::Selected(..))
            | (When::Selected, State::Selected(..)) => None,
            (When::Before, _) => Some("Already logged in"),
            (When::After | When::Selected, State::Before) => Some("Log in first"),
            (When::Selected, _) => Some("Select a mailbox first"),
        };
        if let Some(text) = complaint {
            reply::tagged(out, &tag, Condition::Bad, None, text);
            return Need::Flush;
        }
        // Not for a command in the wrong place: to HTTP's `Connection: close` that would be CLOSE.
        self.strange = 0;
        let need = self.act(&tag, body, expunge, store, out);
        need.unwrap_or_else(|no| {
            no.reply(out, &tag);
            Need::Flush
        })
    }

    fn act(&mut self, tag: &str, body: Body, expunge: bool, store: &Store, out: &mut Out) -> Result<Need, No> {
        match body {
            Body::Capability => {
                self.tell_capabilities(out);
                Ok(self.finish(tag, expunge, "CAPABILITY done", out))
            }
            Body::Noop => Ok(self.finish(tag, expunge, "NOOP done", out)),
            Body::Check => Ok(self.finish(tag, expunge, "CHECK done", out)),
            Body::Id(_) => {
                let version = Some(env!("CARGO_PKG_VERSION"));
                reply::id(out, &[("name", Some("Pillarbox")), ("version", version)], self.dialect);
                Ok(self.finish(tag, expunge, "ID done", out))
            }
            Body::Logout => {
                reply::untagged(out, Condition::Bye, None, "Until next time");
                reply::tagged(out, tag, Condition::Ok, None, "LOGOUT done");
                self.end();
                Ok(Need::Close)
            }
            Body::StartTls => Ok(self.start_tls(tag, out)),
            Body::Authenticate { mechanism, initial } => self.authenticate(tag, &mechanism, initial.as_deref(), out),
            Body::Login { user, password } => Ok(self.login(tag, user, password, out)),
            Body::Enable(names) => Ok(self.enable(tag, &names, out)),
            Body::Namespace => Ok(self.namespace(tag, out)),
            Body::Select(mailbox) => self.open_mailbox(tag, &mailbox, Access::Change, store, out),
            Body::Examine(mailbox) => self.open_mailbox(tag, &mailbox, Access::Examine, store, out),
            Body::Create { mailbox, uses } => self.create(tag, &mailbox, &uses),
            Body::Delete(mailbox) => self.delete(tag, &mailbox),
            Body::Rename { from, to } => self.rename(tag, &from, &to),
            Body::Subscribe(mailbox) => self.subscribe(tag, &mailbox, true),
            Body::Unsubscribe(mailbox) => self.subscribe(tag, &mailbox, false),
            Body::List(command) => self.list(tag, command, store, out),
            Body::Lsub(pattern) => self.lsub(tag, pattern, store, out),
            Body::Status { mailbox, items } => self.status(tag, &mailbox, &items, store, out),
            Body::Append(_) => {
                reply::tagged(out, tag, Condition::Bad, None, "APPEND needs its message as a literal");
                Ok(Need::Flush)
            }
            Body::Idle => {
                reply::continuation(out, "Idling");
                self.work = Work::Idle { tag: tag.into() };
                Ok(Need::Flush)
            }
            Body::Close => self.close(tag, out),
            Body::Unselect => {
                self.leave_mailbox();
                Ok(self.finish(tag, expunge, "UNSELECT done", out))
            }
            Body::Expunge(set) => self.expunge(tag, set.as_ref(), out),
            Body::Search { uid, search } => self.search(tag, uid, search, store, out),
            Body::Fetch { uid, set, items } => self.fetch(tag, uid, &set, items, store, out),
            Body::Store { uid, set, mode, silent, flags } => self.store(tag, uid, &set, mode, silent, flags, out),
            Body::Copy { uid, set, mailbox } => self.copy(tag, uid, &set, &mailbox, false, store, out),
            Body::Move { uid, set, mailbox } => self.copy(tag, uid, &set, &mailbox, true, store, out),
            Body::GetQuota(root) => self.quota(tag, &root, store, out),
            Body::GetQuotaRoot(mailbox) => self.quota_root(tag, &mailbox, store, out),
            Body::SetQuota { .. } => {
                reply::tagged(out, tag, Condition::No, Some(Code::NoPerm), "Quotas are set by the owner of the server");
                Ok(Need::Flush)
            }
        }
    }
}
