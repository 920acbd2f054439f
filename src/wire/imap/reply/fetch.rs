//! FETCH responses, item by item.

use super::envelope::envelope;
use super::string::{astring, literal, literal_header, nstring};
use super::structure::{Extent, body};
use crate::mail::{Envelope, FlagSet, ModSeq, Part, Section, SectionText, Stamp, SystemFlag, Uid};
use crate::wire::Out;
use crate::wire::imap::Dialect;
use time::OffsetDateTime;

/// `* … FETCH (…)`. A response that pauses within a long literal goes on by [`Fetch::resume`].
#[derive(Debug)]
pub struct Fetch<'o> {
    out: &'o mut Out,
    dialect: Dialect,
    first: bool,
}

impl<'o> Fetch<'o> {
    /// Begins the response about the message of this number.
    pub fn begin(out: &'o mut Out, sequence: u32, dialect: Dialect) -> Fetch<'o> {
        out.put(b"* ");
        out.number(sequence);
        out.put(b" FETCH (");
        Fetch { out, dialect, first: true }
    }

    /// Goes on after an item of a response that was begun earlier.
    pub fn resume(out: &'o mut Out, dialect: Dialect) -> Fetch<'o> {
        Fetch { out, dialect, first: false }
    }

    /// From how many octets of output on a long literal should pause.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.out.limit()
    }

    /// Whether the response should pause before its next item.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.out.is_full()
    }

    /// Whether no item was put yet: such a response must not be sent (RFC 9051 §9, `msg-att`).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first
    }

    /// Ends the response.
    pub fn end(self) {
        self.out.put(b")\r\n");
    }

    /// UID
    pub fn uid(&mut self, uid: Uid) {
        self.name(b"UID ");
        self.out.number(uid.number());
    }

    /// FLAGS; `keywords` are the mailbox's, by their number. A number without a name is left out.
    pub fn flags<K: AsRef<str>>(&mut self, flags: FlagSet, keywords: &[K], recent: bool) {
        self.name(b"FLAGS (");
        let mut first = true;
        let mut put = |name: &str| {
            if !first {
                self.out.byte(b' ');
            }
            first = false;
            self.out.put(name.as_bytes());
        };
        for flag in SystemFlag::ALL {
            if flags.is(flag) {
                put(flag.name());
            }
        }
        if recent {
            put("\\Recent");
        }
        for keyword in flags.keywords() {
            if let Some(name) = keywords.get(keyword) {
                put(name.as_ref());
            }
        }
        self.out.byte(b')');
    }

    /// INTERNALDATE
    pub fn internal_date(&mut self, stamp: Stamp) {
        self.name(b"INTERNALDATE ");
        date_time(self.out, stamp);
    }

    /// RFC822.SIZE
    pub fn size(&mut self, octets: u32) {
        self.name(b"RFC822.SIZE ");
        self.out.number(octets);
    }

    /// MODSEQ (RFC 7162 §3.1.4)
    pub fn modseq(&mut self, modseq: ModSeq) {
        self.name(b"MODSEQ (");
        self.out.number(modseq.0.get());
        self.out.byte(b')');
    }

    /// ENVELOPE
    pub fn envelope(&mut self, fields: &Envelope<'_>) {
        self.name(b"ENVELOPE ");
        envelope(self.out, fields, self.dialect);
    }

    /// BODY: the structure without extension data
    pub fn body(&mut self, root: &Part<'_>) {
        self.name(b"BODY ");
        body(self.out, root, Extent::Basic, self.dialect);
    }

    /// BODYSTRUCTURE
    pub fn body_structure(&mut self, root: &Part<'_>) {
        self.name(b"BODYSTRUCTURE ");
        body(self.out, root, Extent::Extended, self.dialect);
    }

    /// `BODY[…]` or `BODY[…]<origin>`; its value follows: a literal, or NIL.
    pub fn section(&mut self, section: &Section, origin: Option<u32>) {
        self.name(b"BODY[");
        section_spec(self.out, section, self.dialect);
        self.origin(origin);
    }

    /// `BINARY[…]` or `BINARY[…]<origin>` (RFC 3516 §4.3); its value follows.
    pub fn binary(&mut self, path: &[u32], origin: Option<u32>) {
        self.name(b"BINARY[");
        section_part(self.out, path);
        self.origin(origin);
    }

    /// `BINARY.SIZE[…]` and the size
    pub fn binary_size(&mut self, path: &[u32], octets: u32) {
        self.name(b"BINARY.SIZE[");
        section_part(self.out, path);
        self.out.put(b"] ");
        self.out.number(octets);
    }

    /// `RFC822`, whose value follows (RFC 3501 §7.4.2)
    pub fn rfc822(&mut self) {
        self.name(b"RFC822 ");
    }

    /// `RFC822.HEADER`, whose value follows (RFC 3501 §7.4.2)
    pub fn rfc822_header(&mut self) {
        self.name(b"RFC822.HEADER ");
    }

    /// `RFC822.TEXT`, whose value follows (RFC 3501 §7.4.2)
    pub fn rfc822_text(&mut self) {
        self.name(b"RFC822.TEXT ");
    }

    /// The value NIL: there is no such part.
    pub fn nil(&mut self) {
        self.out.put(b"NIL");
    }

    /// A value whole, as a string in the form that suits it; see `string` about NUL.
    pub fn text(&mut self, bytes: &[u8]) {
        nstring(self.out, Some(bytes), self.dialect);
    }

    /// A value whole, as a literal; see `string` about NUL.
    pub fn literal(&mut self, bytes: &[u8]) {
        literal(self.out, bytes);
    }

    /// The header of a literal; exactly so many octets must follow in the output.
    pub fn literal_header(&mut self, octets: u64) {
        literal_header(self.out, octets);
    }

    /// The header of a literal8, whose octets may be NUL (RFC 9051 §4.3).
    pub fn literal8_header(&mut self, octets: u64) {
        self.out.byte(b'~');
        literal_header(self.out, octets);
    }

    /// Where the octets of a literal whose header was written go, for who appends them to a `Vec`. Append only.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.out.buffer()
    }

    /// Octets of a literal whose header was written.
    pub fn octets(&mut self, bytes: &[u8]) {
        self.out.put(bytes);
    }

    fn name(&mut self, name: &[u8]) {
        if !self.first {
            self.out.byte(b' ');
        }
        self.first = false;
        self.out.put(name);
    }

    fn origin(&mut self, origin: Option<u32>) {
        self.out.byte(b']');
        if let Some(origin) = origin {
            self.out.byte(b'<');
            self.out.number(origin);
            self.out.byte(b'>');
        }
        self.out.byte(b' ');
    }
}

/// `section-spec = section-msgtext / (section-part ["." section-text])`
fn section_spec(out: &mut Out, section: &Section, dialect: Dialect) {
    section_part(out, &section.path);
    if !section.path.is_empty() && section.text != SectionText::Whole {
        out.byte(b'.');
    }
    let (name, fields): (&[u8], &[Box<[u8]>]) = match &section.text {
        SectionText::Whole => return,
        SectionText::Header => (b"HEADER", &[]),
        SectionText::HeaderFields(fields) => (b"HEADER.FIELDS", fields),
        SectionText::HeaderFieldsNot(fields) => (b"HEADER.FIELDS.NOT", fields),
        SectionText::Text => (b"TEXT", &[]),
        SectionText::Mime => (b"MIME", &[]),
    };
    out.put(name);
    let mut before: &[u8] = b" (";
    for field in fields {
        out.put(before);
        before = b" ";
        astring(out, field, dialect);
    }
    if !fields.is_empty() {
        out.byte(b')');
    }
}

/// `section-part = nz-number *("." nz-number)`, or nothing
fn section_part(out: &mut Out, path: &[u32]) {
    for (index, &number) in path.iter().enumerate() {
        if index > 0 {
            out.byte(b'.');
        }
        out.number(number);
    }
}

/// ``date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE``
///
/// A moment outside the years that can be written is shown as the beginning of 1970.
fn date_time(out: &mut Out, stamp: Stamp) {
    const MONTHS: [&[u8]; 12] = [
        b"-Jan-", b"-Feb-", b"-Mar-", b"-Apr-", b"-May-", b"-Jun-", b"-Jul-", b"-Aug-", b"-Sep-", b"-Oct-", b"-Nov-",
        b"-Dec-",
    ];
    let local = stamp.seconds.saturating_add(i64::from(stamp.zone) * 60);
    let moment = OffsetDateTime::from_unix_timestamp(local)
        .ok()
        .filter(|moment| (0..=9999).contains(&moment.year()))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second) = moment.to_hms();
    let year = year.unsigned_abs();
    let zone = stamp.zone.unsigned_abs();
    out.put(&[b'"', if day < 10 { b' ' } else { b'0' + day / 10 }, b'0' + day % 10]);
    out.put(MONTHS.get(usize::from(u8::from(month)) - 1).copied().unwrap_or_default());
    two_digits(out, year / 100);
    two_digits(out, year % 100);
    for (before, number) in [(b' ', hour), (b':', minute), (b':', second)] {
        out.byte(before);
        two_digits(out, u32::from(number));
    }
    out.put(if stamp.zone < 0 { b" -" } else { b" +" });
    two_digits(out, u32::from(zone / 60));
    two_digits(out, u32::from(zone % 60));
    out.byte(b'"');
}

fn two_digits(out: &mut Out, number: u32) {
    out.put(&[b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]);
}
