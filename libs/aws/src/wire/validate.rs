//! Parameters against the model, before anything is sent: what a codec doesn't know it would drop in silence.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::text;
use crate::error::Error;
use crate::model::{Kind, Operation, Service, Shape};

/// The parameters as an object, with idempotency tokens filled in.
pub(crate) fn parameters<'a>(
    service: &'static Service,
    operation: &Operation,
    params: &'a Value,
    depth: usize,
    token: &dyn Fn() -> String,
) -> Result<Cow<'a, Map<String, Value>>, Error> {
    let check = Check { service, operation: operation.name, limit: depth };
    let map = match params {
        Value::Object(map) => Cow::Borrowed(map),
        Value::Null => Cow::Owned(Map::new()),
        other => return Err(check.error(&[], format!("an object is wanted, not {}", describe(other)))),
    };
    let Some(input) = operation.input else {
        return match map.keys().next() {
            Some(name) => Err(check.error(&[Step::Name(name)], "the operation takes no parameters".to_owned())),
            None => Ok(map),
        };
    };
    let shape = service.shape(input);
    let mut map = map;
    for member in &shape.members {
        if member.idempotency_token && !map.contains_key(member.name) {
            map.to_mut().insert(member.name.to_owned(), Value::from(token()));
        }
    }
    check.structure(shape, &map, &mut Vec::new())?;
    Ok(map)
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

struct Check {
    service: &'static Service,
    operation: &'static str,
    limit: usize,
}

impl Check {
    fn error(&self, path: &[Step<'_>], reason: String) -> Error {
        let mut text = format!("{}:{}", self.service.name(), self.operation);
        for (place, step) in path.iter().enumerate() {
            match step {
                Step::Index(index) => text.push_str(&format!("[{index}]")),
                Step::Name(name) => {
                    text.push(if place == 0 { ' ' } else { '.' });
                    text.push_str(name);
                }
            }
        }
        Error::Validation { path: text, reason }
    }

    fn structure<'v>(&self, shape: &Shape, map: &'v Map<String, Value>, path: &mut Vec<Step<'v>>) -> Result<(), Error> {
        if path.len() > self.limit {
            return Err(self.error(path, format!("nested deeper than {} levels", self.limit)));
        }
        for (name, value) in map {
            path.push(Step::Name(name));
            let Some(member) = shape.member(name) else {
                let known: Vec<&str> = shape.members.iter().map(|m| m.name).collect();
                let hint = if known.is_empty() { "nothing is".to_owned() } else { known.join(", ") };
                return Err(self.error(path, format!("unknown parameter; known here: {hint}")));
            };
            if !value.is_null() {
                self.value(self.service.shape(member.target), value, path)?;
            }
            path.pop();
        }
        let given = |name: &str| map.get(name).is_some_and(|v| !v.is_null());
        if let Some(missing) = shape.members.iter().find(|m| m.required && !given(m.name)) {
            return Err(self.error(path, format!("the required parameter {} is missing", missing.name)));
        }
        let set = map.values().filter(|v| !v.is_null()).count();
        if shape.union && set != 1 {
            return Err(self.error(path, format!("exactly one member is wanted here, not {set}")));
        }
        Ok(())
    }

    fn value<'v>(&self, shape: &Shape, value: &'v Value, path: &mut Vec<Step<'v>>) -> Result<(), Error> {
        let fits = match (shape.kind, value) {
            (Kind::Structure, Value::Object(map)) => return self.structure(shape, map, path),
            (Kind::Document, _) => return self.document(value, path.len(), path),
            (Kind::List, Value::Array(items)) => {
                return self.elements(shape, items.iter().enumerate().map(|(i, v)| (Step::Index(i), v)), path);
            }
            (Kind::Map, Value::Object(map)) => {
                return self.elements(shape, map.iter().map(|(k, v)| (Step::Name(k), v)), path);
            }
            (Kind::String, Value::String(_)) => true,
            (Kind::Boolean, Value::Bool(_)) => true,
            (Kind::Integer, Value::Number(n)) => n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
            (Kind::Long, Value::Number(n)) => n.as_i64().is_some(),
            (Kind::Float | Kind::Double, value) => text::float_parameter(value).is_some(),
            (Kind::Timestamp, value) => text::timestamp_parameter(value).is_some(),
            (Kind::Blob, Value::String(text)) => STANDARD.decode(text).is_ok(),
            _ => false,
        };
        if fits {
            Ok(())
        } else {
            Err(self.error(path, format!("{} is wanted, not {}", wanted(shape.kind), describe(value))))
        }
    }

    fn elements<'v>(
        &self,
        shape: &Shape,
        items: impl Iterator<Item = (Step<'v>, &'v Value)>,
        path: &mut Vec<Step<'v>>,
    ) -> Result<(), Error> {
        if path.len() > self.limit {
            return Err(self.error(path, format!("nested deeper than {} levels", self.limit)));
        }
        let Some(element) = shape.element() else { return Ok(()) };
        let element = self.service.shape(element.target);
        for (step, value) in items {
            path.push(step);
            if !(value.is_null() && shape.sparse) {
                self.value(element, value, path)?;
            }
            path.pop();
        }
        Ok(())
    }

    fn document(&self, value: &Value, depth: usize, path: &[Step<'_>]) -> Result<(), Error> {
        if depth > self.limit {
            return Err(self.error(path, format!("nested deeper than {} levels", self.limit)));
        }
        match value {
            Value::Array(items) => items.iter().try_for_each(|v| self.document(v, depth + 1, path)),
            Value::Object(map) => map.values().try_for_each(|v| self.document(v, depth + 1, path)),
            _ => Ok(()),
        }
    }
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "this number",
        Value::String(_) => "this text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Structure | Kind::Map => "an object",
        Kind::List => "a list",
        Kind::String => "text",
        Kind::Boolean => "a boolean",
        Kind::Integer => "an integer of 32 bits",
        Kind::Long => "an integer of 64 bits",
        Kind::Float | Kind::Double => "a number",
        Kind::Blob => "base64",
        Kind::Timestamp => "an ISO 8601 timestamp or seconds since 1970",
        Kind::Document => "a JSON value",
    }
}
