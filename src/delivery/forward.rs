//! What is sent on by the box itself, and with which envelope.
//!
//! The reverse path of what is sent on is one of ours, so that SPF passes where it arrives: the account whose rule it
//! was, or the postmaster of the domain whose alias it was. A bounce comes back to there, with a null reverse path.
//! What came with a null reverse path is sent on with one, so that nobody ever answers it (RFC 5321 §4.5.5): a bounce
//! that cannot be sent on ends in the queue, and goes in no circle. A rule that only forwards keeps bounces here, too:
//! they may be about the very address that it forwards to.
//!
//! A circle through other hosts is known by its Received fields (RFC 5321 §6.3), since all copies of a mail share one
//! content, in which nothing can be marked for one of them.

use super::fields::Fields;
use super::resolve::Onwards;
use crate::mail::limits;

/// How often a mail may have come by here before it is sent on once more: submitted here, come back by a mailing list.
const OWN_HOPS: usize = 3;

/// Whether a mail has been on its way for so long that it is sent on to nobody any more.
pub(super) fn is_circling(fields: &Fields<'_>, name: &str) -> bool {
    let (mut all, mut own) = (0, 0);
    let by = format!("by {}", name.to_lowercase());
    for received in fields.texts("received") {
        all += 1;
        let received = received.to_lowercase();
        own += usize::from(received.match_indices(&by).any(|(at, _)| {
            let whole = |c: char| c.is_whitespace() || c == ';' || c == '(';
            let before = received.get(..at).and_then(|before| before.chars().next_back());
            let after = received.get(at + by.len()..).and_then(|after| after.chars().next());
            before.is_none_or(whole) && after.is_none_or(whole)
        }));
    }
    all >= limits::HOPS || own > OWN_HOPS
}

/// The reverse path of what an alias sends on. `own`: it was submitted here, with an address of ours.
pub(super) fn of_alias(from: &str, own: bool, to: &Onwards) -> String {
    if own || from.is_empty() { from.to_owned() } else { format!("postmaster@{}", to.domain) }
}

/// The reverse path of what an account's rule sends on.
pub(super) fn of_rule(from: &str, account: &str) -> String {
    if from.is_empty() { String::new() } else { account.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(received: &str, times: usize) -> Vec<u8> {
        format!("{}\r\n", format!("Received: {received}\r\n").repeat(times)).into_bytes()
    }

    fn circles(received: &str, times: usize) -> bool {
        is_circling(&Fields::of(&header(received, times)), "Mail.example.org")
    }

    #[test]
    fn a_mail_that_has_come_by_often_is_not_sent_on() {
        let own = "from x (y [1.2.3.4])\r\n by mail.example.org with ESMTPS; Thu, 1 Jan 1970 00:00:00 +0000";
        assert!(!circles(own, OWN_HOPS) && circles(own, OWN_HOPS + 1));
        let other = "from mail.example.org by mail.example.org.evil.example with ESMTP; now";
        assert!(!circles(other, limits::HOPS - 1) && circles(other, limits::HOPS));
    }

    #[test]
    fn what_has_no_sender_gets_none() {
        let to = Onwards { address: "out@example.net".to_owned(), domain: "example.org".to_owned() };
        assert_eq!((of_alias("", false, &to).as_str(), of_rule("", "ann@example.org").as_str()), ("", ""));
        assert_eq!(of_alias("x@example.com", false, &to), "postmaster@example.org");
        assert_eq!(of_alias("ann@example.org", true, &to), "ann@example.org");
        assert_eq!(of_rule("x@example.com", "ann@example.org"), "ann@example.org");
    }
}
