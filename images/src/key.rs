//! Keys that updates are signed with, in minisign's form and without a password: who can read the file can sign.

use anyhow::{Context, Result, bail};
use minisign::{KeyPair, PublicKeyBox, SecretKey, SecretKeyBox};
use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Makes a pair: the secret key in `file`, the public one beside it.
pub(crate) fn make(file: &Path) -> Result<()> {
    let public = beside(file);
    if file.exists() || public.exists() {
        bail!("{} is there already: a key that is in use is not replaced", file.display());
    }
    let pair = KeyPair::generate_unencrypted_keypair()?;
    let secret = pair.sk.to_box(Some("Pillarbox: secret key of updates"))?.into_string();
    let mut out = File::options().write(true).create_new(true).mode(0o600).open(file)?;
    out.write_all(secret.as_bytes())?;
    fs::write(&public, pair.pk.to_box()?.into_string())?;
    println!(
        "{}: keep it where nobody else can read it\n{}: for images/build --trust",
        file.display(),
        public.display()
    );
    Ok(())
}

/// The line of a public key, as `/etc/pillarbox/update.pub` has it.
pub(crate) fn public(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    let key = PublicKeyBox::from_string(&text)?.into_public_key();
    Ok(key.with_context(|| format!("{} is no public key", file.display()))?.to_base64() + "\n")
}

/// The signature of an update, as the file beside it holds it.
pub(crate) fn sign(secret: &Path, octets: &[u8], comment: &str) -> Result<String> {
    let text = fs::read_to_string(secret).with_context(|| format!("{}", secret.display()))?;
    let boxed = SecretKeyBox::from_string(&text)?;
    let key = SecretKey::from_unencrypted_box(boxed)
        .with_context(|| format!("{} is no secret key without a password", secret.display()))?;
    let signature = minisign::sign(None, &key, Cursor::new(octets), Some(comment), Some("Pillarbox update"))?;
    Ok(signature.into_string())
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_is_verified_with_the_public_key() {
        let folder = std::env::temp_dir().join(format!("pillarbox-key-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let secret = folder.join("key");
        make(&secret).unwrap();
        assert!(make(&secret).is_err(), "a key is not replaced");
        let signature = sign(&secret, b"update", "of a test").unwrap();
        let key = minisign::PublicKey::from_base64(public(&beside(&secret)).unwrap().trim()).unwrap();
        let signature = minisign::SignatureBox::from_string(&signature).unwrap();
        assert!(minisign::verify(&key, &signature, Cursor::new(b"update"), true, false, false).is_ok());
        assert!(minisign::verify(&key, &signature, Cursor::new(b"updates"), true, false, false).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
