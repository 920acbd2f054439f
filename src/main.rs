//! Pillarbox, the program: reads its arguments and wires the rooms together, nothing else.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    // What began as /proc/self/exe would be listed as `exe`.
    let _ = rustix::thread::set_name(c"pillarbox");
    if pillarbox::host::is_pid1() {
        cli::be_pid1();
    }
    pillarbox::sys::keep_to_ourselves();
    match cli::parse(lexopt::Parser::from_env()) {
        Ok(wish) => cli::run(wish),
        Err(error) => cli::refuse(&error),
    }
}
