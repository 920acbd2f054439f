//! Names of charsets.
//!
//! The web's table of labels (`encoding_rs`) holds what pages are served in. Mail is older: names of iconv, of Windows, of
//! the registry of charsets, and these in all ways of writing them, are added here.

use super::escapes::Code;
use super::pages;
use super::wide::Order;
use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_8859_8, KOI8_R, KOI8_U, MACINTOSH, SHIFT_JIS, UTF_8, WINDOWS_874,
    WINDOWS_1252, X_MAC_CYRILLIC,
};

/// How a charset is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// As the web does.
    Web(&'static Encoding),
    /// By escapes within seven bits.
    Escapes(Code),
    Utf7,
    /// The order of its octets, if the name tells it.
    Utf16(Option<Order>),
    Utf32(Option<Order>),
    /// One octet a character, with these characters.
    Page(&'static str),
    Ascii,
    Unknown,
}

/// The charset of this name.
pub(super) fn kind(label: &[u8]) -> Kind {
    let label = bare(label);
    let mut key = heapless::String::<LONGEST>::new();
    for octet in label.iter().filter(|octet| octet.is_ascii_alphanumeric()) {
        if key.push(char::from(octet.to_ascii_lowercase())).is_err() {
            return Kind::Unknown;
        }
    }
    if label.is_empty() {
        return Kind::Ascii;
    }
    // `x-` and `cs` say nothing: the one was put before what was not registered, the other stands for "charset".
    let plain = ["x", "cs"].into_iter().find_map(|prefix| key.strip_prefix(prefix));
    of_mail(&key)
        .or_else(|| plain.and_then(of_mail))
        .or_else(|| Encoding::for_label_no_replacement(label).map(Kind::Web))
        .or_else(|| Encoding::for_label_no_replacement(key.as_bytes()).map(Kind::Web))
        .or_else(|| pages::named(&key).map(Kind::Page))
        .or_else(|| plain.and_then(|key| pages::named(key).map(Kind::Page)))
        .unwrap_or(Kind::Unknown)
}

/// Letters and digits of the longest name.
const LONGEST: usize = 64;

/// The name without quotes, and without what was meant to follow it.
fn bare(label: &[u8]) -> &[u8] {
    let is_around = |octet: &u8| octet.is_ascii_whitespace() || matches!(octet, b'"' | b'\'' | 0);
    let from = label.iter().position(|octet| !is_around(octet)).unwrap_or(label.len());
    let label = label.get(from..).unwrap_or_default();
    let to = label.iter().position(|octet| is_around(octet) || matches!(octet, b';' | b',')).unwrap_or(label.len());
    label.get(..to).unwrap_or_default()
}

/// By its letters and digits in lower case.
fn of_mail(key: &str) -> Option<Kind> {
    use Kind::{Ascii, Escapes, Utf7, Utf16, Utf32, Web};
    use Order::{Big, Little};
    Some(match key {
        "ascii" | "usascii" | "us" | "ansix341968" | "ansix341986" | "iso646us" | "iso646irv1991" | "isoir6"
        | "ibm367" | "cp367" | "646" => Ascii,
        "utf8" | "utf8mb4" | "utf8sig" | "utf8bom" | "unicode11utf8" | "unicode20utf8" | "cp65001" => Web(UTF_8),
        "utf7" | "unicode11utf7" | "unicode20utf7" | "cp65000" => Utf7,
        "utf16" | "ucs2" | "iso10646ucs2" | "unicode" | "iso10646" => Utf16(None),
        "utf16be" | "ucs2be" | "unicodefffe" | "unicodebig" | "cp1201" => Utf16(Some(Big)),
        "utf16le" | "ucs2le" | "unicodefeff" | "unicodelittle" | "cp1200" => Utf16(Some(Little)),
        "utf32" | "ucs4" | "iso10646ucs4" => Utf32(None),
        "utf32be" | "ucs4be" | "cp12001" => Utf32(Some(Big)),
        "utf32le" | "ucs4le" | "cp12000" => Utf32(Some(Little)),
        "jis" | "jis7" | "jis8" | "cp50220" | "cp50221" | "cp50222" => Escapes(Code::Japanese),
        "iso2022kr" | "cp50225" => Escapes(Code::Korean),
        "iso2022cn" | "iso2022cnext" | "cp50227" | "cp50229" => Escapes(Code::Chinese),
        "hz" | "hzgb" | "hzgb2312" | "cp52936" => Escapes(Code::Hz),
        "sjis" | "shiftjis" | "shiftjis2004" | "shiftjisx0213" | "sjis2004" | "mskanji" | "windows31j"
        | "windows932" | "cp932" | "932" | "ms932" | "ibm932" | "macjapanese" | "cp943" | "cp943c" | "ibm943" => {
            Web(SHIFT_JIS)
        }
        "eucjp"
        | "euc"
        | "eucjpms"
        | "eucjpwin"
        | "eucpkdfmtjapanese"
        | "ujis"
        | "cp51932"
        | "cp20932"
        | "extendedunixcodepackedformatforjapanese"
        | "eucjis2004"
        | "eucjisx0213" => Web(EUC_JP),
        "euckr" | "ksc5601" | "ksc56011987" | "ksc56011989" | "ks5601" | "korean" | "isoir149" | "windows949"
        | "cp949" | "ms949" | "949" | "ksx1001" | "mackorean" | "ibm949" | "uhc" | "cp51949" | "unifiedhangul" => {
            Web(EUC_KR)
        }
        "gb2312" | "gb231280" | "gb23121980" | "gb" | "gbk" | "eucgb2312cn" | "euccn" | "chinese" | "isoir58"
        | "iso58gb231280" | "windows936" | "cp936" | "936" | "cngb" | "macsimpchinese" | "ms936" | "cp51936" => {
            Web(GBK)
        }
        "gb18030" | "cp54936" => Web(GB18030),
        "big5" | "cnbig5" | "xbig5" | "bigfive" | "big5eten" | "eten" | "big5tw" | "big5hk" | "hkscs"
        | "windows950" | "cp950" | "950" | "mactradchinese" | "ms950" | "cp951" => Web(BIG5),
        "thai" | "tis620" | "tis6200" | "iso885911" | "windows874" | "cp874" | "ibm874" | "isoir166" => {
            Web(WINDOWS_874)
        }
        "koi8r" | "koi8" | "koi" => Web(KOI8_R),
        "koi8u" | "koi8ru" => Web(KOI8_U),
        "macintosh" | "mac" | "macroman" => Web(MACINTOSH),
        "maccyrillic" | "macukrainian" => Web(X_MAC_CYRILLIC),
        "msansi" | "ansi" | "cp819" | "ibm819" => Web(WINDOWS_1252),
        "iso88598i" | "iso88598e" => Web(ISO_8859_8),
        // Parts of ISO 8859 under numbers of other registries.
        "isoir100" => web("iso-8859-1")?,
        "isoir101" | "cp912" | "ibm912" => web("iso-8859-2")?,
        "isoir109" | "cp913" | "ibm913" => web("iso-8859-3")?,
        "isoir110" | "cp914" | "ibm914" => web("iso-8859-4")?,
        "isoir144" | "cp915" | "ibm915" => web("iso-8859-5")?,
        "isoir127" | "cp1089" | "ibm1089" | "asmo708" | "ecma114" => web("iso-8859-6")?,
        "isoir126" | "cp813" | "ibm813" | "ecma118" => web("iso-8859-7")?,
        "isoir138" | "cp916" | "ibm916" => web("iso-8859-8")?,
        "isoir148" | "cp920" | "ibm920" => web("iso-8859-9")?,
        "isoir157" => web("iso-8859-10")?,
        "isoir179" | "latin7" | "l7" => web("iso-8859-13")?,
        "isoir199" | "latin8" | "l8" | "isoceltic" => web("iso-8859-14")?,
        "isoir203" | "latin9" | "latin0" | "cp923" | "ibm923" => web("iso-8859-15")?,
        "isoir226" | "latin10" | "l10" => web("iso-8859-16")?,
        _ => of_family(key)?,
    })
}

/// A name with a number in it, or with a year behind.
fn of_family(key: &str) -> Option<Kind> {
    if key.starts_with("iso2022jp") {
        return Some(Kind::Escapes(Code::Japanese));
    }
    if key.starts_with("gb18030") {
        return Some(Kind::Web(GB18030));
    }
    if key.starts_with("tis620") {
        return Some(Kind::Web(WINDOWS_874));
    }
    if key.starts_with("big5hkscs") {
        return Some(Kind::Web(BIG5));
    }
    let page = ["windows", "microsoftcp", "win", "cp", "ms", ""].iter().find_map(|family| key.strip_prefix(family));
    if let Some(page @ ("1250" | "1251" | "1252" | "1253" | "1254" | "1255" | "1256" | "1257" | "1258")) = page {
        return web(&["windows-", page].concat());
    }
    let part = ["iso8859", "8859"].iter().find_map(|family| key.strip_prefix(family))?;
    let numbers = ["16", "15", "14", "13", "11", "10", "9", "8", "7", "6", "5", "4", "3", "2", "1"];
    let is_year = |rest: &str| rest.is_empty() || (rest.len() == 4 && rest.starts_with(['1', '2']));
    let number = numbers.iter().find(|number| part.strip_prefix(**number).is_some_and(is_year))?;
    web(&["iso-8859-", number].concat())
}

fn web(label: &str) -> Option<Kind> {
    Encoding::for_label(label.as_bytes()).map(Kind::Web)
}
