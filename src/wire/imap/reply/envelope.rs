//! ENVELOPE (RFC 9051 §7.5.2).

use super::string::nstring;
use crate::mail::{Address, Envelope};
use crate::wire::Out;
use crate::wire::imap::Dialect;

/// ``envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP env-cc SP env-bcc
/// SP env-in-reply-to SP env-message-id ")"``
pub(super) fn envelope(out: &mut Out, envelope: &Envelope<'_>, dialect: Dialect) {
    // RFC 9051 §7.5.2: where Sender or Reply-To is absent or empty, From stands for it.
    let sender = if envelope.sender.is_empty() { &envelope.from } else { &envelope.sender };
    let reply_to = if envelope.reply_to.is_empty() { &envelope.from } else { &envelope.reply_to };
    out.byte(b'(');
    nstring(out, envelope.date.as_deref(), dialect);
    out.byte(b' ');
    nstring(out, envelope.subject.as_deref(), dialect);
    for field in [&envelope.from, sender, reply_to, &envelope.to, &envelope.cc, &envelope.bcc] {
        out.byte(b' ');
        addresses(out, field, dialect);
    }
    out.byte(b' ');
    nstring(out, envelope.in_reply_to.as_deref(), dialect);
    out.byte(b' ');
    nstring(out, envelope.message_id.as_deref(), dialect);
    out.byte(b')');
}

/// ``env-from = "(" 1*address ")" / nil``, and the other five
fn addresses(out: &mut Out, addresses: &[Address<'_>], dialect: Dialect) {
    if addresses.is_empty() {
        return out.put(b"NIL");
    }
    out.byte(b'(');
    for address in addresses {
        // address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"
        let mut before = b'(';
        for field in [&address.name, &address.route, &address.mailbox, &address.host] {
            out.byte(before);
            before = b' ';
            nstring(out, field.as_deref(), dialect);
        }
        out.byte(b')');
    }
    out.byte(b')');
}
