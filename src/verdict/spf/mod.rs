//! SPF: whether a host may send mail for a domain (RFC 7208).
//!
//! `record` is the grammar, `text` that of macros, `evaluation` the function `check_host()` of §4.

mod evaluation;
mod record;
mod text;

pub(super) use evaluation::Question;
pub(super) use evaluation::evaluate;

use std::fmt;

/// What came out (RFC 7208 §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpfResult {
    /// The domain says nothing, or there is no domain.
    None,
    /// The domain says that it does not say.
    Neutral,
    /// The host may.
    Pass,
    /// The host may not.
    Fail,
    /// The host probably may not.
    SoftFail,
    /// It could not be found out now.
    TempError,
    /// What the domain says cannot be understood.
    PermError,
}

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spf {
    /// What came out.
    pub result: SpfResult,
    /// The domain that was asked.
    pub domain: String,
    /// Whether that is the domain of the HELO, since the reverse path has none.
    pub is_helo: bool,
    /// What the domain tells those whose mail fails: somebody else's words, in ASCII (RFC 7208 §6.2).
    pub explanation: Option<String>,
}

impl SpfResult {
    /// As RFC 8601 §2.7.2 writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SpfResult::None => "none",
            SpfResult::Neutral => "neutral",
            SpfResult::Pass => "pass",
            SpfResult::Fail => "fail",
            SpfResult::SoftFail => "softfail",
            SpfResult::TempError => "temperror",
            SpfResult::PermError => "permerror",
        }
    }
}

impl fmt::Display for SpfResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
