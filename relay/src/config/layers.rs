//! Where settings come from: the defaults, a file over them, the environment over that, the command line over all.
//!
//! The sample file names every field with its default and its reason, so it is what fields are known by, what a misspelt
//! one is compared with, and what `config show` fills in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value as Json};
use toml::{Table, Value};

use super::{Config, ConfigFault};

const SAMPLE: &str = include_str!("../../../deploy/samples/relay.toml");

/// Before the name of a default in the sample, and before that of an example.
const DEFAULT: &str = "#= ";
const EXAMPLE: &str = "#? ";

/// Variables of the environment begin with it.
const PREFIX: &str = "RELEVO_RELAY_";
/// Names the file, where the command line does not.
pub(crate) const FILE_VARIABLE: &str = "RELEVO_RELAY_CONFIG";

/// How alike two names must be, of 1, for one to be offered for the other.
const ALIKE: f64 = 0.75;

/// What a value comes from, where it is no default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The file.
    File,
    /// The environment.
    Environment,
    /// The command line.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "the file",
            Self::Environment => "the environment",
            Self::CommandLine => "the command line",
        })
    }
}

/// Settings with where each comes from. Fields are named as in `limits.connections`.
#[derive(Debug)]
pub struct Layered {
    /// What is in force.
    pub config: Config,
    /// Where what is no default comes from.
    pub origins: BTreeMap<String, Origin>,
}

impl Layered {
    /// Reads the file if there is one, and the environment over it. Nothing is checked but names and types.
    ///
    /// # Errors
    /// [`ConfigFault`].
    pub fn read(
        file: Option<&Path>,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigFault> {
        let known = known();
        let (mut table, mut config, mut origins) = (Table::new(), Config::default(), BTreeMap::new());
        if let Some(path) = file {
            let text =
                fs::read_to_string(path).map_err(|source| ConfigFault::Read { path: path.to_owned(), source })?;
            (table, config) = of_file(path, &text, &known)?;
            origins.extend(paths(&table).into_iter().map(|(path, _)| (path, Origin::File)));
        }
        for (path, value) in of_environment(environment, &known)? {
            set(&mut table, &path, value);
            // All before it fits, so what does not is this one: a number out of its type's range, or no address.
            let misfit = |_| ConfigFault::Variable { name: variable(&path), must: "what its field can hold" };
            config = table.clone().try_into().map_err(misfit)?;
            origins.insert(path, Origin::Environment);
        }
        Ok(Self { config, origins })
    }

    /// All fields as a file: those that are set, with where, and the others' defaults and reasons as comments.
    #[must_use]
    pub fn shown(&self) -> String {
        let values = serde_json::to_value(&self.config).unwrap_or_default();
        let mut section = String::new();
        let mut out = String::new();
        // The head is about the sample itself.
        let fields = SAMPLE.split_once("\n\n").map_or(SAMPLE, |(_, fields)| fields);
        for line in fields.lines() {
            let bare = bare(line);
            if let Some(name) = bare.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
                section = format!("{name}.");
                out.push_str(&format!("[{name}]\n"));
                continue;
            }
            let Some((name, _)) = bare.split_once(" = ").filter(|_| !bare.starts_with('#')) else {
                out.push_str(&format!("{line}\n"));
                continue;
            };
            let path = format!("{section}{name}");
            match (value_at(&values, &path), self.origins.get(&path)) {
                (Some(value), Some(origin)) => out.push_str(&format!("{name} = {value} # from {origin}\n")),
                (Some(value), None) => out.push_str(&format!("{DEFAULT}{name} = {value}\n")),
                (None, _) => out.push_str(&format!("{EXAMPLE}{}\n", bare)),
            }
        }
        out
    }
}

/// A line of the sample without what marks it as a default or an example.
fn bare(line: &str) -> &str {
    line.strip_prefix(DEFAULT).or_else(|| line.strip_prefix(EXAMPLE)).unwrap_or(line)
}

/// Every field there is, with an example of its value.
fn known() -> Vec<(String, Value)> {
    let uncommented: Vec<&str> = SAMPLE.lines().map(bare).collect();
    // A test holds that it parses.
    paths(&uncommented.join("\n").parse::<Table>().unwrap_or_default())
}

/// The fields of a table and of the tables in it, by path.
fn paths(table: &Table) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                all.extend(inner.iter().map(|(field, value)| (format!("{name}.{field}"), value.clone())));
            }
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => all.push((name.clone(), value.clone())),
        }
    }
    all
}

fn set(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(table.insert(path.to_owned(), value)),
        Some((section, field)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                inner.insert(field.to_owned(), value);
            }
        }
    }
}

fn value_at<'a>(values: &'a Json, path: &str) -> Option<&'a Json> {
    let at = |values: &'a Json, name: &str| values.as_object().and_then(|fields: &Map<String, Json>| fields.get(name));
    let found = match path.split_once('.') {
        None => at(values, path),
        Some((section, field)) => at(values, section).and_then(|inner| at(inner, field)),
    };
    found.filter(|value| !value.is_null())
}

fn of_file(path: &Path, text: &str, known: &[(String, Value)]) -> Result<(Table, Config), ConfigFault> {
    let parse = |source| ConfigFault::Parse { path: path.to_owned(), source: Box::new(source) };
    let table = text.parse::<Table>().map_err(parse)?;
    let unknown = paths(&table).into_iter().find(|(name, _)| known.iter().all(|(field, _)| field != name));
    if let Some((name, _)) = unknown {
        let written = name.rsplit('.').next().unwrap_or(&name);
        let at = text.lines().position(|line| line.trim_start().starts_with(written));
        let origin = at.map_or_else(
            || path.display().to_string(),
            |line| format!("{}, line {}", path.display(), line.saturating_add(1)),
        );
        let nearest = nearest(&name, known.iter().map(|(field, _)| field.clone()));
        return Err(ConfigFault::Unknown { origin, name, nearest });
    }
    // With its own words on what is of another type, and where.
    let config = toml::from_str(text).map_err(parse)?;
    Ok((table, config))
}

/// What a field is called in the environment.
fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "_").to_ascii_uppercase())
}

fn of_environment(
    environment: impl Iterator<Item = (OsString, OsString)>,
    known: &[(String, Value)],
) -> Result<Vec<(String, Value)>, ConfigFault> {
    let mut all = Vec::new();
    for (name, text) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX) && *name != FILE_VARIABLE) else {
            continue;
        };
        let Some((path, example)) = known.iter().find(|(path, _)| variable(path) == name) else {
            let nearest = nearest(name, known.iter().map(|(path, _)| variable(path)));
            // Kubernetes and Docker tell a container so of a service that is called as the relay is.
            let telling = ["SERVICE_", "PORT_"].iter().any(|kind| name.trim_start_matches(PREFIX).starts_with(kind));
            if telling {
                continue;
            }
            return Err(ConfigFault::Unknown { origin: "the environment".to_owned(), name: name.to_owned(), nearest });
        };
        if text.to_str().is_some_and(|text| ["tcp://", "udp://"].iter().any(|scheme| text.starts_with(scheme))) {
            continue;
        }
        let wrong = |must| ConfigFault::Variable { name: name.to_owned(), must };
        let text = text.to_str().ok_or_else(|| wrong("text"))?;
        let value = match example {
            Value::Integer(_) => Value::Integer(text.parse().map_err(|_| wrong("a whole number"))?),
            Value::String(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_)
            | Value::Table(_) => Value::String(text.to_owned()),
        };
        all.push((path.clone(), value));
    }
    Ok(all)
}

/// The field whose name is most like this one, if it is like it: of a path, its last part counts.
fn nearest(name: &str, fields: impl Iterator<Item = String>) -> Option<String> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or(path).to_owned();
    let likeness = |field: &str| {
        strsim::normalized_damerau_levenshtein(name, field)
            .max(strsim::normalized_damerau_levenshtein(&last(name), &last(field)))
    };
    fields
        .map(|field| (likeness(&field), field))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, field)| field)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [(OsString, OsString); 0] = [];

    fn environment(pairs: &[(&str, &str)]) -> impl Iterator<Item = (OsString, OsString)> {
        let pairs: Vec<_> = pairs.iter().map(|(name, text)| (OsString::from(name), OsString::from(text))).collect();
        pairs.into_iter()
    }

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("relay.toml");
        fs::write(&path, text).unwrap();
        (directory, path)
    }

    #[test]
    fn the_sample_names_every_field_and_says_the_defaults() {
        let sample: Config = toml::from_str(SAMPLE).unwrap();
        sample.check().unwrap();
        let uncommented: Vec<&str> = SAMPLE.lines().map(bare).collect();
        let all: Config = toml::from_str(&uncommented.join("\n")).unwrap();
        let default = Config::default();
        assert_eq!((&all.limits, &all.store), (&default.limits, &default.store));
        // Host and port have no default, so the example's are taken.
        let named: Vec<String> = known().into_iter().map(|(path, _)| path).collect();
        let Json::Object(fields) = serde_json::to_value(&all).unwrap() else { panic!() };
        for (name, value) in &fields {
            let paths = value.as_object().map_or_else(
                || vec![name.clone()],
                |inner| inner.keys().map(|field| format!("{name}.{field}")).collect(),
            );
            for path in paths {
                assert!(named.contains(&path), "{path} is not in the sample");
            }
        }
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
        let (_directory, path) = file("host = \"a.example\"\n[limits]\nvisitors = 64\nblobs = 4\n");
        let set = environment(&[("RELEVO_RELAY_HOST", "b.example"), ("RELEVO_RELAY_LIMITS_BLOBS", "2"), ("PATH", "x")]);
        let read = Layered::read(Some(&path), set).unwrap();
        let limits = &read.config.limits;
        assert_eq!((read.config.host.as_deref(), limits.blobs, limits.visitors), (Some("b.example"), 2, 64));
        assert_eq!(limits.connections, Config::default().limits.connections);
        let origins: Vec<_> = read.origins.iter().map(|(path, origin)| (path.as_str(), *origin)).collect();
        let expected =
            [("host", Origin::Environment), ("limits.blobs", Origin::Environment), ("limits.visitors", Origin::File)];
        assert_eq!(origins, expected);
    }

    #[test]
    fn what_is_shown_is_what_is_in_force() {
        let (_directory, path) = file("host = \"a.example\"\n[store]\nentry_hours = 240\n");
        let read = Layered::read(Some(&path), environment(&[("RELEVO_RELAY_PORT", "4433")])).unwrap();
        let shown = read.shown();
        assert!(shown.contains("entry_hours = 240 # from the file\n"), "{shown}");
        assert!(shown.contains("port = 4433 # from the environment\n"), "{shown}");
        assert!(shown.contains("#= connections = 5120\n"), "{shown}");
        assert_eq!(toml::from_str::<Config>(&shown).unwrap(), read.config);
        let all: Vec<&str> = shown.lines().map(bare).collect();
        assert!(all.join("\n").parse::<Table>().is_ok(), "{shown}");
    }

    #[test]
    fn a_misspelt_field_is_refused_with_its_line_and_the_nearest_name() {
        for (text, said) in [
            (
                "host = \"a\"\n[limits]\nconections = 1\n",
                "line 3: there is no field limits.conections; did you mean limits.connections?",
            ),
            ("[store]\nqueue = 1\n", "line 2: there is no field store.queue"),
            ("connections = 1\n", "line 1: there is no field connections; did you mean limits.connections?"),
            ("[limit]\nvisitors = 1\n", "line 2: there is no field limit.visitors; did you mean limits.visitors?"),
        ] {
            let (_directory, path) = file(text);
            let fault = Layered::read(Some(&path), NONE.into_iter()).unwrap_err().to_string();
            assert!(fault.ends_with(said), "{fault}");
        }
    }

    #[test]
    fn a_variable_that_is_none_or_holds_something_else_is_refused() {
        for (name, text, said) in [
            (
                "RELEVO_RELAY_HOTS",
                "a",
                "the environment: there is no field RELEVO_RELAY_HOTS; did you mean RELEVO_RELAY_HOST?",
            ),
            ("RELEVO_RELAY_LIMITS_BLOBS", "many", "the environment: RELEVO_RELAY_LIMITS_BLOBS must be a whole number"),
            (
                "RELEVO_RELAY_LIMITS_BLOBS",
                "-1",
                "the environment: RELEVO_RELAY_LIMITS_BLOBS must be what its field can hold",
            ),
        ] {
            let fault = Layered::read(None, environment(&[("RELEVO_RELAY_DATA", "/a"), (name, text)])).unwrap_err();
            assert_eq!(fault.to_string(), said);
        }
        // What Kubernetes and Docker tell of a service of that name is nobody's setting.
        let told = [("RELEVO_RELAY_SERVICE_HOST", "10.0.0.1"), ("RELEVO_RELAY_PORT_443_UDP_ADDR", "10.0.0.1")];
        let port = ("RELEVO_RELAY_PORT", "udp://10.0.0.1:443");
        assert_eq!(Layered::read(None, environment(&[told[0], told[1], port])).unwrap().config, Config::default());
    }

    #[test]
    fn what_is_of_another_type_is_refused_with_its_place() {
        let (_directory, path) = file("[limits]\nblobs = \"four\"\n");
        let fault = Layered::read(Some(&path), NONE.into_iter()).unwrap_err().to_string();
        assert!(fault.contains("line 2") && fault.contains("blobs"), "{fault}");
    }
}
