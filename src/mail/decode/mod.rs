//! From the octets of mail to what they say: transfer encodings, charsets, encoded words. All of it takes whatever
//! comes, and what comes in pieces is decoded in pieces.

mod charset;
mod escapes;
mod labels;
mod pages;
mod served;
mod transfer;
mod wide;
mod words;

pub use charset::Charset;
pub use served::Served;
pub use transfer::{Decoder, Encoding};
pub use words::decode_words;
