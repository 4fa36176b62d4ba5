//! Paths into shapes, as the catalogue writes them: `Reservations[*].Instances[0].Tags`.

use super::{Index, Kind, Service};

/// The kind of what `path` leads to from a shape; `None` where there is no such thing.
pub(super) fn kind(service: &Service, shape: Option<Index>, path: &str) -> Option<Kind> {
    let mut at = shape?;
    let mut rest = path;
    while !rest.is_empty() {
        let here = service.shape(at);
        if here.kind == Kind::Document || here.policy_document {
            return Some(Kind::Document);
        }
        let (step, tail) = next(rest)?;
        rest = tail;
        at = match (step, here.kind) {
            (Step::Name(name), Kind::Structure) => here.member(name)?.target,
            (Step::Name(_), Kind::Map) | (Step::Element, Kind::List) => here.element()?.target,
            _ => return None,
        };
    }
    let shape = service.shape(at);
    Some(if shape.policy_document { Kind::Document } else { shape.kind })
}

enum Step<'a> {
    Name(&'a str),
    Element,
}

/// One step and what is left. `[]`, `[*]`, `[0]` and `[-1]` are elements.
fn next(path: &str) -> Option<(Step<'_>, &str)> {
    if let Some(inside) = path.strip_prefix('[') {
        let (index, tail) = inside.split_once(']')?;
        let valid = index.is_empty() || index == "*" || index.parse::<i64>().is_ok();
        return if valid { Some((Step::Element, after(tail)?)) } else { None };
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (name, tail) = path.split_at(end);
    if name.is_empty() { None } else { Some((Step::Name(name), after(tail)?)) }
}

/// What may follow a step: nothing, an element, or a dot and a name.
fn after(tail: &str) -> Option<&str> {
    match tail.strip_prefix('.') {
        Some(name) if name.is_empty() || name.starts_with('[') => None,
        Some(name) => Some(name),
        None => (tail.is_empty() || tail.starts_with('[')).then_some(tail),
    }
}
