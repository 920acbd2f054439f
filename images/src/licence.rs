//! Licences by their names in SPDX's list.

use std::collections::BTreeSet;

/// What a package's copyright file says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Licence {
    /// By its name in SPDX's list.
    Known(&'static str),
    /// By the name that the file gives.
    Named(String),
}

/// The licences that a copyright file in Debian's machine-readable form names.
pub(crate) fn in_copyright(text: &str) -> Vec<Licence> {
    let names: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("License:"))
        .flat_map(|names| names.split(" or ").flat_map(|names| names.split(" and ")))
        .map(|name| name.trim().trim_matches([',', '(', ')']))
        .filter(|name| !name.is_empty())
        .collect();
    names.into_iter().map(|name| known(name).map_or_else(|| Licence::Named(name.to_owned()), Licence::Known)).collect()
}

/// A crate's licence as an expression: a slash is an older way of saying OR.
pub(crate) fn expression(cargo: &str) -> String {
    cargo.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

/// Debian's short names that are others in SPDX's list.
fn known(name: &str) -> Option<&'static str> {
    const NAMES: [(&str, &str); 29] = [
        ("GPL-2", "GPL-2.0-only"),
        ("GPL-2.0", "GPL-2.0-only"),
        ("GPL-2.0-only", "GPL-2.0-only"),
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("GPL-2.0-or-later", "GPL-2.0-or-later"),
        ("GPL-3", "GPL-3.0-only"),
        ("GPL-3+", "GPL-3.0-or-later"),
        ("LGPL-2", "LGPL-2.0-only"),
        ("LGPL-2+", "LGPL-2.0-or-later"),
        ("LGPL-2.0+", "LGPL-2.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("LGPL-2.1-only", "LGPL-2.1-only"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("LGPL-2.1-or-later", "LGPL-2.1-or-later"),
        ("BSD-2-clause", "BSD-2-Clause"),
        ("BSD-2-Clause", "BSD-2-Clause"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("BSD-3-Clause", "BSD-3-Clause"),
        ("BSD-2-Clause-Patent", "BSD-2-Clause-Patent"),
        ("Apache-2.0", "Apache-2.0"),
        ("CC0-1.0", "CC0-1.0"),
        ("CC0", "CC0-1.0"),
        ("Expat", "MIT"),
        ("MIT", "MIT"),
        ("ISC", "ISC"),
        ("X11", "X11"),
        ("Zlib", "Zlib"),
        ("zlib", "Zlib"),
    ];
    NAMES.iter().find(|(debian, _)| *debian == name).map(|(_, spdx)| *spdx)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_named_as_spdx_has_them() {
        let text = "Files: *\nLicense: LGPL-2.1+\n\nFiles: x\nLicense: GPL-2 or CC0-1.0\n\nLicense: broadcom\n text\n";
        let found = in_copyright(text);
        assert_eq!(
            found,
            [
                Licence::Known("CC0-1.0"),
                Licence::Known("GPL-2.0-only"),
                Licence::Known("LGPL-2.1-or-later"),
                Licence::Named("broadcom".to_owned())
            ]
        );
    }

    #[test]
    fn a_slash_means_or() {
        assert_eq!(expression("MIT/Apache-2.0"), "MIT OR Apache-2.0");
        assert_eq!(expression("MIT OR Apache-2.0"), "MIT OR Apache-2.0");
    }
}
