//! Names of folders: ours have levels separated by `/` and are UTF-8, the provider's are as it likes.

use crate::mail::{MailboxName, utf7};

/// How the provider's names are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spelling {
    /// What all of one's own names but INBOX begin with.
    pub prefix: Vec<u8>,
    /// What separates levels; `None`: there are none.
    pub separator: Option<u8>,
}

impl Spelling {
    /// The provider's name as ours. Not every name there is one here: what cannot be is made similar.
    pub fn near(&self, far: &[u8]) -> String {
        let own = far.strip_prefix(self.prefix.as_slice()).filter(|own| !own.is_empty()).unwrap_or(far);
        // Not all that is sent is what RFC 3501 §5.1.3 asks for.
        let name = utf7::decode(own).unwrap_or_else(|_| String::from_utf8_lossy(own).into_owned());
        let separator = self.separator.map(char::from);
        // Our separator within a level of theirs is none.
        let levels = name.split(|c| Some(c) == separator).map(|level| level.replace('/', "_"));
        MailboxName::nearest(&levels.collect::<Vec<_>>().join("/")).as_str().to_owned()
    }

    /// Our name as the provider's.
    pub fn far(&self, near: &str) -> Vec<u8> {
        if near == "INBOX" {
            return b"INBOX".to_vec();
        }
        let mut name = String::new();
        for (at, level) in near.split('/').enumerate() {
            if at > 0 {
                name.push(self.separator.map_or('_', char::from));
            }
            let taken = |c: char| self.separator.is_some_and(|separator| c == char::from(separator));
            name.extend(level.chars().map(|c| if taken(c) { '_' } else { c }));
        }
        let mut far = self.prefix.clone();
        utf7::encode(&name, |piece| far.extend_from_slice(piece));
        far
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelling(prefix: &str, separator: char) -> Spelling {
        Spelling { prefix: prefix.as_bytes().to_vec(), separator: u8::try_from(separator).ok() }
    }

    #[test]
    fn names_go_there_and_back() {
        for (spelling, near, far) in [
            (spelling("", '/'), "Entwürfe/R&D", "Entw&APw-rfe/R&-D"),
            (spelling("", '.'), "a/b", "a.b"),
            (spelling("INBOX.", '.'), "Sent", "INBOX.Sent"),
            (spelling("INBOX.", '.'), "INBOX", "INBOX"),
            (spelling("", '/'), "日本語", "&ZeVnLIqe-"),
        ] {
            assert_eq!(spelling.far(near), far.as_bytes());
            assert_eq!(spelling.near(far.as_bytes()), near);
        }
    }

    #[test]
    fn what_cannot_be_a_name_here_becomes_one() {
        assert_eq!(spelling("", '.').near(b"a/b.c*"), "a_b/c_");
        assert_eq!(spelling("", '/').near(b"a//b/"), "a/_/b/_");
        assert_eq!(spelling("", '/').near(b"inbox"), "INBOX");
        assert_eq!(spelling("", '/').near(b"&broken"), "&broken");
        assert_eq!(spelling("", '.').far("a.b/c"), b"a_b.c");
        assert_eq!(Spelling::default().far("a/b"), b"a_b");
    }
}
