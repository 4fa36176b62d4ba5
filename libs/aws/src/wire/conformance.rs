//! The official protocol cases for AWS clients, read in place beside the checkout. All pass but those that botocore
//! leaves out. Of an error's answer, code and message are compared: this client gives no more of it.

use std::collections::BTreeSet;
use std::path::Path;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{answer, fault, request, text, validate};
use crate::error::Error;
use crate::model::{Index, Kind, Operation, Service, raw};

const PROTOCOLS: &[&str] = &["ec2", "json", "json_1_0", "json_1_0-query-compatible", "query", "rest-json", "rest-xml"];

struct Case {
    protocol: String,
    suite: String,
    id: String,
    service: &'static Service,
    operation: &'static Operation,
    case: Value,
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("the file is there")).expect("it is JSON")
}

/// A suite as the models' own reader takes it, which keeps the members' order.
#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
struct Suite {
    metadata: raw::Metadata,
    #[serde(default)]
    shapes: raw::Entries<raw::Part>,
    cases: Vec<Given>,
}

#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
struct Given {
    given: raw::Part,
}

fn cases(folder: &Path, direction: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for protocol in PROTOCOLS {
        let text = std::fs::read_to_string(folder.join(direction).join(format!("{protocol}.json"))).expect("a file");
        let values: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        let suites: Vec<Suite> = serde_json::from_str(text.leak()).expect("suites");
        for (suite, value) in suites.into_iter().zip(values) {
            for (given, case) in suite.cases.into_iter().zip(value["cases"].as_array().expect("a list")) {
                let name: &'static str = case["given"]["name"].as_str().expect("a name").to_owned().leak();
                let model = raw::Model {
                    metadata: suite.metadata.clone(),
                    operations: raw::Entries(vec![(name, given.given)]),
                    shapes: suite.shapes.clone(),
                    pagination: raw::Entries::default(),
                    endpoints: raw::Entries::default(),
                    offered: raw::Entries::default(),
                };
                let service: &'static Service = Box::leak(Box::new(Service::build("test", model).expect("a model")));
                cases.push(Case {
                    protocol: (*protocol).to_owned(),
                    suite: value["description"].as_str().unwrap_or_default().to_owned(),
                    id: case["id"].as_str().expect("an id").to_owned(),
                    service,
                    operation: service.operation(name).expect("the operation"),
                    case: case.clone(),
                });
            }
        }
    }
    cases
}

/// The ids that botocore leaves out, as `direction/protocol/id`, and the suites, as `direction//description`.
fn ignored(folder: &Path) -> BTreeSet<String> {
    let list = read(&folder.join("ignore-list.json"));
    let mut ignored = BTreeSet::new();
    for direction in ["input", "output"] {
        for suite in list["general"][direction]["suites"].as_array().into_iter().flatten() {
            ignored.insert(format!("{direction}//{}", suite.as_str().expect("text")));
        }
        for (protocol, lists) in list["protocols"].as_object().expect("an object") {
            for case in lists[direction]["cases"].as_array().into_iter().flatten() {
                ignored.insert(format!("{direction}/{protocol}/{}", case.as_str().expect("text")));
            }
        }
    }
    ignored
}

fn run(direction: &str, check: impl Fn(&Case) -> Result<(), String>) {
    let Some(folder) = driftline_dev::shared("aws-protocol-tests") else { return };
    let ignored = ignored(&folder);
    let (mut passed, mut also, mut left_out, mut failed) = (0, 0, 0, Vec::new());
    for case in cases(&folder, direction) {
        let out = ignored.contains(&format!("{direction}/{}/{}", case.protocol, case.id))
            || ignored.contains(&format!("{direction}//{}", case.suite));
        match check(&case) {
            Ok(()) if out => also += 1,
            Err(_) if out => left_out += 1,
            Ok(()) => passed += 1,
            Err(reason) => failed.push(format!("{}/{}: {reason}", case.protocol, case.id)),
        }
    }
    println!(
        "{direction}: {passed} and {also} of those left out by botocore pass, {left_out} don't, {} fail",
        failed.len()
    );
    assert!(failed.is_empty(), "{} cases fail:\n{}", failed.len(), failed.join("\n"));
}

/// The cases write bytes as text and moments as seconds.
fn parameters(service: &Service, index: Option<Index>, value: &Value) -> Value {
    let Some(index) = index else { return value.clone() };
    let shape = service.shape(index);
    match (shape.kind, value) {
        (Kind::Structure, Value::Object(map)) => Value::Object(
            map.iter().map(|(k, v)| (k.clone(), parameters(service, shape.member(k).map(|m| m.target), v))).collect(),
        ),
        (Kind::Map, Value::Object(map)) => {
            let element = shape.element().map(|m| m.target);
            Value::Object(map.iter().map(|(k, v)| (k.clone(), parameters(service, element, v))).collect())
        }
        (Kind::List, Value::Array(items)) => {
            let element = shape.element().map(|m| m.target);
            Value::Array(items.iter().map(|v| parameters(service, element, v)).collect())
        }
        (Kind::Blob, Value::String(text)) => Value::from(STANDARD.encode(text)),
        (Kind::Timestamp, value) => {
            text::timestamp_parameter(value).and_then(text::iso8601).map_or(value.clone(), Value::from)
        }
        (Kind::Float | Kind::Double, Value::Number(n)) => text::float(n.as_f64().unwrap_or_default()),
        (_, value) => value.clone(),
    }
}

#[test]
fn official_requests() {
    run("input", |case| {
        let params = parameters(case.service, case.operation.input, &case.case["params"]);
        let token = || "00000000-0000-4000-8000-000000000000".to_owned();
        let params =
            validate::parameters(case.service, case.operation, &params, 64, &token).map_err(|e| e.to_string())?;
        let request = request::build(case.service, case.operation, &params).map_err(|e| e.to_string())?;
        let wanted = &case.case["serialized"];
        same("method", request.method(), wanted["method"].as_str().unwrap_or_default())?;
        same("uri", &sorted_query(request.uri()), &sorted_query(wanted["uri"].as_str().unwrap_or_default()))?;
        if let Some(host) = wanted["host"].as_str() {
            let prefix = request::host_prefix(case.operation, &params).unwrap_or_default();
            same("host", &format!("{prefix}example.com"), host)?;
        }
        for (name, value) in wanted["headers"].as_object().into_iter().flatten() {
            let have = request.headers().get(name).unwrap_or("(absent)");
            same(name, have, value.as_str().unwrap_or_default())?;
        }
        for name in wanted["requireHeaders"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if request.headers().get(name).is_none() {
                return Err(format!("the header {name} is missing"));
            }
        }
        for name in wanted["forbidHeaders"].as_array().into_iter().flatten() {
            if let Some(value) = request.headers().get(name.as_str().unwrap_or_default()) {
                return Err(format!("the header {name} is there: {value}"));
            }
        }
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        wanted["body"].as_str().map_or(Ok(()), |wanted| same_body(case, &body, wanted))
    });
}

fn same(what: &str, have: &str, wanted: &str) -> Result<(), String> {
    if have == wanted { Ok(()) } else { Err(format!("{what} is\n    {have}\n  not\n    {wanted}")) }
}

fn sorted_query(uri: &str) -> String {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let mut pairs: Vec<&str> = query.split('&').map(|p| p.strip_suffix('=').unwrap_or(p)).collect();
    pairs.sort_unstable();
    format!("{path}?{}", pairs.join("&"))
}

fn same_body(case: &Case, have: &str, wanted: &str) -> Result<(), String> {
    match case.protocol.as_str() {
        "query" | "ec2" => {
            let split = |text: &str| -> BTreeSet<String> {
                text.split('&').map(|pair| pair.trim().replace('+', "%20")).collect()
            };
            let (have, wanted) = (split(have), split(wanted));
            if have == wanted { Ok(()) } else { Err(format!("body is\n    {have:?}\n  not\n    {wanted:?}")) }
        }
        "rest-xml" => {
            let (have, wanted) = (compact(have), compact(wanted));
            // The entries of a map have no order.
            let a_map = case.service.shapes().any(|shape| shape.kind == Kind::Map);
            if a_map && sorted(&mut have.as_str()) == sorted(&mut wanted.as_str()) {
                return Ok(());
            }
            same("body", &have, &wanted)
        }
        _ => match (serde_json::from_str::<Value>(have), serde_json::from_str::<Value>(wanted)) {
            (Ok(have), Ok(wanted)) => same("body", &loose(&have).to_string(), &loose(&wanted).to_string()),
            _ => same("body", have, wanted),
        },
    }
}

/// 1 and 1.0 are one number in JSON, and the sixteenth digit is this test's reader's own.
fn loose(value: &Value) -> Value {
    match value {
        Value::Number(n) => n.as_f64().map_or(value.clone(), |n| Value::from(format!("{n:.14e}"))),
        Value::Array(items) => Value::Array(items.iter().map(loose).collect()),
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), loose(v))).collect()),
        other => other.clone(),
    }
}

/// Without the blanks between elements.
fn compact(xml: &str) -> String {
    let parts: Vec<&str> = xml.trim().split('>').collect();
    parts
        .iter()
        .map(|part| if part.trim_start().starts_with('<') { part.trim_start() } else { part })
        .collect::<Vec<_>>()
        .join(">")
}

/// An element's text with what is in it sorted, at every level.
fn sorted(rest: &mut &str) -> String {
    let mut parts = Vec::new();
    while !rest.is_empty() && !rest.starts_with("</") {
        let Some(tag) = rest.strip_prefix('<') else {
            let end = rest.find('<').unwrap_or(rest.len());
            parts.push(rest[..end].to_owned());
            *rest = &rest[end..];
            continue;
        };
        let (open, inside) = tag.split_once('>').expect("a tag ends");
        *rest = inside;
        let content = if open.ends_with('/') { String::new() } else { sorted(rest) };
        if !open.ends_with('/') {
            *rest = rest.split_once('>').expect("a tag ends").1;
        }
        parts.push(format!("<{open}>{content}</>"));
    }
    parts.sort_unstable();
    parts.concat()
}

fn body(case: &Case) -> &str {
    case.case["response"]["body"].as_str().unwrap_or_default()
}

fn response(case: &Case, body: &[u8]) -> HttpResponse {
    let given = &case.case["response"];
    let mut builder = http::Response::builder().status(given["status_code"].as_u64().unwrap_or(200) as u16);
    for (name, value) in given["headers"].as_object().into_iter().flatten() {
        builder = builder.header(name, value.as_str().unwrap_or_default());
    }
    builder.body(SdkBody::from(body.to_vec())).expect("a response").try_into().expect("text")
}

#[test]
fn official_answers() {
    run("output", |case| {
        let response = response(case, body(case).as_bytes());
        if let Some(code) = case.case["errorCode"].as_str() {
            let Error::Service { code: have, message, .. } = fault::parse(case.service, &response) else {
                return Err("no service error".to_owned());
            };
            same("code", &have, code)?;
            return case.case["errorMessage"].as_str().map_or(Ok(()), |wanted| same("message", &message, wanted));
        }
        let have = answer::parse(case.service, case.operation, &response, 64).map_err(|e| e.to_string())?;
        let wanted = parameters(case.service, case.operation.output, &case.case["result"]);
        let wanted = if wanted.is_null() { Value::Object(Map::new()) } else { wanted };
        same("value", &loose(&have).to_string(), &loose(&wanted).to_string())
    });
}

/// The official answers and those of the services themselves, cut at every byte: an error, or the whole value where
/// only blanks were lost. (A body that is one blob has no end of its own; there HTTP's framing counts.)
#[test]
fn cut_answers_are_errors() {
    let Some(folder) = driftline_dev::shared("aws-protocol-tests") else { return };
    let (mut cuts, mut silent) = (0, Vec::new());
    for case in cases(&folder, "output") {
        let raw = |index: Index| {
            let shape = case.service.shape(index);
            shape
                .payload()
                .is_some_and(|m| !matches!(case.service.shape(m.target).kind, Kind::Structure | Kind::Document))
        };
        if case.case["errorCode"].is_string() || case.operation.output.is_none_or(raw) {
            continue;
        }
        let whole = body(&case);
        let Ok(value) = answer::parse(case.service, case.operation, &response(&case, whole.as_bytes()), 64) else {
            continue;
        };
        for end in 0..whole.len() {
            cuts += 1;
            let cut = response(&case, &whole.as_bytes()[..end]);
            match answer::parse(case.service, case.operation, &cut, 64) {
                Ok(found) if found != value => silent.push(format!("{} at {end}: {found}", case.id)),
                _ => {}
            }
        }
    }
    println!("{cuts} cuts");
    assert!(silent.is_empty(), "{} cut answers pass for whole:\n{}", silent.len(), silent.join("\n"));
}
