//! One resource, seen in the cloud and agreed in sources, in a few lines.

use std::collections::BTreeMap;

use driftline_model::record::{Instance, Part};
use driftline_model::{
    Answer, Answers, Baseline, Catalogue, Comparison, ObserveContext, Observed, Origin, SecretKey, Snapshot, examine,
    fold, observe, seal,
};
use serde_json::{Value, json};

pub(crate) fn catalogue() -> Catalogue {
    Catalogue::embedded().unwrap_or_else(|problems| panic!("{problems}"))
}

pub(crate) fn secrets() -> SecretKey {
    SecretKey::new("k1", *b"not a secret")
}

/// Observes an item; answers that are not given are absent.
pub(crate) fn seen(kind: &str, item: &Value, answers: &Value) -> Snapshot {
    let catalogue = catalogue();
    let ty = catalogue.get(kind).unwrap();
    let mut all: Answers =
        ty.read.get.keys().chain(ty.read.context.keys()).map(|n| (n.clone(), Answer::Absent)).collect();
    for (name, value) in answers.as_object().unwrap() {
        let answer = match value.get("failed") {
            Some(error) => Answer::Failed(error.as_str().unwrap().to_owned()),
            None => Answer::Found(value.clone().into()),
        };
        assert!(all.insert(name.clone(), answer).is_some(), "no call `{name}`");
    }
    let secrets = secrets();
    let context =
        ObserveContext { account: "111122223333", region: "eu-west-1", partition: "aws", id: None, secrets: &secrets };
    match observe(ty, context, item, &all).unwrap() {
        Observed::Resource(snapshot) => *snapshot,
        Observed::Skipped(reason) => panic!("skipped: {reason}"),
    }
}

/// Folds `[(type, attributes)]` of one Terraform state.
pub(crate) fn agreed(kind: &str, instances: &[(&str, Value)]) -> Baseline {
    agreed_but(kind, instances, &[])
}

/// The same with `ignore_changes` on the first.
pub(crate) fn agreed_but(kind: &str, instances: &[(&str, Value)], ignore: &[&str]) -> Baseline {
    let catalogue = catalogue();
    let ty = catalogue.get(kind).unwrap();
    let instance = |(i, (kind, attributes)): (usize, &(&str, Value))| {
        let mut instance = Instance {
            kind: (*kind).to_owned(),
            address: format!("{kind}.it{i}"),
            line: None,
            attributes: attributes.as_object().unwrap().clone(),
            ignore_changes: if i == 0 { ignore.iter().map(|s| (*s).to_owned()).collect() } else { Vec::new() },
        };
        seal(&catalogue, &mut instance, &secrets());
        instance
    };
    let origin = Origin { origin: "terraform".into(), source: "a.tfstate".into(), address: String::new(), line: None };
    let part = Part {
        origin,
        lineage: "l".into(),
        serial: 1,
        revision: catalogue.revision().to_owned(),
        instances: instances.iter().enumerate().map(instance).collect(),
    };
    fold(ty, &[part])
}

/// The drifts as `path: expected -> actual`, with what is muted and unknown.
pub(crate) fn compared(kind: &str, snapshot: &Snapshot, baseline: &Baseline) -> Vec<String> {
    let catalogue = catalogue();
    let Comparison { differences, muted, unknown } = examine(catalogue.get(kind).unwrap(), snapshot, baseline);
    let drifts = differences.iter().map(|d| format!("{}: {} -> {}", d.path, d.expected, d.actual));
    let muted = muted.iter().map(|(path, why)| format!("muted {path}: {why}"));
    let unknown = unknown.iter().map(|(path, why)| format!("unknown {path}: {why}"));
    drifts.chain(muted).chain(unknown).collect()
}

/// A state's attributes with some replaced.
pub(crate) fn with(base: &Value, changes: &Value) -> Value {
    let mut out = base.clone();
    for (name, value) in changes.as_object().unwrap() {
        out[name] = value.clone();
    }
    out
}

pub(crate) fn answers(list: &[(&str, Value)]) -> Value {
    let map: BTreeMap<&str, &Value> = list.iter().map(|(n, v)| (*n, v)).collect();
    json!(map)
}

/// What drifts between an item with its answers and a state: the paths alone, with what is muted and unknown.
pub(crate) fn drifting(kind: &str, item: &Value, answers: &Value, instances: &[(&str, Value)]) -> Vec<String> {
    let found = compared(kind, &seen(kind, item, answers), &agreed(kind, instances));
    found.into_iter().map(|line| line.split(": ").next().unwrap_or_default().to_owned()).collect()
}

/// Why an item is no resource of the type, if so.
pub(crate) fn skipped(kind: &str, item: &Value) -> Option<String> {
    let catalogue = catalogue();
    let ty = catalogue.get(kind).unwrap();
    let secrets = secrets();
    let context =
        ObserveContext { account: "111122223333", region: "eu-west-1", partition: "aws", id: None, secrets: &secrets };
    match observe(ty, context, item, &Answers::new()).unwrap() {
        Observed::Resource(_) => None,
        Observed::Skipped(reason) => Some(reason),
    }
}
