//! `Authentication-Results`, as it is told to whoever reads the mail (RFC 8601).

use super::dkim::Dkim;
use super::dmarc::Dmarc;
use super::spf::Spf;
use crate::mail::header::{Field, fields};
use std::fmt::Write;

/// Octets of one value that somebody else chose.
const VALUE: usize = 320;
/// Octets of a line that more is put behind: with one value, escaped, it stays below 998 (RFC 5322 §2.1.1).
const LINE: usize = 240;

/// The whole field, one result on a line.
pub(super) fn told(receiver: &str, spf: &Spf, mail_from: &str, dkim: &[Dkim], dmarc: &[Dmarc]) -> String {
    let mut lines = vec![if spf.is_helo {
        format!("spf={} smtp.helo={}", spf.result, value(&spf.domain))
    } else {
        format!("spf={} smtp.mailfrom={}", spf.result, value(mail_from))
    }];
    if dkim.is_empty() {
        lines.push("dkim=none".to_owned());
    }
    for one in dkim {
        let why = one.why.map(|why| format!(" reason=\"{why}\"")).unwrap_or_default();
        let mut line = format!("dkim={}{why}", one.result.name());
        let told =
            [("d", &one.domain), ("i", &one.identity), ("s", &one.selector), ("a", &one.method), ("b", &one.begin)];
        for (name, text) in told.into_iter().filter(|(_, text)| !text.is_empty()) {
            let begin = line.rfind('\n').map_or(0, |end| end + 1);
            let gap = if line.len() - begin > LINE { "\r\n\t\t" } else { " " };
            let _ = write!(line, "{gap}header.{name}={}", value(text));
        }
        lines.push(line);
    }
    for one in dmarc {
        let domain = if one.domain.is_empty() { String::new() } else { format!(" header.from={}", value(&one.domain)) };
        lines.push(format!("dmarc={} (p={}){domain}", one.result.name(), one.policy.name()));
    }
    format!("Authentication-Results: {receiver};\r\n\t{}\r\n", lines.join(";\r\n\t"))
}

/// `pvalue = [CFWS] ( value / [ [ local-part ] "@" ] domain-name ) [CFWS]`, quoted where it has to be. What could end the
/// line is left out.
fn value(text: &str) -> String {
    let fits = |octets: &mut usize, c: char| {
        *octets += c.len_utf8();
        (*octets <= VALUE).then_some(c)
    };
    let text: String = text.chars().filter(|c| !c.is_control()).scan(0, fits).collect();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`{|}~@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether a field claims to be ours: an `Authentication-Results` with our name in front that came from outside
/// (RFC 8601 §5).
#[must_use]
pub fn is_forged(field: &Field<'_>, name: &str) -> bool {
    field.name.eq_ignore_ascii_case(b"Authentication-Results")
        && author(field.value).is_none_or(|author| author.eq_ignore_ascii_case(name.trim_end_matches('.').as_bytes()))
}

/// A header without the fields that claim to be ours; all else stays as it is, octet for octet.
#[must_use]
pub fn strip_forged(header: &[u8], name: &str) -> Vec<u8> {
    let mut kept = Vec::with_capacity(header.len());
    let start = header.as_ptr().addr();
    let mut at = 0;
    for field in fields(header).filter(|field| is_forged(field, name)) {
        let begin = field.whole.as_ptr().addr() - start;
        kept.extend_from_slice(header.get(at..begin).unwrap_or_default());
        at = begin + field.whole.len();
    }
    kept.extend_from_slice(header.get(at..).unwrap_or_default());
    kept
}

/// `authserv-id = value`, with white space and comments before it (RFC 8601 §2.2). `None` where there is none to be read:
/// some reader might read it as ours.
fn author(value: &[u8]) -> Option<Vec<u8>> {
    let mut rest = value;
    loop {
        rest = rest.trim_ascii_start();
        match rest.first()? {
            b'(' => rest = after_comment(rest)?,
            b'"' => return quoted(rest.get(1..)?),
            _ => break,
        }
    }
    let end = rest.iter().position(|octet| b" \t\r\n;(\"".contains(octet)).unwrap_or(rest.len());
    let token = rest.get(..end)?;
    let token = token.strip_suffix(b".").unwrap_or(token);
    (!token.is_empty()).then(|| token.to_vec())
}

fn quoted(text: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut octets) = (Vec::new(), text.iter());
    loop {
        match octets.next()? {
            b'"' => return Some(out),
            b'\\' => out.push(*octets.next()?),
            b'\r' | b'\n' => {}
            octet => out.push(*octet),
        }
    }
}

fn after_comment(text: &[u8]) -> Option<&[u8]> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match text.get(at)? {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return text.get(at..);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DkimResult, SpfResult};
    use super::*;

    #[test]
    fn no_value_makes_a_line_too_long() {
        for text in ["a".repeat(2_000), "\"\\".repeat(2_000), "\u{10348}".repeat(2_000)] {
            let spf = Spf { result: SpfResult::Pass, is_helo: false, domain: text.clone(), explanation: None };
            let [domain, identity, selector, method, begin] = [(); 5].map(|()| text.clone());
            let result = DkimResult::PermError;
            let one = Dkim { result, why: Some("a tag is missing"), domain, identity, selector, method, begin };
            let header = told("mx.example.org", &spf, &text, &[one], &[]);
            for line in header.lines() {
                assert!(line.len() <= 998, "{} octets: {line}", line.len());
            }
            assert_eq!(fields(header.as_bytes()).count(), 1);
        }
    }

    #[test]
    fn what_claims_to_be_ours_goes_and_all_else_stays() {
        let ours = [
            "Authentication-Results: mx.example.org; spf=pass\r\n",
            "AUTHENTICATION-results :\r\n (a (nested\\) one)) \r\n\tMX.Example.org. 1;\r\n\tdkim=pass\r\n",
            "Authentication-Results: \"mx.exa\\mple.org\"; none\r\n",
            "Authentication-Results: mx.example.org\r\n",
            "Authentication-Results: mx.example.org(x);none\r\n",
            "Authentication-Results: ;dkim=pass\r\n",
            "Authentication-Results: (never ends; mx.example.org; dkim=pass\r\n",
        ];
        let others = [
            "Authentication-Results: mx.example.net; spf=pass\r\n",
            "Authentication-Results: mx.example.org.example.net; spf=pass\r\n",
            "X-Authentication-Results: mx.example.org; spf=pass\r\n",
            "no field\r\n",
            "From: a@b\r\n",
        ];
        let mixed: String = ours.iter().zip(others.iter().cycle()).flat_map(|(ours, other)| [*other, *ours]).collect();
        let kept: String = ours.iter().zip(others.iter().cycle()).map(|(_, other)| *other).collect();
        let end = "\r\nAuthentication-Results: mx.example.org; none\r\n";
        let stripped = strip_forged(format!("{mixed}{end}").as_bytes(), "mx.example.org");
        assert_eq!(String::from_utf8(stripped).unwrap(), format!("{kept}{end}"));
    }
}
