//! Pages for a browser: setting up the first account, how a mail program is set up, and whether all is well.
//!
//! Read first: `site` (what is answered to what), `claim` (who may set up), `page` (how it looks).

mod answer;
mod claim;
mod connection;
mod line;
mod page;
mod site;
mod welcomes;

pub use claim::{Code, LEAST};
pub use connection::{Visit, answer};
pub use site::{Found, Site};
