//! Pillarbox: a mail appliance in one binary.
//!
//! The rooms, and what they own; arrows between them point down (`tests/architecture.rs` holds them):
//!
//! ```text
//!                  main                    parses arguments, wires, nothing else
//!        /      |       |      \
//!     host     net     web   courier       being PID 1 · accept, TLS, one loop for all protocols · the set-up page ·
//!                  |       |   |           mail that goes out, mail that is fetched
//!               session   admin · keep     protocol state machines · what an owner can do · import, export
//!                  |       |
//!                delivery  |               where a mail goes: aliases, rules, answers, warnings of the quota
//!               /     \      /
//!            wire      store               bytes <-> values   |   values <-> redb      (never see each other)
//!               \     /
//!                mail                      the nouns, and limits: every bound on one page
//!                  |
//!                 sys                      outputs that may fail, work that goes on after a defect
//! ```
//!
//! Four laws: no snapshot lives across an `.await`; reads are borrowed, writes are values; commit, ring, answer, in
//! that order; what is applied asks no clock, no chance and no machine, so that a journal applied again comes to the very
//! same state.

pub mod admin;
pub mod courier;
pub mod delivery;
pub mod dns;
pub mod events;
pub mod host;
pub mod keep;
pub mod mail;
pub mod net;
pub mod session;
pub mod store;
pub mod sys;
pub mod verdict;
pub mod web;
pub mod wire;
