//! The owner's settings on the FAT partition, which any PC can edit: `pillarbox.toml`, and `rpi-preseed.toml`.
//!
//! `pillarbox.toml` holds two kinds of tables: the machine's own (`[host]`, `[network]`, `[update]`, `[[account]]`),
//! which are read here, and the mail server's, which are handed to it as they are. Nothing in these files keeps the box
//! from starting: what is not understood is told on the console, and the mail server goes on with its last good settings.

use super::document::{Document, Reader};
use super::network::NetworkSettings;
use super::preseed::{self, Preseed};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What the files say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// `[host] name`, or the preseed's: a host name. Default: `pillarbox`.
    pub(super) name: Option<String>,
    /// `[host] time-servers`. Default: those that DHCP names, and then public ones.
    pub(super) time_servers: Vec<String>,
    pub(super) network: NetworkSettings,
    /// `[update] keys`: minisign public keys that are trusted beside the image's own.
    pub(super) update_keys: Vec<String>,
    /// Accounts to make where they are not there; the preseed's user first.
    pub(super) accounts: Vec<Seed>,
    /// The mail server's own tables, as TOML; `None` where there is nothing to say that it should go by.
    pub(super) server: Option<String>,
    /// What is not understood, a line each.
    pub(super) complaints: Vec<String>,
}

/// An account to make.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed {
    /// `anna`, who is then one of this host, or `anna@example.org`.
    pub user: String,
    /// Her password's hash: a crypt string, or argon2.
    pub hash: String,
    /// The password itself, where it came so: it is looked at as any other that is chosen.
    pub password: Option<String>,
}

/// The name of the file, on the FAT partition and for the mail server.
const FILE: &str = "pillarbox.toml";
/// What stands above the mail server's settings.
const HEAD: &str = "# Made from pillarbox.toml on the card's first partition, which is the one to change.\n";
/// The kernel's limit for a host name.
const NAME: usize = 64;

impl Settings {
    /// Reads what is on the FAT partition, mounted at `boot`.
    pub(super) fn read(boot: &Path) -> Settings {
        let mut settings = match Document::read(boot, FILE) {
            Ok(document) => document.map(|document| Settings::of(&document)).unwrap_or_default(),
            Err(complaint) => Settings { complaints: vec![complaint], ..Settings::default() },
        };
        match Document::read(boot, preseed::FILE) {
            Ok(Some(document)) => settings.add(Preseed::of(&document)),
            Ok(None) => {}
            Err(complaint) => settings.complaints.push(complaint),
        }
        settings
    }

    fn of(document: &Document) -> Settings {
        let (table, reader) = document.parse();
        let mut settings = Settings::default();
        // Half a table for the server would undo what it says by leaving it out.
        if reader.complaints.is_empty() {
            settings.server = servers(document.text());
        }
        let mut taking = Taking { settings, reader };
        for (key, value) in &table {
            match key.get_ref().as_ref() {
                "host" => taking.each("host", value, Taking::host),
                "network" => taking.each("network", value, Taking::network),
                "update" => taking.each("update", value, Taking::update),
                "account" => taking.accounts(value),
                // Its files would have to lie where only the mail server writes, and without them it would not start.
                "tls" => taking.reader.complain(
                    &key.span(),
                    "a certificate of your own cannot be used on this box yet: it goes on with its own",
                ),
                _ => {}
            }
        }
        let Taking { mut settings, reader } = taking;
        settings.complaints = reader.complaints;
        settings
    }

    fn add(&mut self, preseed: Preseed) {
        self.name = self.name.take().or(preseed.hostname);
        self.accounts.splice(0..0, preseed.user);
        self.complaints.extend(preseed.complaints);
    }

    /// Writes the mail server's settings to its folder, where they differ from those that are there and `check` finds
    /// nothing wrong with them. An error is for the owner; the last good settings are then still there.
    pub(super) fn hand_over(
        &self,
        folder: &Path,
        owner: u32,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Result<(), String> {
        let Some(text) = &self.server else { return Ok(()) };
        let path = folder.join(FILE);
        if fs::read_to_string(&path).is_ok_and(|now| now == *text) {
            return Ok(());
        }
        check(text).map_err(|why| format!("{FILE}: {}; the mail server keeps its last settings", why.trim_end()))?;
        let new = folder.join("pillarbox.toml.new");
        let written = || -> io::Result<()> {
            // Not followed: the folder is the server's, and we are root.
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = fs::File::create_new(&new)?;
            io::Write::write_all(&mut file, text.as_bytes())?;
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.sync_all()?;
            chown(&new, Some(owner), Some(owner))?;
            fs::rename(&new, &path)
        };
        written().map_err(|error| format!("the mail server's settings cannot be written: {error}"))
    }
}

/// A file of settings being taken.
struct Taking<'d> {
    settings: Settings,
    reader: Reader<'d>,
}

impl Taking<'_> {
    /// Takes each setting of a table; what `take` says it does not know is told.
    fn each(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        take: fn(&mut Self, &str, &Spanned<DeValue<'_>>) -> bool,
    ) {
        let Some(table) = self.reader.table(name, value) else { return };
        for (key, value) in table {
            if !take(self, key.get_ref(), value) {
                self.reader.complain(&key.span(), &format!("there is no setting {name}.{}", key.get_ref()));
            }
        }
    }

    fn host(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> bool {
        match key {
            "name" => {
                let Some(name) = self.reader.string("host.name", value) else { return true };
                self.settings.name = host_name(&name);
                if self.settings.name.is_none() {
                    self.reader.complain(&value.span(), &format!("host.name = {name:?} is no host name"));
                }
            }
            "time-servers" => self.settings.time_servers = self.reader.strings("host.time-servers", value),
            _ => return false,
        }
        true
    }

    fn network(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> bool {
        match key {
            "address" => {
                let like = "192.168.1.5/24";
                let address = self.reader.parsed::<WithPrefix>("network.address", value, like);
                self.settings.network.address = address.map(|WithPrefix(address, prefix)| (address, prefix));
            }
            "gateway" => {
                self.settings.network.gateway = self.reader.parsed("network.gateway", value, "192.168.1.1");
            }
            "dns" => {
                let one = std::slice::from_ref(value);
                let list = value.get_ref().as_array().map_or(one, |list| list);
                let servers = list.iter().filter_map(|one| self.reader.parsed("network.dns", one, "192.168.1.1"));
                self.settings.network.dns = servers.collect();
            }
            _ => return false,
        }
        true
    }

    fn update(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> bool {
        let known = key == "keys";
        if known {
            self.settings.update_keys = self.reader.strings("update.keys", value);
        }
        known
    }

    /// `[[account]]`
    fn accounts(&mut self, value: &Spanned<DeValue<'_>>) {
        let Some(list) = value.get_ref().as_array() else {
            self.reader.complain(&value.span(), "an account begins with [[account]], in double brackets");
            return;
        };
        for account in list {
            let Some(table) = self.reader.table("[account]", account) else { continue };
            match self.account(table) {
                Some(seed) => self.settings.accounts.push(seed),
                None => self.reader.complain(&account.span(), "an account needs an address and a password-hash"),
            }
        }
    }

    fn account(&mut self, table: &DeTable<'_>) -> Option<Seed> {
        let mut of = |key: &str| self.reader.string(key, table.get(key)?).filter(|text| !text.is_empty());
        let (user, hash) = (of("address"), of("password-hash"));
        for (key, _) in table.iter().filter(|(key, _)| !["address", "password-hash"].contains(&key.get_ref().as_ref()))
        {
            self.reader.complain(&key.span(), &format!("there is no setting account.{}", key.get_ref()));
        }
        Some(Seed { user: user?.to_lowercase(), hash: hash?, password: None })
    }
}

/// `192.168.1.5/24`
struct WithPrefix(Ipv4Addr, u8);

impl std::str::FromStr for WithPrefix {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = text.split_once('/').ok_or(())?;
        let address: Ipv4Addr = address.trim().parse().map_err(|_| ())?;
        let prefix = prefix.trim().parse().ok().filter(|prefix| (1..=32).contains(prefix)).ok_or(())?;
        if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
            return Err(());
        }
        Ok(WithPrefix(address, prefix))
    }
}

// Who can guess passwords from their hashes should not find them in a log.
impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seed").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The tables that are for the mail server. The text is known to be TOML.
fn servers(text: &str) -> Option<String> {
    let mut table: toml::Table = toml::from_str(text).ok()?;
    table.retain(|key, _| !["host", "network", "update", "account", "tls"].contains(&key));
    Some(format!("{HEAD}{}", toml::to_string(&table).ok()?))
}

/// A host name in lower case (RFC 1123 §2.1): letters, digits and hyphens, between dots where there are any.
pub(super) fn host_name(name: &str) -> Option<String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (name.len() <= NAME && name.split('.').all(label)).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Settings {
        Settings::of(&Document::new(FILE, text))
    }

    #[test]
    fn each_setting_of_the_machine_is_read_and_the_servers_are_handed_on() {
        let settings = of("[host]\nname = 'Mailbox'\ntime-servers = ['192.168.1.1', 'ntp.example.org']\n\
             [network]\naddress = '192.168.1.5/24'\ngateway = '192.168.1.1'\ndns = ['192.168.1.1', '2001:db8::53']\n\
             [update]\nkeys = ['RWQ']\n[[account]]\naddress = 'Anna'\npassword-hash = '$6$x$y'\n\
             [[account]]\naddress = 'ben@example.org'\npassword-hash = '$y$'\n\
             [pop3]\nexclusive = false\n[password]\nmemory-kib = 8192\n");
        assert_eq!(settings.complaints, Vec::<String>::new());
        assert_eq!(settings.name.as_deref(), Some("mailbox"));
        assert_eq!(settings.time_servers, ["192.168.1.1", "ntp.example.org"]);
        let [dns4, dns6] = ["192.168.1.1", "2001:db8::53"].map(|dns| dns.parse().unwrap());
        let address = Some((Ipv4Addr::new(192, 168, 1, 5), 24));
        let gateway = Some(Ipv4Addr::new(192, 168, 1, 1));
        assert_eq!(settings.network, NetworkSettings { address, gateway, dns: vec![dns4, dns6] });
        assert_eq!(settings.update_keys, ["RWQ"]);
        let users: Vec<&str> = settings.accounts.iter().map(|seed| seed.user.as_str()).collect();
        assert_eq!(users, ["anna", "ben@example.org"]);
        let server: toml::Table = toml::from_str(&settings.server.unwrap()).unwrap();
        assert_eq!(server.keys().collect::<Vec<_>>(), ["password", "pop3"]);
    }

    #[test]
    fn one_wrong_line_is_named_keeps_the_servers_last_settings_and_loses_nothing_else() {
        let settings = of("[network]\naddress = '192.168.1.5/24'\n[pop3]\nexclusive = maybe\n[host]\nname = 'box'\n");
        assert_eq!(settings.server, None);
        assert_eq!(settings.network.address, Some((Ipv4Addr::new(192, 168, 1, 5), 24)));
        assert_eq!(settings.name.as_deref(), Some("box"));
        assert!(settings.complaints.iter().all(|complaint| complaint.starts_with("pillarbox.toml, line 4: ")));
        assert!(!settings.complaints.is_empty());
    }

    #[test]
    fn what_is_not_understood_is_told_with_its_line() {
        for (text, line, word) in [
            ("[host]\nnmae = 'x'\n", 2, "host.nmae"),
            ("[host]\nname = 'my box'\n", 2, "no host name"),
            ("[host]\nname = 5\n", 2, "quotes"),
            ("[network]\naddress = '192.168.1.5'\n", 2, "/24"),
            ("[network]\naddress = '192.168.1.5/33'\n", 2, "/24"),
            ("[network]\naddress = 'fe80::1/64'\n", 2, "/24"),
            ("[network]\ngateway = 'router'\n", 2, "192.168.1.1"),
            ("[network]\ndns = ['1.2.3.4',\n'x']\n", 3, "network.dns"),
            ("[account]\naddress = 'a'\n", 1, "double brackets"),
            ("[[account]]\naddress = 'a'\npassword = 'b'\n", 3, "account.password"),
            ("network = 1\n", 1, "[network]"),
            ("[tls]\ncertificate = 'c.pem'\nkey = 'k.pem'\n", 1, "certificate of your own"),
        ] {
            let Settings { complaints, .. } = of(text);
            let first = complaints.first().cloned().unwrap_or_default();
            assert!(
                first.starts_with(&format!("pillarbox.toml, line {line}: ")) && first.contains(word),
                "{complaints:?}"
            );
        }
    }

    #[test]
    fn an_empty_file_and_no_file_and_rubbish_change_nothing() {
        assert_eq!(of("").server.as_deref(), Some(HEAD));
        assert_eq!(of("# only a comment").complaints, Vec::<String>::new());
        let folder = std::env::temp_dir().join("pillarbox-no-such-folder");
        assert_eq!(Settings::read(&folder), Settings::default());
        for rubbish in [
            "\0\0\0\0",
            "[[[[",
            "= = =",
            "[host]\n[host]\n",
            "a.b.c.d",
            &"[".repeat(60_000),
            &"a=[".repeat(9000),
            &"[a\n".repeat(15_000),
        ] {
            let settings = of(rubbish);
            assert!(settings.server.is_none() && !settings.complaints.is_empty(), "{settings:?}");
        }
    }

    #[test]
    fn both_files_are_read_and_pillarboxs_own_has_the_last_word() {
        let folder = std::env::temp_dir().join(format!("pillarbox-settings-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let preseed = "[system]\nhostname = \"pi\"\n[user]\nname = \"anna\"\npassword = \"$6$x$y\"\n";
        fs::write(folder.join(preseed::FILE), preseed).unwrap();
        let alone = Settings::read(&folder);
        assert_eq!((alone.name.as_deref(), alone.server), (Some("pi"), None));
        let own = "[host]\nname = 'box'\n[[account]]\naddress = 'ben'\npassword-hash = '$5$x$y'\n";
        fs::write(folder.join(FILE), own).unwrap();
        let both = Settings::read(&folder);
        assert_eq!(both.name.as_deref(), Some("box"));
        assert_eq!(both.accounts.iter().map(|seed| seed.user.as_str()).collect::<Vec<_>>(), ["anna", "ben"]);
        assert!(!format!("{both:?}").contains("$6$"), "a hash must not be shown");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_servers_settings_are_written_when_they_are_good_and_the_last_good_ones_stay() {
        let folder = std::env::temp_dir().join(format!("pillarbox-handed-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let owner = rustix::process::getuid().as_raw();
        let good = of("[pop3]\nexclusive = false\n");
        assert_eq!(good.hand_over(&folder, owner, |_| Ok(())), Ok(()));
        let written = fs::read_to_string(folder.join(FILE)).unwrap();
        assert!(written.contains("exclusive = false"));
        let bad = of("[pop4]\nexclusive = false\n");
        let error = bad.hand_over(&folder, owner, |_| Err("there is no pop4\n".to_owned())).unwrap_err();
        assert!(error.contains("there is no pop4"));
        assert_eq!(fs::read_to_string(folder.join(FILE)).unwrap(), written);
        assert_eq!(good.hand_over(&folder, owner, |_| Err("not asked again".to_owned())), Ok(()));
        fs::remove_dir_all(&folder).unwrap();
    }
}
