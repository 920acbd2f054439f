//! Who has mail here: accounts that the settings name are made, and it is known whether there is any.

use super::data;
use super::health::{Health, Pulse};
use super::pid1::{Order, Wiring};
use super::settings::Seed;
use super::update::hexadecimal;
use crate::sys::threads;
use ring::digest;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How often it is looked whether there is an account: while there is none, and after.
const PAUSES: (Duration, Duration) = (Duration::from_secs(3), Duration::from_mins(1));

/// What is known of accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Whether there is one; `None` before the first answer.
    pub(super) any: Option<bool>,
    /// Accounts that could not be made.
    pub(super) complaints: Vec<String>,
}

/// The work, which goes on by itself.
#[derive(Debug)]
pub(super) struct Owners(Arc<Mutex<Known>>);

impl Owners {
    /// Begins when the server is well.
    pub(super) fn start(wiring: &Arc<dyn Wiring>, seeds: Vec<Seed>, health: &Health, orders: &Sender<Order>) -> Owners {
        let known = Arc::new(Mutex::new(Known::default()));
        let owners = Owners(Arc::clone(&known));
        let (wiring, health, orders) = (Arc::clone(wiring), health.clone(), orders.clone());
        let mut made = Made::read(PathBuf::from(data::HOST).join("accounts"));
        let mut missing = made.without(seeds);
        threads::forever("accounts", move || {
            if let Pulse::Bad { .. } = health.now() {
                thread::sleep(Duration::from_secs(1));
                return;
            }
            let now = look(&*wiring, &mut missing, &mut made);
            let has = now.any == Some(true);
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            if *known != now {
                *known = now;
                let _ = orders.send(Order::Look);
            }
            drop(known);
            thread::sleep(if has { PAUSES.1 } else { PAUSES.0 });
        });
        owners
    }

    pub(super) fn known(&self) -> Known {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Makes those that are missing, and looks whether there is any.
fn look(wiring: &dyn Wiring, missing: &mut Vec<Seed>, made: &mut Made) -> Known {
    let mail = Path::new(data::MAIL);
    let mut complaints = Vec::new();
    missing.retain(|seed| match wiring.add_account(mail, seed) {
        Ok(()) => {
            log::info!("the account {} of the settings is there", seed.user);
            made.note(seed);
            false
        }
        Err(why) => {
            complaints.push(format!("the account {} of the settings could not be made: {why}", seed.user));
            true
        }
    });
    let any = wiring.has_accounts(mail);
    if let Err(why) = &any {
        // The health check tells of a server that does not answer.
        log::debug!("accounts: {why}");
    }
    Known { any: any.ok(), complaints }
}

/// Accounts of the settings that were made once: one that its owner removed must not come back with the next start.
#[derive(Debug)]
struct Made {
    file: PathBuf,
    /// A line each: a digest of name and hash, so that another hash in the settings is another account to make.
    text: String,
}

impl Made {
    fn read(file: PathBuf) -> Made {
        let text = fs::read_to_string(&file).unwrap_or_default();
        Made { file, text }
    }

    fn without(&self, seeds: Vec<Seed>) -> Vec<Seed> {
        seeds.into_iter().filter(|seed| !self.text.lines().any(|line| line == mark(seed))).collect()
    }

    fn note(&mut self, seed: &Seed) {
        self.text += &[&*mark(seed), "\n"].concat();
        if let Err(error) = data::write(&self.file, self.text.as_bytes()) {
            log::warn!("it cannot be kept that the account {} was made: {error}", seed.user);
        }
    }
}

fn mark(seed: &Seed) -> String {
    let digest = digest::digest(&digest::SHA256, format!("{}\n{}", seed.user, seed.hash).as_bytes());
    hexadecimal(digest.as_ref())
}

#[cfg(test)]
mod tests {
    use super::super::pid1::Store;
    use super::*;

    /// A server that makes accounts, or does not.
    struct Works(bool);

    impl Wiring for Works {
        fn answers(&self, _: &Path) -> Result<Store, String> {
            Ok(Store::Good)
        }

        fn add_account(&self, _: &Path, _: &Seed) -> Result<(), String> {
            if self.0 { Ok(()) } else { Err("the disk is full".to_owned()) }
        }

        fn has_accounts(&self, _: &Path) -> Result<bool, String> {
            Ok(self.0)
        }

        fn accepts(&self, _: &str) -> Result<(), String> {
            Ok(())
        }

        fn format(&self) -> u32 {
            1
        }
    }

    #[test]
    fn an_account_that_could_not_be_made_is_told_and_tried_again() {
        let file = std::env::temp_dir().join(format!("pillarbox-owners-{}", std::process::id()));
        let anna = Seed { user: "anna".to_owned(), hash: "$y$".to_owned(), password: None };
        let mut made = Made::read(file.clone());
        let mut missing = made.without(vec![anna.clone()]);
        let known = look(&Works(false), &mut missing, &mut made);
        assert_eq!((known.any, missing.len()), (Some(false), 1));
        assert!(known.complaints.first().unwrap().contains("anna") && !known.complaints.concat().contains("$y$"));
        let known = look(&Works(true), &mut missing, &mut made);
        assert_eq!((known, missing.len()), (Known { any: Some(true), complaints: Vec::new() }, 0));
        // The next start leaves it alone, unless the settings have another password.
        let made = Made::read(file.clone());
        let other = Seed { hash: "$6$".to_owned(), ..anna.clone() };
        assert!(made.without(vec![anna, other.clone()]) == [other]);
        fs::remove_file(file).unwrap();
    }
}
