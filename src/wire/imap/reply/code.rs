//! Response codes (RFC 9051 §7.1, RFC 3501 §7.1, RFC 5530, RFC 4315, RFC 7162, RFC 9208).

use super::set::SetRun;
use crate::mail::{ModSeq, Uid, UidValidity};
use crate::wire::Out;

/// What a status response tells to programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code<'a> {
    /// ALERT: the text must be shown to the user
    Alert,
    /// ALREADYEXISTS
    AlreadyExists,
    /// APPENDUID: where an appended message went (RFC 4315 §3)
    AppendUid(UidValidity, Uid),
    /// COPYUID: what was copied, and to what, in the same order (RFC 4315 §3)
    CopyUid {
        /// Of the destination.
        validity: UidValidity,
        /// UIDs in the source, as inclusive ranges.
        from: &'a [(u32, u32)],
        /// UIDs in the destination.
        to: &'a [(u32, u32)],
    },
    /// AUTHENTICATIONFAILED
    AuthenticationFailed,
    /// AUTHORIZATIONFAILED
    AuthorizationFailed,
    /// BADCHARSET, with the charsets that we read
    BadCharset(&'a [&'a str]),
    /// CANNOT
    Cannot,
    /// CAPABILITY, with all of them
    Capability(&'a [&'a str]),
    /// CLIENTBUG
    ClientBug,
    /// CLOSED
    Closed,
    /// CONTACTADMIN
    ContactAdmin,
    /// CORRUPTION
    Corruption,
    /// EXPIRED
    Expired,
    /// EXPUNGEISSUED
    ExpungeIssued,
    /// HASCHILDREN
    HasChildren,
    /// HIGHESTMODSEQ (RFC 7162 §3.1.2.1)
    HighestModSeq(ModSeq),
    /// INUSE
    InUse,
    /// LIMIT
    Limit,
    /// NOMODSEQ (RFC 7162 §3.1.2.2)
    NoModSeq,
    /// NONEXISTENT
    NonExistent,
    /// NOPERM
    NoPerm,
    /// NOTSAVED (RFC 5182 §2.1)
    NotSaved,
    /// OVERQUOTA
    OverQuota,
    /// PARSE
    Parse,
    /// PERMANENTFLAGS: flag names as written, `\*` among them
    PermanentFlags(&'a [&'a str]),
    /// PRIVACYREQUIRED
    PrivacyRequired,
    /// READ-ONLY
    ReadOnly,
    /// READ-WRITE
    ReadWrite,
    /// SERVERBUG
    ServerBug,
    /// TOOBIG (RFC 4469 §4.2, RFC 7889 §4)
    TooBig,
    /// TRYCREATE
    TryCreate,
    /// UIDNEXT
    UidNext(Uid),
    /// UIDNOTSTICKY
    UidNotSticky,
    /// UIDVALIDITY
    UidValidity(UidValidity),
    /// UNAVAILABLE
    Unavailable,
    /// UNKNOWN-CTE (RFC 3516 §4.3)
    UnknownCte,
    /// UNSEEN: the number of the first message without `\Seen` (RFC 3501 §7.1)
    Unseen(u32),
    /// USEATTR (RFC 6154 §3)
    UseAttr,
}

impl Code<'_> {
    /// Writes the code in its brackets.
    pub(super) fn write(self, out: &mut Out) {
        out.byte(b'[');
        out.put(self.name().as_bytes());
        match self {
            Code::AppendUid(validity, uid) => {
                out.byte(b' ');
                out.number(validity.0.get());
                out.byte(b' ');
                out.number(uid.number());
            }
            Code::CopyUid { validity, from, to } => {
                out.byte(b' ');
                out.number(validity.0.get());
                for uids in [from, to] {
                    out.byte(b' ');
                    let mut run = SetRun::new();
                    for &(low, high) in uids {
                        run.push_range(out, low, high);
                    }
                    run.finish(out);
                }
            }
            // RFC 9051 §7.1: the list may be absent, but not empty.
            Code::BadCharset([]) => {}
            Code::BadCharset(names) | Code::PermanentFlags(names) => {
                out.put(b" (");
                words(out, names, false);
                out.byte(b')');
            }
            Code::Capability(names) => words(out, names, true),
            Code::HighestModSeq(modseq) => {
                out.byte(b' ');
                out.number(modseq.0.get());
            }
            Code::UidNext(uid) => {
                out.byte(b' ');
                out.number(uid.number());
            }
            Code::UidValidity(validity) => {
                out.byte(b' ');
                out.number(validity.0.get());
            }
            Code::Unseen(number) => {
                out.byte(b' ');
                out.number(number);
            }
            _ => {}
        }
        out.byte(b']');
    }

    fn name(self) -> &'static str {
        match self {
            Code::Alert => "ALERT",
            Code::AlreadyExists => "ALREADYEXISTS",
            Code::AppendUid(..) => "APPENDUID",
            Code::CopyUid { .. } => "COPYUID",
            Code::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Code::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Code::BadCharset(_) => "BADCHARSET",
            Code::Cannot => "CANNOT",
            Code::Capability(_) => "CAPABILITY",
            Code::ClientBug => "CLIENTBUG",
            Code::Closed => "CLOSED",
            Code::ContactAdmin => "CONTACTADMIN",
            Code::Corruption => "CORRUPTION",
            Code::Expired => "EXPIRED",
            Code::ExpungeIssued => "EXPUNGEISSUED",
            Code::HasChildren => "HASCHILDREN",
            Code::HighestModSeq(_) => "HIGHESTMODSEQ",
            Code::InUse => "INUSE",
            Code::Limit => "LIMIT",
            Code::NoModSeq => "NOMODSEQ",
            Code::NonExistent => "NONEXISTENT",
            Code::NoPerm => "NOPERM",
            Code::NotSaved => "NOTSAVED",
            Code::OverQuota => "OVERQUOTA",
            Code::Parse => "PARSE",
            Code::PermanentFlags(_) => "PERMANENTFLAGS",
            Code::PrivacyRequired => "PRIVACYREQUIRED",
            Code::ReadOnly => "READ-ONLY",
            Code::ReadWrite => "READ-WRITE",
            Code::ServerBug => "SERVERBUG",
            Code::TooBig => "TOOBIG",
            Code::TryCreate => "TRYCREATE",
            Code::UidNext(_) => "UIDNEXT",
            Code::UidNotSticky => "UIDNOTSTICKY",
            Code::UidValidity(_) => "UIDVALIDITY",
            Code::Unavailable => "UNAVAILABLE",
            Code::UnknownCte => "UNKNOWN-CTE",
            Code::Unseen(_) => "UNSEEN",
            Code::UseAttr => "USEATTR",
        }
    }
}

/// Words with a space between them, and one before the first if `led`.
pub(super) fn words<W: AsRef<str>>(out: &mut Out, words: &[W], led: bool) {
    for (index, word) in words.iter().enumerate() {
        if led || index > 0 {
            out.byte(b' ');
        }
        out.put(word.as_ref().as_bytes());
    }
}
