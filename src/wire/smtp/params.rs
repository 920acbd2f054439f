//! The parameters of MAIL and RCPT (RFC 5321 §4.1.2: `esmtp-param = esmtp-keyword ["=" esmtp-value]`).

use super::command::{Recipient, Sender, Syntax};

/// Of what the sender wants to be told (RFC 3461 §4.1); nothing of it: NEVER.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// That it was delivered.
    pub success: bool,
    /// That it was not.
    pub failure: bool,
    /// That it takes long.
    pub delay: bool,
}

/// Octets of ENVID (RFC 3461 §4.4).
const ENVID: usize = 100;
/// Octets of ORCPT (RFC 3461 §4.2).
const ORCPT: usize = 500;
/// Parameters of one command: there are fewer that we know.
const MOST: usize = 16;

/// The parameters one by one; each keyword may stand once.
pub(super) fn split(rest: &str) -> Result<Vec<(&str, Option<&str>)>, Syntax> {
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(Syntax::Parameter("A space is missing after the address"));
    }
    let mut found: Vec<(&str, Option<&str>)> = Vec::new();
    for word in rest.split(' ').filter(|word| !word.is_empty()) {
        let (keyword, value) = match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        };
        if found.len() >= MOST || found.iter().any(|(other, _)| other.eq_ignore_ascii_case(keyword)) {
            return Err(Syntax::Parameter("A parameter stands twice"));
        }
        found.push((keyword, value));
    }
    Ok(found)
}

pub(super) fn of_sender(sender: &mut Sender, keyword: &str, value: Option<&str>) -> Result<(), Syntax> {
    let is = |name: &str| keyword.eq_ignore_ascii_case(name);
    let value_is = |name: &str| value.is_some_and(|value| value.eq_ignore_ascii_case(name));
    if is("SIZE") {
        sender.size = Some(value.and_then(number).ok_or(Syntax::Parameter("SIZE is a number"))?);
    } else if is("BODY") {
        sender.body_8bit = value_is("8BITMIME");
        if !sender.body_8bit && !value_is("7BIT") {
            return Err(Syntax::Parameter("BODY is 7BIT or 8BITMIME"));
        }
    } else if is("SMTPUTF8") && value.is_none() {
        sender.utf8 = true;
    } else if is("RET") {
        sender.ret_full = value_is("FULL");
        if !sender.ret_full && !value_is("HDRS") {
            return Err(Syntax::Parameter("RET is FULL or HDRS"));
        }
    } else if is("ENVID") {
        let envid = value.filter(|value| (1..=ENVID).contains(&value.len()) && is_xtext(value, false));
        sender.envid = Some(envid.ok_or(Syntax::Parameter("ENVID is not as it must be"))?.to_owned());
    } else if is("AUTH") {
        // Who it was first submitted by is not ours to believe, and nothing here hangs on it (RFC 4954 §5).
        if !value.is_some_and(|value| value == "<>" || is_xtext(value, true)) {
            return Err(Syntax::Parameter("AUTH is not as it must be"));
        }
    } else {
        return Err(Syntax::Parameter("This parameter is not known"));
    }
    Ok(())
}

pub(super) fn of_recipient(
    recipient: &mut Recipient,
    keyword: &str,
    value: Option<&str>,
    utf8: bool,
) -> Result<(), Syntax> {
    if keyword.eq_ignore_ascii_case("NOTIFY") {
        let notify = value.and_then(notify).ok_or(Syntax::Parameter("NOTIFY is not as it must be"))?;
        recipient.notify = Some(notify);
    } else if keyword.eq_ignore_ascii_case("ORCPT") {
        let right = |value: &&str| {
            let parts = value.split_once(';');
            let word = |kind: &str| !kind.is_empty() && kind.bytes().all(|octet| octet.is_ascii_graphic());
            value.len() <= ORCPT && parts.is_some_and(|(kind, address)| word(kind) && is_xtext(address, utf8))
        };
        let orcpt = value.filter(right).ok_or(Syntax::Parameter("ORCPT is not as it must be"))?;
        recipient.orcpt = Some(orcpt.to_owned());
    } else {
        return Err(Syntax::Parameter("This parameter is not known"));
    }
    Ok(())
}

/// `1*20DIGIT`
pub(super) fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// `notify-esmtp-value = "NEVER" / 1#notify-list-element`
fn notify(value: &str) -> Option<Notify> {
    let mut notify = Notify::default();
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(notify);
    }
    for element in value.split(',') {
        let known = [("SUCCESS", &mut notify.success), ("FAILURE", &mut notify.failure), ("DELAY", &mut notify.delay)];
        *known.into_iter().find(|(name, _)| element.eq_ignore_ascii_case(name))?.1 = true;
    }
    Some(notify)
}

/// `xtext = *( xchar / hexchar )` (RFC 3461 §4); `utf8`: with other letters than ASCII's (RFC 6533 §3).
fn is_xtext(text: &str, utf8: bool) -> bool {
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        let right = match c {
            '+' => {
                let hex = |c: Option<char>| c.is_some_and(|c| matches!(c, '0'..='9' | 'A'..='F'));
                hex(characters.next()) && hex(characters.next())
            }
            '=' => false,
            c if c.is_ascii() => c.is_ascii_graphic(),
            c => utf8 && !c.is_control() && !c.is_whitespace(),
        };
        if !right {
            return false;
        }
    }
    true
}
