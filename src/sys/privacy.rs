//! Whose files are.

use rustix::fs::Mode;

/// What this process makes from now on is its owner's alone, whatever umask it was started with. What others are to reach,
/// as a socket, is opened to them by name.
pub fn keep_to_ourselves() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}
