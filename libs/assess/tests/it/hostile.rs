//! Whatever stands in a snapshot or a baseline - it is written by strangers - judging ends, and what it says prints.

use std::collections::BTreeMap;

use driftline_assess::Context;
use driftline_model::{Baseline, Catalogue, Declared, Snapshot};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{shipped, snapshot};

/// JSON with the words that rules look for, and with characters that must not reach a terminal.
fn any_json() -> impl Strategy<Value = Value> {
    let words = [
        "*",
        "Allow",
        "Deny",
        "0.0.0.0/0",
        "::/0",
        "tcp",
        "-1",
        "22",
        "",
        "arn:aws:iam::111111111111:root",
        "sts:AssumeRole",
        "\u{1b}[0m",
        "\u{202e}",
        "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]}",
        "%7B%7D",
        "{",
    ];
    let keys = [
        "Statement",
        "Effect",
        "Action",
        "Principal",
        "Resource",
        "Condition",
        "AWS",
        "Service",
        "StringEquals",
        "protocol",
        "from_port",
        "to_port",
        "cidr_blocks",
        "policy",
        "name",
        "Owner",
        "encrypted",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(keys.to_vec()), inner, 0..4).prop_map(|m| m
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

fn fill(catalogue: &Catalogue, type_name: &str, values: &[Value]) -> (Snapshot, Baseline) {
    let of = catalogue.get(type_name).unwrap();
    let mut it = values.iter().cycle().cloned();
    let mut take = || -> BTreeMap<String, Value> {
        of.attributes.keys().map(|path| (path.clone(), it.next().unwrap_or(Value::Null))).collect()
    };
    let mut snapshot = snapshot(type_name, "x\u{1b}", json!({}));
    snapshot.revision.clone_from(&of.revision);
    snapshot.attributes = take();
    let attributes = take().into_iter().map(|(path, value)| (path, Declared { value, origin: 0 })).collect();
    (snapshot, Baseline { attributes, ..Baseline::default() })
}

#[test]
fn judging_ends_and_prints_whatever_it_is_given() {
    let (catalogue, assessor) = shipped();
    let names: Vec<String> = catalogue.types().map(|t| t.name.clone()).collect();
    let cases = prop::collection::vec(any_json(), 1..24);
    proptest!(ProptestConfig::with_cases(48), |(values in cases)| {
        for name in &names {
            let (snapshot, baseline) = fill(catalogue, name, &values);
            let of = catalogue.get(name).unwrap();
            let judge = |b| assessor.judge(of, &snapshot.key, Some(&snapshot), b, &Context::default());
            let (first, again, alone) = (judge(Some(&baseline)), judge(Some(&baseline)), judge(None));
            prop_assert_eq!(&first, &again);
            let reasons = first.drifts.iter().chain(&alone.drifts).map(|d| &d.reason);
            for reason in reasons.chain(first.findings.iter().map(|f| &f.reason)) {
                prop_assert!(!reason.chars().any(|c| c.is_control() || c == '\u{202e}'), "{:?}", reason);
                prop_assert!(reason.chars().count() < 1500, "{}", reason.len());
            }
        }
    });
}
