//! `.bmap`: which parts of an image are to be written, for `bmaptool`. Cards are written in a fraction of the time.

use crate::disk::Disk;
use crate::package::hex;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::ops::Range;

const BLOCK: usize = 4096;

/// The file's text.
pub(crate) fn text(disk: &Disk) -> String {
    let blocks = disk.octets.len().div_ceil(BLOCK);
    let ranges = ranges(disk);
    let mapped: usize = ranges.iter().map(ExactSizeIterator::len).sum();
    let mut map = String::new();
    for range in &ranges {
        let octets = disk.octets.get(range.start * BLOCK..(range.end * BLOCK).min(disk.octets.len()));
        let sum = hex(&Sha256::digest(octets.unwrap_or_default()));
        let (first, last) = (range.start, range.end - 1);
        let span = if first == last { first.to_string() } else { format!("{first}-{last}") };
        let _ = writeln!(map, "    <Range chksum=\"{sum}\"> {span} </Range>");
    }
    let whole = |sum: &str| {
        format!(
            "<?xml version=\"1.0\" ?>\n<bmap version=\"2.0\">\n  <ImageSize> {} </ImageSize>\n  \
             <BlockSize> {BLOCK} </BlockSize>\n  <BlocksCount> {blocks} </BlocksCount>\n  \
             <MappedBlocksCount> {mapped} </MappedBlocksCount>\n  <ChecksumType> sha256 </ChecksumType>\n  \
             <BmapFileChecksum> {sum} </BmapFileChecksum>\n  <BlockMap>\n{map}  </BlockMap>\n</bmap>\n",
            disk.octets.len()
        )
    };
    // The file's own checksum is made with zeros in its place.
    let sum = hex(&Sha256::digest(whole(&"0".repeat(64))));
    whole(&sum)
}

/// The blocks to be written: all before the data partition up to the last that is used, and the whole of the data
/// partition. What a card held before must not be taken for a file table or a journal.
fn ranges(disk: &Disk) -> Vec<Range<usize>> {
    let is_used = |block: &usize| {
        let octets = disk.octets.get(block * BLOCK..((block + 1) * BLOCK).min(disk.octets.len()));
        octets.is_some_and(|octets| octets.iter().any(|octet| *octet != 0))
    };
    let data = disk.data.start / BLOCK..disk.data.end.div_ceil(BLOCK);
    let blocks = disk.octets.len().div_ceil(BLOCK);
    let boot = 0..(0..data.start).rev().find(is_used).map_or(0, |last| last + 1);
    let tail = data.end..blocks;
    [boot, data, tail].into_iter().filter(|range| !range.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_file_uses_is_left_out_and_the_data_partition_is_not() {
        let mut octets = vec![0; 10 * BLOCK];
        octets[BLOCK + 5] = 1;
        let disk = Disk { octets, data: 6 * BLOCK..9 * BLOCK };
        assert_eq!(ranges(&disk), [0..2, 6..9, 9..10]);
        let text = text(&disk);
        assert!(text.contains("<MappedBlocksCount> 6 </MappedBlocksCount>") && text.contains("> 0-1 </Range>"));
        let (before, after) = text.split_once("<BmapFileChecksum> ").unwrap();
        let (sum, rest) = after.split_at(64);
        let blank = format!("{before}<BmapFileChecksum> {}{rest}", "0".repeat(64));
        assert_eq!(hex(&Sha256::digest(blank)), sum);
    }
}
