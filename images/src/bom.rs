//! The bill of materials, in the form of `CycloneDX`: every crate in the binary, every Debian package in the image.

// A key that a JSON value does not have is a null.
#![allow(clippy::indexing_slicing)]

use crate::licence::{self, Licence};
use crate::package::Package;
use crate::place::Place;
use crate::slot::Slot;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What the image is made of. `packages`: those that something of lies in it.
pub(crate) fn make(
    place: &Place,
    slot: &Slot,
    triple: &str,
    image_sha256: &str,
    packages: &[Package],
) -> Result<Value> {
    let mut components = crates(place, triple)?;
    components.extend(linked(place, triple)?);
    for package in packages {
        components.push(debian(package, packages)?);
    }
    let image = format!("pillarbox-{}", slot.board);
    let parts: Vec<Value> = components.iter().map(|part| part["bom-ref"].clone()).collect();
    let time = OffsetDateTime::from_unix_timestamp(i64::try_from(slot.built)?)?.format(&Rfc3339)?;
    // The same image has the same number.
    let number: [u8; 16] =
        Sha256::digest(image_sha256).as_slice().get(..16).context("a hash is long enough")?.try_into()?;
    let number = uuid::Builder::from_sha1_bytes(number).into_uuid();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{number}"),
        "version": 1,
        "metadata": {
            "timestamp": time,
            "tools": { "components": [{
                "type": "application", "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")
            }] },
            "component": {
                "type": "firmware",
                "bom-ref": "image",
                "name": image,
                "version": slot.version,
                "licenses": [{ "expression": "MIT OR Apache-2.0" }],
                "hashes": [{ "alg": "SHA-256", "content": image_sha256 }],
            },
        },
        "components": components,
        "dependencies": [{ "ref": "image", "dependsOn": parts }],
    }))
}

/// The crates that are linked into the binary, as `cargo metadata` resolves them, and the program itself.
fn crates(place: &Place, triple: &str) -> Result<Vec<Value>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let told = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", triple])
        .current_dir(&place.repository)
        .env_remove("CARGO_TARGET_DIR")
        .output()?;
    if !told.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&told.stderr));
    }
    let metadata: Value = serde_json::from_slice(&told.stdout)?;
    let lock: toml::Table = toml::from_str(&fs::read_to_string(place.repository.join("Cargo.lock"))?)?;
    let sums = checksums(&lock);
    let packages: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).filter_map(|one| Some((one["id"].as_str()?, one))).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).filter_map(|one| Some((one["id"].as_str()?, one))).collect();
    let root = metadata["resolve"]["root"].as_str().context("cargo metadata names no root")?;
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![root]);
    while let Some(id) = waiting.pop() {
        let is_macro = packages.get(id).is_some_and(|one| {
            list(&one["targets"]).any(|target| list(&target["kind"]).any(|kind| kind == "proc-macro"))
        });
        if is_macro || !seen.insert(id) {
            continue;
        }
        let needs = nodes.get(id).into_iter().flat_map(|node| list(&node["deps"]));
        // Of no kind: neither for building nor for tests.
        let linked = needs.filter(|need| list(&need["dep_kinds"]).any(|kind| kind["kind"].is_null()));
        waiting.extend(linked.filter_map(|need| need["pkg"].as_str()));
    }
    let found = seen.iter().filter_map(|id| packages.get(id));
    Ok(found.map(|package| of_crate(package, &sums)).collect())
}

fn of_crate(package: &Value, sums: &BTreeMap<(String, String), String>) -> Value {
    let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let (name, version) = (text("name"), text("version"));
    let purl = format!("pkg:cargo/{name}@{}", quoted(&version));
    let mut component = json!({
        "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
        "licenses": [{ "expression": licence::expression(package["license"].as_str().unwrap_or("NOASSERTION")) }],
    });
    if let Some(sum) = sums.get(&(name, version)) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    component
}

/// The checksums of `Cargo.lock`, by name and version.
fn checksums(lock: &toml::Table) -> BTreeMap<(String, String), String> {
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let text = |package: &toml::Value, key: &str| Some(package.get(key)?.as_str()?.to_owned());
    packages.filter_map(|one| Some(((text(one, "name")?, text(one, "version")?), text(one, "checksum")?))).collect()
}

/// What the toolchain links into a static binary beside the crates.
fn linked(place: &Place, triple: &str) -> Result<Vec<Value>> {
    let (cross, of_foreign) = match triple.split('-').next() {
        Some("aarch64") => ("-arm64-cross", "arm64"),
        Some("armv7") => ("-armhf-cross", "armhf"),
        _ => ("", "amd64"),
    };
    let wanted = [
        ("libstd-rust-web-dev".to_owned(), of_foreign, "MIT OR Apache-2.0"),
        (format!("libc6-dev{cross}"), "", "LGPL-2.1-or-later"),
        (format!("libgcc-14-dev{cross}"), "", "GPL-3.0-or-later WITH GCC-exception-3.1"),
    ];
    let lock = fs::read_to_string(place.repository.join("cross/pins.lock"))?;
    let mut found = Vec::new();
    for (name, architecture, licence) in wanted {
        let pin = lock.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|pin| {
            pin.get(1).is_some_and(|one| *one == name)
                && (architecture.is_empty() || pin.get(3).is_some_and(|one| *one == architecture))
        });
        let Some([_, name, version, architecture, sha256, _]) = pin.as_deref() else {
            bail!("pins.lock has no {name}, which is linked into the binary");
        };
        let licences = json!([{ "expression": licence }]);
        found.push(of_package(name, version, architecture, sha256, &licences));
    }
    Ok(found)
}

fn debian(package: &Package, packages: &[Package]) -> Result<Value> {
    let docs = package.folder.join("usr/share/doc");
    // It may be a link to the folder of another package, which then holds what both say.
    let name = fs::read_link(docs.join(&package.name)).unwrap_or_else(|_| PathBuf::from(&package.name));
    let path = Path::new("usr/share/doc").join(name).join("copyright");
    let file = packages.iter().map(|one| one.folder.join(&path)).find(|file| file.exists());
    let text = fs::read_to_string(file.with_context(|| format!("no package of the image holds {}", path.display()))?)?;
    let mut licences: Vec<Value> = licence::in_copyright(&text)
        .into_iter()
        .map(|licence| match licence {
            Licence::Known(id) => json!({ "license": { "id": id } }),
            Licence::Named(name) => json!({ "license": { "name": name } }),
        })
        .collect();
    if licences.is_empty() {
        let file = json!({ "contentType": "text/plain", "content": text });
        licences.push(json!({ "license": { "name": format!("copyright of {}", package.source), "text": file } }));
    }
    Ok(of_package(&package.name, &package.version, &package.architecture, &package.sha256, &Value::Array(licences)))
}

fn of_package(name: &str, version: &str, architecture: &str, sha256: &str, licences: &Value) -> Value {
    let purl = format!("pkg:deb/debian/{}@{}?arch={architecture}&distro=trixie", quoted(name), quoted(version));
    json!({
        "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
        "hashes": [{ "alg": "SHA-256", "content": sha256 }],
        "licenses": licences,
    })
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// As a package URL wants it.
fn quoted(text: &str) -> String {
    text.replace('%', "%25").replace('+', "%2B").replace(':', "%3A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_crates_have_a_licence_and_a_checksum() {
        let place = Place::find().unwrap();
        let found = crates(&place, "aarch64-unknown-linux-gnu").unwrap();
        assert!(found.iter().any(|one| one["name"] == "redb"));
        for one in &found {
            assert_ne!(one["licenses"][0]["expression"], "NOASSERTION", "{}", one["name"]);
            assert!(one["name"] == "pillarbox" || one["hashes"][0]["content"].is_string(), "{}", one["name"]);
        }
        assert!(!found.iter().any(|one| one["name"] == "serde_derive"), "a macro is not in the binary");
    }

    #[test]
    fn versions_are_quoted_in_addresses() {
        assert_eq!(quoted("1:10.0+ds-1~deb13"), "1%3A10.0%2Bds-1~deb13");
    }
}
