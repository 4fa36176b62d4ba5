//! The canonical form of values: whatever an API or a source writes for the same setting comes out equal. Null is
//! "not set".

mod address;
pub mod policy;
pub mod rules;
mod scalar;
mod source;

use serde_json::{Map, Value};

pub(crate) use scalar::scalar;
pub(crate) use source::{Found, find, lookup};

use crate::catalogue::{Attribute, Kind, Scalar, Source};
use crate::expr::{Expr, Sight};

/// Where raw values come from.
#[derive(Clone, Copy)]
pub(crate) enum Side<'a> {
    /// An API's answer; fields of blocks are read by their `from`.
    Api(&'a dyn Sight),
    /// A source's instance; fields of blocks are read by their Terraform paths, or as this says.
    Source(Option<&'a Source>),
    /// Canonical already (of another revision, approved): only brought into form again.
    Canonical,
}

/// Brings a value into canonical form. `own` is the resource's id (a rule that names its own group is `self`).
pub(crate) fn normalise(attribute: &Attribute, raw: Value, side: Side<'_>, own: &str) -> Value {
    if raw.is_null() {
        return raw;
    }
    let raw = word(attribute, raw);
    let value = match attribute.kind {
        Kind::Scalar(kind) => scalar(kind, raw),
        Kind::Set(kind) => list(kind, attribute, raw, true),
        Kind::List(kind) => list(kind, attribute, raw, false),
        Kind::Map(kind) => map(kind, attribute, raw),
        Kind::Blocks => blocks(attribute, raw, side, own, true),
        Kind::BlockList => blocks(attribute, raw, side, own, false),
        Kind::Policy => policy::canonical(&raw),
        Kind::Json => scalar(Scalar::Json, raw),
        Kind::Rules => rules::canonical(&elements(raw), own),
    };
    if attribute.unset.contains(&value) { Value::Null } else { value }
}

/// Applies `values`, also to the elements of a list.
fn word(attribute: &Attribute, raw: Value) -> Value {
    if attribute.values.is_empty() {
        return raw;
    }
    match raw {
        Value::Array(a) => a.into_iter().map(|v| word(attribute, v)).collect(),
        Value::Object(_) => raw,
        scalar => attribute.values.get(&crate::expr::scalar_text(&scalar)).cloned().unwrap_or(scalar),
    }
}

fn elements(raw: Value) -> Vec<Value> {
    match raw {
        Value::Array(a) => a,
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

fn list(kind: Scalar, attribute: &Attribute, raw: Value, sorted: bool) -> Value {
    let values = elements(raw).into_iter().map(|v| scalar(kind, v));
    let mut values: Vec<Value> = values.filter(|v| !v.is_null() && !attribute.unset.contains(v)).collect();
    if sorted {
        sort(&mut values);
        values.dedup();
    }
    if values.is_empty() { Value::Null } else { Value::Array(values) }
}

fn map(kind: Scalar, attribute: &Attribute, raw: Value) -> Value {
    let Value::Object(members) = raw else { return Value::Null };
    let ours = |key: &str| !attribute.ignore_keys.iter().any(|p| key.starts_with(p.as_str()));
    let kept = members.into_iter().filter(|(k, v)| !v.is_null() && ours(k)).map(|(k, v)| {
        let value = if v.as_str() == Some("") { v } else { scalar(kind, v) };
        (k, value)
    });
    let kept: Map<_, _> = kept.collect();
    if kept.is_empty() { Value::Null } else { Value::Object(kept) }
}

/// Orders values by their canonical text: any total order does, as long as both sides use it.
pub(crate) fn sort(values: &mut [Value]) {
    values.sort_by_cached_key(crate::canonical::text);
}

fn blocks(attribute: &Attribute, raw: Value, side: Side<'_>, own: &str, sorted: bool) -> Value {
    let mut out = Vec::new();
    for element in elements(raw) {
        for single in exploded(attribute, element, side) {
            let block = block(attribute, &single, side, own);
            if block.as_object().is_some_and(|o| !o.is_empty()) {
                out.push(block);
            }
        }
    }
    if sorted {
        sort(&mut out);
        out.dedup();
    }
    if out.is_empty() { Value::Null } else { Value::Array(out) }
}

/// A block whose `explode` field holds a list, as one block per element.
fn exploded(attribute: &Attribute, element: Value, side: Side<'_>) -> Vec<Value> {
    let Some(name) = &attribute.explode else { return vec![element] };
    let place = match side {
        Side::Source(Some(source)) => source.fields.get(name).unwrap_or(name),
        _ => name,
    };
    match element.get(place) {
        Some(Value::Array(several)) => {
            let with = |v: &Value| {
                let mut copy = element.clone();
                copy[place] = v.clone();
                copy
            };
            several.iter().map(with).collect()
        }
        _ => vec![element],
    }
}

fn block(attribute: &Attribute, element: &Value, side: Side<'_>, own: &str) -> Value {
    let mut out = Value::Object(Map::new());
    for (name, field) in &attribute.fields {
        let (raw, inner) = match side {
            Side::Api(sight) => (first(&field.from, &Within { element, sight }), side),
            Side::Source(Some(source)) if source.api => (first(&field.from, &Alone(element)), side),
            Side::Source(source) => (from_source(field, name, element, source), Side::Source(None)),
            Side::Canonical => (lookup(element, name).into_value(), side),
        };
        let value = normalise(field, raw, inner, own);
        let unsaid = value.is_null() || (!field.computed && value == field.absent());
        if !unsaid {
            put(&mut out, name, value);
        }
    }
    out
}

fn from_source(field: &Attribute, name: &str, element: &Value, source: Option<&Source>) -> Value {
    let renamed =
        source.and_then(|s| s.fields.get(name)).map(|path| Source { path: path.clone(), ..Source::default() });
    let places = renamed.as_ref().map_or(field.terraform.as_slice(), std::slice::from_ref);
    find(places, element, matches!(field.kind, Kind::Map(_))).into_value()
}

/// Sets a dotted path in nested objects.
fn put(root: &mut Value, path: &str, value: Value) {
    let mut at = root;
    for name in path.split('.') {
        let Value::Object(members) = at else { return };
        at = members.entry(name).or_insert_with(|| Value::Object(Map::new()));
    }
    *at = value;
}

/// The first of the expressions that is not null.
pub(crate) fn first(exprs: &[Expr], sight: &dyn Sight) -> Value {
    exprs.iter().map(|e| e.eval(sight)).find(|v| !v.is_null()).unwrap_or(Value::Null)
}

/// An element of an answer, the rest still in sight.
struct Within<'a> {
    element: &'a Value,
    sight: &'a dyn Sight,
}

impl Sight for Within<'_> {
    fn item(&self) -> &Value {
        self.element
    }
    fn answer(&self, name: &str) -> Option<&Value> {
        self.sight.answer(name)
    }
    fn var(&self, var: crate::expr::Var) -> Option<&str> {
        self.sight.var(var)
    }
}

/// A value with nothing around it.
pub(crate) struct Alone<'a>(pub(crate) &'a Value);

impl Sight for Alone<'_> {
    fn item(&self) -> &Value {
        self.0
    }
    fn answer(&self, _: &str) -> Option<&Value> {
        None
    }
    fn var(&self, _: crate::expr::Var) -> Option<&str> {
        None
    }
}
