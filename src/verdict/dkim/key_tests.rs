use super::*;
use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};

fn published(key: &Key) -> Vec<u8> {
    let text = key.dns_record().text;
    STANDARD.decode(text.rsplit_once("p=").unwrap().1).unwrap()
}

#[test]
fn an_rsa_key_is_made_kept_published_and_signs() {
    let key = Key::generate(Algorithm::Rsa, "Example.ORG", "s1").unwrap();
    assert_eq!(key.dns_record().name, "s1._domainkey.example.org");
    assert!(key.dns_record().text.starts_with("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"));
    let again = Key::from_pem("example.org", "s1", &key.pem()).unwrap();
    assert_eq!((again.algorithm(), again.dns_record()), (Algorithm::Rsa, key.dns_record()));
    let signature = again.sign(b"data", b"").unwrap();
    let public = published(&key);
    let (n, e) = der::rsa_public_key(&public).unwrap();
    assert_eq!(n.len(), 256);
    RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, b"data", &signature).unwrap();
}

#[test]
fn an_ed25519_key_is_made_kept_published_and_signs() {
    let key = Key::generate(Algorithm::Ed25519, "example.org", "s2").unwrap();
    let again = Key::from_pkcs8("example.org", "s2", key.pkcs8()).unwrap();
    assert_eq!(again.dns_record(), key.dns_record());
    let signature = again.sign(b"", b"digest").unwrap();
    UnparsedPublicKey::new(&ED25519, published(&key)).verify(b"digest", &signature).unwrap();
    assert!(!format!("{key:?}").contains(&STANDARD.encode(key.pkcs8())));
}

#[test]
fn what_is_no_key_or_no_name_is_refused() {
    let key = Key::generate(Algorithm::Ed25519, "example.org", "s").unwrap();
    for (domain, selector) in [("", "s"), ("example..org", "s"), ("example.org", "a b"), ("example.org", "a;b")] {
        assert_eq!(Key::from_pkcs8(domain, selector, key.pkcs8()).err(), Some(KeyError::Name));
    }
    assert_eq!(Key::from_pkcs8("a.b", "s", b"").err(), Some(KeyError::Stored));
    for cut in 0..key.pkcs8().len() - 1 {
        assert_eq!(Key::from_pkcs8("a.b", "s", &key.pkcs8()[..cut]).err(), Some(KeyError::Stored));
    }
    assert_eq!(Key::from_pem("a.b", "s", "").err(), Some(KeyError::Stored));
}
