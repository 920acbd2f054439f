//! What an owner can do: accounts, quotas, settings, status. One set of actions, whoever asks for them.
//!
//! Read first: `action` (what can be asked), `accounts` (how it is done), `gate` (who may come in), `socket` and `door`
//! (how a command reaches a running server).

mod accounts;
mod action;
mod address;
mod attempt;
mod choice;
mod crypt;
mod delivery;
mod door;
mod downloads;
mod gate;
pub mod keys;
mod memory;
mod mirror;
mod password;
mod queue;
mod removed;
mod retention;
mod salts;
mod served;
mod sessions;
mod settings;
mod size;
mod smarthost;
pub mod socket;
mod throttle;
mod trust;
mod turnstile;
mod uploads;

#[cfg(test)]
mod tests;

pub use crate::store::WayBack;
pub use accounts::perform;
pub use action::{
    Checked, Failure, Limit, Listed, MailboxLine, Quota, RemovedLine, Reply, Request, Secret, Shown, Status,
};
pub use address::{Address, BadAddress};
pub use choice::{WeakPassword, check as check_password};
pub use delivery::{DeliveryReply, DeliveryRequest};
pub use door::{Door, DoorError};
pub use gate::{Denied, Entered, Gate};
pub use keys::KeyLine;
pub use mirror::{MirrorChange, MirrorReply, MirrorRequest, MirrorShown, MirrorWish};
pub use password::{Strength, credentials, readable};
pub use queue::{QueueLine, QueueRequest, RecipientLine, RecipientState};
pub use removed::age_removed;
pub use retention::expire;
pub use served::{Served, remember};
pub use sessions::{Ending, Seat, SessionLine, SessionRequest, Sessions};
pub use settings::{DnsSettings, NameServer, Settings, SettingsError};
pub use smarthost::{Smarthost, SmarthostPrivacy, SmarthostRequest, smarthost};
pub use trust::Trust;
