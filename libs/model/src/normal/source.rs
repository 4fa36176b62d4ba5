//! Finds values in a source's instance, where single blocks are lists of one.

use serde_json::{Map, Value};

use super::Alone;
use crate::catalogue::Source;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    /// Null or nothing: not declared.
    Unsaid,
    /// A block on the way is not there: declared as not set, unless AWS fills it in.
    NoBlock,
    /// `""`, `[]` or `{}`: declared as not set.
    Empty,
    /// This.
    Value(Value),
}

impl Found {
    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Value(v) => v,
            Self::Unsaid | Self::NoBlock | Self::Empty => Value::Null,
        }
    }
}

/// Follows a dotted path; the empty path is the instance itself.
pub(crate) fn lookup(root: &Value, path: &str) -> Found {
    let mut at = root;
    let mut names = path.split('.').filter(|n| !n.is_empty());
    // a list on the way: of one, that one; of several, what each has; of none, declared as none
    while let Some(name) = names.next() {
        at = match at {
            Value::Array(a) if a.is_empty() => return Found::NoBlock,
            Value::Array(a) if name.bytes().all(|b| b.is_ascii_digit()) => {
                match name.parse::<usize>().ok().and_then(|i| a.get(i)) {
                    Some(v) => v,
                    None => return Found::Unsaid,
                }
            }
            Value::Array(a) if a.len() > 1 => {
                let rest = names.fold(name.to_owned(), |path, n| format!("{path}.{n}"));
                return gathered(a, &rest);
            }
            Value::Array(a) => match a[0].get(name) {
                Some(v) => v,
                None if a[0].is_null() => return Found::NoBlock,
                None => return Found::Unsaid,
            },
            other => match other.get(name) {
                Some(v) => v,
                None => return Found::Unsaid,
            },
        };
    }
    match at {
        Value::Null => Found::Unsaid,
        Value::String(s) if s.is_empty() => Found::Empty,
        Value::Array(a) if a.is_empty() => Found::Empty,
        Value::Object(o) if o.is_empty() => Found::Empty,
        other => Found::Value(other.clone()),
    }
}

fn gathered(elements: &[Value], path: &str) -> Found {
    let mut found = Vec::new();
    let mut empty = false;
    for element in elements {
        match lookup(element, path) {
            Found::Unsaid => {}
            Found::NoBlock | Found::Empty => empty = true,
            Found::Value(Value::Array(a)) => found.extend(a),
            Found::Value(v) => found.push(v),
        }
    }
    match (found.is_empty(), empty) {
        (true, true) => Found::Empty,
        (true, false) => Found::Unsaid,
        _ => Found::Value(Value::Array(found)),
    }
}

/// The first place that says something other than "not set"; of maps all places together, the first winning.
pub(crate) fn find(places: &[Source], root: &Value, merge: bool) -> Found {
    let mut best = Found::Unsaid;
    let mut all = Map::new();
    for place in places {
        let mut found = lookup(root, &place.path);
        if let Found::Value(v) = found {
            let value = place.transforms.iter().fold(v, |v, t| t.apply(v, &Alone(root)));
            found = if value.is_null() { Found::Unsaid } else { Found::Value(value) };
        }
        match found {
            Found::Value(Value::Object(o)) if merge => {
                for (k, v) in o {
                    all.entry(k).or_insert(v);
                }
            }
            Found::Value(v) => return Found::Value(v),
            Found::Empty => best = Found::Empty,
            Found::NoBlock if best == Found::Unsaid => best = Found::NoBlock,
            Found::NoBlock | Found::Unsaid => {}
        }
    }
    if all.is_empty() { best } else { Found::Value(Value::Object(all)) }
}
