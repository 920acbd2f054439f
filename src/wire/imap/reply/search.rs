//! SEARCH and ESEARCH. Both may be longer than the output's bound: they are written in steps.

use super::set::SetRun;
use super::string::string;
use crate::wire::Out;
use crate::wire::imap::Dialect;

/// `* SEARCH …` (RFC 3501 §7.2.5)
#[derive(Debug)]
pub struct SearchReply;

impl SearchReply {
    /// Begins the response.
    pub fn begin(out: &mut Out) {
        out.put(b"* SEARCH");
    }

    /// A number found.
    #[inline]
    pub fn number(out: &mut Out, number: u32) {
        out.byte(b' ');
        out.number(number);
    }

    /// Ends the response.
    pub fn end(out: &mut Out) {
        out.put(b"\r\n");
    }
}

/// `* ESEARCH (TAG "…") UID MIN … MAX … COUNT … ALL …` (RFC 9051 §7.3.4, RFC 4731 §3.1)
///
/// The set of ALL comes last, between [`Esearch::all_begin`] and [`Esearch::all_end`], so that it can be written across
/// turns; it is left out where nothing was found.
#[derive(Debug)]
pub struct Esearch;

impl Esearch {
    /// Begins the response to the command of this tag.
    pub fn begin(out: &mut Out, tag: &str, uid: bool) {
        out.put(b"* ESEARCH (TAG ");
        string(out, tag.as_bytes(), Dialect::default());
        out.byte(b')');
        if uid {
            out.put(b" UID");
        }
    }

    /// The lowest number found.
    pub fn min(out: &mut Out, number: u32) {
        out.put(b" MIN ");
        out.number(number);
    }

    /// The highest number found.
    pub fn max(out: &mut Out, number: u32) {
        out.put(b" MAX ");
        out.number(number);
    }

    /// How many were found.
    pub fn count(out: &mut Out, count: u32) {
        out.put(b" COUNT ");
        out.number(count);
    }

    /// The set of all that were found, which is not empty: push each into the run.
    pub fn all_begin(out: &mut Out) -> SetRun {
        out.put(b" ALL ");
        SetRun::new()
    }

    /// Ends the set.
    pub fn all_end(out: &mut Out, run: SetRun) {
        run.finish(out);
    }

    /// Ends the response.
    pub fn end(out: &mut Out) {
        out.put(b"\r\n");
    }
}
