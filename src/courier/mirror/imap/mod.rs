//! An IMAP client: what a mirror needs of the protocol, over any connection.

mod client;
mod folders;
mod messages;
#[cfg(test)]
mod tests;

pub use client::{Imap, Selected};
pub use folders::FolderListed;
pub use messages::HEADER;
