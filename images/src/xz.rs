//! Compression of an image: always with the same settings, so that it is the same everywhere.

use anyhow::Result;
use liblzma::stream::{Check, MtStreamBuilder};
use liblzma::write::XzEncoder;
use std::io::Write;
use std::num::NonZero;
use std::thread;

/// What unpacks on every machine in little memory, and is small enough.
const PRESET: u32 = 6;
/// Each block is compressed by itself, by whichever processor is free: with blocks of a fixed size it does not matter how
/// many there are.
const BLOCK: u64 = 24 << 20;

pub(crate) fn compress(octets: &[u8]) -> Result<Vec<u8>> {
    compress_by(octets, thread::available_parallelism().map_or(1, NonZero::get))
}

fn compress_by(octets: &[u8], processors: usize) -> Result<Vec<u8>> {
    let threads = u32::try_from(processors.clamp(1, 8))?;
    let stream = MtStreamBuilder::new().preset(PRESET).check(Check::Crc64).block_size(BLOCK).threads(threads).encoder()?;
    let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(octets)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_matter_how_many_processors_a_machine_has() {
        let mut octets = vec![0; 50 << 20];
        for at in (0..octets.len()).step_by(4096) {
            octets[at] = u8::try_from(at / 4096 % 251).unwrap();
        }
        let one = compress_by(&octets, 1).unwrap();
        assert!(one == compress_by(&octets, 3).unwrap());
        assert_eq!(liblzma::decode_all(one.as_slice()).unwrap(), octets);
    }
}
