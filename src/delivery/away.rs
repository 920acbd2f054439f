//! Answers for who is away, with the manners of RFC 3834.

use super::compose::{Letter, compose};
use super::fields::Fields;
use super::plan::Mail;
use super::resolve::resolve;
use super::route::{Routing, shared_grace};
use crate::mail::{AccountId, Envelope, Stamp, UniqueId, limits};
use crate::store::{
    Account, Fault, LocalCopy, Once, Onward, OnwardRecipient, Packer, Place, Posting, Snapshot, Space, StoreError,
    Vacation, Write,
};

/// Addresses in To and Cc that are looked at.
const ADDRESSES: usize = 100;
/// Records of answers that are looked at in one go when they are tidied up.
const PRUNED: usize = 5_000;
const DAY: i64 = 24 * 60 * 60;

/// Who is away, and what a mail for them is.
pub(super) struct Away<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) routing: &'a Routing,
    pub(super) id: AccountId,
    pub(super) account: &'a Account,
    pub(super) vacation: &'a Vacation,
    pub(super) mail: &'a Mail<'a>,
    pub(super) fields: &'a Fields<'a>,
}

impl Away<'_> {
    /// The answer, where one is due. That it is given only once in a while, the writer sees to.
    pub(super) fn answer(&self, unique: UniqueId, packer: Packer) -> Result<Option<Posting>, StoreError> {
        let to = self.mail.from;
        // Whoever writes under another's name must not make us write to them.
        if !self.mail.vouched || !self.vacation.is_on(self.mail.now) || !is_somebody(to) || !is_personal(self.fields) {
            return Ok(None);
        }
        let sender = resolve(self.snapshot, self.routing, to)?;
        let own = sender.accounts.iter().any(|(account, _)| *account == self.id);
        if own || !self.is_named()? || (sender.is_nobody() && !sender.is_outside) {
            return Ok(None);
        }
        let below = self.id.0.to_be_bytes();
        let key = [&below[..], to.to_lowercase().as_bytes()].concat();
        // Only to spare the work: who is answered at this very moment, the writer knows.
        let answered = self.snapshot.kept(Space::Answered, &key)?;
        if answered.is_some_and(|kept| Once::was_done(&kept, self.mail.now)) {
            return Ok(None);
        }
        if self.snapshot.all_kept(Space::Answered, &below, limits::ANSWERED)?.len() >= limits::ANSWERED {
            return Ok(None);
        }
        let mut packer = packer;
        packer.push(&self.letter(unique))?;
        let copies = sender.accounts.iter().map(|(account, _)| LocalCopy {
            account: *account,
            place: Place::Inbox,
            flags: Vec::new(),
            grace: shared_grace(self.routing),
        });
        let copies = copies.collect();
        let mut outside: Vec<&str> = sender.outside.iter().map(|one| one.address.as_str()).collect();
        if sender.is_outside {
            outside.push(to);
        }
        let onward = Onward {
            // RFC 3834 §3.3: nobody answers an answer.
            from: String::new(),
            recipients: outside
                .iter()
                .map(|address| OnwardRecipient { address: (*address).to_owned(), ..OnwardRecipient::default() })
                .collect(),
            utf8: outside.iter().any(|address| !address.is_ascii()) || !self.account.address.is_ascii(),
            ..Onward::default()
        };
        let onward = if outside.is_empty() { Vec::new() } else { vec![onward] };
        let until = self.mail.now.saturating_add(i64::from(self.vacation.days) * DAY);
        let once = Some(Once { space: Space::Answered, key, until });
        Ok(Some(Posting { parcel: packer.finish()?, received: Stamp::utc(self.mail.now), copies, onward, once }))
    }

    /// Whether the mail says that it is for the account (RFC 3834 §2): what comes by a list or a blind copy does not.
    fn is_named(&self) -> Result<bool, Fault> {
        let header = self.mail.header.get(..limits::RULE_HEADER).unwrap_or(self.mail.header);
        let envelope = Envelope::read(header);
        for address in envelope.to.iter().chain(&envelope.cc).take(ADDRESSES) {
            let (Some(local), Some(host)) = (&address.mailbox, &address.host) else { continue };
            let address = format!("{}@{}", String::from_utf8_lossy(local), String::from_utf8_lossy(host));
            let reached = resolve(self.snapshot, self.routing, &address)?;
            if reached.accounts.iter().any(|(account, _)| *account == self.id) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn letter(&self, unique: UniqueId) -> Vec<u8> {
        let subject = if self.vacation.subject.is_empty() {
            // RFC 3834 §3.1.5
            format!("Auto: {}", short(self.fields.text("subject").unwrap_or_default()))
        } else {
            self.vacation.subject.clone()
        };
        let id = self.fields.text("message-id").map(short).filter(|id| id.starts_with('<') && id.is_ascii());
        // RFC 5322 §3.6.4: the references of what is answered, and itself.
        let references = self.fields.text("references").or_else(|| self.fields.text("in-reply-to"));
        let references: Vec<&str> =
            references.unwrap_or_default().split_ascii_whitespace().filter(|one| one.starts_with('<')).collect();
        // The first begins the thread; of the others the last ones.
        let latest = references.len().saturating_sub(REFERENCES).max(1);
        let kept = references.iter().take(1).chain(references.iter().skip(latest)).copied();
        let references = kept.chain(id).collect::<Vec<_>>().join(" ");
        let letter = Letter {
            from: &format!("<{}>", self.account.address),
            to: self.mail.from,
            subject: &subject,
            submitted: "auto-replied",
            answers: id.map(|id| (id, references.as_str())),
            text: &self.vacation.text,
        };
        compose(unique, &self.routing.name, self.mail.now, &letter)
    }
}

/// References that an answer repeats.
const REFERENCES: usize = 20;

/// A value of a length that can stand in a header.
fn short(text: &str) -> &str {
    let end = text.char_indices().nth(300).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default()
}

/// Whether a reverse path is somebody who reads what they are answered.
fn is_somebody(address: &str) -> bool {
    let Some((local, _)) = address.rsplit_once('@') else { return false };
    let local = local.to_lowercase();
    let whole = ["mailer-daemon", "postmaster", "listserv", "majordomo", "nobody", "root", "daemon", "www-data"];
    let begins = ["owner-", "noreply", "no-reply", "no_reply", "donotreply", "do-not-reply", "do_not_reply", "bounce"];
    let ends = ["-request", "-owner", "-bounces", "-bounce", "-noreply", "-no-reply", ".noreply", ".no-reply"];
    !(local.is_empty()
        || whole.contains(&local.as_str())
        || begins.iter().any(|begin| local.starts_with(begin))
        || ends.iter().any(|end| local.ends_with(end)))
}

/// Whether a mail was written by a person to few (RFC 3834 §2): not by a program, not for a list.
fn is_personal(fields: &Fields<'_>) -> bool {
    let says = |name: &str, words: &[&str]| {
        fields.texts(name).any(|text| {
            let text = text.to_lowercase();
            text.split(|c: char| !c.is_alphanumeric() && c != '-').any(|word| words.contains(&word))
        })
    };
    let submitted = fields.texts("auto-submitted").any(|text| {
        let word = text.split([';', ' ', '(']).next().unwrap_or_default();
        !word.eq_ignore_ascii_case("no")
    });
    !(submitted
        || fields.has_beginning("list-")
        || fields.has("mailing-list")
        || fields.has("x-autoreply")
        || fields.has("x-autorespond")
        || fields.has("feedback-id")
        || says("precedence", &["bulk", "list", "junk", "auto-reply"])
        || says("x-auto-response-suppress", &["all", "oof", "autoreply"])
        || says("x-spam-flag", &["yes"])
        || says("return-path", &["mailer-daemon"])
        || fields.text("return-path").is_some_and(|path| path.trim() == "<>"))
}

/// What need not be remembered of given answers any more, as writes: some of it, where there is much.
pub fn prune(snapshot: &Snapshot, now: i64) -> Result<Vec<Write>, StoreError> {
    let kept = snapshot.all_kept(Space::Answered, &[], usize::MAX)?;
    let over = kept.into_iter().filter(|(_, value)| !Once::was_done(value, now));
    Ok(over.take(PRUNED).map(|(key, _)| Write::Keep { space: Space::Answered, key, value: None }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_persons_are_answered() {
        for person in ["bob@example.net", "Rooter@x", "bounty.hunter@x", "ownership@x", "request@x"] {
            assert!(is_somebody(person), "{person}");
        }
        for none in [
            "",
            "MAILER-DAEMON@x",
            "postmaster@x",
            "no-reply@x",
            "noreply+7@x",
            "rust-owner@x",
            "owner-rust@x",
            "rust-request@x",
            "bounces+ann=x@y",
            "news-noreply@x",
            "DoNotReply@x",
        ] {
            assert!(!is_somebody(none), "{none}");
        }
    }

    #[test]
    fn only_what_a_person_wrote_to_few_is_answered() {
        let personal = |header: &str| is_personal(&Fields::of(format!("{header}\r\n\r\n").as_bytes()));
        for header in [
            "Subject: x",
            "Auto-Submitted: no",
            "Auto-Submitted: NO (really)",
            "Precedence: first-class",
            "Return-Path: <bob@x>",
        ] {
            assert!(personal(header), "{header}");
        }
        for header in [
            "Auto-Submitted: auto-replied",
            "auto-submitted: auto-generated (rejected)",
            "Precedence: Bulk",
            "List-Id: <x>",
            "List-Unsubscribe: <mailto:x>",
            "X-Auto-Response-Suppress: DR, OOF",
            "Precedence: list",
            "Return-Path: <>",
            "X-Spam-Flag: YES",
        ] {
            assert!(!personal(header), "{header}");
        }
    }
}
