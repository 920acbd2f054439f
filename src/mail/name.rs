//! Names of mailboxes: levels, separated by `/`.
//!
//! A name has one spelling here, whatever door it came in by: [`MailboxName`] is the only way to one, and the store takes
//! nothing else.

use super::limits;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The name that clients know the inbox by, in any letters (RFC 9051 §5.1).
const INBOX: &str = "INBOX";

/// A mailbox's full name as it is kept: UTF-8 in Unicode's form C (RFC 9051 §5.1, RFC 5198 §3), levels separated by `/`, no
/// level empty, at most [`limits::MAILBOX_NAME`] octets and [`limits::MAILBOX_DEPTH`] levels; INBOX in capitals, also as the
/// first level of a longer name; no control characters, none that cannot be seen or turn the direction of writing, and
/// neither of LIST's wildcards.
///
/// What is read back from a store or its journal is taken as it stands: it was settled before it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MailboxName(String);

/// Why a text is no mailbox name; the text of it is for the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName {
    /// Nothing at all, or nothing between two separators.
    EmptyLevel,
    /// More octets than a name may have.
    TooLong,
    /// More levels than a name may have.
    TooDeep,
    /// A control character, a wildcard, or what is no character.
    Unfit(char),
    /// A character that cannot be seen, or turns the direction of writing.
    Invisible(char),
}

impl MailboxName {
    /// The inbox.
    #[must_use]
    pub fn inbox() -> MailboxName {
        MailboxName(INBOX.to_owned())
    }

    /// The name that this text means. Two texts that differ in INBOX's letters or in how accents are composed mean one.
    pub fn settle(text: &str) -> Result<MailboxName, BadName> {
        let name = normal(text);
        if name.split('/').any(str::is_empty) {
            return Err(BadName::EmptyLevel);
        }
        if let Some(unfit) = name.chars().find(|c| is_unfit(*c)) {
            return Err(if is_invisible(unfit) { BadName::Invisible(unfit) } else { BadName::Unfit(unfit) });
        }
        within_bounds(&name)?;
        Ok(MailboxName(name.into_owned()))
    }

    /// The name that comes nearest to this text, for folders of other programs that are to be a mailbox whatever they are
    /// called: what cannot be seen is left out, what cannot be in a name becomes `_`, what is too long ends sooner.
    #[must_use]
    pub fn nearest(text: &str) -> MailboxName {
        let levels = text.split('/').map(|level| {
            let seen = level.chars().filter(|c| !is_invisible(*c));
            let level: String = seen.map(|c| if is_unfit(c) { '_' } else { c }).collect();
            if level.is_empty() { "_".to_owned() } else { level }
        });
        let mut name = String::new();
        for (at, level) in levels.enumerate() {
            if at > 0 {
                name.push(if at < limits::MAILBOX_DEPTH { '/' } else { '_' });
            }
            name.push_str(&level);
        }
        let mut name = normal(&name).into_owned();
        name.truncate(name.floor_char_boundary(limits::MAILBOX_NAME));
        while name.ends_with('/') {
            name.pop();
        }
        MailboxName(name)
    }

    /// This name with other levels below it, which begin with their separator; none where that is no name.
    pub fn with_below(&self, below: &str) -> Result<MailboxName, BadName> {
        let name = format!("{}{below}", self.0);
        within_bounds(&name)?;
        Ok(MailboxName(name))
    }

    /// Whether this text is a settled name already.
    #[must_use]
    pub fn is_settled(text: &str) -> bool {
        MailboxName::settle(text).is_ok_and(|name| name.0 == text)
    }

    /// Whether it is the inbox itself.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        self.0 == INBOX
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name as a store of an earlier version may have it.
    #[cfg(test)]
    pub(crate) fn unsettled(text: &str) -> MailboxName {
        MailboxName(text.to_owned())
    }
}

/// A text in form C, its first level in capitals where that is INBOX: how names, and patterns of names, are compared.
#[must_use]
pub fn normal(text: &str) -> Cow<'_, str> {
    let composed: Cow<'_, str> = match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    };
    let first = composed.split('/').next().unwrap_or_default();
    if first.eq_ignore_ascii_case(INBOX) && first != INBOX {
        let below = composed.get(INBOX.len()..).unwrap_or_default();
        return Cow::Owned(format!("{INBOX}{below}"));
    }
    composed
}

/// The names above this one, the outermost first.
pub fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').filter_map(|(at, _)| name.get(..at))
}

fn within_bounds(name: &str) -> Result<(), BadName> {
    if name.len() > limits::MAILBOX_NAME {
        return Err(BadName::TooLong);
    }
    if name.split('/').count() > limits::MAILBOX_DEPTH {
        return Err(BadName::TooDeep);
    }
    Ok(())
}

/// What no name has: controls and line separators (RFC 9051 §5.1), LIST's wildcards, what cannot be seen, and code points
/// that are no characters.
fn is_unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '*' | '%' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}' | '\u{fdd0}'..='\u{fdef}')
        || is_invisible(c)
}

/// What shows nothing, joins or parts its neighbours, or turns the direction of writing: with it two names look the same.
/// Variation selectors are not of them: telephones put one into each heart.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e00ff}')
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl AsRef<str> for MailboxName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadName::EmptyLevel => f.write_str("a level of it is empty"),
            BadName::TooLong => write!(f, "it has more than {} octets", limits::MAILBOX_NAME),
            BadName::TooDeep => write!(f, "it has more than {} levels", limits::MAILBOX_DEPTH),
            BadName::Unfit(c) => write!(f, "{c:?} cannot be in it"),
            BadName::Invisible(c) => write!(f, "U+{:04X} in it cannot be seen", u32::from(*c)),
        }
    }
}

impl std::error::Error for BadName {}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(text: &str) -> Result<String, BadName> {
        MailboxName::settle(text).map(|name| name.0)
    }

    #[test]
    fn ancestors_are_named_from_the_outermost() {
        assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(ancestors("a").count(), 0);
    }

    #[test]
    fn inbox_is_one_in_any_letters_also_as_the_first_level_and_nowhere_else() {
        for text in ["INBOX", "inbox", "InBoX"] {
            assert_eq!(settled(text).as_deref(), Ok("INBOX"));
            assert_eq!(settled(&format!("{text}/Kid/inbox")).as_deref(), Ok("INBOX/Kid/inbox"));
        }
        for other in ["inboxes", "Work/Inbox", "inbox.x", "ınbox", "ｉｎｂｏｘ"] {
            assert_eq!(settled(other).as_deref(), Ok(other));
        }
    }

    #[test]
    fn a_name_has_one_composition() {
        assert_eq!(settled("Cafe\u{301}/e\u{301}").as_deref(), Ok("Café/é"));
        assert_eq!(settled("\u{1112}\u{1161}\u{11ab}").as_deref(), Ok("한"));
        // Singletons and exclusions go the way that form C goes.
        assert_eq!(settled("\u{212b}\u{958}").as_deref(), Ok("Å\u{915}\u{93c}"));
        for name in ["Café", "한", "ﬁ", "❤\u{fe0f}", "日本語", "R&D", "a b ", ".hidden"] {
            assert_eq!(settled(name).as_deref(), Ok(name));
        }
    }

    #[test]
    fn what_has_empty_levels_wildcards_controls_or_cannot_be_seen_is_refused() {
        for bad in ["", "/", "a//b", "/a", "a/", "inbox/"] {
            assert_eq!(settled(bad), Err(BadName::EmptyLevel), "{bad:?}");
        }
        for unfit in ['*', '%', '\0', '\u{7}', '\u{7f}', '\u{85}', '\u{2028}', '\u{ffff}'] {
            assert_eq!(settled(&format!("a/b{unfit}c")), Err(BadName::Unfit(unfit)), "{unfit:?}");
        }
        for unseen in [
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{3164}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            assert_eq!(settled(&format!("a/b{unseen}c")), Err(BadName::Invisible(unseen)), "{unseen:?}");
        }
        assert_eq!(settled(&"x".repeat(1_001)), Err(BadName::TooLong));
        assert_eq!(settled(&["x"; 33].join("/")), Err(BadName::TooDeep));
        assert_eq!(settled(&["x"; 32].join("/")).map(|name| name.len()), Ok(63));
    }

    #[test]
    fn every_text_has_a_nearest_name_and_a_name_is_its_own() {
        for (text, name) in [
            ("inbox/Kid", "INBOX/Kid"),
            ("a//b/", "a/_/b/_"),
            ("a*b%\u{7}", "a_b__"),
            ("in\u{200b}box", "INBOX"),
            ("\u{202e}evil", "evil"),
            ("\u{200b}", "_"),
            ("e\u{301}", "é"),
            ("", "_"),
        ] {
            assert_eq!(MailboxName::nearest(text).as_str(), name);
        }
        let long = ["é"; 60].join("/") + &"é".repeat(1_000);
        for text in [long.as_str(), &"/".repeat(2_000), &"\u{958}".repeat(400), &("x".repeat(999) + "/y")] {
            let name = MailboxName::nearest(text);
            assert!(MailboxName::is_settled(name.as_str()), "{name}");
        }
    }
}
