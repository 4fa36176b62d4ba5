//! Condition blocks: operators and keys without regard to case, values as sets, each in the spelling of its operator.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{object, texts};
use crate::catalogue::Scalar;
use crate::normal::{address, scalar};

/// The canonical form; null if there is none.
pub(super) fn canonical(block: &Value) -> Value {
    let Some(operators) = block.as_object() else { return Value::Null };
    let mut out: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (operator, keys) in operators {
        let operator = spelled(operator);
        for (key, values) in keys.as_object().into_iter().flatten() {
            // of one key twice under one operator AWS takes all values
            let set = out.entry(operator.clone()).or_default().entry(key.to_ascii_lowercase()).or_default();
            set.extend(texts(values).into_iter().map(|v| value(&operator, v)));
        }
    }
    if out.is_empty() {
        return Value::Null;
    }
    object(out.into_iter().map(|(operator, keys)| {
        (operator, object(keys.into_iter().map(|(k, v)| (k, super::written(v.into_iter().collect())))))
    }))
}

/// Operators in one case; `ArnEquals` and `ArnLike` are the same.
fn spelled(operator: &str) -> String {
    let lower = operator.to_ascii_lowercase();
    lower.replace("arnnotequals", "arnnotlike").replace("arnequals", "arnlike")
}

fn value(operator: &str, text: String) -> String {
    let kind = operator.rsplit(':').next().unwrap_or(operator).trim_end_matches("ifexists");
    let as_text = |kind| {
        let value = scalar(kind, text.as_str().into());
        if value.is_null() { text.clone() } else { crate::expr::scalar_text(&value) }
    };
    match kind {
        "bool" | "null" => text.to_ascii_lowercase(),
        "ipaddress" | "notipaddress" => address::range(&text),
        k if k.starts_with("numeric") => as_text(Scalar::Number),
        k if k.starts_with("date") => as_text(Scalar::Time),
        "stringequalsignorecase" | "stringnotequalsignorecase" => text.to_lowercase(),
        _ => text,
    }
}
