//! Lists: for people with a header, in columns; for programs as JSON. All lists are shown here.

use super::Failed;
use serde::Serialize;

/// Rows under a header.
pub struct List {
    rows: Vec<Vec<String>>,
}

/// Blanks between two columns.
const BETWEEN: &str = "  ";

impl List {
    /// With these columns.
    pub fn new<const N: usize>(header: [&str; N]) -> List {
        List { rows: vec![header.map(str::to_uppercase).to_vec()] }
    }

    /// One more row, with as many cells as there are columns.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// As it is shown; `none` where there is no row.
    pub fn text(&self, none: &str) -> String {
        if self.rows.len() == 1 {
            return format!("{none}\n");
        }
        let wide = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let columns = self.rows.first().map_or(0, Vec::len);
        let widths: Vec<usize> = (0..columns).map(wide).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join(BETWEEN);
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// As programs read it, on one line.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, Failed> {
    Ok(format!("{}\n", serde_json::to_string(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_header_and_says_where_there_is_nothing_in_it() {
        let mut list = List::new(["address", "leads to"]);
        assert_eq!(list.text("There are no aliases."), "There are no aliases.\n");
        list.row(["ä@example.org".to_owned(), "b@example.org c@example.org".to_owned()]);
        list.row(["information@example.org".to_owned(), String::new()]);
        let expected = "ADDRESS                  LEADS TO\n\
                        ä@example.org            b@example.org c@example.org\n\
                        information@example.org\n";
        assert_eq!(list.text(""), expected);
    }
}
