//! Reads IAM policy documents into statements. Only structure: who is a stranger says `strangers`, what is too much
//! says `privilege`. Source of the grammar: AWS IAM User Guide, "Grammar of the IAM JSON policy language".

use std::borrow::Cow;

use driftline_model::glob;
use serde_json::{Map, Value};

use crate::attributes::Found;
use crate::text::printable;

/// Who a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principal {
    /// Everybody, signed in or not.
    Anyone,
    /// An account, role or user of AWS: account id or ARN.
    Aws(String),
    /// An AWS service: `ec2.amazonaws.com`.
    Service(String),
    /// An identity provider.
    Federated(String),
    /// Canonical user and whatever comes.
    Other,
}

/// One condition; all of a statement must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// Operator in lower case: `stringequals`, `foranyvalue:stringlike`.
    pub operator: String,
    /// Key in lower case: `aws:sourcearn`.
    pub key: String,
    /// The values, any of which will do.
    pub values: Vec<String>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// Allow, not Deny.
    pub allow: bool,
    /// Who; empty in identity policies.
    pub principals: Vec<Principal>,
    /// Everybody but some.
    pub not_principal: bool,
    /// Actions in lower case.
    pub actions: Vec<String>,
    /// Everything but these actions, in lower case.
    pub not_actions: Vec<String>,
    /// Resources.
    pub resources: Vec<String>,
    /// Everything but some resources.
    pub not_resource: bool,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// The statements of all documents at a path; text is parsed.
pub(super) fn read_all(found: &Found<'_>) -> Result<Vec<Statement>, String> {
    let mut out = Vec::new();
    for value in found.leaves() {
        let document = match value {
            Value::String(text) if text.trim().is_empty() => continue,
            Value::String(text) => {
                Cow::Owned(serde_json::from_str(text).map_err(|_| "the policy is no JSON document".to_owned())?)
            }
            other => Cow::Borrowed(other),
        };
        read(&document, &mut out)?;
    }
    Ok(out)
}

/// Whether `after` lets something through that `before` did not: an Allow that no Allow of before covers, or a Deny that
/// no Deny of after covers. Conditions must be the same; what can't be understood counts as wider.
pub(crate) fn widened(before: &Value, after: &Value) -> bool {
    let statements = |v: &Value| read_all(&Found { values: vec![v] });
    let (Ok(old), Ok(new)) = (statements(before), statements(after)) else { return true };
    let more = |a: &[Statement], b: &[Statement], allow: bool| {
        a.iter().filter(|s| s.allow == allow).any(|s| !b.iter().any(|o| o.allow == allow && o.contains(s)))
    };
    more(&new, &old, true) || more(&old, &new, false)
}

fn read(document: &Value, out: &mut Vec<Statement>) -> Result<(), String> {
    let Value::Object(map) = document else { return Err("the policy is no JSON object".to_owned()) };
    match get(map, "Statement") {
        Some(Value::Array(list)) => list.iter().try_for_each(|s| statement(s).map(|s| out.push(s))),
        Some(one) => statement(one).map(|s| out.push(s)),
        None if get(map, "Effect").is_some() => statement(document).map(|s| out.push(s)),
        None => Ok(()),
    }
}

fn statement(value: &Value) -> Result<Statement, String> {
    let Value::Object(map) = value else { return Err("a statement of the policy is no JSON object".to_owned()) };
    let lower = |name: &str| texts(get(map, name)).into_iter().map(|s| s.to_ascii_lowercase()).collect();
    Ok(Statement {
        allow: match get(map, "Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("a statement of the policy has no effect".to_owned()),
        },
        principals: get(map, "Principal").map(principals).unwrap_or_default(),
        not_principal: get(map, "NotPrincipal").is_some(),
        actions: lower("Action"),
        not_actions: lower("NotAction"),
        resources: texts(get(map, "Resource")),
        not_resource: get(map, "NotResource").is_some(),
        conditions: get(map, "Condition").map(conditions).unwrap_or_default(),
    })
}

/// Element names count without regard to case.
fn get<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.get(name).or_else(|| map.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v))
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.iter().map(text).collect(),
        Some(one) => vec![text(one)],
    }
}

fn principals(value: &Value) -> Vec<Principal> {
    let Value::Object(map) = value else {
        let anyone = texts(Some(value)).iter().any(|p| p == "*");
        return vec![if anyone { Principal::Anyone } else { Principal::Other }];
    };
    let mut out = Vec::new();
    for (kind, names) in map {
        let named = |name: String| match kind.as_str() {
            "AWS" if name == "*" => Principal::Anyone,
            "AWS" => Principal::Aws(name),
            "Service" => Principal::Service(name),
            "Federated" => Principal::Federated(name),
            _ if name == "*" => Principal::Anyone,
            _ => Principal::Other,
        };
        out.extend(texts(Some(names)).into_iter().map(named));
    }
    out
}

fn conditions(value: &Value) -> Vec<Condition> {
    let Value::Object(operators) = value else { return Vec::new() };
    let mut out = Vec::new();
    for (operator, keys) in operators {
        let Value::Object(keys) = keys else { continue };
        out.extend(keys.iter().map(|(key, values)| Condition {
            operator: operator.to_ascii_lowercase(),
            key: key.to_ascii_lowercase(),
            values: texts(Some(values)),
        }));
    }
    out
}

impl Statement {
    /// Whether every call that `action` (which may hold wildcards) stands for is meant.
    pub(super) fn covers(&self, action: &str) -> bool {
        let action = action.to_ascii_lowercase();
        if !self.actions.is_empty() {
            return self.actions.iter().any(|a| glob::covers(a, &action));
        }
        !self.not_actions.is_empty()
            && !self.not_actions.iter().any(|a| glob::covers(a, &action) || glob::covers(&action, a))
    }

    /// Whether all that `other` is about, this one is about too.
    fn contains(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        let anyone = self.principals.contains(&Principal::Anyone);
        let who = anyone || other.principals.iter().all(|p| self.principals.contains(p));
        let what = !other.actions.is_empty() && other.actions.iter().all(|a| self.covers(a));
        let on = |r: &String| self.resources.iter().any(|own| glob::covers(own, r));
        let where_to = !self.not_resource && !other.not_resource && other.resources.iter().all(on);
        let plain = !self.not_principal && !other.not_principal && self.conditions == other.conditions;
        who && what && where_to && plain
    }

    /// Whether it reaches every resource of a kind: `*`, `arn:aws:s3:::*`, `arn:aws:kms:*:*:key/*`.
    pub(super) fn everywhere(&self) -> bool {
        self.not_resource || self.resources.iter().any(|r| every_one(r))
    }

    /// Whether it reaches every resource whatsoever.
    pub(super) fn on_everything(&self) -> bool {
        self.not_resource || self.resources.iter().any(|r| only_stars(r))
    }

    /// Whether an AWS service is among the principals.
    pub(super) fn admits_service(&self, service: &str) -> bool {
        self.principals.iter().any(|p| matches!(p, Principal::Service(s) if s.eq_ignore_ascii_case(service)))
    }

    /// Accounts among the principals that are not `own`.
    pub(super) fn foreign_accounts<'a>(&'a self, own: &'a str) -> impl Iterator<Item = &'a str> {
        let account = |p: &'a Principal| match p {
            Principal::Aws(name) => account_of(name),
            _ => None,
        };
        self.principals.iter().filter_map(account).filter(move |a| *a != own)
    }

    /// The statement in a few printable words.
    pub(super) fn describe(&self) -> String {
        let but = |names: &[String], not: &[String]| match (names, not) {
            ([], []) => "nothing".to_owned(),
            ([], not) => format!("everything but {}", not.join(", ")),
            (names, _) => names.join(", "),
        };
        let effect = if self.allow { "allows" } else { "denies" };
        let on = if self.not_resource { "all but some".to_owned() } else { self.resources.join(", ") };
        let on = if on.is_empty() { String::new() } else { format!(" on {on}") };
        printable(&format!("{effect} {}{on}", but(&self.actions, &self.not_actions)), 160)
    }
}

/// The account id within an account id or ARN.
pub(super) fn account_of(name: &str) -> Option<&str> {
    let id = if name.starts_with("arn:") { name.split(':').nth(4)? } else { name };
    (id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())).then_some(id)
}

/// `*`, `**`, `*:*`: nothing is left out.
pub(super) fn only_stars(pattern: &str) -> bool {
    pattern.contains('*') && pattern.chars().all(|c| matches!(c, '*' | ':'))
}

/// Within a service: `key/*` is every key, but `bucket/*` is every object of one bucket.
fn every_one(resource: &str) -> bool {
    let mut parts = resource.splitn(6, ':');
    let (service, part) = (parts.nth(2).unwrap_or_default(), parts.nth(2).unwrap_or_default());
    let kind = part.split_once(['/', ':']).filter(|_| service != "s3");
    only_stars(resource)
        || only_stars(part)
        || part == "*/*"
        || kind.is_some_and(|(_, rest)| only_stars(rest) || rest == "*/*")
}
