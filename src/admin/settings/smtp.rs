//! `[smtp]`

use super::within;
use crate::mail::{Network, limits};
use serde::Deserialize;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// `[smtp]`: how mail comes in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SmtpSettings {
    /// Other servers bring mail for people here (port 25). Default: true.
    pub mx: bool,
    /// Mail programs of people here give theirs to us (ports 465 and 587). Default: true.
    pub submission: bool,
    /// A mail server on this machine brings mail by LMTP (port 24, which only this machine reaches, and `lmtp.sock` in
    /// the data folder). Default: true.
    pub lmtp: bool,
    /// Where that socket is instead, as `/var/spool/postfix/private/pillarbox`: a server of another user does not come as
    /// far as the data folder. Default: `lmtp.sock` in the data folder.
    pub lmtp_socket: Option<PathBuf>,
    /// The group that the socket is given to, by name or number. Default: that of this process.
    pub lmtp_socket_group: Option<String>,
    /// Who may come in by it, as Unix permissions in octal digits: `"0660"`. Default: `"0666"`, or `"0660"` with a group.
    pub lmtp_socket_mode: Option<String>,
    /// Recipients of one message; from 100 to 10000. Default: 1000.
    pub recipients: u32,
    /// MiB of one message; from 1 to 128. Default: 128.
    pub message_mib: u32,
    /// Addresses, or networks as in `192.0.2.0/24`, whose mail is not checked by SPF, DKIM and DMARC: a relay of one's
    /// own, which brings what others sent. Default: this machine's.
    pub trusted: Vec<Network>,
}

/// Recipients of one message.
const RECIPIENTS: u32 = 1_000;

impl SmtpSettings {
    /// Who may come in by the socket.
    #[must_use]
    pub fn lmtp_socket_mode(&self) -> u32 {
        let usual = if self.lmtp_socket_group.is_some() { 0o660 } else { 0o666 };
        self.lmtp_socket_mode.as_deref().and_then(mode).unwrap_or(usual)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(text) = self.lmtp_socket_mode.as_deref().filter(|text| mode(text).is_none()) {
            return Err(format!("smtp.lmtp-socket-mode = {text:?}: it must be three octal digits, as in \"0660\""));
        }
        // RFC 5321 §4.5.3.1.8: at least 100.
        within("smtp.recipients", self.recipients, 100, u32::try_from(limits::RECIPIENTS).unwrap_or(u32::MAX))?;
        within("smtp.message-mib", self.message_mib, 1, limits::MESSAGE >> 20)
    }
}

/// Permissions in octal digits.
fn mode(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777 && (3..=4).contains(&text.len()))
}

impl Default for SmtpSettings {
    fn default() -> Self {
        SmtpSettings {
            mx: true,
            submission: true,
            lmtp: true,
            lmtp_socket: None,
            lmtp_socket_group: None,
            lmtp_socket_mode: None,
            recipients: RECIPIENTS,
            message_mib: limits::MESSAGE >> 20,
            trusted: vec![Network::new(Ipv4Addr::LOCALHOST.into(), 8), Network::new(Ipv6Addr::LOCALHOST.into(), 128)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    #[test]
    fn each_setting_is_read() {
        let text = "[smtp]\nmx = false\nlmtp = false\nrecipients = 100\nmessage-mib = 25\ntrusted = ['192.0.2.0/24']\n";
        let smtp = Settings::parse(text).unwrap_or_default().smtp;
        let trusted = vec![Network::new([192, 0, 2, 0].into(), 24)];
        let expected = SmtpSettings {
            mx: false,
            lmtp: false,
            recipients: 100,
            message_mib: 25,
            trusted,
            ..SmtpSettings::default()
        };
        assert_eq!(smtp, expected);
        let text = "[smtp]\nlmtp-socket = '/run/x'\nlmtp-socket-group = 'postfix'\n";
        let smtp = Settings::parse(text).unwrap_or_default().smtp;
        assert_eq!((smtp.lmtp_socket.clone(), smtp.lmtp_socket_mode()), (Some("/run/x".into()), 0o660));
        assert_eq!(SmtpSettings::default().lmtp_socket_mode(), 0o666);
        let smtp = Settings::parse("[smtp]\nlmtp-socket-mode = '0600'\n").unwrap_or_default().smtp;
        assert_eq!(smtp.lmtp_socket_mode(), 0o600);
        for bad in [
            "recipients = 99",
            "recipients = 10001",
            "message-mib = 0",
            "message-mib = 129",
            "trusted = ['x']",
            "lmtp-socket-mode = '888'",
            "lmtp-socket-mode = '6'",
        ] {
            assert!(Settings::parse(&format!("[smtp]\n{bad}\n")).is_err(), "{bad}");
        }
    }
}
