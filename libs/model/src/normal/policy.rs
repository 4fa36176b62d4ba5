//! IAM policy documents by meaning: two documents with the same canonical form allow and deny the same.
//!
//! A statement is a product of principals, actions and resources under conditions; the canonical form is the set of all
//! these triples, grouped anew, so that neither order nor how they are split over statements matters. What has no effect
//! on evaluation (`Sid`, `Id`, white space, case of actions and condition keys) is dropped.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>

mod conditions;
mod statements;

use serde_json::{Map, Value, json};

/// Largest document that is looked into; AWS's largest kind has 20 KB, S3's too.
const MAX_DOCUMENT: usize = 1 << 18;

/// The canonical form; null if nothing is said, the text itself if it is no policy.
pub fn canonical(document: &Value) -> Value {
    let parsed = match document {
        Value::String(text) => match parse(text) {
            Some(v) => v,
            None if text.trim().is_empty() => return Value::Null,
            None => return document.clone(),
        },
        other => other.clone(),
    };
    let Value::Object(policy) = parsed else { return document.clone() };
    let list = match policy.get("Statement") {
        Some(Value::Array(a)) => a.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    };
    let statements = statements::canonical(&list);
    if statements.is_empty() {
        return Value::Null;
    }
    // without a version AWS reads 2008-10-17, which knows no policy variables
    let version = policy.get("Version").and_then(Value::as_str).unwrap_or("2008-10-17");
    json!({ "Version": version, "Statement": statements })
}

fn parse(text: &str) -> Option<Value> {
    let text = text.trim();
    if text.len() > MAX_DOCUMENT {
        return None;
    }
    if text.starts_with('%') {
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
        return serde_json::from_str(&decoded).ok();
    }
    serde_json::from_str(text).ok()
}

/// A value or a list of them as texts, sorted and without repetitions.
fn texts(value: &Value) -> Vec<String> {
    let mut out = match value {
        Value::Array(a) => a.iter().map(crate::expr::scalar_text).collect(),
        Value::Null => Vec::new(),
        one => vec![crate::expr::scalar_text(one)],
    };
    out.sort();
    out.dedup();
    out
}

/// A list as AWS writes it: one value alone stands without brackets.
fn written(mut list: Vec<String>) -> Value {
    if list.len() == 1 { list.remove(0).into() } else { list.into() }
}

fn object(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(entries.into_iter().collect::<Map<_, _>>())
}
