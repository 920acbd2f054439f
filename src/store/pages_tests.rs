//! redb's file as it really is, page by page.

use super::file_header::{HEADER, Header, MAGIC, PRIMARY, Remains};
use super::pages::{Link, PAGE, Shape, sum};
use redb::{Database, ReadableDatabase, TableDefinition};

const TABLE: TableDefinition<&str, &[u8]> = TableDefinition::new("a table");

fn file(name: &str) -> Vec<u8> {
    let path = std::env::temp_dir().join(format!("pillarbox-pages-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(TABLE).unwrap();
        for number in 0..2_000 {
            table.insert(format!("key {number}").as_str(), [7; 100].as_slice()).unwrap();
        }
    }
    transaction.commit().unwrap();
    assert!(database.begin_read().unwrap().open_table(TABLE).is_ok());
    drop(database);
    let octets = std::fs::read(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    octets
}

/// Pages below these, each with its sum, and how deep they go.
fn count(octets: &[u8], links: &[Link], depth: usize) -> (usize, usize) {
    links.iter().fold((0, depth), |(pages, deepest), link| {
        let start = usize::try_from(link.offset).unwrap();
        let page = &octets[start..start + usize::try_from(link.length).unwrap()];
        assert_eq!(link.shape.summed(page).map(sum), Some(link.sum), "page {start}");
        let (below, deep) = count(octets, &link.shape.below(page), depth + 1);
        (pages + 1 + below, deepest.max(deep))
    })
}

#[test]
fn every_page_of_a_file_has_the_sum_that_the_page_above_says() {
    let octets = file("sums");
    let header = Header::read(&octets).unwrap();
    assert_eq!((header.is_uncertain, header.length), (false, Some(octets.len() as u64)));
    // Of the two commits that the header knows, the earlier one's pages may be used again: the first are the last one's.
    let last: Vec<Link> = header.roots.iter().take(2).copied().collect();
    let (pages, depth) = count(&octets, &last, 0);
    assert!(pages > 50 && depth >= 3, "{pages} pages, {depth} deep");
}

#[test]
fn a_bit_of_the_header_is_told_or_changes_nothing_that_is_read() {
    let octets = file("header");
    let before = Header::read(&octets).unwrap();
    let mut refused = 0;
    for bit in 0..HEADER * 8 {
        // Which of the two commits is the present one is told by nothing else.
        if (bit / 8, 1 << (bit % 8)) == (MAGIC.len(), PRIMARY) {
            continue;
        }
        let mut damaged = octets[..HEADER].to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        match Header::read(&damaged) {
            Err(_) => refused += 1,
            Ok(header) => {
                let same = header.roots.first() == before.roots.first() && header.roots.get(1) == before.roots.get(1);
                let length = header.length.is_none_or(|length| length == octets.len() as u64);
                assert!(same || !length, "bit {bit} leads elsewhere");
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}

#[test]
fn what_is_left_begins_with_the_last_commit_whichever_the_header_names() {
    let octets = file("earlier");
    let mut swapped = octets[..HEADER].to_vec();
    swapped[MAGIC.len()] ^= PRIMARY;
    let remains = Remains::read(swapped.first_chunk().unwrap()).unwrap();
    let before = Header::read(&octets).unwrap();
    let (_, roots) = remains.commits().into_iter().next().unwrap();
    assert_eq!(roots.iter().map(|(_, link)| *link).collect::<Vec<_>>(), before.roots[..roots.len()]);
    // Where the last one is damaged, there is nothing to go by.
    let primary = if octets[MAGIC.len()] & PRIMARY == 0 { 64 } else { 192 };
    let mut damaged = octets[..HEADER].to_vec();
    damaged[primary + 10] ^= 1;
    assert!(Header::read(&damaged).is_err() && Remains::read(damaged.first_chunk().unwrap()).is_none());
}

#[test]
fn what_stands_in_for_a_page_is_a_page() {
    for (key, value) in [(None, None), (Some(8), None), (None, Some(4)), (Some(12), Some(0))] {
        let shape = Shape::of_rows(key, value);
        let page = shape.stand_in(PAGE).unwrap();
        assert_eq!(page.len() as u64, PAGE);
        assert!(shape.summed(&page).is_some() && shape.below(&page).is_empty(), "{shape:?}");
    }
}
