//! Compression of an image: always with the same settings, in one thread, so that it is the same everywhere.

use anyhow::Result;
use liblzma::stream::{Check, Stream};
use liblzma::write::XzEncoder;
use std::io::Write;

/// What unpacks on every machine in little memory, and is small enough.
const PRESET: u32 = 6;

pub(crate) fn compress(octets: &[u8]) -> Result<Vec<u8>> {
    let stream = Stream::new_easy_encoder(PRESET, Check::Crc64)?;
    let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(octets)?;
    Ok(encoder.finish()?)
}
