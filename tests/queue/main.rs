//! Mail that goes out, from acceptance to the end: a scripted server at the other end, and a clock that is set by hand.

mod dialogue;
#[path = "../support/folder.rs"]
mod folder;
mod rounds;
#[path = "../support/smtp_server.rs"]
mod smtp_server;
mod world;
