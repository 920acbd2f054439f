//! Trying a smarthost, before mail is given to it.

use super::connect::Connector;
use super::runner::given_to;
use super::smtp::{Patience, Session, Trouble};
use crate::admin::Smarthost;
use std::time::Duration;

/// How long an owner waits for each answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connects, begins TLS and logs in, as it would be done for a mail; `name`: ours. The error is for the owner.
pub async fn attempt(connector: &Connector, smarthost: &Smarthost, name: &str) -> Result<(), String> {
    let patience = Patience { command: PATIENCE, ..Patience::default() };
    match Session::open(connector, &given_to(smarthost), name, patience).await {
        Ok(session) => {
            session.quit().await;
            Ok(())
        }
        Err(Trouble::Later(said) | Trouble::Never(said)) => Err(said.to_string()),
    }
}
