//! `/etc/resolv.conf`: where the mail server, which sees nothing else of the network, asks for names.

use std::fmt::Write;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The file, as it was written last.
#[derive(Debug)]
pub(super) struct Resolv {
    path: PathBuf,
    text: Option<String>,
}

impl Resolv {
    /// Nothing is written yet.
    pub(super) fn new(path: &Path) -> Resolv {
        Resolv { path: path.to_owned(), text: None }
    }

    /// These are the servers now. Whoever reads the file meanwhile finds the old one or the new one, whole.
    pub(super) fn hold(&mut self, servers: &[IpAddr]) {
        let text = servers.iter().fold(String::new(), |mut text, server| {
            let _ = writeln!(text, "nameserver {server}");
            text
        });
        if self.text.as_ref() == Some(&text) {
            return;
        }
        let beside = self.path.with_extension("new");
        match fs::write(&beside, &text).and_then(|()| fs::rename(&beside, &self.path)) {
            Ok(()) => self.text = Some(text),
            Err(error) => log::error!("{}: {error}", self.path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_when_the_servers_change() {
        let folder = std::env::temp_dir().join(format!("pillarbox-resolv-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("resolv.conf");
        let mut resolv = Resolv::new(&path);
        resolv.hold(&["192.168.1.1".parse().unwrap(), "2001:db8::53".parse().unwrap()]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "nameserver 192.168.1.1\nnameserver 2001:db8::53\n");
        fs::remove_file(&path).unwrap();
        resolv.hold(&["192.168.1.1".parse().unwrap(), "2001:db8::53".parse().unwrap()]);
        assert!(!path.exists(), "what did not change is not written again");
        resolv.hold(&[]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        fs::remove_dir_all(&folder).unwrap();
    }
}
