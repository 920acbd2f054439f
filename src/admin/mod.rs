//! What an owner can do: accounts, quotas, settings, status. One set of actions, whoever asks for them.
//!
//! Read first: `action` (what can be asked), `accounts` (how it is done), `gate` (who may come in), `socket` and `door`
//! (how a command reaches a running server).

mod accounts;
mod action;
mod address;
mod crypt;
mod delivery;
mod door;
mod downloads;
mod gate;
mod memory;
mod mirror;
mod names;
mod password;
mod retention;
mod settings;
mod size;
pub mod socket;
mod throttle;
mod trust;
mod uploads;

#[cfg(test)]
mod tests;

pub use crate::store::WayBack;
pub use accounts::perform;
pub use action::{Checked, Failure, Limit, Listed, MailboxLine, Quota, Reply, Request, Secret, Shown, Status};
pub use address::{Address, BadAddress};
pub use delivery::{DeliveryReply, DeliveryRequest};
pub use door::{Door, DoorError};
pub use gate::{Denied, Entered, Gate};
pub use mirror::{MirrorReply, MirrorRequest, MirrorShown, MirrorWish};
pub use names::{DnsSettings, NameServer};
pub use password::{Strength, credentials, readable};
pub use retention::expire;
pub use settings::{Settings, SettingsError};
pub use trust::Trust;
