//! Builds the typed words of the faces from `locales/`. A key that one language lacks, or has too many, fails the build.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use fluent_typed::{BuildOptions, FtlOutputOptions, LintLevel, build_from_locales_folder};

const FOLDER: &str = "locales";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed={FOLDER}");
    let reference = keys("en");
    let mut complete = true;
    for language in ["es", "fr", "pt"] {
        let found = keys(language);
        for missing in reference.difference(&found) {
            println!("cargo::error={FOLDER}/{language} lacks the key {missing}");
            complete = false;
        }
        for surplus in found.difference(&reference) {
            println!("cargo::error={FOLDER}/{language} has the key {surplus}, which English lacks");
            complete = false;
        }
    }
    if !complete {
        return ExitCode::FAILURE;
    }
    let Some(out) = std::env::var_os("OUT_DIR") else {
        println!("cargo::error=OUT_DIR is not set");
        return ExitCode::FAILURE;
    };
    let out = Path::new(&out);
    let options = BuildOptions::default()
        .with_locales_folder(FOLDER)
        .with_output_file_path(&out.join("words.rs").to_string_lossy())
        .with_ftl_output(FtlOutputOptions::single_file(&out.join("words.ftl").to_string_lossy()))
        .with_lint_level(LintLevel::Strict)
        .with_default_language("en");
    build_from_locales_folder(options)
}

/// The keys of one language, and the arguments of each, as `key $argument`.
fn keys(language: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let files = std::fs::read_dir(Path::new(FOLDER).join(language)).into_iter().flatten().flatten();
    for file in files.filter(|file| file.path().extension().is_some_and(|ending| ending == "ftl")) {
        let text = std::fs::read_to_string(file.path()).unwrap_or_default();
        let mut key = "";
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if line.starts_with(|c: char| c.is_ascii_lowercase()) {
                key = line.split_once(" =").map_or("", |(key, _)| key);
                found.insert(key.to_owned());
            }
            for argument in line.split('$').skip(1) {
                let name: String = argument.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
                found.insert(format!("{key} ${name}"));
            }
        }
    }
    found
}
