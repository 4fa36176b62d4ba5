//! Looking into snapshots and instances by path: for conditions, for judging, for ids.

use serde_json::Value;

use crate::Snapshot;
use crate::catalogue::Type;
use crate::expr::{Condition, Expr, Root, Sight, Step, Var};
use crate::normal::lookup;
use crate::observe::RELATIONS;
use crate::record::Instance;

impl Type {
    /// The value at a path, what absent means where it is not set: an attribute, a tag (`tags.Owner`), a field of all
    /// blocks as a list (`ingress.cidr_blocks`), `owner`. `None` if it is unread or unknown.
    pub fn value_at(&self, snapshot: &Snapshot, path: &str) -> Option<Value> {
        if path == "owner" {
            return Some(snapshot.owner.as_deref().map_or(Value::Null, Value::from));
        }
        let (attribute, rest) = self.attribute(path)?;
        if snapshot.unread.contains_key(&attribute.path) {
            return None;
        }
        match (snapshot.attributes.get(&attribute.path), rest) {
            (None, "") => Some(attribute.absent()),
            (Some(value), "") => Some(value.clone()),
            (None, _) => Some(Value::Null),
            // a tag's key may hold dots
            (Some(Value::Object(members)), key) if members.contains_key(key) => members.get(key).cloned(),
            (Some(value), rest) => Some(lookup(value, rest).into_value()),
        }
    }

    /// Whether all conditions hold for a snapshot; `None` if one looks at what is unread.
    pub fn holds(&self, conditions: &[Condition], snapshot: &Snapshot) -> Option<bool> {
        for condition in conditions {
            if !condition.test.holds(&self.look(&condition.expr, snapshot)?) {
                return Some(false);
            }
        }
        Some(true)
    }

    fn look(&self, expr: &Expr, snapshot: &Snapshot) -> Option<Value> {
        let names: Vec<&str> = expr
            .steps
            .iter()
            .filter_map(|s| match s {
                Step::Field(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let path = names.join(".");
        let value = match &expr.root {
            Root::Answer(_) if unread(snapshot, &names) => return None,
            Root::Answer(_) => {
                snapshot.relations.get(names.first().copied().unwrap_or_default()).map_or(Value::Null, |relation| {
                    lookup(relation, &names.get(1..).unwrap_or_default().join(".")).into_value()
                })
            }
            Root::Item => self.value_at(snapshot, &path)?,
            Root::Var(Var::Id) => snapshot.key.id.as_str().into(),
            Root::Var(Var::Account) => snapshot.key.account.as_str().into(),
            Root::Var(Var::Region) => snapshot.key.region.as_str().into(),
            Root::Var(Var::Arn) => snapshot.arn.as_deref().map_or(Value::Null, Value::from),
            Root::Var(Var::Partition | Var::Each) => Value::Null,
        };
        let alone = crate::normal::Alone(&value);
        Some(expr.transforms.iter().fold(value.clone(), |v, t| t.apply(v, &alone)))
    }
}

fn unread(snapshot: &Snapshot, names: &[&str]) -> bool {
    let name = names.first().copied().unwrap_or_default();
    snapshot.unread.contains_key(&format!("{RELATIONS}{name}"))
}

/// A source's instance as templates and conditions see it.
pub(crate) struct InstanceSight {
    item: Value,
}

impl InstanceSight {
    pub(crate) fn new(instance: &Instance) -> Self {
        Self { item: Value::Object(instance.attributes.clone()) }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.item.get(name).and_then(Value::as_str).filter(|t| !t.is_empty())
    }
}

impl Sight for InstanceSight {
    fn item(&self) -> &Value {
        &self.item
    }
    fn answer(&self, _: &str) -> Option<&Value> {
        None
    }
    fn var(&self, var: Var) -> Option<&str> {
        match var {
            Var::Id => self.text("id"),
            Var::Arn => self.text("arn"),
            Var::Account => self.text("owner_id").or_else(|| part(self.text("arn")?, 4)),
            Var::Region => self.text("region").or_else(|| part(self.text("arn")?, 3)),
            Var::Partition => part(self.text("arn")?, 1),
            Var::Each => None,
        }
    }
}

/// A part of an ARN, counted from 0; `None` for what is no ARN or where it is empty.
pub(crate) fn part(arn: &str, index: usize) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    (parts.next() == Some("arn")).then_some(())?;
    parts.nth(index.checked_sub(1)?).filter(|p| !p.is_empty())
}
