//! Where a snapshot differs from its baseline, without false alarms: what wasn't declared isn't compared, what wasn't
//! read is unknown, and what means the same is the same. Ordered by path, deterministic.

mod mute;
mod same;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::catalogue::kind::starts;
use crate::catalogue::{Attribute, Kind, Type};
use crate::secret::hashed;
use crate::{Baseline, Declared, Origin, Snapshot};

/// One attribute (or one key of a map) that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Canonical path: `versioning.enabled`, `tags.Owner`.
    pub path: String,
    /// The agreed value; null: agreed to be not set.
    pub expected: Value,
    /// The observed value; null: not set.
    pub actual: Value,
}

/// A difference as it is reported: attributes that one change by hand moves together are one.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The leaf's path; of several leaves the deepest block that holds them, or the leaf that leads their group.
    pub path: String,
    /// The agreed value; of several leaves an object of those.
    pub expected: Value,
    /// The observed value, in the same shape.
    pub actual: Value,
    /// Where the agreed value stands.
    pub origin: Option<Origin>,
    /// What differs, at least one: severity is judged on these.
    pub leaves: Vec<Leaf>,
}

/// All that comparing says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Comparison {
    /// The drifts.
    pub differences: Vec<Difference>,
    /// Differences that somebody owns, and who: an autoscaler, minor upgrades, `ignore_changes`.
    pub muted: BTreeMap<String, String>,
    /// Declared paths of which nothing can be said, and why; these open and resolve nothing.
    pub unknown: BTreeMap<String, String>,
}

/// What a value may be said to be.
enum Verdict {
    Same,
    Differs(Vec<Leaf>),
    Unknown(&'static str),
}

/// The drifts alone; see [`examine`].
pub fn compare(ty: &Type, snapshot: &Snapshot, baseline: &Baseline) -> Vec<Difference> {
    examine(ty, snapshot, baseline).differences
}

/// Compares all that was declared with what was observed.
pub fn examine(ty: &Type, snapshot: &Snapshot, baseline: &Baseline) -> Comparison {
    let mut out = Comparison::default();
    let mut found: Vec<(&Attribute, Leaf, usize)> = Vec::new();
    for (path, declared) in &baseline.attributes {
        let Some(attribute) = ty.attributes.get(path) else {
            out.unknown.insert(path.clone(), "this version of the catalogue doesn't know it".to_owned());
            continue;
        };
        if !comparable(ty, attribute, snapshot, baseline, &mut out) {
            continue;
        }
        match verdict(attribute, declared, snapshot, baseline) {
            Verdict::Same => {}
            Verdict::Unknown(why) => {
                out.unknown.insert(path.clone(), why.to_owned());
            }
            Verdict::Differs(leaves) => {
                for leaf in leaves {
                    if ignored(baseline, &leaf.path) {
                        out.muted.insert(leaf.path, "lifecycle.ignore_changes".to_owned());
                        continue;
                    }
                    match mute::owner(ty, attribute, snapshot, &leaf) {
                        mute::Owner::Named(why) => {
                            out.muted.insert(leaf.path, why);
                        }
                        mute::Owner::Unknown(why) => {
                            out.unknown.insert(leaf.path, format!("whether this is true is unread: {why}"));
                        }
                        mute::Owner::Nobody => found.push((attribute, leaf, declared.origin)),
                    }
                }
            }
        }
    }
    out.differences = grouped(found, baseline);
    out
}

/// Whether something can be said of the attribute at all.
fn comparable(
    ty: &Type,
    attribute: &Attribute,
    snapshot: &Snapshot,
    baseline: &Baseline,
    out: &mut Comparison,
) -> bool {
    if attribute.uncompared.is_some() {
        return false;
    }
    let said = |path: &String| baseline.attributes.get(path).is_some_and(|d| !d.value.is_null());
    if attribute.yields_to.iter().any(said) {
        return false;
    }
    let mut unknown = |why: String| {
        out.unknown.insert(attribute.path.clone(), why);
        false
    };
    if let Some(why) = snapshot.unread.get(&attribute.path) {
        return unknown(why.clone());
    }
    if snapshot.revision != ty.revision && !snapshot.attributes.contains_key(&attribute.path) {
        return unknown("observed with another version of the catalogue".to_owned());
    }
    match ty.holds(&attribute.when, snapshot) {
        Some(holds) => holds,
        None => unknown("what decides whether it applies is unread".to_owned()),
    }
}

fn ignored(baseline: &Baseline, path: &str) -> bool {
    baseline.ignored.iter().any(|i| i == "*" || i == path || starts(path, i))
}

fn verdict(attribute: &Attribute, declared: &Declared, snapshot: &Snapshot, baseline: &Baseline) -> Verdict {
    let actual = snapshot.attributes.get(&attribute.path).unwrap_or(&Value::Null);
    let expected = &declared.value;
    if expected == actual {
        return Verdict::Same;
    }
    let scope = same::Scope { snapshot, ignored: &baseline.ignored, partial: &baseline.partial };
    if let Kind::Map(kind) = attribute.kind {
        return Verdict::Differs(keys(attribute, kind, expected, actual, &scope));
    }
    if attribute.secret.is_some() && !one_key(expected, actual) {
        return Verdict::Unknown("hashed with another key");
    }
    match same::same(attribute, &attribute.path, expected, actual, &scope) {
        Some(true) => Verdict::Same,
        Some(false) if attribute.absent_unknown && actual.is_null() => Verdict::Unknown("the answer doesn't tell it"),
        Some(false) => Verdict::Differs(vec![Leaf {
            path: attribute.path.clone(),
            expected: expected.clone(),
            actual: actual.clone(),
        }]),
        None => Verdict::Unknown("what an alias leads to, or a part of it, is not known here"),
    }
}

/// Whether two secrets can be compared: hashed with one key, or one of them absent.
fn one_key(a: &Value, b: &Value) -> bool {
    match (hashed(a), hashed(b)) {
        (Some(a), Some(b)) => a == b,
        (Some(_), None) => b.is_null(),
        (None, Some(_)) => a.is_null(),
        (None, None) => true,
    }
}

/// The keys of a map that differ.
fn keys(
    attribute: &Attribute,
    kind: crate::catalogue::Scalar,
    expected: &Value,
    actual: &Value,
    scope: &same::Scope<'_>,
) -> Vec<Leaf> {
    let empty = serde_json::Map::new();
    let (expected, actual) = (expected.as_object().unwrap_or(&empty), actual.as_object().unwrap_or(&empty));
    let mut names: Vec<&String> = expected.keys().chain(actual.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut out = Vec::new();
    for name in names {
        let get = |side: &serde_json::Map<String, Value>| side.get(name).cloned().unwrap_or(Value::Null);
        let (e, a) = (get(expected), get(actual));
        let comparable = attribute.secret.is_none() || one_key(&e, &a);
        if e != a && comparable && same::scalars(kind, &e, &a, scope) == Some(false) {
            out.push(Leaf { path: format!("{}.{name}", attribute.path), expected: e, actual: a });
        }
    }
    out
}

/// Leaves, each with the index of its origin.
type Leaves = Vec<(Leaf, usize)>;

/// Leaves of one group as one difference.
fn grouped(found: Vec<(&Attribute, Leaf, usize)>, baseline: &Baseline) -> Vec<Difference> {
    // by the group's name, or alone by its own path
    let mut groups: BTreeMap<(Option<&str>, String), Leaves> = BTreeMap::new();
    for (attribute, leaf, origin) in found {
        let alone = if attribute.group.is_none() { leaf.path.clone() } else { String::new() };
        groups.entry((attribute.group.as_deref(), alone)).or_default().push((leaf, origin));
    }
    let differences = groups.into_iter().filter_map(|((group, _), leaves)| difference(group, leaves, baseline));
    let mut out: Vec<Difference> = differences.collect();
    out.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

fn difference(group: Option<&str>, leaves: Leaves, baseline: &Baseline) -> Option<Difference> {
    let origin = baseline.origins.get(leaves.first()?.1).cloned();
    let leaves: Vec<Leaf> = leaves.into_iter().map(|(leaf, _)| leaf).collect();
    if let [leaf] = leaves.as_slice() {
        let (path, expected, actual) = (leaf.path.clone(), leaf.expected.clone(), leaf.actual.clone());
        return Some(Difference { path, expected, actual, origin, leaves });
    }
    let block = common(&leaves);
    let below = |leaf: &Leaf| leaf.path.get(block.len()..).map_or("", |rest| rest.trim_start_matches('.')).to_owned();
    let side = |value: fn(&Leaf) -> &Value| -> Value {
        leaves.iter().map(|leaf| (below(leaf), value(leaf).clone())).collect::<serde_json::Map<_, _>>().into()
    };
    let (expected, actual) = (side(|l| &l.expected), side(|l| &l.actual));
    // attributes side by side are named by the one that leads them
    let lead = || leaves.iter().find(|l| Some(l.path.as_str()) == group).or(leaves.first()).map(|l| l.path.clone());
    let path = if block.is_empty() { lead()? } else { block };
    Some(Difference { path, expected, actual, origin, leaves })
}

/// The deepest block that all paths lie in.
fn common(leaves: &[Leaf]) -> String {
    let mut names: Vec<&str> = leaves.first().map(|l| l.path.split('.').collect()).unwrap_or_default();
    names.pop();
    for leaf in leaves {
        let shared = names.iter().zip(leaf.path.split('.')).take_while(|(a, b)| *a == b).count();
        names.truncate(shared);
    }
    names.join(".")
}
