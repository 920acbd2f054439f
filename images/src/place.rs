//! Where things are: the repository, and the folder that all is made in.

use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders.
pub(crate) struct Place {
    pub(crate) repository: PathBuf,
    /// `target`, or what `CARGO_TARGET_DIR` says.
    pub(crate) target: PathBuf,
}

impl Place {
    pub(crate) fn find() -> Result<Place> {
        // The scripts name both: cargo's own variable for the second one is the builder's.
        let named = |name: &str| env::var_os(name).map(PathBuf::from);
        let repository =
            named("PILLARBOX_REPOSITORY").unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        let repository = fs::canonicalize(repository)?;
        let target = named("PILLARBOX_TARGET").unwrap_or_else(|| repository.join("target"));
        Ok(Place { repository, target })
    }

    /// What is kept from one build to the next.
    pub(crate) fn kept(&self) -> PathBuf {
        self.target.join("images")
    }

    /// The time of the source: of the last commit.
    pub(crate) fn source_time(&self) -> Result<u64> {
        if let Ok(epoch) = env::var("SOURCE_DATE_EPOCH") {
            return epoch.parse().context("SOURCE_DATE_EPOCH");
        }
        let log = Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(&self.repository).output()?;
        if !log.status.success() {
            bail!("this is no clone: say the time of the source in SOURCE_DATE_EPOCH");
        }
        String::from_utf8_lossy(&log.stdout).trim().parse().context("git log")
    }

    /// The version in the mail server's `Cargo.toml`.
    pub(crate) fn version(&self) -> Result<String> {
        let text = fs::read_to_string(self.repository.join("Cargo.toml"))?;
        let manifest: toml::Table = toml::from_str(&text)?;
        let version = manifest.get("package").and_then(|package| package.get("version"));
        Ok(version.and_then(toml::Value::as_str).context("Cargo.toml has no version")?.to_owned())
    }
}
