//! LOGIN: the name, then the password, each asked for (draft-murchison-sasl-login).

use super::{Credentials, Failure, text};

/// The exchange before anything was said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Login;

/// The exchange after the name.
#[derive(Clone, Debug)]
pub struct LoginName {
    identity: String,
}

impl Login {
    /// What the client is sent first, if it gave no initial response.
    pub const CHALLENGE: &'static [u8] = b"Username:";

    /// The name, asked for or as an initial response.
    pub fn name(self, answer: &[u8]) -> Result<LoginName, Failure> {
        let identity = text(answer)?;
        if identity.is_empty() {
            return Err(Failure::Malformed("The name is empty"));
        }
        Ok(LoginName { identity })
    }
}

impl LoginName {
    /// What the client is sent next.
    pub const CHALLENGE: &'static [u8] = b"Password:";

    /// The password.
    pub fn password(self, answer: &[u8]) -> Result<Credentials, Failure> {
        let password = text(answer)?;
        if password.is_empty() {
            return Err(Failure::Malformed("The password is empty"));
        }
        Ok(Credentials { identity: self.identity, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_then_password() {
        let credentials = Login.name(b"ann").unwrap().password(b"pass").unwrap();
        assert_eq!(credentials, Credentials { identity: "ann".into(), password: "pass".into() });
    }

    #[test]
    fn an_empty_name_or_password_is_refused() {
        assert!(Login.name(b"").is_err());
        assert!(Login.name(b"ann").unwrap().password(b"").is_err());
        assert!(Login.name(b"a\0b").is_err());
    }
}
