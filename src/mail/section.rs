//! Which piece of a message is meant: `BODY[1.2.HEADER.FIELDS (…)]` and its kin (RFC 9051 §6.4.5.1).

/// A section specification. The empty path with `SectionText::Whole` is the whole message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Part numbers from the outermost, each at least 1.
    pub path: Vec<u32>,
    /// What of that part.
    pub text: SectionText,
}

/// What of a part is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SectionText {
    /// All of it (for a part with a path: its body).
    #[default]
    Whole,
    /// The RFC 5322 header of a message or of an enclosed message.
    Header,
    /// The fields of that header with one of these names, in upper case.
    HeaderFields(Vec<Box<[u8]>>),
    /// The fields of that header with none of these names, in upper case.
    HeaderFieldsNot(Vec<Box<[u8]>>),
    /// The body of a message or of an enclosed message.
    Text,
    /// The MIME header of a part; its path is not empty.
    Mime,
}
