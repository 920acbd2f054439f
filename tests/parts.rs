//! Every part of every message of the corpus, compared with what Python's `email` package finds there.

use pillarbox::mail::mime::Scanner;
use pillarbox::mail::{Content, Part, Piece, Section, SectionText, Span, limits};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the package and we differ, and why. A difference that is not here fails, and so does one that is gone.
const DIFFERENCES: &[(&str, &str)] = &[
    ("real-1435", "a delivery status is no message (RFC 9051 §7.5.2): the package takes its blocks apart"),
    ("real-1541", "a delivery status is no message (RFC 9051 §7.5.2): the package takes its blocks apart"),
    ("real-2537", "a delimiter with a tail ends its part (RFC 2046 §5.1.1): the package takes it for text"),
    ("malformed-004", "a delimiter with a tail begins a part (RFC 2046 §5.1.1): the package takes it for text"),
    ("malformed-017", "a parameter without its semicolon is one: the package finds no boundary"),
    ("malformed-019", "a first line that is no field hides nothing below it: the package takes all for text"),
    ("malformed-022", "an enclosed message without a header is written by the package with an empty line before it"),
];

#[derive(Deserialize)]
struct Answer {
    name: String,
    parts: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    path: Vec<u32>,
    r#type: String,
    /// Absent for a multipart, of which the package keeps no source.
    sha256: Option<String>,
    #[serde(default)]
    length: usize,
    /// Whether the octets were put together again, rather than kept.
    #[serde(default)]
    made: bool,
}

#[test]
fn every_part_of_the_corpus_is_the_part_that_python_finds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = root.join("../shared/corpus");
    if !corpus.exists() {
        println!("SKIPPED: {} is not there", corpus.display());
        return;
    }
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("parts");
    let script = fs::File::open(root.join("tests/support/parts_oracle.py")).expect("the script is in the repository");
    let run = Command::new("python3").arg("-").arg(&corpus).arg(&out).stdin(Stdio::from(script)).output();
    let run = run.expect("python3 is installed");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));

    let mut differences = BTreeMap::new();
    let mut messages = 0;
    for line in String::from_utf8(run.stdout).expect("JSON is UTF-8").lines() {
        let answer: Answer = serde_json::from_str(line).expect("one answer a line");
        let octets = fs::read(out.join(format!("{}.eml", answer.name))).expect("the script has written it");
        if let Err(difference) = compare(&answer, &octets) {
            differences.insert(answer.name, difference);
        }
        messages += 1;
    }
    assert_eq!(messages, 3_077);
    for (name, why) in DIFFERENCES {
        assert!(differences.remove(*name).is_some(), "{name} differs no longer, though {why}");
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

/// Broken further, by a seed, the corpus is still outlined: spans in order and inside one another, all bounds kept, and
/// the same however the octets are cut.
#[test]
fn mutations_of_the_corpus_are_outlined_within_bounds() {
    let torture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/torture");
    let Ok(folder) = fs::read_dir(&torture) else {
        println!("SKIPPED: {} is not there", torture.display());
        return;
    };
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.expect("a folder that can be read").path()).collect();
    files.sort();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut dice = |sides: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % sides as u64).expect("less than a usize")
    };
    for file in files {
        let whole = fs::read(&file).expect("a file that can be read");
        for _ in 0..100 {
            let mut octets = whole.clone();
            for _ in 0..=dice(6) {
                let (at, length) = (dice(octets.len()), dice(200));
                let end = (at + length).min(octets.len());
                match dice(5) {
                    0 => octets.splice(at..end, []).for_each(drop),
                    1 => {
                        octets
                            .splice(at..at, whole.iter().copied().skip(dice(whole.len())).take(length))
                            .for_each(drop);
                    }
                    2 => octets.truncate(at.max(1)),
                    3 => octets.splice(at..at, b"\r\n--".repeat(1 + dice(3))).for_each(drop),
                    _ => octets.iter_mut().skip(at).take(1).for_each(|octet| *octet ^= 1 << (length % 8)),
                }
                octets.push(b'.');
            }
            let (mut at_once, mut in_pieces) = (Scanner::new(), Scanner::new());
            at_once.feed(&octets);
            octets.chunks(1 + dice(300)).for_each(|piece| in_pieces.feed(piece));
            let outline = at_once.finish();
            assert_eq!(outline, in_pieces.finish(), "{}", file.display());
            let size = u32::try_from(octets.len()).expect("small mail");
            check(&outline.root, Span { start: 0, end: size }, &mut 0, 0);
        }
    }
}

fn check(part: &Part<'_>, around: Span, count: &mut usize, depth: usize) {
    assert!(around.start <= part.header.start && part.header.start <= part.header.end);
    assert!(part.header.end <= part.body.start && part.body.start <= part.body.end && part.body.end <= around.end);
    *count += 1;
    assert!(*count <= limits::PARTS && depth < limits::PART_DEPTH);
    match &part.content {
        Content::Leaf => {}
        Content::Message(inner) => check(&inner.1, part.body, count, depth + 1),
        Content::Multipart(parts) => {
            let mut left = part.body;
            for part in parts {
                check(part, left, count, depth + 1);
                left.start = part.body.end;
            }
        }
    }
}

fn compare(answer: &Answer, octets: &[u8]) -> Result<(), String> {
    let mut scanner = Scanner::new();
    scanner.feed(octets);
    let outline = scanner.finish();
    assert_eq!(outline.size as usize, octets.len());
    let mut ours = Vec::new();
    list(&outline.root, &mut Vec::new(), &mut ours);
    let theirs: Vec<_> = answer.parts.iter().map(|part| (part.path.clone(), shown_type(part))).collect();
    if ours != theirs {
        return Err(format!("{ours:?} instead of {theirs:?}"));
    }
    for part in &answer.parts {
        let section = Section { path: part.path.clone(), text: SectionText::Whole };
        let Some(Piece::Octets(span)) = outline.root.resolve(&section) else {
            return Err(format!("no part {:?}", part.path));
        };
        let Some(body) = octets.get(span.start as usize..span.end as usize) else {
            return Err(format!("part {:?} is out of bounds", part.path));
        };
        let Some(sha256) = &part.sha256 else { continue };
        let hash: Vec<String> = digest(&SHA256, body).as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
        if hash.concat() != *sha256 {
            let made = if part.made { " (put together by the package)" } else { "" };
            return Err(format!("part {:?}{made}: {} octets instead of {}", part.path, body.len(), part.length));
        }
    }
    Ok(())
}

/// A multipart in which no parts are found is text (RFC 2045 §5.2): BODYSTRUCTURE has no empty multipart.
fn shown_type(part: &Found) -> String {
    let empty = part.sha256.is_some() && part.r#type.starts_with("multipart/");
    if empty { "text/plain".to_owned() } else { part.r#type.clone() }
}

/// Paths and types of all parts, as the script lists them.
fn list(message: &Part<'_>, path: &mut Vec<u32>, out: &mut Vec<(Vec<u32>, String)>) {
    match &message.content {
        Content::Multipart(parts) => list_all(parts, path, out),
        _ => list_all(std::slice::from_ref(message), path, out),
    }
}

fn list_all(parts: &[Part<'_>], path: &mut Vec<u32>, out: &mut Vec<(Vec<u32>, String)>) {
    for (part, number) in parts.iter().zip(1..) {
        path.push(number);
        let name = [part.media.as_ref(), b"/", part.subtype.as_ref()].concat().to_ascii_lowercase();
        out.push((path.clone(), String::from_utf8_lossy(&name).into_owned()));
        match &part.content {
            Content::Multipart(parts) => list_all(parts, path, out),
            Content::Message(inner) => list(&inner.1, path, out),
            Content::Leaf => {}
        }
        path.pop();
    }
}
