//! `rpi-preseed.toml`, as Raspberry Pi Imager writes it for images whose `init_format` is `rpi-preseed`: what was entered
//! before the card was written. The name of the user and the hash of the password make the first account, so that the box
//! serves mail with no further step. The file stays as it is; once the account is there, it is not needed any more.

use super::document::Document;
use super::settings::{Seed, host_name};
use ring::rand::{SecureRandom, SystemRandom};
use sha_crypt::{PasswordHasher, ShaCrypt};

/// What is of use to us.
#[derive(Debug, Default)]
pub(super) struct Preseed {
    /// `[system] hostname`
    pub(super) hostname: Option<String>,
    /// `[user]`
    pub(super) user: Option<Seed>,
    pub(super) complaints: Vec<String>,
}

/// The name of the file.
pub(super) const FILE: &str = "rpi-preseed.toml";

impl Preseed {
    pub(super) fn of(document: &Document) -> Preseed {
        let (table, mut reader) = document.parse();
        let mut preseed = Preseed::default();
        if let Some(value) = table.get("system").and_then(|system| reader.table("system", system)?.get("hostname"))
            && let Some(name) = reader.string("hostname", value)
        {
            preseed.hostname = host_name(&name);
            if preseed.hostname.is_none() {
                reader.complain(&value.span(), &format!("hostname = {name:?} is no host name"));
            }
        }
        if let Some((user, at)) = table.get("user").and_then(|user| Some((reader.table("user", user)?, user.span()))) {
            // What Imager means where it says nothing.
            let name = user.get("name").and_then(|name| reader.string("name", name)).unwrap_or("pi".to_owned());
            let encrypted = user.get("password_encrypted").and_then(|encrypted| encrypted.get_ref().as_bool());
            // Not trimmed: a blank may be a part of it.
            match user.get("password").and_then(|password| password.get_ref().as_str()) {
                Some(password) if !password.is_empty() => {
                    let user = name.to_lowercase();
                    preseed.user = if encrypted.unwrap_or(password.starts_with('$')) {
                        Some(Seed { user, hash: password.to_owned(), password: None })
                    } else {
                        hashed(password).map(|hash| Seed { user, hash, password: Some(password.to_owned()) })
                    };
                }
                // Taken away by who did not want it to stay on the card.
                Some(_) => {}
                None => reader.complain(&at, "the user has no password: no account is made of it"),
            }
        }
        if let Some(wlan) = table.get("wlan") {
            reader.complain(&wlan.span(), "Wi-Fi is not supported yet: please use a cable");
        }
        preseed.complaints = reader.complaints;
        preseed
    }
}

/// A password in plain text, which Imager never writes but the format allows, as others would have hashed it.
fn hashed(password: &str) -> Option<String> {
    let mut salt = [0; 12];
    SystemRandom::new().fill(&mut salt).ok()?;
    let hash = ShaCrypt::SHA512.hash_password_with_salt(password.as_bytes(), &salt).ok()?;
    Some(hash.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha_crypt::PasswordVerifier;

    /// As Imager 2.0 writes it.
    const IMAGER: &str = r#"config_version = "1.0"

[system]
hostname = "mailbox"

[user]
name = "anna"
password = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$6JlLzEdKMvGk83Zgd3owplAejssJr2SFlJFlOc7i54A"
password_encrypted = true
groups = ["sudo"]

[ssh]
enabled = true
password_authentication = false
authorized_keys = [
  "ssh-ed25519 AAAAC3Nza \"anna\" \\ at home",
]

[locale]
keymap = "de"
timezone = "Europe/Berlin"
"#;

    fn of(text: &str) -> Preseed {
        Preseed::of(&Document::new(FILE, text))
    }

    #[test]
    fn what_imager_writes_names_the_host_and_the_first_account() {
        for text in [IMAGER.to_owned(), IMAGER.replace('\n', "\r\n"), format!("\u{feff}{IMAGER}")] {
            let preseed = of(&text);
            assert_eq!(preseed.hostname.as_deref(), Some("mailbox"));
            let user = preseed.user.unwrap();
            assert_eq!(user.user, "anna");
            assert!(user.hash.starts_with("$y$j9T$") && user.hash.ends_with("Oc7i54A"));
            assert_eq!(preseed.complaints, Vec::<String>::new());
        }
    }

    #[test]
    fn a_network_without_a_cable_is_told_of_and_spoils_nothing() {
        // A control character, which Imager does not escape.
        let preseed = of(&format!("{IMAGER}\n[wlan]\nssid = \"a\u{1}\\\"b\\\\\"\npassword = \"x\"\nhidden = false\n"));
        assert!(preseed.user.is_some());
        assert_eq!(preseed.complaints.len(), 1, "{:?}", preseed.complaints);
        assert!(preseed.complaints.concat().contains("Wi-Fi"));
    }

    #[test]
    fn a_quote_and_a_backslash_are_escaped_as_imager_does() {
        let preseed = of("[user]\nname = \"anna\"\npassword = \"a\\\"b\\\\nc\"\npassword_encrypted = false\n");
        let hash = preseed.user.unwrap().hash;
        assert!(hash.starts_with("$6$"));
        assert!(ShaCrypt::default().verify_password(b"a\"b\\nc", hash.as_str()).is_ok());
    }

    #[test]
    fn what_cannot_be_used_is_said_and_the_rest_is_used() {
        let preseed = of("[system]\nhostname = \"my box\"\n[user]\nname = \"anna\"\n");
        assert!(preseed.hostname.is_none() && preseed.user.is_none());
        assert!(preseed.complaints[0].contains("line 2") && preseed.complaints[1].contains("no password"));
        let preseed = of("[system\nhostname = \"box\"\n[user]\nname = \"Anna\"\npassword = \"$6$x$y\"\n");
        assert_eq!(preseed.user.unwrap().user, "anna");
        assert!(!preseed.complaints.is_empty());
        let emptied = of("[user]\nname = \"anna\"\npassword = \"\"\npassword_encrypted = true\n");
        assert!(emptied.user.is_none() && emptied.complaints.is_empty());
        assert!(of("").complaints.is_empty() && of("\0\0\0").user.is_none());
    }
}
