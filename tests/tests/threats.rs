//! THREATS.md is a promise with a test behind each row: every table has the five columns, every row names at least one
//! test, and every named test is written somewhere.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

const COLUMNS: [&str; 5] = ["Attack", "Gets", "Does not get", "Defence", "Tests"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names of all functions under `#[test]`, `#[tokio::test]` or in a conformance suite.
fn tests_under(folder: &Path, found: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                tests_under(&path, found);
            }
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let conformance = path.components().any(|part| part.as_os_str() == "conformance");
        let mut marked = false;
        for line in fs::read_to_string(&path).unwrap().lines().map(str::trim_start) {
            marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let Some(name) = line.split("fn ").nth(1).and_then(|rest| rest.split(['(', '<']).next()) else { continue };
            if marked || conformance {
                found.insert(name.to_owned());
            }
            marked = false;
        }
    }
}

/// The table rows of the document: section and cells.
fn rows(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut section = "";
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        } else if let Some(inside) = line.strip_prefix("| ").and_then(|rest| rest.strip_suffix(" |")) {
            rows.push((section, inside.split(" | ").map(str::trim).collect()));
        }
    }
    rows
}

#[test]
fn every_row_names_tests_that_exist() {
    let text = fs::read_to_string(root().join("protocol/THREATS.md")).unwrap();
    let mut written = HashSet::new();
    for crate_folder in ["protocol", "relay", "client", "tests"] {
        tests_under(&root().join(crate_folder), &mut written);
    }
    let mut checked = 0;
    for (section, cells) in rows(&text) {
        if cells == COLUMNS {
            continue;
        }
        assert_eq!(cells.len(), COLUMNS.len(), "{section}: a row has five cells: {cells:?}");
        let named: Vec<&str> = cells[4].split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{section}: no test plays \"{}\"", cells[0]);
        for name in named {
            assert!(written.contains(name), "{section}: there is no test {name}");
            checked += 1;
        }
    }
    assert!(checked > 50, "the tables were not read");
}
