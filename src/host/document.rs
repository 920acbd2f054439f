//! A TOML file on the FAT partition, as people and their editors leave it there: with a byte order mark, with other line
//! ends, with a line that is not right. What can be read of it is read; the rest is told, with its line.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Octets of a file: hundreds of settings.
const LONGEST: u64 = 64 << 10;
/// Lines of a table that may be wrong, before nothing of it is believed.
const WRONG: usize = 5;

/// A file's text, which is TOML once the lines that were not are blank.
#[derive(Debug)]
pub(super) struct Document {
    name: &'static str,
    text: String,
    complaints: Vec<String>,
}

/// A document being read, and what was found to tell of it.
#[derive(Debug)]
pub(super) struct Reader<'d> {
    document: &'d Document,
    pub(super) complaints: Vec<String>,
}

impl Document {
    /// The file of that name; `None` where there is none. An error is for the owner.
    pub(super) fn read(folder: &Path, name: &'static str) -> Result<Option<Document>, String> {
        let mut octets = Vec::new();
        let read = File::open(folder.join(name)).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut octets));
        match read {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{name} cannot be read: {error}")),
            Ok(_) if octets.len() as u64 > LONGEST => {
                return Err(format!("{name} is not read: it is longer than {} KiB", LONGEST >> 10));
            }
            Ok(_) => {}
        }
        let Ok(text) = String::from_utf8(octets) else {
            return Err(format!("{name} is not read: save it as UTF-8"));
        };
        Ok(Some(Document::new(name, &text)))
    }

    pub(super) fn new(name: &'static str, text: &str) -> Document {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
        // Imager escapes nothing but the quote and the backslash; TOML wants no such character in a string.
        let text = text.replace(|c: char| c.is_ascii_control() && !"\n\t".contains(c), "\u{fffd}");
        let mut document = Document { name, text, complaints: Vec::new() };
        if DeTable::parse(&document.text).is_err() {
            document.mend();
        }
        document
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What can be read of it, and what cannot.
    pub(super) fn parse(&self) -> (DeTable<'_>, Reader<'_>) {
        let table = DeTable::parse(&self.text).map(Spanned::into_inner).unwrap_or_default();
        (table, Reader { document: self, complaints: self.complaints.clone() })
    }

    /// Makes blank what is wrong. Each table is looked at by itself, so that what is not closed in one does not take the
    /// next ones with it; then all of it, for what is there twice.
    fn mend(&mut self) {
        let mut lines: Vec<String> = self.text.split('\n').map(str::to_owned).collect();
        let names: Vec<usize> =
            (0..lines.len()).filter(|&at| lines.get(at).is_some_and(|line| is_name(line))).collect();
        let ends = names.iter().copied().chain([lines.len()]);
        for (begin, end) in std::iter::once(0).chain(names.iter().copied()).zip(ends) {
            self.mend_lines(&mut lines, begin..end);
        }
        let all = 0..lines.len();
        self.mend_lines(&mut lines, all);
        self.text = lines.join("\n");
    }

    fn mend_lines(&mut self, lines: &mut [String], range: Range<usize>) {
        for _ in 0..WRONG {
            let text = lines.get(range.clone()).unwrap_or_default().join("\n");
            let Err(error) = DeTable::parse(&text) else { return };
            let at = error.span().unwrap_or_default().start;
            let mut wrong = range.start + number_of_line(&text, at);
            while wrong > range.start && lines.get(wrong).is_none_or(|line| line.trim().is_empty()) {
                wrong -= 1;
            }
            self.complaints.push(format!("{}, line {}: {}", self.name, wrong + 1, error.message()));
            // What stands below a table's name would be taken for the table before.
            let below = lines.get(wrong).is_some_and(|line| is_name(line));
            for (number, line) in lines.iter_mut().enumerate().skip(wrong) {
                if number > wrong && (!below || is_name(line)) {
                    break;
                }
                line.clear();
            }
        }
        if DeTable::parse(&lines.get(range.clone()).unwrap_or_default().join("\n")).is_err() {
            self.complaints.push(format!("{}, line {}: so it is not used from here on", self.name, range.start + 1));
            lines.get_mut(range).into_iter().flatten().for_each(String::clear);
        }
    }

    fn line(&self, at: usize) -> usize {
        number_of_line(&self.text, at) + 1
    }
}

/// How many lines end before an octet.
fn number_of_line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&octet| octet == b'\n').count()
}

/// Whether a line looks like a table's name.
fn is_name(line: &str) -> bool {
    line.trim_start().starts_with('[')
}

impl Reader<'_> {
    pub(super) fn complain(&mut self, at: &Range<usize>, what: &str) {
        let line = self.document.line(at.start);
        self.complaints.push(format!("{}, line {line}: {what}", self.document.name));
    }

    /// A table, or nothing and a complaint.
    pub(super) fn table<'v, 'i>(&mut self, name: &str, value: &'v Spanned<DeValue<'i>>) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.complain(&value.span(), &format!("{name} must be a table, as in [{name}]"));
        }
        table
    }

    pub(super) fn string(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let text = value.get_ref().as_str().map(|text| text.trim().to_owned());
        if text.is_none() {
            self.complain(&value.span(), &format!("{name} must be a text in quotes"));
        }
        text
    }

    /// A text, or a list of them.
    pub(super) fn strings(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        match value.get_ref().as_array() {
            Some(list) => list.iter().filter_map(|one| self.string(name, one)).collect(),
            None => self.string(name, value).into_iter().collect(),
        }
    }

    /// A text that is something; `like` is an example.
    pub(super) fn parsed<T: FromStr>(&mut self, name: &str, value: &Spanned<DeValue<'_>>, like: &str) -> Option<T> {
        let text = self.string(name, value)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.complain(&value.span(), &format!("{name} = {text:?} is not understood; it is like {like:?}"));
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_right_is_told_and_the_others_are_read() {
        let document = Document::new("x.toml", "\u{feff}[a]\r\nb = 'c'\r\nnonsense\r\nd = [ 'e', 'f' ]\r\n");
        let (table, mut reader) = document.parse();
        let [complaint] = reader.complaints.as_slice() else { panic!("{reader:?}") };
        assert!(complaint.starts_with("x.toml, line 3: "), "{complaint}");
        let a = table.get("a").and_then(|a| reader.table("a", a)).unwrap();
        assert_eq!(reader.string("b", a.get("b").unwrap()), Some("c".to_owned()));
        assert_eq!(reader.strings("d", a.get("d").unwrap()), ["e", "f"]);
    }

    #[test]
    fn what_stands_below_a_wrong_name_is_not_taken_for_the_table_before() {
        for (text, keys) in [
            ("[a]\nx = 1\n[b\ny = 1\nz = 1\n[c]\nx = 1\n", ["a", "c"]),
            ("[a]\nx = 1\ny = [\n'1',\n[c]\nd = 1\ne = 1\nf = 1\ng = 1\nh = 1\ni = 1\n", ["a", "c"]),
            ("[a]\nx = 1\n[a]\nx = 2\n[c]\n", ["a", "c"]),
            ("[a]\nx = 1\nx = 2\n[c]\nx = 'y\n", ["a", "c"]),
        ] {
            let document = Document::new("x.toml", text);
            let (table, reader) = document.parse();
            assert_eq!(table.keys().map(|key| key.get_ref().as_ref()).collect::<Vec<&str>>(), keys, "{reader:?}");
            assert_eq!(table.get("a").unwrap().get_ref().as_table().unwrap().len(), 1, "{text}");
            assert!(!reader.complaints.is_empty());
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_not_read() {
        let folder = std::env::temp_dir().join(format!("pillarbox-document-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("x.toml"), vec![b'#'; 70_000]).unwrap();
        assert!(Document::read(&folder, "x.toml").is_err());
        std::fs::write(folder.join("x.toml"), b"a = '\xe4'").unwrap();
        assert!(Document::read(&folder, "x.toml").unwrap_err().contains("UTF-8"));
        assert!(Document::read(&folder, "y.toml").unwrap().is_none());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
