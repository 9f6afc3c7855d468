//! What JSON.md documents is what the program prints.

use std::fs;

use serde_json::Value;

use super::{Device, manifest_directory};

/// The examples under a heading of JSON.md, one object a line.
fn documented(heading: &str) -> Vec<Value> {
    let text = fs::read_to_string(manifest_directory().join("JSON.md")).unwrap();
    let title = format!("\n### `{heading}`\n");
    let Some((_, section)) = text.split_once(&title) else { panic!("JSON.md has no {title:?}") };
    let section = section.split("\n### ").next().unwrap();
    let fences = section.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    fences.flat_map(str::lines).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Fails unless JSON.md documents an object of this shape under `heading`.
#[track_caller]
pub(super) fn holds(heading: &str, found: &Value) {
    let examples = documented(heading);
    assert!(examples.iter().any(|example| same_shape(example, found)), "{heading}: JSON.md does not document {found}");
}

/// The same keys with values of the same types. Null stands for "none" of any type; elements of lists are compared with
/// the example's first.
fn same_shape(example: &Value, found: &Value) -> bool {
    match (example, found) {
        (Value::Object(example), Value::Object(found)) => {
            example.len() == found.len()
                && example.iter().all(|(key, value)| found.get(key).is_some_and(|found| same_shape(value, found)))
        }
        (Value::Array(example), Value::Array(found)) => {
            example.first().is_none_or(|example| found.iter().all(|found| same_shape(example, found)))
        }
        (Value::Null, _) | (_, Value::Null) => true,
        _ => std::mem::discriminant(example) == std::mem::discriminant(found),
    }
}

#[test]
fn the_doctors_findings_are_as_documented() {
    let device = Device::new().with_vault();
    let findings = device.open(&["doctor", "--json"]).done().objects();
    assert!(findings.len() >= 6);
    for finding in &findings {
        holds("doctor", finding);
    }
    holds("man", &device.run(&["man", "pages", "--json"]).done().objects()[0]);
}

#[test]
fn a_shape_that_differs_is_seen() {
    let example = serde_json::json!({ "a": 1, "b": ["x"] });
    assert!(same_shape(&example, &serde_json::json!({ "a": 7, "b": [] })));
    assert!(!same_shape(&example, &serde_json::json!({ "a": "7", "b": [] })));
    assert!(!same_shape(&example, &serde_json::json!({ "a": 7 })));
    assert!(!same_shape(&example, &serde_json::json!({ "a": 7, "b": [7] })));
}
