//! Pseudo-random numbers and mail, the same on every run of a seed.

/// Marsaglia, "Xorshift RNGs", 2003.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        // Neighbouring seeds begin alike.
        for _ in 0..8 {
            random.next();
        }
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % bound
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        from.get(self.below(from.len())).expect("there is something to pick from")
    }

    /// A message of about that many octets: some shrink well, some not at all.
    pub fn mail(&mut self, size: usize) -> Vec<u8> {
        let mut mail = format!("Subject: number {}\r\nFrom: a@example.org\r\n\r\n", self.next()).into_bytes();
        let spread = *self.pick(&[1, 4, 26, 256]);
        while mail.len() < size {
            let octet = u8::try_from(self.below(spread)).unwrap_or(0);
            mail.push(if spread == 256 { octet } else { b'a' + octet });
        }
        mail
    }
}
