//! What every start says: that it runs, where, and what waits.

use super::found::Found;
use super::size::counted;
use pillarbox::admin::{Reply, Request, Status, Strength, perform};
use pillarbox::store::{Health, Store};
use std::sync::Arc;

/// What waits for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// The first account was made: it is told of next.
    FirstAccount,
    /// Who knows the code makes the first account.
    Claim,
    /// Whatever there is.
    Nothing,
}

/// Three lines: that the server runs, where, and what waits. `pages`: whether there are any.
pub fn lines(store: &Arc<Store>, strength: Strength, found: &Found, pages: bool, waits: Waits) -> String {
    let Reply::Status(status) = perform(store, strength, Request::Status) else { return String::new() };
    format!("{}\n{}\n{}\n", runs(&status, found), place(found, pages), waiting(&status, found, pages, waits))
}

fn runs(status: &Status, found: &Found) -> String {
    let accounts = counted(status.accounts, "account", "accounts");
    let state = match status.state {
        Health::Good => "",
        Health::Full => "; the disk is full, and mail that comes in is refused",
        Health::ReadOnly => "; nothing can be written, mail can only be read",
        Health::Damaged => "; some of the mail is damaged: pillarbox check names it",
        Health::Failing => "; the disk fails, and not all mail can be read",
    };
    format!("Pillarbox {} runs, with {accounts}, in {}{state}", status.version, found.data.display())
}

fn place(found: &Found, pages: bool) -> String {
    let [_, imaps, _, pop3s] = found.ports();
    let sending = found.submission().map_or_else(String::new, |[_, tls]| format!(", sending {tls}"));
    let smtp = found.smtp().map_or_else(String::new, |port| format!("; from other servers {port}"));
    let page = if pages { format!("; page {}", page(found)) } else { String::new() };
    let whom = if found.bind.is_loopback() { "this machine only" } else { found.server() };
    format!("For {whom}: IMAP {imaps}, POP3 {pop3s}{sending} in TLS{smtp}{page}")
}

fn page(found: &Found) -> String {
    let (host, port) = (if found.bind.is_loopback() { found.here() } else { found.host() }, found.https());
    if port == 443 { format!("https://{host}/") } else { format!("https://{host}:{port}/") }
}

fn waiting(status: &Status, found: &Found, pages: bool, waits: Waits) -> String {
    match (waits, status.queued) {
        (Waits::FirstAccount, _) => {
            "The first mail waits in the first account, which is told of only this once:".to_owned()
        }
        (Waits::Claim, _) if pages => format!("It waits to be set up, with its code, at {}", page(found)),
        _ if status.accounts == 0 => "It waits for an account: pillarbox account add ADDRESS".to_owned(),
        (_, 0) => "Nothing waits".to_owned(),
        (_, queued) => format!("{} to go out: pillarbox queue", counted(queued, "message waits", "messages wait")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bind: &str, name: &str) -> Found {
        Found {
            name: "box.local".to_owned(),
            names: vec![name.to_owned()],
            bind: bind.parse().unwrap(),
            port_offset: 10_000,
            data: "data".into(),
            mx: true,
            submission: true,
        }
    }

    fn status(accounts: u64, queued: u64) -> Status {
        let known = serde_json::json!({
            "version": "1.2", "accounts": accounts, "messages": 0, "bytes": 0, "file": 0, "queued": queued
        });
        serde_json::from_value(known).unwrap()
    }

    #[test]
    fn a_start_says_that_it_runs_and_where() {
        assert_eq!(runs(&status(1, 0), &found("::", "x")), "Pillarbox 1.2 runs, with 1 account, in data");
        let here = place(&found("127.0.0.5", "127.0.0.5"), true);
        assert_eq!(
            here,
            "For this machine only: IMAP 10993, POP3 10995, sending 10465 in TLS; from other servers 10025; page \
             https://127.0.0.5:10443/"
        );
        let all = Found { port_offset: 0, mx: false, ..found("::", "mail.example.org") };
        let expected = "For mail.example.org: IMAP 993, POP3 995, sending 465 in TLS; page https://mail.example.org/";
        assert_eq!(place(&all, true), expected);
        assert!(!place(&all, false).contains("page"));
    }

    #[test]
    fn a_start_says_what_waits() {
        let of = |accounts, queued, pages, waits| {
            waiting(&status(accounts, queued), &found("::1", "localhost"), pages, waits)
        };
        assert!(of(1, 0, true, Waits::FirstAccount).contains("only this once"));
        assert!(of(0, 0, true, Waits::Claim).ends_with("with its code, at https://localhost:10443/"));
        for nobody in [of(0, 0, false, Waits::Claim), of(0, 0, true, Waits::Nothing)] {
            assert!(nobody.contains("account add"), "{nobody}");
        }
        assert_eq!(of(2, 0, true, Waits::Nothing), "Nothing waits");
        assert_eq!(of(2, 1, true, Waits::Nothing), "1 message waits to go out: pillarbox queue");
        assert_eq!(of(2, 7, true, Waits::Nothing), "7 messages wait to go out: pillarbox queue");
    }
}
