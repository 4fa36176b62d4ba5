//! Whether two canonical values mean the same. `None`: can't be told.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::catalogue::kind::starts;
use crate::catalogue::{Attribute, Kind, Scalar};
use crate::normal::{lookup, rules};
use crate::sight::part;
use crate::{Snapshot, canonical};

/// Relations of this name, or one that starts with it, tell which key an alias leads to: alias name to key id.
const ALIASES: &str = "kms_aliases";

/// What comparing may look at besides the values.
pub(super) struct Scope<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// Paths that the author asked to ignore.
    pub(super) ignored: &'a BTreeSet<String>,
    /// Paths of which more may be there than was declared.
    pub(super) partial: &'a BTreeSet<String>,
}

/// Compares by the attribute's kind; absent is its default.
pub(super) fn same(
    attribute: &Attribute,
    path: &str,
    expected: &Value,
    actual: &Value,
    scope: &Scope<'_>,
) -> Option<bool> {
    let absent;
    let (mut e, mut a) = (expected, actual);
    if e.is_null() || a.is_null() {
        absent = attribute.absent();
        if e.is_null() {
            e = &absent;
        }
        if a.is_null() {
            a = &absent;
        }
    }
    if e == a {
        return Some(true);
    }
    let subset = attribute.subset || scope.partial.contains(path);
    match attribute.kind {
        Kind::Scalar(kind) => scalars(kind, e, a, scope),
        Kind::List(kind) => pairwise(e, a, |e, a| scalars(kind, e, a, scope)),
        Kind::Set(kind) => matched(e, a, subset, |e, a| scalars(kind, e, a, scope)),
        Kind::Blocks => matched(e, a, subset, |e, a| block(attribute, path, e, a, scope)),
        Kind::BlockList => pairwise(e, a, |e, a| block(attribute, path, e, a, scope)),
        Kind::Map(kind) => {
            let (Some(e), Some(a)) = (e.as_object(), a.as_object()) else { return Some(false) };
            let same_names = e.len() == a.len() && e.keys().all(|k| a.contains_key(k));
            let mut values = e.iter().map(|(k, v)| scalars(kind, v, a.get(k).unwrap_or(&Value::Null), scope));
            if same_names { all(&mut values) } else { Some(false) }
        }
        Kind::Json => scalars(Scalar::Json, e, a, scope),
        Kind::Rules => Some(subset && rules::within(e, a)),
        Kind::Policy => Some(false),
    }
}

/// All of them; unknown if none is false and one is unknown.
fn all(verdicts: &mut dyn Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = true;
    for verdict in verdicts {
        match verdict {
            Some(true) => {}
            Some(false) => return Some(false),
            None => known = false,
        }
    }
    known.then_some(true)
}

fn pairwise(e: &Value, a: &Value, one: impl Fn(&Value, &Value) -> Option<bool>) -> Option<bool> {
    let (Some(e), Some(a)) = (e.as_array(), a.as_array()) else { return Some(false) };
    if e.len() != a.len() {
        return Some(false);
    }
    all(&mut e.iter().zip(a).map(|(e, a)| one(e, a)))
}

/// Whether the elements pair up in any order. Equal ones pair first, so that a lenient one takes no other's place.
fn matched(e: &Value, a: &Value, subset: bool, one: impl Fn(&Value, &Value) -> Option<bool>) -> Option<bool> {
    let (Some(e), Some(a)) = (e.as_array(), a.as_array()) else { return Some(false) };
    if e.len() > a.len() || e.len() < a.len() && !subset {
        return Some(false);
    }
    let mut left: Vec<&Value> = a.iter().collect();
    let mut rest: Vec<&Value> = Vec::new();
    for element in e {
        match left.iter().position(|l| *l == element) {
            Some(i) => drop(left.swap_remove(i)),
            None => rest.push(element),
        }
    }
    let mut known = true;
    for element in rest {
        let verdicts: Vec<Option<bool>> = left.iter().map(|l| one(element, l)).collect();
        let pick = |wanted| verdicts.iter().position(|v| *v == wanted);
        match pick(Some(true)).or_else(|| {
            known &= pick(None).is_none();
            pick(None)
        }) {
            Some(i) => drop(left.swap_remove(i)),
            None => return Some(false),
        }
    }
    known.then_some(true)
}

fn block(attribute: &Attribute, path: &str, e: &Value, a: &Value, scope: &Scope<'_>) -> Option<bool> {
    let mut verdicts = attribute.fields.iter().map(|(name, field)| {
        let path = format!("{path}.{name}");
        let (e, a) = (lookup(e, name).into_value(), lookup(a, name).into_value());
        let ignored = scope.ignored.iter().any(|i| *i == path || starts(&path, i));
        if ignored || field.uncompared.is_some() || field.computed && e.is_null() {
            return Some(true);
        }
        same(field, &path, &e, &a, scope).filter(|same| *same || !field.absent_unknown || !a.is_null())
    });
    all(&mut verdicts)
}

/// Compares scalars.
pub(super) fn scalars(kind: Scalar, e: &Value, a: &Value, scope: &Scope<'_>) -> Option<bool> {
    if e == a {
        return Some(true);
    }
    match kind {
        Scalar::Number => Some(e.as_f64().is_some() && e.as_f64() == a.as_f64()),
        // 1 and 1.0 are one number
        Scalar::Json => Some(canonical::text(e) == canonical::text(a)),
        Scalar::Version => Some(texts(e, a).is_some_and(|(e, a)| version_prefix(e, a))),
        Scalar::Ref => Some(texts(e, a).is_some_and(|(e, a)| one_thing(e, a))),
        Scalar::Kms => key(e.as_str().unwrap_or_default(), a.as_str().unwrap_or_default(), scope),
        _ => Some(false),
    }
}

fn texts<'a>(e: &'a Value, a: &'a Value) -> Option<(&'a str, &'a str)> {
    Some((e.as_str()?, a.as_str()?))
}

/// `8.0` is declared where `8.0.35` runs.
fn version_prefix(declared: &str, live: &str) -> bool {
    live.strip_prefix(declared).is_some_and(|rest| rest.starts_with(['.', '-', '+']))
}

/// A name and the ARN that ends in it.
fn one_thing(a: &str, b: &str) -> bool {
    let ends = |arn: &str, name: &str| {
        arn.starts_with("arn:")
            && !name.starts_with("arn:")
            && arn.strip_suffix(name).is_some_and(|head| head.ends_with([':', '/']))
    };
    ends(a, b) || ends(b, a)
}

/// A key by id, ARN or alias. Not set is the service's own key, `alias/aws/...`.
fn key(e: &str, a: &str, scope: &Scope<'_>) -> Option<bool> {
    let (e, a) = (key_name(e), key_name(a));
    if e == a {
        return Some(true);
    }
    match (e.starts_with("alias/"), a.starts_with("alias/")) {
        (false, false) if !e.is_empty() && !a.is_empty() => Some(false),
        (true, true) => Some(false),
        (true, false) if a.is_empty() => Some(e.starts_with("alias/aws/")),
        (false, true) if e.is_empty() => Some(a.starts_with("alias/aws/")),
        (true, false) => leads(e, a, scope),
        (false, true) => leads(a, e, scope),
        (false, false) => {
            // one is not set: the same only if the other is AWS's own key
            let id = if e.is_empty() { a } else { e };
            Some(aliases(scope).flatten().any(|(name, to)| name.starts_with("alias/aws/") && to.as_str() == Some(id)))
        }
    }
}

fn leads(alias: &str, id: &str, scope: &Scope<'_>) -> Option<bool> {
    aliases(scope).next()?;
    let to = aliases(scope).find_map(|relation| relation.get(alias)?.as_str());
    Some(to.is_some_and(|to| key_name(to) == id))
}

fn aliases<'a>(scope: &'a Scope<'_>) -> impl Iterator<Item = &'a serde_json::Map<String, Value>> {
    let relations = scope.snapshot.relations.iter().filter(|(name, _)| name.starts_with(ALIASES));
    relations.filter_map(|(_, relation)| relation.as_object())
}

/// The key id, or `alias/...`, of any way to name a key.
fn key_name(text: &str) -> &str {
    match part(text, 5) {
        Some(resource) => resource.strip_prefix("key/").unwrap_or(resource),
        None => text.strip_prefix("key/").unwrap_or(text),
    }
}
