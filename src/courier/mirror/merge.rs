//! What becomes of flags that both sides may have changed, and when a deletion is believed.

use crate::mail::{FlagSet, SystemFlag, is_keyword};

/// So few messages may go at once from one folder, even all of it.
const FEW: usize = 5;
/// How long a bulk of missing messages is looked at before it is believed without the owner's word: a day, and some.
pub const SECOND_LOOK: i64 = 26 * 3_600;

/// What both sides are to have, from what they agreed on and what each has now. A flag that one side changed is as it is
/// there; where both did, they say the same.
pub fn merged(agreed: FlagSet, here: FlagSet, there: FlagSet) -> FlagSet {
    let changed_here = FlagSet(here.0 ^ agreed.0);
    (here & changed_here) | (there & !changed_here)
}

/// Whether so many missing messages are to be held back: a folder that is suddenly empty, or lost more than half.
pub fn is_bulk(missing: usize, of: usize) -> bool {
    missing > FEW && missing.saturating_mul(2) > of
}

/// The flag names of a mailbox as numbers, and names that it does not know yet.
#[derive(Clone, Debug, Default)]
pub struct Names {
    keywords: Vec<String>,
    had: usize,
}

impl Names {
    pub fn new(keywords: Vec<String>) -> Names {
        let had = keywords.len();
        Names { keywords, had }
    }

    /// A set of flags. Keywords that are new get the next numbers, as far as there are any.
    pub fn set(&mut self, names: &[String]) -> FlagSet {
        names.iter().fold(FlagSet::NONE, |flags, name| flags | self.one(name))
    }

    fn one(&mut self, name: &str) -> FlagSet {
        if let Some(system) = SystemFlag::from_name(name) {
            return system.set();
        }
        if name.starts_with('\\') {
            return FlagSet::NONE;
        }
        if let Some(at) = self.keywords.iter().position(|known| known.eq_ignore_ascii_case(name)) {
            return FlagSet::keyword(at);
        }
        if self.keywords.len() >= FlagSet::KEYWORDS || !is_keyword(name) {
            return FlagSet::NONE;
        }
        self.keywords.push(name.to_owned());
        FlagSet::keyword(self.keywords.len() - 1)
    }

    /// The names in a set, but for those that cannot be said to a server.
    pub fn names(&self, flags: FlagSet) -> Vec<String> {
        let system = SystemFlag::ALL.into_iter().filter(|flag| flags.is(*flag)).map(|flag| flag.name().to_owned());
        let keywords = flags.keywords().filter_map(|at| self.keywords.get(at)).filter(|name| is_keyword(name)).cloned();
        system.chain(keywords).collect()
    }

    /// The keywords that the mailbox is to learn.
    pub fn learned(&self) -> &[String] {
        self.keywords.get(self.had..).unwrap_or_default()
    }

    /// Whether the mailbox numbers these names as we do.
    pub fn agrees(&self, keywords: &[String]) -> bool {
        keywords.starts_with(&self.keywords)
    }

    /// The same flags where another mailbox numbers them, as far as it does.
    pub fn translated(&self, flags: FlagSet, to: &Names) -> FlagSet {
        to.known(&self.names(flags))
    }

    /// What a server keeps of these flags: all, where it does not say.
    pub fn kept(&self, said: Option<&(Vec<String>, bool)>) -> FlagSet {
        let unsaid = self.keywords.iter().enumerate().filter(|(_, name)| !is_keyword(name));
        let unsaid = unsaid.fold(FlagSet::NONE, |flags, (at, _)| flags | FlagSet::keyword(at));
        let kept = match said {
            None => FlagSet(u128::MAX),
            Some((names, any)) => {
                // What it lists is known to it; of what it does not list, any keyword where it says so.
                let listed = self.known(names);
                if *any { listed | FlagSet(!0xff) } else { listed }
            }
        };
        kept & !unsaid
    }

    /// A set of flags, of those that have a number.
    fn known(&self, names: &[String]) -> FlagSet {
        names.iter().fold(FlagSet::NONE, |flags, name| {
            let system = SystemFlag::from_name(name).map(SystemFlag::set);
            let keyword = self.keywords.iter().position(|known| known.eq_ignore_ascii_case(name));
            flags | system.or(keyword.map(FlagSet::keyword)).unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_s_change_of_each_flag_holds() {
        for agreed in 0..8_u128 {
            for here in 0..8_u128 {
                for there in 0..8_u128 {
                    let merged = merged(FlagSet(agreed), FlagSet(here), FlagSet(there)).0;
                    for bit in [1, 2, 4] {
                        let (was, near, far) = (agreed & bit, here & bit, there & bit);
                        let wanted = if near == was { far } else { near };
                        assert_eq!(merged & bit, wanted, "{agreed} {here} {there}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_few_may_go_and_many_are_looked_at_twice() {
        assert!(!is_bulk(1, 1) && !is_bulk(5, 5) && !is_bulk(0, 0));
        assert!(is_bulk(6, 6) && is_bulk(51, 100) && is_bulk(3_000, 3_000));
        assert!(!is_bulk(50, 100) && !is_bulk(6, 12));
    }

    #[test]
    fn keywords_have_the_numbers_that_the_mailbox_will_give_them() {
        let mut names = Names::new(vec!["one".to_owned()]);
        let flags = names.set(&["\\Seen", "ONE", "two", "\\Nonsense", "b(d"].map(str::to_owned));
        assert_eq!(flags, SystemFlag::Seen.set() | FlagSet::keyword(0) | FlagSet::keyword(1));
        assert_eq!(names.learned(), ["two"]);
        assert_eq!(names.names(flags), ["\\Seen", "one", "two"]);
        assert!(names.agrees(&["one", "two", "three"].map(str::to_owned)));
        assert!(!names.agrees(&["one", "three", "two"].map(str::to_owned)));
    }

    #[test]
    fn what_a_server_does_not_keep_is_known() {
        let names = Names::new(vec!["a".to_owned(), "b".to_owned()]);
        let said = |words: &[&str], any| Some((words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), any));
        assert_eq!(names.kept(None), FlagSet(u128::MAX));
        assert_eq!(names.kept(said(&["\\Seen", "b"], false).as_ref()), SystemFlag::Seen.set() | FlagSet::keyword(1));
        assert!(names.kept(said(&["\\Seen"], true).as_ref()).has(FlagSet::keyword(0)));
    }
}
