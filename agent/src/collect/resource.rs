//! The further calls of one resource: those whose needs are answered go out side by side, until all are.

use std::collections::HashMap;
use std::sync::Arc;

use driftline_model::Value;
use driftline_model::catalogue::{Call, Get, Type};
use driftline_model::expr::{Condition, Expr};
use driftline_model::observe::{Answer, Answers, ObserveContext, Seen};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, StreamExt};
use serde_json::json;

use super::calls::Calls;

/// Elements of an `each` call that are followed; more is an error of that answer, not a shorter list.
const MAX_EACH: usize = 2000;
/// Calls of one resource under way at the same time.
const SIDE_BY_SIDE: usize = 4;

/// How many further calls a resource needs, as far as its item tells: those that `when` leaves out cost nothing, nor do
/// those that follow the elements of such.
pub(crate) fn further(kind: &Type, seen: &Seen<'_>, known: &Answers) -> usize {
    let told = |c: &&Condition| c.expr.answers().all(|name| known.contains_key(name));
    let left_out = |get: &Get| get.when.iter().filter(told).any(|c| !c.holds(seen));
    let follows_none = |get: &Get| {
        let names = get.each.iter().flat_map(Expr::answers);
        names.filter_map(|name| kind.read.get.get(name)).any(left_out)
    };
    kind.read.get.values().filter(|get| !left_out(get) && !follows_none(get)).count()
}

/// One resource of a listing.
#[derive(Clone, Copy)]
pub(crate) struct Listed<'a> {
    pub(crate) calls: &'a Calls,
    pub(crate) kind: &'a Type,
    pub(crate) context: ObserveContext<'a>,
    pub(crate) item: &'a Value,
}

impl<'a> Listed<'a> {
    fn seen(&self, answers: &'a Answers) -> Seen<'a> {
        Seen::new(self.kind, self.context, self.item, answers)
    }

    /// Makes all `get` calls that have no answer yet (contexts and batches have), and adds their answers.
    pub(crate) async fn answers(&self, mut answers: Answers) -> Answers {
        let get = self.kind.read.get.iter();
        let mut open: Vec<(&String, &Get)> = get.filter(|(name, _)| !answers.contains_key(*name)).collect();
        while !open.is_empty() {
            let (ready, waiting): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|(_, get)| get.needs.iter().all(|n| answers.contains_key(n)));
            if ready.is_empty() {
                // Calls that wait for each other: the catalogue check refuses these, a user's file may still have them.
                let cycle = || Answer::Failed("its calls wait for each other".to_owned());
                answers.extend(waiting.into_iter().map(|(name, _)| (name.clone(), cycle())));
                return answers;
            }
            let found: Vec<(String, Answer)> = {
                let (this, answers) = (Listed { ..*self }, &answers);
                let mut calls: Vec<BoxFuture<'_, (String, Answer)>> = Vec::new();
                for (name, get) in ready {
                    calls.push(async move { (name.clone(), this.get(get, answers).await) }.boxed());
                }
                stream::iter(calls).buffer_unordered(SIDE_BY_SIDE).collect().await
            };
            answers.extend(found);
            open = waiting;
        }
        answers
    }

    async fn get(&self, get: &Get, answers: &Answers) -> Answer {
        let failed = get.needs.iter().find_map(|n| match answers.get(n) {
            Some(Answer::Failed(reason)) => Some(reason.clone()),
            _ => None,
        });
        if let Some(reason) = failed {
            return Answer::Failed(reason);
        }
        let this = Listed { ..*self };
        let seen = Seen::new(this.kind, this.context, this.item, answers);
        if !get.when.iter().all(|c| c.holds(&seen)) {
            return Answer::Absent;
        }
        let Some(each) = &get.each else { return this.call(get, &seen).await };
        let elements = match each.eval(&seen) {
            Value::Array(elements) => elements,
            Value::Null => return Answer::Absent,
            single => vec![single],
        };
        if elements.len() > MAX_EACH {
            return Answer::Failed(format!("{} elements to follow; the limit is {MAX_EACH}", elements.len()));
        }
        let results: Vec<(Value, Answer)> = stream::iter(elements)
            .map(|element| async move {
                let seen = Seen::new(this.kind, this.context, this.item, answers).each(&element);
                let answer = this.call(get, &seen).await;
                (element, answer)
            })
            .buffered(SIDE_BY_SIDE)
            .collect()
            .await;
        let mut list = Vec::new();
        for (element, answer) in results {
            match answer {
                Answer::Found(value) => list.push(json!({ "each": element, "answer": *value })),
                Answer::Absent => {}
                Answer::Failed(reason) => return Answer::Failed(reason),
            }
        }
        Answer::Found(Value::Array(list).into())
    }

    async fn call(&self, get: &Get, seen: &Seen<'_>) -> Answer {
        let region = get.call.region.as_ref().and_then(|r| r.text(seen));
        let region = region.as_deref().unwrap_or(self.context.region);
        let answer = self.calls.make(region, &get.call, &get.call.with.value(seen)).await;
        answered(&get.call, answer.map(|value| get.kept(value)))
    }
}

/// What a call's end means.
pub(crate) fn answered<E: std::borrow::Borrow<driftline_aws::Error>>(
    call: &Call,
    result: Result<impl Into<Arc<Value>>, E>,
) -> Answer {
    match result {
        Ok(value) => Answer::Found(value.into()),
        Err(error) if is_absent(call, error.borrow()) => Answer::Absent,
        Err(error) => Answer::Failed(format!("{}:{}: {}", call.service, call.operation, error.borrow())),
    }
}

/// Whether the error only means "not set".
pub(crate) fn is_absent(call: &Call, error: &driftline_aws::Error) -> bool {
    error.code().is_some_and(|code| call.absent.iter().any(|a| a == code))
}

/// Answers of calls that take many resources at once, by index into `resources`.
pub(crate) async fn batches(resources: &[(Listed<'_>, &Answers)]) -> HashMap<usize, Answers> {
    let mut found: HashMap<usize, Answers> = HashMap::new();
    let Some((first, _)) = resources.first() else { return found };
    for (name, get) in &first.kind.read.get {
        let Some(batch) = &get.batch else { continue };
        let keyed: Vec<(usize, Option<String>)> =
            resources.iter().enumerate().map(|(i, (r, answers))| (i, get.key.text(&r.seen(answers)))).collect();
        for chunk in keyed.chunks(batch.size.max(1)) {
            let keys: Vec<Value> = chunk.iter().filter_map(|(_, k)| k.clone().map(Value::String)).collect();
            let nothing = Answers::new();
            let mut params = get.call.with.value(&first.seen(&nothing));
            if let Some(object) = params.as_object_mut() {
                object.insert(batch.parameter.clone(), Value::Array(keys));
            }
            let answer = first.calls.make(first.context.region, &get.call, &params).await;
            let answer = answered(&get.call, answer.map(|value| get.kept(value)));
            let groups = match &answer {
                Answer::Found(elements) => get.grouped(elements),
                _ => std::collections::BTreeMap::default(),
            };
            for (i, key) in chunk {
                let own = match &answer {
                    Answer::Found(_) => {
                        let group = key.as_ref().and_then(|k| groups.get(k)).cloned().unwrap_or_default();
                        Answer::Found(Value::Array(group).into())
                    }
                    other => other.clone(),
                };
                found.entry(*i).or_default().insert(name.clone(), own);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use driftline_model::{Catalogue, SecretKey};

    use super::*;

    #[test]
    fn calls_that_the_item_makes_needless_cost_nothing() {
        let catalogue = Catalogue::embedded().unwrap();
        let secrets = SecretKey::new("k1", *b"not a secret");
        let context = ObserveContext {
            account: "111122223333",
            region: "us-east-1",
            partition: "aws",
            id: None,
            secrets: &secrets,
        };
        let known = Answers::new();
        let further = |kind: &str, item: Value| {
            let kind = catalogue.get(kind).unwrap();
            further(kind, &Seen::new(kind, context, &item, &known), &known)
        };
        let whole = json!({ "RoleName": "r", "Path": "/", "RolePolicyList": [], "AttachedManagedPolicies": [] });
        assert_eq!(further("aws_iam_role", whole), 0, "the listing has told all");
        assert_eq!(further("aws_iam_role", json!({ "RoleName": "r", "Path": "/" })), 3);
        assert_eq!(further("aws_kms_key", json!({ "KeyId": "k" })), 5, "what other answers decide may be needed");
    }
}
