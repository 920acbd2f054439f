//! Encoded words in header values (RFC 2047).

use super::charset::Charset;
use super::transfer::{Decoder, Encoding};
use crate::mail::{effort, limits};
use encoding_rs::WINDOWS_1252;
use memchr::{memchr, memchr_iter, memmem};
use std::borrow::Cow;

/// What an encoded word costs beside its octets: its charset is looked up, its text is put elsewhere.
const WORD: u64 = 64;

/// An unfolded header value as text. Raw 8-bit text is UTF-8 (RFC 6532), or else windows-1252, which it mostly was.
#[must_use]
pub fn decode_words(value: &[u8]) -> Cow<'_, str> {
    effort::spend_on(value.len());
    let Some(first) = begin(value) else { return raw(value) };
    let mut out = String::with_capacity(value.len());
    // The octets of encoded words in a row: a character may be cut between two of them, though §5 (3) forbids it.
    let mut run = Run(None);
    let mut follows_word = false;
    let mut rest = value;
    let mut at = first;
    loop {
        let (before, word) = rest.split_at_checked(at).unwrap_or((rest, b""));
        let Some((charset, octets, after)) = word_at(word) else {
            // No encoded word here, or no more.
            let Some(next) = word.get(2..).and_then(begin) else { break };
            at += 2 + next;
            continue;
        };
        // White space between encoded words is not shown (§6.2).
        if !(follows_word && before.iter().all(u8::is_ascii_whitespace)) {
            run.end(&mut out);
            out.push_str(&raw(before));
        }
        run.add(charset, &octets, &mut out);
        follows_word = true;
        rest = after;
        match begin(rest) {
            Some(next) => at = next,
            None => break,
        }
    }
    run.end(&mut out);
    out.push_str(&raw(rest));
    Cow::Owned(out)
}

/// Where `=?` stands; for values as short as these, a searcher would cost more than it saves.
fn begin(value: &[u8]) -> Option<usize> {
    memchr_iter(b'=', value).find(|at| value.get(at + 1) == Some(&b'?'))
}

/// Encoded words of one charset in a row. Where a charset has states each word is by itself: it begins and ends in the
/// same one (§5 (3), RFC 1468).
struct Run(Option<Charset>);

impl Run {
    fn add(&mut self, label: &[u8], octets: &[u8], out: &mut String) {
        // What says nothing parts nothing.
        if octets.is_empty() {
            return;
        }
        let charset = Charset::labelled(label);
        if !self.0.as_ref().is_some_and(|open| open.goes_on(&charset)) {
            self.end(out);
        }
        self.0.get_or_insert(charset).feed(octets, out);
    }

    fn end(&mut self, out: &mut String) {
        if let Some(charset) = self.0.take() {
            charset.finish(out);
        }
    }
}

/// `"=?" charset ["*" language] "?" encoding "?" encoded-text "?="`: the charset, the octets it encodes, what follows.
fn word_at(value: &[u8]) -> Option<(&[u8], Vec<u8>, &[u8])> {
    // No further than this, lest a value full of beginnings be read from each of them to its end.
    let word = value.get(..limits::ENCODED_WORD).unwrap_or(value);
    let rest = word.strip_prefix(b"=?")?;
    let (charset, rest) = rest.split_at_checked(memchr(b'?', rest)?)?;
    let (&[_, encoding, b'?'], rest) = rest.split_first_chunk::<3>()? else { return None };
    let (text, rest) = rest.split_at_checked(memmem::find(rest, b"?=")?)?;
    // RFC 2231 §5
    let charset = charset.split(|&octet| octet == b'*').next()?.trim_ascii();
    if charset.is_empty() || charset.iter().any(u8::is_ascii_whitespace) {
        return None;
    }
    effort::spend(WORD);
    let mut octets = Vec::with_capacity(text.len());
    let (encoding, text) = match encoding {
        b'b' | b'B' => (Encoding::Base64, Cow::Borrowed(text)),
        // `_` is a space (§4.2 (2)); encoded, so that it is not taken for white space at the end of a line.
        b'q' | b'Q' => (Encoding::QuotedPrintable, Cow::Owned(spaces(text))),
        _ => return None,
    };
    let mut decoder = Decoder::new(encoding);
    decoder.feed(&text, &mut octets);
    decoder.finish(&mut octets);
    let length = word.len() - rest.len() + 2;
    Some((charset, octets, value.get(length..).unwrap_or_default()))
}

fn spaces(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    for octet in text {
        match octet {
            b'_' | b' ' => out.extend_from_slice(b"=20"),
            octet => out.push(*octet),
        }
    }
    out
}

fn raw(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(octets).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_values_are_borrowed() {
        assert!(matches!(decode_words(b"Hello =_world"), Cow::Borrowed("Hello =_world")));
        assert!(matches!(decode_words("Grüße".as_bytes()), Cow::Borrowed("Grüße")));
        assert_eq!(decode_words(b"caf\xe9"), "café");
    }

    #[test]
    fn encoded_words_are_decoded_and_joined() {
        assert_eq!(decode_words(b"=?iso-8859-1?Q?Fr=F6sche?= (=?utf-8*de?b?w7w=?=)"), "Frösche (ü)");
        assert_eq!(decode_words(b"a =?utf-8?q?b?= =?utf-8?Q?c_?=\t=?iso-8859-1?q?=e4?= d"), "a bc ä d");
        assert_eq!(decode_words(b"=?utf-8?q?=C3?= =?UTF-8?q?=BC?="), "ü");
        assert_eq!(decode_words(b"=?utf-7?Q?Fr+APY-sche?="), "Frösche");
        assert_eq!(decode_words(b"=?utf-8?q??= x"), " x");
        assert_eq!(decode_words(b"=?utf-8?q??= =?utf-8?q?x?="), "x");
        assert_eq!(
            decode_words(b"=?UTF8?b?w7?==?utf-8*de?B?\tvA= ?= =?us-ascii?q??= =?utf-8?q?=C3?="),
            "\u{fc}\u{fffd}"
        );
        assert_eq!(decode_words(b"\"=?utf-8?q?a_b?= c\" \xe9 \xc3\xbc"), "\"a b c\" \u{e9} \u{c3}\u{bc}");
        assert_eq!(decode_words(b"=?x-unheard-of?q?a=E4?="), "a\u{fffd}");
    }

    #[test]
    fn a_word_of_a_charset_with_states_is_by_itself() {
        let (spring, meeting) = ("=?ISO-2022-JP?B?GyRCPVUkThsoQg==?=", "=?iso-2022-jp?B?GyRCMnE1RBsoQg==?=");
        for between in ["", " ", "\t", " =?us-ascii?Q??= "] {
            assert_eq!(decode_words(format!("{spring}{between}{meeting}").as_bytes()), "春の会議");
        }
        // Neither does one that forgot to go back reach into the next.
        assert_eq!(decode_words(b"=?iso-2022-jp?B?GyRCPVU=?= =?iso-2022-jp?Q?plain?="), "春plain");
        assert_eq!(decode_words(b"=?hz-gb-2312?Q?~{J@?= =?hz-gb-2312?Q?~{=g?="), "世界");
        assert_eq!(decode_words(b"=?utf-7?Q?+AOQ-?= =?utf-7?Q?+APY-?="), "äö");
        assert_eq!(decode_words(b"=?utf-16?B?/v8A5A==?= =?utf-16?B?/v8A9g==?="), "äö");
    }

    #[test]
    fn what_is_no_encoded_word_stays() {
        for value in ["=?", "=?a?", "=?utf-8?x?a?=", "=?utf-8?q?open", "=??q?a?=", "=?=?=?=?", "a =? b ?= c"] {
            assert_eq!(decode_words(value.as_bytes()), value);
        }
        assert_eq!(decode_words(b"=?x =?utf-8?q?=41?= y"), "=?x A y");
    }
}
