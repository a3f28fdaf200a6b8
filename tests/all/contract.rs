//! What the daemon says of itself at `/v1/openapi.json`, held against what it does.

use c2b_tests::{Exchange, ask};
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

/// A description with the validators that were made from it.
pub(crate) struct Contract {
    /// The description.
    pub(crate) document: Value,
    /// The same, with no keys in answers but those that are described: what is told can grow, but not unnoticed.
    strict: Value,
    validators: Mutex<BTreeMap<String, Validator>>,
}

/// A route of the description.
#[derive(Clone, Copy)]
pub(crate) struct Operation<'a> {
    /// Its method.
    pub(crate) method: &'a str,
    /// Its path, with `{name}`.
    pub(crate) path: &'a str,
    /// What is said of it.
    pub(crate) says: &'a Value,
}

impl Contract {
    /// Takes a running daemon at its word.
    pub(crate) fn of(socket: &Path) -> Self {
        let told = ask(socket, "GET", "/v1/openapi.json", b"");
        assert_eq!(told.status, 200);
        let document: Value = serde_json::from_slice(&told.answer).unwrap();
        let mut strict = document.clone();
        close(&mut strict["components"]["schemas"]);
        Self { document, strict, validators: Mutex::default() }
    }

    /// Returns all routes.
    pub(crate) fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let paths = self.document["paths"].as_object().unwrap();
        paths.iter().flat_map(|(path, methods)| methods.as_object().unwrap().iter().map(move |(method, says)| Operation { method, path, says }))
    }

    /// Returns the route of a request.
    pub(crate) fn operation(&self, method: &str, path: &str) -> Option<Operation<'_>> {
        let path = path.split('?').next().unwrap_or_default();
        let fits = |template: &str| {
            let (of, given): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
            of.len() == given.len() && of.iter().zip(given).all(|(of, given)| *of == "{name}" || *of == given)
        };
        let mut found: Vec<Operation> = self.operations().filter(|route| route.method.eq_ignore_ascii_case(method) && fits(route.path)).collect();
        // A word of the path goes before a name.
        found.sort_by_key(|route| route.path.contains("{name}"));
        found.first().copied()
    }

    /// Asserts that an answer is one of those that are described.
    #[track_caller]
    pub(crate) fn holds(&self, exchange: &Exchange) {
        let Exchange { method, path, status, kind, answer, .. } = exchange;
        let told = format!("{method} {path} answered {status} {kind}: {}", String::from_utf8_lossy(answer).chars().take(2000).collect::<String>());
        let operation = self.operation(method, path).unwrap_or_else(|| panic!("not described: {told}"));
        let response = &operation.says["responses"][status.to_string()];
        let response = response["$ref"].as_str().and_then(|reference| self.document.pointer(&reference[1..])).unwrap_or(response);
        let (described, content) = response["content"].as_object().and_then(|kinds| kinds.iter().next()).unwrap_or_else(|| panic!("not described: {told}"));
        assert!(kind.starts_with(described.as_str()), "described as {described}: {told}");
        let key = format!("{} {} {status}", operation.method, operation.path);
        match described.as_str() {
            "application/json" => self.fits(&key, &content["schema"], answer, &told),
            "application/x-ndjson" => {
                for line in answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    self.fits(&key, &content["schema"], line, &told);
                }
            }
            _ => {}
        }
        if *status >= 400 {
            let error: Value = serde_json::from_slice(answer).unwrap();
            let codes = response["description"].as_str().unwrap();
            assert!(codes.contains(&format!("`{}`", error["code"].as_str().unwrap())), "{codes} is described: {told}");
            assert!(!error["message"].as_str().unwrap().is_empty(), "an error without words: {told}");
        }
    }

    /// Asserts that what was sent is as it is described.
    #[track_caller]
    pub(crate) fn is_well_asked(&self, exchange: &Exchange) {
        let operation = self.operation(&exchange.method, &exchange.path).unwrap_or_else(|| panic!("not described: {exchange:?}"));
        let schema = &operation.says["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            assert!(exchange.body.is_empty() || exchange.body == b"{}", "{exchange:?}");
        } else if !exchange.body.is_empty() {
            self.fits(&format!("{} {} sent", operation.method, operation.path), schema, &exchange.body, &format!("{exchange:?}"));
        }
    }

    fn fits(&self, key: &str, schema: &Value, bytes: &[u8], told: &str) {
        let value: Value = serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {told}"));
        let mut validators = self.validators.lock().unwrap();
        let validator = validators.entry(key.to_owned()).or_insert_with(|| {
            let root = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "components": self.strict["components"], "allOf": [schema] });
            jsonschema::options().should_validate_formats(true).build(&root).unwrap_or_else(|error| panic!("{key}: {error}"))
        });
        let wrong: Vec<String> = validator.iter_errors(&value).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{wrong:#?}\n{told}");
    }
}

/// Has each object hold no other keys than those that are described.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            // Where parts are put together, the whole is closed and not its parts.
            let is_whole = map.get("properties").is_some_and(Value::is_object) && map.get("type").is_some_and(|kind| kind == "object");
            let parts = ["allOf", "anyOf", "oneOf"].iter().any(|key| map.contains_key(*key));
            for (key, value) in map.iter_mut() {
                if !(parts && is_whole && ["allOf", "anyOf", "oneOf"].contains(&key.as_str())) {
                    close(value);
                }
            }
            if is_whole {
                close_one(map);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}

fn close_one(map: &mut Map<String, Value>) {
    map.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
}
