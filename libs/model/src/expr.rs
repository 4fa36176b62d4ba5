//! The catalogue's expressions: small paths into API answers, templates around them, and conditions over them.
//! A closed language without loops: what needs more is a named transform.

mod condition;
mod parse;
mod template;

use serde_json::Value;

pub use condition::{Condition, Test};
pub use template::{Params, Template};

use crate::transform::Transform;

/// Names that an expression knows besides the resource's own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Var {
    /// The resource's id.
    Id,
    /// AWS account id.
    Account,
    /// Region of the scope.
    Region,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    Partition,
    /// The resource's ARN.
    Arn,
    /// The element of a call with `each`.
    Each,
}

/// Where an expression starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Root {
    #[default]
    /// The resource's item in the listing; inside `fields` the element.
    Item,
    /// A named answer (`encryption:`), a context or `relations:`.
    Answer(String),
    /// A variable.
    Var(Var),
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Member of an object.
    Field(String),
    /// `[*]`: every element.
    All,
    /// `[0]`, `[-1]`.
    Index(i64),
    /// `[?Key=='x']`, `[?A.B!='x']`: the elements for which it holds; the value may be a variable (`{id}`).
    Filter {
        /// Members to walk within the element.
        path: Vec<String>,
        /// Equal, or unequal.
        equal: bool,
        /// What to compare with, as text.
        value: Template,
    },
}

/// A path into the answers, with transforms: `encryption:Rules[0].X.SSEAlgorithm|lower`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Expr {
    /// Where it starts.
    pub root: Root,
    /// Its steps.
    pub steps: Vec<Step>,
    /// What is done with the value, in order.
    pub transforms: Vec<Transform>,
}

/// What an expression can see.
pub trait Sight {
    /// The item (or element) that plain paths start from.
    fn item(&self) -> &Value;
    /// A named answer; `None` reads as null.
    fn answer(&self, name: &str) -> Option<&Value>;
    /// A variable's value; `None` reads as null.
    fn var(&self, var: Var) -> Option<&str>;
}

impl Expr {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::expr(text)
    }

    /// The named answers it needs.
    pub fn answers(&self) -> impl Iterator<Item = &str> {
        let own = match &self.root {
            Root::Answer(name) => Some(name.as_str()),
            _ => None,
        };
        let inner = self.steps.iter().filter_map(|s| match s {
            Step::Filter { value, .. } => Some(value),
            _ => None,
        });
        let compared = self.transforms.iter().filter_map(|t| match t {
            Transform::Is(template) => Some(template),
            _ => None,
        });
        own.into_iter().chain(inner.chain(compared).flat_map(|t| t.answers()))
    }

    /// Evaluates; what is not there is null.
    pub fn eval(&self, sight: &dyn Sight) -> Value {
        let value = match &self.root {
            Root::Item => walk(sight.item(), &self.steps, sight),
            Root::Answer(name) => sight.answer(name).map_or(Value::Null, |v| walk(v, &self.steps, sight)),
            Root::Var(var) => sight.var(*var).map_or(Value::Null, Value::from),
        };
        self.transforms.iter().fold(value, |v, t| t.apply(v, sight))
    }
}

impl Expr {
    /// Whether it is a path of names and `[*]` to the elements of lists, or to one value, and nothing else.
    fn is_plain(&self) -> bool {
        let all = |s: &Step| *s == Step::All;
        self.root == Root::Item
            && self.transforms.is_empty()
            && self.steps.iter().all(|s| all(s) || matches!(s, Step::Field(_)))
            && (self.steps.last().is_some_and(all) || !self.steps.iter().any(all))
    }

    /// What a plain path leads to in an item: the elements where that is a list, else the one value. `None` for any other
    /// expression.
    pub(crate) fn select<'v>(&self, item: &'v Value) -> Option<Vec<&'v Value>> {
        let mut found = Vec::new();
        self.is_plain().then(|| select(item, &self.steps, &mut found))?;
        Some(found)
    }

    /// As [`Self::select`], taken out of the item.
    pub(crate) fn take(&self, item: Value) -> Result<Vec<Value>, Value> {
        if !self.is_plain() {
            return Err(item);
        }
        let mut found = Vec::new();
        take(item, &self.steps, &mut found);
        Ok(found)
    }
}

fn select<'v>(value: &'v Value, steps: &[Step], found: &mut Vec<&'v Value>) {
    match (steps.split_first(), value) {
        (_, Value::Null) => {}
        (Some((Step::Field(name), rest)), value) => value.get(name).into_iter().for_each(|v| select(v, rest, found)),
        (Some((_, [])) | None, Value::Array(list)) => found.extend(list.iter().filter(|v| !v.is_null())),
        (Some((_, rest)), Value::Array(list)) => list.iter().for_each(|v| select(v, rest, found)),
        (Some(_), _) => {}
        (None, one) => found.push(one),
    }
}

fn take(value: Value, steps: &[Step], found: &mut Vec<Value>) {
    match (steps.split_first(), value) {
        (Some((Step::Field(name), rest)), Value::Object(mut map)) => {
            map.remove(name).into_iter().for_each(|v| take(v, rest, found));
        }
        (Some((Step::Field(_), _)), _) | (_, Value::Null) => {}
        (Some((_, [])) | None, Value::Array(list)) => found.extend(list.into_iter().filter(|v| !v.is_null())),
        (Some((_, rest)), Value::Array(list)) => list.into_iter().for_each(|v| take(v, rest, found)),
        (Some(_), _) => {}
        (None, one) => found.push(one),
    }
}

/// Follows steps; after `[*]` or a filter the result is an array.
fn walk(value: &Value, steps: &[Step], sight: &dyn Sight) -> Value {
    let Some((step, rest)) = steps.split_first() else { return value.clone() };
    match step {
        Step::Field(name) => value.get(name).map_or(Value::Null, |v| walk(v, rest, sight)),
        Step::Index(i) => {
            let found = value.as_array().and_then(|a| {
                let i = if *i < 0 {
                    a.len().checked_sub(i.unsigned_abs().try_into().ok()?)?
                } else {
                    (*i).try_into().ok()?
                };
                a.get(i)
            });
            found.map_or(Value::Null, |v| walk(v, rest, sight))
        }
        Step::All => each(value, rest, sight, |_| true),
        Step::Filter { .. } => {
            // filters that follow one another hold together
            let filters = steps.iter().take_while(|s| matches!(s, Step::Filter { .. })).count();
            each(value, &steps[filters..], sight, |element| steps[..filters].iter().all(|f| keeps(f, element, sight)))
        }
    }
}

fn keeps(filter: &Step, element: &Value, sight: &dyn Sight) -> bool {
    let Step::Filter { path, equal, value } = filter else { return true };
    let wanted = value.text(sight).unwrap_or_default();
    let mut found = Vec::new();
    texts_at(element, path, &mut found);
    found.contains(&wanted) == *equal
}

/// The scalars at a path as text, lists passed through; what is not there is empty text.
fn texts_at(value: &Value, path: &[String], out: &mut Vec<String>) {
    match (value, path.split_first()) {
        (Value::Array(elements), _) => elements.iter().for_each(|e| texts_at(e, path, out)),
        (_, None) => out.push(scalar_text(value)),
        (_, Some((name, rest))) => texts_at(value.get(name).unwrap_or(&Value::Null), rest, out),
    }
}

fn each(value: &Value, rest: &[Step], sight: &dyn Sight, keep: impl Fn(&Value) -> bool) -> Value {
    let Some(elements) = value.as_array() else { return Value::Null };
    let nested = rest.iter().any(|s| matches!(s, Step::All | Step::Filter { .. }));
    let mut found = Vec::new();
    for element in elements.iter().filter(|e| keep(e)) {
        match walk(element, rest, sight) {
            Value::Null => {}
            Value::Array(inner) if nested => found.extend(inner),
            other => found.push(other),
        }
    }
    Value::Array(found)
}

/// A scalar as text: strings as they are, numbers and booleans as JSON writes them, all else empty.
pub fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Number(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        _ => String::new(),
    }
}
