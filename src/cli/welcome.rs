//! The first start: an account, a first mail in it, and all that is needed to read it, printed once.

use super::found::Found;
use super::{Failed, unexpected};
use pillarbox::admin::{Quota, Reply, Request, Secret, Strength, perform};
use pillarbox::keep::{Destination, Direct, Meta, Verdict};
use pillarbox::mail::Stamp;
use pillarbox::net::Identity;
use pillarbox::store::{History, Store};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the password came from.
#[derive(Clone, Copy, Debug)]
pub enum Chosen {
    AtRandom,
    ByOwner,
}

/// The first account, which was just made.
pub struct First {
    address: String,
    password: String,
}

/// Makes the first account where there is none.
pub fn first(store: &Arc<Store>, strength: Strength, found: &Found) -> Result<Option<First>, Failed> {
    if !store.snapshot()?.accounts()?.is_empty() {
        return Ok(None);
    }
    let add = Request::AddAccount { address: format!("me@{}", found.name), password: None, quota: Quota::default() };
    let (address, password) = match perform(store, strength, add) {
        Reply::Password { address, made: Some(Secret(password)) } => (address, password),
        Reply::Failed(failure) => return Err(failure.into()),
        _ => return Err(unexpected()),
    };
    deliver(store, &address, found, Chosen::AtRandom);
    Ok(Some(First { address, password }))
}

/// What is printed of the first account, so that it can be pasted. `pages`: whether there are any.
pub fn told(First { address, password }: &First, identity: &Identity, found: &Found, pages: bool) -> String {
    let [imap, imaps, pop3, pop3s] = found.ports();
    let (server, here, https) = (found.server(), found.here(), found.https());
    let authority = identity.ca_file();
    let sending = found.submission().map_or_else(String::new, |[starttls, tls]| {
        format!("sending      port {tls} (TLS) or port {starttls} (STARTTLS)\n")
    });
    let ours = match (&authority, identity.authority_fingerprint()) {
        (Some(file), Some(fingerprint)) => {
            format!("authority    {}\n  SHA-256    {fingerprint}\n", file.display())
        }
        _ => String::new(),
    };
    let trust = authority.map_or_else(String::new, |file| format!("--cacert '{}' ", file.display()));
    let fingerprint = identity.fingerprint();
    let page = if pages { format!("web page     https://{here}:{https}/\n") } else { String::new() };
    format!(
        "\nserver       {server}\n\
         IMAP         port {imaps} (TLS) or port {imap} (STARTTLS)\n\
         POP3         port {pop3s} (TLS) or port {pop3} (STLS)\n\
         {sending}\
         user         {address}\n\
         password     {password}\n\
         certificate\n  SHA-256    {fingerprint}\n\
         {ours}\
         {page}\n\
         Read the first mail:\n\n\
         curl {trust}--user '{address}:{password}' 'imaps://{here}:{imaps}/INBOX;MAILINDEX=1'\n\n"
    )
}

/// Delivers the first mail: how to go on. Without it the box works as well.
pub fn deliver(store: &Arc<Store>, address: &str, found: &Found, chosen: Chosen) {
    if let Err(Failed(why)) = try_deliver(store, address, found, chosen) {
        log::warn!("the first mail could not be delivered: {why}");
    }
}

fn try_deliver(store: &Arc<Store>, address: &str, found: &Found, chosen: Chosen) -> Result<(), Failed> {
    let account = store.snapshot()?.account_of(address)?.ok_or_else(unexpected)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let received = Stamp::utc(i64::try_from(now).unwrap_or(0));
    let mut direct = Direct { store: Arc::clone(store), account, again: true };
    let mut inbox = direct.open("INBOX")?;
    inbox.push(mail(address, found, chosen, &date(now)).as_bytes())?;
    inbox.end(Meta { flags: Vec::new(), received, history: History::default() })?;
    match inbox.verdict(true)? {
        Some(Verdict::Taken | Verdict::Known) => Ok(()),
        Some(Verdict::Refused(why) | Verdict::Full(why) | Verdict::Broken(why)) => Err(Failed::because(why)),
        None => Err(unexpected()),
    }
}

fn mail(address: &str, found: &Found, chosen: Chosen, date: &str) -> String {
    let (name, folder) = (&found.name, found.data.display());
    let server = found.names.join(", or ");
    let password = match chosen {
        Chosen::AtRandom => "the one that was printed at the first start",
        Chosen::ByOwner => "the one that you chose on the set-up page",
    };
    let [imap, imaps, pop3, pop3s] = found.ports();
    let sending = found.submission().map_or_else(String::new, |[starttls, tls]| {
        format!("  sending           port {tls} with TLS, or {starttls} with STARTTLS, the same user\n")
    });
    let text = format!(
        "From: Pillarbox <pillarbox@{name}>\n\
         To: <{address}>\n\
         Subject: Your mailbox is ready\n\
         Date: {date}\n\
         Message-ID: <welcome@{name}>\n\
         MIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n\
         \n\
         Good to have you here. This is how a mail program is set up for this mailbox:\n\
         \n\
         \x20 kind of account   IMAP\n\
         \x20 server            {server}\n\
         \x20 port              {imaps} with TLS (some say SSL), or {imap} with STARTTLS\n\
         \x20 user              {address}\n\
         \x20 password          {password}\n\
         {sending}\
         \n\
         IMAP keeps the mail here, and the same on all devices. A program that speaks\n\
         POP3 finds it on port {pop3s} with TLS, or {pop3} with STLS; what it deletes\n\
         stays in the Trash for 30 days.\n\
         \n\
         If the program does not trust the certificate, install the file tls/ca.pem\n\
         of the data folder as a trusted authority, once: it also covers renewals.\n\
         \n\
         On the server, these go on from here:\n\
         \n\
         \x20 pillarbox account passwd {address} --data {folder}\n\
         \x20 pillarbox account add SOMEBODY@{name} --data {folder}\n\
         \x20 pillarbox import {address} PATH --data {folder}\n\
         \x20 pillarbox mirror --help    (a mailbox at a provider, kept here, too)\n\
         \x20 pillarbox smarthost --help (the provider's server, for what you send)\n\
         \n\
         You can delete this mail.\n"
    );
    text.replace('\n', "\r\n")
}

/// A moment as in a Date field (RFC 5322 §3.3).
fn date(seconds: u64) -> String {
    let moment =
        i64::try_from(seconds).ok().and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok());
    let moment = moment.unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let (weekday, month) = (moment.weekday().to_string(), moment.month().to_string());
    let (weekday, month) = (weekday.get(..3).unwrap_or_default(), month.get(..3).unwrap_or_default());
    let (hour, minute, second) = (moment.hour(), moment.minute(), moment.second());
    format!("{weekday}, {} {month} {} {hour:02}:{minute:02}:{second:02} +0000", moment.day(), moment.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_as_mail_has_them() {
        assert_eq!(date(1_030_016_176), "Thu, 22 Aug 2002 11:36:16 +0000");
        assert_eq!(date(0), "Thu, 1 Jan 1970 00:00:00 +0000");
    }

    #[test]
    fn the_first_mail_is_a_mail() {
        let found = Found {
            name: "pillarbox.local".to_owned(),
            bind: [0, 0, 0, 0].into(),
            port_offset: 0,
            names: vec!["mail.example.org".to_owned(), "192.0.2.7".to_owned()],
            data: "/data".into(),
            mx: true,
            submission: true,
        };
        let mail = mail("me@pillarbox.local", &found, Chosen::ByOwner, "Thu, 1 Jan 1970 00:00:00 +0000");
        assert!(mail.lines().all(|line| line.len() <= 78), "{mail}");
        assert!(mail.contains("\r\n\r\nGood") && !mail.replace("\r\n", "").contains(['\r', '\n']));
        assert!(mail.contains("port              993 with TLS"));
        assert!(mail.contains("sending           port 465 with TLS"));
        assert!(mail.contains("server            mail.example.org, or 192.0.2.7\r\n") && !mail.contains("localhost"));
    }
}
