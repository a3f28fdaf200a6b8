//! The description of the control socket: OpenAPI 3.1, made from the routes and the types of their bodies and answers.
//!
//! What is sent and what is answered are described apart where they differ: in requests unknown keys are errors and what has a
//! default may be left out; answers may grow keys, and readers pass over those that they do not know.

use crate::ApiError;
use crate::route::{self, Answer, Route};
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The version of what is spoken on the socket, and of the JSON that `c2bctl --json` prints. The second number grows with each
/// addition; the first with a change that a program written for the old one would stumble over, and then the paths begin with another `/vN`.
pub const VERSION: &str = "1.0";

/// Where descriptions of types are.
const SCHEMAS: &str = "#/components/schemas/";

/// Where descriptions of errors are.
const RESPONSES: &str = "#/components/responses/";

/// The media type of one JSON value a line.
const LINES: &str = "application/x-ndjson";

const ABOUT: &str = "\
What c2bd speaks on its Unix socket: HTTP/1.1 with JSON. The caller is who the kernel says it is, and has a role: \
viewer, operator, restorer or admin, each with all that those before it may do. Bodies are at most 1 MiB. Times are RFC 3339 in UTC, \
sizes are bytes, durations whose name ends in `secs` are seconds. Answers of the type application/x-ndjson are streams of one JSON value \
a line, sent as they come. An answer that is not 2xx holds an ApiError. Readers pass over keys and words of lists that they do not know.";

/// Returns the description.
pub fn document() -> Value {
    let (mut sent, mut told) = (generator(Side::Sent), generator(Side::Told));
    let error = route::of::<ApiError>(&mut told);
    let mut errors = Map::new();
    let mut operations: Vec<(&Route, Value)> = Vec::new();
    for route in route::all() {
        let operation = operation(route, &mut sent, &mut told, &mut errors);
        operations.push((route, operation));
    }
    for response in errors.values_mut() {
        response["content"]["application/json"]["schema"] = error.as_value().clone();
    }
    let (sent, told) = (sent.take_definitions(true), told.take_definitions(true));
    let (schemas, renamed) = together(sent, told);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for (route, mut operation) in operations {
        for key in ["requestBody", "parameters"] {
            if let Some(sent) = operation.get_mut(key) {
                rename(sent, &renamed);
            }
        }
        paths.entry(route.path).or_default().insert(route.verb.word().to_lowercase(), operation);
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": "c2bd", "version": VERSION, "description": ABOUT },
        "servers": [{ "url": "http://localhost", "description": "by way of the Unix socket /run/c2b/c2bd.sock" }],
        "tags": tags(),
        "paths": paths,
        "components": { "responses": errors, "schemas": schemas },
    });
    drop_unused(&mut document);
    document
}

/// Takes out what only a query was described with: its keys are parameters.
fn drop_unused(document: &mut Value) {
    let used: BTreeSet<String> = references(document).into_iter().collect();
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, _| used.contains(name));
    }
}

/// Returns a route's name in the description: its method and what its path says.
pub fn operation_id(route: &Route) -> String {
    let words = route.path.split(['/', '.']).filter(|word| !word.is_empty() && *word != "v1" && *word != "json" && *word != "{name}");
    let mut words: Vec<&str> = words.collect();
    if route.has_name() && words.len() == 1 {
        words.push("one");
    }
    format!("{}-{}", route.verb.word().to_lowercase(), words.join("-"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Sent,
    Told,
}

fn generator(side: Side) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let settings = settings.with_transform(Plain);
    match side {
        Side::Sent => settings.for_deserialize(),
        Side::Told => settings.for_serialize().with_transform(Growing),
    }
    .into_generator()
}

/// Takes the links of Rust's documentation out of descriptions.
#[derive(Clone)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = text.replace("[`", "`").replace("`]", "`").split("\n\n").map(|part| part.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
        }
        transform_subschemas(self, schema);
    }
}

/// Lets what is told grow.
#[derive(Clone)]
struct Growing;

impl Transform for Growing {
    fn transform(&mut self, schema: &mut Schema) {
        for key in ["additionalProperties", "unevaluatedProperties"] {
            if schema.get(key) == Some(&Value::Bool(false)) {
                schema.remove(key);
            }
        }
        transform_subschemas(self, schema);
    }
}

fn operation(route: &Route, sent: &mut SchemaGenerator, told: &mut SchemaGenerator, errors: &mut Map<String, Value>) -> Value {
    let mut parameters = Vec::new();
    if route.has_name() {
        let of = route.noun().trim_end_matches('s');
        parameters.push(json!({ "name": "name", "in": "path", "required": true, "description": format!("The {of}'s name"), "schema": { "type": "string" } }));
    }
    if let Some(query) = route.query {
        parameters.extend(query_parameters(&query(sent), sent));
    }
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "description": about(route),
        "tags": [tag(route)],
        "responses": responses(route, told, errors),
        "x-c2b-role": route.role.word(),
    });
    let Some(object) = operation.as_object_mut() else { return operation };
    if !parameters.is_empty() {
        object.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(body) = route.body {
        // No body means no wishes: `{}`.
        let schema = body(sent);
        let required = needs_something(&schema, sent);
        object.insert("requestBody".to_owned(), json!({ "required": required, "content": { "application/json": { "schema": schema } } }));
    }
    operation
}

fn about(route: &Route) -> String {
    let mut sentences = vec![format!("Needs the role {}.", route.role.word())];
    if let Some(action) = route.action {
        sentences.push(format!("Recorded in the audit log as `{action}`."));
    }
    if route.asks_password {
        sentences.push("Where the connection has a password, others than its owner must have given it.".to_owned());
    }
    if matches!(route.answer, Answer::Lines(_)) {
        sentences.push("A stream: one JSON value a line, until it is over.".to_owned());
    }
    sentences.join(" ")
}

fn responses(route: &Route, told: &mut SchemaGenerator, errors: &mut Map<String, Value>) -> Value {
    let mut responses = Map::new();
    let content = match route.answer {
        Answer::Json(of) => json!({ "application/json": { "schema": of(told) } }),
        Answer::Lines(of) => json!({ LINES: { "schema": of(told) } }),
        Answer::Metrics => json!({ "text/plain": { "schema": { "type": "string" } } }),
        Answer::OpenApi => json!({ "application/json": { "schema": { "type": "object" } } }),
    };
    let description = if matches!(route.answer, Answer::Lines(_)) { "A stream of these, one a line" } else { "Done" };
    responses.insert("200".to_owned(), json!({ "description": description, "content": content }));
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for code in route.errors() {
        by_status.entry(code.http_status()).or_default().push(code.word());
    }
    for (status, codes) in by_status {
        // The same under many routes, so it is said once.
        let name = format!("{status}-{}", codes.join("-"));
        responses.insert(status.to_string(), json!({ "$ref": format!("{RESPONSES}{name}") }));
        let description = codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(" or ");
        errors.insert(name, json!({ "description": format!("code {description}"), "content": { "application/json": {} } }));
    }
    responses.into()
}

/// Describes each key that may stand behind the `?`.
fn query_parameters(query: &Schema, sent: &SchemaGenerator) -> Vec<Value> {
    let of = resolved(query, sent);
    let properties = of.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema })
    };
    properties.into_iter().map(parameter).collect()
}

fn needs_something(schema: &Schema, sent: &SchemaGenerator) -> bool {
    let of = resolved(schema, sent);
    of.get("required").and_then(Value::as_array).is_some_and(|keys| !keys.is_empty())
}

/// Follows a reference to a description.
fn resolved(schema: &Schema, generator: &SchemaGenerator) -> Value {
    let named = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix(SCHEMAS));
    named.and_then(|name| generator.definitions().get(name)).unwrap_or_else(|| schema.as_value()).clone()
}

/// Puts what is sent and what is told beside each other; what differs under one name gets another where it is sent.
fn together(sent: Map<String, Value>, told: Map<String, Value>) -> (Map<String, Value>, BTreeSet<String>) {
    let mut renamed: BTreeSet<String> =
        sent.iter().filter(|(name, schema)| told.get(*name).is_some_and(|told| told != *schema)).map(|(name, _)| name.clone()).collect();
    // What refers to such a one differs, too.
    loop {
        let refers = |schema: &Value| references(schema).iter().any(|name| renamed.contains(name));
        let more: Vec<String> =
            sent.iter().filter(|(name, schema)| !renamed.contains(*name) && told.contains_key(*name) && refers(schema)).map(|(name, _)| name.clone()).collect();
        if more.is_empty() {
            break;
        }
        renamed.extend(more);
    }
    let mut all = told;
    for (name, mut schema) in sent {
        rename(&mut schema, &renamed);
        let name = if renamed.contains(&name) { sent_name(&name) } else { name };
        all.insert(name, schema);
    }
    all.sort_keys();
    (all, renamed)
}

fn sent_name(name: &str) -> String {
    format!("{name}Sent")
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => {
            let own = map.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix(SCHEMAS)).map(str::to_owned);
            own.into_iter().chain(map.values().flat_map(references)).collect()
        }
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn rename(value: &mut Value, renamed: &BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get_mut("$ref")
                && let Some(name) = reference.strip_prefix(SCHEMAS).filter(|name| renamed.contains(*name))
            {
                *reference = format!("{SCHEMAS}{}", sent_name(name));
            }
            map.values_mut().for_each(|value| rename(value, renamed));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, renamed)),
        _ => {}
    }
}

fn tag(route: &Route) -> &'static str {
    match route.noun() {
        "connections" => "connections",
        "storages" => "storages",
        "jobs" | "apply" => "jobs",
        "alerts" => "alerts",
        _ => "daemon",
    }
}

fn tags() -> Value {
    json!([
        { "name": "daemon", "description": "The daemon itself, and who does what with it" },
        { "name": "alerts", "description": "What is wrong, and who is told" },
        { "name": "connections", "description": "Where mail comes from" },
        { "name": "storages", "description": "Where backups are kept" },
        { "name": "jobs", "description": "What is backed up, from where to where, and how it goes" },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere_and_every_name_is_used_once() {
        let document = document();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in references(&document) {
            assert!(schemas.contains_key(&name), "{name} is not described");
        }
        let used: BTreeSet<String> = references(&document).into_iter().collect();
        for name in schemas.keys() {
            assert!(used.contains(name), "{name} is described and not used");
        }
        let ids: BTreeSet<String> = route::all().map(operation_id).collect();
        assert_eq!(ids.len(), route::all().count());
        let operations: usize = document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(operations, route::all().count());
    }

    #[test]
    fn what_is_sent_is_strict_and_what_is_told_can_grow() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["JobEdit"]["additionalProperties"], false);
        assert!(schemas["JobStatus"].get("additionalProperties").is_none());
        assert!(!document["paths"]["/v1/jobs/{name}/start"]["post"]["requestBody"]["required"].as_bool().unwrap());
        assert!(document["paths"]["/v1/jobs"]["post"]["requestBody"]["required"].as_bool().unwrap());
    }
}
