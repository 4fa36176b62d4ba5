//! From API answers to a snapshot: a pure mapping by the catalogue's lines. Making the calls is the agent's.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::catalogue::{Context, Get, List, One, Rule, Scope, Type};
use crate::expr::{Expr, Sight, Template, Var, scalar_text};
use crate::normal::{self, Side};
use crate::resource::GLOBAL;
use crate::secret::{self, SecretKey};
use crate::{ResourceKey, Snapshot};

/// Before a relation's name among [`Snapshot::unread`].
pub const RELATIONS: &str = "relations:";

/// Where and for whom is read.
#[derive(Debug, Clone, Copy)]
pub struct ObserveContext<'a> {
    /// AWS account id.
    pub account: &'a str,
    /// Region of the scope (of a global type: the one that its calls go to).
    pub region: &'a str,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: &'a str,
    /// The id where it is known already (re-read by [`crate::catalogue::One`]).
    pub id: Option<&'a str>,
    /// What secrets are hashed with.
    pub secrets: &'a SecretKey,
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Its answer, in the CLI's names; with `items` what that keeps, with `by` this resource's elements.
    Found(Arc<Value>),
    /// An error that means "not set", or a call that `when` left out.
    Absent,
    /// Denied, throttled, cut short ...: unknown.
    Failed(String),
}

/// Answers by the names of the calls. A call that is missing here was not made: what needs it is unread.
pub type Answers = BTreeMap<String, Answer>;

/// What an item is.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// A resource.
    Resource(Box<Snapshot>),
    /// None of this type, for this reason of the catalogue.
    Skipped(String),
}

/// Why an item can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObserveError {
    /// The catalogue's rule gives no id.
    #[error("{kind}: the answer holds no id (`{rule}`)")]
    NoId {
        /// The type.
        kind: String,
        /// A hint at the rule.
        rule: String,
    },
}

/// An item and answers as expressions see them. For the parameters of further calls, too.
pub struct Seen<'a> {
    context: ObserveContext<'a>,
    item: &'a Value,
    answers: &'a Answers,
    id: Option<String>,
    arn: Option<String>,
    each: Option<String>,
}

impl<'a> Seen<'a> {
    /// Reads id and ARN from the item by the type's rule.
    pub fn new(ty: &Type, context: ObserveContext<'a>, item: &'a Value, answers: &'a Answers) -> Self {
        let mut seen = Self { context, item, answers, id: context.id.map(str::to_owned), arn: None, each: None };
        if seen.id.is_none() {
            seen.id = ty.id.text(&seen);
        }
        seen.arn = ty.arn.as_ref().and_then(|t| t.text(&seen));
        seen
    }

    /// The same with `{each}`.
    #[must_use]
    pub fn each(mut self, element: &Value) -> Self {
        self.each = Some(scalar_text(element));
        self
    }

    /// The resource's id.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Sight for Seen<'_> {
    fn item(&self) -> &Value {
        self.item
    }
    fn answer(&self, name: &str) -> Option<&Value> {
        match self.answers.get(name) {
            Some(Answer::Found(value)) => Some(value),
            _ => None,
        }
    }
    fn var(&self, var: Var) -> Option<&str> {
        match var {
            Var::Id => self.id.as_deref(),
            Var::Arn => self.arn.as_deref(),
            Var::Each => self.each.as_deref(),
            Var::Account => Some(self.context.account),
            Var::Region => Some(self.context.region),
            Var::Partition => Some(self.context.partition),
        }
    }
}

/// The resource's key, before any further call; `None` without an id.
pub fn key(ty: &Type, context: ObserveContext<'_>, item: &Value) -> Option<ResourceKey> {
    let answers = Answers::new();
    let id = Seen::new(ty, context, item, &answers).id?;
    Some(key_of(ty, context, id))
}

fn key_of(ty: &Type, context: ObserveContext<'_>, id: String) -> ResourceKey {
    let region = match ty.scope {
        Scope::Regional => context.region,
        Scope::Global => GLOBAL,
    };
    ResourceKey::new(context.account, region, ty.name.clone(), id)
}

/// Why the item is no resource of this type, as far as item and answers tell.
pub fn skipped<'t>(ty: &'t Type, seen: &Seen<'_>) -> Option<&'t str> {
    word(&ty.skips, seen)
}

fn word<'t>(rules: &'t [Rule], seen: &Seen<'_>) -> Option<&'t str> {
    rules.iter().find(|r| r.when.iter().all(|c| c.holds(seen))).map(|r| r.word.as_str())
}

/// Maps an item and the answers of its calls to a snapshot.
pub fn observe(
    ty: &Type,
    context: ObserveContext<'_>,
    item: &Value,
    answers: &Answers,
) -> Result<Observed, ObserveError> {
    let seen = Seen::new(ty, context, item, answers);
    if let Some(reason) = skipped(ty, &seen) {
        return Ok(Observed::Skipped(reason.to_owned()));
    }
    let Some(id) = seen.id.clone() else {
        return Err(ObserveError::NoId { kind: ty.name.clone(), rule: hint(&ty.id) });
    };
    let mut snapshot = Snapshot {
        key: key_of(ty, context, id),
        arn: seen.arn.clone(),
        revision: ty.revision.clone(),
        attributes: BTreeMap::new(),
        unread: BTreeMap::new(),
        relations: BTreeMap::new(),
        owner: word(&ty.owners, &seen).map(str::to_owned),
    };
    let calls = ty.read.get.keys().chain(ty.read.context.keys());
    let whole = calls.into_iter().all(|name| failure(answers, name).is_none());
    for (path, attribute) in &ty.attributes {
        let raw = normal::first(&attribute.from, &seen);
        let needed = if whole { Vec::new() } else { attribute.answers() };
        let failed = needed.into_iter().find_map(|name| failure(answers, name));
        match failed {
            Some(error) if raw.is_null() || !attribute.fields.is_empty() => {
                snapshot.unread.insert(path.clone(), error);
            }
            _ => {
                let value = normal::normalise(attribute, raw, Side::Api(&seen), &snapshot.key.id);
                let value = secret::sealed(attribute, value, &snapshot.key, context.secrets);
                if !value.is_null() {
                    snapshot.attributes.insert(path.clone(), value);
                }
            }
        }
    }
    for (name, expr) in &ty.relations {
        if let Some(error) = expr.answers().find_map(|answer| failure(answers, answer)) {
            snapshot.unread.insert(format!("{RELATIONS}{name}"), error);
            continue;
        }
        let value = expr.eval(&seen);
        if !value.is_null() {
            snapshot.relations.insert(name.clone(), value);
        }
    }
    Ok(Observed::Resource(Box::new(snapshot)))
}

fn failure(answers: &Answers, name: &str) -> Option<String> {
    match answers.get(name) {
        Some(Answer::Failed(error)) => Some(error.clone()),
        None => Some("not read yet".to_owned()),
        Some(Answer::Found(_) | Answer::Absent) => None,
    }
}

fn hint(template: &Template) -> String {
    let steps = template.exprs().flat_map(|e| &e.steps);
    let names = steps.filter_map(|s| match s {
        crate::expr::Step::Field(name) => Some(name.as_str()),
        _ => None,
    });
    names.collect::<Vec<_>>().join(".")
}

impl Get {
    /// What of an answer is kept.
    pub fn kept(&self, answer: Value) -> Value {
        match &self.items {
            None => answer,
            Some(items) => items.eval(&normal::Alone(&answer)),
        }
    }

    /// The elements of a batch's answers, by the resource's `key`.
    pub fn grouped(&self, elements: &Value) -> BTreeMap<String, Vec<Value>> {
        let by = self.by.iter();
        let elements = elements.as_array().map(Vec::as_slice).unwrap_or_default();
        by.map(|by| grouped(by, elements.iter().map(Cow::Borrowed))).next().unwrap_or_default()
    }
}

impl Context {
    /// What of the answer is kept.
    pub fn kept(&self, answer: &Arc<Value>) -> Arc<Value> {
        match &self.items {
            None => Arc::clone(answer),
            Some(items) => Arc::new(items.eval(&normal::Alone(answer))),
        }
    }

    /// With `by`: what is kept of the answer, by the resource's `key`. Without it the answer comes back.
    pub fn grouped(&self, answer: Arc<Value>) -> Result<BTreeMap<String, Vec<Value>>, Arc<Value>> {
        let Some(by) = &self.by else { return Err(answer) };
        let items = self.items.clone().unwrap_or_default();
        Ok(match Arc::try_unwrap(answer) {
            Ok(own) => grouped(by, taken(&items, own).into_iter().map(Cow::Owned)),
            Err(shared) => grouped(by, elements(&items, &shared)),
        })
    }
}

impl List {
    /// The resources in an answer.
    pub fn elements<'v>(&self, answer: &'v Value) -> Vec<Cow<'v, Value>> {
        elements(&self.items, answer)
    }

    /// The same, taken out of the answer.
    pub fn taken(&self, answer: Value) -> Vec<Value> {
        taken(&self.items, answer)
    }
}

impl One {
    /// The resource in an answer: one, or none.
    pub fn elements<'v>(&self, answer: &'v Value) -> Vec<Cow<'v, Value>> {
        elements(&self.items, answer)
    }
}

/// What `items` leads to: the elements of a list, or the one that is no list. Taken from the answer without copying it
/// where the expression is a plain path, as listings of a large account are.
fn elements<'v>(items: &Expr, answer: &'v Value) -> Vec<Cow<'v, Value>> {
    if let Some(found) = items.select(answer) {
        return found.into_iter().map(Cow::Borrowed).collect();
    }
    match items.eval(&normal::Alone(answer)) {
        Value::Array(a) => a.into_iter().map(Cow::Owned).collect(),
        Value::Null => Vec::new(),
        one => vec![Cow::Owned(one)],
    }
}

fn taken(items: &Expr, answer: Value) -> Vec<Value> {
    let other = |answer| elements(items, &answer).into_iter().map(Cow::into_owned).collect();
    items.take(answer).unwrap_or_else(other)
}

/// Groups elements by the values that `by` has in each (of a list every one).
fn grouped<'v>(by: &Expr, elements: impl IntoIterator<Item = Cow<'v, Value>>) -> BTreeMap<String, Vec<Value>> {
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for element in elements {
        let names: Vec<String> = match by.eval(&normal::Alone(&element)) {
            Value::Array(a) => a.iter().map(scalar_text).collect(),
            one => vec![scalar_text(&one)],
        };
        let mut names: Vec<String> = names.into_iter().filter(|n| !n.is_empty()).collect();
        let Some(last) = names.pop() else { continue };
        for name in names {
            groups.entry(name).or_default().push(element.as_ref().clone());
        }
        groups.entry(last).or_default().push(element.into_owned());
    }
    groups
}
