//! Statements as sets of (principal, action, resource) under the same effect and conditions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{conditions, object, texts, written};
use crate::glob;

/// Above this many triples a statement is taken as it stands: its parts sorted, but not taken apart.
const MAX_TRIPLES: usize = 20_000;
/// Above this many pairs no search for pairs that others cover.
const MAX_COVER: usize = 400;

/// One element of a statement: `("Action", "s3:getobject")`, `("AWS", "123456789012")`. Negated elements (`NotAction`) can't
/// be taken apart: the whole list is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    name: String,
    values: Vec<String>,
}

/// Effect and conditions, as text.
type Frame = (String, String);
/// Pairs of action and resource.
type Grants = BTreeSet<(Part, Part)>;
/// Resources, and all actions on exactly these.
type Group = (Vec<Part>, Vec<Part>);

pub(super) fn canonical(statements: &[Value]) -> Vec<Value> {
    let mut frames: BTreeMap<Frame, BTreeMap<Part, Grants>> = BTreeMap::new();
    let mut whole = Vec::new();
    for statement in statements.iter().filter_map(Value::as_object) {
        let effect = statement.get("Effect").and_then(Value::as_str).unwrap_or_default().to_owned();
        let condition = conditions::canonical(statement.get("Condition").unwrap_or(&Value::Null));
        let principals = principals(statement);
        let actions = parts(statement, "Action", true);
        let resources = parts(statement, "Resource", false);
        if principals.len() * actions.len() * resources.len() > MAX_TRIPLES {
            whole.push(write(&effect, &condition.to_string(), &principals, &actions, &resources));
            continue;
        }
        let frame = frames.entry((effect, condition.to_string())).or_default();
        for principal in principals {
            let grants = frame.entry(principal).or_default();
            grants.extend(actions.iter().flat_map(|a| resources.iter().map(|r| (a.clone(), r.clone()))));
        }
    }
    for ((effect, condition), by_principal) in frames {
        // principals with the same grants stand together, then actions with the same resources
        let mut same: BTreeMap<Vec<Group>, Vec<Part>> = BTreeMap::new();
        for (principal, grants) in by_principal {
            same.entry(grouped(grants)).or_default().push(principal);
        }
        for (groups, principals) in same {
            for (resources, actions) in groups {
                whole.push(write(&effect, &condition, &principals, &actions, &resources));
            }
        }
    }
    crate::normal::sort(&mut whole);
    whole.dedup();
    whole
}

/// Grants as resources with all their actions; pairs that a wider pair covers say nothing and go.
fn grouped(grants: Grants) -> Vec<Group> {
    let mut pairs: Vec<(Part, Part)> = grants.into_iter().collect();
    if pairs.len() <= MAX_COVER {
        let all = pairs.clone();
        pairs.retain(|pair| {
            !all.iter().any(|other| other != pair && covers(&other.0, &pair.0) && covers(&other.1, &pair.1))
        });
    }
    let mut by_action: BTreeMap<Part, Vec<Part>> = BTreeMap::new();
    for (action, resource) in pairs {
        by_action.entry(action).or_default().push(resource);
    }
    let mut by_resources: BTreeMap<Vec<Part>, Vec<Part>> = BTreeMap::new();
    for (action, resources) in by_action {
        by_resources.entry(resources).or_default().push(action);
    }
    by_resources.into_iter().collect()
}

/// Whether `outer` admits all that `inner` does.
fn covers(outer: &Part, inner: &Part) -> bool {
    match (outer.values.as_slice(), inner.values.as_slice()) {
        _ if outer == inner => true,
        ([o], [i]) => outer.name == inner.name && !outer.name.starts_with("Not") && glob::covers(o, i),
        _ => false,
    }
}

/// `Action` or `NotAction` (`Resource` or `NotResource`); without either one empty part, as in trust policies.
fn parts(statement: &Map<String, Value>, name: &str, caseless: bool) -> Vec<Part> {
    let spelled = |value: &Value| {
        let mut list = texts(value);
        if caseless {
            for text in &mut list {
                text.make_ascii_lowercase();
                if text == "*:*" {
                    "*".clone_into(text);
                }
            }
            list.sort();
            list.dedup();
        }
        list
    };
    if let Some(value) = statement.get(name) {
        return spelled(value).into_iter().map(|v| Part { name: name.to_owned(), values: vec![v] }).collect();
    }
    let not = format!("Not{name}");
    match statement.get(&not) {
        Some(value) => vec![Part { name: not, values: spelled(value) }],
        None => vec![Part { name: String::new(), values: Vec::new() }],
    }
}

/// `"*"` is `{"AWS": "*"}`; an account's root is the account.
fn principals(statement: &Map<String, Value>) -> Vec<Part> {
    let named = |value: &Value| -> Vec<Part> {
        let of = |kind: &str, v: &Value| -> Vec<Part> {
            let one = |text: String| Part { name: kind.to_owned(), values: vec![principal(kind, &text)] };
            texts(v).into_iter().map(one).collect()
        };
        match value {
            Value::Object(kinds) => kinds.iter().flat_map(|(kind, v)| of(kind, v)).collect(),
            other => of("AWS", other),
        }
    };
    if let Some(value) = statement.get("Principal") {
        let mut list = named(value);
        list.sort();
        list.dedup();
        return list;
    }
    match statement.get("NotPrincipal") {
        Some(value) => {
            let mut values: Vec<String> =
                named(value).into_iter().map(|p| format!("{}\n{}", p.name, p.values.concat())).collect();
            values.sort();
            values.dedup();
            vec![Part { name: "NotPrincipal".to_owned(), values }]
        }
        None => vec![Part { name: String::new(), values: Vec::new() }],
    }
}

fn principal(kind: &str, text: &str) -> String {
    if kind != "AWS" {
        return text.to_owned();
    }
    let mut arn = text.splitn(6, ':');
    let (head, service) = (arn.next(), arn.nth(1));
    match (head, service, arn.next(), arn.next(), arn.next()) {
        (Some("arn"), Some("iam"), Some(""), Some(account), Some("root")) => account.to_owned(),
        _ => text.to_owned(),
    }
}

fn write(effect: &str, condition: &str, principals: &[Part], actions: &[Part], resources: &[Part]) -> Value {
    let mut out = json!({ "Effect": effect });
    for list in [actions, resources] {
        let values: Vec<String> = list.iter().flat_map(|p| p.values.clone()).collect();
        if let Some(name) = list.first().map(|p| &p.name).filter(|n| !n.is_empty()) {
            out[name] = written(values);
        }
    }
    if condition != "null" {
        out["Condition"] = serde_json::from_str(condition).unwrap_or(Value::Null);
    }
    match principals.first().map(|p| p.name.as_str()) {
        None | Some("") => {}
        Some("NotPrincipal") => {
            let pairs = principals[0].values.iter().filter_map(|v| v.split_once('\n'));
            out["NotPrincipal"] = by_kind(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())));
        }
        Some(_) => {
            out["Principal"] = by_kind(principals.iter().map(|p| (p.name.clone(), p.values.concat())));
        }
    }
    out
}

fn by_kind(pairs: impl Iterator<Item = (String, String)>) -> Value {
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (kind, value) in pairs {
        kinds.entry(kind).or_default().push(value);
    }
    object(kinds.into_iter().map(|(k, v)| (k, written(v))))
}
