//! Plain values: equality, numbers, emptiness, tags.

use serde_json::Value;

use crate::attributes::Found;

/// Whether two scalars mean the same: numbers and booleans also as text, ARNs in any partition.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    a == b || (!a.is_null() && !b.is_null() && text(a) == text(b))
}

fn text(value: &Value) -> String {
    let plain = match value {
        Value::String(s) => s.clone(),
        Value::Number(n) => n.as_f64().map_or_else(|| n.to_string(), |f| f.to_string()),
        other => other.to_string(),
    };
    match plain.strip_prefix("arn:").and_then(|rest| rest.split_once(':')) {
        Some(("aws-cn" | "aws-us-gov" | "aws-iso" | "aws-iso-b", rest)) => format!("arn:aws:{rest}"),
        _ => plain,
    }
}

/// A number, also as text.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.trim().parse().ok().filter(|n: &f64| n.is_finite()),
        _ => None,
    }
}

/// The numbers at a path; of a list its length.
pub(super) fn measured(found: &Found<'_>) -> impl Iterator<Item = f64> {
    let measure = |v: &&Value| match v {
        Value::Array(items) => u32::try_from(items.len()).ok().map(f64::from),
        one => number(one),
    };
    found.values.iter().filter_map(measure).collect::<Vec<_>>().into_iter()
}

/// Whether something is there: not null, false, `""`, `[]` or `{}`, at any depth.
pub(super) fn filled(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(s) => !s.is_empty(),
        Value::Array(items) => items.iter().any(filled),
        Value::Object(map) => map.values().any(filled),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// `TLSv1.2`, `TLS12` or `1.2` is at least another such version; text without a version is not.
pub(super) fn tls_at_least(value: &Value, least: &str) -> bool {
    let version = |text: &str| -> Option<u32> {
        let digits: String = text.chars().filter(char::is_ascii_digit).take(2).collect();
        let n: u32 = digits.parse().ok()?;
        Some(if digits.len() == 1 { n * 10 } else { n })
    };
    value.as_str().and_then(version).zip(version(least)).is_some_and(|(have, want)| have >= want)
}

/// The required tags that are not there or empty.
pub(super) fn lacking_tags(required: &[String], leaves: &[&Value]) -> Vec<String> {
    let has = |tag: &String| leaves.iter().any(|v| v.get(tag.as_str()).is_some_and(filled));
    required.iter().filter(|t| !has(t)).map(|t| format!("no tag `{t}`")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_mean_the_same_however_they_are_written() {
        let cases = [
            (json!(true), json!("true"), true),
            (json!(7), json!("7"), true),
            (json!(7.0), json!(7), true),
            (json!("arn:aws-cn:iam::aws:policy/A"), json!("arn:aws:iam::aws:policy/A"), true),
            (json!(null), json!("null"), false),
            (json!(false), json!(true), false),
            (json!("Enabled"), json!("enabled"), false),
        ];
        for (a, b, expect) in cases {
            assert_eq!(same(&a, &b), expect, "{a} {b}");
        }
    }

    #[test]
    fn tls_versions_order() {
        let cases = [("TLSv1.2", "1.2", true), ("TLSv1", "1.2", false), ("TLS13", "1.2", true), ("SSL", "1.2", false)];
        for (have, want, expect) in cases {
            assert_eq!(tls_at_least(&json!(have), want), expect, "{have} {want}");
        }
    }
}
