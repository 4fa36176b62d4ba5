//! Finds the values at a rule's path in canonical attributes, whether the path is an attribute, lies within one (a field
//! of blocks) or holds several. Leaves what they mean to `secure`.

use std::collections::BTreeMap;

use driftline_model::catalogue::{Attribute, Kind, Scalar, Type};
use serde_json::{Map, Value};

/// Canonical attributes: catalogue path to value.
pub type Attributes = BTreeMap<String, Value>;

/// What stands at a path.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Found<'a> {
    /// The values, as they are: one for an attribute, one per block for a field of blocks.
    pub values: Vec<&'a Value>,
}

impl<'a> Found<'a> {
    /// The single values: lists are opened, nulls left out.
    pub fn leaves(&self) -> Vec<&'a Value> {
        let mut out = Vec::new();
        for value in &self.values {
            match value {
                Value::Null => {}
                Value::Array(items) => out.extend(items.iter().filter(|v| !v.is_null())),
                one => out.push(*one),
            }
        }
        out
    }
}

/// Everything at `path`. What is not set counts as its default where the catalogue has one: a switch is off.
pub fn find<'a>(of: Option<&'a Type>, attributes: &'a Attributes, path: &str) -> Found<'a> {
    let mut found = Found::default();
    let known = of.and_then(|t| t.attribute(path)).map(|(attribute, _)| attribute);
    if let Some((value, rest)) = nearest(attributes, path) {
        match known.filter(|a| !a.fields.is_empty() && !rest.is_empty()) {
            Some(blocks) => fields(blocks, value, rest, &mut found.values),
            None => descend(value, rest, &mut found.values),
        }
        return found;
    }
    let inner = format!("{path}.");
    let below = attributes.range(inner.clone()..).take_while(|(k, _)| k.starts_with(&inner));
    found.values.extend(below.map(|(_, v)| v));
    if found.values.is_empty() {
        found.values.extend(known.filter(|a| a.path == path).and_then(unset));
    }
    found
}

/// What an attribute that is not set counts as.
fn unset(attribute: &Attribute) -> Option<&Value> {
    static OFF: Value = Value::Bool(false);
    let off = matches!(attribute.kind, Kind::Scalar(Scalar::Bool)).then_some(&OFF);
    attribute.default.as_ref().or(off)
}

/// A field of each block; a block leaves out what is as if unset.
fn fields<'a>(blocks: &'a Attribute, value: &'a Value, path: &str, out: &mut Vec<&'a Value>) {
    if let Value::Array(items) = value {
        return items.iter().for_each(|v| fields(blocks, v, path, out));
    }
    let Some((name, field)) = blocks.fields.iter().filter(|(name, _)| within(path, name)).max_by_key(|(n, _)| n.len())
    else {
        return descend(value, path, out);
    };
    let (mut here, rest) = (Vec::new(), path[name.len()..].trim_start_matches('.'));
    descend(value, name, &mut here);
    match (here.is_empty(), rest.is_empty()) {
        (true, true) => out.extend(unset(field)),
        (true, false) => {}
        (false, true) => out.extend(here),
        (false, false) => here.into_iter().for_each(|v| fields(field, v, rest, out)),
    }
}

/// Whether one of the paths lies within the other.
pub fn related(a: &str, b: &str) -> bool {
    within(a, b) || within(b, a)
}

/// Whether `path` is `root` or lies below it.
pub fn within(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A copy in which `path` has this value; `null` takes it away.
pub fn with(attributes: &Attributes, path: &str, value: &Value) -> Attributes {
    let mut out = attributes.clone();
    let owner = nearest(attributes, path)
        .map(|(_, rest)| (path[..path.len() - rest.len()].trim_end_matches('.').to_owned(), rest));
    match owner {
        Some((key, rest)) if !rest.is_empty() => {
            let entry = out.entry(key).or_insert(Value::Null);
            if !matches!(entry, Value::Array(_)) {
                put(entry, rest, value);
            }
        }
        _ => {
            out.retain(|k, _| !within(k, path));
            if !value.is_null() {
                out.insert(path.to_owned(), value.clone());
            }
        }
    }
    out
}

/// The attribute that `path` is or lies in, and what of the path is left.
fn nearest<'a, 'p>(attributes: &'a Attributes, path: &'p str) -> Option<(&'a Value, &'p str)> {
    if let Some(value) = attributes.get(path) {
        return Some((value, ""));
    }
    let cuts = path.char_indices().rev().filter(|(_, c)| *c == '.');
    cuts.map(|(i, _)| i).find_map(|i| attributes.get(&path[..i]).map(|v| (v, &path[i + 1..])))
}

fn descend<'a>(value: &'a Value, path: &str, out: &mut Vec<&'a Value>) {
    if path.is_empty() {
        out.push(value);
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|v| descend(v, path, out)),
        Value::Object(map) => {
            if let Some((inner, rest)) = step(map, path) {
                descend(inner, rest, out);
            }
        }
        _ => {}
    }
}

/// One step into an object; keys may hold dots (tags do), so the longest key wins.
fn step<'a, 'p>(map: &'a Map<String, Value>, path: &'p str) -> Option<(&'a Value, &'p str)> {
    if let Some(value) = map.get(path) {
        return Some((value, ""));
    }
    let cuts = path.char_indices().rev().filter(|(_, c)| *c == '.');
    cuts.map(|(i, _)| i).find_map(|i| map.get(&path[..i]).map(|v| (v, &path[i + 1..])))
}

/// Writes a key of a map; the whole rest of the path is the key where no longer one leads on.
fn put(target: &mut Value, path: &str, value: &Value) {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(map) = target else { return };
    let cut = path
        .char_indices()
        .rev()
        .filter(|(_, c)| *c == '.')
        .map(|(i, _)| i)
        .find(|i| map.get(&path[..*i]).is_some_and(Value::is_object));
    match cut {
        Some(i) => {
            if let Some(inner) = map.get_mut(&path[..i]) {
                put(inner, &path[i + 1..], value);
            }
        }
        None if value.is_null() => {
            map.remove(path);
        }
        None => {
            map.insert(path.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attributes(value: Value) -> Attributes {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_path_is_an_attribute_or_lies_within_one_or_holds_several() {
        let all = attributes(json!({
            "versioning.enabled": true,
            "inline_policy": [{ "name": "a", "policy": { "x": 1 } }, { "name": "b", "policy": null }],
            "tags": { "a.b": "1", "Owner": "me" },
            "versioned": 1,
            "grant": { "grantee": { "uri": "u" } },
        }));
        let cases = [
            ("versioning.enabled", json!([true])),
            ("versioning", json!([true])),
            ("inline_policy.name", json!(["a", "b"])),
            ("inline_policy.policy", json!([{ "x": 1 }])),
            ("tags.a.b", json!(["1"])),
            ("tags.none", json!([])),
            ("grant.grantee.uri", json!(["u"])),
            ("nothing", json!([])),
        ];
        for (path, expect) in cases {
            let leaves: Vec<Value> = find(None, &all, path).leaves().into_iter().cloned().collect();
            assert_eq!(Value::Array(leaves), expect, "{path}");
        }
    }

    #[test]
    fn a_value_can_be_put_where_the_drift_says() {
        let all = attributes(json!({ "a.b": 1, "a.c": 2, "tags": { "x.y": "1" } }));
        let cases = [
            ("a.b", json!(9), json!({ "a.b": 9, "a.c": 2, "tags": { "x.y": "1" } })),
            ("a.b", json!(null), json!({ "a.c": 2, "tags": { "x.y": "1" } })),
            ("a", json!({ "b": 3 }), json!({ "a": { "b": 3 }, "tags": { "x.y": "1" } })),
            ("tags.x.y", json!("2"), json!({ "a.b": 1, "a.c": 2, "tags": { "x.y": "2" } })),
            ("tags.z", json!("2"), json!({ "a.b": 1, "a.c": 2, "tags": { "x.y": "1", "z": "2" } })),
            ("tags.x.y", json!(null), json!({ "a.b": 1, "a.c": 2, "tags": {} })),
            ("new.path", json!(1), json!({ "a.b": 1, "a.c": 2, "tags": { "x.y": "1" }, "new.path": 1 })),
        ];
        for (path, value, expect) in cases {
            assert_eq!(with(&all, path, &value), attributes(expect), "{path} = {value}");
        }
    }
}
