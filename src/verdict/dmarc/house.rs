//! Where a house ends: the names that others register theirs below (RFC 7489 §3.2).

/// Names that others register theirs below, one on a line in the order of octets, after a notice and an empty line. `*.`
/// stands for all that are one label below, `!` for what is none all the same.
const LIST: &str = include_str!("suffixes.txt");
/// Labels at the end of a name that are looked at: the list has none of as many.
const LABELS: usize = 8;

/// The name one label below the public one that a domain in small letters is below: the domain of its house. A public name
/// is its own.
pub(super) fn house(domain: &str) -> &str {
    let starts = domain.rmatch_indices('.').map(|(dot, _)| dot + 1).take(LABELS);
    let mut names: Vec<&str> = starts.filter_map(|start| domain.get(start..)).collect();
    if names.len() < LABELS {
        names.push(domain);
    }
    let mut below = domain;
    // The longest rule counts.
    for name in names.into_iter().rev() {
        let Some((_, above)) = name.split_once('.') else { return below };
        if is_listed(&format!("!{name}")) {
            return name;
        }
        if is_listed(name) || is_listed(&format!("*.{above}")) {
            return below;
        }
        below = name;
    }
    below
}

fn is_listed(rule: &str) -> bool {
    let (_, list) = LIST.split_once("\n\n").unwrap_or_default();
    let (mut low, mut high) = (0, list.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let (before, after) = list.split_at_checked(middle).unwrap_or_default();
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        let end = after.find('\n').map_or(list.len(), |end| middle + end);
        match list.get(begin..end).unwrap_or_default().cmp(rule) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = begin,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_found_where_it_is() {
        let (_, list) = LIST.split_once("\n\n").unwrap();
        let rules: Vec<&str> = list.lines().collect();
        assert!(rules.len() > 8_000 && list.is_ascii() && rules.is_sorted());
        for rule in rules {
            assert!(is_listed(rule), "{rule}");
            assert!(!is_listed(&format!("{rule}x")) && rule.split('.').count() < LABELS, "{rule}");
        }
    }

    #[test]
    fn a_house_is_one_label_below_what_is_public() {
        for (domain, wanted) in [
            ("example.org", "example.org"),
            ("a.b.example.org", "example.org"),
            ("a.example.co.uk", "example.co.uk"),
            ("co.uk", "co.uk"),
            ("uk", "uk"),
            ("a.b.github.io", "b.github.io"),
            ("github.io", "github.io"),
            ("x.example.unheard-of", "example.unheard-of"),
            // `*.ck`, `!www.ck`, `*.kawasaki.jp`, `!city.kawasaki.jp`
            ("a.b.example.ck", "b.example.ck"),
            ("a.www.ck", "www.ck"),
            ("a.b.c.kawasaki.jp", "b.c.kawasaki.jp"),
            ("a.city.kawasaki.jp", "city.kawasaki.jp"),
            ("1.2.3.4.5.6.7.8.9.example.co.uk", "example.co.uk"),
            ("a.xn--55qx5d.cn", "a.xn--55qx5d.cn"),
            ("", ""),
            (".", "."),
            ("..", "."),
        ] {
            assert_eq!(house(domain), wanted, "{domain}");
        }
    }
}
