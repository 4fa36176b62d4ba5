//! Scalars: numbers and booleans written as text, times, ranges and windows in one spelling.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{address, policy};
use crate::catalogue::Scalar;
use crate::expr::scalar_text;
use crate::transform::number;

/// A scalar in canonical form; empty text is null.
pub(crate) fn scalar(kind: Scalar, raw: Value) -> Value {
    match kind {
        Scalar::Number => number(&raw),
        Scalar::Bool => boolean(&raw),
        Scalar::Json => json(raw),
        Scalar::Policy => policy::canonical(&raw),
        _ => match raw {
            Value::Array(a) if a.len() == 1 => a.into_iter().next().map_or(Value::Null, |v| scalar(kind, v)),
            Value::Array(_) | Value::Object(_) | Value::Null => Value::Null,
            other => text(kind, scalar_text(&other)),
        },
    }
}

fn text(kind: Scalar, text: String) -> Value {
    if text.is_empty() {
        return Value::Null;
    }
    match kind {
        Scalar::Caseless | Scalar::Window => text.to_lowercase().into(),
        Scalar::Ref => text.strip_suffix(":*").map_or_else(|| text.clone(), str::to_owned).into(),
        Scalar::Cidr => address::range(&text).into(),
        Scalar::Time => time(&text).into(),
        _ => text.into(),
    }
}

fn boolean(raw: &Value) -> Value {
    match raw {
        Value::Bool(_) => raw.clone(),
        Value::Number(n) => (n.as_f64() != Some(0.0)).into(),
        Value::String(s) => match s.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => true.into(),
            "false" | "0" | "no" | "off" => false.into(),
            _ => Value::Null,
        },
        _ => Value::Null,
    }
}

/// ISO 8601 in UTC, to the second; a bare date is its midnight. What can't be read stays as it is.
fn time(text: &str) -> String {
    let full = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let Ok(at) = OffsetDateTime::parse(&full, &Rfc3339) else { return text.to_owned() };
    let seconds = at.to_offset(time::UtcOffset::UTC).replace_nanosecond(0).unwrap_or(at);
    seconds.format(&Rfc3339).unwrap_or_else(|_| text.to_owned())
}

fn json(raw: Value) -> Value {
    match raw {
        Value::String(s) if s.trim().is_empty() => Value::Null,
        Value::String(s) => {
            let parsed = serde_json::from_str(&s);
            parsed.unwrap_or_else(|_| s.into())
        }
        other => other,
    }
}
