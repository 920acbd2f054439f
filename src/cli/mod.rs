//! The command line: a wish from arguments, and its way.

mod account;
mod appliance;
mod args;
mod attempt;
mod carry;
mod export;
mod filing;
mod filing_args;
mod found;
mod help;
mod import;
mod list;
mod machine;
mod mirror;
mod mirror_args;
mod near;
mod outgoing;
mod outgoing_args;
mod pages;
mod progress;
mod quotas;
mod report;
mod running;
mod serve;
mod session;
mod size;
mod terminal;
mod trace;
mod welcome;
mod words;

use pillarbox::admin::{Door, DoorError, Reply, Request};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;

pub use appliance::be_pid1;
pub use args::{Wish, parse};

/// Why a command ends with 1; the text is for the person at the terminal.
pub struct Failed(String);

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Failed(error.to_string())
    }
}

impl Failed {
    fn because(text: impl Into<String>) -> Failed {
        Failed(text.into())
    }
}

/// Fulfils a wish. 0: done; 1: it failed, or a check found something; wrong arguments, 2, never get here.
pub fn run(wish: Wish) -> ExitCode {
    let done = match wish {
        Wish::Help(text) => {
            terminal::print(text);
            Ok(ExitCode::SUCCESS)
        }
        Wish::Version => {
            terminal::print(concat!("pillarbox ", env!("CARGO_PKG_VERSION"), "\n"));
            Ok(ExitCode::SUCCESS)
        }
        Wish::Serve(serve) => serve::run(&serve),
        Wish::Confine { words } => Err(pillarbox::host::confine(&words).into()),
        Wish::Account { data, action, json } => account::run(&data, action, json),
        Wish::Outgoing { data, wish, json } => outgoing::run(&data, wish, json),
        Wish::Filing { data, wish, json } => filing::run(&data, wish, json),
        Wish::Import { data, wish } => import::run(&data, &wish),
        Wish::Export { data, address, folder, format } => export::run(&data, &address, &folder, format),
        Wish::Check { data, mend, json } => report::check(&data, mend, json),
        Wish::Compact { data } => report::compact(&data),
        Wish::Status { data, json } => report::status(&data, json),
        Wish::Trace { data, wish } => trace::run(&data, wish),
        Wish::Mirror { data, action, json } => mirror::run(&data, action, json),
        Wish::Session { data, request, json } => session::run(&data, request, json),
        Wish::Machine { data, wish } => machine::run(data.as_deref(), wish),
    };
    let code = done.unwrap_or_else(|Failed(why)| {
        terminal::say(&format!("pillarbox: {why}\n"));
        ExitCode::FAILURE
    });
    pillarbox::sys::log::finish();
    code
}

/// Says what is wrong with the arguments.
pub fn refuse(error: &lexopt::Error) -> ExitCode {
    terminal::say(&format!("pillarbox: {error}\nTry `pillarbox --help`.\n"));
    ExitCode::from(2)
}

/// Makes the data folder where there is none. Mail and keys are nobody else's.
fn make_folder(data: &Path) -> Result<(), Failed> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.map_err(|error| Failed(format!("{}: {error}", data.display())))
}

/// The way to the data of a folder that exists: a wrong `--data` must not make a new, empty one.
fn door(data: &Path) -> Result<Door, Failed> {
    let there = data.join("mail.redb").try_exists().map_err(|error| denied(data, &error))?;
    if !there {
        let data = data.display();
        return Err(Failed(format!(
            "there is no mail in {data}: start `pillarbox` first, or say where it is with --data"
        )));
    }
    Door::open(data).map_err(|error| match error {
        // The file or the socket is another user's, in a folder that anybody may look into.
        DoorError::Denied => denied(data, &std::io::ErrorKind::PermissionDenied.into()),
        error => error.into(),
    })
}

/// A folder that cannot be looked into, and whose it is.
fn denied(data: &Path, error: &std::io::Error) -> Failed {
    use std::os::unix::fs::MetadataExt;
    let owner =
        data.metadata().map_or_else(|_| String::new(), |found| format!(", which belongs to user {}", found.uid()));
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            Failed(format!("{}: permission denied: only its owner{owner}, or root, may do this", data.display()))
        }
        _ => Failed(format!("{}: {error}", data.display())),
    }
}

fn ask(data: &Path, request: Request) -> Result<Reply, Failed> {
    Ok(door(data)?.ask(request)?)
}

/// An answer that does not fit its question.
fn unexpected() -> Failed {
    Failed::because("the server gave an answer that was not expected: is it of another version?")
}
