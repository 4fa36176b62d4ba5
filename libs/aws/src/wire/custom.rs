//! What single services do differently from their models, as botocore's handlers and AWS's documentation know it.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::model::{Index, Kind, Operation, Service, Shape};

/// Whether the document's root is no wrapper but the value itself.
pub(super) fn root_is_value(service: &Service, operation: &Operation) -> bool {
    (service.name(), operation.name) == ("s3", "GetBucketLocation")
}

/// Parameters as the service wants them: Route 53 names its own ids with a path before them.
pub(crate) fn parameters(service: &Service, operation: &Operation, params: &mut Map<String, Value>) {
    if service.name() == "s3" && operation.name.starts_with("ListObject") && !params.contains_key("EncodingType") {
        params.insert("EncodingType".to_owned(), Value::from("url"));
    }
    let Some(input) = operation.input else { return };
    for member in &service.shape(input).members {
        if service.shape(member.target).path_id
            && let Some(Value::String(id)) = params.get_mut(member.name)
            && let Some((_, last)) = id.rsplit_once('/')
        {
            *id = last.to_owned();
        }
    }
}

/// Whether [`parameters`] may change anything.
pub(crate) fn has_parameters(service: &Service) -> bool {
    matches!(service.name(), "s3" | "route53")
}

/// Headers that a service needs beyond its model.
pub(crate) fn headers(service: &Service, request: &mut HttpRequest) {
    if service.name() == "apigateway" && request.headers().get("accept").is_none() {
        // The default is a hypermedia form with other names.
        request.headers_mut().insert("accept", "application/json");
    }
}

/// Makes an answer what the AWS CLI prints: IAM's policies as objects, S3's keys decoded, an absent location absent.
pub(super) fn amend(service: &Service, operation: &Operation, shape: &Shape, map: &mut Map<String, Value>) {
    match (service.name(), operation.name) {
        ("iam", _) => policies(service, shape, map),
        ("cloudformation", "GetTemplate") => {
            if let Some(Value::String(body)) = map.get("TemplateBody")
                && let Ok(template @ Value::Object(_)) = serde_json::from_str(body)
            {
                map.insert("TemplateBody".to_owned(), template);
            }
        }
        ("s3", "GetBucketLocation") if map.get("LocationConstraint").is_some_and(|l| l == "") => {
            map.remove("LocationConstraint");
        }
        ("s3", name) if name.starts_with("ListObject") && map.get("EncodingType").is_some_and(|t| t == "url") => {
            map.remove("EncodingType");
            decode_keys(map);
        }
        _ => {}
    }
}

fn policies(service: &Service, shape: &Shape, map: &mut Map<String, Value>) {
    for member in &shape.members {
        if let Some(value) = map.get_mut(member.name) {
            policies_in(service, member.target, value);
        }
    }
}

fn policies_in(service: &Service, index: Index, value: &mut Value) {
    let shape = service.shape(index);
    match (shape.kind, value) {
        (Kind::Structure, Value::Object(map)) => policies(service, shape, map),
        (Kind::List, Value::Array(items)) => {
            if let Some(element) = shape.element() {
                items.iter_mut().for_each(|item| policies_in(service, element.target, item));
            }
        }
        (Kind::String, value) if shape.policy_document => {
            let Value::String(text) = value else { return };
            let decoded = percent_decode_str(text).decode_utf8_lossy().into_owned();
            *value = serde_json::from_str(&decoded).unwrap_or(Value::String(decoded));
        }
        _ => {}
    }
}

const KEYS: &[&str] = &["Delimiter", "Marker", "NextMarker", "Prefix", "StartAfter", "KeyMarker", "NextKeyMarker"];

fn decode_keys(map: &mut Map<String, Value>) {
    for (name, value) in map.iter_mut() {
        match (name.as_str(), value) {
            (name, Value::String(text)) if KEYS.contains(&name) => decode(text),
            ("Contents" | "Versions" | "DeleteMarkers", Value::Array(items)) => decode_in(items, "Key"),
            ("CommonPrefixes", Value::Array(items)) => decode_in(items, "Prefix"),
            _ => {}
        }
    }
}

fn decode_in(items: &mut [Value], name: &str) {
    for item in items {
        if let Some(Value::String(text)) = item.get_mut(name) {
            decode(text);
        }
    }
}

/// As in a form: `+` is a space.
fn decode(text: &mut String) {
    *text = percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
}
