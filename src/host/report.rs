//! What is to be told of this machine: the block on the console, and the answer to whoever asks for its status.

use serde::Serialize;
use std::fmt::Write;
use std::net::IpAddr;

/// Whether mail is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Serving {
    /// Not yet, and nothing is wrong.
    #[default]
    Starting,
    /// It is.
    Whole,
    /// What there is can be read.
    ReadOnly,
    /// It is not; the troubles say why.
    Not,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Report {
    pub(super) version: String,
    /// The host name, with its domain.
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) serving: Serving,
    /// The slot, where there are two, and whether it is on trial.
    pub(super) slot: Option<String>,
    /// The code for the first account, while there is none.
    pub(super) claim: Option<String>,
    /// The disk for backups.
    pub(super) usb: Option<String>,
    /// What is wrong, a line each.
    pub(super) troubles: Vec<String>,
}

impl Report {
    /// As it is printed.
    pub(super) fn block(&self) -> String {
        let mut text = format!("\nPillarbox {} is {}\n", self.version, self.name);
        let mut line = |what: &str, said: &str| {
            let _ = writeln!(text, "  {what:<8} {said}");
        };
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        match addresses.as_slice() {
            [] => line("address", "none yet: is a network cable plugged in?"),
            addresses => line("address", &addresses.join(", ")),
        }
        line(
            "mail",
            match self.serving {
                Serving::Starting => "starting",
                Serving::Whole => "IMAP on 993 and 143, POP3 on 995 and 110",
                Serving::ReadOnly => "can be read, but not changed: IMAP on 993 and 143, POP3 on 995 and 110",
                Serving::Not => "is not served",
            },
        );
        if let Some(code) = &self.claim {
            line("set-up", &format!("http://{}/ with the code {code}", self.name));
        }
        for (what, said) in [("system", &self.slot), ("backups", &self.usb)] {
            if let Some(said) = said {
                line(what, said);
            }
        }
        for trouble in &self.troubles {
            // What is wrong may come with a line break of its own.
            line("WRONG", &trouble.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_says_all_that_a_new_owner_needs() {
        let report = Report {
            version: "1.2.3".to_owned(),
            name: "pillarbox.local".to_owned(),
            addresses: vec![IpAddr::from([192, 168, 1, 5])],
            serving: Serving::Whole,
            claim: Some("ABCD-EFGH".to_owned()),
            ..Report::default()
        };
        assert_eq!(
            report.block(),
            "\nPillarbox 1.2.3 is pillarbox.local\n  address  192.168.1.5\n  \
             mail     IMAP on 993 and 143, POP3 on 995 and 110\n  \
             set-up   http://pillarbox.local/ with the code ABCD-EFGH\n"
        );
    }

    #[test]
    fn what_is_wrong_is_a_line_each() {
        let troubles = vec!["one\nthing".to_owned(), "another".to_owned()];
        let block = Report { serving: Serving::Not, troubles, ..Report::default() }.block();
        assert!(block.ends_with("  mail     is not served\n  WRONG    one thing\n  WRONG    another\n"), "{block}");
        assert!(block.contains("none yet"));
    }
}
