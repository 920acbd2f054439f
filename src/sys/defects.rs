//! What broke off by a defect of ours, and how often: the owner sees it in `status`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names that are told apart; what comes beyond counts as one.
const NAMES: usize = 64;
const OTHERS: &str = "others";

static COUNTS: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

/// Something of this name broke off.
pub fn count(name: &str) {
    let mut counts = counts();
    let name = if counts.len() < NAMES || counts.contains_key(name) { name } else { OTHERS };
    *counts.entry(name.to_owned()).or_default() += 1;
}

/// What broke off in this process, by name, and how often.
#[must_use]
pub fn counted() -> BTreeMap<String, u64> {
    counts().clone()
}

fn counts() -> MutexGuard<'static, BTreeMap<String, u64>> {
    COUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}
