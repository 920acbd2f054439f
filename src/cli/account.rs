//! `pillarbox account …`

use super::args::Action;
use super::list::{List, json};
use super::size::counted;
use super::{Failed, ask, size, terminal, unexpected};
use pillarbox::admin::{Door, Listed, Quota, RemovedLine, Reply, Request, Secret, Shown};
use pillarbox::store::{Closed, OnDelete};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// Does it, and says what was done.
pub fn run(data: &Path, action: Action, as_json: bool) -> Result<ExitCode, Failed> {
    let reply = match action {
        Action::Add { address, bytes, messages, password_stdin, hash_stdin } => {
            // The first account may be made before the first start.
            super::make_folder(data)?;
            let mut door = Door::open(data)?;
            if hash_stdin {
                let (hash, quota) = (terminal::hash()?, Quota { bytes, messages });
                return said(door.ask(Request::AddHashedAccount { address, hash, quota, unless_there: false })?);
            }
            let password = terminal::new_password(password_stdin, &address)?;
            door.ask(Request::AddAccount { address, password, quota: Quota { bytes, messages } })?
        }
        Action::List { removed: false } => ask(data, Request::ListAccounts)?,
        Action::List { removed: true } => ask(data, Request::ListRemoved)?,
        Action::Show { address } => ask(data, Request::ShowAccount { address })?,
        Action::Passwd { address, password_stdin } => {
            let mut door = super::door(data)?;
            let password = terminal::new_password(password_stdin, &address)?;
            door.ask(Request::SetPassword { address, password })?
        }
        Action::Quota { address, bytes, messages } => {
            ask(data, Request::SetQuota { address, quota: Quota { bytes, messages } })?
        }
        Action::Pop3 { address, deleted, mark_seen } => ask(data, Request::SetPop3 { address, deleted, mark_seen })?,
        Action::Remove { address, yes, forever } => return remove(data, address, yes, forever),
        Action::Restore { which, address } => ask(data, Request::RestoreAccount { which, address })?,
    };
    if as_json {
        terminal::print(&match &reply {
            Reply::Accounts(accounts) => json(accounts)?,
            Reply::Removed(removed) => json(removed)?,
            Reply::Account(shown) => json(shown)?,
            _ => return Err(unexpected()),
        });
        return Ok(ExitCode::SUCCESS);
    }
    said(reply)
}

/// Removes an account, once it is sure that this is what is wanted.
fn remove(data: &Path, address: String, yes: bool, forever: bool) -> Result<ExitCode, Failed> {
    let mut door = super::door(data)?;
    let (address, mail) = match door.ask(Request::ShowAccount { address: address.clone() }) {
        Ok(Reply::Account(shown)) => (shown.account.address.clone(), usage(&shown.account)),
        // One that was removed already may go for ever.
        Err(_) if forever => (address, "all that is left of it".to_owned()),
        Err(failure) => return Err(failure.into()),
        Ok(_) => return Err(unexpected()),
    };
    if !yes {
        let how = if forever { " for ever, at once" } else { "" };
        let question = format!("Remove {address} with its mail ({mail}){how}?");
        match terminal::confirms(&question)? {
            Some(true) => {}
            Some(false) => return Err(Failed::because("nothing was removed")),
            None => return Err(Failed::because(format!("{question} Nobody can be asked here: say it with --yes"))),
        }
    }
    let request = if forever {
        Request::EraseAccount { address: address.clone() }
    } else {
        Request::RemoveAccount { address: address.clone() }
    };
    let Reply::Done = door.ask(request)? else { return Err(unexpected()) };
    terminal::print(&if forever {
        format!("{address} is gone.\n")
    } else {
        let days = Closed::DAYS;
        format!("{address} is removed. Its mail is kept for {days} days: pillarbox account restore {address}\n")
    });
    Ok(ExitCode::SUCCESS)
}

fn said(reply: Reply) -> Result<ExitCode, Failed> {
    terminal::print(&match reply {
        Reply::Done => "Done.\n".to_owned(),
        Reply::Password { address, made: None } => format!("{address} has its password.\n"),
        Reply::Password { address, made: Some(Secret(password)) } => {
            format!("user      {address}\npassword  {password}\n")
        }
        Reply::Accounts(accounts) => table(&accounts),
        Reply::Removed(removed) => removed_table(&removed),
        Reply::Account(shown) => account(&shown),
        _ => return Err(unexpected()),
    });
    Ok(ExitCode::SUCCESS)
}

fn table(accounts: &[Listed]) -> String {
    let mut list = List::new(["address", "mail"]);
    for account in accounts {
        list.row([account.address.clone(), usage(account)]);
    }
    list.text("There are no accounts.")
}

fn removed_table(removed: &[RemovedLine]) -> String {
    let mut list = List::new(["no", "address", "mail", "kept for"]);
    for one in removed {
        let mail = format!("{}, {}", counted(one.messages, "message", "messages"), size::shown(one.bytes));
        list.row([one.id.to_string(), one.address.clone(), mail, counted(one.days_left.into(), "day", "days")]);
    }
    list.text("There are no removed accounts.")
}

fn account(shown: &Shown) -> String {
    let mut text = format!("{}\n  {}\n", shown.account.address, usage(&shown.account));
    let deleted = match shown.pop3.on_delete {
        OnDelete::Trash => "goes to the Trash",
        OnDelete::Hide => "is only hidden from POP3",
        OnDelete::Delete => "is gone",
    };
    let seen = if shown.pop3.marks_seen { "is marked as seen" } else { "stays as it was" };
    let _ = writeln!(text, "  POP3: what is deleted {deleted}, what is read {seen}");
    let mut list = List::new(["mailbox", "messages", "unseen", "size"]);
    for mailbox in &shown.mailboxes {
        let (messages, unseen) = (mailbox.messages.to_string(), mailbox.unseen.to_string());
        list.row([mailbox.name.clone(), messages, unseen, size::shown(mailbox.bytes)]);
    }
    text + "\n" + &list.text("There are no mailboxes.")
}

fn usage(account: &Listed) -> String {
    let of = |limit: Option<String>| limit.map_or_else(String::new, |limit| format!(" of {limit}"));
    format!(
        "{}{}, {}{}",
        counted(account.messages, "message", "messages"),
        of(account.messages_limit.map(|limit| limit.to_string())),
        size::shown(account.bytes),
        of(account.bytes_limit.map(size::shown)),
    )
}
