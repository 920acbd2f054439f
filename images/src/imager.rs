//! `.rpi-imager-manifest`: opened with Raspberry Pi Imager it offers this image, and asks for name and password first.

use serde_json::{Value, json};

/// What the manifest tells.
pub(crate) struct Facts<'f> {
    pub(crate) title: &'f str,
    pub(crate) version: &'f str,
    /// Imager's names of boards.
    pub(crate) boards: &'f [String],
    /// Where the compressed image is.
    pub(crate) url: String,
    pub(crate) plain_size: usize,
    pub(crate) plain_sha256: String,
    pub(crate) size: usize,
    pub(crate) sha256: String,
    /// Year, month, day.
    pub(crate) date: String,
}

/// Imager's list of systems, with one.
pub(crate) fn manifest(facts: &Facts) -> Value {
    let devices: Vec<Value> = facts.boards.iter().map(|board| device(board)).collect();
    json!({
        "imager": { "devices": devices },
        "os_list": [{
            "name": format!("Pillarbox {} ({})", facts.version, facts.title),
            "description": "A mail server for a home or a small office. Set a host name, a user and a password here: \
                            that user is its first account.",
            "icon": "icons/use_custom.png",
            "url": facts.url,
            "extract_size": facts.plain_size,
            "extract_sha256": facts.plain_sha256,
            "image_download_size": facts.size,
            "image_download_sha256": facts.sha256,
            "release_date": facts.date,
            "init_format": "rpi-preseed",
            "architecture": "armv8",
            "devices": facts.boards,
        }]
    })
}

/// Imager shows the systems of the board that is chosen: so it has to be among them.
fn device(board: &str) -> Value {
    let name = match board.split('-').next() {
        Some("pi3") => "Raspberry Pi 3, Zero 2 W",
        Some("pi4") => "Raspberry Pi 4, 400",
        Some("pi5") => "Raspberry Pi 5, 500",
        _ => board,
    };
    json!({ "name": name, "tags": [board], "icon": "", "description": name, "matching_type": "exclusive" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_has_all_that_imager_requires() {
        let facts = Facts {
            title: "Raspberry Pi 3",
            version: "0.1.0",
            boards: &["pi3-64bit".to_owned()],
            url: "https://example.org/pillarbox.img.xz".to_owned(),
            plain_size: 10,
            plain_sha256: "00".repeat(32),
            size: 5,
            sha256: "11".repeat(32),
            date: "2026-01-02".to_owned(),
        };
        let manifest = manifest(&facts);
        let system = &manifest["os_list"][0];
        for key in ["name", "description", "icon", "url", "extract_sha256", "release_date", "init_format"] {
            assert!(system[key].is_string(), "{key}");
        }
        assert!(system["extract_size"].is_u64() && system["image_download_size"].is_u64());
        assert_eq!(manifest["imager"]["devices"][0]["tags"], system["devices"]);
    }
}
