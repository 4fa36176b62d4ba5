//! The further calls of one resource: those whose needs are answered go out side by side, until all are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use driftline_model::catalogue::{Call, Get, Type};
use driftline_model::expr::scalar_text;
use driftline_model::observe::Answer;
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

use super::calls::Calls;
use super::sight::View;

/// Elements of an `each` call that are followed; more is an error of that answer, not a shorter list.
const MAX_EACH: usize = 2000;
/// Calls of one resource under way at the same time.
const SIDE_BY_SIDE: usize = 4;

/// Makes all `get` calls but those answered in batches, and adds their answers. `view.answers` holds the contexts.
pub(crate) async fn answers(
    calls: &Calls,
    kind: &Type,
    view: View<'_>,
    mut answers: BTreeMap<String, Answer>,
) -> BTreeMap<String, Answer> {
    let mut open: Vec<(&String, &Get)> = kind.read.get.iter().filter(|(name, _)| !answers.contains_key(*name)).collect();
    while !open.is_empty() {
        let (ready, waiting): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|(_, get)| get.needs().iter().all(|n| answers.contains_key(*n)));
        if ready.is_empty() {
            // Calls that wait for each other: the catalogue check refuses these, a user's file may still have them.
            for (name, _) in waiting {
                answers.insert(name.clone(), Answer::Failed("its calls wait for each other".to_owned()));
            }
            return answers;
        }
        let found: Vec<(String, Answer)> = {
            let view = View { answers: &answers, ..view };
            stream::iter(ready)
                .map(|(name, get)| async move { (name.clone(), one(calls, get, view).await) })
                .buffer_unordered(SIDE_BY_SIDE)
                .collect()
                .await
        };
        answers.extend(found);
        open = waiting;
    }
    answers
}

async fn one(calls: &Calls, get: &Get, view: View<'_>) -> Answer {
    if let Some(failed) = get.needs().iter().find_map(|n| match view.answers.get(*n) {
        Some(Answer::Failed(reason)) => Some(reason.clone()),
        _ => None,
    }) {
        return Answer::Failed(failed);
    }
    if !get.when.iter().all(|c| c.holds(&view)) {
        return Answer::Absent;
    }
    let Some(each) = &get.each else { return call(calls, &get.call, get.items.as_ref(), view).await };
    let elements = match each.eval(&view) {
        Value::Array(elements) => elements,
        Value::Null => return Answer::Absent,
        single => vec![single],
    };
    if elements.len() > MAX_EACH {
        return Answer::Failed(format!("{} elements to follow; the limit is {MAX_EACH}", elements.len()));
    }
    let results: Vec<(Value, Answer)> = stream::iter(elements)
        .map(|element| async move {
            let text = scalar_text(&element);
            let view = View { each: Some(&text), ..view };
            let answer = call(calls, &get.call, get.items.as_ref(), view).await;
            (element, answer)
        })
        .buffered(SIDE_BY_SIDE)
        .collect()
        .await;
    let mut list = Vec::new();
    for (element, answer) in results {
        match answer {
            Answer::Found(value) => list.push(json!({ "each": element, "answer": value })),
            Answer::Absent => {}
            Answer::Failed(reason) => return Answer::Failed(reason),
        }
    }
    Answer::Found(Value::Array(list))
}

async fn call(calls: &Calls, call: &Call, items: Option<&driftline_model::expr::Expr>, view: View<'_>) -> Answer {
    let region = call.region.as_ref().and_then(|r| r.text(&view));
    let region = region.as_deref().unwrap_or(view.region);
    match calls.make(region, call, &call.with.value(&view)).await {
        Ok(value) => Answer::Found(match items {
            Some(items) => items.eval(&View { item: &value, ..view }),
            None => value,
        }),
        Err(error) if error.code().is_some_and(|c| call.absent.iter().any(|a| a == c)) => Answer::Absent,
        Err(error) => Answer::Failed(format!("{}:{}: {error}", call.service, call.operation)),
    }
}

/// Answers of calls that take many resources at once, per resource.
pub(crate) async fn batches(
    calls: &Calls,
    kind: &Type,
    views: &[View<'_>],
) -> HashMap<usize, BTreeMap<String, Answer>> {
    let mut found: HashMap<usize, BTreeMap<String, Answer>> = HashMap::new();
    for (name, get) in &kind.read.get {
        let Some(batch) = &get.batch else { continue };
        let keyed: Vec<(usize, Option<String>)> =
            views.iter().enumerate().map(|(i, v)| (i, get.key.text(v))).collect();
        for chunk in keyed.chunks(batch.size.max(1)) {
            let keys: Vec<Value> = chunk.iter().filter_map(|(_, k)| k.clone().map(Value::String)).collect();
            let Some(first) = chunk.first().and_then(|(i, _)| views.get(*i)) else { continue };
            let mut params = get.call.with.value(first);
            if let Some(object) = params.as_object_mut() {
                object.insert(batch.parameter.clone(), Value::Array(keys));
            }
            let answer = calls.make(first.region, &get.call, &params).await;
            let elements = answer.map(|value| match &get.items {
                Some(items) => items.eval(&View { item: &value, ..*first }),
                None => value,
            });
            for (i, key) in chunk {
                let answer = match &elements {
                    Err(error) if error.code().is_some_and(|c| get.call.absent.iter().any(|a| a == c)) => Answer::Absent,
                    Err(error) => Answer::Failed(format!("{}:{}: {error}", get.call.service, get.call.operation)),
                    Ok(elements) => pick(get.by.as_ref(), elements, key.as_deref(), first),
                };
                found.entry(*i).or_default().insert(name.clone(), answer);
            }
        }
    }
    found
}

/// The elements that are this resource's.
fn pick(by: Option<&driftline_model::expr::Expr>, elements: &Value, key: Option<&str>, view: &View<'_>) -> Answer {
    let (Some(by), Some(key)) = (by, key) else { return Answer::Absent };
    let of = |e: &&Value| scalar_text(&by.eval(&View { item: e, ..*view })) == key;
    Answer::Found(elements.as_array().into_iter().flatten().filter(of).cloned().collect())
}

/// A context's answer for one resource: the elements grouped by `by` that carry its key.
pub(crate) type Groups = Arc<HashMap<String, Vec<Value>>>;

/// Groups a context's elements.
pub(crate) fn groups(by: &driftline_model::expr::Expr, elements: &Value, view: &View<'_>) -> HashMap<String, Vec<Value>> {
    let mut groups: HashMap<String, Vec<Value>> = HashMap::new();
    for element in elements.as_array().into_iter().flatten() {
        let keys = match by.eval(&View { item: element, ..*view }) {
            Value::Array(keys) => keys.iter().map(scalar_text).collect(),
            key => vec![scalar_text(&key)],
        };
        for key in keys.into_iter().filter(|k| !k.is_empty()) {
            groups.entry(key).or_default().push(element.clone());
        }
    }
    groups
}
