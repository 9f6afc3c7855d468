//! What the parts may know of each other (DESIGN 1, 12), and which crates may come in at all.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Licences that a dependency may be used under.
const LICENCES: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "MPL-2.0",
    "CC0-1.0",
    "Unicode-3.0",
    "ISC",
    "Zlib",
    "0BSD",
    "Unlicense",
    "BlueOak-1.0.0",
    "BSL-1.0",
    "OpenSSL",
    "CDLA-Permissive-2.0",
    // SQLCipher's source package: SQLite's dedication to the public domain, and one file free of all terms.
    "blessing",
    "WTFPL",
];

/// Cryptographic crates that stand twice in the lock file, with the crate that forces the second. May only shrink.
const DOUBLE_CRYPTO: &[(&str, &str)] = &[
    ("chacha20", "openmls_rust_crypto's and getrandom's newer rand"),
    ("curve25519-dalek", "x-wing"),
    ("digest", "ml-kem, x-wing"),
    ("hkdf", "hpke-rs-rust-crypto"),
    ("hmac", "hkdf of hpke-rs-rust-crypto"),
    ("sha2", "hpke-rs-rust-crypto"),
    ("x25519-dalek", "x-wing"),
];

/// Crates whose doubling would mean two implementations of one primitive.
const CRYPTO: &[&str] = &[
    "aead",
    "aes",
    "aes-gcm",
    "argon2",
    "aws-lc-rs",
    "blake2",
    "chacha20",
    "chacha20poly1305",
    "curve25519-dalek",
    "digest",
    "ed25519",
    "ed25519-dalek",
    "hkdf",
    "hmac",
    "hpke-rs",
    "hpke-rs-rust-crypto",
    "ml-kem",
    "openmls",
    "openssl-src",
    "p256",
    "p384",
    "poly1305",
    "ring",
    "rustls",
    "sha2",
    "sha3",
    "subtle",
    "x-wing",
    "x25519-dalek",
    "zeroize",
];

/// One dependency, one door: the paths in which a crate may be named.
const DOORS: &[(&str, &[&str])] = &[
    ("quinn", &["relay/src/transport", "client/src/link", "relay/tests/", "tests/"]),
    ("h3", &["relay/src/transport", "client/src/link", "relay/tests/", "tests/"]),
    ("h3_quinn", &["relay/src/transport", "client/src/link", "relay/tests/", "tests/"]),
    // store.rs names the module of ours that is called after it.
    ("sled", &["relay/src/store/sled", "relay/src/store.rs"]),
    ("openmls", &["client/src/conversation", "client/src/vault/mls_storage", "client/src/vault/tests/"]),
    ("rusqlite", &["client/src/vault", "client/src/sync/tests/"]),
    ("coset", &["protocol/src/trust", "protocol/tests/trust/"]),
    ("hyper", &["relay/src/observe.rs"]),
    ("sd_notify", &["relay/src/main.rs"]),
    (
        "shuttle",
        &["relay/src/threads/interleavings", "relay/src/store/interleavings", "relay/src/session/interleavings"],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn metadata() -> Value {
    serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--locked"])).unwrap()
}

#[test]
fn our_crates_depend_on_each_other_only_as_the_design_allows() {
    let allowed = BTreeMap::from([
        ("relevo-protocol", BTreeSet::new()),
        ("relevo-relay", BTreeSet::from(["relevo-protocol"])),
        ("relevo-client", BTreeSet::from(["relevo-protocol"])),
        ("relevo-tests", BTreeSet::from(["relevo-protocol", "relevo-relay", "relevo-client"])),
    ]);
    let metadata = metadata();
    let mut seen = 0;
    for package in metadata["packages"].as_array().unwrap() {
        let Some(edges) = allowed.get(package["name"].as_str().unwrap()) else { continue };
        seen += 1;
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap();
            assert!(!name.starts_with("relevo-") || edges.contains(name), "{} -> {name}", package["name"]);
        }
    }
    assert_eq!(seen, allowed.len());
}

#[test]
fn the_relay_cannot_name_a_seal_a_card_or_a_text() {
    let tree = cargo(&["tree", "--locked", "-p", "relevo-relay", "-e", "normal", "--prefix", "none"]);
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("relevo-protocol") && names.contains("sled"), "the tree was not read");
    for forbidden in ["openmls", "openmls_traits", "hpke-rs", "coset", "rusqlite", "relevo-client", "argon2"] {
        assert!(!names.contains(forbidden), "the relay depends on {forbidden}");
    }
    let features = cargo(&["tree", "--locked", "-p", "relevo-relay", "-e", "features", "--prefix", "none"]);
    for feature in ["sealed", "trust", "content"] {
        let line = format!("relevo-protocol feature \"{feature}\"");
        assert!(!features.contains(&line), "the relay switches {feature} on");
    }
}

#[test]
fn no_product_has_the_simulators_hands_or_its_bugs() {
    for package in ["relevo-client", "relevo-relay"] {
        let features = cargo(&["tree", "--locked", "-p", package, "-e", "features", "--prefix", "none"]);
        assert!(features.contains("relevo-protocol feature \"default\""), "the tree was not read");
        for feature in ["simulation", "planted-bugs"] {
            assert!(!features.contains(&format!("feature \"{feature}\"")), "{package} switches {feature} on");
        }
        let tree = cargo(&["tree", "--locked", "-p", package, "-e", "normal,build", "--prefix", "none"]);
        assert!(tree.lines().any(|line| line.starts_with("relevo-protocol ")), "the tree was not read");
        assert!(!tree.lines().any(|line| line.starts_with("shuttle")), "{package} is sold with a scheduler");
    }
}

#[test]
fn each_dependency_comes_in_by_its_one_door() {
    let files = cargo_sources();
    assert!(files.len() > 20, "the sources were not found");
    for (name, doors) in DOORS {
        let mut used = false;
        for (path, text) in &files {
            let names_it =
                text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")).any(|line| names(line, name));
            used |= names_it;
            assert!(!names_it || doors.iter().any(|door| path.starts_with(door)), "{path} names {name}");
        }
        assert!(used, "nothing names {name}: is the door's list out of date?");
    }
}

/// Whether a line of code names the crate as a path: `name::`, `use name;`.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default().chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == ':' || c == '-'))
    })
}

fn cargo_sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["protocol", "relay", "client", "tests"].map(|name| root().join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = item.path();
            if path.is_dir() && item.file_name() != "target" {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("architecture.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), text));
            }
        }
    }
    found
}

#[test]
fn every_dependency_has_a_licence_we_accept() {
    let metadata = metadata();
    let mut refused = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_default();
        if !acceptable(licence) {
            refused.push(format!("{name}: {licence:?}"));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Reads SPDX's `AND`, `OR`, parentheses and the old slash: some alternative must be acceptable in all its parts.
fn acceptable(licence: &str) -> bool {
    let flat = licence.replace('/', " OR ");
    let mut depth = 0_i32;
    let mut split = |operator: &str| -> Option<Vec<String>> {
        let (mut parts, mut start, bytes) = (Vec::new(), 0, flat.as_str());
        for (at, c) in bytes.char_indices() {
            depth += i32::from(c == '(') - i32::from(c == ')');
            if depth == 0 && bytes[at..].starts_with(operator) {
                parts.push(bytes[start..at].to_owned());
                start = at + operator.len();
            }
        }
        parts.push(bytes[start..].to_owned());
        (parts.len() > 1).then_some(parts)
    };
    if let Some(parts) = split(" OR ") {
        return parts.iter().any(|part| acceptable(part));
    }
    if let Some(parts) = split(" AND ") {
        return parts.iter().all(|part| acceptable(part));
    }
    let single = flat.trim();
    match single.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => acceptable(inner),
        None => LICENCES.contains(&single),
    }
}

#[test]
fn the_licence_reader_reads_alternatives_and_sums() {
    assert!(acceptable("MIT OR GPL-3.0"));
    assert!(acceptable("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(acceptable("MIT/Apache-2.0"));
    assert!(!acceptable("GPL-3.0-only"));
    assert!(!acceptable("MIT AND AGPL-3.0"));
    assert!(!acceptable("(MIT OR Apache-2.0) AND GPL-2.0"));
    assert!(!acceptable(""));
}

#[test]
fn no_primitive_has_two_implementations_but_the_listed_ones() {
    let metadata = metadata();
    // What is built: the resolved graph from our crates, normal edges only.
    let built: BTreeSet<String> = cargo(&["tree", "--locked", "--workspace", "-e", "normal", "--prefix", "none"])
        .lines()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let (name, version) = (package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        if CRYPTO.contains(&name) && built.contains(name) {
            versions.entry(name).or_default().insert(version);
        }
    }
    assert!(versions.contains_key("ed25519-dalek"), "the graph was not read");
    let double: BTreeSet<&str> = versions.iter().filter(|(_, found)| found.len() > 1).map(|(name, _)| *name).collect();
    let listed: BTreeSet<&str> = DOUBLE_CRYPTO.iter().map(|(name, _)| *name).collect();
    assert_eq!(double, listed, "left: what stands twice; right: what may");
    assert!(!built.contains("ring"), "ring has no ML-KEM and would be a second TLS provider");
}
