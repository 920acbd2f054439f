//! Sizes as people write and read them.

use pillarbox::admin::Limit;

/// A number of messages, or `none` for no limit.
pub fn parse_count(text: &str) -> Result<Limit, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Limit::Lifted);
    }
    text.parse().map(Limit::Of).map_err(|_| format!("{text:?} is no number of messages"))
}

/// `1 message`, `2 messages`
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

pub use pillarbox::mail::octets::shown;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        let counts = [0, 1, 2].map(|count| counted(count, "message", "messages"));
        assert_eq!(counts, ["0 messages", "1 message", "2 messages"]);
    }
}
