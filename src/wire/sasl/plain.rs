//! PLAIN (RFC 4616).

use super::{Credentials, Failure, text};

/// Reads the one message of the mechanism: ``message = [authzid] UTF8NUL authcid UTF8NUL passwd``.
///
/// Nobody may act as somebody else here, so authzid is empty or the same as authcid.
pub fn plain(response: &[u8]) -> Result<Credentials, Failure> {
    const BROKEN: Failure = Failure::Malformed("PLAIN wants an identity and a password");
    let mut fields = response.split(|&byte| byte == 0);
    let (Some(acting), Some(identity), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(BROKEN);
    };
    if identity.is_empty() || password.is_empty() {
        return Err(BROKEN);
    }
    let credentials = Credentials { identity: text(identity)?, password: text(password)? };
    if !acting.is_empty() && acting != identity {
        return Err(Failure::Unsupported("Nobody can act as somebody else here"));
    }
    Ok(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_and_password_are_between_the_nuls() {
        for response in [&b"\0ann@example.org\0pass word"[..], b"ann@example.org\0ann@example.org\0pass word"] {
            let credentials = plain(response).unwrap();
            assert_eq!(
                (credentials.identity.as_str(), credentials.password.as_str()),
                ("ann@example.org", "pass word")
            );
        }
    }

    #[test]
    fn acting_as_somebody_else_is_refused() {
        assert!(matches!(plain(b"bob\0ann\0pass"), Err(Failure::Unsupported(_))));
    }

    #[test]
    fn too_few_too_many_or_empty_fields_are_refused() {
        for response in [&b""[..], b"ann", b"\0ann", b"\0\0pass", b"\0ann\0", b"\0ann\0pass\0", b"\0a\xff\0pass"] {
            assert!(matches!(plain(response), Err(Failure::Malformed(_))));
        }
    }
}
