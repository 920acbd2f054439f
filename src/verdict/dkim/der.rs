//! The little of DER (X.690) that keys need: SEQUENCE, INTEGER, BIT STRING, OCTET STRING.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
/// `AlgorithmIdentifier` of rsaEncryption, 1.2.840.113549.1.1.1 with NULL (RFC 3279 §2.3.1).
const RSA: [u8; 15] = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];

/// The modulus and the exponent of an RSA key, without leading zeroes: a `SubjectPublicKeyInfo`, or the `RSAPublicKey`
/// inside of one, as some publish it (RFC 6376 §3.6.1 with its erratum 3017). `None` for what is neither.
pub(super) fn rsa_public_key(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (outer, rest) = take(octets, SEQUENCE)?;
    if !rest.is_empty() {
        return None;
    }
    if let Some(after) = whole(outer, &RSA) {
        let (bits, rest) = take(after, BIT_STRING)?;
        if !rest.is_empty() {
            return None;
        }
        let (inner, rest) = take(bits.strip_prefix(&[0])?, SEQUENCE)?;
        return if rest.is_empty() { integers(inner) } else { None };
    }
    integers(outer)
}

fn integers(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (modulus, rest) = take(octets, INTEGER)?;
    let (exponent, rest) = take(rest, INTEGER)?;
    if !rest.is_empty() {
        return None;
    }
    Some((positive(modulus)?, positive(exponent)?))
}

/// The magnitude of a number that is more than nothing.
fn positive(octets: &[u8]) -> Option<&[u8]> {
    if octets.first()? & 0x80 != 0 {
        return None;
    }
    let start = octets.iter().position(|octet| *octet != 0)?;
    octets.get(start..)
}

fn whole<'a>(octets: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    octets.strip_prefix(prefix)
}

/// The content of the value at the start, if it is of this kind, and what follows it.
fn take(octets: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = octets.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&[length], rest) = rest.split_first_chunk::<1>()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    if found == tag { rest.split_at_checked(length) } else { None }
}

/// A value of a kind.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let [.., third, second, low] = length.to_be_bytes();
    let mut out = match length {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        0x100..=0xffff => vec![tag, 0x82, second, low],
        _ => vec![tag, 0x83, third, second, low],
    };
    out.extend_from_slice(content);
    out
}

/// A number of which these are the octets, the highest first.
fn integer(magnitude: &[u8]) -> Vec<u8> {
    let start = magnitude.iter().position(|octet| *octet != 0).unwrap_or(magnitude.len());
    let magnitude = magnitude.get(start..).unwrap_or_default();
    let sign: &[u8] = if magnitude.first().is_none_or(|octet| octet & 0x80 != 0) { &[0] } else { &[] };
    value(INTEGER, &[sign, magnitude].concat())
}

/// A `SubjectPublicKeyInfo` (RFC 5280 §4.1) around an `RSAPublicKey`.
pub(super) fn subject_public_key_info(rsa_public_key: &[u8]) -> Vec<u8> {
    let bits = value(BIT_STRING, &[&[0], rsa_public_key].concat());
    value(SEQUENCE, &[&RSA[..], &bits].concat())
}

/// A `PrivateKeyInfo` (RFC 5208 §5) around an `RSAPrivateKey` of these numbers: modulus, public and private exponent, two
/// primes, the exponent for each of them, and the coefficient (RFC 8017 §A.1.2).
pub(super) fn rsa_private_key(numbers: &[Vec<u8>]) -> Vec<u8> {
    let numbers: Vec<u8> = [vec![0]].iter().chain(numbers).flat_map(|number| integer(number)).collect();
    let key = value(OCTET_STRING, &value(SEQUENCE, &numbers));
    value(SEQUENCE, &[&integer(&[0])[..], &RSA, &key].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_sign_and_lengths_a_form() {
        assert_eq!(integer(&[0, 0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0]), [2, 1, 0]);
        assert_eq!(value(4, &[7; 0x7f])[..2], [4, 0x7f]);
        assert_eq!(value(4, &[7; 0x80])[..3], [4, 0x81, 0x80]);
        assert_eq!(value(4, &[7; 0x1234])[..4], [4, 0x82, 0x12, 0x34]);
    }

    #[test]
    fn a_public_key_is_found_in_both_forms_and_nothing_else_is() {
        let inner = value(SEQUENCE, &[integer(&[0xc5; 128]), integer(&[1, 0, 1])].concat());
        let outer = subject_public_key_info(&inner);
        for form in [&inner, &outer] {
            assert_eq!(rsa_public_key(form), Some((&[0xc5; 128][..], &[1, 0, 1][..])));
            for cut in 0..form.len() {
                assert_eq!(rsa_public_key(&form[..cut]), None);
            }
            assert_eq!(rsa_public_key(&[&form[..], &[0]].concat()), None);
        }
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let mut noise = outer.clone();
            noise[random.usize(..outer.len())] = random.u8(..);
            let _ = rsa_public_key(&noise);
        }
    }
}
