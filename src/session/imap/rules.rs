//! When a command is allowed, and whether its answer may carry EXPUNGE: one table.

use crate::wire::imap::Body;

/// In which states a command is allowed (RFC 9051 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// In any.
    Always,
    /// Before log-in only.
    Before,
    /// After log-in.
    After,
    /// With a mailbox selected.
    Selected,
}

/// The rules for one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) when: When,
    /// Message numbers may change in its answer (RFC 9051 §7.5.1).
    pub(super) expunge: bool,
}

/// The table.
pub(super) fn rule(body: &Body) -> Rule {
    let (when, expunge) = match body {
        Body::Capability | Body::Noop | Body::Logout | Body::Id(_) => (When::Always, true),
        Body::StartTls | Body::Authenticate { .. } | Body::Login { .. } => (When::Before, true),
        Body::Enable(_)
        | Body::Namespace
        | Body::Select(_)
        | Body::Examine(_)
        | Body::Create { .. }
        | Body::Delete(_)
        | Body::Rename { .. }
        | Body::Subscribe(_)
        | Body::Unsubscribe(_)
        | Body::List(_)
        | Body::Lsub(_)
        | Body::Status { .. }
        | Body::Append(_)
        | Body::Idle
        | Body::GetQuota(_)
        | Body::GetQuotaRoot(_)
        | Body::SetQuota { .. } => (When::After, true),
        Body::Check | Body::Expunge(_) | Body::Copy { .. } | Body::Move { .. } => (When::Selected, true),
        // Nothing is told after these: the mailbox is left.
        Body::Close | Body::Unselect => (When::Selected, false),
        // With message numbers in the command the client may have more of them on their way.
        Body::Fetch { uid, .. } | Body::Store { uid, .. } | Body::Search { uid, .. } => (When::Selected, *uid),
    };
    Rule { when, expunge }
}
