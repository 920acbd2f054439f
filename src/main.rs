//! Pillarbox, the program: reads its arguments and wires the rooms together, nothing else.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    if pillarbox::host::is_pid1() {
        cli::be_pid1();
    }
    match cli::parse(lexopt::Parser::from_env()) {
        Ok(wish) => cli::run(wish),
        Err(error) => cli::refuse(&error),
    }
}
