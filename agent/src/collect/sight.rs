//! What a call's templates can see: the item, the answers so far, and the variables.

use std::collections::BTreeMap;

use driftline_model::expr::{Sight, Var};
use driftline_model::observe::Answer;
use serde_json::Value;

/// One resource (or none, for a listing) in sight.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) item: &'a Value,
    pub(crate) answers: &'a BTreeMap<String, Answer>,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) partition: &'a str,
    pub(crate) id: Option<&'a str>,
    pub(crate) each: Option<&'a str>,
}

impl Sight for View<'_> {
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
            Var::Id => self.id,
            Var::Account => Some(self.account),
            Var::Region => Some(self.region),
            Var::Partition => Some(self.partition),
            Var::Each => self.each,
            Var::Arn => None,
        }
    }
}
