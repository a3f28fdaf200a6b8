//! Bodies of requests, made from their descriptions: good ones, good ones with something wrong, and nonsense.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Makes bodies for one daemon.
pub(super) struct Maker {
    schemas: Value,
    /// Where files may appear.
    dir: PathBuf,
}

impl Maker {
    /// Takes the description of a daemon whose folder is `dir`.
    pub(super) fn new(document: &Value, dir: PathBuf) -> Self {
        Self { schemas: document["components"]["schemas"].clone(), dir }
    }

    /// Makes a body for a description; the same for the same seed.
    pub(super) fn body(&self, schema: &Value, seed: u64) -> Vec<u8> {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        match dice.random_range(0..10) {
            0 => (0..dice.random_range(0..200)).map(|_| dice.random()).collect(),
            1 => nonsense(&mut dice, 4).to_string().into_bytes(),
            2 => deep(&mut dice),
            3 => {
                // Cut, or with a byte that is another.
                let mut bytes = self.value(schema, &mut dice, 6).to_string().into_bytes();
                let at = dice.random_range(0..bytes.len());
                if dice.random() {
                    bytes.truncate(at);
                } else {
                    bytes[at] = dice.random();
                }
                bytes
            }
            4..=7 => {
                let mut value = self.value(schema, &mut dice, 6);
                for _ in 0..dice.random_range(1..3) {
                    spoil(&mut value, &mut dice);
                }
                value.to_string().into_bytes()
            }
            _ => self.value(schema, &mut dice, 6).to_string().into_bytes(),
        }
    }

    /// Makes a value as it is described.
    fn value(&self, schema: &Value, dice: &mut ChaCha8Rng, depth: u32) -> Value {
        if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
            return self.value(&self.schemas[name], dice, depth);
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        for key in ["enum", "examples"] {
            if let Some(choice) = schema[key].as_array().and_then(|choices| choices.choose(dice)) {
                return choice.clone();
            }
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(choice) = schema[key].as_array().and_then(|choices| choices.choose(dice)) {
                return self.value(choice, dice, depth);
            }
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.choose(dice).cloned().unwrap_or_default(),
            kind => kind.clone(),
        };
        match kind.as_str().unwrap_or("null") {
            "object" => self.object(schema, dice, depth),
            "array" if depth > 0 => (0..dice.random_range(0..3)).map(|_| self.value(&schema["items"], dice, depth - 1)).collect(),
            "array" => json!([]),
            "string" => Value::String(self.text(schema, dice)),
            "integer" => json!(dice.random_range(0..40)),
            "number" => json!(dice.random::<f64>()),
            "boolean" => json!(dice.random::<bool>()),
            _ => Value::Null,
        }
    }

    fn object(&self, schema: &Value, dice: &mut ChaCha8Rng, depth: u32) -> Value {
        let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let mut object = Map::new();
        for (key, of) in &properties {
            if required.contains(&key.as_str()) || (depth > 0 && dice.random_ratio(1, 3)) {
                object.insert(key.clone(), self.value(of, dice, depth.saturating_sub(1)));
            }
        }
        Value::Object(object)
    }

    /// Makes a text that harms nothing wherever a path is taken: the folder of the test, or where nothing can be made.
    fn text(&self, schema: &Value, dice: &mut ChaCha8Rng) -> String {
        match schema["format"].as_str() {
            Some("date-time") => return "2026-11-21T22:00:00Z".to_owned(),
            Some("date") => return "2026-11-21".to_owned(),
            _ => {}
        }
        let ours = self.dir.join("made").join(dice.random_range(0..9).to_string()).display().to_string();
        let words = ["lab", "main", "all", "nightly", "anna@example.org", "", "/proc/none", "/dev/null/x", "relative/path", "https://127.0.0.1:1/x", &ours];
        if dice.random_ratio(1, 3) { nasty(dice) } else { (*words.choose(dice).unwrap()).to_owned() }
    }
}

/// A text that a program might stumble over. None is an absolute path at which something could be made.
fn nasty(dice: &mut ChaCha8Rng) -> String {
    let long = "x".repeat(dice.random_range(200..5000));
    let texts = [
        "..",
        "../../../etc/passwd",
        "a\0b",
        "\u{1b}[2J\u{1b}]0;x\u{7}",
        "\u{202e}gpj.exe",
        "a\r\nb: c",
        "%2e%2e%2f",
        "'; DROP TABLE x; --",
        "{name}",
        "\u{feff}",
        "🙂🙂",
        "-x",
        " ",
        "99999999999999999999",
        "NaN",
        "/dev/null/\0",
        "a@b@c",
        "@",
        "\u{fffd}",
        "$(reboot)",
        &long,
    ];
    (*texts.choose(dice).unwrap()).to_owned()
}

/// Puts something wrong somewhere into a value.
fn spoil(value: &mut Value, dice: &mut ChaCha8Rng) {
    if dice.random_ratio(1, 3) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                let key = map.keys().nth(dice.random_range(0..map.len())).unwrap().clone();
                return spoil(map.get_mut(&key).unwrap(), dice);
            }
            Value::Array(values) if !values.is_empty() => {
                let at = dice.random_range(0..values.len());
                return spoil(&mut values[at], dice);
            }
            _ => {}
        }
    }
    match value {
        Value::Object(map) => match dice.random_range(0..3) {
            0 => drop(map.insert(nasty(dice), nonsense(dice, 2))),
            1 if !map.is_empty() => {
                let key = map.keys().nth(dice.random_range(0..map.len())).unwrap().clone();
                map.remove(&key);
            }
            _ if !map.is_empty() => {
                let key = map.keys().nth(dice.random_range(0..map.len())).unwrap().clone();
                map.insert(key, nonsense(dice, 2));
            }
            _ => *value = nonsense(dice, 2),
        },
        other => *other = nonsense(dice, 2),
    }
}

fn nonsense(dice: &mut ChaCha8Rng, depth: u32) -> Value {
    match dice.random_range(0..if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => json!(dice.random::<bool>()),
        2 => json!(dice.random::<i64>()),
        3 => json!(u64::MAX),
        4 => json!(dice.random_range(-1e300..1e300)),
        5 => Value::String(nasty(dice)),
        6 => (0..dice.random_range(0..4)).map(|_| nonsense(dice, depth - 1)).collect(),
        _ => Value::Object((0..dice.random_range(0..4)).map(|_| (nasty(dice), nonsense(dice, depth - 1))).collect()),
    }
}

/// Nested far deeper than anybody means it, or numbers that no type holds.
fn deep(dice: &mut ChaCha8Rng) -> Vec<u8> {
    let levels = dice.random_range(100..50_000);
    match dice.random_range(0..3) {
        0 => [vec![b'['; levels], vec![b']'; levels]].concat(),
        1 => "{\"name\":".repeat(levels).into_bytes(),
        _ => format!("{{\"name\":1e{levels},\"n\":{}}}", "9".repeat(levels)).into_bytes(),
    }
}
