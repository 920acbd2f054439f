//! UTF-16 and UTF-32, whose octets come in either order.

/// The order of the octets of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Big,
    Little,
}

/// Decodes units of two or four octets.
#[derive(Debug)]
pub(super) struct Wide {
    size: usize,
    order: Option<Order>,
    /// Whether a byte order mark may still come.
    begun: bool,
    held: heapless::Vec<u8, 4>,
    /// The first half of a pair (UTF-16).
    high: Option<u32>,
}

impl Wide {
    /// For units of `size` octets.
    pub fn new(size: usize, order: Option<Order>) -> Wide {
        Wide { size, order, begun: false, held: heapless::Vec::new(), high: None }
    }

    pub fn feed(&mut self, octets: &[u8], out: &mut String) {
        for &octet in octets {
            // It has room: it is emptied whenever a unit is whole.
            _ = self.held.push(octet);
            if self.held.len() < self.size {
                continue;
            }
            let order = *self.order.get_or_insert_with(|| order_of(&self.held));
            let fold = |unit: u32, octet: &u8| unit << 8 | u32::from(*octet);
            let unit = match order {
                Order::Big => self.held.iter().fold(0, fold),
                Order::Little => self.held.iter().rev().fold(0, fold),
            };
            self.held.clear();
            if !std::mem::replace(&mut self.begun, true) && unit == 0xfeff {
                continue;
            }
            if self.size == 2 { self.half(unit, out) } else { push(unit, out) }
        }
    }

    pub fn finish(self, out: &mut String) {
        if self.high.is_some() || !self.held.is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }

    fn half(&mut self, unit: u32, out: &mut String) {
        match (self.high.take(), unit) {
            (Some(high), 0xdc00..=0xdfff) => return push(0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00), out),
            (Some(_), _) => out.push(char::REPLACEMENT_CHARACTER),
            (None, _) => {}
        }
        if let 0xd800..=0xdbff = unit { self.high = Some(unit) } else { push(unit, out) }
    }
}

fn push(unit: u32, out: &mut String) {
    out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
}

/// What the first unit tells: a mark, or where its zero is. RFC 2781 §4.3 takes the larger first where nothing does.
fn order_of(unit: &[u8]) -> Order {
    match unit {
        [0xff, 0xfe, ..] => Order::Little,
        [first, .., 0] if *first != 0 => Order::Little,
        _ => Order::Big,
    }
}
