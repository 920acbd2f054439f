//! What the pages of the file are known to hold: a sum for each that was read or written, or that a page which was read
//! leads to. Five octets for each such page, of four thousand and more.

use super::pages::{Link, PAGE, Shape, sum};

/// The sums.
#[derive(Debug, Default)]
pub(super) struct Sums {
    blocks: Vec<Option<Box<Block>>>,
    /// What stands in pages, by number: one for each pair of widths, a dozen.
    shapes: Vec<Shape>,
}

/// Pages of a block.
const PAGES: usize = 64;

#[derive(Debug)]
struct Block {
    /// The lower half of the lower half of each sum: one in four thousand million damages is not seen by it.
    sums: [u32; PAGES],
    kinds: [u8; PAGES],
}

/// Nothing is known of the page.
const UNKNOWN: u8 = 0;
/// It was written since the file was opened, and its sum is that of all its octets.
const WRITTEN: u8 = 1;
/// From here on: redb's own sum, of a page of the shape with this number.
const SHAPES: u8 = 2;

/// What is known of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// It holds what was written to it.
    Written(u32),
    /// It holds what the page above says.
    Linked(u32, Shape),
}

impl Sums {
    /// What is known of the page at an offset.
    pub(super) fn of(&self, offset: u64) -> Known {
        let Some((block, within)) = place(offset) else { return Known::Nothing };
        let Some(Some(block)) = self.blocks.get(block) else { return Known::Nothing };
        let (Some(&sum), Some(&kind)) = (block.sums.get(within), block.kinds.get(within)) else {
            return Known::Nothing;
        };
        match kind {
            UNKNOWN => Known::Nothing,
            WRITTEN => Known::Written(sum),
            kind => match self.shapes.get(usize::from(kind - SHAPES)) {
                Some(shape) => Known::Linked(sum, *shape),
                None => Known::Nothing,
            },
        }
    }

    /// A page was written.
    pub(super) fn write(&mut self, offset: u64, octets: &[u8]) {
        self.set(offset, short(sum(octets)), WRITTEN);
    }

    /// What a page that was found right says of others. What was written since is known better: its sum may not be made yet.
    pub(super) fn learn(&mut self, links: &[Link]) {
        for link in links.iter().filter(|link| link.is_known()) {
            if matches!(self.of(link.offset), Known::Written(_)) {
                continue;
            }
            let found = self.shapes.iter().position(|shape| *shape == link.shape);
            let number = found.unwrap_or_else(|| {
                self.shapes.push(link.shape);
                self.shapes.len() - 1
            });
            if let Ok(number) = u8::try_from(number)
                && let Some(kind) = number.checked_add(SHAPES)
            {
                self.set(link.offset, short(link.sum), kind);
            }
        }
    }

    /// The file was cut off here.
    pub(super) fn cut(&mut self, length: u64) {
        for offset in (length.next_multiple_of(PAGE)..(self.blocks.len() * PAGES) as u64 * PAGE).step_by(4096) {
            self.set(offset, 0, UNKNOWN);
        }
    }

    fn set(&mut self, offset: u64, sum: u32, kind: u8) {
        let Some((number, within)) = place(offset) else { return };
        if number >= self.blocks.len() {
            self.blocks.resize_with(number + 1, || None);
        }
        let Some(slot) = self.blocks.get_mut(number) else { return };
        let block = slot.get_or_insert_with(|| Box::new(Block { sums: [0; PAGES], kinds: [UNKNOWN; PAGES] }));
        if let (Some(to), Some(is)) = (block.sums.get_mut(within), block.kinds.get_mut(within)) {
            (*to, *is) = (sum, kind);
        }
    }
}

impl Known {
    /// Whether a page's octets are what is known of it.
    pub(super) fn fits(self, page: &[u8]) -> bool {
        match self {
            Known::Nothing => true,
            Known::Written(known) => short(sum(page)) == known,
            Known::Linked(known, shape) => shape.summed(page).is_some_and(|summed| short(sum(summed)) == known),
        }
    }
}

fn short(sum: u128) -> u32 {
    let [a, b, c, d, ..] = sum.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The block of a page, and its place in it. A link may lead anywhere, if redb's own would: what lies past 4 TB is not
/// looked at.
fn place(offset: u64) -> Option<(usize, usize)> {
    let page = usize::try_from(offset / PAGE).ok().filter(|page| *page < 1 << 30)?;
    Some((page / PAGES, page % PAGES))
}
