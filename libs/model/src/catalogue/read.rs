//! How a type is read: which calls, with which parameters, and what their answers mean.

use std::collections::{BTreeMap, BTreeSet};

use crate::expr::{Condition, Expr, Params, Template};

/// A call of an AWS operation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Call {
    /// botocore's name of the service: `ec2`.
    pub service: String,
    /// Operation: `DescribeVpcs`.
    pub operation: String,
    /// Parameters.
    pub with: Params,
    /// Error codes that mean "not set" (of the listing: "none there").
    pub absent: Vec<String>,
    /// IAM actions that it needs; by default `service:Operation`.
    pub iam: Vec<String>,
    /// Region to call in; by default the scope's.
    pub region: Option<Template>,
}

/// The listing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct List {
    /// The call, made with all its pages.
    pub call: Call,
    /// The resources in the answer (`Reservations[*].Instances[*]`); an answer that is no list is one resource.
    pub items: Expr,
}

/// Reads one resource by its id: for events, and to prove that it is gone.
#[derive(Debug, Clone, PartialEq)]
pub struct One {
    /// The call.
    pub call: Call,
    /// The resource in the answer, in the listing's shape.
    pub items: Expr,
    /// Error codes that mean "there is none".
    pub missing: Vec<String>,
}

/// A further call per resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Get {
    /// The call.
    pub call: Call,
    /// Only where all of these hold (on item and answers); otherwise its answer is absent.
    pub when: Vec<Condition>,
    /// One call per element of this list; the answer is `[{ "each": element, "answer": ... }]`.
    pub each: Option<Expr>,
    /// Many resources in one call.
    pub batch: Option<Batch>,
    /// What of the answer is kept; by default all. With `batch` and in a context: the elements.
    pub items: Option<Expr>,
    /// With `batch`: an element's resource (its value of `key`).
    pub by: Option<Expr>,
    /// What `by` must equal for this resource; by default the id.
    pub key: Template,
    /// The answers that must be there before this call can be made.
    pub needs: BTreeSet<String>,
}

/// Many resources in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Parameter that takes the list of `key`s.
    pub parameter: String,
    /// Most per call.
    pub size: usize,
}

/// A call once per scope (account x region) whose answer every resource sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// The call, made with all its pages.
    pub call: Call,
    /// What of the answer is kept; by default all.
    pub items: Option<Expr>,
    /// Groups the elements: a resource sees the list of those where one of these values equals its `key`.
    pub by: Option<Expr>,
    /// What `by` must equal for this resource; by default the id.
    pub key: Template,
}

/// All calls of a type.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Read {
    /// The listing.
    pub list: List,
    /// One resource by its id.
    pub one: Option<One>,
    /// Further calls per resource, by the name of their answer. Those that name others' answers come after them.
    pub get: BTreeMap<String, Get>,
    /// Calls per scope, by the name of their answer.
    pub context: BTreeMap<String, Context>,
}

impl Call {
    /// The IAM actions that it needs.
    pub fn permissions(&self) -> Vec<String> {
        if self.iam.is_empty() { vec![format!("{}:{}", self.service, self.operation)] } else { self.iam.clone() }
    }
}

impl Get {
    /// The answers that are named wherever this call is described.
    pub(super) fn named(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<&str> = self.call.with.answers().into_iter().collect();
        names.extend(self.call.region.iter().flat_map(Template::answers));
        names.extend(self.when.iter().flat_map(|c| c.expr.answers()));
        names.extend(self.each.iter().flat_map(Expr::answers));
        names.extend(self.key.answers());
        names.remove("relations");
        names.into_iter().map(str::to_owned).collect()
    }
}

impl Read {
    /// Every call, with what it is for.
    pub fn calls(&self) -> impl Iterator<Item = (&str, &Call)> {
        let one = self.one.iter().map(|o| ("one", &o.call));
        let get = self.get.iter().map(|(n, g)| (n.as_str(), &g.call));
        let context = self.context.iter().map(|(n, c)| (n.as_str(), &c.call));
        std::iter::once(("list", &self.list.call)).chain(one).chain(get).chain(context)
    }

    /// The IAM actions that reading the type needs.
    pub fn permissions(&self) -> BTreeSet<String> {
        self.calls().flat_map(|(_, c)| c.permissions()).collect()
    }
}
