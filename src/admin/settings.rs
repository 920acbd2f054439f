//! The settings file, `DIR/pillarbox.toml`. It may be absent, and every setting in it too.

mod dns;
mod queue;
mod smtp;

pub use dns::{DnsSettings, NameServer};
pub use queue::QueueSettings;
pub use smtp::SmtpSettings;

use super::password::Strength;
use crate::delivery::Routing;
use serde::Deserialize;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// `[password]`
    pub password: Passwords,
    /// `[store]`
    pub store: StoreSettings,
    /// `[server]`
    pub server: ServerSettings,
    /// `[tls]`
    pub tls: TlsSettings,
    /// `[pop3]`
    pub pop3: Pop3Settings,
    /// `[dns]`
    pub dns: DnsSettings,
    /// `[smtp]`
    pub smtp: SmtpSettings,
    /// `[queue]`
    pub queue: QueueSettings,
    /// `[delivery]`
    pub delivery: DeliverySettings,
}

/// `[password]`: what verifying one costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Passwords {
    /// KiB of memory that argon2id fills for one password. Default: 12288 (12 MiB); with three passes it costs a guesser as
    /// much as 19 MiB with two, and two log-ins at once take 14 MiB less here.
    pub memory_kib: u32,
    /// How often it passes over that memory. Default: 3.
    pub passes: u32,
    /// Lanes of argon2id. Default: 1.
    pub lanes: u32,
    /// For so many minutes a verified password is remembered in memory, as a keyed hash; 0 never. Default: 10.
    pub remember_minutes: u32,
}

/// `[store]`: the mail on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StoreSettings {
    /// MiB of the store's cache; the process needs this and about 8 MiB. Default: 10, since the kernel caches the file as
    /// well: with 32 the headers of 10,000 messages came a fifth sooner, their bodies no sooner, for 26 MiB more.
    pub cache_mib: Option<u32>,
}

/// `[server]`: who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerSettings {
    /// The host name in the greeting and in the certificate. Default: the machine's host name.
    pub name: Option<String>,
}

/// `[tls]`: the owner's own certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsSettings {
    /// A PEM file with the certificate and its chain; read anew when it changes. Relative to the data folder.
    /// Default: a certificate of our own making.
    pub certificate: Option<PathBuf>,
    /// The PEM file with its private key. Default: a key of our own making.
    pub key: Option<PathBuf>,
}

/// `[pop3]`: for all accounts; what is each account's own is set with `pillarbox account pop3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pop3Settings {
    /// One session at a time in each maildrop. Default: true.
    pub exclusive: bool,
    /// Seconds that have to pass between two log-ins of an account; 0: none. Default: 0.
    pub login_delay: u32,
    /// Days that mail which POP3 clients deleted stays in the Trash; 0: for ever. Default: 30.
    pub trash_days: u32,
}

/// `[delivery]`: mail that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeliverySettings {
    /// How many per cent mail that comes in may go over an account's quota, so that it is rather taken than bounced;
    /// what its owner stores may not. Default: 10.
    pub grace_percent: u8,
    /// Accounts are told, by a mail and in open sessions, when 80, 95 and 100 % of their quota are used. Default: true.
    pub quota_warnings: bool,
}

/// The settings cannot be used; the text is for the owner.
#[derive(Debug)]
pub struct SettingsError {
    path: PathBuf,
    why: String,
}

/// MiB of the store's cache, unless it is set.
const CACHE_MIB: u32 = 10;
/// The name of the file in the data folder.
const FILE: &str = "pillarbox.toml";

impl Settings {
    /// Reads the settings of a data folder.
    pub fn read(folder: &Path) -> Result<Settings, SettingsError> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settings::default()),
            Err(error) => return Err(SettingsError { path, why: error.to_string() }),
        };
        let mut settings = Settings::parse(&text).map_err(|why| SettingsError { path, why })?;
        for file in [&mut settings.tls.certificate, &mut settings.tls.key].into_iter().flatten() {
            *file = folder.join(&file);
        }
        Ok(settings)
    }

    fn parse(text: &str) -> Result<Settings, String> {
        let settings: Settings = toml::from_str(text).map_err(|error| error.to_string())?;
        let Passwords { memory_kib, passes, lanes, remember_minutes } = settings.password;
        within("password.lanes", lanes, 1, 64)?;
        // RFC 9106 §3.1: at least 8 KiB for each lane.
        within("password.memory-kib", memory_kib, 8 * lanes, 1 << 20)?;
        within("password.passes", passes, 1, 1_000)?;
        within("password.remember-minutes", remember_minutes, 0, 24 * 60)?;
        within("pop3.login-delay", settings.pop3.login_delay, 0, 24 * 60 * 60)?;
        within("pop3.trash-days", settings.pop3.trash_days, 0, 100 * 365)?;
        settings.smtp.check()?;
        settings.queue.check()?;
        within("delivery.grace-percent", settings.delivery.grace_percent.into(), 0, 100)?;
        if let Some(cache) = settings.store.cache_mib {
            within("store.cache-mib", cache, 1, 1 << 16)?;
        }
        if settings.tls.certificate.is_some() != settings.tls.key.is_some() {
            return Err("tls.certificate and tls.key come together".to_owned());
        }
        if let Some(name) = &settings.server.name
            && !is_host_name(name)
        {
            return Err(format!("server.name: {name:?} is no host name"));
        }
        Ok(settings)
    }

    /// Octets of the store's cache.
    #[must_use]
    pub fn cache(&self) -> usize {
        let mib = self.store.cache_mib.unwrap_or(CACHE_MIB);
        (mib as usize) << 20
    }

    /// How deliveries are routed.
    #[must_use]
    pub fn routing(&self) -> Routing {
        Routing { name: self.name(), grace_percent: self.delivery.grace_percent }
    }

    /// The host name: as set, or the machine's, or one that always works in a home.
    #[must_use]
    pub fn name(&self) -> String {
        self.server.name.clone().unwrap_or_else(|| named(&rustix::system::uname().nodename().to_string_lossy()))
    }
}

impl Settings {
    /// Whether the text of a settings file can be used; if not, why.
    pub fn check(text: &str) -> Result<(), String> {
        Settings::parse(text).map(|_| ())
    }

    /// The address of an account that is called so: a name alone is one of this host.
    #[must_use]
    pub fn address_of(&self, user: &str) -> String {
        if user.contains('@') { user.to_owned() } else { format!("{user}@{}", self.name()) }
    }
}

impl Passwords {
    /// What a new hash costs.
    #[must_use]
    pub fn strength(self) -> Strength {
        Strength { memory_kib: self.memory_kib, passes: self.passes, lanes: self.lanes }
    }

    /// How long a verified password is remembered.
    #[must_use]
    pub fn remembered(self) -> Duration {
        Duration::from_secs(u64::from(self.remember_minutes) * 60)
    }
}

impl Default for Pop3Settings {
    fn default() -> Self {
        Pop3Settings { exclusive: true, login_delay: 0, trash_days: 30 }
    }
}

impl Default for DeliverySettings {
    fn default() -> Self {
        DeliverySettings { grace_percent: 10, quota_warnings: true }
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Passwords { memory_kib: 12_288, passes: 3, lanes: 1, remember_minutes: 10 }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why.trim_end())
    }
}

impl std::error::Error for SettingsError {}

fn within(what: &str, value: u32, low: u32, high: u32) -> Result<(), String> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(format!("{what} = {value}: it must be from {low} to {high}"))
    }
}

/// A machine's name as a host name that a certificate can carry.
fn named(machine: &str) -> String {
    let name = machine.to_ascii_lowercase();
    match name.split('.').next() {
        _ if !is_host_name(&name) => "pillarbox.local".to_owned(),
        Some("localhost") => "pillarbox.local".to_owned(),
        _ if name.contains('.') => name,
        // Where nobody gave a domain, mDNS answers to this one.
        _ => format!("{name}.local"),
    }
}

/// Letters, digits and hyphens between dots (RFC 1123 §2.1).
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_gives_the_defaults() {
        assert_eq!(Settings::parse(""), Ok(Settings::default()));
    }

    #[test]
    fn each_setting_is_read() {
        let text = "[password]\nmemory-kib = 8192\npasses = 3\nremember-minutes = 1\n[store]\ncache-mib = 64\n\
                    [server]\nname = 'mail.example.org'\n[tls]\ncertificate = 'c.pem'\nkey = 'k.pem'\n\
                    [pop3]\nexclusive = false\nlogin-delay = 60\n[delivery]\ngrace-percent = 25\n";
        let settings = Settings::parse(text).unwrap_or_default();
        assert_eq!(settings.password.strength(), Strength { memory_kib: 8192, passes: 3, lanes: 1 });
        assert_eq!(settings.cache(), 64 << 20);
        assert_eq!(settings.name(), "mail.example.org");
        assert_eq!(settings.tls.key, Some(PathBuf::from("k.pem")));
        assert_eq!(settings.pop3, Pop3Settings { exclusive: false, login_delay: 60, trash_days: 30 });
        assert_eq!(settings.routing(), Routing { name: "mail.example.org".to_owned(), grace_percent: 25 });
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = Settings::parse("[password]\nmemroy-kib = 1\n").err().unwrap_or_default();
        assert!(error.contains("memroy-kib"), "{error}");
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for bad in [
            "[password]\nmemory-kib = 7",
            "[password]\nlanes = 0",
            "[tls]\nkey = 'k'",
            "[delivery]\ngrace-percent = 101",
            "[server]\nname = 'a b'",
        ] {
            assert!(Settings::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_machine_without_a_domain_is_found_by_mdns() {
        assert_eq!(named("Mailbox"), "mailbox.local");
        assert_eq!(named("mail.example.org"), "mail.example.org");
        for nameless in ["localhost", "localhost.localdomain", "(none)", ""] {
            assert_eq!(named(nameless), "pillarbox.local");
        }
    }
}
