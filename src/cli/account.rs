//! `pillarbox account …`

use super::args::Action;
use super::{Failed, ask, size, terminal, unexpected};
use pillarbox::admin::{Door, Listed, Quota, Reply, Request, Secret, Shown};
use pillarbox::store::OnDelete;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// Does it, and says what was done.
pub fn run(data: &Path, action: Action) -> Result<ExitCode, Failed> {
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
        Action::List => ask(data, Request::ListAccounts)?,
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
        Action::Remove { address, yes } => remove(data, address, yes)?,
    };
    said(reply)
}

/// Removes an account, once it is sure that this is what is wanted.
fn remove(data: &Path, address: String, yes: bool) -> Result<Reply, Failed> {
    let mut door = super::door(data)?;
    let Reply::Account(shown) = door.ask(Request::ShowAccount { address: address.clone() })? else {
        return Err(unexpected());
    };
    if !yes {
        let question = format!("Remove {} with its mail ({})?", shown.account.address, usage(&shown.account));
        match terminal::confirms(&question)? {
            Some(true) => {}
            Some(false) => return Err(Failed::because("nothing was removed")),
            None => return Err(Failed::because(format!("{question} Nobody can be asked: say it with --yes"))),
        }
    }
    Ok(door.ask(Request::RemoveAccount { address })?)
}

fn said(reply: Reply) -> Result<ExitCode, Failed> {
    terminal::print(&match reply {
        Reply::Done => "Done.\n".to_owned(),
        Reply::Password { address, made: None } => format!("{address} has its password.\n"),
        Reply::Password { address, made: Some(Secret(password)) } => {
            format!("user      {address}\npassword  {password}\n")
        }
        Reply::Accounts(accounts) => table(&accounts),
        Reply::Account(shown) => account(&shown),
        _ => return Err(unexpected()),
    });
    Ok(ExitCode::SUCCESS)
}

fn table(accounts: &[Listed]) -> String {
    let width = accounts.iter().map(|account| account.address.chars().count()).max().unwrap_or(0);
    accounts.iter().fold(String::new(), |mut table, account| {
        let _ = writeln!(table, "{:width$}  {}", account.address, usage(account));
        table
    })
}

fn account(shown: &Shown) -> String {
    let mut text = format!("{}\n  {}\n", shown.account.address, usage(&shown.account));
    let width = shown.mailboxes.iter().map(|mailbox| mailbox.name.chars().count()).max().unwrap_or(0);
    let deleted = match shown.pop3.on_delete {
        OnDelete::Trash => "goes to the Trash",
        OnDelete::Hide => "is only hidden from POP3",
        OnDelete::Delete => "is gone",
    };
    let seen = if shown.pop3.marks_seen { "is marked as seen" } else { "stays as it was" };
    let _ = writeln!(text, "  POP3: what is deleted {deleted}, what is read {seen}");
    for mailbox in &shown.mailboxes {
        let (messages, unseen, bytes) = (mailbox.messages, mailbox.unseen, size::shown(mailbox.bytes));
        let _ = writeln!(text, "  {:width$}  {messages:>8} messages  {unseen:>8} unseen  {bytes:>9}", mailbox.name);
    }
    text
}

fn usage(account: &Listed) -> String {
    let of = |limit: Option<String>| limit.map_or_else(String::new, |limit| format!(" of {limit}"));
    format!(
        "{} messages{}, {}{}",
        account.messages,
        of(account.messages_limit.map(|limit| limit.to_string())),
        size::shown(account.bytes),
        of(account.bytes_limit.map(size::shown)),
    )
}
