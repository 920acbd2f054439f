//! What a server said of a mail, or what we say where none did.

use crate::wire::smtp::Enhanced;
use crate::wire::smtp::reply::Reply;
use std::fmt;

/// Characters of an answer that are kept: the longest that providers give, with a link to why, have about 300.
const TEXT: usize = 500;

/// An answer, and whose it is. As text it is one line: `mx.example.net: 550 5.1.1 No such user`, or without the host
/// where we say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The server that said it; `None`: ourselves.
    pub host: Option<String>,
    /// What was said, as a reply of SMTP.
    pub text: String,
}

/// What became of a mail for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The server has it now. `tells`: and tells the sender of what becomes of it (RFC 3461).
    Taken {
        /// What it said.
        said: Said,
        /// Whether it offered DSN.
        tells: bool,
    },
    /// Not now.
    Later(Said),
    /// Not ever.
    Never(Said),
}

/// A server that no mail can be given to, for all recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Not now.
    Later(Said),
    /// Not ever.
    Never(Said),
}

impl Said {
    /// A server's reply.
    #[must_use]
    pub fn by(host: &str, reply: &Reply) -> Said {
        Said { host: Some(host.to_owned()), text: cut(reply.to_string()) }
    }

    /// What we say ourselves; it begins with a code, as a reply does.
    #[must_use]
    pub fn ours(text: impl Into<String>) -> Said {
        Said { host: None, text: cut(text.into()) }
    }

    /// What we say of a server.
    #[must_use]
    pub fn of(host: &str, code: &str, why: impl fmt::Display) -> Said {
        Said::ours(format!("{code} {host}: {why}"))
    }

    /// What was kept as text.
    #[must_use]
    pub fn read(text: &str) -> Said {
        let is_code = |text: &str| {
            text.get(..3).is_some_and(|code| code.bytes().all(|digit| digit.is_ascii_digit()))
                && matches!(text.as_bytes().get(3), None | Some(b' '))
        };
        match text.split_once(": ") {
            Some((host, rest)) if !host.contains(' ') && is_code(rest) => {
                Said { host: Some(host.to_owned()), text: rest.to_owned() }
            }
            _ => Said { host: None, text: text.to_owned() },
        }
    }

    /// The status of it for a report (RFC 3463): the enhanced code where there is one, or what the code amounts to.
    #[must_use]
    pub fn status(&self) -> String {
        let mut words = self.text.split(' ');
        let code = words.next().unwrap_or_default();
        match words.next().and_then(Enhanced::parse) {
            Some(enhanced) => enhanced.to_string(),
            None => format!("{}.0.0", code.get(..1).filter(|class| matches!(*class, "2" | "4" | "5")).unwrap_or("5")),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::Taken { said, .. } => write!(f, "taken ({said})"),
            Fate::Later(said) => write!(f, "later ({said})"),
            Fate::Never(said) => write!(f, "refused ({said})"),
        }
    }
}

impl Trouble {
    /// What was said.
    #[must_use]
    pub fn said(&self) -> &Said {
        let (Trouble::Later(said) | Trouble::Never(said)) = self;
        said
    }

    /// The same for one recipient.
    #[must_use]
    pub fn fate(self) -> Fate {
        match self {
            Trouble::Later(said) => Fate::Later(said),
            Trouble::Never(said) => Fate::Never(said),
        }
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(TEXT) {
        Some((at, _)) => text.get(..at).unwrap_or_default().to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_as_text_is_what_was_said() {
        for text in ["mx.example.net: 550 5.1.1 No: such user", "[192.0.2.1]: 421", "450 4.4.1 mx: it is late"] {
            assert_eq!(Said::read(text).to_string(), text);
        }
        assert_eq!(Said::read("mx.example.net: 550 No").host.as_deref(), Some("mx.example.net"));
        assert_eq!(Said::read("450 4.4.1 mx: 550 no").host, None);
    }

    #[test]
    fn a_status_is_found_or_made() {
        let status = |text: &str| Said::read(text).status();
        assert_eq!(status("mx: 550 5.1.1 No"), "5.1.1");
        assert_eq!(status("mx: 452 full"), "4.0.0");
        assert_eq!(status("mx: 552"), "5.0.0");
        assert_eq!(status("nothing of the kind"), "5.0.0");
    }

    #[test]
    fn a_long_answer_is_cut_between_characters() {
        assert_eq!(Said::ours("é".repeat(2_000)).text.chars().count(), TEXT);
    }
}
