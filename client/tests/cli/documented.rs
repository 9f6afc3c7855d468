//! What JSON.md documents, against what the program prints.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// The examples under the heading of JSON.md that names `command`, one object a line.
fn examples(json_md: &Path, command: &str) -> Vec<Value> {
    let text = fs::read_to_string(json_md).unwrap();
    let named = format!("`{command}`");
    let section = text.split("\n### ").skip(1).find(|section| section.lines().next().unwrap().contains(&named));
    let section = section.unwrap_or_else(|| panic!("JSON.md does not document {command:?}"));
    let fences = section.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    fences.flat_map(str::lines).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Fails unless JSON.md documents an object of this shape for `command`.
#[track_caller]
pub(crate) fn holds(json_md: &Path, command: &str, found: &Value) {
    let examples = examples(json_md, command);
    assert!(examples.iter().any(|example| same_shape(example, found)), "{command}: JSON.md does not document {found}");
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
fn a_shape_that_differs_is_seen() {
    let example = serde_json::json!({ "a": 1, "b": ["x"] });
    assert!(same_shape(&example, &serde_json::json!({ "a": 7, "b": [] })));
    assert!(!same_shape(&example, &serde_json::json!({ "a": "7", "b": [] })));
    assert!(!same_shape(&example, &serde_json::json!({ "a": 7 })));
    assert!(!same_shape(&example, &serde_json::json!({ "a": 7, "b": [7] })));
}
