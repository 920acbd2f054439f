//! Making an RSA key, which `ring` cannot: two random primes and what follows from them (RFC 8017 §3.2, FIPS 186-5
//! §A.1.3 in the choice of numbers). `num-bigint`, which certificates bring along anyway, does the arithmetic. It does
//! not take the same time for every number; a key is made once, at home, with nobody there to measure it.

use super::der;
use super::key::KeyError;
use num_bigint::BigUint;
use ring::rand::{SecureRandom, SystemRandom};

/// Octets of each prime: half of a modulus of 2048 bits.
const PRIME: usize = 128;
/// The public exponent that all use.
const EXPONENT: u32 = 65_537;
/// Candidates that are tried for one prime; one in 355 odd numbers of this size is one.
const CANDIDATES: u32 = 20_000;
/// Small primes that a candidate is divided by before the costly test.
const SMALL: u32 = 3_000;
/// Rounds of the test for primes: more than FIPS 186-5 §B.3 asks of 1024 bits for an error below 2^-112 (5).
const ROUNDS: u32 = 8;

/// A new key of 2048 bits, as PKCS#8.
pub(super) fn generate(random: &SystemRandom) -> Result<Vec<u8>, KeyError> {
    let small = small_primes();
    let one = BigUint::from(1_u32);
    let exponent = BigUint::from(EXPONENT);
    let first = prime(random, &small)?;
    let second = prime(random, &small)?;
    let (p, q) = if first > second { (first, second) } else { (second, first) };
    // FIPS 186-5 §A.1.3: primes that are close to each other would be found from their product. It never happens.
    if (&p - &q).bits() < 8 * PRIME as u64 - 100 {
        return Err(KeyError::Random);
    }
    let (below_p, below_q) = (&p - &one, &q - &one);
    // The least common multiple would do as well; ring takes either.
    let private = exponent.modinv(&(&below_p * &below_q)).ok_or(KeyError::Random)?;
    let coefficient = q.modinv(&p).ok_or(KeyError::Random)?;
    let numbers = [
        &p * &q,
        exponent,
        private.clone(),
        p.clone(),
        q.clone(),
        &private % &below_p,
        &private % &below_q,
        coefficient,
    ];
    Ok(der::rsa_private_key(&numbers.map(|number| number.to_bytes_be())))
}

fn prime(random: &SystemRandom, small: &[u32]) -> Result<BigUint, KeyError> {
    let exponent = BigUint::from(EXPONENT);
    for _ in 0..CANDIDATES {
        let mut octets = draw(random)?;
        // The two highest bits, so that the product has all of its 2048 bits; and odd.
        if let Some(high) = octets.first_mut() {
            *high |= 0xc0;
        }
        if let Some(low) = octets.last_mut() {
            *low |= 1;
        }
        let candidate = BigUint::from_bytes_be(&octets);
        let zero = BigUint::ZERO;
        let divides = |small: &u32| &candidate % *small == zero;
        // The public exponent, a prime, must have an inverse.
        if small.iter().any(divides) || &candidate % &exponent == BigUint::from(1_u32) {
            continue;
        }
        if is_prime(&candidate, random)? {
            return Ok(candidate);
        }
    }
    Err(KeyError::Random)
}

/// Miller and Rabin's test, for an odd number of about `PRIME` octets.
fn is_prime(candidate: &BigUint, random: &SystemRandom) -> Result<bool, KeyError> {
    let one = BigUint::from(1_u32);
    let below = candidate - &one;
    let twos = below.trailing_zeros().unwrap_or(0);
    let odd = &below >> twos;
    'rounds: for _ in 0..ROUNDS {
        let base = BigUint::from_bytes_be(&draw(random)?) % &below;
        if base <= one {
            continue;
        }
        let mut power = base.modpow(&odd, candidate);
        if power == one || power == below {
            continue;
        }
        for _ in 1..twos {
            power = &power * &power % candidate;
            if power == below {
                continue 'rounds;
            }
        }
        return Ok(false);
    }
    Ok(true)
}

fn draw(random: &SystemRandom) -> Result<[u8; PRIME], KeyError> {
    let mut octets = [0; PRIME];
    random.fill(&mut octets).map_err(|_| KeyError::Random)?;
    Ok(octets)
}

fn small_primes() -> Vec<u32> {
    let mut primes: Vec<u32> = Vec::new();
    for number in (3..SMALL).step_by(2) {
        if primes.iter().take_while(|prime| *prime * *prime <= number).all(|prime| number % prime != 0) {
            primes.push(number);
        }
    }
    primes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_are_told_from_what_only_looks_like_one() {
        let random = SystemRandom::new();
        let is = |text: &str| is_prime(&text.parse().unwrap(), &random).unwrap();
        // 2^127 - 1, 2^521 - 1; Carmichael numbers and a strong pseudoprime to the bases 2, 3, 5, 7.
        assert!(is("170141183460469231731687303715884105727"));
        assert!(is_prime(&((BigUint::from(1_u32) << 521) - 1_u32), &random).unwrap());
        for composite in ["561", "340561", "3215031751", "170141183460469231731687303715884105729"] {
            assert!(!is(composite), "{composite}");
        }
        assert_eq!(small_primes()[..5], [3, 5, 7, 11, 13]);
    }
}
