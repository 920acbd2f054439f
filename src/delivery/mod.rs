//! Where a mail goes: addresses and aliases, the rules of an account, vacation answers, warnings of the quota.
//!
//! Read first: `route` (what an address leads to), `plan` (all that becomes of one mail, as one write). Nothing here
//! waits, and nothing here writes: who asks gets values.

mod address;
mod away;
mod circle;
mod compose;
mod fields;
mod forward;
mod plan;
mod quota;
mod resolve;
mod route;
mod rules;

#[cfg(test)]
mod tests;

pub use address::{AddressError, Pattern, alias, target};
pub use away::prune;
pub use circle::{LeadsNowhere, check_alias};
pub use compose::date;
pub use plan::{Fate, Mail, Plan, Recipient, Ruled, plan};
pub use quota::{LEVELS, look};
pub use route::{Route, Routing, is_local_domain, leads_to, may_send_as, route};
pub use rules::{BadRule, check_rule, check_vacation};
